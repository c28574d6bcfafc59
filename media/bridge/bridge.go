// Package bridge joins legs so that their parties hear each other.
//
// A [Bridge] of two is two pointers: what one leg hears, the other plays. It has no goroutine, no buffer and no clock of
// its own; frames pass on the goroutine that read them, and a tap (a recorder) is called right after, on the same one.
//
// A [Conference] of three or more must add up what is said, and so cannot go without a clock: a [Mixer] has one for all.
// It costs 40 ms of delay, which two parties are spared.
package bridge

import (
	"sync"

	"holdfast/media"
)

// Tap listens to a bridge, e.g. to record it. Each frame reaches it after the other party; a nil Sink is none. As every
// sink, it must not block and must copy what it keeps. A tap that panics ends the leg whose frame it got.
type Tap struct {
	FromA, FromB media.Sink
}

// Bridge is two legs joined.
type Bridge struct {
	a, b media.Leg
	once sync.Once
}

// Join lets a and b hear each other, from the next frame on, and taps hear both. What each leg gave its audio to before
// hears nothing more.
func Join(a, b media.Leg, taps ...Tap) *Bridge {
	fromA, fromB := &way{to: b}, &way{to: a}
	for _, t := range taps {
		if t.FromA != nil {
			fromA.taps = append(fromA.taps, t.FromA)
		}
		if t.FromB != nil {
			fromB.taps = append(fromB.taps, t.FromB)
		}
	}
	a.Receive(fromA)
	b.Receive(fromB)
	return &Bridge{a: a, b: b}
}

// Part detaches both legs: they live on, hear nothing and are heard by nobody. It may be repeated; only the first
// counts, so that a late Part does not cut what the legs were joined to since. It must come before such a join.
func (b *Bridge) Part() {
	b.once.Do(func() {
		b.a.Receive(nil)
		b.b.Receive(nil)
	})
}

// way is one direction. Audio is called for one frame at a time, as every source promises.
type way struct {
	to     media.Sink
	taps   []media.Sink
	joined bool // the first frame went by
}

// Audio passes one frame on. The first is marked: for the one who hears it the source has changed.
func (w *way) Audio(f media.Frame) {
	if !w.joined {
		w.joined, f.Marker = true, true
	}
	w.to.Audio(f)
	for _, t := range w.taps {
		t.Audio(f)
	}
}
