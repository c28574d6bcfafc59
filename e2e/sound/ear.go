package sound

import (
	"math"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
)

const (
	// window is what Heard and Loud look at: 200 ms tell tones apart that are 10 Hz apart.
	window = media.SampleRate / 5
	// longestGap is how much silence is put into a recording where packets are missing, in samples.
	longestGap = 10 * media.SampleRate
	// quietest is the mean amplitude below which nothing is heard.
	quietest = 50.0
	// stale is how old the newest frame may be for its sound to count as heard now.
	stale = 300 * time.Millisecond
)

// Ear hears what it is told: all of it while it records, and the last moment in any case. The zero Ear is ready.
type Ear struct {
	mu     sync.Mutex
	keep   bool
	begun  bool
	next   uint32 // timestamp of the next sample
	rec    []int16
	recent [window]int16
	at     int
	last   time.Time // when the newest frame came
	buf    []int16
	cue    chan time.Time // nil: nobody waits for a tone
	cueHz  float64
}

// Audio hears a frame.
func (e *Ear) Audio(f media.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = time.Now()
	if !e.begun {
		e.begun, e.next = true, f.Timestamp
	}
	e.buf = codec.Decode(e.buf[:0], f.Codec, f.Payload)
	for _, s := range e.buf {
		e.recent[e.at] = s
		e.at = (e.at + 1) % window
	}
	if e.cue != nil && Has(e.buf, e.cueHz) {
		e.cue <- e.last
		e.cue = nil
	}
	gap := int32(f.Timestamp - e.next) // wraps around by design
	if gap < 0 && gap > -longestGap {
		return // late or twice
	}
	e.next = f.Timestamp + uint32(len(f.Payload)) // below 1,500
	if !e.keep {
		return
	}
	if gap > 0 && gap < longestGap && !f.Marker {
		e.rec = append(e.rec, make([]int16, gap)...)
	}
	e.rec = append(e.rec, e.buf...)
}

// Cue tells when the first frame comes that is mostly a tone of hz, from now on. It takes the place of an earlier cue.
func (e *Ear) Cue(hz float64) <-chan time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cue, e.cueHz = make(chan time.Time, 1), hz
	return e.cue
}

// Record begins to keep what is heard, or ceases to.
func (e *Ear) Record(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keep = on
}

// Forget makes the ear deaf to what it heard in the last moment; the recording stays.
func (e *Ear) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recent = [window]int16{}
}

// Recording returns what was kept, a copy.
func (e *Ear) Recording() []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int16(nil), e.rec...)
}

// Loud says whether there was any sound in the last 200 ms.
func (e *Ear) Loud() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Loud(e.recent[:])
}

// Heard says whether a tone of hz is most of what came in the last 200 ms.
func (e *Ear) Heard(hz float64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(e.last) < stale && Has(append(append([]int16(nil), e.recent[e.at:]...), e.recent[:e.at]...), hz)
}

// Loud says whether samples are a sound that can be heard.
func Loud(samples []int16) bool {
	return energy(samples) >= quietest*quietest*float64(len(samples))
}

// Has says whether a tone of hz is most of samples (Goertzel's algorithm).
func Has(samples []int16, hz float64) bool {
	if len(samples) == 0 || !Loud(samples) {
		return false
	}
	w := 2 * math.Cos(2*math.Pi*hz/media.SampleRate)
	var s1, s2 float64
	for _, s := range samples {
		s1, s2 = float64(s)+w*s1-s2, s1
	}
	power := s1*s1 + s2*s2 - w*s1*s2 // of a pure tone: energy * samples / 2
	return power > energy(samples)*float64(len(samples))/4
}

func energy(samples []int16) (sum float64) {
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return sum
}
