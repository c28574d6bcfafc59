package desk_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

// A caller of whom nothing is heard: the page says so in words, and what to do, until the caller is heard.
func TestTheDeskSaysThatNothingIsHeardOfTheCaller(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	for _, words := range []struct{ language, who, unheard, more string }{
		{"en", ada, "You cannot hear the caller", "say that you do not hear them"},
		{"hu", demo.Ben, "A hívó nem hallható", "mondja meg neki, hogy Ön nem hallja"},
	} {
		t.Run(words.language, func(t *testing.T) {
			ctx := t.Context()
			d := open(t, n, words.language)
			sees := func(text string) { t.Helper(); must(t, d.Do(ctx, map[string]any{"do": "sees", "text": text}, nil)) }

			must(t, d.TakeCalls(ctx, words.who))
			c := n.Call(lakeside, func(o *carrier.Options) { o.Tone, o.Quiet = 0, true })
			_, err := d.Offer(ctx)
			must(t, err)
			must(t, d.Press(ctx, "a"))
			must(t, d.State(ctx, "talking"))
			sees(words.unheard)
			sees(words.more)
			glance(t, d, "unheard-"+words.language)
			c.Say(callerHz)
			must(t, d.Do(ctx, map[string]any{"do": "until", "selector": "[data-with]:not(:has([data-unheard=no_packets]))", "wait_ms": 5000}, nil))
			c.Hangup()
			must(t, d.State(ctx, "wrap_up"))
		})
	}
}

// A headset that was muted by its own switch: packets go out as ever, and in them nothing. The page says so, once, and
// takes nobody's focus; it is gone when the operator is heard again, or when nobody ought to hear them.
func TestTheDeskSaysThatTheCallerHearsNothingOfTheOperator(t *testing.T) {
	t.Parallel()
	const (
		silence  = 30 * time.Second
		saidBar  = 14 * time.Second // ten seconds, and the answering
		unsaid   = `[data-with]:has([data-silent=""])`
		unsaidMS = 40_000
	)
	n := harness.Start(t)
	for _, words := range []struct{ language, who, unheard, more string }{
		{"en", ada, "The caller cannot hear you: is the headset muted?", "Look at the mute switch of the headset"},
		{"hu", demo.Ben, "A hívó nem hallja Önt: nincs elnémítva a fejhallgató mikrofonja?", "Nézze meg a fejhallgató némító kapcsolóját"},
	} {
		t.Run(words.language, func(t *testing.T) {
			ctx := t.Context()
			d := open(t, n, words.language)
			must(t, d.TakeCalls(ctx, words.who))
			must(t, d.Speak(silence, operatorHz))
			c := n.Call(lakeside)
			_, err := d.Offer(ctx)
			must(t, err)
			must(t, d.Press(ctx, "a"))
			must(t, d.State(ctx, "talking"))
			must(t, d.Do(ctx, map[string]any{"do": "until", "selector": unsaid, "wait_ms": 1000}, nil))
			must(t, d.Sees(ctx, words.unheard, saidBar))
			must(t, d.Sees(ctx, words.more, time.Second))
			must(t, d.Do(ctx, map[string]any{"do": "until", "selector": "body:not(:has(:focus))", "wait_ms": 1000}, nil))
			glance(t, d, "silent-"+words.language)
			if words.language == "hu" {
				must(t, d.Press(ctx, "h")) // on hold nobody ought to hear anything
				must(t, d.Do(ctx, map[string]any{"do": "until", "selector": unsaid, "wait_ms": 5000}, nil))
				must(t, d.Press(ctx, "h"))
			} else {
				must(t, d.Do(ctx, map[string]any{"do": "until", "selector": unsaid, "wait_ms": unsaidMS}, nil))
				harness.Eventually(t, hearBar, "the caller hears the browser", func() bool { return c.Heard(operatorHz) })
				if times := announced(t, d, words.unheard); times != 1 {
					t.Errorf("announced %d times", times)
				}
			}
			c.Hangup()
			must(t, d.State(ctx, "wrap_up"))
		})
	}
}

// announced is how often the page's live regions said a text.
func announced(t *testing.T, d *desk.Desk, text string) (times int) {
	t.Helper()
	var said struct {
		Texts []string `json:"texts"`
	}
	must(t, d.Do(t.Context(), map[string]any{"do": "announced"}, &said))
	for _, s := range said.Texts {
		if strings.Contains(s, text) {
			times++
		}
	}
	return times
}
