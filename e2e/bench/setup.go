package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"holdfast/e2e/bench/load"
)

// rateLadder is the calls a second of a sweep.
var rateLadder = []int{100, 250, 500, 750, 1000, 1250, 1500, 2000, 3000}

const (
	rateTries = 3    // of a rate before it counts as too much: a moment of bad luck is not the server's limit
	answerBar = 1000 // calls a second that one core has to answer in time
	bridgeBar = 500  // the same with a second leg
	repeatIn  = 500 * time.Millisecond
	heldFor   = 2 * time.Second
	promptIn  = 50 * time.Millisecond
	lateShare = 0.001
	pace      = 2 * time.Millisecond
	warmIn    = 10 * time.Second
)

// rates is what one second and more of calls showed.
type rates struct {
	answers    []time.Duration // sorted
	late, lost int             // answered after repeatIn; never
	refused    int             // of lost: told so
	core       share
	paced      bool
}

func (r rates) at(q float64) time.Duration {
	if len(r.answers) == 0 {
		return 0
	}
	return r.answers[min(len(r.answers)-1, int(q*float64(len(r.answers))))]
}

// setup is the benchmark setup_answer.
func (b *bench) setup(ctx context.Context) error {
	return b.setUp(ctx, "setup_answer", "answer", answerBar)
}

// setupBridge is the benchmark setup_bridge: each call has a second leg, to an agent who answers at once.
func (b *bench) setupBridge(ctx context.Context) error {
	agent, err := load.NewAgent(load.Nowhere)
	if err != nil {
		return err
	}
	defer agent.Close()
	return b.setUp(ctx, "setup_bridge", "bridge", bridgeBar)
}

// setUp finds how many calls a second to a bench user are borne, and how long callers wait at the rate that is asked for. One node
// serves all runs: what it keeps of calls that are over is part of it.
func (b *bench) setUp(ctx context.Context, name, user string, bar int) error {
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	defer n.stopNode()
	phone, err := load.NewPhone(callerHost, n.sip)
	if err != nil {
		return err
	}
	defer phone.Close()
	if err := warm(phone, user); err != nil {
		return err
	}
	t := &dial{bench: b, node: n, phone: phone, name: name, user: user, d: 3 * time.Second}
	where := search{steps: rateLadder, tries: rateTries}
	if b.quick {
		t.d, where, bar = time.Second, search{steps: []int{25, 50}}, 50
	}
	rated := 0
	for run := range b.runs {
		t.run, t.tried = run, map[int][]rates{}
		if err := t.atBar(ctx, bar); err != nil {
			return err
		}
		rate, err := where.largest(func(rate int) (bool, error) { r, err := t.try(ctx, rate); return r.borne(), err })
		if err := firstError(err, ifZero(rate, "not even one call a second is answered in time")); err != nil {
			return err
		}
		best := t.best(rate)
		b.out.add(name, "calls_per_second", "calls/s", float64(rate))
		b.out.add(name, "answer_p50_ms", "ms", ms(best.at(0.5)))
		b.out.add(name, "answer_p99_ms", "ms", ms(best.at(0.99)))
		b.out.share(name, best.core)
		if err := t.prompt(ctx, rate); err != nil {
			return err
		}
		t.tell()
		rated = rate
	}
	if b.profile != "" {
		wait := b.record(n.process, name)
		if _, err := n.callAt(ctx, phone, user, max(1, rated*4/5), profileS*time.Second); err != nil {
			return err
		}
		wait()
	}
	return b.out.print()
}

// dial is calls to one bench user of a node, at rising rates.
type dial struct {
	bench      *bench
	node       *node
	phone      *load.Phone
	name, user string
	d          time.Duration
	run        int
	tried      map[int][]rates // at each rate, in order
	over       time.Time       // when the calls so far were
}

// borne says that all calls were answered, and nearly all before a caller would have repeated itself.
func (r rates) borne() bool {
	return r.paced && r.lost == 0 && float64(r.late) <= lateShare*float64(len(r.answers))
}

// inTime says that they were borne, and 99 % answered before anybody would notice.
func (r rates) inTime() bool { return r.borne() && r.at(0.99) < promptIn }

// better says whether r shows more of what the server can than other does.
func (r rates) better(other rates) bool {
	switch {
	case r.borne() != other.borne():
		return r.borne()
	case r.paced != other.paced:
		return r.paced
	case r.lost != other.lost: // of those who got no answer there is no time
		return r.lost < other.lost
	}
	return r.at(0.99) < other.at(0.99)
}

// best of the tries at a rate, of which there is one.
func (t *dial) best(rate int) rates {
	best := t.tried[rate][0]
	for _, r := range t.tried[rate][1:] {
		if r.better(best) {
			best = r
		}
	}
	return best
}

// try lets calls come to a server at rest.
func (t *dial) try(ctx context.Context, rate int) (rates, error) {
	r, err := t.once(ctx, rate, "")
	if err == nil {
		t.tried[rate] = append(t.tried[rate], r)
	}
	return r, err
}

func (t *dial) once(ctx context.Context, rate int, why string) (rates, error) {
	if err := t.node.rest(ctx); err != nil {
		return rates{}, err
	}
	r, err := t.node.callAt(ctx, t.phone, t.user, rate, t.d)
	t.over = time.Now()
	if err != nil {
		return r, err
	}
	note("%s run %d: %d calls/s%s: p50 %v p99 %v, %d late, %d refused, %d lost, %v%s",
		t.name, t.run+1, rate, why, r.at(0.5), r.at(0.99), r.late, r.refused, r.lost-r.refused, r.core, behind(r.paced))
	return r, nil
}

