package dtmf

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// packet is one event packet as a test writes it down.
type packet struct {
	key    byte
	ts     uint32
	marker bool
	end    bool
	held   uint16
}

func press(key byte, ts uint32) []packet {
	return []packet{
		{key, ts, true, false, 160},
		{key, ts, false, false, 320},
		{key, ts, false, false, 480},
		{key, ts, false, true, 640},
		{key, ts, false, true, 640},
		{key, ts, false, true, 640},
	}
}

func heard(t *testing.T, packets ...packet) string {
	t.Helper()
	var d Decoder
	var got strings.Builder
	for _, p := range packets {
		payload, err := Append(nil, Event{Key: p.key, End: p.end, Duration: p.held})
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := d.Feed(payload, p.ts, p.marker); ok {
			got.WriteByte(key)
		}
	}
	return got.String()
}

func join(series ...[]packet) (all []packet) {
	for _, s := range series {
		all = append(all, s...)
	}
	return all
}

func TestAPressGivesOneDigit(t *testing.T) {
	t.Parallel()
	one, two := press('1', 1000), press('2', 3000)
	again := press('1', 9000)
	wrapped := press('#', 40)
	marked := press('7', 500)
	for i := range marked {
		marked[i].marker = true
	}
	cases := map[string]struct {
		packets []packet
		want    string
	}{
		"whole":                        {one, "1"},
		"two presses":                  {join(one, two), "12"},
		"the same key twice":           {join(one, again), "11"},
		"beginning lost":               {one[2:], "1"},
		"end lost":                     {join(one[:3], two), "12"},
		"only one end arrives":         {one[5:], "1"},
		"first end after next press":   {join(one[:4], two[:1], one[4:], two[1:]), "12"},
		"timestamp runs over zero":     {join(press('*', 0xFFFFFF00), wrapped), "*#"},
		"every packet is marked":       {marked, "7"},
		"clock runs back, marked":      {join(again, one), "11"},
		"clock starts far behind":      {join(press('3', 90000), one[1:]), "31"},
		"held longer than one segment": {join(one[:3], []packet{{'1', 1000 + 0xFFFF, false, false, 160}, {'1', 1000 + 0xFFFF, false, true, 320}}), "1"},
		"all keys": {
			join(press('0', 0), press('9', 2000), press('*', 4000), press('#', 6000), press('A', 8000), press('D', 10000)),
			"09*#AD",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := heard(t, c.packets...); got != c.want {
				t.Errorf("heard %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Append(nil, Event{Key: 'x'}); !errors.Is(err, ErrNoKey) {
		t.Errorf("key x: %v", err)
	}
	if got, err := Append(nil, Event{Key: 'd'}); err != nil || got[0] != 15 {
		t.Errorf("key d: %v, %v", got, err)
	}
	for _, payload := range [][]byte{nil, {1}, {1, 0, 0}, {16, 0, 0, 0}, {255, 255, 255, 255}} {
		if e, ok := Parse(payload); ok {
			t.Errorf("%v was read as %v", payload, e)
		}
	}
}

// FuzzDecoderNeverPanicsAndRepeatsNothing gives one decoder a call's worth of packets: of each nine bytes, four are the payload,
// four how far the clock went (either way), and one is the marker, and how much of the payload is cut off.
func FuzzDecoderNeverPanicsAndRepeatsNothing(f *testing.F) {
	written := func(packets ...packet) (b []byte) {
		clock := uint32(0)
		for _, p := range packets {
			payload, err := Append(nil, Event{Key: p.key, End: p.end, Duration: p.held})
			if err != nil {
				f.Fatal(err)
			}
			b, clock = binary.BigEndian.AppendUint32(append(b, payload...), p.ts-clock), p.ts
			if p.marker {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
		return b
	}
	one := press('1', 1000)
	f.Add(written(join(one, press('2', 3000), press('2', 9000))...))
	f.Add(written(join(one[:4], press('3', 0xFFFFFF00)[:1], one[4:], press('#', 40))...))
	f.Add(written(join(one[:3], []packet{{'1', 1000 + 0xFFFF, false, false, 160}, {'1', 1000 + 0xFFFF, false, true, 320}})...))
	f.Add([]byte{16, 10, 0, 0, 255, 255, 255, 255, 2, 11, 0x8a, 1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		clock, told, toldAt := uint32(0), false, uint32(0)
		for ; len(b) >= 9; b = b[9:] {
			clock += binary.BigEndian.Uint32(b[4:])
			payload, marker, before := b[:4-b[8]>>1&3], b[8]&1 == 1, d
			key, first := d.Feed(payload, clock, marker)
			if _, ok := Parse(payload); !ok && (first || d != before) {
				t.Errorf("%x, which is no key, was taken", payload)
			}
			if first && (!Valid(key) || told && clock == toldAt) {
				t.Errorf("%q told at %d, after one at %d", key, clock, toldAt)
			}
			if first {
				told, toldAt = true, clock
			}
			if _, again := d.Feed(payload, clock, marker); again {
				t.Errorf("%x at %d told twice", payload, clock)
			}
		}
		heard := ""
		for _, p := range press('7', d.latest+10*maxAge) { // whatever was, the next press is one
			payload, err := Append(nil, Event{Key: p.key, End: p.end, Duration: p.held})
			if err != nil {
				t.Fatal(err)
			}
			if key, ok := d.Feed(payload, p.ts, p.marker); ok {
				heard += string(key)
			}
		}
		if heard != "7" {
			t.Errorf("one press of 7 gave %q", heard)
		}
	})
}
