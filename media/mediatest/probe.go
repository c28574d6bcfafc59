package mediatest

import (
	"math"
	"sync"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
)

// window is how much of what came last a Probe judges: 200 ms.
const window = media.SampleRate / 5

// Probe is a sink that listens: which tone is there, how many frames came, how many are missing by their numbers.
type Probe struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each frame
	recent  []int16       // the last window of samples
	frames  int
	marked  int
	samples int
	first   uint16
	highest uint16
	ahead   int // frames from the first to the highest, if none were lost
	last    media.Frame
}

// NewProbe makes a Probe that has heard nothing.
func NewProbe() *Probe { return &Probe{changed: make(chan struct{})} }

// Audio takes a frame.
func (p *Probe) Audio(f media.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frames == 0 {
		p.first, p.highest, p.ahead = f.Seq, f.Seq, 1
	} else if step := int16(f.Seq - p.highest); step > 0 {
		p.highest = f.Seq
		p.ahead += int(step)
	}
	p.frames++
	if f.Marker {
		p.marked++
	}
	p.samples += len(f.Payload)
	p.recent = codec.Decode(p.recent, f.Codec, f.Payload)
	if n := len(p.recent); n > window {
		p.recent = append(p.recent[:0], p.recent[n-window:]...)
	}
	p.last = f
	p.last.Payload = append([]byte(nil), f.Payload...)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Forget starts anew: nothing was heard.
func (p *Probe) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent, p.frames, p.marked, p.samples, p.ahead = nil, 0, 0, 0, 0
}

// Frames is how many came.
func (p *Probe) Frames() int { p.mu.Lock(); defer p.mu.Unlock(); return p.frames }

// Marked is how many of them had the marker.
func (p *Probe) Marked() int { p.mu.Lock(); defer p.mu.Unlock(); return p.marked }

// Heard is how much sound came.
func (p *Probe) Heard() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.samples) * time.Second / media.SampleRate
}

// Lost is how many are missing by their sequence numbers.
func (p *Probe) Lost() int { p.mu.Lock(); defer p.mu.Unlock(); return max(0, p.ahead-p.frames) }

// Last is the newest frame.
func (p *Probe) Last() media.Frame { p.mu.Lock(); defer p.mu.Unlock(); return p.last }

// Level is the loudness of the last 200 ms in dBFS; codec.Floor when nothing came.
func (p *Probe) Level() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return codec.Level(media.PCMU, codec.Encode(nil, media.PCMU, p.recent))
}

// Hears says whether a tone of hz is what the last 200 ms mostly are (Goertzel: at least half of the energy).
func (p *Probe) Hears(hz float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.recent) == window && share(p.recent, hz) > 0.5
}

// Share is the part of the energy of the last 200 ms that a tone of hz has, 0 to 1: for telling how much of it is in a mix.
func (p *Probe) Share(hz float64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return share(p.recent, hz)
}

// share is the part of the energy that a tone has, 0 to 1, by Goertzel's algorithm.
func share(samples []int16, hz float64) float64 {
	k := 2 * math.Cos(2*math.Pi*hz/media.SampleRate)
	var s1, s2, energy float64
	for _, v := range samples {
		x := float64(v)
		s1, s2 = x+k*s1-s2, s1
		energy += x * x
	}
	if energy < float64(len(samples))*100 { // below -70 dBFS nothing is a tone
		return 0
	}
	return 2 * (s1*s1 + s2*s2 - k*s1*s2) / (energy * float64(len(samples)))
}

// WaitTone waits until a tone of hz is heard, and fails the test after limit.
func (p *Probe) WaitTone(t testing.TB, hz float64, limit time.Duration) {
	t.Helper()
	if !p.wait(limit, func() bool { return p.Hears(hz) }) {
		t.Fatalf("no tone of %v Hz in %v: %d frames came, level %.0f dBFS", hz, limit, p.Frames(), p.Level())
	}
}

// WaitFrames waits until n frames came in all, and fails the test after limit.
func (p *Probe) WaitFrames(t testing.TB, n int, limit time.Duration) {
	t.Helper()
	if !p.wait(limit, func() bool { return p.Frames() >= n }) {
		t.Fatalf("%d frames in %v, want %d", p.Frames(), limit, n)
	}
}

// wait tries ok at every frame.
func (p *Probe) wait(limit time.Duration, ok func() bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if ok() {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return ok()
		}
	}
}
