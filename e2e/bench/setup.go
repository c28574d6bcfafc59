package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"holdfast/e2e/bench/load"
)

const (
	maxRate   = 3000 // calls a second
	repeatIn  = 500 * time.Millisecond
	heldFor   = 500 * time.Millisecond
	lateShare = 0.001
	pace      = 2 * time.Millisecond
	warmIn    = 10 * time.Second
)

// rates is what one second and more of calls showed.
type rates struct {
	answers    []time.Duration // sorted
	late, lost int             // answered after repeatIn; never
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
func (b *bench) setup(ctx context.Context) error { return b.setUp(ctx, "setup_answer", "answer") }

// setupBridge is the benchmark setup_bridge: each call has a second leg, to an agent who answers at once.
func (b *bench) setupBridge(ctx context.Context) error {
	agent, err := load.NewAgent(netip.AddrPortFrom(load.AgentAddr.Addr(), 9))
	if err != nil {
		return err
	}
	defer agent.Close()
	return b.setUp(ctx, "setup_bridge", "bridge")
}

// setUp finds how many calls a second to a bench user are borne. One node serves all runs: what it keeps of calls that are
// over is part of it.
func (b *bench) setUp(ctx context.Context, name, user string) error {
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	defer n.stopNode()
	phone, err := load.NewPhone(callerHost, netip.MustParseAddrPort(n.host+":5060"))
	if err != nil {
		return err
	}
	defer phone.Close()
	if err := warm(phone, user); err != nil {
		return err
	}
	d, where := 3*time.Second, search{start: 200, max: maxRate, factor: 2, tries: 2}
	if b.quick {
		d, where = time.Second, search{start: 50, max: 50, factor: 2}
	}
	for run := range b.runs {
		var best rates
		rate, err := where.largest(func(rate int) (bool, error) {
			r, err := n.callAt(ctx, phone, user, rate, d)
			note("%s run %d: %d calls/s: p50 %v p99 %v, %d late, %d lost, %v%s",
				name, run+1, rate, r.at(0.5), r.at(0.99), r.late, r.lost, r.core, behind(r.paced))
			if err == nil && r.paced && r.lost == 0 && float64(r.late) <= lateShare*float64(len(r.answers)) {
				best = r
				return true, nil
			}
			return false, err
		})
		if err := firstError(err, ifZero(rate, "not even one call a second is answered in time")); err != nil {
			return err
		}
		b.out.add(name, "calls_per_second", "calls/s", float64(rate))
		b.out.add(name, "answer_p50_ms", "ms", ms(best.at(0.5)))
		b.out.add(name, "answer_p99_ms", "ms", ms(best.at(0.99)))
		b.out.share(name, best.core)
		where = where.again(rate)
	}
	if b.profile != "" {
		wait := b.record(n.process, name)
		if _, err := n.callAt(ctx, phone, user, max(1, where.start*4/5), profileS*time.Second); err != nil {
			return err
		}
		wait()
	}
	return b.out.print()
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
