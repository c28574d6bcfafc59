package faults

import (
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/harness"
)

const (
	floodRate   = 400 // INVITEs a second: twenty times what a busy node sees
	floodFor    = 5 * time.Second
	floodLong   = 10 * time.Second   // with HOLDFAST_LONG
	floodMemory = float64(128 << 20) // bytes
	refusalBar  = 2 * time.Second    // INVITE to 503, also of one that was sent twice: no caller waits for nothing
)

// A region is told to call: twenty times the usual calls within seconds.
func TestAFloodOfCallsIsAnsweredOrSentElsewhere(t *testing.T) {
	n := harness.Start(t) // rated for 159 calls, by its 199 pairs of ports; 119 of them for one tenant
	l := n.Ledger()
	o := n.Operator(zoe)
	witness := l.Call(redRock)
	joined(t, l, witness, o)
	before, _ := n.Metric("process_resident_memory_bytes")

	phone, err := load.NewPhone(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort(n.SIP))
	must(t, err)
	defer phone.Close()
	flood := floodFor
	if os.Getenv("HOLDFAST_LONG") != "" {
		flood = floodLong
	}
	var calls []*load.Call
	var other *harness.Entry // another tenant's caller, in the middle of it
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for began := time.Now(); time.Since(began) < flood; <-pace.C {
		for due := int(time.Since(began).Seconds() * floodRate); len(calls) < due; {
			calls = append(calls, phone.Invite(redRock, netip.MustParseAddrPort("127.0.0.1:9")))
		}
		if other == nil && time.Since(began) > flood/2 {
			other = l.Call(prairie)
		}
	}
	must(t, phone.Settled(calls))
	after, _ := n.Metric("process_resident_memory_bytes")
	answered, refused := 0, 0
	var slowest, slowestRefusal time.Duration
	for _, c := range calls {
		switch {
		case c.Answered():
			answered++
			slowest = max(slowest, c.AnsweredAt.Sub(c.InvitedAt))
			l.Others(c.From(), 1)
		case c.Status == http.StatusServiceUnavailable && c.Later:
			refused++
			slowestRefusal = max(slowestRefusal, c.EndedAt.Sub(c.InvitedAt))
		default:
			t.Fatalf("a call of the flood was neither answered nor told when to come again: %+v", c)
		}
	}
	if answered < 110 || answered > 135 {
		t.Errorf("%d calls answered, %d refused", answered, refused)
	}
	if slowest > answerBar || slowestRefusal > refusalBar {
		t.Errorf("a call was answered after %v, another refused after %v", slowest, slowestRefusal)
	}
	if after > before+floodMemory {
		t.Errorf("%.0f MB before the flood, %.0f MB after", before/1e6, after/1e6)
	}
	raised(t, n.SignIn(noc), "calls_refused", byeBar)
	other.Hangup()
	if r := n.Over(other.Call, byeBar); !r.Answered() || r.AnswerMS > answerBar.Milliseconds() {
		t.Errorf("another tenant's caller found no room in the flood: %+v", r)
	}
	for _, c := range calls {
		phone.Bye(c)
	}
	must(t, phone.Settled(calls))
	hear(t, witness, o)
	heard := o.Count()
	witness.Hangup()
	r := n.Over(witness.Call, byeBar)
	if 200*r.Lost > r.Received || 200*heard.Lost > heard.Received { // 0.5 %
		t.Errorf("the call that was up lost %d of %d packets one way, %d of %d the other", r.Lost, r.Received, heard.Lost, heard.Received)
	}
	witness.Result = "answered"
	l.Balance(booksBar)
	t.Logf("%d INVITEs: %d answered within %v, %d refused within %v, another tenant's answered after %d ms; %.0f MB before, %.0f MB after; lost %d and %d", len(calls), answered, slowest, refused, slowestRefusal, other.Call.Result().AnswerMS, before/1e6, after/1e6, r.Lost, heard.Lost)
}
