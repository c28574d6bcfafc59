package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/media"
	"holdfast/services/duty"
)

func decode(raw []byte, into any) bool { return json.Unmarshal(raw, into) == nil }

// joined lets an operator accept the call and waits until both hear each other.
func joined(t *testing.T, n *harness.Node, c *carrier.Call, o *operator.Operator) string {
	t.Helper()
	id := n.Answered(c, 5*time.Second)
	harness.Event(t, o, operator.Offer, 5*time.Second)
	must(t, o.Accept(harness.Limited(t, joinBar)))
	hear(t, c, o)
	return id
}

// hear waits until caller and operator hear each other.
func hear(t *testing.T, c *carrier.Call, o *operator.Operator) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the operator counts %+v, the caller %+v", o.Count(), c.Result())
		}
	}()
	harness.Eventually(t, joinBar, "the operator hears the caller", func() bool { return o.Heard(callerHz) })
	harness.Eventually(t, joinBar, "the caller hears the operator", func() bool { return c.Heard(operatorHz) })
}

func TestACallIsAnsweredAndBothAreHeard(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	for _, codec := range []media.Codec{media.PCMU, media.PCMA} {
		o := n.Operator(ada)
		c := n.Call(lakeside, func(o *carrier.Options) { o.Codec, o.From = codec, "+12025550123" })
		id := n.Answered(c, 5*time.Second)
		if ms := c.Result().AnswerMS; ms > answerBar.Milliseconds() {
			t.Errorf("the 200 came after %d ms", ms)
		}
		offer := harness.Event(t, o, operator.Offer, offerBar+time.Second)
		if offer.Account != "Lakeside Cardiology" || offer.Phrase == "" || offer.Caller != "+12025550123" || offer.Language != "en" {
			t.Errorf("the offer says %+v", offer)
		}
		if offer.WaitedMS == nil || *offer.WaitedMS > offerBar.Milliseconds() {
			t.Errorf("offered after %v ms", offer.WaitedMS)
		}
		must(t, o.Accept(harness.Limited(t, joinBar)))
		hear(t, c, o)
		must(t, o.HangUp(harness.Limited(t, byeBar)))
		result := n.Over(c, byeBar)
		if result.EndedBy != carrier.ByServer || result.Lost != 0 {
			t.Errorf("the caller's end: %+v", result)
		}
		if count := harness.Event(t, o, operator.Media, byeBar); count.Lost != 0 || count.Received == 0 {
			t.Errorf("the operator's end: %+v", count.Count)
		}
		got := ended(t, n.SignIn(admin), id)
		if got.Result != "answered" || got.Tenant != "harbor" || len(got.Offered) != 1 || got.Offered[0].Outcome != "accepted" || got.Operator == "" {
			t.Errorf("the record: %+v", got)
		}
		n.Phase(o, 10*time.Second, duty.Available) // wrap-up is over by itself
		must(t, o.GoHome(harness.Limited(t, byeBar)))
	}
}

func TestACallerHangsUpAndTheNextCallComes(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	for _, to := range []string{prairie, lakeside} {
		c := n.Call(to)
		id := joined(t, n, c, o)
		c.Hangup()
		n.Phase(o, byeBar, duty.WrapUp, duty.Available)
		if got := ended(t, n.SignIn(admin), id); got.Result != "answered" {
			t.Errorf("the record: %+v", got)
		}
		n.Phase(o, 10*time.Second, duty.Available)
	}
}

func TestACallerWhoGivesUpIsAbandoned(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	c := n.Call(prairie)
	id := n.Answered(c, 5*time.Second)
	harness.Event(t, o, operator.Offer, 5*time.Second)
	c.Hangup()
	harness.Event(t, o, operator.Withdrawn, byeBar)
	if got := ended(t, n.SignIn(admin), id); got.Result != "abandoned" {
		t.Errorf("the record: %+v", got)
	}
	n.Phase(o, byeBar, duty.Available)
}
