package mediatest

import (
	"math"

	"holdfast/media"
	"holdfast/media/codec"
)

// amplitude of tones: -10 dBFS peak, a loud voice.
const amplitude = 10362

// Tone makes the frames of a sine, 20 ms each. It is used by one goroutine.
type Tone struct {
	codec   media.Codec
	hz      float64
	n       int // samples so far
	next    media.Frame
	linear  [media.FrameBytes]int16
	payload [media.FrameBytes]byte
}

// NewTone makes a tone of hz, or silence for 0. The first frame is marked.
func NewTone(c media.Codec, hz float64) *Tone {
	return &Tone{codec: c, hz: hz, next: media.Frame{Codec: c, Seq: 1, Timestamp: media.FrameBytes, Marker: true}}
}

// Next returns the next frame; its payload is valid until the one after.
func (t *Tone) Next() media.Frame {
	for i := range t.linear {
		t.linear[i] = int16(amplitude * math.Sin(2*math.Pi*t.hz*float64(t.n)/media.SampleRate))
		t.n++
	}
	f := t.next
	f.Payload = codec.Encode(t.payload[:0], t.codec, t.linear[:])
	t.next.Seq++
	t.next.Timestamp += media.FrameBytes
	t.next.Marker = false
	return f
}
