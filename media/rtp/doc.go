// Package rtp is the media engine: the only place that reads or writes packets of calls over plain RTP. (The operator's
// browser speaks SRTP through pion, in media/browser.)
//
// An [Engine] owns a range of UDP ports. A [Session] is the media of one leg: it listens on one pair of ports, believes
// one peer, and gives what that peer says to a media.Sink, on the goroutine that read the packet.
package rtp
