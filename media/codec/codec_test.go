package codec

import (
	"math"
	"testing"

	"github.com/zaf/g711"

	"holdfast/media"
)

func TestLawsAgreeWithAnIndependentImplementation(t *testing.T) {
	t.Parallel()
	for i := range 256 {
		b := byte(i)
		if got, want := muToLinear(b), g711.DecodeUlawFrame(b); got != want {
			t.Errorf("µ-law %#x decodes to %d, want %d", b, got, want)
		}
		if got, want := aToLinear(b), g711.DecodeAlawFrame(b); got != want {
			t.Errorf("A-law %#x decodes to %d, want %d", b, got, want)
		}
	}
}

func TestEverySampleIsCodedByTheNearestStep(t *testing.T) {
	t.Parallel()
	laws := map[string]struct {
		encode func(int16) byte
		linear *[256]int16
	}{"µ": {linearToMu, &muLinear}, "A": {linearToA, &aLinear}}
	for name, law := range laws {
		for s := -32635; s <= 32635; s++ {
			got := math.Abs(float64(s) - float64(law.linear[law.encode(int16(s))]))
			// A step at magnitude v is at most (v+bias)/16 wide, so half of it is the most that may be lost.
			if limit := (math.Abs(float64(s))+2*muBias)/32 + 1; got > limit {
				t.Fatalf("%s-law: %d comes back %v away, more than %v", name, s, got, limit)
			}
		}
	}
}

func TestDecodedBytesEncodeToThemselves(t *testing.T) {
	t.Parallel()
	for i := range 256 {
		b := byte(i)
		if got := linearToA(aToLinear(b)); got != b {
			t.Errorf("A-law %#x comes back as %#x", b, got)
		}
		// µ-law has two zeros; the negative one comes back as the positive.
		if got := linearToMu(muToLinear(b)); got != b && b != 0x7f {
			t.Errorf("µ-law %#x comes back as %#x", b, got)
		}
	}
}

func TestConvertingKeepsTheLevel(t *testing.T) {
	t.Parallel()
	var samples []int16
	for i := range 800 {
		samples = append(samples, int16(12000*math.Sin(2*math.Pi*440*float64(i)/8000)))
	}
	mu := Encode(nil, media.PCMU, samples)
	a := Convert(nil, media.PCMA, media.PCMU, mu)
	back := Convert(nil, media.PCMU, media.PCMA, a)
	want := 20 * math.Log10(12000/math.Sqrt2/32768)
	for name, got := range map[string]float64{
		"µ": Level(media.PCMU, mu), "A": Level(media.PCMA, a), "back": Level(media.PCMU, back),
	} {
		if math.Abs(got-want) > 0.1 {
			t.Errorf("%s: level %.2f dBFS, want %.2f", name, got, want)
		}
	}
	if got := Level(media.PCMU, []byte{0xff, 0xff}); got != Floor {
		t.Errorf("silence has level %v", got)
	}
	if got := Level(media.PCMA, nil); got != Floor {
		t.Errorf("nothing has level %v", got)
	}
}

func TestConvertingAllocatesNothing(t *testing.T) {
	src, dst, linear := make([]byte, 160), make([]byte, 0, 160), make([]int16, 0, 160)
	if n := testing.AllocsPerRun(100, func() {
		dst = Convert(dst[:0], media.PCMA, media.PCMU, src)
		linear = Decode(linear[:0], media.PCMA, dst)
		dst = Encode(dst[:0], media.PCMU, linear)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkConvert(b *testing.B) {
	src, dst := make([]byte, 160), make([]byte, 0, 160)
	b.SetBytes(160)
	for b.Loop() {
		dst = Convert(dst[:0], media.PCMA, media.PCMU, src)
	}
}
