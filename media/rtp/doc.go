// Package rtp is the media engine: the only place that reads or writes packets of calls on trunks, in plain RTP or in SRTP
// under the keys that SDP agreed on (RFC 3711, RFC 4568). (The operator's browser speaks DTLS-SRTP through pion, in
// media/browser.)
//
// An [Engine] owns a range of UDP ports. A [Session] is the media of one leg: it listens on one pair of ports, believes
// one peer, and gives what that peer says to a media.Sink, on the goroutine that read the packet. Frames played to it
// leave at once under its own SSRC, with sequence and timestamps that run on smoothly whoever plays them. Nothing
// ticks for audio and nothing is allocated for a packet; one clock for all sessions sends reports and notices silence.
//
// # What a packet must pass
//
// Its source is checked first, then that the peer wrote it, where the call is encrypted, then its rate, then its form, and
// only then is it used. A packet that fails is counted by its reason (Engine.Dropped) and forgotten: it never ends a loop,
// never changes where we send, and is never an error to anybody. A panic on the way, be it in a sink, ends that leg alone.
//
// # Latch and lock
//
// The peer is the address that its SDP named, from its first packet on. Behind NAT it comes from another, inside the trunk's own
// media prefixes. Such a source is heard at once, as long as nobody else is believed, and only heard: media is sent to it, and its
// keys count, when five packets of one stream came in order and not in one burst; another machine than the one that was heard
// before, or that the SDP names inside the prefixes, must go on like that for a second. Then it has the lock: only it is heard, and it is where we
// send. Another source from inside may prove itself only after a second and a half without a packet, and loses the lock again to
// who had it before, or goes on with that one's stream behind a new port of its NAT; the address of the SDP may always. A
// stranger is never heard and never sent to.
//
// # The network
//
// Package media/udp reads all ports, with a few goroutines for the whole node; a packet is relayed on the one that read it, from
// its system call to the one that sends it on.
package rtp
