package desk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

const (
	lakeside = demo.Lakeside
	ada      = demo.Ada

	hearBar   = 3 * time.Second
	rejoinBar = 5 * time.Second // from a reload until caller and operator hear each other again
	byeBar    = 5 * time.Second
	lookBar   = 4 * time.Minute // every page, twice

	loadLimit = 200_000 // bytes of the desk's first load

	callerHz   = 440
	operatorHz = 1000
)

func TestMain(m *testing.M) { harness.Main(m) }

// open is a browser at the sign-in page, in a language; "": in English.
func open(t *testing.T, n *harness.Node, language string) *desk.Desk {
	t.Helper()
	ready(t)
	d, err := desk.Open(t.Context(), desk.Options{URL: n.URL, Voice: operatorHz, Language: language, Folder: t.TempDir(), Complain: t.Output()})
	must(t, err)
	t.Cleanup(d.Close)
	return d
}

// ready skips where there is no browser or no pages to look at.
func ready(t *testing.T) {
	t.Helper()
	for _, need := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skip("there is no " + need)
		}
	}
	for _, need := range []string{"../../web/node_modules/playwright-core", "../../web/dist/desk.html"} {
		if _, err := os.Stat(filepath.FromSlash(need)); err != nil {
			t.Skip(need + " is missing: npm ci and npm run build in web")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestABrowserAnswersAndComesBackFromAReload(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	d, ctx := open(t, n, ""), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	silent(t, d)

	c := n.Call(lakeside)
	offer, err := d.Offer(ctx)
	must(t, err)
	if offer.Account != "Lakeside Cardiology" || !strings.Contains(offer.Phrase, "Lakeside Cardiology") || offer.Focused != "BODY" {
		t.Errorf("the offer: %+v", offer)
	}
	silent(t, d)
	must(t, d.Verb(ctx, "answer"))
	both := func(when string) {
		t.Helper()
		if err := d.Hears(ctx, callerHz, hearBar); err != nil {
			t.Errorf("%s: the browser does not hear the caller (%v)", when, err)
		}
		harness.Eventually(t, hearBar, when+": the caller hears the browser", func() bool { return c.Heard(operatorHz) })
	}
	both("answered")

	began := time.Now()
	must(t, d.Verb(ctx, "reload"))
	must(t, d.State(ctx, "talking"))
	both("reloaded")
	took := time.Since(began)
	t.Logf("back after %v", took)
	if took > rejoinBar {
		t.Errorf("back after %v", took)
	}

	must(t, d.Verb(ctx, "hang-up"))
	n.Over(c, byeBar)
	must(t, d.State(ctx, "available")) // wrap-up is over by itself
	silent(t, d)
	if wrong, err := d.Errors(ctx); err != nil || len(wrong) > 0 {
		t.Errorf("the page's errors: %q (%v)", wrong, err)
	}
}

// silent checks that the microphone is off at its source.
func silent(t *testing.T, d *desk.Desk) {
	t.Helper()
	if on, err := d.Microphone(t.Context()); err != nil || on {
		t.Errorf("the microphone is on between calls: %v (%v)", on, err)
	}
}

// TestTheFirstLoadIsSmall: whoever is paged at night opens the desk over a telephone. How long that takes hangs on
// this machine: it is told, not judged.
func TestTheFirstLoadIsSmall(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	d, ctx := open(t, n, ""), t.Context()
	for _, when := range []string{"signed out", "signed in"} {
		l, err := d.Load(ctx, 4)
		must(t, err)
		t.Logf("%s: %d bytes, usable after %d ms on a processor four times slower", when, l.Bytes, l.MS)
		if l.Bytes < 10_000 || l.Bytes > loadLimit {
			t.Errorf("%s: the page takes %d bytes, not at most %d", when, l.Bytes, loadLimit)
		}
		if when == "signed out" {
			must(t, d.Do(ctx, map[string]any{"do": "sign-in", "email": ada}, nil))
		}
	}
}

func TestADeclinedOfferAndAKeyInNoField(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	d, ctx := open(t, n, ""), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	n.Call(lakeside)
	_, err := d.Offer(ctx)
	must(t, err)
	for _, key := range []string{"Space", "Enter", "Escape"} {
		must(t, d.Do(ctx, map[string]any{"do": "press", "key": key}, nil))
	}
	must(t, d.State(ctx, "offered")) // none of them answered or declined
	must(t, d.Verb(ctx, "decline"))
	must(t, d.State(ctx, "available"))
}

func TestAReloadedPageIsBackOnDutyWhileTheStoresAreAway(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	d, ctx := open(t, n, ""), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	n.StoresDown()
	n.Kill() // whatever the process remembered is gone too
	n.Run()
	n.Healthy()
	must(t, d.Verb(ctx, "reload"))
	must(t, d.State(ctx, "available"))
	c := n.Call(lakeside)
	_, err := d.Offer(ctx)
	must(t, err)
	must(t, d.Verb(ctx, "answer"))
	if err := d.Hears(ctx, callerHz, hearBar); err != nil {
		t.Errorf("the browser does not hear the caller (%v)", err)
	}
	harness.Eventually(t, hearBar, "the caller hears the browser", func() bool { return c.Heard(operatorHz) })
	n.StoresUp()
}
