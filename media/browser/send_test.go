package browser

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"

	"holdfast/media"
)

func TestATimelineKeepsDistancesWithinASourceAndGoesOnAtTheNext(t *testing.T) {
	t.Parallel()
	type numbers struct {
		seq       uint16
		timestamp uint32
		marker    bool
		ok        bool
	}
	begin, l := time.Unix(1, 0), timeline{seq: 65534, timestamp: 1000}
	place := func(afterMS int, seq uint16, timestamp uint32, marker bool) (n numbers) {
		f := media.Frame{Seq: seq, Timestamp: timestamp, Marker: marker, Payload: make([]byte, 160)}
		n.seq, n.timestamp, n.marker, n.ok = l.place(f, begin.Add(time.Duration(afterMS)*time.Millisecond))
		return n
	}
	for _, step := range []struct {
		why  string
		got  numbers
		want numbers
	}{
		{"the first frame", place(0, 7, 90, false), numbers{65535, 1000, true, true}},
		{"the next", place(20, 8, 250, false), numbers{0, 1160, false, true}},
		{"after two lost", place(80, 11, 730, false), numbers{3, 1640, false, true}},
		{"one of the lost comes late", place(90, 10, 570, false), numbers{2, 1480, false, true}},
		{"and again", place(91, 10, 570, false), numbers{}},
		{"twice", place(92, 11, 730, false), numbers{}},
		{"another source at once", place(100, 5000, 1<<31, true), numbers{4, 1800, true, true}},
		{"a third after a pause of 1 s", place(1100, 9, 9, true), numbers{5, 9800, true, true}},
		{"what was lost before stays lost", place(1110, 7, 9, false), numbers{}},
		{"a source without a marker", place(1120, 30000, 77, false), numbers{6, 9960, true, true}},
	} {
		if step.got != step.want {
			t.Errorf("%s: %+v, want %+v", step.why, step.got, step.want)
		}
	}
}

func TestATimelineNeverUsesANumberTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l timeline
		now, used := time.Unix(1, 0), map[uint16]bool{}
		for range rapid.IntRange(1, 300).Draw(t, "frames") {
			now = now.Add(20 * time.Millisecond)
			f := media.Frame{
				Seq: rapid.Uint16Range(0, 200).Draw(t, "seq"), Timestamp: rapid.Uint32().Draw(t, "timestamp") >> 16,
				Marker: rapid.IntRange(0, 9).Draw(t, "marker") == 0, Payload: make([]byte, 160),
			}
			if seq, _, _, ok := l.place(f, now); ok {
				if used[seq] {
					t.Fatalf("%d is used twice", seq)
				}
				used[seq] = true
			}
		}
	})
}

func TestLossIsCountedAcrossWrapsAndNewBeginnings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seqs []uint16
		lost uint64
	}{
		"nothing":                  {nil, 0},
		"none lost over the wrap":  {[]uint16{65534, 65535, 0, 1}, 0},
		"two lost over the wrap":   {[]uint16{65534, 1}, 2},
		"late is not lost":         {[]uint16{1, 3, 2, 4}, 0},
		"twice hides nothing more": {[]uint16{1, 1, 1, 2}, 0},
		"a new beginning":          {[]uint16{1, 3, 40000, 40001, 40003}, 2},
	} {
		var r receiver
		for _, seq := range c.seqs {
			r.deliver(&rtp.Packet{Header: rtp.Header{SequenceNumber: seq, SSRC: 1}}, media.PCMU, time.Unix(1, 0), media.Discard)
		}
		if got := r.stats().Lost; got != c.lost {
			t.Errorf("%s: %d lost, want %d", name, got, c.lost)
		}
	}
}
