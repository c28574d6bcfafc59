package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

// The numbers and people of the demonstration data.
const (
	lakeside = demo.Lakeside // of harbor, live
	prairie  = demo.Prairie  // of harbor, live
	kovacs   = demo.Kovacs   // of duna, in standby
	redRock  = demo.RedRock  // of mesa, live
	ada      = demo.Ada
	ben      = demo.Ben
	zoe      = demo.Zoe
	admin    = demo.HarborAdmin
	noc      = demo.NOC
)

// The bars: how long each thing may take.
const (
	answerBar = time.Second      // INVITE to 200
	offerBar  = 5 * time.Second  // until a waiting call is offered
	joinBar   = 2 * time.Second  // from accepting until both hear each other
	byeBar    = 3 * time.Second  // from one hanging up until the other is told
	booksBar  = 30 * time.Second // from the end of a fault until everything is in the books
)

// operatorHz is what operators say in calls.
const operatorHz = 1000

func TestMain(m *testing.M) { harness.Main(m) }

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// joined lets an operator accept the call and waits until both hear each other.
func joined(t *testing.T, l *harness.Ledger, e *harness.Entry, o *operator.Operator) {
	t.Helper()
	l.Answered(e, 5*time.Second)
	harness.Event(t, o, operator.Offer, offerBar)
	must(t, o.Accept(harness.Limited(t, joinBar)))
	e.Say(e.Tone)
	hear(t, e, o)
}

// served lets an operator take the call that is offered; both hear each other, it ends, and the operator is ready again.
func served(t *testing.T, n *harness.Node, e *harness.Entry, o *operator.Operator) {
	t.Helper()
	must(t, o.Accept(harness.Limited(t, joinBar)))
	e.Say(e.Tone)
	hear(t, e, o)
	e.Hangup()
	n.Over(e.Call, byeBar)
	e.Result = "answered"
	next(t, n, o)
}

// next ends an operator's wrap-up.
func next(t *testing.T, n *harness.Node, o *operator.Operator) {
	t.Helper()
	if n.Phase(o, byeBar, duty.WrapUp, duty.Available, duty.Offered).State == duty.WrapUp {
		must(t, o.Available(harness.Limited(t, byeBar)))
	}
	n.Phase(o, byeBar, duty.Available, duty.Offered) // whoever waits comes at once
}

// hear waits until caller and operator hear each other.
func hear(t *testing.T, e *harness.Entry, o *operator.Operator) {
	t.Helper()
	harness.Eventually(t, joinBar, "the operator hears the caller", func() bool { return o.Heard(e.Tone) })
	harness.Eventually(t, joinBar, "the caller hears the operator", func() bool { return e.Heard(operatorHz) })
}

// raised waits for an open alarm whose key begins so, and returns its text.
func raised(t *testing.T, api *harness.Client, key string, bar time.Duration) (found string) {
	t.Helper()
	harness.Eventually(t, bar, "the alarm "+key, func() bool {
		for k, text := range api.Alarms() {
			if strings.HasPrefix(k, key) {
				found = text
				return true
			}
		}
		return false
	})
	return found
}

// over waits until no alarm is open whose key begins so.
func over(t *testing.T, api *harness.Client, key string, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "the end of the alarm "+key, func() bool {
		open := api.Alarms()
		for k := range open {
			if strings.HasPrefix(k, key) {
				return false
			}
		}
		return open != nil
	})
}

// ready waits until the node's dependencies are all there.
func ready(t *testing.T, n *harness.Node, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "the node is ready", func() bool {
		status, _, err := n.Anybody().Try(http.MethodGet, "/readyz", nil)
		return err == nil && status == http.StatusOK
	})
}
