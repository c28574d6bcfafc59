// Package browser is the operator's end of a call: one WebRTC leg per duty, over one UDP port.
//
// A page makes an SDP offer and sends it over its own socket; [Endpoint.Answer] turns it into a media.Leg and an answer.
// From then on all is G.711 in SRTP. The leg stays up for the whole duty, not for a call, so that a call is joined by
// pointing two sinks at each other and costs no negotiation.
//
// # One port
//
// Every browser of a node talks to one UDP port, which package media/udp reads together with the ports of calls: the first byte
// of a packet says what it is (RFC 7983), its source says whose (RFC 8445: only sources that passed a signed check count).
// Checks are answered at once, DTLS goes to the leg's own conversation, and SRTP is opened and handed to the leg's sink then
// and there. No packet of audio starts a goroutine, waits for one, or allocates.
//
// The endpoint is ICE-lite: it stands on an address that browsers can reach, answers their checks, and never sends one. It
// therefore has no use for a page's candidates and drops them unread: no look-up of .local names, no packet to an address
// because a page named it. DTLS and the ciphers of SRTP are pion's; the little that an ICE-lite side must do is ours, since
// pion's peer connection costs 14 goroutines and 170 KiB, and three times the processor, for what a desk never uses.
//
// # Who is at the other end
//
// The DTLS certificate must have the fingerprint that the offer named, and the offer came over a socket that an operator
// signed in to. A leg keeps that fingerprint: a later offer with another one is another page ([ErrOtherPeer]) and needs a
// leg of its own. An offer with the same one ([Leg.Restart]) gives the same leg a new path, after a changed network.
//
// # How a leg is lost
//
// A page that closes says goodbye in DTLS, and the leg ends at once. Between the handshake and that goodbye the conversation
// sleeps: no goroutine of the leg's runs, and little is kept. One that vanishes is Unreachable after 3 s
// without a packet, and the leg ends 10 s later, unless a packet or a restart brings it back: then it is Connected again.
// An open microphone that sends nothing is told as Silent, but only while somebody watches, because a page
// turns the microphone off between calls and then sends nothing for hours.
package browser
