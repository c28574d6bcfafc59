package rtp

import (
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

// hush knows since when a peer's packets have had no sound in them: a gateway that lost one direction, or a handset that is
// muted. The zero value knows nothing yet.
type hush struct {
	since  time.Time // zero: the last packet had sound in it, or comfort noise instead
	looked time.Time
	told   bool
}

// take listens to a packet, where it is time to, and says whether sound came again after its lack had been told.
func (h *hush) take(c media.Codec, payload []byte, now time.Time) (again bool) {
	if now.Sub(h.looked) < hushLook {
		return false
	}
	h.looked = now
	switch {
	case codec.Level(c, payload) > hushLevel:
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

// comfort notes comfort noise (RFC 3389): a peer that sends it listens, and hears nobody speak. That is no sound, but no lack of
// it either: nothing is lost or muted, somebody is quiet.
func (h *hush) comfort() {
	if !h.told {
		h.since = time.Time{}
	}
}
