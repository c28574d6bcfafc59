package desk_test

import (
	"testing"

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
			ready(t)
			ctx := t.Context()
			d, err := desk.Open(ctx, desk.Options{URL: n.URL, Voice: operatorHz, Language: words.language, Folder: t.TempDir(), Complain: t.Output()})
			must(t, err)
			t.Cleanup(d.Close)
			sees := func(text string) { t.Helper(); must(t, d.Do(ctx, map[string]any{"do": "sees", "text": text}, nil)) }

			must(t, d.TakeCalls(ctx, words.who))
			c := n.Call(lakeside, func(o *carrier.Options) { o.Tone, o.Quiet = 0, true })
			_, err = d.Offer(ctx)
			must(t, err)
			must(t, d.Do(ctx, map[string]any{"do": "press", "key": "a"}, nil))
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
