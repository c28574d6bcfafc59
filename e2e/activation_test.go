package e2e

import (
	"net/http"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

const eszter = demo.Eszter

// activation is what the portal is told.
type activation struct {
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Cause  string    `json:"cause"`
	By     string    `json:"by"`
	Clocks struct {
		Declared *time.Time `json:"declared"`
		Switched *time.Time `json:"switched"`
		Ready    *time.Time `json:"ready"`
		Answered *time.Time `json:"answered"`
	} `json:"clocks"`
	Ready  int `json:"ready"`
	Proven int `json:"proven"`
}

func TestACentreActivatesWithBothStoresAwayAndStaysLiveOverARestart(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(eszter)
	api := n.SignIn(duna)
	n.StoresDown()
	before := n.Call(kovacs, func(o *carrier.Options) { o.Tone = 0 })
	n.Answered(before, 3*time.Second)
	beep(t, before, beepBar)
	before.Hangup()

	var a activation
	api.Do(http.MethodPost, "/api/v1/activation", map[string]string{"state": "live", "cause": "storm"}, &a)
	pressed := time.Now()
	if a.State != "live" || a.Cause != "storm" || a.By == "" || a.Clocks.Switched == nil {
		t.Fatalf("%+v", a)
	}
	c := n.Call(kovacs)
	harness.Event(t, o, operator.Offer, offerBar) // the very next caller is put through
	if took := time.Since(pressed); took > time.Second {
		t.Errorf("the first caller was offered %v after the button", took)
	}
	must(t, o.Accept(harness.Limited(t, joinBar)))
	hear(t, c, o)
	api.Do(http.MethodPost, "/api/v1/activation", map[string]string{"state": "live", "cause": "again"}, &a)
	if a.Cause != "storm" {
		t.Errorf("the second press began another activation: %+v", a)
	}
	harness.Eventually(t, shipBar, "the first answer and the proven number are shown", func() bool {
		api.Get("/activation", &a)
		return a.Clocks.Answered != nil && a.Clocks.Ready != nil && a.Proven == 1
	})
	c.Hangup()
	n.Phase(o, byeBar, duty.WrapUp, duty.Available)

	n.Kill()
	n.Run()
	n.Healthy()
	harness.Event(t, o, operator.Resumed, 15*time.Second)
	n.Phase(o, 15*time.Second, duty.Available)
	again := n.Call(kovacs)
	joined(t, n, again, o)
	again.Hangup()

	n.StoresUp()
	signInEventually(t, n, duna).Get("/activation", &a)
	platform := n.SignIn(noc)
	harness.Eventually(t, mergeBar, "the platform's list shows it", func() bool {
		var tenants list[struct {
			ID    string    `json:"id"`
			State string    `json:"state"`
			Since time.Time `json:"since"`
			Cause string    `json:"cause"`
		}]
		platform.Get("/tenants", &tenants)
		for _, each := range tenants.Items {
			if each.ID == "duna" {
				return each.State == "live" && each.Cause == "storm" && each.Since.Equal(a.Since)
			}
		}
		return false
	})
	api = n.SignIn(duna)
	api.Do(http.MethodPost, "/api/v1/activation", map[string]string{"state": "standby", "cause": "over"}, &a)
	late := n.Call(kovacs, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(late, 3*time.Second)
	beep(t, late, beepBar)
	speak(t, late, 2*time.Second)
	late.Hangup()
	message(t, api, id) // whoever calls after the stand-down still leaves a message
}
