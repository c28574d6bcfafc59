package rtp

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/media"
	"holdfast/media/udp"
)

// ErrStopped says that the engine was stopped and opens no more sessions.
var ErrStopped = errors.New("the media engine is stopped")

// Config is what an Engine needs. Zero values mean the defaults named here.
type Config struct {
	Bind         netip.Addr    // address of the sockets; default 127.0.0.1
	Public       netip.Addr    // address told to peers; default Bind. Needed when Bind is 0.0.0.0 or ::
	Low, High    uint16        // ports, both included; RTP takes the even ones and RTCP the odd above; default 16384-32767
	Quiet        time.Duration // how long a port rests before its next use, default 5 s: late packets of the former call die out
	UnheardAfter time.Duration // Unheard is told after this long without a packet that was expected; default 3.5 s, so that with the clock's second all is told within 5
	HushedAfter  time.Duration // Hushed is told after this long of packets without any sound; default 10 s
	SilenceAfter time.Duration // Silent is told after this long without a packet that was expected; default 20 s
	// KeepAlive is after how long without a packet of ours a peer that wants to hear us is sent 20 ms of silence, and again
	// each time; default 1 s, negative: never. A carrier hangs up on a call that it hears nothing of, as while a message is
	// recorded, and a NAT forgets it; a packet a second is enough for both and costs a fiftieth of a stream (RFC 6263).
	KeepAlive time.Duration
	Network   *udp.Network // reads the ports; whoever gives one stops it. nil: one of the engine's own
	Log       *slog.Logger
	Now       func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if !c.Bind.IsValid() {
		c.Bind = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	c.Bind = c.Bind.Unmap()
	if !c.Public.IsValid() {
		c.Public = c.Bind
	}
	c.Public = c.Public.Unmap()
	if c.Public.IsUnspecified() {
		return c, fmt.Errorf("media bound to %s needs a public address to tell", c.Bind)
	}
	if c.Public.Is4() != c.Bind.Is4() {
		return c, fmt.Errorf("media bound to %s cannot be reached at %s", c.Bind, c.Public)
	}
	c.Low, c.High = cmp.Or(c.Low, 16384), cmp.Or(c.High, 32767)
	if c.Low < 1024 || int(c.High) < (int(c.Low)+1)&^1+1 {
		return c, fmt.Errorf("media ports %d-%d: want at least one pair, even and odd, above 1023", c.Low, c.High)
	}
	c.Quiet = cmp.Or(c.Quiet, 5*time.Second)
	c.UnheardAfter = cmp.Or(c.UnheardAfter, 3500*time.Millisecond)
	c.HushedAfter = cmp.Or(c.HushedAfter, 10*time.Second)
	c.SilenceAfter = cmp.Or(c.SilenceAfter, 20*time.Second)
	c.KeepAlive = cmp.Or(c.KeepAlive, time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// maxTick is the longest time between two looks at all sessions: reports and silence need no better.
const maxTick = time.Second

// bindTries is how many pairs of ports are tried for one session, when other programs hold some of ours: a caller waits a few
// milliseconds at worst, and is not turned away.
const bindTries = 1024

// Engine owns the ports and sockets of all sessions.
type Engine struct {
	config  Config
	ports   *ports
	network *udp.Network
	alone   bool // the network is ours to stop
	dropped [reasons]atomic.Uint64

	mu       sync.Mutex
	sessions map[*Session]struct{}
	stopped  bool
	started  bool
	stop     chan struct{}
	running  sync.WaitGroup // the clock, and digits being sent
}

// New checks the configuration and makes an Engine; nothing runs before Start.
func New(config Config) (*Engine, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Engine{
		config:   config,
		ports:    newPorts(config.Low, config.High, config.Quiet),
		network:  cmp.Or(config.Network, udp.New(config.Log)),
		alone:    config.Network == nil,
		sessions: make(map[*Session]struct{}),
		stop:     make(chan struct{}),
	}, nil
}

// Start starts the engine's clock (reports, silence). It may be repeated; after Stop it returns ErrStopped.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return ErrStopped
	}
	if !e.started {
		e.started = true
		e.running.Go(e.clock)
	}
	return nil
}

// clock looks at every session once a tick.
func (e *Engine) clock() {
	ticker := time.NewTicker(min(maxTick, max(e.config.SilenceAfter/8, time.Millisecond)))
	defer ticker.Stop()
	var all []*Session
	for {
		select {
		case <-e.stop:
			return
		case <-ticker.C:
		}
		all = e.list(all[:0])
		now := e.config.Now()
		for _, s := range all {
			s.tick(now)
		}
		clear(all) // hold no closed session until the next tick
	}
}

func (e *Engine) list(all []*Session) []*Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sessions {
		all = append(all, s)
	}
	return all
}

