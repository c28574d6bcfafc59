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
	lossLimit = 0.1 // percent
	// lateLimit is the delay, of 99 % of the packets, above which a server only queues what it has no time for; inTime is the one that
	// nobody hears.
	lateLimit = 20 * time.Millisecond
	inTime    = 5 * time.Millisecond
	// pacedShare is what the generator must have sent of what was due: else the load is not the one that is named.
	pacedShare    = 0.97
	framesASecond = 50
	settleFor     = 500 * time.Millisecond
	graceFor      = 300 * time.Millisecond
	atATime       = 20  // calls that are set up together
	weighed       = 300 // calls whose memory is looked at
	spreadOver    = 200 // calls at which a server on several cores is compared with one on a single core
)

// ladder is the loads of a sweep: up to the limits of media/browser (2,000) and of our ports (two each, out of 8,190).
var ladder = []int{50, 100, 200, 400, 600, 800, 1000, 1250, 1500, 2000, 2500, 3000, 4000}

// stage is a bench server, and the calls that go through it.
type stage struct {
	*process
	studio *load.Studio
	phone  *load.Phone
	agent  *load.Agent     // of a whole server
	asker  *load.RTPEngine // of rtpengine
	calls  int
	before int     // calls of the phone that were none of these
	empty  float64 // bytes in use before the first call
	idle   int     // goroutines then, of a server of ours
	once   sync.Once
	// connect brings up the calls from first up to, but not including, end.
	connect func(ctx context.Context, first, end int) error
}

func (b *bench) stage(ctx context.Context, kind string, cores int) (s *stage, err error) {
	s = &stage{}
	if strings.HasPrefix(kind, rtpengine) {
		s.process, s.asker, err = startRTPEngine(ctx, cores)
	} else {
		s.process, err = startRival(ctx, kind, cores)
	}
	if err != nil {
		return nil, err
	}
	if s.studio, err = load.NewStudio(callerHost); err == nil && s.asker == nil && !strings.HasPrefix(kind, "floor") {
		s.phone, err = load.NewPhone(callerHost, netip.MustParseAddrPort(s.host+":5060"))
	}
	if err == nil {
		s.empty, err = s.resident()
	}
	if err == nil && s.asker == nil {
		s.idle, err = s.goroutines(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.connect = map[string]func(context.Context, int, int) error{
		"bridge": s.srtp, "relay": s.both, "diago": s.both, "floor": s.floor, "floor_apart": s.floorApart,
		rtpengine: s.engine, rtpengine + "_srtp": s.engineSRTP,
	}[kind]
	return s, nil
}

// close may be repeated.
func (s *stage) close() {
	s.once.Do(func() {
		if s.phone != nil {
			s.phone.Close()
		}
		if s.agent != nil {
			s.agent.Close()
		}
		if s.asker != nil {
			s.asker.Close()
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
	for s.calls < n {
		end := min(n, s.calls+atATime)
		if err := s.connect(ctx, s.calls, end); err != nil {
			return fmt.Errorf("calls from %d on: %w\n%s", s.calls, err, s.said())
		}
		s.calls = end
	}
	return nil
}

// said is the server's log, which may still grow.
func (s *stage) said() string {
	s.stop()
	return s.log.String()
}

// invite makes calls, which must be answered.
func (s *stage) invite(users []string, media func(i int) netip.AddrPort) ([]*load.Call, error) {
	calls := make([]*load.Call, len(users))
	for i, user := range users {
		calls[i] = s.phone.Invite(user, media(i))
	}
	if err := s.phone.Settled(calls); err != nil {
		return nil, err
	}
	for i, c := range calls {
		if !c.Answered() || !c.Media.IsValid() {
			return nil, fmt.Errorf("%s was not answered: status %d", users[i], c.Status)
		}
	}
	return calls, nil
}

// users names those of the calls from first to end.
func users(prefix string, first, end int) []string {
	var all []string
	for n := first; n < end; n++ {
		all = append(all, prefix+strconv.Itoa(n))
	}
	return all
}

func (s *stage) caller(int) netip.AddrPort { return s.studio.CallerAddr() }

func (s *stage) srtp(ctx context.Context, first, end int) error {
	for n := first; n < end; n++ {
		if err := s.studio.Connect(ctx, func(ctx context.Context, offer string) (string, error) {
			return s.ask(ctx, "/operator/"+strconv.Itoa(n), offer)
		}); err != nil {
			return err
		}
	}
	calls, err := s.invite(users("", first, end), s.caller)
	for _, c := range calls {
		s.studio.AddCaller(c.Media)
	}
	return err
}

func (s *stage) floor(ctx context.Context, first, end int) error {
	return s.pairs(ctx, "/pair/", first, end)
}

func (s *stage) floorApart(ctx context.Context, first, end int) error {
	return s.pairs(ctx, "/apart/", first, end)
}

func (s *stage) pairs(ctx context.Context, path string, first, end int) error {
	for n := first; n < end; n++ {
		if err := s.pair(ctx, path, n); err != nil {
			return err
		}
	}
	return nil
}

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
func (s *stage) both(_ context.Context, first, end int) error {
	callers, err := s.invite(users("a", first, end), s.caller)
	if err != nil {
		return err
	}
	operators, err := s.invite(users("b", first, end), func(i int) netip.AddrPort { return s.studio.OperatorAddr(first + i) })
	for i, o := range operators {
		s.studio.AddCaller(callers[i].Media)
		s.studio.AddOperator(o.Media)
	}
	return err
}

// seen is one measurement of n calls.
type seen struct {
	load.Tally
	core  share
	cost  float64 // CPU seconds a packet relayed
	paced bool    // the generator sent what it should
	srtp  string  // the operators' profile; "" of plain RTP
}

func (s *stage) measure(ctx context.Context, n int, d time.Duration) (seen, error) {
	if err := s.grow(ctx, n); err != nil {
		return seen{}, err
	}
	s.studio.Talk(n)
	s.studio.Measure(settleFor, 0)
	m := seen{srtp: s.studio.Profile()}
	var err error
	m.core, err = s.load(func() error { m.Tally = s.studio.Measure(d, graceFor); return ctx.Err() })
	m.cost = m.core.server * d.Seconds() / float64(max(1, m.Received))
	m.paced = float64(m.Sent) > pacedShare*d.Seconds()*float64(2*n*framesASecond)
	return m, err
}
