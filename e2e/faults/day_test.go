package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
)

const (
	// crowd is how many callers there are at once: each takes its turn at the few things that callers do.
	crowd = 24
	// waits is how long, in seconds, a caller waits for an answer: many times what a busy machine takes for one.
	waits = 10
	// breath is what a caller takes after the beep: a node that stands still in the middle of it, on a busy machine, goes on before that.
	breath = 500 * time.Millisecond
)

// day is a busy day of a node, with everything that can go wrong.
type day struct {
	t    *testing.T
	n    *harness.Node
	l    *harness.Ledger
	desk []*operator.Operator
	stop context.CancelFunc
	ctx  context.Context
	work sync.WaitGroup
}

// dawn lets callers call and operators answer, until stop.
func dawn(t *testing.T, n *harness.Node, seed uint64) *day {
	t.Helper()
	d := &day{t: t, n: n, l: n.Ledger(), desk: n.Operators(ada, ben)}
	d.l.Busy, d.l.Answers = true, true
	d.ctx, d.stop = context.WithCancel(t.Context())
	for _, o := range d.desk {
		d.work.Go(func() { d.operator(o) })
	}
	for i := range crowd {
		d.work.Go(func() { d.caller(seed + uint64(i)) })
	}
	return d
}

// caller calls one number after another, as people do: some leave a message, some wait for an operator and give up.
func (d *day) caller(seed uint64) {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a story, not a secret
	some := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) }
	for d.ctx.Err() == nil {
		d.pass(some(100*time.Millisecond, 2*time.Second))
		to := []string{redRock, redRock, kovacs, prairie, lakeside}[r.IntN(5)]
		e, err := d.l.Try(d.n.SIP, to, func(o *carrier.Options) { o.Ring = waits })
		if err != nil {
			continue // no port, on a busy machine: nobody called
		}
		select {
		case <-e.Answered():
			d.speak(e, some)
		case <-e.Done(): // refused, or the caller's patience has ended: the ledger knows whether anybody is to blame
		}
		e.Hangup()
		<-e.Done()
	}
}

// speak is what a caller does who was answered.
func (d *day) speak(e *harness.Entry, some func(from, to time.Duration) time.Duration) {
	if e.To == prairie || e.To == lakeside {
		d.pass(some(time.Second, 8*time.Second))
		return
	}
	e.Late = breath
	if err := e.Leave(d.ctx, some(time.Second, 5*time.Second)); err != nil && !errors.Is(err, context.Canceled) {
		e.Missed = err
	}
}

// pass lets time pass, as long as the day lasts.
func (d *day) pass(long time.Duration) {
	over := time.NewTimer(long)
	defer over.Stop()
	select {
	case <-over.C:
	case <-d.ctx.Done():
	}
}

// operator takes every call and talks a while.
func (d *day) operator(o *operator.Operator) {
	for {
		var e operator.Event
		var open bool
		select {
		case e, open = <-o.Events():
		case <-d.ctx.Done():
			return
		}
		if !open {
			return // it was closed: the test has ended early
		}
		do := func(what func(context.Context) error) {
			ctx, cancel := context.WithTimeout(d.ctx, joinBar)
			defer cancel()
			_ = what(ctx) // the caller may have gone, the node may be dead
		}
		switch e.Event {
		case operator.Offer:
			do(o.Accept)
			d.pass(1500 * time.Millisecond)
			do(o.HangUp)
			do(o.Available)
		case operator.WrapUp, operator.Paused: // paused: an offer was missed, or the connection was lost for long
			do(o.Available)
		case operator.Failed, operator.Away:
			if d.ctx.Err() == nil {
				d.t.Errorf("operator %d is off duty, and never went: %s", 1+slices.Index(d.desk, o), e.Why)
			}
			return
		}
	}
}
