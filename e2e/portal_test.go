package e2e

import (
	"strings"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/web/live"
)

// raised waits until an open alarm says a text.
func raised(t *testing.T, api *harness.Client, text string) {
	t.Helper()
	var alarms list[alarm]
	harness.Eventually(t, shipBar, "an alarm that says "+text, func() bool {
		api.Get("/alarms?state=open", &alarms)
		for _, a := range alarms.Items {
			if strings.Contains(a.Text, text) {
				return true
			}
		}
		return false
	})
}

func TestASupervisorPausesAnOperatorAndTakesThePauseBack(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o, api := n.Operator(ada), n.SignIn(admin)
	who := o.View().Operator
	must(t, api.Command(live.Command{Do: live.DoPauseOperator, Operator: who}))
	if v := n.Phase(o, byeBar, duty.Paused); v.Why != "supervisor" {
		t.Errorf("paused because %q", v.Why)
	}
	must(t, api.Command(live.Command{Do: live.DoResumeOperator, Operator: who}))
	n.Phase(o, byeBar, duty.Available)
	c := n.Call(prairie)
	joined(t, n, c, o)
}

func TestASupervisorGivesAWaitingCallerToAnOperator(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first, second, api := n.Operator(ada), n.Operator(ben), n.SignIn(admin)
	c := n.Call(prairie)
	n.Answered(c, 5*time.Second)
	harness.Event(t, first, operator.Offer, 5*time.Second)
	must(t, api.Command(live.Command{Do: live.DoGive, Call: tenants.CallID(c.CallID()), Operator: second.View().Operator}))
	harness.Event(t, second, operator.Offer, 5*time.Second)
	must(t, second.Accept(harness.Limited(t, joinBar)))
	hear(t, c, second)
}

func TestASupervisorSendsTheQueueToVoicemail(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o, api := n.Operator(ada), n.SignIn(admin)
	joined(t, n, n.Call(prairie), o)
	waiting := n.Call(prairie, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(waiting, 5*time.Second)
	must(t, api.Command(live.Command{Do: live.DoToVoicemail, Call: tenants.CallID(id)}))
	beep(t, waiting, beepBar+5*time.Second)
	speak(t, waiting, 2*time.Second)
	waiting.Hangup()
	message(t, api, id)
}

func TestTheAPIShowsWhatGoesOn(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o, api := n.Operator(ada), n.SignIn(admin)
	c := n.Call(prairie)
	id := joined(t, n, c, o)
	var calls list[call]
	api.Get("/calls?state=live", &calls)
	if len(calls.Items) != 1 || calls.Items[0].ID != id || calls.Items[0].State != "talking" {
		t.Errorf("live calls: %+v", calls)
	}
	var others list[call]
	n.SignIn(mesa).Get("/calls?state=live", &others)
	if len(others.Items) != 0 {
		t.Errorf("mesa sees %+v", others)
	}
	var route struct {
		Account string `json:"account"`
		Why     string `json:"why"`
	}
	api.Get("/route?to=%2B16085550101", &route)
	if route.Account != "lakeside-cardiology" || route.Why == "" {
		t.Errorf("the route: %+v", route)
	}
}
