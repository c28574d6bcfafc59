package pace

import (
	"testing"
	"testing/synctest"
	"time"

	"holdfast/media"
)

func TestBeatsKeepTheRateOfTheAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quit, beats := make(chan struct{}), 0
		go Keep(quit, func() { beats++ })
		time.Sleep(10*time.Second + media.FrameTime/2) // of the bubble's clock
		synctest.Wait()
		if beats != 500 {
			t.Errorf("%d beats in 10 s, want 500", beats)
		}
		close(quit)
	})
}

func TestAClockThatWasHeldUpCatchesUpAHundredMillisecondsAndSkipsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quit, beats := make(chan struct{}), 0
		go Keep(quit, func() {
			if beats++; beats == 1 {
				time.Sleep(2 * time.Second)
			}
		})
		time.Sleep(2*time.Second + media.FrameTime + media.FrameTime/2)
		synctest.Wait()
		if beats < 6 || beats > 7 {
			t.Errorf("%d beats after two seconds of standing still, want the first and 100 ms worth", beats)
		}
		close(quit)
	})
}
