package rtp

import (
	"log/slog"
	"net/netip"
	"time"

	"holdfast/media"
	"holdfast/media/sdp"
)

// Config is what an Engine needs. Zero values mean the defaults named here.
type Config struct {
	Bind         netip.Addr    // address of the sockets; default 127.0.0.1
	Public       netip.Addr    // address told to peers; default Bind. Needed when Bind is 0.0.0.0 or ::
	Low, High    uint16        // ports, both included; RTP takes the even ones and RTCP the odd above; default 16384-32767
	Quiet        time.Duration // how long a port rests before its next use, default 5 s: late packets of the former call die out
	SilenceAfter time.Duration // Silent is told after this long without a packet that was expected; default 20 s
	Log          *slog.Logger
	Now          func() time.Time
}

// Engine owns the ports and sockets of all sessions.
type Engine struct{}

// New checks the configuration and makes an Engine; nothing runs before Start.
func New(Config) (*Engine, error) { panic("not yet") }

// Start starts the engine's clock (reports, silence).
func (e *Engine) Start() error { panic("not yet") }

// Stop closes every session and waits for their goroutines. It may be repeated.
func (e *Engine) Stop() { panic("not yet") }

// Dropped returns how many packets were refused since the start, by reason: "stranger", "malformed", "unknown_pt",
// "duplicate", "late", "jump", "rate", "panic". The keys are always all there.
func (e *Engine) Dropped() map[string]uint64 { panic("not yet") }

// Open takes the longest-rested pair of ports for a call whose peer, beside the address that its SDP will name, may send
// from allowed. It returns media.ErrNoPort when every port is in use or still resting.
func (e *Engine) Open(allowed []netip.Prefix) (*Session, error) { panic("not yet") }

// Session is the media of one leg: one RTP port, one RTCP port, one peer. It is a media.Sink.
type Session struct{}

// Addr is where the peer reaches us: for our SDP.
func (s *Session) Addr() netip.AddrPort { panic("not yet") }

// Set tells the outcome of a negotiation; again after each re-INVITE. A new remote address opens the latch again.
func (s *Session) Set(peer sdp.Media) { panic("not yet") }

// Audio sends a frame to the peer.
func (s *Session) Audio(f media.Frame) { panic("not yet") }

// Receive says where the peer's audio goes; nil is media.Discard.
func (s *Session) Receive(to media.Sink) { panic("not yet") }

// Listen says who is told of Digit, Silent, Audible, and Ended with reason "panic". Events before it are kept (16) and
// delivered then. fn must not block.
func (s *Session) Listen(fn func(media.Event)) { panic("not yet") }

// SendDigit sends one of 0-9 * # A-D for ms milliseconds by RFC 4733. It returns at once; digits queue up.
func (s *Session) SendDigit(digit byte, ms int) { panic("not yet") }

// Stats returns what was counted so far; after Close it does not change.
func (s *Session) Stats() media.Stats { panic("not yet") }

// Close releases the ports. It returns at once and may be repeated.
func (s *Session) Close() { panic("not yet") }
