package sdp

import (
	"errors"
	"net/netip"
	"time"

	"holdfast/media"
)

// Errors of this package; check them with errors.Is. A peer that offers no codec of ours gets media.ErrNoCodec.
var (
	// ErrMalformed says that the body is no session description we can use: answer 400 or 488.
	ErrMalformed = errors.New("malformed session description")
	// ErrTooLarge says that the body is over MaxBody bytes or MaxMedia media lines.
	ErrTooLarge = errors.New("session description too large")
	// ErrSecure says that the peer offers audio over SRTP only, where we want none: answer 488.
	ErrSecure = errors.New("the peer offers secure RTP only")
	// ErrClear says that we want SRTP, and the peer offers no key that we can use: answer 488.
	ErrClear = errors.New("the peer offers no encryption that we can use")
)

// Limits on what we read. Real offers, video and ICE candidates included, stay under 4 KiB and 4 media lines.
const (
	MaxBody  = 8 << 10
	MaxMedia = 64
)

// OfferEventType is the payload type of telephone-event in our own offers, the one that nearly everybody uses. A peer
// sends digits to us under this type after it has answered our offer, whatever type its answer names for the way back.
const OfferEventType uint8 = 101

// Local is our side of the session.
type Local struct {
	Addr      netip.AddrPort // where we receive RTP; RTCP is one port above
	SessionID uint64         // o= line; the same for the whole dialog
	Version   uint64         // o= line; one higher each time the description changes
	Hold      bool           // we hold the peer: we offer sendonly (it may hear us, we do not listen)
	Codecs    []media.Codec  // what we speak, best first; nil: PCMU, then PCMA
	Secure    Secure         // whether and how it is encrypted
}

// Media is the outcome of a negotiation: how to reach the peer's audio and what flows, from our point of view.
type Media struct {
	Remote      netip.AddrPort // where the peer receives RTP; invalid when it gave 0.0.0.0, "::" or port 0
	RTCP        netip.AddrPort // where the peer receives RTCP: a=rtcp, else one port above Remote
	Codec       media.Codec
	PayloadType uint8         // of Codec, in what we send
	EventType   uint8         // of telephone-event, in what we send; 0: the peer takes none
	EventIn     uint8         // of telephone-event, in what we receive; 0: none was agreed
	Send        bool          // we may send
	Receive     bool          // the peer may send
	PTime       time.Duration // the peer's wish for the length of our packets; 0: none said
	Crypto      *Crypto       // the keys; nil: plain RTP
}
