package faults

import (
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/call"
	"holdfast/services/duty"
)

const (
	unheardBar = 5 * time.Second  // from the last packet until the operator is warned
	hushedBar  = 12 * time.Second // from the last sound until then: ten seconds, and the listening twice a second
	movedBar   = 2 * time.Second  // from a NAT's forgetting until both hear each other
	// patience is how long a call lives whose far end is gone: twenty seconds without a packet, and two questions of ten.
	patience = 45 * time.Second
)

// quiet is a caller who sends nothing while there is nothing to say.
func quiet(o *carrier.Options) { o.Quiet = true }

// warned waits until the operator is told that nothing is heard of the caller, and why; "" that all is well.
func warned(t *testing.T, o *operator.Operator, why call.Unheard, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "the operator is told "+string(why), func() bool {
		line := o.View().Line
		if line == nil {
			return why == ""
		}
		return line.Unheard == string(why)
	})
}

// story is what happened in a call, as the call log tells it.
func story(api *harness.Client, id string) (events []call.Event) {
	var page struct {
		Items []struct {
			Data call.Event `json:"data"`
		} `json:"items"`
	}
	api.Get("/calls/"+id+"/events?limit=200", &page)
	for _, e := range page.Items {
		events = append(events, e.Data)
	}
	return events
}

// One direction of a call is gone. Who should hear is told, the carrier is asked for the sound once, and the log knows.
func TestAnOperatorWhoHearsNothingIsToldAndTheCarrierIsAsked(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	l := n.Ledger()
	o := n.Operator(ada)
	e := l.Call(prairie, quiet)
	joined(t, l, e, o)
	e.Say(0) // not a packet more
	warned(t, o, call.NoPackets, unheardBar)
	if !e.Heard(operatorHz) {
		t.Error("the direction that works was lost too")
	}
	harness.Eventually(t, byeBar, "the carrier is asked for the sound", func() bool { return e.Call.Result().Asked == 1 })
	e.Say(e.Tone)
	warned(t, o, "", joinBar)
	e.Say(0)
	warned(t, o, call.NoPackets, unheardBar)
	e.Say(e.Tone)
	warned(t, o, "", joinBar)
	must(t, o.HangUp(harness.Limited(t, byeBar)))
	n.Over(e.Call, byeBar)
	e.Result = "answered"
	next(t, n, o)

	hushed := l.Call(prairie) // sends silence while there is nothing to say
	joined(t, l, hushed, o)
	hushed.Say(0)
	warned(t, o, call.NoSound, hushedBar)
	harness.Eventually(t, byeBar, "the carrier is asked for the sound", func() bool { return hushed.Call.Result().Asked == 1 })
	hushed.Say(hushed.Tone)
	warned(t, o, "", joinBar)
	must(t, o.HangUp(harness.Limited(t, byeBar)))
	n.Over(hushed.Call, byeBar)
	hushed.Result = "answered"
	if asked := e.Call.Result().Asked; asked != 1 {
		t.Errorf("the carrier was asked %d times", asked)
	}
	l.Balance(booksBar)
	api := n.SignIn(admin)
	for _, is := range []struct {
		call *harness.Entry
		want string
	}{{e, "no_packets  no_packets "}, {hushed, "no_sound "}} {
		var told []string
		for _, event := range story(api, is.call.CallID()) {
			if event.Type == call.Hearing {
				told = append(told, string(event.Unheard))
			}
		}
		if got := strings.Join(told, " "); got != is.want {
			t.Errorf("the log tells %q, want %q", got, is.want)
		}
	}
	if times := strings.Count(n.Log(), "it is asked for its media"); times != 2 {
		t.Errorf("the node's log says it %d times", times)
	}
}

// Silence ends no call: neither the caller's, who is there and says so when asked, nor ours. Who answers nothing is gone.
func TestSilenceEndsNoCallAndWhoIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	l := n.Ledger()
	people := append(n.Operators(ada), n.Operators(ben)...) // Ada is idle longer, and gets the first call
	silent := l.Call(prairie, quiet)
	joined(t, l, silent, people[0])
	gone := l.Call(prairie)
	joined(t, l, gone, people[1])
	silent.Say(0)
	must(t, people[0].Hold(harness.Limited(t, byeBar)))
	gone.Vanished = true
	gone.Vanish()
	vanished := time.Now()
	harness.Eventually(t, patience, "the operator is free of who is gone", func() bool { return people[1].View().State != duty.Talking })
	if took := time.Since(vanished); took < 20*time.Second {
		t.Errorf("a call was given up after %v", took)
	}
	harness.Pass(t, time.Until(vanished.Add(patience)))
	select {
	case <-silent.Done():
		t.Fatalf("a caller who is there was cut: %+v", silent.Call.Result())
	default:
	}
	must(t, people[0].Back(harness.Limited(t, byeBar)))
	silent.Say(silent.Tone)
	hear(t, silent, people[0])
	silent.Hangup()
	n.Over(silent.Call, byeBar)
	silent.Result, gone.Result = "answered", "answered"
	l.Balance(booksBar)
	api := n.SignIn(admin)
	for e, why := range map[*harness.Entry]string{silent: "caller_hangup", gone: "media_timeout"} {
		var r harness.Record
		if api.Get("/calls/"+e.CallID(), &r); r.Reason != why {
			t.Errorf("the call log says %q, want %q", r.Reason, why)
		}
	}
}

// A NAT before the caller forgets, and lets the audio out by another port. What is encrypted proves itself; what is not is
// believed from the carrier's addresses only.
func TestACallerWhoseNATForgotIsHeardAgain(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	l := n.Ledger()
	o := n.Operator(ada)
	safe := netip.MustParseAddr("127.0.0.66")
	n.SignIn(noc).Do(http.MethodPost, "/api/v1/trunks", map[string]any{"name": "safe", "signal": []string{safe.String()}, "tls": map[string]any{}}, nil)
	for _, is := range []struct {
		name   string
		change func(*carrier.Options)
	}{
		{"plain", func(*carrier.Options) {}},
		{"encrypted", func(o *carrier.Options) {
			o.Node, o.Transport, o.SRTP, o.Bind = n.SIPTLS, "tls", "required", safe
			o.CA = filepath.Join(n.Data, "keys", "sip-self-signed.crt")
		}},
	} {
		e := l.Call(prairie, is.change)
		joined(t, l, e, o)
		for _, hz := range []struct{ caller, operator float64 }{{1700, 700}, {e.Tone, operatorHz}} { // tones that were not heard before
			must(t, e.Move())
			moved := time.Now()
			e.Say(hz.caller)
			o.Say(hz.operator)
			harness.Eventually(t, movedBar, is.name+": the operator hears the caller again", func() bool { return o.Heard(hz.caller) })
			harness.Eventually(t, time.Until(moved.Add(movedBar)), is.name+": the caller hears the operator again", func() bool { return e.Heard(hz.operator) })
			t.Logf("%s: both heard each other %v after the NAT forgot", is.name, time.Since(moved).Round(time.Millisecond))
		}
		e.Hangup()
		n.Over(e.Call, byeBar)
		e.Result = "answered"
		next(t, n, o)
	}
	l.Balance(booksBar)
}
