package main

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// whole says that nearly nothing was lost.
func (m seen) whole() bool { return m.paced && m.LossPercent() < lossLimit }

// borne says that the load was carried: whole, and nothing so late that it only waited for time to be had.
func (m seen) borne() bool { return m.whole() && m.Delay(0.99) <= lateLimit }

func (m seen) inTime() bool { return m.borne() && m.Delay(0.99) <= inTime }

// comparable says that what a packet cost can be held against what it costs elsewhere.
func (m seen) comparable() bool { return m.paced && m.LossPercent() <= 1 }

// climb is one server that is given more and more.
type climb struct {
	bench *bench
	name  string // of the contest
	kind  string
	run   int
	stage *stage
	tried map[int]seen // the best of each load
}

// climbUp finds how many calls a server of some kind carries. The server under test prints its figures as they are (prefix ""),
// rivals with their name before.
func (b *bench) climbUp(ctx context.Context, c contest, kind, prefix string, run int) error {
	k := &climb{bench: b, name: c.name, kind: kind, run: run, tried: map[int]seen{}}
	defer k.reset()
	where, enough := search{steps: ladder, tries: 2}, seen.borne
	if b.quick { // on a machine that is busy, everything is late
		where.steps, enough = []int{10, 20}, seen.whole
	}
	n, err := where.largest(func(n int) (bool, error) { a, err := k.try(ctx, n); return enough(a), err })
	if err != nil {
		return err
	}
	if prefix == "" {
		if err := firstError(ifZero(n, "not even one call is bridged without loss"), k.punctual(ctx)); err != nil {
			return err
		}
		best := k.tried[n]
		b.out.add(c.name, "loss_pct", "percent", best.LossPercent())
		b.out.add(c.name, "delay_p50_ms", "ms", ms(best.Delay(0.5)))
		b.out.add(c.name, "delay_p99_ms", "ms", ms(best.Delay(0.99)))
		b.out.share(c.name, best.core)
	}
	b.out.add(c.name, prefix+"calls_per_core", "calls", float64(n))
	k.tell(prefix)
	return nil
}

// punctual finds the most calls without loss of which no packet in a hundred is later than somebody could hear.
func (k *climb) punctual(ctx context.Context) error {
	where := search{steps: slices.Sorted(maps.Keys(k.tried)), tries: 1}
	if k.bench.quick {
		where.steps = where.steps[len(where.steps)-1:]
	}
	n, err := where.largest(func(n int) (bool, error) {
		a, known := k.tried[n]
		var err error
		if !known {
			a, err = k.try(ctx, n)
		}
		return a.inTime(), err
	})
	if err != nil {
		return err
	}
	add := func(metric, unit string, value float64) { k.bench.out.add(k.name, metric, unit, value) }
	add("calls_in_time", "calls", float64(n))
	if a, borne := k.tried[n]; borne {
		add("in_time_p50_ms", "ms", ms(a.Delay(0.5)))
		add("in_time_p99_ms", "ms", ms(a.Delay(0.99)))
	}
	return nil
}

// tell prints the sweep: what each step of the ladder cost, the first that was too much included.
func (k *climb) tell(prefix string) {
	for _, n := range slices.Sorted(maps.Keys(k.tried)) {
		a := k.tried[n]
		if !slices.Contains(ladder, n) && !k.bench.quick || !a.paced {
			continue
		}
		at := func(metric, unit string, value float64) {
			k.bench.out.at(k.name, "sweep_"+prefix+metric, unit, n, value)
		}
		if prefix == "" {
			at("delay_p50_ms", "ms", ms(a.Delay(0.5)))
		}
		at("delay_p99_ms", "ms", ms(a.Delay(0.99)))
		if !a.core.unknown {
			at("core_pct", "percent", 100*a.core.server)
		}
	}
}

func (k *climb) reset() {
	if k.stage != nil {
		k.stage.close()
		k.stage = nil
	}
}

// try measures n calls. A server that was given too much is not asked again: it has lost operators, and would fail with less.
func (k *climb) try(ctx context.Context, n int) (a seen, err error) {
	if k.stage == nil {
		if k.stage, err = k.bench.open(ctx, k.kind); err != nil {
			return a, err
		}
	}
	if a, err = k.stage.measure(ctx, n, k.bench.window()); err != nil {
		return a, err
	}
	note("%s run %d: %s, %d calls: %.3f %% lost, p50 %v p99 %v, %v%s", k.name, k.run+1, k.kind, n, a.LossPercent(),
		a.Delay(0.5), a.Delay(0.99), a.core, behind(a.paced))
	if former, known := k.tried[n]; !known || !former.borne() && (a.borne() || a.paced) {
		k.tried[n] = a
	}
	if !a.borne() {
		k.reset()
	}
	return a, nil
}

func ifZero(n int, text string) error {
	if n == 0 {
		return errors.New(text)
	}
	return nil
}
