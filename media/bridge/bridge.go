// Package bridge joins two legs so that their parties hear each other.
package bridge

import "holdfast/media"

// Tap listens to a bridge, e.g. to record it. It gets each frame after it was passed on; a nil Sink is none.
type Tap struct {
	FromA, FromB media.Sink
}

// Bridge is two legs joined.
type Bridge struct{}

// Join lets a and b hear each other.
func Join(a, b media.Leg, taps ...Tap) *Bridge { panic("not yet") }

// Part lets both sides hear nothing and be heard by nobody.
func (b *Bridge) Part() { panic("not yet") }