// atBar is the one try of a run at the rate that the bar names, from rest: SIP too has forgotten the calls before.
func (t *dial) atBar(ctx context.Context, rate int) error {
	switch {
	case t.bench.quick:
	case t.over.IsZero(): // the first calls of a process make what the later ones use again
		if _, err := t.once(ctx, rate/10, " to begin with"); err != nil {
			return err
		}
	default:
		if err := pause(ctx, forgotten-time.Since(t.over)); err != nil {
			return err
		}
	}
	r, err := t.once(ctx, rate, ", the bar")
	if err != nil {
		return err
	}
	if !r.paced && !t.bench.quick {
		return nil // it was noted: the load was none of that size
	}
	add := func(metric, unit string, value float64) { t.bench.out.add(t.name, metric, unit, value) }
	add("p50_at_bar_ms", "ms", ms(r.at(0.5)))
	add("p99_at_bar_ms", "ms", ms(r.at(0.99)))
	add("late_at_bar", "calls", float64(r.late))
	add("lost_at_bar", "calls", float64(r.lost))
	return nil
}

// prompt finds the highest rate at which 99 % of the callers are answered within promptIn.
func (t *dial) prompt(ctx context.Context, borne int) error {
	tries := rateTries
	if t.bench.quick {
		tries = 1
	}
	rate, err := highestInTime(t.tried, borne, tries, func(rate int) error { _, err := t.try(ctx, rate); return err })
	t.bench.out.add(t.name, "calls_per_second_in_time", "calls/s", float64(rate))
	return err
}

// highestInTime finds the highest rate, of those up to one that is borne, at which callers are answered in time: from the highest of
// which that is known already, and what was too slow on the way there is tried again. A try adds to tried.
func highestInTime(tried map[int][]rates, borne, tries int, try func(rate int) error) (int, error) {
	var steps []int
	for _, rate := range slices.Sorted(maps.Keys(tried)) {
		switch {
		case rate > borne:
		case slices.ContainsFunc(tried[rate], rates.inTime):
			steps = []int{rate} // whoever does this does less
		default:
			steps = append(steps, rate)
		}
	}
	looked := map[int]int{} // how many of the tries at a rate were looked at
	return search{steps: steps, tries: tries}.largest(func(rate int) (bool, error) {
		if looked[rate] == len(tried[rate]) {
			if err := try(rate); err != nil {
				return false, err
			}
		}
		looked[rate]++
		return tried[rate][looked[rate]-1].inTime(), nil
	})
}

// tell prints the sweep.
func (t *dial) tell() {
	for _, rate := range slices.Sorted(maps.Keys(t.tried)) {
		r := t.best(rate)
		if !r.paced || !slices.Contains(rateLadder, rate) && !t.bench.quick {
			continue
		}
		at := func(metric, unit string, value float64) { t.bench.out.at(t.name, "sweep_"+metric, unit, rate, value) }
		at("answer_p50_ms", "ms", ms(r.at(0.5)))
		at("answer_p99_ms", "ms", ms(r.at(0.99)))
		at("answered_per_second", "calls/s", float64(len(r.answers)-r.late)/t.d.Seconds())
		if !r.core.unknown {
			at("core_pct", "percent", 100*r.core.server)
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// warm waits until the node knows its bench users.
func warm(phone *load.Phone, user string) error {
	for deadline := time.Now().Add(warmIn); ; {
		c := phone.Invite(user, netip.AddrPortFrom(callerHost, 9))
		if err := phone.Settled([]*load.Call{c}); err != nil {
			return err
		}
		phone.Bye(c)
		if c.Answered() {
			return phone.Settled([]*load.Call{c})
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the bench user %q is not answered: status %d", user, c.Status)
		}
	}
}

// callAt places calls at a rate, holds each, and hangs up.
func (n *node) callAt(ctx context.Context, phone *load.Phone, user string, rate int, d time.Duration) (r rates, err error) {
	calls, r, err := n.placeAt(ctx, phone, user, rate, d, heldFor)
	if err != nil {
		return r, err
	}
	if err := endAll(phone, calls, 2*rate); err != nil {
		return r, err
	}
	for _, c := range calls {
		if !c.Answered() {
			r.lost++
			if c.Status != 0 {
				r.refused++
			}
			continue
		}
		took := c.AnsweredAt.Sub(c.InvitedAt)
		r.answers = append(r.answers, took)
		if took > repeatIn {
			r.late++
		}
	}
	slices.Sort(r.answers)
	return r, nil
}

// placeAt places calls at a rate, and hangs up each that has been held long enough. The last of them go on.
func (n *node) placeAt(ctx context.Context, phone *load.Phone, user string, rate int, d, held time.Duration) (calls []*load.Call, r rates, err error) {
	nowhere := netip.AddrPortFrom(callerHost, 9) // nobody listens: no audio is sent in this benchmark
	calls = make([]*load.Call, 0, int(d.Seconds()*float64(rate)))
	left := 0 // how many of them were told BYE
	r.core, err = n.load(func() error {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		began := time.Now()
		for time.Since(began) < d {
			<-tick.C
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for due := int(time.Since(began).Seconds() * float64(rate)); len(calls) < due; {
				calls = append(calls, phone.Invite(user, nowhere))
			}
			for ; left < len(calls) && time.Since(calls[left].InvitedAt) > held; left++ {
				phone.Bye(calls[left])
			}
		}
		return nil
	})
	r.paced = float64(len(calls)) > pacedShare*d.Seconds()*float64(rate)-1
	return calls, r, err
}

// endAll hangs up what is left of some calls, at a rate, and waits until they are over.
func endAll(phone *load.Phone, calls []*load.Call, rate int) error {
	if err := phone.Settled(calls); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second / time.Duration(max(1, rate)))
	defer tick.Stop()
	for _, c := range calls {
		if phone.Bye(c) {
			<-tick.C
		}
	}
	return phone.Settled(calls)
}
