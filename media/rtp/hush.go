package rtp

import (
	"math"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
)

const (
	// hushLevel is the level up to which there is no sound in a packet, in dBFS: less than any microphone that is on.
	hushLevel = -70
	// hushLook is how often a packet is listened to: all of them would cost a twentieth of relaying them.
	hushLook = 100 * time.Millisecond
)

// hushSquare is the mean square of samples at hushLevel.
var hushSquare = uint64(32768 * 32768 * math.Pow(10, hushLevel/10.0))

// squares holds the square of each byte's sample, for µ-law and for A-law.
var squares = func() (t [2][256]uint64) {
	for i := range 256 {
		for law, c := range []media.Codec{media.PCMU, media.PCMA} {
			s := int64(codec.Decode(nil, c, []byte{byte(i)})[0])
			t[law][i] = uint64(s * s) //nolint:gosec // a square
		}
	}
	return t
}()

// hush knows since when a peer's packets have had no sound in them: a gateway that lost one direction, or a handset that is
// muted. The zero value knows nothing yet.
type hush struct {
	since  time.Time // zero: the packet that was listened to last had sound in it
	looked time.Time
	told   bool
}

// take listens to a packet, where it is time to, and says whether sound came again after its lack had been told.
func (h *hush) take(c media.Codec, payload []byte, now time.Time) (again bool) {
	if now.Sub(h.looked) < hushLook {
		return false
	}
	h.looked = now
	switch sounds := sounds(c, payload); {
	case sounds:
		again = h.told
		h.since, h.told = time.Time{}, false
	case h.since.IsZero():
		h.since = now
	}
	return again
}

// lasts says once that there has been no sound for so long.
func (h *hush) lasts(now time.Time, long time.Duration) bool {
	if h.told || h.since.IsZero() || now.Sub(h.since) < long {
		return false
	}
	h.told = true
	return true
}

// sounds says whether a payload is louder than hushLevel. Speech is after a sample or two.
func sounds(c media.Codec, payload []byte) bool {
	t := &squares[0]
	if c == media.PCMA {
		t = &squares[1]
	}
	most, sum := hushSquare*uint64(len(payload)), uint64(0)
	for _, b := range payload {
		if sum += t[b]; sum > most {
			return true
		}
	}
	return false
}
