package browser

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"

	"holdfast/media"
	"holdfast/media/udp"
)

// Errors of an [Endpoint]; check them with errors.Is.
var (
	ErrStopped = errors.New("the WebRTC endpoint is not running")
	ErrFull    = errors.New("no room for another browser")
)

// Config says where browsers reach this node. Zero values of the lower part mean the defaults named.
type Config struct {
	// Listen is the one UDP port for all browsers.
	Listen netip.AddrPort
	// Public is the address that browsers are told to send to, where it differs from Listen's (NAT, cloud); zero: Listen's.
	// Needed where Listen is unspecified (0.0.0.0).
	Public netip.Addr
	// Network reads the port, with those of calls: on one core, one wake-up then serves both directions of a call. Whoever gives
	// one stops it. nil: one of the endpoint's own.
	Network *udp.Network

	SilenceAfter time.Duration // how long without a packet is silence, when watched: 2 s
	ConnectIn    time.Duration // how long ICE and DTLS may take: 15 s
	Limit        int           // most legs at once: 2,000
	Log          *slog.Logger
	Now          func() time.Time
}

// When a path is lost. A browser checks its path every 2.5 s, and every 0.9 s once an answer is overdue, so 3 s without a
// packet are several lost checks; what stays silent 10 s more is gone.
const (
	disconnectedAfter = 3 * time.Second
	failedAfter       = disconnectedAfter + 10*time.Second
)

const (
	stopIn  = 5 * time.Second // how long Stop waits for legs to say goodbye
	tick    = 250 * time.Millisecond
	certFor = 7 * 24 * time.Hour // a certificate lives a month; we make a new one long before
)

// Endpoint is the place where all browsers of this node connect: one socket, one certificate, many legs.
type Endpoint struct {
	config Config

	mu       sync.Mutex
	network  *udp.Network // nil: never started
	port     *udp.Port    // nil: as above
	running  bool
	legs     map[*Leg]struct{}
	logins   map[string]*login // by our user name fragment
	cert     *tls.Certificate
	certAt   time.Time
	stopping chan struct{}

	ended sync.WaitGroup // one a leg, and the watch
}

// New returns an endpoint that is not yet started. It fails when neither Listen nor Public names an address.
func New(config Config) (*Endpoint, error) {
	if listen := config.Listen.Addr(); !listen.IsValid() || listen.IsUnspecified() && !config.Public.IsValid() {
		return nil, errors.New("browser: no address that browsers could be told")
	}
	config.SilenceAfter = cmp.Or(config.SilenceAfter, 2*time.Second)
	config.ConnectIn = cmp.Or(config.ConnectIn, 15*time.Second)
	config.Limit = cmp.Or(config.Limit, 2000)
	config.Log = cmp.Or(config.Log, slog.Default())
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Endpoint{config: config, legs: make(map[*Leg]struct{}), logins: make(map[string]*login)}, nil
}

// Start opens the port. It fails, saying which, when the port is taken. Starting a started endpoint does nothing.
func (e *Endpoint) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running {
		return nil
	}
	network := cmp.Or(e.config.Network, udp.New(e.config.Log))
	port, err := network.OpenShared(e.config.Listen)
	if err != nil {
		return fmt.Errorf("open WebRTC port %s: %w", e.config.Listen, err)
	}
	r := &reader{endpoint: e, port: port, paths: make(map[netip.AddrPort]*path)}
	if err := port.Listen(r.read); err != nil {
		port.Close()
		return fmt.Errorf("read WebRTC port %s: %w", e.config.Listen, err)
	}
	e.network, e.port = network, port
	e.running, e.stopping = true, make(chan struct{})
	e.ended.Add(1)
	go e.watch(e.stopping)
	return nil
}

// host is where browsers are told to send to.
func (e *Endpoint) host() netip.AddrPort {
	at := e.Addr()
	if e.config.Public.IsValid() {
		return netip.AddrPortFrom(e.config.Public, at.Port())
	}
	return at
}

