package e2e

import (
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

func TestADeclinedCallGoesToTheNextOperator(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first, second := n.Operator(ada), n.Operator(ben)
	c := n.Call(prairie)
	id := n.Answered(c, 5*time.Second)
	harness.Event(t, first, operator.Offer, 5*time.Second) // idle for longer
	must(t, first.Decline(harness.Limited(t, byeBar)))
	harness.Event(t, second, operator.Offer, 2*time.Second)
	must(t, second.Accept(harness.Limited(t, joinBar)))
	hear(t, c, second)
	c.Hangup()
	got := ended(t, n.SignIn(admin), id)
	if len(got.Offered) != 2 || got.Offered[0].Outcome != "declined" || got.Offered[1].Outcome != "accepted" {
		t.Errorf("offered: %+v", got.Offered)
	}
}

func TestAnOperatorWhoDoesNotAnswerRestsAndTheNextIsAsked(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first, second := n.Operator(ada), n.Operator(ben)
	c := n.Call(prairie)
	n.Answered(c, 5*time.Second)
	harness.Event(t, first, operator.Offer, 5*time.Second)
	harness.Event(t, second, operator.Offer, duty.DefaultOffer+3*time.Second)
	if v := n.Phase(first, byeBar, duty.Paused); v.Why != "missed" {
		t.Errorf("paused because %q", v.Why)
	}
	must(t, second.Accept(harness.Limited(t, joinBar)))
	hear(t, c, second)
}

func TestATabThatClosesPassesTheCallOn(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first, second := n.Operator(ada), n.Operator(ben)
	c := n.Call(prairie)
	n.Answered(c, 5*time.Second)
	harness.Event(t, first, operator.Offer, 5*time.Second)
	must(t, first.Close())
	harness.Event(t, second, operator.Offer, 5*time.Second)
	must(t, second.Accept(harness.Limited(t, joinBar)))
	hear(t, c, second)
}
