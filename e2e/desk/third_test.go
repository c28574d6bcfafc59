package desk_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

const (
	thirdHz = 700
	outBar  = 5 * time.Second
)

// glance photographs what is shown on a desk's screen and on a phone, and wants nothing to be wrong with it.
func glance(t *testing.T, d *desk.Desk, name string) {
	t.Helper()
	shots, err := filepath.Abs("../shots")
	must(t, err)
	for _, screen := range []struct {
		name          string
		width, height int
	}{{"-phone", 360, 740}, {"", 1280, 800}} {
		must(t, d.Do(t.Context(), map[string]any{"do": "size", "width": screen.width, "height": screen.height}, nil))
		var found struct {
			Violations []string `json:"violations"`
			Sideways   bool     `json:"sideways"`
		}
		must(t, d.Do(t.Context(), map[string]any{"do": "scan", "path": filepath.Join(shots, "third-"+name+screen.name+".png")}, &found))
		if len(found.Violations) > 0 || found.Sideways {
			t.Errorf("%s%s: %q, scrolls sideways: %v", name, screen.name, found.Violations, found.Sideways)
		}
	}
}

// A caller is held, the doctor on call is called by one key, all three are joined and the two are left, by keyboard alone.
func TestByKeysAloneACallerIsJoinedWithTheDoctorOnCall(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	host := strings.TrimSuffix(n.Host, ".1") + ".77"
	x, err := carrier.Listen(host+":0", func(string) carrier.Plan { return carrier.Plan{Rings: true, Waits: true, Tone: thirdHz} })
	must(t, err)
	t.Cleanup(x.Close)
	n.SignIn(demo.NOC).Do(http.MethodPost, "/api/v1/trunks", map[string]any{
		"name": "way-out", "signal": []string{host + "/32"}, "out": map[string]string{"target": x.Addr()},
	}, nil)
	for _, words := range []struct{ language, who, held, ringing, aside, all, nobody, muted, sent string }{
		{
			"en", ada, "The caller is on hold and hears music.", "It rings at Dr.", "You speak with Dr.",
			"All three hear each other", "No other operator is free", "Muted: nobody hears you", "Sent: 5",
		},
		{
			"hu", demo.Ben, "A hívó tartásban van, zenét hall.", "Kicseng: Dr.", "Most vele beszél: Dr.",
			"Mindhárman hallják egymást", "Most nincs más szabad kezelő", "Elnémítva: senki sem hallja Önt", "Elküldve: 5",
		},
	} {
		t.Run(words.language, func(t *testing.T) {
			ctx := t.Context()
			d := open(t, n, words.language)
			press := func(key string) { t.Helper(); must(t, d.Press(ctx, key)) }
			sees := func(text string) { t.Helper(); must(t, d.Do(ctx, map[string]any{"do": "sees", "text": text}, nil)) }

			must(t, d.TakeCalls(ctx, words.who))
			c := n.Call(lakeside)
			_, err := d.Offer(ctx)
			must(t, err)
			press("a")
			must(t, d.State(ctx, "talking"))
			harness.Eventually(t, hearBar, "the caller hears the browser", func() bool { return c.Heard(operatorHz) })
			glance(t, d, "call-"+words.language)
			press("t")
			sees(words.nobody)
			glance(t, d, "transfer-"+words.language)
			press("t")
			press("h")
			sees(words.held)
			harness.Eventually(t, hearBar, "the caller on hold does not hear the browser", func() bool { return !c.Heard(operatorHz) })
			glance(t, d, "held-"+words.language)
			press("1")
			var r *carrier.Received
			select {
			case r = <-x.Calls():
			case <-time.After(outBar):
				t.Fatal("no call came out")
			}
			sees(words.ringing)
			r.Answer()
			sees(words.aside)
			harness.Eventually(t, hearBar, "the doctor hears the browser", func() bool { return r.Heard(operatorHz) })
			if err := d.Hears(ctx, thirdHz, hearBar); err != nil {
				t.Errorf("the browser does not hear the doctor (%v)", err)
			}
			press("d")
			press("5")
			sees(words.sent)
			harness.Eventually(t, outBar, "the key arrives", func() bool { return r.Keys() == "5" })
			glance(t, d, "aside-"+words.language)
			press("Escape")
			press("j")
			sees(words.all)
			c.Say(0)
			harness.Eventually(t, hearBar, "the doctor hears the browser in three", func() bool { return r.Heard(operatorHz) })
			press("u")
			sees(words.muted)
			harness.Eventually(t, hearBar, "nobody hears the muted browser", func() bool { return !r.Heard(operatorHz) && !c.Heard(operatorHz) })
			glance(t, d, "three-"+words.language)
			press("u")
			harness.Eventually(t, hearBar, "the browser is heard again", func() bool { return r.Heard(operatorHz) })
			press("l")
			must(t, d.State(ctx, "wrap_up"))
			harness.Eventually(t, hearBar, "the caller hears the doctor", func() bool { return c.Heard(thirdHz) })
			r.Hangup()
			n.Over(c, byeBar)
			if wrong, err := d.Errors(ctx); err != nil || len(wrong) > 0 {
				t.Errorf("the page's errors: %q (%v)", wrong, err)
			}
		})
	}
}
