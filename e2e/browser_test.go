package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
	"holdfast/media"
)

// TestACallerOfAnotherMakeAndARealBrowser has no telephone of ours in it: SIPp and pion on one side, Chromium on the other.
func TestACallerOfAnotherMakeAndARealBrowser(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "chromium", "sipp"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	for _, built := range []string{"node_modules/playwright-core", "dist/desk.html"} {
		if _, err := os.Stat(filepath.Join("..", "web", filepath.FromSlash(built))); err != nil {
			t.Skip("web/" + built + " is missing: npm ci and npm run build in web")
		}
	}
	n := harness.Start(t)
	d, err := desk.Open(t.Context(), desk.Options{URL: n.URL, Voice: operatorHz, Folder: t.TempDir(), Complain: t.Output()})
	must(t, err)
	t.Cleanup(d.Close)
	must(t, d.TakeCalls(t.Context(), ada))
	for _, c := range []media.Codec{media.PCMU, media.PCMA} {
		h := pickUp(t, c)
		h.say(callerHz)
		f := sipp(t, n, "call", lakeside, phone(h))
		id := f.answered()
		_, err := d.Offer(t.Context())
		must(t, err)
		must(t, d.Verb(t.Context(), "answer"))
		both(t, d, h, c.String())
		from := h.heard()
		harness.Pass(t, 3*time.Second) // long enough to lose something
		if came := h.heard() - from; came < 145 || came > 155 {
			t.Errorf("%v: %d packets in 3 s", c, came)
		}
		both(t, d, h, c.String()+", later")
		if c == media.PCMA { // the second time the page is reloaded
			must(t, d.Verb(t.Context(), "reload"))
			must(t, d.State(t.Context(), "talking"))
			both(t, d, h, "reloaded")
		}
		if lost := h.lost(); lost != 0 {
			t.Errorf("%v: %d packets to the caller were lost", c, lost)
		}
		f.cue()
		f.finished(scenarioBar)
		result(t, n.SignIn(admin), id, "answered")
		must(t, d.State(t.Context(), "available")) // wrap-up is over by itself
	}
	if wrong, err := d.Errors(t.Context()); err != nil || len(wrong) > 0 {
		t.Errorf("the page's errors: %q (%v)", wrong, err)
	}
}

// both checks that browser and handset hear each other.
func both(t *testing.T, d *desk.Desk, h *handset, when string) {
	t.Helper()
	if err := d.Hears(t.Context(), callerHz, 3*time.Second); err != nil {
		t.Fatalf("%s: the browser does not hear the caller (%v)", when, err)
	}
	harness.Eventually(t, joinBar, when+": the caller hears the browser", func() bool { return h.ear.Heard(operatorHz) })
}
