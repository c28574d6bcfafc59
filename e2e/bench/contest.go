package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/bench/page"
)

// contest is a benchmark of bridges: who serves, and who else does for comparison, by the name of the ratio.
type contest struct {
	name, ours string
	rivals     [][2]string // the first is the floor
}

// bridgeSRTP is the benchmark bridge_srtp.
func (b *bench) bridgeSRTP(ctx context.Context) error {
	return b.bridge(ctx, contest{"bridge_srtp", "bridge", [][2]string{{"floor", "floor"}, {"diago", "diago"}}})
}

// bridgeRTP is the benchmark bridge_rtp.
func (b *bench) bridgeRTP(ctx context.Context) error {
	return b.bridge(ctx, contest{"bridge_rtp", "relay", [][2]string{{"floor_apart", "floor"}, {"diago", "diago"}}})
}

func (b *bench) bridge(ctx context.Context, c contest) error {
	for run := range b.runs {
		var err error
		switch {
		case b.peer.IsValid():
			err = b.climbUp(ctx, c, "peer", run)
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

// contend is one run: how far the server goes, how far the floor goes, what a packet costs each, and what a call takes.
func (b *bench) contend(ctx context.Context, c contest, run int) error {
	if err := b.climbUp(ctx, c, c.ours, run); err != nil {
		return err
	}
	calls := b.out.last(c.name, "calls_per_core")
	if err := b.climbUp(ctx, c, c.rivals[0][0], run); err != nil {
		return err
	}
	if floor := b.out.last(c.name, "floor_calls_per_core"); floor > 0 {
		b.out.add(c.name, "share_of_floor_calls", "ratio", calls/floor)
	}
	if err := b.ratios(ctx, c, run, max(1, int(calls)/2), b.window()); err != nil {
		return err
	}
	return b.weigh(ctx, c, run)
}

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

// climbUp finds how many calls a server of some kind carries. The server under test prints its figures as they are, the floor with
// "floor" before.
func (b *bench) climbUp(ctx context.Context, c contest, kind string, run int) error {
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
	prefix := "floor_"
	if kind == c.ours || kind == "peer" {
		prefix = ""
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

// ratios compares the cost of a packet with the rivals', at n calls.
func (b *bench) ratios(ctx context.Context, c contest, run, n int, d time.Duration) error {
	mine := 0.0
	for _, rival := range append([][2]string{{c.ours, ""}}, c.rivals...) {
		kind := rival[0]
		m, err := b.at(ctx, c, kind, 1, n, d)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		note("%s run %d: %s at %d calls: a packet costs %.1f µs of CPU (%.3f %% lost, p50 %v p99 %v), %v%s",
			c.name, run+1, kind, n, 1e6*m.cost, m.LossPercent(), m.Delay(0.5), m.Delay(0.99), m.core, behind(m.paced))
		switch {
		case !m.comparable():
			note("%s run %d: no ratio to %s: %d calls were not borne", c.name, run+1, kind, n)
			if kind == c.ours {
				return nil
			}
		case kind == c.ours:
			mine = m.cost
			b.out.add(c.name, "packet_us", "µs", 1e6*m.cost)
		case mine > 0:
			b.out.add(c.name, "ratio_to_"+rival[1], "ratio", m.cost/mine)
		}
	}
	return nil
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

// weigh finds what a call takes of memory and goroutines, and what is left of that once all calls are over.
func (b *bench) weigh(ctx context.Context, c contest, run int) error {
	s, err := b.stage(ctx, c.ours, 1)
	if err != nil {
		return err
	}
	defer s.close()
	n := weighed
	if b.quick {
		n = 20
	}
	if _, err := s.measure(ctx, n, b.window()); err != nil {
		return err
	}
	full, err := s.kibPerCall()
	goroutines, err2 := s.goroutines(ctx)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	b.out.add(c.name, "kib_per_call", "KiB", full)
	b.out.add(c.name, "goroutines_per_call", "goroutines", float64(goroutines-s.idle)/float64(n))
	if b.quick || run > 0 { // to wait until all are forgotten takes long
		return nil
	}
	after, err := s.leave(ctx)
	note("%s: %d calls take %.0f KiB each, %.0f KiB each are left when all are over", c.name, n, full, after)
	b.out.add(c.name, "kib_after", "KiB", after)
	return err
}

// leave ends all calls and returns how much more memory than before them is in use once they are forgotten, in KiB a call.
func (s *stage) leave(ctx context.Context) (float64, error) {
	s.studio.Talk(0)
	if _, err := s.ask(ctx, "/empty/0", "all"); err != nil {
		return 0, err
	}
	time.Sleep(givenBackIn)
	for range 3 { // as a server without work does every two minutes; what is pooled goes with the second
		if _, err := s.ask(ctx, "/debug/pprof/heap?gc=1", ""); err != nil {
			return 0, err
		}
	}
	time.Sleep(10 * settleFor) // Go gives back a little at a time
	return s.kibPerCall()
}

// kibPerCall is how much more memory than before the first call is in use, in KiB a call.
func (s *stage) kibPerCall() (float64, error) {
	now, err := s.resident()
	return (now - s.empty) / 1024 / float64(s.calls), err
}

// givenBackIn is how long after the last call SIP has forgotten it (RFC 3261: 32 s).
const givenBackIn = 35 * time.Second

// open is a server of some kind, or the peer, without a call.
func (b *bench) open(ctx context.Context, kind string) (*stage, error) {
	if kind != "peer" {
		return b.stage(ctx, kind, 1)
	}
	n, err := b.startNode(ctx)
	if err != nil {
		return nil, err
	}
	return wholeStage(n)
}

// wholeStage bridges calls at a whole server: callers of the bench user "bridge" and the agent on whom it is dialled on to.
func wholeStage(n *node) (s *stage, err error) {
	s = &stage{process: n.process}
	if s.studio, err = load.NewStudio(callerHost); err != nil {
		return nil, err
	}
	if s.phone, err = load.NewPhone(callerHost, n.sip); err == nil {
		s.agent, err = load.NewAgent(s.seatOf)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.connect = s.dialledOn
	return s, warm(s.phone, "answer")
}

// dialledOn places calls and joins each with the agent's end of it.
func (s *stage) dialledOn(_ context.Context, first, end int) error {
	if first == 0 {
		s.before = s.phone.Placed()
	}
	calls, err := s.invite(slices.Repeat([]string{"bridge"}, end-first), s.caller)
	for i, c := range calls {
		_, far, rang := s.agent.Rang(c.From())
		if !rang || !far.IsValid() {
			return fmt.Errorf("the call from %s was answered, and the agent at %s was never called for it", c.From(), load.AgentAddr)
		}
		s.studio.AddCaller(calls[i].Media)
		s.studio.AddOperator(far)
	}
	return err
}

// seatOf is where the agent wants the audio of the call from a number.
func (s *stage) seatOf(caller string) netip.AddrPort {
	n, ok := load.Numbered(caller)
	if n -= s.before; !ok || n < 0 {
		return load.Nowhere(caller)
	}
	return s.studio.OperatorAddr(n)
}

func ifZero(n int, text string) error {
	if n == 0 {
		return errors.New(text)
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