// Stop closes every session and waits for its goroutines; the last packet is digested when the network has stopped too. It may
// be repeated. It must not be called from a sink or a listener, which run on those goroutines.
func (e *Engine) Stop() {
	e.mu.Lock()
	if !e.stopped {
		e.stopped = true
		close(e.stop)
	}
	e.mu.Unlock()
	for _, s := range e.list(nil) {
		s.Close()
	}
	e.running.Wait()
	if e.alone {
		e.network.Stop()
	}
}

// run starts work that Stop waits for; false: the engine is stopped.
func (e *Engine) run(work func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.running.Go(work)
	return true
}

// Dropped returns how many packets were refused since the start, by reason: "stranger", "malformed", "unknown_pt",
// "duplicate", "late", "jump", "rate", "auth" (SRTP: forged, or under no key of the call), "panic". The keys are always all there.
func (e *Engine) Dropped() map[string]uint64 {
	all := make(map[string]uint64, reasons)
	for r := none + 1; r < reasons; r++ {
		all[reasonNames[r]] = e.dropped[r].Load()
	}
	return all
}

// Sessions is how many are open.
func (e *Engine) Sessions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions)
}

// Capacity is how many sessions could be open at once: pairs of ports.
func (e *Engine) Capacity() int { return e.ports.all }

// Open takes the longest-rested pair of ports for a call whose peer, beside the address that its SDP will name, may send
// from allowed. It returns media.ErrNoPort when every port is in use or still resting, ErrStopped after Stop.
func (e *Engine) Open(allowed []netip.Prefix) (*Session, error) {
	var failure error
	for range bindTries {
		port, ok := e.ports.take(e.config.Now())
		if !ok {
			break
		}
		s, err := e.open(port, allowed)
		if err == nil || errors.Is(err, ErrStopped) || errors.Is(err, udp.ErrStopped) {
			return s, err
		}
		failure = err
		e.ports.give(port, e.config.Now()) // somebody else's for now: to the end of the line
	}
	if failure != nil {
		return nil, fmt.Errorf("%w: %w", media.ErrNoPort, failure)
	}
	return nil, media.ErrNoPort
}

// open binds one pair, and begins reading once the session is whole; packets before Set find only the prefixes. All of it is
// under the lock, so that Stop finds either the session or nothing running.
func (e *Engine) open(port uint16, allowed []netip.Prefix) (*Session, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, ErrStopped
	}
	s := &Session{
		engine:  e,
		addr:    netip.AddrPortFrom(e.config.Public, port),
		port:    port,
		done:    make(chan struct{}),
		out:     newSender(e.config.Now),
		reports: newReporter(e.config.Now()),
	}
	s.in.out, s.in.latch.allowed = s.out, slices.Clone(allowed)
	s.sink.Store(nowhere)
	own, err := e.network.Open(netip.AddrPortFrom(e.config.Bind, port))
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	above, err := e.network.Open(netip.AddrPortFrom(e.config.Bind, port+1))
	if err != nil {
		own.Close()
		return nil, err //nolint:wrapcheck // as above
	}
	s.rtp, s.rtcp = own, above
	s.out.conn = s.rtp
	if err := errors.Join(own.Listen(s.takeRTP), above.Listen(s.takeRTCP)); err != nil {
		s.in.shut()
		s.rtp.Close()
		s.rtcp.Close()
		return nil, err
	}
	e.sessions[s] = struct{}{}
	return s, nil
}

// release is called by a session that closed.
func (e *Engine) release(s *Session) {
	e.mu.Lock()
	delete(e.sessions, s)
	e.mu.Unlock()
	e.ports.give(s.port, e.config.Now())
}
