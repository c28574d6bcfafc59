package desk_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/sound"
)

func TestACentreIsActivatedFromAPhone(t *testing.T) { told(t, "activate.mjs") }

func TestAnInvitedOperatorChoosesAPasswordAndSignsInAtTheDesk(t *testing.T) { told(t, "invite.mjs") }

func TestACorrectedImportIsFoundAtTheDesk(t *testing.T) { told(t, "import.mjs") }

func TestEveryPageIsAccessibleInBothLanguages(t *testing.T) { told(t, "pages.mjs") }

func TestATelephoneThatWasGivenByPageRegistersAndTheSecondPageIsTold(t *testing.T) {
	told(t, "telephone.mjs")
}

func TestAnArchivedAccountComesBackAndANumberIsLedToItByPage(t *testing.T) { told(t, "platform.mjs") }

// told has a script tell its story against a node of its own, with a tone for the microphone.
func told(t *testing.T, script string) {
	t.Helper()
	t.Parallel()
	ready(t)
	n := harness.Start(t)
	voice := filepath.Join(t.TempDir(), "voice.wav")
	samples := make([]int16, 4*8000)
	for i := range samples {
		samples[i] = int16(12000 * math.Sin(2*math.Pi*operatorHz*float64(i)/8000))
	}
	must(t, sound.SaveWAV(voice, samples))
	cmd := exec.CommandContext(t.Context(), "node", script, voice)
	cmd.Env = append(os.Environ(), "HOLDFAST_URL="+n.URL, "HOLDFAST_MAIL="+filepath.Join(n.Data, "mail"))
	cmd.WaitDelay = time.Second
	limit := time.AfterFunc(lookBar, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
