package e2e

import (
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

const (
	rejoinBar  = 5 * time.Second  // from the loss until the same operator and the caller hear each other
	holdBar    = time.Second      // from the server's seeing the loss until the caller hears music
	requeueBar = 12 * time.Second // from the loss until the caller is at the head of the queue
)

func TestAnOperatorWhoReloadsIsBackWithTheSameCaller(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	c := n.Call(prairie)
	id := joined(t, n, c, o)
	began := time.Now()
	o.Drop()
	harness.Instead(t, c, operatorHz, holdBar)
	held := time.Since(began)
	must(t, o.Resume(harness.Limited(t, 2*rejoinBar)))
	n.Phase(o, 2*rejoinBar, duty.Talking)
	hear(t, c, o)
	took := time.Since(began)
	t.Logf("music after %v, back after %v", held, took)
	if took > rejoinBar {
		t.Errorf("back after %v", took)
	}
	c.Hangup()
	if got := ended(t, n.SignIn(admin), id); got.Result != "answered" || len(got.Offered) != 1 {
		t.Errorf("the record: %+v", got)
	}
}

func TestACallerWhoseOperatorIsLostGoesFirst(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first := n.Operator(ada)
	lost := n.Call(prairie)
	id := joined(t, n, lost, first)
	second := n.Operator(ben)
	busy := n.Call(prairie)
	joined(t, n, busy, second)
	n.Answered(n.Call(lakeside), 5*time.Second) // of higher priority, and waits
	api := n.SignIn(admin)
	first.Drop()
	harness.Eventually(t, requeueBar, "the caller is in the queue again", func() bool {
		var calls list[call]
		api.Get("/calls?state=live", &calls)
		for _, c := range calls.Items {
			if c.ID == id {
				return c.State == "queued"
			}
		}
		return false
	})
	must(t, second.HangUp(harness.Limited(t, byeBar)))
	if offer := harness.Event(t, second, operator.Offer, 15*time.Second); string(offer.CallID) != id {
		t.Errorf("offered %s, not the caller who lost an operator", offer.CallID)
	}
	must(t, second.Accept(harness.Limited(t, joinBar)))
	hear(t, lost, second)
}

func TestAChangedNetworkKeepsTheCall(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	c := n.Call(prairie)
	joined(t, n, c, o)
	must(t, o.ChangeNetwork(harness.Limited(t, 10*time.Second)))
	hear(t, c, o)
}
