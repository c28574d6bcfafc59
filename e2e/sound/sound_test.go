package sound

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/media"
	"holdfast/media/codec"
)

func TestAnEarHearsTheToneThatAMouthSays(t *testing.T) {
	t.Parallel()
	for _, law := range []media.Codec{media.PCMU, media.PCMA} {
		m, e := NewMouth(law), new(Ear)
		e.Record(true)
		m.Say(nil, 440)
		for range 50 {
			e.Audio(m.Frame())
		}
		if !e.Heard(440) || e.Heard(1000) || e.Heard(455) || !e.Loud() {
			t.Errorf("%s: 440 Hz %v, 1000 Hz %v, 455 Hz %v", law, e.Heard(440), e.Heard(1000), e.Heard(455))
		}
		if n := len(e.Recording()); n != 50*media.FrameBytes {
			t.Errorf("%d samples recorded", n)
		}
		m.Say(nil, 0)
		for range 11 {
			e.Audio(m.Frame())
		}
		if e.Heard(440) || e.Loud() {
			t.Error("silence is heard")
		}
	}
}

func TestAWAVComesBackAsItWas(t *testing.T) {
	t.Parallel()
	m, e := NewMouth(media.PCMU), new(Ear)
	e.Record(true)
	m.Say(nil, 700)
	for range 20 {
		e.Audio(m.Frame())
	}
	path := filepath.Join(t.TempDir(), "tone.wav")
	if err := SaveWAV(path, e.Recording()); err != nil {
		t.Fatal(err)
	}
	clip, err := LoadWAV(path, media.PCMU)
	if err != nil {
		t.Fatal(err)
	}
	if !Has(codec.Decode(nil, media.PCMU, clip), 700) || len(clip) != 20*media.FrameBytes {
		t.Errorf("%d bytes came back", len(clip))
	}
	if _, err := LoadWAV(filepath.Join(t.TempDir(), "none.wav"), media.PCMU); err == nil {
		t.Error("a file that is not there was read")
	}
}

func FuzzWAV(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.wav")
	if err := SaveWAV(path, []int16{1, -1, 32767, -32768}); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path) //nolint:gosec // our own
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if audio, err := parseWAV(raw, media.PCMA); err == nil && len(audio) > len(raw) {
			t.Fatalf("%d samples from %d bytes", len(audio), len(raw))
		}
	})
}
