package e2e

import (
	"net/http"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

func TestWithBothStoresAwayCallsGoOnAndNothingIsLost(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	live := n.Call(prairie)
	liveID := joined(t, n, live, o)
	n.StoresDown()
	hear(t, live, o)
	message1 := n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	id1 := n.Answered(message1, 3*time.Second)
	message1.SendDigits("*")
	beep(t, message1, beepBar+5*time.Second)
	speak(t, message1, 2*time.Second)
	message1.Hangup()
	hear(t, live, o)
	must(t, o.HangUp(harness.Limited(t, byeBar)))
	n.Over(live, byeBar)
	n.Phase(o, 10*time.Second, duty.Available)
	second := n.Call(prairie)
	secondID := joined(t, n, second, o)
	second.Hangup()
	n.Phase(o, byeBar, duty.WrapUp, duty.Available)
	n.StoresUp()
	api := signInEventually(t, n, admin)
	for _, id := range []string{liveID, secondID} {
		if got := ended(t, api, id); got.Result != "answered" {
			t.Errorf("the record of %s: %+v", id, got)
		}
	}
	if got := ended(t, api, id1); got.Result != "voicemail" {
		t.Errorf("the record of %s: %+v", id1, got)
	}
	var calls list[call]
	api.Get("/calls?limit=100", &calls)
	seen := map[string]int{}
	for _, c := range calls.Items {
		seen[c.ID]++
	}
	for _, id := range []string{liveID, secondID, id1} {
		if seen[id] != 1 {
			t.Errorf("call %s is listed %d times", id, seen[id])
		}
	}
	if m := message(t, api, id1); m.CutShort || m.DurationMS < 1500 {
		t.Errorf("the message: %+v", m)
	}
}

func TestHoldfastKilledAndStartedWithoutItsStoresAnswersAndTheOperatorIsBack(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	n.StoresDown()
	n.Kill()
	n.Run()
	n.Healthy()
	early := n.Call(prairie) // before anybody is on duty again
	n.Answered(early, 3*time.Second)
	early.Hangup()
	harness.Event(t, o, operator.Resumed, 15*time.Second)
	n.Phase(o, 15*time.Second, duty.Available)
	c := n.Call(prairie)
	joined(t, n, c, o)
	id := c.CallID()
	c.Hangup()
	n.StoresUp()
	if got := ended(t, signInEventually(t, n, admin), id); got.Result != "answered" {
		t.Errorf("the record: %+v", got)
	}
}

func TestAKilledNodeKeepsTheMessageThatWasBeingRecorded(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	c := n.Call(prairie, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 4*time.Second)
	n.Kill()
	n.Run()
	n.Ready()
	api := n.SignIn(admin)
	m := message(t, api, id)
	if !m.CutShort || m.DurationMS < 2000 {
		t.Errorf("the message: %+v", m)
	}
	if samples := audio(t, api, m); len(samples) < 2*second {
		t.Errorf("%d samples are left", len(samples))
	}
}

// signInEventually signs in as soon as the stores are back.
func signInEventually(t *testing.T, n *harness.Node, email string) *harness.Client {
	t.Helper()
	harness.Eventually(t, mergeBar, "the stores are back", func() bool {
		status, _, err := n.Anybody().Try(http.MethodGet, "/readyz", nil)
		return err == nil && status == http.StatusOK
	})
	return n.SignIn(email)
}
