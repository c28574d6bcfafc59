package prompt_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/prompt"
)

func library(t *testing.T) *prompt.Library {
	t.Helper()
	l, err := prompt.Base()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEveryNameHasAClipInEnglish(t *testing.T) {
	t.Parallel()
	l := library(t)
	names := []string{
		prompt.Greeting, prompt.Comfort, prompt.Reconnecting, prompt.Position, prompt.Unavailable, prompt.TooLong,
		prompt.Leave, prompt.Standby, prompt.Unknown, prompt.Menu, prompt.RecordAgain, prompt.Marked,
		prompt.Saved, prompt.NotSaved, prompt.NoRoom, prompt.NoRoomWait, prompt.CheckStart, prompt.CheckPassed, prompt.CheckFailed,
		l.Emergency("US"), l.Emergency("hu"), l.Emergency("ZZ"),
	}
	for _, name := range names {
		clip, ok := l.Clip(name, "xx")
		if d := prompt.Duration(clip); !ok || d < time.Second || d > 8*time.Second {
			t.Errorf("%s lasts %v", name, d)
		}
		if level := codec.Level(media.PCMU, clip); level < -26 || level > -16 {
			t.Errorf("%s is at %.1f dB; prompts are equally loud, near -20", name, level)
		}
	}
}

func TestTheTextsAreTheAssetsAndNameNobodyElse(t *testing.T) {
	t.Parallel()
	l := library(t)
	texts, err := os.ReadFile("assets/texts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(string(texts)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			t.Fatalf("not three columns: %q", line)
		}
		if strings.Contains(strings.ToLower(f[2]), "holdfast") {
			t.Errorf("%s/%s names us", f[0], f[1])
		}
		raw, err := os.ReadFile("assets/" + f[0] + "/" + f[1] + ".wav")
		if err != nil {
			t.Errorf("not rendered: %v", err)
			continue
		}
		total += len(raw)
		want, err := prompt.Decode(raw)
		if err != nil {
			t.Errorf("%s/%s: %v", f[0], f[1], err)
		}
		if got, _ := l.Clip(f[1], f[0]); !bytes.Equal(got, want) {
			t.Errorf("%s/%s is not what the library gives", f[0], f[1])
		}
	}
	if total == 0 || total >= 5<<19 {
		t.Errorf("the assets take %d bytes; they are to stay under 2.5 MiB", total)
	}
}

// With nobody on duty the beep comes at most 8 s after the 200, notice for medical accounts included. One second is
// left for what lies between the 200 and the first frame.
func TestTheBeepComesSoonInEveryLanguage(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, lang := range []string{"en", "es", "hu", "de"} {
		for _, country := range []string{"US", "HU"} {
			for _, name := range []string{prompt.Unavailable, prompt.Standby, prompt.TooLong, prompt.Leave} {
				var d time.Duration
				for _, c := range l.Clips([]string{name, l.Emergency(country)}, lang) {
					d += prompt.Duration(c)
				}
				if d > 7500*time.Millisecond {
					t.Errorf("%s and the notice of %s last %v in %s", name, country, d, lang)
				}
			}
		}
	}
}

func TestAPromptFallsBackFromLanguageToLanguage(t *testing.T) {
	t.Parallel()
	l := library(t)
	en, _ := l.Clip(prompt.Saved, "en")
	hu, _ := l.Clip(prompt.Saved, "hu")
	if bytes.Equal(en, hu) {
		t.Fatal("English is Hungarian")
	}
	for _, c := range []struct {
		langs []string
		want  []byte
	}{
		{[]string{"hu-HU", "en"}, hu},
		{[]string{"HU"}, hu},
		{[]string{"fi", "hu"}, hu},
		{[]string{"fi"}, en},
		{nil, en},
		{[]string{"", "../en"}, en},
	} {
		if got, ok := l.Clip(prompt.Saved, c.langs...); !ok || !bytes.Equal(got, c.want) {
			t.Errorf("%q gives another clip", c.langs)
		}
	}
	if _, ok := l.Clip("nothing-of-ours", "en"); ok {
		t.Error("a clip that is not there")
	}
}

func TestGreetingNamesTheAccountAndThenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l := library(t)
	for own, langs := range map[string][]string{
		"greeting-lakeside-cardiology": {"en", "es"}, "greeting-prairie-plumbing": {"en"}, "greeting-dane-county-shelter": {"en"},
		"greeting-kovacs-fogaszat": {"hu"}, "greeting-budai-gyorsszerviz": {"hu", "de", "en"}, "greeting-red-rock-dental": {"en"},
	} {
		for _, lang := range langs {
			if n := len(l.Greet(own, lang)); n != 2 {
				t.Errorf("%s in %s has %d clips", own, lang, n)
			}
		}
	}
	if n := len(l.Greet("", "en")); n != 1 {
		t.Errorf("the generic greeting has %d clips", n)
	}
}

func TestPlacesOfTheQueue(t *testing.T) {
	t.Parallel()
	l := library(t)
	for n := -1; n <= prompt.LastPosition+1; n++ {
		want := 2
		if n < 1 || n > prompt.LastPosition {
			want = 0
		}
		for _, lang := range []string{"en", "es", "hu", "de"} {
			if got := len(l.Place(n, lang)); got != want {
				t.Errorf("place %d in %s: %d clips", n, lang, got)
			}
		}
	}
	if len(l.Waiting("hu")) != 2 {
		t.Error("waiting is music and a phrase")
	}
}

func TestTonesHaveTheirLengthAndLevel(t *testing.T) {
	t.Parallel()
	for country, d := range map[string]time.Duration{
		"US": 6 * time.Second, "us": 6 * time.Second, "HU": 5 * time.Second, "DE": 5 * time.Second, "": 5 * time.Second,
		"GB": 3 * time.Second,
	} {
		clip := library(t).Ringback(country)
		if got := prompt.Duration(clip); got != d {
			t.Errorf("ringback of %q lasts %v; want %v", country, got, d)
		}
		if level := codec.Level(media.PCMU, clip[:3200]); level < -25 || level > -15 {
			t.Errorf("ringback of %q begins at %.1f dB", country, level)
		}
		if level := codec.Level(media.PCMU, clip[len(clip)-8000:]); level > -80 {
			t.Errorf("ringback of %q ends at %.1f dB", country, level)
		}
	}
	if d := prompt.Duration(library(t).Beep()); d != 400*time.Millisecond {
		t.Errorf("the beep lasts %v", d)
	}
	if d := prompt.Duration(prompt.Silence(time.Second)); d != time.Second {
		t.Errorf("silence lasts %v", d)
	}
}

func TestMusicIsQuietAndNeverSilentNorClipped(t *testing.T) {
	t.Parallel()
	m := library(t).Music()
	for at := 0; at+4000 <= len(m); at += 4000 {
		if level := codec.Level(media.PCMU, m[at:at+4000]); level < -45 || level > -20 {
			t.Errorf("%.1f dB at %d", level, at/8000)
		}
	}
}

func FuzzDecode(f *testing.F) {
	raw, err := os.ReadFile("assets/en/saved.wav")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw[:100])
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if clip, err := prompt.Decode(b); err == nil && len(clip) > len(b) {
			t.Error("more samples than bytes")
		}
	})
}