// Stop ends every leg with reason "shutdown", closes the port, and waits for both, each for 5 s at most. It may be repeated.
func (e *Endpoint) Stop() {
	e.mu.Lock()
	if !e.running {
		e.mu.Unlock()
		return
	}
	e.running = false
	close(e.stopping)
	legs := make([]*Leg, 0, len(e.legs))
	for leg := range e.legs {
		legs = append(legs, leg)
	}
	e.mu.Unlock()
	for _, leg := range legs {
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "shutdown"})
	}
	limit := time.NewTimer(stopIn)
	defer limit.Stop()
goodbyes: // they need the port
	for _, leg := range legs {
		select {
		case <-leg.Done():
		case <-limit.C:
			break goodbyes
		}
	}
	e.port.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.ended.Wait()
		if e.config.Network == nil {
			e.network.Stop()
		}
	}()
	limit.Reset(stopIn)
	select {
	case <-done:
	case <-limit.C: // a listener hangs
		e.config.Log.Error("browsers' legs did not end in time", "legs", e.Legs())
	}
}

// Legs returns how many legs are up or being set up.
func (e *Endpoint) Legs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.legs)
}

// Addr returns where the endpoint listens; with port 0 in Config, after Start, the port that it got.
func (e *Endpoint) Addr() netip.AddrPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.addr()
}

func (e *Endpoint) addr() netip.AddrPort {
	if e.port == nil {
		return e.config.Listen
	}
	return e.port.Addr()
}

// Answer makes a leg of a page's SDP offer (a whole one: there is no trickle) and returns the answer for it, which has
// this endpoint's candidates. The leg's first event is Connected, or Ended when ICE and DTLS do not come up in time.
// Errors: ErrBadOffer, ErrFull, ErrStopped.
func (e *Endpoint) Answer(offerSDP string) (answerSDP string, leg media.Leg, err error) {
	from, err := readOffer(offerSDP)
	if err != nil {
		return "", nil, err
	}
	l, err := e.newLeg(from)
	if err != nil {
		return "", nil, err
	}
	return l.answer(from), l, nil
}

// newLeg makes a leg that waits for its browser.
func (e *Endpoint) newLeg(from offer) (*Leg, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.running:
		return nil, ErrStopped
	case len(e.legs) >= e.config.Limit:
		return nil, fmt.Errorf("%w: %d are connected", ErrFull, len(e.legs))
	}
	cert, err := e.certificate()
	if err != nil {
		return nil, err
	}
	l := &Leg{endpoint: e, port: e.port, cert: cert, mark: from.mark, born: e.config.Now(), done: make(chan struct{}), laws: from.laws}
	l.ends, l.end = context.WithCancel(context.Background())
	l.Receive(media.Discard)
	l.events.broken = l.broken
	l.out.begin(from)
	e.legs[l] = struct{}{}
	e.ended.Add(1)
	return l, nil
}

// certificate is the one that all legs of this week share, so that it is not made anew for each.
func (e *Endpoint) certificate() (*tls.Certificate, error) {
	now := e.config.Now()
	if e.cert != nil && now.Sub(e.certAt) < certFor {
		return e.cert, nil
	}
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		return nil, fmt.Errorf("DTLS certificate: %w", err)
	}
	e.cert, e.certAt = &cert, now
	return e.cert, nil
}

// watch looks at all legs four times a second: one goroutine instead of a timer a leg.
func (e *Endpoint) watch(stopping <-chan struct{}) {
	defer e.ended.Done()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var legs []*Leg
	for {
		select {
		case <-stopping:
			return
		case <-ticker.C:
		}
		legs = legs[:0]
		e.mu.Lock()
		for leg := range e.legs {
			legs = append(legs, leg)
		}
		e.mu.Unlock()
		now := e.config.Now()
		for _, leg := range legs {
			leg.look(now)
		}
		clear(legs) // hold no leg that has ended
	}
}

// forget takes a leg that has ended off the lists.
func (e *Endpoint) forget(l *Leg) {
	e.mu.Lock()
	delete(e.legs, l)
	for _, in := range l.logins {
		delete(e.logins, in.ours)
	}
	e.mu.Unlock()
	e.ended.Done()
}
