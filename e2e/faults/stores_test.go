package faults

import (
	"os"
	"slices"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

const (
	// goroutineBar is how many goroutines more a store in trouble may cost.
	goroutineBar = 60
	slowQuery    = 2 * time.Second
	// awayFor is how long the stores are away; awayLong with HOLDFAST_LONG.
	awayFor  = 15 * time.Second
	awayLong = 10 * time.Minute
)

// Both stores are killed and stay away: who talks goes on talking, who calls is answered by what this node knows, and nobody
// starts the node anew. Once they are back all of it is in the books, once.
func TestStoresThatStayAwayCostNobodyACall(t *testing.T) {
	t.Parallel()
	away := awayFor
	if os.Getenv("HOLDFAST_LONG") != "" {
		away = awayLong
	}
	n := harness.Start(t)
	l := n.Ledger()
	people := n.Operators(ada, zoe)
	o, other := people[0], people[1]
	witness := l.Call(redRock)
	joined(t, l, witness, other)
	before := goroutines(t, n)
	n.StoresDown()
	var took []time.Duration
	rounds := 0
	for began := time.Now(); rounds == 0 || time.Since(began) < away; rounds++ {
		e := l.Call(prairie)
		joined(t, l, e, o)
		message := l.Call(kovacs)
		l.Leave(message, time.Second)
		message.Hangup()
		e.Hangup()
		for _, over := range []*harness.Entry{e, message} {
			took = append(took, time.Duration(n.Over(over.Call, byeBar).AnswerMS)*time.Millisecond)
		}
		e.Result, message.Result = "answered", "voicemail"
		next(t, n, o)
		hear(t, witness, other)
	}
	slices.Sort(took)
	if p := p99(took); p > answerBar {
		t.Errorf("INVITE to 200: p99 %v of %d calls", p, len(took))
	}
	if now := goroutines(t, n); now > before+goroutineBar {
		t.Errorf("%v goroutines, and %v before", now, before)
	}
	select {
	case <-n.Ended():
		t.Error("the node ended")
	default:
	}
	n.StoresUp()
	ready(t, n, 15*time.Second)
	once(t, n, l, o)
	hear(t, witness, other)
	witness.Hangup()
	n.Over(witness.Call, byeBar)
	witness.Result = "answered"
	l.Balance(booksBar)
	t.Logf("%d rounds without stores in %v; INVITE to 200, p99: %v", rounds, away, p99(took))
}

// answers places calls one after another for so long and returns how long each took to be answered.
func answers(t *testing.T, l *harness.Ledger, to string, long time.Duration) (took []time.Duration) {
	t.Helper()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	var all []*harness.Entry
	for began := time.Now(); time.Since(began) < long; <-pace.C {
		all = append(all, l.Call(to, func(o *carrier.Options) { o.Seconds = 1 }))
	}
	for _, e := range all {
		l.Answered(e, 5*time.Second)
		took = append(took, time.Duration(e.Call.Result().AnswerMS)*time.Millisecond)
		<-e.Done()
	}
	slices.Sort(took)
	return took
}

// p99 of sorted times.
func p99(sorted []time.Duration) time.Duration { return sorted[(len(sorted)*99+99)/100-1] }

func goroutines(t *testing.T, n *harness.Node) (count float64) {
	t.Helper()
	harness.Eventually(t, answerBar*5, "the metrics", func() bool {
		var known bool
		count, known = n.Metric("go_goroutines")
		return known
	})
	return count
}

func TestStoresThatAreSlowOrSilentAreNoticedByNoCaller(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Wires: true})
	l := n.Ledger()
	o := n.Operator(ada)
	calm := answers(t, l, redRock, 2*time.Second)
	before := goroutines(t, n)

	t.Run("a database that takes 2 s a query and loses 5 %", func(t *testing.T) {
		n.Database.Slow(slowQuery, 0.05)
		slow := answers(t, l, redRock, 4*time.Second)
		if p := p99(slow); p > answerBar {
			t.Errorf("INVITE to 200: p99 %v, of %d calls; before %v", p, len(slow), p99(calm))
		}
		e := l.Call(prairie)
		joined(t, l, e, o)
		e.Hangup()
		n.Over(e.Call, byeBar)
		e.Result = "answered"
		message := l.Call(redRock)
		l.Leave(message, time.Second)
		message.Hangup()
		n.Over(message.Call, byeBar)
		message.Result = "voicemail"
		if now := goroutines(t, n); now > before+goroutineBar {
			t.Errorf("%v goroutines, and %v before", now, before)
		}
		t.Logf("INVITE to 200, p99: %v before, %v with a slow database", p99(calm), p99(slow))
		n.Database.Heal()
		n.Phase(o, 10*time.Second, duty.Available)
	})
	t.Run("a Redis that is silent", func(t *testing.T) {
		n.Redis.Silence()
		for range 3 {
			e := l.Call(prairie)
			asked := time.Now()
			l.Answered(e, answerBar)
			harness.Event(t, o, operator.Offer, offerBar)
			if took := time.Since(asked); took > answerBar {
				t.Errorf("offered after %v", took)
			}
			served(t, n, e, o)
		}
		if now := goroutines(t, n); now > before+goroutineBar {
			t.Errorf("%v goroutines, and %v before", now, before)
		}
		n.Redis.Heal()
		ready(t, n, 15*time.Second)
		once(t, n, l, o)
	})
	l.Balance(booksBar)
}

// once lets several callers wait for one operator, who is offered each of them once.
func once(t *testing.T, n *harness.Node, l *harness.Ledger, o *operator.Operator) {
	t.Helper()
	var all []*harness.Entry
	for range 3 {
		e := l.Call(prairie)
		l.Answered(e, answerBar)
		all = append(all, e)
	}
	for _, e := range all {
		if offer := harness.Event(t, o, operator.Offer, offerBar); string(offer.CallID) != e.CallID() {
			t.Errorf("offered %s, and %s waits longest", offer.CallID, e.CallID())
		}
		served(t, n, e, o)
	}
}
