package sound

import (
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
	f.Add([]byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x07\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x02\x00\x00\x00ab"))
	f.Fuzz(func(_ *testing.T, raw []byte) { _, _ = parseWAV(raw, media.PCMA) })
}
