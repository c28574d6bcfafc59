package main

import (
	"context"
	"fmt"
	"time"

	"holdfast/e2e/bench/page"
)

// contest is a benchmark of bridges: who serves, and who else does for comparison.
type contest struct {
	name, ours string
	rivals     []rival
}

// rival is a server that others are compared with.
type rival struct {
	kind, name string // what is started, and how its figures are called
	climbs     bool   // how far it goes is looked for too
}

// bridgeSRTP is the benchmark bridge_srtp.
func (b *bench) bridgeSRTP(ctx context.Context) error {
	return b.bridge(ctx, contest{"bridge_srtp", "bridge", []rival{{"floor", "floor", true}, {rtpengine + "_srtp", rtpengine, true}, {"diago", "diago", false}}})
}

// bridgeRTP is the benchmark bridge_rtp.
func (b *bench) bridgeRTP(ctx context.Context) error {
	return b.bridge(ctx, contest{"bridge_rtp", "relay", []rival{{"floor_apart", "floor", true}, {rtpengine, rtpengine, true}, {"diago", "diago", false}}})
}

func (b *bench) bridge(ctx context.Context, c contest) error {
	if !b.peer.IsValid() && b.cores == 1 {
		c = installed(c)
	}
	for run := range b.runs {
		var err error
		switch {
		case b.peer.IsValid():
			err = b.climbUp(ctx, c, "peer", "", run)
		case b.cores > 1:
			err = b.spread(ctx, c, run)
		case b.calls > 0:
			err = b.ratios(ctx, c, run, b.calls, b.window())
		default:
			err = b.contend(ctx, c, run)
		}
		if err != nil {
			return err
		}
	}
	return b.out.print()
}

// window is how long a load is looked at.
func (b *bench) window() time.Duration {
	if b.quick {
		return time.Second
	}
	return 2 * time.Second
}

// contend is one run: how far the server goes, how far the others go, what a packet costs each, and what a call takes.
func (b *bench) contend(ctx context.Context, c contest, run int) error {
	if err := b.climbUp(ctx, c, c.ours, "", run); err != nil {
		return err
	}
	calls := b.out.last(c.name, "calls_per_core")
	for _, r := range c.rivals {
		if !r.climbs {
			continue
		}
		if err := b.climbUp(ctx, c, r.kind, r.name+"_", run); err != nil {
			return fmt.Errorf("%s: %w", r.kind, err)
		}
		if theirs := b.out.last(c.name, r.name+"_calls_per_core"); theirs > 0 {
			b.out.add(c.name, "share_of_"+r.name+"_calls", "ratio", calls/theirs)
		}
	}
	if err := b.ratios(ctx, c, run, max(1, int(calls)/2), b.window()); err != nil {
		return err
	}
	return b.weigh(ctx, c, run)
}

// ratios compares the cost of a packet with the rivals', at n calls.
func (b *bench) ratios(ctx context.Context, c contest, run, n int, d time.Duration) error {
	mine, cipher := 0.0, ""
	for _, r := range append([]rival{{kind: c.ours}}, c.rivals...) {
		m, err := b.at(ctx, c, r.kind, 1, n, d)
		if err != nil {
			return fmt.Errorf("%s: %w", r.kind, err)
		}
		note("%s run %d: %s at %d calls%s: a packet costs %.1f µs of CPU (%.3f %% lost, p50 %v p99 %v), %v%s",
			c.name, run+1, r.kind, n, m.cipher(), 1e6*m.cost, m.LossPercent(), m.Delay(0.5), m.Delay(0.99), m.core, behind(m.paced))
		switch {
		case !m.comparable():
			note("%s run %d: no ratio to %s: %d calls were not borne", c.name, run+1, r.kind, n)
			if r.kind == c.ours {
				return nil
			}
		case r.kind == c.ours:
			mine, cipher = m.cost, m.srtp
			b.out.add(c.name, "packet_us", "µs", 1e6*m.cost)
		case mine > 0:
			if m.srtp != "" && m.srtp != cipher {
				note("%s run %d: %s does other SRTP than ours, %s: their ratio is one of ciphers too", c.name, run+1, r.kind, cipher)
			}
			b.out.add(c.name, "ratio_to_"+r.name, "ratio", m.cost/mine)
		}
	}
	return nil
}

// cipher says what SRTP the operators had.
func (m seen) cipher() string {
	if m.srtp == "" {
		return ""
	}
	return ", " + m.srtp
}

// at measures a fresh server at n calls.
func (b *bench) at(ctx context.Context, c contest, kind string, cores, n int, d time.Duration) (seen, error) {
	s, err := b.stage(ctx, kind, cores)
	if err != nil {
		return seen{}, err
	}
	defer s.close()
	if err := s.grow(ctx, n); err != nil {
		return seen{}, err
	}
	wait := func() {}
	if kind == c.ours && b.profile != "" {
		d = (profileS + 1) * time.Second
		wait = b.record(s.process, c.name)
	}
	m, err := s.measure(ctx, n, d)
	wait()
	if kind == c.ours {
		b.recordHeap(ctx, s.process, c.name)
	}
	return m, err
}

// spread compares what a packet costs a server on several cores with one on a single core: a cost that grows is a gain that is not
// linear. The generator shares one of the cores.
func (b *bench) spread(ctx context.Context, c contest, run int) error {
	calls, single := spreadOver, 0.0
	if b.calls > 0 {
		calls = b.calls
	}
	for _, cores := range []int{1, b.cores} {
		m, err := b.at(ctx, c, c.ours, cores, calls, b.window())
		if err != nil {
			return err
		}
		note("%s run %d: %d calls on %d cores: a packet costs %.1f µs of CPU (%.3f %% lost, p50 %v p99 %v)%s",
			c.name, run+1, calls, cores, 1e6*m.cost, m.LossPercent(), m.Delay(0.5), m.Delay(0.99), behind(m.paced))
		if !m.comparable() {
			note("%s run %d: no ratio to one core: %d calls were not borne on %d", c.name, run+1, calls, cores)
			return nil
		}
		b.out.note(page.Figure{Bench: c.name, Metric: "packet_us", Unit: "µs", Cores: cores}, 1e6*m.cost)
		if cores == 1 {
			single = m.cost
			continue
		}
		b.out.note(page.Figure{Bench: c.name, Metric: "ratio_to_one_core", Unit: "ratio", Cores: cores}, single/m.cost)
	}
	return nil
}

// behind says that an attempt proves nothing.
func behind(paced bool) string {
	if paced {
		return ""
	}
	return "; void: the generator had no time to send all that was due"
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
