package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

// recorded are the samples of a recording that a command has written.
func recorded(t *testing.T, path string) []int16 {
	t.Helper()
	clip, err := sound.LoadWAV(path, media.PCMU)
	must(t, err)
	return codec.Decode(nil, media.PCMU, clip)
}

// say writes a WAV of 10 s of a tone.
func say(t *testing.T, hz float64) string {
	t.Helper()
	mouth, path := sound.NewMouth(media.PCMU), filepath.Join(t.TempDir(), "say.wav")
	mouth.Say(nil, hz)
	var samples []int16
	for range 500 {
		samples = codec.Decode(samples, media.PCMU, mouth.Frame().Payload)
	}
	must(t, sound.SaveWAV(path, samples))
	return path
}

func TestTheCommandsCallAndOperatorTalkToEachOther(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	heard := filepath.Join(t.TempDir(), "operator.wav")
	duty := exec.CommandContext(t.Context(), harness.Binary(t), "operator", "--url", n.URL, "--sign-in", ada, "--answer", "1",
		"--play", say(t, 1300), "--record", heard, "--hang-up", "3", "--calls", "1")
	out, err := duty.StdoutPipe()
	must(t, err)
	must(t, duty.Start())
	var told []string
	var said carrier.Result
	called := make(chan struct{})
	answered := filepath.Join(t.TempDir(), "caller.wav")
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e operator.Event
		must(t, json.Unmarshal(lines.Bytes(), &e))
		if e.Event == operator.Available && len(told) == 2 {
			go func() {
				defer close(called)
				raw, err := exec.CommandContext(t.Context(), harness.Binary(t), "call", "--node", n.SIP, "--to", lakeside,
					"--play", say(t, 700), "--record", answered).Output()
				if err != nil || json.Unmarshal(raw, &said) != nil {
					t.Errorf("holdfast call: %v: %s", err, raw)
				}
			}()
		}
		if e.Event != operator.Media {
			told = append(told, e.Event)
		}
	}
	must(t, duty.Wait())
	select {
	case <-called:
	case <-time.After(byeBar + 5*time.Second):
		t.Fatal("the caller's command does not end")
	}
	if want := []string{"signed_in", "checked", "available", "offer", "connected", "ended", "wrap_up", "away"}; !slices.Equal(told, want) {
		t.Errorf("the operator told %v, want %v", told, want)
	}
	if samples := recorded(t, heard); len(samples) < 2*second || !sound.Has(samples[len(samples)-second:], 700) {
		t.Errorf("the operator's recording (%d samples) has no caller", len(samples))
	}
	if said.EndedBy != carrier.ByServer || said.CallID == "" || said.Lost != 0 {
		t.Errorf("the caller's line: %+v", said)
	}
	if samples := recorded(t, answered); len(samples) < 2*second || !sound.Has(samples[len(samples)-second:], 1300) {
		t.Errorf("the caller's recording (%d samples) has no operator", len(samples))
	}
}

func TestTheOperatorCommandEndsWithAStatusAndOneLine(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"a wrong password":   {[]string{"--sign-in", ada, "--password", "wrong", "--url", n.URL}, 1},
		"nobody there":       {[]string{"--sign-in", ada, "--url", "http://" + n.Host + ":1"}, 1},
		"a senseless answer": {[]string{"--sign-in", ada, "--answer", "maybe", "--url", n.URL}, 2},
		"no address":         {[]string{"--sign-in", ada, "--url", "ftp://x"}, 2},
	} {
		cmd := exec.CommandContext(t.Context(), harness.Binary(t), append([]string{"operator"}, c.args...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != c.want || bytes.Count(bytes.TrimSpace(said.Bytes()), []byte("\n")) != 0 {
			t.Errorf("%s: %v, %q", name, err, said.String())
		}
	}
}
