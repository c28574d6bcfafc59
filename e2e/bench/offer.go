package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"holdfast/e2e/bench/load"
)

const (
	offerRate    = 100                    // calls a second
	offerHeldFor = 300 * time.Millisecond // 30 telephones are busy
	offerPhones  = 1000
	offerFor     = 10 * time.Second
)

// offer is the benchmark offer: how long after a caller's INVITE one of many operators is offered the call. The operators have
// telephones, which ring at the far end of the generator.
func (b *bench) offer(ctx context.Context) error {
	agent, err := load.NewAgent(load.Nowhere)
	if err != nil {
		return err
	}
	defer agent.Close()
	operators := cmp.Or(b.operators, offerPhones)
	n, err := b.startNode(ctx, "HOLDFAST_BENCH_PHONES="+strconv.Itoa(operators))
	if err != nil {
		return err
	}
	defer n.stopNode()
	phone, err := load.NewPhone(callerHost, n.sip)
	if err != nil {
		return err
	}
	defer phone.Close()
	if err := warm(phone, "queue"); err != nil {
		return err
	}
	d := offerFor
	if b.quick {
		d = time.Second
	}
	for run := range b.runs {
		r, err := n.offerAt(ctx, phone, agent, d)
		if err != nil {
			return err
		}
		note("offer run %d: %d telephones on duty, %d calls: p50 %v p99 %v, %d rang nowhere, %v%s", run+1, operators, len(r.answers), r.at(0.5), r.at(0.99), r.lost, r.core, behind(r.paced))
		if len(r.answers) == 0 {
			return fmt.Errorf("of %d calls none rang at a telephone", r.lost)
		}
		b.out.add("offer", "offer_p50_ms", "ms", ms(r.at(0.5)))
		b.out.add("offer", "offer_p99_ms", "ms", ms(r.at(0.99)))
		b.out.share("offer", r.core)
	}
	return b.out.print()
}

// offerAt places calls and finds how long it took until each rang at a telephone. lost are those that had rung nowhere when
// their caller hung up.
func (n *node) offerAt(ctx context.Context, phone *load.Phone, agent *load.Agent, d time.Duration) (rates, error) {
	calls, r, err := n.placeAt(ctx, phone, "queue", offerRate, d, offerHeldFor)
	if err != nil {
		return r, err
	}
	if err := endAll(phone, calls, 2*offerRate); err != nil {
		return r, err
	}
	for _, c := range calls {
		if at, _, rang := agent.Rang(c.From()); rang {
			r.answers = append(r.answers, at.Sub(c.InvitedAt))
		} else {
			r.lost++
		}
	}
	slices.Sort(r.answers)
	return r, nil
}
