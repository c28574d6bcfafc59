package prompt_test

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/media/prompt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ear keeps what it heard and when.
type ear struct {
	mu    sync.Mutex
	heard []byte
	times []time.Time
	marks int
	last  media.Frame
}

func (e *ear) Audio(f media.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, f.Payload...)
	e.times = append(e.times, time.Now())
	if f.Marker {
		e.marks++
	}
	e.last = f
}

func (e *ear) frames() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.times)
}

func clip(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }

// play runs fn inside a bubble with a running player.
func play(t *testing.T, fn func(p *prompt.Player)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		p := prompt.NewPlayer(prompt.Config{})
		p.Start()
		defer p.Stop()
		fn(p)
	})
}

func TestClipsPlaySeamlesslyAndEndOnceInSilence(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e, done := &ear{}, 0
		p.Play(e, [][]byte{clip(200, 1), nil, clip(50, 2)}, false, func() { done++ })
		time.Sleep(time.Second)
		synctest.Wait()
		want := append(append(clip(200, 1), clip(50, 2)...), clip(70, 0xFF)...)
		if !bytes.Equal(e.heard, want) {
			t.Errorf("heard %d bytes, not the clips with 70 of silence", len(e.heard))
		}
		if done != 1 || e.marks != 1 {
			t.Errorf("done %d times, %d markers; want 1 and 1", done, e.marks)
		}
		if e.last.Seq != 1 || e.last.Timestamp != 160 {
			t.Errorf("last frame is %d at %d", e.last.Seq, e.last.Timestamp)
		}
	})
}

func TestFramesKeepTheClockWithoutDrift(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e, start := &ear{}, time.Now()
		stop := p.Play(e, [][]byte{clip(333, 1)}, true, nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		stop()
		if got, want := e.frames(), int(time.Hour/media.FrameTime); got != want {
			t.Errorf("%d frames in an hour; want %d", got, want)
		}
		for i, at := range e.times {
			if at.Sub(start)%media.FrameTime != 0 {
				t.Fatalf("frame %d came at %v", i, at.Sub(start))
			}
		}
	})
}

func TestALoopRepeatsWithoutAGap(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e := &ear{}
		p.Play(e, [][]byte{clip(100, 1), clip(30, 2)}, true, func() { t.Error("a loop ended") })
		time.Sleep(time.Second)
		synctest.Wait()
		for i, b := range e.heard {
			if want := byte(1 + min(1, i%130/100)); b != want {
				t.Fatalf("byte %d is %d; want %d", i, b, want)
			}
		}
	})
}

func TestAfterStopNoFrameAndNoEnd(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e := &ear{}
		stop := p.Play(e, [][]byte{clip(8000, 1)}, false, func() { t.Error("done after Stop") })
		time.Sleep(105 * time.Millisecond)
		stop()
		stop()
		n := e.frames()
		time.Sleep(2 * time.Second)
		if e.frames() != n || n != 5 {
			t.Errorf("%d frames before Stop, %d after it", n, e.frames()-n)
		}
	})
}

func TestASinkThatPanicsLosesOnlyItsOwnPrompt(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e, over := &ear{}, 0
		p.Play(sinkFunc(func(media.Frame) { panic("broken leg") }), [][]byte{clip(1600, 1)}, false, func() { over++ })
		p.Play(e, [][]byte{clip(1600, 1)}, false, func() { over++; panic("broken call") })
		e2 := &ear{}
		p.Play(e2, [][]byte{clip(3200, 1)}, false, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if e.frames() != 10 || e2.frames() != 20 || over != 2 {
			t.Errorf("heard %d and %d frames, %d ends", e.frames(), e2.frames(), over)
		}
	})
}

func TestNothingToPlayEndsAtOnce(t *testing.T) {
	play(t, func(p *prompt.Player) {
		over := 0
		p.Play(&ear{}, nil, true, func() { over++ })
		p.Play(&ear{}, [][]byte{{}}, false, func() { over++ })
		time.Sleep(media.FrameTime)
		synctest.Wait()
		if over != 2 {
			t.Errorf("%d ends; want 2", over)
		}
	})
}

func TestADoneMayPlayTheNextClipWithoutAGap(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e := &ear{}
		p.Play(e, [][]byte{clip(320, 1)}, false, func() { p.Play(e, [][]byte{clip(320, 2)}, false, nil) })
		time.Sleep(time.Second)
		synctest.Wait()
		for i := 1; i < len(e.times); i++ {
			if gap := e.times[i].Sub(e.times[i-1]); gap != media.FrameTime {
				t.Errorf("gap of %v before frame %d", gap, i)
			}
		}
		if len(e.times) != 4 {
			t.Errorf("%d frames; want 4", len(e.times))
		}
	})
}

func TestAStalledProcessDoesNotBurst(t *testing.T) {
	play(t, func(p *prompt.Player) {
		e, slow := &ear{}, true
		p.Play(sinkFunc(func(media.Frame) {
			if slow {
				slow = false
				time.Sleep(2 * time.Second)
			}
		}), [][]byte{clip(160, 1)}, true, nil)
		p.Play(e, [][]byte{clip(160, 1)}, true, nil)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		atOnce := 0
		for i := 1; i < len(e.times); i++ {
			if e.times[i].Equal(e.times[i-1]) {
				atOnce++
			}
		}
		if atOnce > 6 {
			t.Errorf("%d frames at one moment after a stall of 2 s", atOnce)
		}
		if n := e.frames(); n < 50 || n > 58 {
			t.Errorf("%d frames in the 3 s of which 2 were stalled", n)
		}
	})
}

func TestAStoppedPlayerPlaysNothing(t *testing.T) {
	t.Parallel()
	p := prompt.NewPlayer(prompt.Config{})
	p.Stop()
	p.Stop()
	p.Start()
	p.Play(&ear{}, [][]byte{clip(1, 1)}, false, func() { t.Error("played") })()
}

func TestAFrameCostsNoAllocation(t *testing.T) {
	p := prompt.NewPlayer(prompt.Config{})
	count := sinkFunc(func(media.Frame) {})
	for range 100 {
		p.Play(count, [][]byte{clip(161, 1)}, true, nil)
	}
	prompt.Tick(p)
	if n := testing.AllocsPerRun(100, func() { prompt.Tick(p) }); n != 0 {
		t.Errorf("%v allocations for a tick of 100 prompts", n)
	}
	p.Stop()
}

type sinkFunc func(media.Frame)

func (f sinkFunc) Audio(m media.Frame) { f(m) }
