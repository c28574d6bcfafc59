package sound

import (
	"math"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
)

// Mouth says things frame by frame: a clip, then a tone or silence. It may be changed while it talks.
type Mouth struct {
	mu    sync.Mutex
	codec media.Codec
	clip  []byte
	tone  float64 // Hz; 0: silence
	phase float64
	ts    uint32
	seq   uint16
	fresh bool // the next frame is the first after a pause
	buf   []byte
	pcm   []int16
}

// NewMouth returns a mouth that speaks in c and says nothing yet.
func NewMouth(c media.Codec) *Mouth { return &Mouth{codec: c, fresh: true} }

// Say says clip, coded in the mouth's codec, once, and from then on a tone of hz; 0 is silence.
func (m *Mouth) Say(clip []byte, hz float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clip, m.tone, m.fresh = clip, hz, true
}

// Frame returns the next 20 ms; its payload is valid until the next call.
func (m *Mouth) Frame() media.Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ts += media.FrameBytes
	m.buf = m.buf[:0]
	if n := min(len(m.clip), media.FrameBytes); n > 0 {
		m.buf = append(m.buf, m.clip[:n]...)
		m.clip = m.clip[n:]
	} else if m.tone != 0 {
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
	f := media.Frame{Codec: m.codec, Seq: m.seq, Timestamp: m.ts, Marker: m.fresh, Payload: m.buf}
	m.seq++
	m.fresh = false
	return f
}

// Talk says frames to a sink until stop is closed: one each 20 ms, and those that a busy machine was late for at once.
func (m *Mouth) Talk(to media.Sink, stop <-chan struct{}) {
	const burst = 10 // more than 200 ms late, the rest is left out
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
		sent = max(sent, due-burst)
		for ; sent < due; sent++ {
			to.Audio(m.Frame())
		}
	}
}
