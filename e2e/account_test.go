package e2e

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/sound"
)

// elmStreet is the emergency number that the platform gives to the new account, and greetingHz what its recording sounds like.
const (
	elmStreet  = "+16085550144"
	greetingHz = 1300
)

// TestAnAccountMadeInTheBrowserIsHeardByTheNextCaller: an administrator makes an account, a colleague changes it at the same time,
// the platform gives it a number, a greeting is recorded; who calls as soon as the page says so hears it.
func TestAnAccountMadeInTheBrowserIsHeardByTheNextCaller(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	n := harness.Start(t)
	n.Operator(ada) // on duty, and never answers
	wav := filepath.Join(t.TempDir(), "greeting.wav")
	samples := make([]int16, 5*second)
	for i := range samples {
		samples[i] = int16(8000 * math.Sin(2*math.Pi*greetingHz*float64(i)/second))
	}
	must(t, sound.SaveWAV(wav, samples))
	args := []string{filepath.Join("desk", "account.mjs"), wav}
	if folder := os.Getenv("HOLDFAST_SHOTS"); folder != "" {
		args = append(args, folder)
	}
	page := exec.CommandContext(t.Context(), "node", args...)
	page.Env, page.Stderr = append(os.Environ(), "HOLDFAST_URL="+n.URL), t.Output()
	in, err := page.StdinPipe()
	must(t, err)
	out, err := page.StdoutPipe()
	must(t, err)
	must(t, page.Start())
	t.Cleanup(func() { _ = in.Close(); _ = page.Wait() })
	steps := bufio.NewScanner(out)
	next := func() (step struct {
		Made, Heading string
		Recorded      bool
		Wrong         []string
	},
	) {
		t.Helper()
		if !steps.Scan() {
			t.Fatalf("the page ended before its story: %v", steps.Err())
		}
		must(t, json.Unmarshal(steps.Bytes(), &step))
		return step
	}
	made := next().Made
	if made != "elm-street-vet" {
		t.Errorf("the account is %q", made)
	}
	if heading := next().Heading; heading != "Elm Street Vets" {
		t.Errorf("after two edits it is called %q", heading)
	}
	n.SignIn(noc).Do("POST", "/api/v1/numbers", map[string]any{"e164": "608 555 0144", "tenant": "harbor", "account": made}, nil)
	_, err = in.Write([]byte("go\n"))
	must(t, err)
	if !next().Recorded {
		t.Fatal("the greeting was not recorded")
	}
	saved := time.Now()
	c := n.Call(elmStreet)
	n.Answered(c, 5*time.Second)
	harness.Eventually(t, 5*time.Second, "the caller hears the new greeting", func() bool { return c.Heard(greetingHz) })
	t.Logf("heard %v after it was saved, one second of ringing included", time.Since(saved).Round(10*time.Millisecond))
	c.Hangup()
	var a struct {
		Name    string            `json:"name"`
		Phrases map[string]string `json:"phrases"`
	}
	n.SignIn(admin).Get("/accounts/"+made, &a)
	if a.Name != "Elm Street Vets" || a.Phrases["en"] != "Elm Street, hello." {
		t.Errorf("something of the two edits is lost: %+v", a)
	}
	if wrong := next().Wrong; len(wrong) > 0 {
		t.Errorf("the page: %q", wrong)
	}
}
