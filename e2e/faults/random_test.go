package faults

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
)

const (
	// crowd is how many callers there are at once: about six tenths of what a node and its callers carry together on two cores.
	crowd = 24
	// longFor is how long faults go on with HOLDFAST_LONG, unless HOLDFAST_LONG_FOR says otherwise.
	longFor = 30 * time.Minute
)

// day is a busy day of a node, with everything that can go wrong.
type day struct {
	t    *testing.T
	n    *harness.Node
	l    *harness.Ledger
	stop context.CancelFunc
	ctx  context.Context
	work sync.WaitGroup
}

// caller calls one number after another, as people do: some leave a message, some wait for an operator and give up.
func (d *day) caller(seed uint64) {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a story, not a secret
	some := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) }
	for d.ctx.Err() == nil {
		d.pass(some(100*time.Millisecond, 2*time.Second))
		to := []string{redRock, redRock, kovacs, prairie, lakeside}[r.IntN(5)]
		e, err := d.l.Try(d.n.SIP, to, func(o *carrier.Options) { o.Ring = 10 })
		if err != nil {
			continue // no port, on a busy machine: nobody called
		}
		if to == prairie || to == lakeside {
			d.pass(some(time.Second, 8*time.Second))
		} else {
			_ = e.Leave(d.ctx, some(time.Second, 5*time.Second)) // a dead node beeps for nobody
		}
		e.Hangup()
		<-e.Done()
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
		select {
		case e = <-o.Events():
		case <-d.ctx.Done():
			return
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
		case operator.WrapUp:
			do(o.Available)
		}
	}
}

// faults are what goes wrong, and how it ends; each is over when it returns.
func (d *day) faults() map[string]func(long time.Duration) {
	return map[string]func(time.Duration){
		"kill -9": func(time.Duration) {
			d.l.Kill()
			d.n.Run()
			d.n.Healthy()
		},
		"stores killed": func(long time.Duration) {
			d.n.StoresDown()
			d.pass(long)
			d.n.StoresUp()
		},
		"stores silent": func(long time.Duration) {
			d.n.Database.Silence()
			d.n.Redis.Silence()
			d.pass(long)
			d.n.Database.Heal()
			d.n.Redis.Heal()
		},
		"database slow": func(long time.Duration) {
			d.n.Database.Slow(slowQuery, 0.05)
			d.pass(long)
			d.n.Database.Heal()
		},
		"disk full": func(long time.Duration) {
			d.n.Fill("recordings", 100)
			d.pass(long)
			d.n.Fill("recordings", 0)
		},
	}
}

func TestWhateverHappensTheBooksAreRight(t *testing.T) {
	t.Parallel()
	length, seed := time.Duration(0), uint64(time.Now().UnixNano())
	if os.Getenv("HOLDFAST_LONG") != "" {
		length = longFor
		if said, err := time.ParseDuration(os.Getenv("HOLDFAST_LONG_FOR")); err == nil {
			length = said
		}
	}
	n := harness.Start(t, harness.Options{Wires: true, Disks: map[string]int{"recordings": 64}})
	d := &day{t: t, n: n, l: n.Ledger()}
	d.l.Busy = true
	d.ctx, d.stop = context.WithCancel(t.Context())
	for _, o := range n.Operators(ada, ben) {
		d.work.Go(func() { d.operator(o) })
	}
	for i := range crowd {
		d.work.Go(func() { d.caller(seed + uint64(i)) })
	}
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a story, not a secret
	faults := d.faults()
	var names []string
	for name := range faults {
		names = append(names, name)
	}
	count := 0
	for began := time.Now(); count == 0 || time.Since(began) < length; {
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			d.pass(time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
			t.Log(time.Since(began).Round(time.Second), name)
			faults[name](2*time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
			count++
		}
	}
	d.pass(3 * time.Second)
	d.stop()
	d.work.Wait()
	ready(t, n, booksBar)
	d.l.Balance(2 * booksBar)
	t.Log(count, "faults,", len(d.l.Entries()), "calls")
}
