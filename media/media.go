// Package media says what audio is to the rest of Holdfast: frames, legs, and how a leg ends. It holds interfaces and
// values only; no sockets, no SIP, no WebRTC. Services import this package and never its edges (media/rtp, trunk,
// browser): those are connected in cmd.
//
// Audio is pushed. Whoever receives a packet calls the [Sink] it was given, on the goroutine that read the packet, and
// a sink never blocks and never keeps the payload. That is the whole reason a bridge costs no goroutine, no lock and no
// allocation a packet: a.Receive(b); b.Receive(a).
//
// All audio is G.711 at 8,000 Hz, one channel, one byte a sample; 20 ms are 160 bytes.
package media

import "time"

// SampleRate is the rate of all audio, in Hz.
const SampleRate = 8000

// FrameTime is the length of the frames we send. A peer may send other lengths; FrameBytes is what FrameTime takes.
const (
	FrameTime  = 20 * time.Millisecond
	FrameBytes = 160
)

// Codec is how a payload is coded: the two companding laws of ITU-T G.711.
type Codec uint8

// The codecs, with their static RTP payload types (RFC 3551 section 6) as values.
const (
	PCMU Codec = 0 // µ-law
	PCMA Codec = 8 // A-law
)

// String returns the codec's name as SDP writes it.
func (c Codec) String() string {
	if c == PCMA {
		return "PCMA"
	}
	return "PCMU"
}

// Silence is the byte that means no sound in this codec.
func (c Codec) Silence() byte {
	if c == PCMA {
		return 0xD5
	}
	return 0xFF
}

// Frame is a stretch of audio as it came from, or goes to, the wire.
type Frame struct {
	Codec     Codec
	Seq       uint16 // of the source's RTP stream; a sink uses it to see loss and order, never as its own number
	Timestamp uint32 // of the source's RTP stream, 8,000 a second
	Marker    bool   // first frame after silence, or after the source changed
	Payload   []byte // one byte a sample; valid only until the sink returns
}

// Sink takes audio. Audio is called from media goroutines, at most one at a time for one source. It must not block,
// must not allocate per frame, and must copy the payload if it needs it later.
type Sink interface {
	Audio(f Frame)
}

// Discard is the sink that hears nothing.
var Discard Sink = discard{}

type discard struct{}

func (discard) Audio(Frame) {}

// Leg is one party of a call: a trunk's caller or an operator's browser. As a Sink it plays frames to the party,
// converting the codec by table where it differs and writing its own SSRC, sequence and timestamps.
type Leg interface {
	Sink
	// Receive says where the party's audio goes from now on; nil is Discard. At most the frame in flight still
	// reaches the former sink. Safe from any goroutine.
	Receive(to Sink)
	// Listen says who is told of the leg's events; it must be called once, before any event matters. fn is called
	// on the leg's own goroutines and must not block: it posts to a mailbox. Events before Listen are kept and delivered then.
	Listen(fn func(Event))
	// Hangup ends the leg, telling the peer. It returns at once, may be repeated, and the first Ending wins.
	Hangup(Ending)
	// Done is closed when the leg has ended and its ports are released.
	Done() <-chan struct{}
	// Stats returns what was counted so far; after Done it does not change.
	Stats() Stats
}

// Event is something that happened on a leg.
type Event struct {
	Kind   EventKind
	At     time.Time
	Digit  byte   // Digit: one of 0-9 * # A-D
	Ending Ending // Ended
}

// EventKind is what happened.
type EventKind uint8

// The kinds of leg events.
const (
	Digit       EventKind = iota + 1 // the party pressed a key (RFC 4733 or SIP INFO); once a press
	Held                             // the peer put us on hold (re-INVITE with sendonly or inactive)
	Resumed                          // the peer took us back
	Silent                           // no packet for the leg's silence limit, though one was expected
	Audible                          // packets come again
	Connected                        // the media path is up: at once for a trunk, after ICE and DTLS for a browser; again after Unreachable
	Unreachable                      // the media path is lost (ICE disconnected); it may come back
	Ended                            // the leg is over; nothing follows
	Ringing                          // a call that we placed rings at the far end
	Encrypted                        // audio is encrypted on its way to the peer from now on
	InClear                          // audio is not encrypted on its way to the peer, though it should be where possible
	Unheard                          // no packet for some seconds, though one was expected: sooner than Silent, and ended by Audible too
	Hushed                           // packets come, and for long there has been no sound in them; ended by Audible too
)

// Ending says how and by whom a leg was ended. Reason is stable: it is used by logs, metrics and records alike.
type Ending struct {
	By     By
	Reason string // e.g. "bye", "cancel", "hangup", "media_timeout", "no_ack", "ice_failed", "shutdown"
	Status int    // the SIP status where one was involved, else 0
}

// By is who ended a leg.
type By string

// Who ends a leg.
const (
	ByPeer   By = "peer"   // the party at the far end
	ByServer By = "server" // we did, on purpose
	ByError  By = "error"  // something failed
)

// Stats is what a leg counted. Lost counts gaps in the peer's sequence numbers (RFC 3550 appendix A.3), never below 0.
type Stats struct {
	Sent, Received, Lost uint64
	Dropped              uint64        // packets refused: strangers, malformed, failed authentication
	MaxGap               time.Duration // longest time between two received packets
	FirstReceived        time.Time     // when the first valid packet came; zero: never
	LastReceived         time.Time     // when the last valid packet came; zero: never
}
