package browser

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/media"
	"holdfast/media/udp"
)

// ErrOtherPeer says that an offer comes from another peer connection than the leg's: a page that was loaded anew. It
// needs a new leg, by Answer.
var ErrOtherPeer = errors.New("the offer is another peer connection's")

// Restarter is a leg whose path can be made anew without ending it: after the browser's network changed.
type Restarter interface {
	// Restart answers an offer of the same peer connection, usually one with iceRestart. Errors: ErrOtherPeer, ErrBadOffer,
	// ErrStopped when the leg has ended.
	Restart(offerSDP string) (answerSDP string, err error)
}

// Watcher is a leg that tells Silent and Audible only while somebody wants to know: a browser sends nothing while its
// microphone is off, so between calls silence means nothing.
type Watcher interface {
	WatchSilence(on bool)
}

// Leg is one browser. It implements media.Leg, [Restarter] and [Watcher].
type Leg struct {
	endpoint *Endpoint
	port     *udp.Port // the endpoint's
	cert     *tls.Certificate
	mark     fingerprint
	laws     []law
	born     time.Time
	out      track
	in       receiver
	sink     atomic.Pointer[media.Sink]
	events   events
	done     chan struct{}
	ends     context.Context // cancelled when the leg is to end
	end      context.CancelFunc
	ended    atomic.Bool // as ends says, for whoever asks with each packet

	path  atomic.Pointer[path] // where the browser is sent to; nil: not known yet
	keys  atomic.Pointer[keys] // nil: not agreed on yet
	heard atomic.Int64         // newest packet that was proven to be the browser's, UnixNano
	talk  talk

	// The reader's alone.
	paths  []*path
	opened opened

	negotiation sync.Mutex // one offer at a time
	version     int        // of our session description
	logins      []*login   // guarded by endpoint.mu; newest last

	mu          sync.Mutex
	up          bool // Connected was told, Unreachable was not
	wasUp       bool
	watching    bool
	watchedFrom time.Time
	silent      bool // Silent was told
	ending      *media.Ending
}

var (
	_ media.Leg = (*Leg)(nil)
	_ Restarter = (*Leg)(nil)
	_ Watcher   = (*Leg)(nil)
)

// Audio sends one frame to the browser. Frames are dropped while the path is not up.
func (l *Leg) Audio(f media.Frame) {
	if to := l.path.Load(); to != nil {
		l.out.send(f, l.port, to.addr, l.endpoint.config.Now())
	}
}

// Receive says where the operator's voice goes; nil, as at first, is nowhere.
func (l *Leg) Receive(to media.Sink) {
	if to == nil {
		to = media.Discard
	}
	l.sink.Store(&to)
}

// Listen says who is told of the leg's events.
func (l *Leg) Listen(fn func(media.Event)) { l.events.listen(fn) }

// Done is closed when the leg has ended.
func (l *Leg) Done() <-chan struct{} { return l.done }

// Stats returns what was counted so far. MaxGap is measured while silence is watched, since a microphone that is off
// sends nothing.
func (l *Leg) Stats() media.Stats {
	stats := l.in.stats()
	stats.Sent = l.out.sent.Load()
	return stats
}

// Hangup ends the leg and closes the browser's peer connection.
func (l *Leg) Hangup(why media.Ending) {
	l.mu.Lock()
	if l.ending != nil {
		l.mu.Unlock()
		return
	}
	l.ending = &why
	l.mu.Unlock()
	l.ended.Store(true)
	l.end()
	go l.close(why)
}

// close takes everything down and tells so. It is a goroutine of its own, since whoever hangs up does not wait.
func (l *Leg) close(why media.Ending) {
	defer l.endpoint.forget(l)
	defer close(l.done)
	l.talk.running.Wait() // whoever is awake says goodbye
	l.goodbye()
	l.keys.Store(nil) // whoever knows the leg still, as the reader does until the next check, keeps little of it
	l.out.open(nil)
	l.Receive(nil)
	l.tell(media.Event{Kind: media.Ended, Ending: why})
	l.events.drain()
}

// over reports whether the leg has ended or is about to.
func (l *Leg) over() bool { return l.ended.Load() }

// hear takes note of a packet that is the browser's for certain.
func (l *Leg) hear(now time.Time) { l.heard.Store(now.UnixNano()) }

