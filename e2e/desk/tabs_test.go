package desk_test

import (
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const (
	missBar  = 20 * time.Second // an offer of 12 s, and the telling of it
	seenBar  = 5 * time.Second
	closedAt = "This desk was opened somewhere else."
	openedAt = "This desk was open somewhere else; it is closed there now."
)

// TestTheNewerTabTakesOver: one operator, two tabs, a call. The older says that it is closed and lets go of the microphone;
// the newer says why, and has the call.
func TestTheNewerTabTakesOver(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	d, ctx := open(t, n, ""), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	c := n.Call(lakeside)
	_, err := d.Offer(ctx)
	must(t, err)
	must(t, d.Verb(ctx, "answer"))
	harness.Eventually(t, hearBar, "the caller hears the first tab", func() bool { return c.Heard(operatorHz) })

	must(t, d.Verb(ctx, "new-tab"))
	must(t, d.Do(ctx, map[string]any{"do": "sign-in", "email": ada}, nil))
	must(t, d.Sees(ctx, openedAt, seenBar))
	must(t, d.State(ctx, "talking"))
	if err := d.Hears(ctx, callerHz, hearBar); err != nil {
		t.Errorf("the newer tab does not hear the caller (%v)", err)
	}
	harness.Eventually(t, hearBar, "the caller hears the newer tab", func() bool { return c.Heard(operatorHz) })

	must(t, d.Verb(ctx, "other-tab"))
	must(t, d.Sees(ctx, closedAt, seenBar))
	silent(t, d)
	must(t, d.Do(ctx, map[string]any{"do": "press", "key": "Shift+Escape"}, nil)) // of a closed desk: ends nobody's call
	harness.Never(t, time.Second, "the closed tab ends the call", func() bool { return !c.Heard(operatorHz) })

	must(t, d.Verb(ctx, "other-tab"))
	must(t, d.Verb(ctx, "hang-up"))
	n.Over(c, byeBar)
}

// TestAMissedOfferIsAPauseOfHalfAMinute, and one key ends it.
func TestAMissedOfferIsAPauseOfHalfAMinute(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	d, ctx := open(t, n, ""), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	n.Call(lakeside)
	_, err := d.Offer(ctx)
	must(t, err)
	must(t, d.Sees(ctx, "s because an offer was not answered.", missBar))
	must(t, d.State(ctx, "paused"))
	must(t, d.Press(ctx, "r"))
	_, err = d.Offer(ctx) // the caller has waited
	must(t, err)
	must(t, d.Verb(ctx, "answer"))
	must(t, d.State(ctx, "talking"))
}
