package jitter

import (
	"encoding/binary"
	"testing"

	"holdfast/media"
)

// loud is a frame of one constant sound.
func loud(seq int) media.Frame {
	f := media.Frame{Seq: uint16(seq), Timestamp: uint32(seq) * media.FrameBytes, Payload: make([]byte, media.FrameBytes)}
	for i := range f.Payload {
		f.Payload[i] = 0x80 // the loudest of µ-law, positive
	}
	return f
}

// sounds is how many of a frame's samples are not silence.
func sounds(out *[media.FrameBytes]int16) (n int) {
	for _, v := range out {
		if v != 0 {
			n++
		}
	}
	return n
}

func TestANewSourceIsHeardAfterFortyMilliseconds(t *testing.T) {
	t.Parallel()
	var b Buffer
	var out [media.FrameBytes]int16
	if b.Take(&out) {
		t.Error("sound from nobody")
	}
	for i, want := range []int{0, 0, media.FrameBytes, media.FrameBytes} {
		b.Put(loud(i))
		if b.Take(&out); sounds(&out) != want {
			t.Errorf("beat %d: %d samples sound, want %d", i, sounds(&out), want)
		}
	}
}

func TestPacketsInWrongOrderArePutRightAndLateOnesAreForgotten(t *testing.T) {
	t.Parallel()
	var b Buffer
	var out [media.FrameBytes]int16
	for _, i := range []int{0, 2, 1} {
		b.Put(loud(i))
	}
	for range 4 {
		b.Take(&out)
	}
	b.Put(loud(0)) // heard long ago
	if b.Take(&out); sounds(&out) != media.FrameBytes || b.Waiting() != 0 {
		t.Errorf("the third frame has %d samples of sound, %d wait", sounds(&out), b.Waiting())
	}
	if b.Take(&out); sounds(&out) != 0 {
		t.Error("a late packet is heard")
	}
}

func TestALostPacketIsCoveredByTheSoundBeforeIt(t *testing.T) {
	t.Parallel()
	var b Buffer
	var out [media.FrameBytes]int16
	for _, i := range []int{0, 1, 3} {
		b.Put(loud(i))
	}
	for range 5 {
		b.Take(&out)
	}
	if sounds(&out) != media.FrameBytes || out[0] >= 32000 {
		t.Errorf("the hole has %d samples of sound of %d", sounds(&out), out[0])
	}
}

// FuzzBuffer puts anything at all and holds what must always be so.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 160, 1, 160, 0, 0, 0, 160, 0})
	f.Add([]byte{255, 255, 255, 255, 255, 1, 1, 0, 0, 128, 80, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var b Buffer
		var out [media.FrameBytes]int16
		var payload [1500]byte
		for ; len(script) >= 6; script = script[6:] {
			b.Put(media.Frame{
				Timestamp: binary.LittleEndian.Uint32(script), Payload: payload[:int(script[4])*5], Marker: script[5]&1 == 1,
				Codec: media.PCMA,
			})
			if w := b.Waiting(); w < 0 || w > most {
				t.Fatalf("%d samples wait", w)
			}
			for range script[5] >> 5 {
				b.Take(&out)
			}
		}
		for range 20 { // whatever it was, it is over at last
			b.Take(&out)
		}
		if b.Take(&out) || sounds(&out) != 0 || b.Waiting() != 0 {
			t.Fatalf("%d samples wait for ever", b.Waiting())
		}
		for p := range int64(size / 2) {
			if b.ring[(b.read+p)&(size-1)] != 0 {
				t.Fatal("an old sound waits where the next one comes")
			}
		}
	})
}
