package rtp

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/media"
	"holdfast/media/sdp"
)

// conn is one port of ours.
type conn interface {
	// Send may be called from any goroutine and keeps nothing of packet.
	Send(to netip.AddrPort, packet []byte) error
	// Drain returns once we had every packet that is there now, and after limit at the latest.
	Drain(limit time.Duration)
	// Close does not wait: the last packet may still be on its way through us.
	Close()
}

// Session is the media of one leg: one RTP port, one RTCP port, one peer. It is a media.Sink. All its methods are safe
// from any goroutine.
type Session struct {
	engine  *Engine
	addr    netip.AddrPort
	port    uint16
	rtp     conn
	rtcp    conn
	in      receiver
	out     *sender
	sink    atomic.Pointer[destination]
	events  events
	keys    keyboard
	ending  sync.Once
	done    chan struct{}
	reports reporter
}

// destination boxes a Sink, so that it can be exchanged atomically.
type destination struct{ media.Sink }

var nowhere = &destination{media.Discard}

// Addr is where the peer reaches us: for our SDP.
func (s *Session) Addr() netip.AddrPort { return s.addr }

// Set tells the outcome of a negotiation; again after each re-INVITE. A new remote address opens the latch again; one
// that is not valid (hold by 0.0.0.0) keeps the former. Keys that stay go on where they are; new ones of the peer are good at
// once, and its former ones for 5 s more. With keys of ours that are new our stream begins anew. Keys that cannot be used, of
// which sdp gives none, end the leg rather than let it go on in clear.
func (s *Session) Set(peer sdp.Media) {
	defer s.survive()
	if err := s.in.set(peer, s.engine.config.Now()); err != nil {
		panic(err)
	}
}

// Await says whether nothing is heard before the next Set, be it the first or not: where audio may have to be encrypted, what
// comes earlier is believed by nobody. A call that is tried at one trunk after the other awaits each one's.
func (s *Session) Await(on bool) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.waiting = on
}

// Allow says from where the peer may send beside the address of its SDP, in place of what Open was told.
func (s *Session) Allow(from []netip.Prefix) { s.in.allow(from, false) }

// Confine is Allow for a peer that is not believed where it is: an address outside of these that its SDP names, from the next Set
// on, gets nothing, and packets from inside tell where it is. So nobody has us send audio to somebody else.
func (s *Session) Confine(to []netip.Prefix) { s.in.allow(to, true) }

// TakesDigits says whether the peer agreed to events of RFC 4733.
func (s *Session) TakesDigits() bool {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	return s.out.types.event != 0
}

// Audio sends a frame to the peer, converted where its codec differs. Nothing is sent before Set, while the peer does
// not want to hear us, and while a digit is being sent. A panic on the way out ends this leg, not the one whose frame
// it is.
func (s *Session) Audio(f media.Frame) {
	defer s.survive()
	s.out.audio(f)
}

// Receive says where the peer's audio goes; nil is media.Discard. Frame.Seq counts the peer's audio packets: other
// packets of the same stream (digits, comfort noise) are taken out of the numbering, lost ones are not.
func (s *Session) Receive(to media.Sink) {
	if to == nil {
		s.sink.Store(nowhere)
		return
	}
	s.sink.Store(&destination{to})
}

// Listen says who is told of Digit, Unheard, Hushed, Silent, Audible, and Ended with reason "panic". Events before it are kept (16) and
// delivered then. fn must not block.
func (s *Session) Listen(fn func(media.Event)) { s.events.listen(fn) }

// Stats returns what was counted so far; after Close it does not change.
func (s *Session) Stats() media.Stats {
	st := s.in.figures()
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	st.Sent = s.out.sent
	return st
}

// drainWait is how long a session that ends waits for a node that is late with reading.
const drainWait = 2 * time.Second

// Drain returns once everything that the peer has sent until now has gone where Receive says, and after two seconds at the latest. It
// must not be called from a sink or a listener.
func (s *Session) Drain() { s.rtp.Drain(drainWait) }

// Close releases the ports. It returns at once and may be repeated.
func (s *Session) Close() {
	s.ending.Do(func() {
		close(s.done)
		s.in.shut()
		s.rtp.Close()
		s.rtcp.Close()
		s.engine.release(s)
	})
}

// takeRTP is called for each packet of the RTP port.
func (s *Session) takeRTP(src netip.AddrPort, b []byte) {
	defer s.survive()
	if isRTCP(b) { // a peer that muxes although we did not agree to (RFC 5761 section 4)
		s.takeRTCP(src, b)
		return
	}
	got := s.in.take(src, b, s.engine.config.Now())
	if got.refused != none {
		s.engine.dropped[got.refused].Add(1)
		return
	}
	if got.audible {
		s.tell(media.Event{Kind: media.Audible})
	}
	if got.digit != 0 {
		s.tell(media.Event{Kind: media.Digit, Digit: got.digit})
	}
	if len(got.frame.Payload) > 0 {
		s.sink.Load().Audio(got.frame)
	}
}

// tick is the engine's clock.
func (s *Session) tick(now time.Time) {
	defer s.survive()
	unheard, hushed, silent := s.in.quiet(now, s.engine.config.UnheardAfter, s.engine.config.HushedAfter, s.engine.config.SilenceAfter)
	if unheard {
		s.tell(media.Event{Kind: media.Unheard})
	}
	if hushed {
		s.tell(media.Event{Kind: media.Hushed})
	}
	if silent {
		s.tell(media.Event{Kind: media.Silent})
	}
	if every := s.engine.config.KeepAlive; every > 0 {
		s.out.keepAlive(now, every)
	}
	s.report(now)
}

func (s *Session) tell(e media.Event) {
	e.At = s.engine.config.Now()
	s.events.tell(e)
}

// survive ends this leg, and no other, when something panicked on its way: a sink, a listener, or we.
func (s *Session) survive() {
	cause := recover()
	if cause == nil {
		return
	}
	s.engine.dropped[panicked].Add(1)
	s.engine.config.Log.Error("media: a leg ended by a panic", "local", s.addr.String(),
		"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	s.Close()
	defer func() { _ = recover() }() // the listener may be what panicked
	s.tell(media.Event{Kind: media.Ended, Ending: media.Ending{By: media.ByError, Reason: "panic"}})
}

// events delivers what happened to one listener, in order.
type events struct {
	mu   sync.Mutex
	fn   func(media.Event)
	kept []media.Event
}

// maxKept bounds the events of a leg to which nobody listens yet.
const maxKept = 16

func (e *events) listen(fn func(media.Event)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fn = fn
	for _, ev := range e.kept {
		fn(ev)
	}
	e.kept = nil
}

func (e *events) tell(ev media.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.fn != nil:
		e.fn(ev)
	case len(e.kept) < maxKept:
		e.kept = append(e.kept, ev)
	}
}
