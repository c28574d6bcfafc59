package browser

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"holdfast/media"
)

// ErrOtherPeer says that an offer comes from another peer connection than the leg's: a page that was loaded anew. It
// needs a new leg, by Answer.
var ErrOtherPeer = errors.New("the offer is another peer connection's")

// Restarter is a leg whose path can be made anew without ending it: after the browser's network changed.
type Restarter interface {
	// Restart answers an offer of the same peer connection, usually one with iceRestart. Errors: ErrOtherPeer, ErrBadOffer,
	// ErrStopped when the leg has ended.
	Restart(ctx context.Context, offerSDP string) (answerSDP string, err error)
}

// Watcher is a leg that tells Silent and Audible only while somebody wants to know: a browser sends nothing while its
// microphone is off, so between calls silence means nothing.
type Watcher interface {
	WatchSilence(on bool)
}

// Leg is one browser. It implements media.Leg, [Restarter] and [Watcher].
type Leg struct {
	endpoint    *Endpoint
	pc          *webrtc.PeerConnection
	fingerprint string
	born        time.Time
	out         track
	in          receiver
	sink        atomic.Pointer[media.Sink]
	events      events
	done        chan struct{}

	negotiation sync.Mutex // one offer at a time
	mu          sync.Mutex
	up          bool // Connected was told, Unreachable was not
	wasUp       bool
	watching    bool
	watchedFrom time.Time
	silent      bool // Silent was told
	ending      *media.Ending
	readers     sync.WaitGroup
}

var (
	_ media.Leg = (*Leg)(nil)
	_ Restarter = (*Leg)(nil)
	_ Watcher   = (*Leg)(nil)
)

// Audio sends one frame to the browser. Frames are dropped while the path is not up.
func (l *Leg) Audio(f media.Frame) { l.out.send(f, l.endpoint.config.Now()) }

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
	go l.close(why)
}

// close takes everything down and tells so. It is a goroutine of its own since pion's callbacks may not wait for pion.
func (l *Leg) close(why media.Ending) {
	defer l.endpoint.forget(l)
	defer close(l.done)
	if err := l.pc.GracefulClose(); err != nil {
		l.endpoint.config.Log.Debug("close a browser's peer connection", "err", err)
	}
	l.readers.Wait()
	l.tell(media.Event{Kind: media.Ended, Ending: why})
	l.events.drain()
}

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

// look is called a few times a second: it tells silence, and gives up a browser that never connected.
func (l *Leg) look(now time.Time) {
	heard := l.in.heardAt()
	l.mu.Lock()
	late := !l.wasUp && now.Sub(l.born) > l.endpoint.config.ConnectIn
	since := l.watchedFrom
	if heard.After(since) {
		since = heard
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
	if late {
		l.Hangup(media.Ending{By: media.ByError, Reason: "not_connected"})
	}
}

// onState reads the connection's state anew, because pion calls back from goroutines in any order.
func (l *Leg) onState() {
	defer l.events.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.pc.ConnectionState() {
	case webrtc.PeerConnectionStateConnected:
		if !l.up {
			l.up, l.wasUp = true, true
			l.silent, l.watchedFrom = false, l.endpoint.config.Now() // Connected says that all is well: silence begins anew
			l.tell(media.Event{Kind: media.Connected})
		}
	case webrtc.PeerConnectionStateDisconnected:
		l.unreachable()
	case webrtc.PeerConnectionStateFailed:
		l.unreachable()
		reason := "dtls_failed"
		if l.pc.ICEConnectionState() == webrtc.ICEConnectionStateFailed {
			reason = "ice_failed"
		}
		go l.Hangup(media.Ending{By: media.ByError, Reason: reason})
	case webrtc.PeerConnectionStateClosed: // by DTLS: where we closed it, the leg's ending is known already
		why := media.Ending{By: media.ByPeer, Reason: "hangup"}
		if !l.wasUp {
			why = media.Ending{By: media.ByError, Reason: "dtls_failed"}
		}
		go l.Hangup(why)
	default:
	}
}

func (l *Leg) unreachable() {
	if l.up {
		l.up = false
		l.tell(media.Event{Kind: media.Unreachable})
	}
}

// Restart answers a later offer of the same peer connection.
func (l *Leg) Restart(ctx context.Context, offerSDP string) (answerSDP string, err error) {
	defer func() {
		if p := recover(); p != nil {
			answerSDP, err = "", fmt.Errorf("%w: answering it panics: %v", ErrBadOffer, p)
		}
	}()
	checked, err := checkOffer(offerSDP)
	if err != nil {
		return "", err
	}
	if checked.fingerprint != l.fingerprint {
		return "", ErrOtherPeer
	}
	l.mu.Lock()
	ended := l.ending != nil
	l.mu.Unlock()
	if ended {
		return "", ErrStopped
	}
	return l.answer(ctx, checked)
}

// answer negotiates one offer and waits, shortly, until our candidates are known.
func (l *Leg) answer(ctx context.Context, from offer) (string, error) {
	l.negotiation.Lock()
	defer l.negotiation.Unlock()
	ctx, cancel := context.WithTimeout(ctx, gatherIn)
	defer cancel()
	if err := l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: from.sdp}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadOffer, err)
	}
	answer, err := l.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadOffer, err)
	}
	gathered := webrtc.GatheringCompletePromise(l.pc)
	if err := l.pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadOffer, err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", ctx.Err())
	}
	return l.pc.LocalDescription().SDP, nil
}

// events keeps what happened until somebody listens, and tells it one after another.
type events struct {
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
		event, fn := e.waiting[0], e.fn
		e.waiting = e.waiting[1:]
		e.telling = true
		e.mu.Unlock()
		fn(event)
		e.mu.Lock()
		e.telling = false
	}
}
