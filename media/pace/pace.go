// Package pace is the clock of everything that sends audio by itself: a beat every 20 ms, for as long as it is wanted.
//
// Beats are counted from the first, so that the error of one wake-up is not carried to the next: what is sent by them has
// the rate of the audio on the average, and a far end's jitter buffer neither fills nor runs dry.
package pace

import (
	"time"

	"holdfast/media"
)

// mostLate is how far a clock catches up after the process was held up. What is later than that is skipped: a burst of
// old frames only fills the peer's jitter buffer.
const mostLate = 5 * media.FrameTime

// Keep calls beat once every media.FrameTime, the first time after one, until quit is closed. It returns then.
func Keep(quit <-chan struct{}, beat func()) {
	origin, ticks := time.Now(), 0
	timer := time.NewTimer(media.FrameTime)
	defer timer.Stop()
	for {
		select {
		case <-quit:
			return
		case <-timer.C:
		}
		for {
			late := time.Since(origin) - time.Duration(ticks+1)*media.FrameTime
			if late < 0 {
				break
			}
			if late > mostLate {
				origin = origin.Add((late - mostLate).Truncate(media.FrameTime))
			}
			ticks++
			beat()
		}
		timer.Reset(time.Duration(ticks+1)*media.FrameTime - time.Since(origin))
	}
}
