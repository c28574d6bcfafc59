// Package load makes the world of a benchmark: hundreds of callers and operators that cost so little that one core of
// them can fill one core of a server.
//
// A [Phone] is one SIP socket with many calls in it, an [Agent] one that takes calls, an [RTPEngine] asks a relay of that
// name, which knows no SIP, for calls. A [Studio] is two UDP sockets, one for all callers' audio and one for all
// operators', and one thread that sends what is due each millisecond and reads what came, in batches of system calls.
// Operators are told apart by their own loopback addresses (127.1.x.y), so the server sees as many peers as there are
// operators; their ICE and DTLS are pion's, their SRTP is done in the thread.
//
// Each packet carries who sent it, its number and the time it was sent. What comes back is compared with the kernel's
// receive time, so that the measured delay is the server's and not that of a generator that had no time to look.
package load
