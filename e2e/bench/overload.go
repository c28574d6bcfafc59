package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/e2e/bench/load"
)

const (
	liveCalls   = 100 // that talk while too many others come
	tooMuch     = 2.5 // times what is borne
	overloadFor = 10 * time.Second
	loadQuiet   = 3 * time.Second // of talk before that
	mostOffered = 4000            // calls a second; the generator has one core
)

// overload is the benchmark overload: what becomes of live calls, of new ones and of the node's memory while far more calls come than
// it can set up.
func (b *bench) overload(ctx context.Context) error {
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	defer n.stopNode()
	s, err := wholeStage(n)
	if err != nil {
		return err
	}
	defer s.close()
	phone, err := load.NewPhone(callerHost, n.sip)
	if err != nil {
		return err
	}
	defer phone.Close()
	peak, offered, talking, d, err := b.peak(ctx, n, phone)
	if err != nil {
		return err
	}
	if err := s.grow(ctx, talking); err != nil {
		return err
	}
	for run := range b.runs {
		before, err := s.measure(ctx, talking, loadQuiet)
		if err != nil {
			return err
		}
		f, err := b.flood(ctx, s, n, phone, offered, d)
		if err != nil {
			return err
		}
		note("overload run %d: %d calls/s come, %.0f are borne: %.0f answered in time, p99 %v; %d refused, %d late, %d never answered; %d calls talk: %.3f %% lost (%.3f before), p99 %v (%v), memory %+.0f %%, %v%s",
			run+1, offered, peak, f.goodput, f.at(0.99), f.refused, f.late, f.silent, talking, f.talk.LossPercent(), before.LossPercent(),
			f.talk.Delay(0.99), before.Delay(0.99), f.grown, f.core, behind(f.paced))
		if !f.paced && !b.quick {
			continue
		}
		b.out.add("overload", "offered_per_second", "calls/s", float64(f.all)/d.Seconds())
		b.out.add("overload", "peak_per_second", "calls/s", peak)
		b.out.add("overload", "goodput_per_second", "calls/s", f.goodput)
		b.out.add("overload", "goodput_of_peak", "ratio", f.goodput/peak)
		b.out.add("overload", "refused_pct", "percent", 100*float64(f.refused)/float64(f.all))
		b.out.add("overload", "refused_without_retry_after", "calls", float64(f.rude))
		b.out.add("overload", "late_pct", "percent", 100*float64(f.late)/float64(f.all))
		b.out.add("overload", "never_answered", "calls", float64(f.silent))
		b.out.add("overload", "answer_p99_ms", "ms", ms(f.at(0.99)))
		b.out.add("overload", "live_loss_added_pct", "percent", max(0, f.talk.LossPercent()-before.LossPercent()))
		b.out.add("overload", "live_delay_p99_ms", "ms", ms(f.talk.Delay(0.99)))
		if !f.core.unknown {
			b.out.add("overload", "memory_grown_pct", "percent", f.grown)
		}
		b.out.share("overload", f.core)
	}
	return b.out.print()
}

// peak is how many calls a second the node bears, measured now, and how many it is therefore given.
func (b *bench) peak(ctx context.Context, n *node, phone *load.Phone) (peak float64, offered, talking int, d time.Duration, err error) {
	if b.quick {
		return 100, 200, 10, time.Second, nil
	}
	t := &dial{bench: b, node: n, phone: phone, name: "overload", user: "answer", d: 3 * time.Second, tried: map[int][]rates{}}
	rate, err := search{steps: rateLadder, tries: rateTries}.largest(func(rate int) (bool, error) { r, err := t.try(ctx, rate); return r.borne(), err })
	err = errors.Join(err, ifZero(rate, "not even one call a second is answered in time"))
	return float64(rate), min(mostOffered, int(tooMuch*float64(rate))), liveCalls, overloadFor, err
}

// flooded is what was seen while too many calls came.
type flooded struct {
	rates
	all     int
	silent  int // never answered, not even by a refusal
	rude    int // refused without a word on when to come again
	goodput float64
	grown   float64 // percent of the memory before
	talk    load.Tally
}

// flood lets too many calls come while others talk.
func (b *bench) flood(ctx context.Context, s *stage, n *node, phone *load.Phone, offered int, d time.Duration) (f flooded, err error) {
	before, after := 0.0, 0.0
	if n.cmd != nil {
		if before, err = n.resident(); err != nil {
			return f, err
		}
	}
	heard := make(chan load.Tally, 1)
	go func() { heard <- s.studio.Measure(d, graceFor) }()
	calls, r, err := n.placeAt(ctx, phone, "answer", offered, d, heldFor)
	f.talk = <-heard
	if err != nil {
		return f, err
	}
	if n.cmd != nil {
		if after, err = n.resident(); err != nil {
			return f, err
		}
		f.grown = 100 * (after - before) / before
	}
	if err := endAll(phone, calls, offered); err != nil {
		return f, err
	}
	f.rates, f.all = r, len(calls)
	for _, c := range calls {
		switch took := c.AnsweredAt.Sub(c.InvitedAt); {
		case c.Answered() && took > repeatIn:
			f.late++
			f.answers = append(f.answers, took)
		case c.Answered():
			f.answers = append(f.answers, took)
		case c.Status == 0:
			f.silent++
		default:
			f.refused++
			if !c.Later {
				f.rude++
			}
		}
	}
	slices.Sort(f.answers)
	f.goodput = float64(len(f.answers)-f.late) / d.Seconds()
	if f.all == 0 {
		return f, fmt.Errorf("no call was placed in %v", d)
	}
	return f, nil
}
