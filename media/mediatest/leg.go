package mediatest

import (
	"sync"
	"time"

	"holdfast/media"
)

// Leg is a party in memory. What is played to it arrives in Heard; Say and Press are what the party does.
type Leg struct {
	Heard *Probe

	mu     sync.Mutex
	to     media.Sink
	fn     func(media.Event)
	kept   []media.Event
	done   chan struct{}
	ending media.Ending
	stats  media.Stats
}

var _ media.Leg = (*Leg)(nil)

// NewLeg makes a party who is there.
func NewLeg() *Leg { return &Leg{Heard: NewProbe(), to: media.Discard, done: make(chan struct{})} }

// Audio plays a frame to the party.
func (l *Leg) Audio(f media.Frame) {
	l.mu.Lock()
	over := l.over()
	if !over {
		l.stats.Sent++
	}
	l.mu.Unlock()
	if !over {
		l.Heard.Audio(f)
	}
}

// Receive says where the party's audio goes.
func (l *Leg) Receive(to media.Sink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to == nil {
		to = media.Discard
	}
	l.to = to
}

// Say is the party speaking one frame.
func (l *Leg) Say(f media.Frame) {
	l.mu.Lock()
	to := l.to
	if l.over() {
		to = media.Discard
	} else {
		now := time.Now()
		if l.stats.Received == 0 {
			l.stats.FirstReceived = now
		}
		l.stats.Received++
		l.stats.LastReceived = now
	}
	l.mu.Unlock()
	to.Audio(f)
}

// SayTone is the party making a sound of hz for d, at once rather than in real time.
func (l *Leg) SayTone(c media.Codec, hz float64, d time.Duration) {
	tone := NewTone(c, hz)
	for range d / media.FrameTime {
		l.Say(tone.Next())
	}
}

// Press is the party pressing keys.
func (l *Leg) Press(keys string) {
	for _, k := range []byte(keys) {
		l.Emit(media.Event{Kind: media.Digit, Digit: k, At: time.Now()})
	}
}

// Emit tells an event, or keeps it until somebody listens. After the leg has ended nothing is told.
func (l *Leg) Emit(e media.Event) {
	l.mu.Lock()
	if l.over() {
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.deliver(e)
}

func (l *Leg) deliver(e media.Event) {
	l.mu.Lock()
	fn := l.fn
	if fn == nil {
		l.kept = append(l.kept, e)
	}
	l.mu.Unlock()
	if fn != nil {
		fn(e)
	}
}

// Listen says who is told of events.
func (l *Leg) Listen(fn func(media.Event)) {
	l.mu.Lock()
	kept := l.kept
	l.fn, l.kept = fn, nil
	l.mu.Unlock()
	for _, e := range kept {
		fn(e)
	}
}

// Hangup ends the leg; the first Ending wins.
func (l *Leg) Hangup(e media.Ending) {
	l.mu.Lock()
	if l.over() {
		l.mu.Unlock()
		return
	}
	l.ending = e
	close(l.done)
	l.mu.Unlock()
	l.deliver(media.Event{Kind: media.Ended, Ending: e, At: time.Now()})
}

// Leave is the party hanging up.
func (l *Leg) Leave() { l.Hangup(media.Ending{By: media.ByPeer, Reason: "bye"}) }

// Done is closed when the leg has ended.
func (l *Leg) Done() <-chan struct{} { return l.done }

// Ending is how it ended; zero while it has not.
func (l *Leg) Ending() media.Ending { l.mu.Lock(); defer l.mu.Unlock(); return l.ending }

// Stats returns what was counted.
func (l *Leg) Stats() media.Stats { l.mu.Lock(); defer l.mu.Unlock(); return l.stats }

// over says whether the leg has ended; mu is held.
func (l *Leg) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
