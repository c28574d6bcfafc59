package carrier

import (
	"math"
	"slices"
	"sync"
	"time"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

const (
	// window is what Heard looks at: 200 ms tell tones apart that are 10 Hz apart.
	window = media.SampleRate / 5
	// staleAfter is how long after the last packet what came before it is not heard any more.
	staleAfter = 200 * time.Millisecond
	// longestGap is how much silence is put into a recording where packets are missing, in samples.
	longestGap = 10 * media.SampleRate
)

// ear hears what the node says: it keeps it all when a recording is wanted, and the last moment in any case.
type ear struct {
	mu     sync.Mutex
	now    func() time.Time
	keep   bool
	first  time.Time
	next   uint32 // timestamp of the next sample
	rec    []int16
	recent [window]int16
	at     int
	last   time.Time // when something came
	buf    []int16
	cue    chan time.Time // nil: nobody waits for a tone
	cueHz  float64
	cueIn  int // frames of it in a row that are waited for
	cued   int // that have come
}

// Audio hears a frame.
func (e *ear) Audio(f media.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.first.IsZero() {
		e.first, e.next = e.now(), f.Timestamp
	}
	e.last = e.now()
	e.buf = codec.Decode(e.buf[:0], f.Codec, f.Payload)
	for _, s := range e.buf {
		e.recent[e.at] = s
		e.at = (e.at + 1) % window
	}
	if e.cue != nil {
		if e.cued++; !sound.Has(e.buf, e.cueHz) {
			e.cued = 0
		}
		if e.cued == e.cueIn {
			e.cue <- e.last
			e.cue = nil
		}
	}
	gap := int32(f.Timestamp - e.next) //nolint:gosec // wraps around by design
	if gap < 0 && gap > -longestGap {
		return // late or twice
	}
	e.next = f.Timestamp + uint32(len(f.Payload)) //nolint:gosec // below 1,500
	if !e.keep {
		return
	}
	if gap > 0 && gap < longestGap && !f.Marker {
		e.rec = append(e.rec, make([]int16, gap)...)
	}
	e.rec = append(e.rec, e.buf...)
}

// loud says whether anything at all came in the last 200 ms that can be heard.
func (e *ear) loud() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now().Sub(e.last) <= staleAfter && sound.Loud(e.recent[:])
}

// heard says whether a tone of hz is most of what came in the last 200 ms.
func (e *ear) heard(hz float64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now().Sub(e.last) <= staleAfter && sound.Has(slices.Concat(e.recent[e.at:], e.recent[:e.at]), hz)
}

// mouth says things: what is to be played, then a tone or silence, frame by frame.
type mouth struct {
	mu    sync.Mutex
	codec media.Codec
	clip  []byte
	tone  float64 // Hz; 0: silence
	quiet bool
	phase float64
	ts    uint32
	seq   uint16
	fresh bool // the next frame is the first after a pause
	buf   []byte
	pcm   []int16
	since time.Time       // the first frame
	said  []time.Duration // when each frame was spoken, after since
}

// frame returns the next 20 ms; ok is false when nothing is to be sent.
func (m *mouth) frame() (f media.Frame, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ts += media.FrameBytes
	m.buf = m.buf[:0]
	if n := min(len(m.clip), media.FrameBytes); n > 0 {
		m.buf = append(m.buf, m.clip[:n]...)
		m.clip = m.clip[n:]
	} else if m.tone == 0 && m.quiet {
		m.fresh = true
		return media.Frame{}, false
	}
	if m.tone != 0 && len(m.buf) == 0 {
		m.pcm = m.pcm[:0]
		for range media.FrameBytes {
			m.pcm = append(m.pcm, int16(8000*math.Sin(m.phase))) // -12 dBFS
			m.phase = math.Mod(m.phase+2*math.Pi*m.tone/media.SampleRate, 2*math.Pi)
		}
		m.buf = codec.Encode(m.buf, m.codec, m.pcm)
	}
	for len(m.buf) < media.FrameBytes {
		m.buf = append(m.buf, m.codec.Silence())
	}
	f = media.Frame{Codec: m.codec, Seq: m.seq, Timestamp: m.ts, Marker: m.fresh, Payload: m.buf}
	m.seq++
	m.fresh = false
	return f, true
}

// talk sends frames until stop: one each 20 ms, and those that a busy machine was late for all at once.
func (m *mouth) talk(to media.Sink, stop <-chan struct{}) {
	const burst = 10 // more than 200 ms late, the rest is dropped
	tick := time.NewTicker(media.FrameTime)
	defer tick.Stop()
	start, sent := time.Now(), 0
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		due := int(time.Since(start) / media.FrameTime)
		if due-sent > burst {
			sent = due - burst
		}
		for ; sent < due; sent++ {
			if f, ok := m.frame(); ok {
				to.Audio(f)
				m.note(time.Now())
			}
		}
	}
}

// note takes down that a frame was spoken.
func (m *mouth) note(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() {
		m.since = now
	}
	m.said = append(m.said, now.Sub(m.since))
}

// spoken is how many frames were spoken by a moment.
func (m *mouth) spoken(by time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, _ := slices.BinarySearch(m.said, by.Sub(m.since))
	return n
}

// say changes the tone from now on; 0 is silence.
func (m *mouth) say(hz float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clip, m.tone, m.fresh = nil, hz, true
}
