package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
)

const (
	benchQueue  = string(demo.BenchQueue) // the load generators' user whose operators have telephones
	telephones  = demo.BenchTarget        // where those are
	telephoneN  = 50
	telephoneHz = 700
	lineFreeBar = 2 * time.Minute // another run on this machine may have the address
)

// ringing is the next call that reaches a telephone.
func ringing(t *testing.T, x *carrier.Exchange) *carrier.Received {
	t.Helper()
	select {
	case r := <-x.Calls():
		return r
	case <-time.After(offerSeenBar):
		t.Fatal("no telephone rings")
	}
	return nil
}

func talks(t *testing.T, r *carrier.Received) {
	t.Helper()
	r.Answer()
	select {
	case <-r.Answered():
	case <-time.After(joinBar):
		t.Fatalf("%s has picked up, and is not heard of", r.To)
	}
}

func TestCallersWaitForTelephonesAndAreAnsweredInTheOrderTheyCame(t *testing.T) {
	t.Parallel()
	var engaged atomic.Bool // the next telephone that is dialled
	engaged.Store(true)
	var x *carrier.Exchange
	harness.Eventually(t, lineFreeBar, "the telephones' address is free", func() (ok bool) {
		var err error
		x, err = carrier.Listen(telephones, func(string) carrier.Plan {
			if engaged.CompareAndSwap(true, false) {
				return carrier.Plan{Status: 486}
			}
			return carrier.Plan{Rings: true, Waits: true, Tone: telephoneHz}
		})
		return err == nil
	})
	t.Cleanup(x.Close)
	n := harness.Start(t, harness.Options{Env: []string{"HOLDFAST_BENCH=1"}})

	first := n.Call(benchQueue, func(o *carrier.Options) { o.From = "caller-1" })
	id := n.Answered(first, offerSeenBar)
	busy, r := ringing(t, x), ringing(t, x)
	if busy.To == r.To || r.From != "caller-1" || r.CallID != id || !strings.HasPrefix(r.To, "a") {
		t.Fatalf("%q was engaged; then %q rings with a call from %q, %s", busy.To, r.To, r.From, r.CallID)
	}
	talks(t, r)
	among(t, map[string]string{"caller": "telephone", "telephone": "caller"},
		voice{"caller", callerHz, first.Say, first.Heard}, voice{"telephone", telephoneHz, r.Say, r.Heard})
	r.Hangup()
	if over := n.Over(first, byeBar); over.EndedBy != carrier.ByServer {
		t.Errorf("the telephone was hung up, and the caller's call was ended by %s", over.EndedBy)
	}

	const waiting = telephoneN
	var callers []*carrier.Call
	call := func() {
		c := n.Call(benchQueue, func(o *carrier.Options) {
			o.From, o.Quiet, o.Tone = fmt.Sprintf("caller-%d", 2+len(callers)), true, 0
		})
		n.Answered(c, offerSeenBar)
		callers = append(callers, c)
	}
	var talking []*carrier.Received
	busyWith := map[string]string{}
	next := func() {
		r := ringing(t, x)
		if want := fmt.Sprintf("caller-%d", 2+len(talking)); r.From != want || busyWith[r.To] != "" {
			t.Fatalf("%s rings for %s, and it is the turn of %s; it was busy with %q", r.To, r.From, want, busyWith[r.To])
		}
		talks(t, r)
		busyWith[r.To] = r.From
		talking = append(talking, r)
	}
	for range telephoneN - 1 { // all but the one that was engaged, which rests for a moment
		call()
		next()
	}
	for range waiting {
		call()
	}
	for i := range waiting {
		if i%2 == 0 {
			callers[i].Hangup()
		} else {
			talking[i].Hangup()
		}
		delete(busyWith, talking[i].To)
		next()
	}
}