// tell keeps an event for l.events.drain, which is called without l.mu: so events are in the order of the states they come
// from, and whoever is told may ask the leg.
func (l *Leg) tell(e media.Event) {
	e.At = l.endpoint.config.Now()
	l.events.add(e)
}

// WatchSilence says whether the operator ought to be heard from now on: SilenceAfter without a packet is told as Silent.
// Saying so again changes nothing. When the watch ends during silence, Audible is told: nothing is missed any more.
func (l *Leg) WatchSilence(on bool) {
	defer l.events.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	if on == l.watching {
		return
	}
	l.in.measureGaps(on)
	l.watching, l.watchedFrom = on, l.endpoint.config.Now()
	if l.silent && l.up {
		l.tell(media.Event{Kind: media.Audible})
	}
	l.silent = false
}

// look is called a few times a second: it tells silence and a lost path, and gives up a browser that never connected or is gone.
func (l *Leg) look(now time.Time) {
	voice, away := l.in.heardAt(), now.Sub(time.Unix(0, l.heard.Load()))
	l.mu.Lock()
	var why string
	switch {
	case !l.wasUp && now.Sub(l.born) > l.endpoint.config.ConnectIn:
		why = "not_connected"
	case l.wasUp && away >= failedAfter:
		why = "ice_failed"
	case l.up && away >= disconnectedAfter:
		l.up = false
		l.tell(media.Event{Kind: media.Unreachable})
	case l.wasUp && !l.up && away < disconnectedAfter:
		l.reached(now)
	}
	since := l.watchedFrom
	if voice.After(since) {
		since = voice
	}
	quiet := now.Sub(since) >= l.endpoint.config.SilenceAfter
	if l.watching && l.up && quiet != l.silent {
		l.silent = quiet
		kind := media.Audible
		if quiet {
			kind = media.Silent
		}
		l.tell(media.Event{Kind: kind})
	}
	l.mu.Unlock()
	l.events.drain()
	if why != "" {
		l.Hangup(media.Ending{By: media.ByError, Reason: why})
	}
}

// connected is told once the keys are agreed on.
func (l *Leg) connected() {
	now := l.endpoint.config.Now()
	l.hear(now)
	l.out.open(l.keys.Load().out)
	defer l.events.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wasUp = true
	l.reached(now)
}

// reached tells that the path is up; the caller holds l.mu.
func (l *Leg) reached(now time.Time) {
	l.up = true
	l.silent, l.watchedFrom = false, now // Connected says that all is well: silence begins anew
	l.tell(media.Event{Kind: media.Connected})
}

// Restart answers a later offer of the same peer connection.
func (l *Leg) Restart(offerSDP string) (answerSDP string, err error) {
	from, err := readOffer(offerSDP)
	if err != nil {
		return "", err
	}
	if from.mark != l.mark {
		return "", ErrOtherPeer
	}
	if l.over() {
		return "", ErrStopped
	}
	return l.answer(from), nil
}

// broken takes note of a defect in what was called for this leg; it ends the leg, and no other.
func (l *Leg) broken(p any) {
	l.endpoint.config.Log.Error("a browser's leg panicked", "panic", p)
	l.Hangup(media.Ending{By: media.ByError, Reason: "panic"})
}

// events keeps what happened until somebody listens, and tells it one after another.
type events struct {
	broken func(p any) // told when a listener panics

	mu      sync.Mutex
	fn      func(media.Event)
	waiting []media.Event
	telling bool
}

func (e *events) listen(fn func(media.Event)) {
	e.mu.Lock()
	e.fn = fn
	e.mu.Unlock()
	e.drain()
}

func (e *events) add(event media.Event) {
	e.mu.Lock()
	e.waiting = append(e.waiting, event)
	e.mu.Unlock()
}

// drain tells what waits, in order. Who comes while another is telling leaves the event to that one; so a listener may
// cause events of its own.
func (e *events) drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.telling && e.fn != nil && len(e.waiting) > 0 {
		event := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.telling = true
		e.tell(e.fn, event)
		e.telling = false
	}
}

// tell calls the listener without e.mu, which the caller holds.
func (e *events) tell(fn func(media.Event), event media.Event) {
	e.mu.Unlock()
	defer e.mu.Lock()
	defer func() {
		if p := recover(); p != nil {
			e.broken(p)
		}
	}()
	fn(event)
}
