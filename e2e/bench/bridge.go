package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/e2e/bench/load"
)

// callerHost is where all callers are: inside the demonstration trunk.
var callerHost = netip.MustParseAddr("127.0.40.1")

const (
	maxBridges = 2000 // the limit of media/browser
	maxRelayed = 4000 // two ports each, out of 8,190
	lossLimit  = 0.1  // percent
	// pacedShare is what the generator must have sent of what was due: else the load is not the one that is named.
	pacedShare    = 0.97
	framesASecond = 50
	settleFor     = 500 * time.Millisecond
	graceFor      = 300 * time.Millisecond
	givenBackIn   = 35 * time.Second // how long after the last call SIP has forgotten it (RFC 3261: 32 s)
)

// stage is a bench server, and the calls that go through it.
type stage struct {
	*process
	studio *load.Studio
	phone  *load.Phone
	calls  int
	empty  float64 // bytes in use before the first call
	idle   int     // goroutines then
	once   sync.Once
	// connect brings up one more call.
	connect func(ctx context.Context, n int) error
}

func (b *bench) stage(ctx context.Context, kind string) (*stage, error) {
	p, err := rival(ctx, kind)
	if err != nil {
		return nil, err
	}
	s := &stage{process: p}
	if s.studio, err = load.NewStudio(callerHost); err == nil && !strings.HasPrefix(kind, "floor") {
		s.phone, err = load.NewPhone(callerHost, netip.MustParseAddrPort(p.host+":5060"))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	if s.empty, err = s.resident(); err == nil {
		s.idle, err = s.goroutines(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.connect = map[string]func(context.Context, int) error{
		"bridge": s.srtp, "relay": s.both, "diago": s.both, "floor": s.floor, "floor_apart": s.floorApart,
	}[kind]
	return s, nil
}

// close may be repeated.
func (s *stage) close() {
	s.once.Do(func() {
		if s.phone != nil {
			s.phone.Close()
		}
		if s.studio != nil {
			s.studio.Stop()
		}
		s.stop()
	})
}

// grow brings calls up until there are n.
func (s *stage) grow(ctx context.Context, n int) error {
	s.studio.Talk(0)
	for ; s.calls < n; s.calls++ {
		if err := s.connect(ctx, s.calls); err != nil {
			return fmt.Errorf("call %d: %w\n%s", s.calls, err, s.said())
		}
	}
	return nil
}

// said is the server's log, which may still grow.
func (s *stage) said() string {
	s.stop()
	return s.log.String()
}

// invite makes one call and returns where its audio is to go.
func (s *stage) invite(user string, media netip.AddrPort) (netip.AddrPort, error) {
	c := s.phone.Invite(user, media)
	if err := s.phone.Settled([]*load.Call{c}); err != nil {
		return netip.AddrPort{}, err
	}
	if !c.Answered() || !c.Media.IsValid() {
		return netip.AddrPort{}, fmt.Errorf("%s was not answered: status %d", user, c.Status)
	}
	return c.Media, nil
}

func (s *stage) srtp(ctx context.Context, n int) error {
	if err := s.studio.Connect(ctx, func(ctx context.Context, offer string) (string, error) {
		return s.ask(ctx, "/operator/"+strconv.Itoa(n), offer)
	}); err != nil {
		return err
	}
	to, err := s.invite(strconv.Itoa(n), s.studio.CallerAddr())
	if err == nil {
		s.studio.AddCaller(to)
	}
	return err
}

func (s *stage) floor(ctx context.Context, n int) error { return s.pair(ctx, "/pair/", n) }

func (s *stage) floorApart(ctx context.Context, n int) error { return s.pair(ctx, "/apart/", n) }

func (s *stage) pair(ctx context.Context, path string, n int) error {
	reply, err := s.ask(ctx, path+strconv.Itoa(n), s.studio.CallerAddr().String()+" "+s.studio.OperatorAddr(n).String())
	if err != nil {
		return err
	}
	a, b, _ := strings.Cut(reply, " ")
	caller, err := netip.ParseAddrPort(a)
	operator, err2 := netip.ParseAddrPort(b)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	s.studio.AddCaller(caller)
	s.studio.AddOperator(operator)
	return nil
}

// both places a call for each end.
func (s *stage) both(_ context.Context, n int) error {
	caller, err := s.invite("a"+strconv.Itoa(n), s.studio.CallerAddr())
	if err != nil {
		return err
	}
	operator, err := s.invite("b"+strconv.Itoa(n), s.studio.OperatorAddr(n))
	if err != nil {
		return err
	}
	s.studio.AddCaller(caller)
	s.studio.AddOperator(operator)
	return nil
}

// seen is one measurement of n calls.
type seen struct {
	load.Tally
	core  share
	cost  float64 // CPU seconds a packet relayed
	paced bool    // the generator sent what it should
}

func (s *stage) measure(ctx context.Context, n int, d time.Duration) (seen, error) {
	if err := s.grow(ctx, n); err != nil {
		return seen{}, err
	}
	s.studio.Talk(n)
	s.studio.Measure(settleFor, 0)
	var m seen
	var err error
	m.core, err = s.load(func() error { m.Tally = s.studio.Measure(d, graceFor); return ctx.Err() })
	m.cost = m.core.server * d.Seconds() / float64(max(1, m.Received))
	m.paced = float64(m.Sent) > pacedShare*d.Seconds()*float64(2*n*framesASecond)
	return m, err
}

// contest is a benchmark of bridges: who serves, and who else does for comparison, by the name of the ratio.
type contest struct {
	name, ours string
	most       int // calls
	rivals     [][2]string
}

// bridgeSRTP is the benchmark bridge_srtp.
func (b *bench) bridgeSRTP(ctx context.Context) error {
	return b.bridge(ctx, contest{"bridge_srtp", "bridge", maxBridges, [][2]string{{"floor", "floor"}, {"diago", "diago"}}})
}

// bridgeRTP is the benchmark bridge_rtp.
func (b *bench) bridgeRTP(ctx context.Context) error {
	return b.bridge(ctx, contest{"bridge_rtp", "relay", maxRelayed, [][2]string{{"floor_apart", "floor"}, {"diago", "diago"}}})
}

func (b *bench) bridge(ctx context.Context, c contest) error {
	where := search{start: 128, max: c.most, factor: 2, tries: 2}
	if b.quick {
		where = search{start: 20, max: 20, factor: 2, tries: 2}
	}
	for run := range b.runs {
		if b.calls > 0 {
			if err := b.ratios(ctx, c, run, min(b.calls, c.most), 2*time.Second); err != nil {
				return err
			}
			continue
		}
		n, err := b.bridgeOnce(ctx, c, run, where)
		if err != nil {
			return err
		}
		where = where.again(n)
	}
	return b.out.print()
}

// attempt is a measurement that was borne, and what the calls took then.
type attempt struct {
	seen
	kib, goroutines float64 // a call
}

func (b *bench) bridgeOnce(ctx context.Context, c contest, run int, where search) (int, error) {
	d := 2 * time.Second
	if b.quick {
		d = time.Second
	}
	var s *stage
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	var best attempt
	n, err := where.largest(func(n int) (ok bool, err error) {
		if s == nil {
			if s, err = b.stage(ctx, c.ours); err != nil {
				return false, err
			}
		}
		m, err := s.attempt(ctx, n, d)
		if err != nil {
			return false, err
		}
		note("%s run %d: %d calls: %.3f %% lost, p50 %v p99 %v, %v%s", c.name, run+1, n, m.LossPercent(),
			m.Delay(0.5), m.Delay(0.99), m.core, behind(m.paced))
		if m.paced && m.LossPercent() < lossLimit {
			best = m
			return true, nil
		}
		s.close() // a server that was given too much has lost operators, and would fail with less
		s = nil
		return false, nil
	})
	if err := firstError(err, ifZero(n, "not even one call is bridged without loss")); err != nil {
		return 0, err
	}
	add := func(metric, unit string, value float64) { b.out.add(c.name, metric, unit, value) }
	add("calls_per_core", "calls", float64(n))
	add("loss_pct", "percent", best.LossPercent())
	add("delay_p50_ms", "ms", ms(best.Delay(0.5)))
	add("delay_p99_ms", "ms", ms(best.Delay(0.99)))
	add("kib_per_call", "KiB", best.kib)
	add("goroutines_per_call", "goroutines", best.goroutines)
	b.out.share(c.name, best.core)
	if s != nil {
		s.close()
		s = nil
	}
	return n, b.ratios(ctx, c, run, max(1, n/2), d)
}

// attempt measures n calls and looks at what they take.
func (s *stage) attempt(ctx context.Context, n int, d time.Duration) (a attempt, err error) {
	if a.seen, err = s.measure(ctx, n, d); err != nil {
		return a, err
	}
	goroutines, err := s.goroutines(ctx)
	full, err2 := s.resident()
	a.kib = (full - s.empty) / 1024 / float64(s.calls)
	a.goroutines = float64(goroutines-s.idle) / float64(s.calls)
	return a, errors.Join(err, err2)
}

// ratios compares the cost of a packet with the rivals', at n calls.
func (b *bench) ratios(ctx context.Context, c contest, run, n int, d time.Duration) error {
	mine := 0.0
	for _, rival := range append([][2]string{{c.ours, ""}}, c.rivals...) {
		kind := rival[0]
		m, err := b.at(ctx, c, kind, n, d, kind == c.ours && run == 0 && !b.quick)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		note("%s run %d: %s at %d calls: a packet costs %.1f µs of CPU (%.3f %% lost, p50 %v p99 %v), %v%s",
			c.name, run+1, kind, n, 1e6*m.cost, m.LossPercent(), m.Delay(0.5), m.Delay(0.99), m.core, behind(m.paced))
		switch {
		case m.LossPercent() > 1 || !m.paced:
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

// at measures one server at n calls, and, where asked, what memory it gives back.
func (b *bench) at(ctx context.Context, c contest, kind string, n int, d time.Duration, empty bool) (seen, error) {
	s, err := b.stage(ctx, kind)
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
	if empty && err == nil {
		err = b.memory(ctx, c, s)
	}
	return m, err
}

// memory measures what calls take, and what of it is left when all are over.
func (b *bench) memory(ctx context.Context, c contest, s *stage) error {
	full, err := s.resident()
	if err != nil {
		return err
	}
	if _, err := s.ask(ctx, "/empty/0", "all"); err != nil {
		return err
	}
	time.Sleep(givenBackIn)
	for range 3 { // as a server without work does every two minutes; what is pooled goes with the second
		if _, err := s.ask(ctx, "/debug/pprof/heap?gc=1", ""); err != nil {
			return err
		}
	}
	time.Sleep(10 * settleFor) // Go gives back a little at a time
	after, err := s.resident()
	if err != nil {
		return err
	}
	each := func(bytes float64) float64 { return (bytes - s.empty) / 1024 / float64(s.calls) }
	note("%s: %.0f KiB a call while %d talk, %.0f KiB when all are over", c.name, each(full), s.calls, each(after))
	b.out.add(c.name, "kib_after", "KiB", each(after))
	return nil
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
