package bridge

import (
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
)

func TestJoinedPartiesHearEachOtherAndTapsHearBoth(t *testing.T) {
	t.Parallel()
	a, b := mediatest.NewLeg(), mediatest.NewLeg()
	fromA, fromB, onlyA := mediatest.NewProbe(), mediatest.NewProbe(), mediatest.NewProbe()
	Join(a, b, Tap{FromA: fromA, FromB: fromB}, Tap{FromA: onlyA})
	a.SayTone(media.PCMA, 440, time.Second)
	b.SayTone(media.PCMU, 1000, time.Second)
	for name, c := range map[string]struct {
		probe *mediatest.Probe
		hz    float64
	}{"B": {b.Heard, 440}, "A": {a.Heard, 1000}, "tap of A": {fromA, 440}, "tap of B": {fromB, 1000}, "second tap": {onlyA, 440}} {
		if !c.probe.Hears(c.hz) || c.probe.Frames() != 50 || c.probe.Marked() != 1 {
			t.Errorf("%s: %d frames, %d marked, %v Hz: %v", name, c.probe.Frames(), c.probe.Marked(), c.hz, c.probe.Hears(c.hz))
		}
	}
}

func TestPartedPartiesHearNothingAndMayBeJoinedAgain(t *testing.T) {
	t.Parallel()
	a, b, c := mediatest.NewLeg(), mediatest.NewLeg(), mediatest.NewLeg()
	first := Join(a, b)
	first.Part()
	a.SayTone(media.PCMU, 440, time.Second)
	b.SayTone(media.PCMU, 440, time.Second)
	if n := a.Heard.Frames() + b.Heard.Frames(); n != 0 {
		t.Errorf("%d frames after the parting", n)
	}
	Join(a, c)
	first.Part() // late and repeated: cuts nothing
	a.SayTone(media.PCMU, 440, time.Second)
	if !c.Heard.Hears(440) {
		t.Error("a late Part cut the next call")
	}
}

func TestAJoinMarksItsFirstFrame(t *testing.T) {
	t.Parallel()
	a, b := mediatest.NewLeg(), mediatest.NewLeg()
	tone := mediatest.NewTone(media.PCMU, 440)
	tone.Next() // its own marker is gone by
	Join(a, b)
	a.Say(tone.Next())
	if !b.Heard.Last().Marker {
		t.Error("the listener is not told that the source changed")
	}
}

func TestABridgeAllocatesNothing(t *testing.T) {
	a, b := &quietLeg{}, &quietLeg{}
	Join(a, b, Tap{FromA: media.Discard})
	f := media.Frame{Payload: make([]byte, media.FrameBytes)}
	if n := testing.AllocsPerRun(100, func() { a.to.Audio(f) }); n != 0 || b.frames == 0 {
		t.Errorf("%v allocations a frame, %d frames", n, b.frames)
	}
}

// quietLeg counts frames and keeps its sink.
type quietLeg struct {
	media.Leg
	to     media.Sink
	frames int
}

func (l *quietLeg) Receive(to media.Sink) { l.to = to }
func (l *quietLeg) Audio(media.Frame)     { l.frames++ }
