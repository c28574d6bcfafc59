package operator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/services/duty"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/web/live"
)

const (
	httpIn    = 10 * time.Second
	connectIn = 15 * time.Second // ICE, DTLS and their negotiation
	checkIn   = 20 * time.Second // the server's part of the line check
	playIn    = 10 * time.Second // until its playback is heard
	changeIn  = 10 * time.Second // until the duty shows what was asked
	settleIn  = 500 * time.Millisecond
	retryMin  = 200 * time.Millisecond
	retryMax  = 2 * time.Second
	maxEvents = 1024
)

// Operator is somebody on duty. Its methods are safe from any goroutine.
type Operator struct {
	options Options
	base    *url.URL
	clip    []byte
	client  *http.Client
	ear     sound.Ear
	mouth   *sound.Mouth
	events  chan Event
	telling sync.Mutex
	told    bool            // events is closed
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	once    sync.Once

	coming  sync.Mutex // one connection is made at a time
	mu      sync.Mutex
	view    live.DutyView
	changed chan struct{} // closed at each new view
	secret  string
	socket  *socket
	phone   *phone
	absent  bool               // by Drop: no coming back by itself
	halt    context.CancelFunc // ends what makes a connection; nil: nothing has yet
	over    bool               // the duty has ended
	call    *duty.Card
	tickets map[tenants.CallID]ticket.State // the messages that the desk shows
}

// Dial signs in, connects socket and audio, passes the line check and goes available. Close the operator it returns.
// Errors wrap ErrUsage, ErrRefused or ErrProblem where one of them is the reason.
func Dial(ctx context.Context, options Options) (*Operator, error) {
	options, base, clip, err := options.check()
	if err != nil {
		return nil, err
	}
	o := &Operator{
		options: options, base: base, clip: clip, client: &http.Client{Timeout: httpIn, Transport: &http.Transport{DialContext: from(options.Bind).DialContext}},
		mouth: sound.NewMouth(media.PCMU), events: make(chan Event, maxEvents), changed: make(chan struct{}),
	}
	o.ctx, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := o.begin(ctx); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// from dials from an address, if one is given.
func from(bind netip.Addr) *net.Dialer {
	if !bind.IsValid() {
		return &net.Dialer{}
	}
	return &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(bind, 0))}
}

func (o *Operator) begin(ctx context.Context) error {
	token, err := o.signIn(ctx)
	if err != nil {
		return err
	}
	o.tell(Event{Event: SignedIn})
	ticket, err := o.ticket(ctx, token, "")
	if err != nil {
		return err
	}
	if err := o.attach(ctx, ticket); err != nil {
		return err
	}
	return o.ready(ctx)
}

// ready passes the line check where it is asked for, and goes available.
func (o *Operator) ready(ctx context.Context) error {
	if v := o.View(); v.State == duty.Checking && !v.Checked {
		if err := o.check(ctx); err != nil {
			return fmt.Errorf("line check: %w", err)
		}
		o.tell(Event{Event: Checked})
	}
	return o.Available(ctx)
}

// attach opens the socket, learns the duty's state, and connects the audio where it is not connected.
func (o *Operator) attach(ctx context.Context, ticket string) error {
	first := make(chan struct{})
	once := sync.OnceFunc(func() { close(first) })
	s, err := o.open(ctx, ticket, func(m live.Message) {
		o.take(m)
		if m.Duty != nil {
			once()
		}
	})
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.socket = s
	o.mu.Unlock()
	limit := time.NewTimer(changeIn)
	defer limit.Stop()
	select {
	case <-first:
	case <-s.gone:
		return fmt.Errorf("%w before the duty was shown", errSocket)
	case <-limit.C:
		return fmt.Errorf("the duty is not shown in %v", changeIn)
	case <-ctx.Done():
		return fmt.Errorf("wait for the duty: %w", ctx.Err())
	}
	if err := o.connect(ctx, s); err != nil {
		return err
	}
	o.running.Add(1)
	go func() {
		defer o.running.Done()
		o.watch(s)
	}()
	return nil
}

// connect makes a new peer connection, unless the present one works and the server knows of it.
func (o *Operator) connect(ctx context.Context, s *socket) error {
	ctx, cancel := context.WithTimeout(ctx, connectIn)
	defer cancel()
	o.mu.Lock()
	former, known := o.phone, o.view.Media
	o.mu.Unlock()
	if former != nil {
		if known && former.alive() {
			s.begin() // a heartbeat first says that the page kept its audio
			return nil
		}
		former.close(true, o.options.Log)
	}
	p, err := newPhone(ctx, o.udp(), &o.ear, o.mouth)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.phone = p
	o.mu.Unlock()
	if err := o.negotiate(ctx, s, p, false); err != nil {
		return err
	}
	o.mu.Lock()
	talking := o.view.State == duty.Talking
	o.mu.Unlock()
	if talking {
		p.microphone(true)
	}
	return nil
}

func (o *Operator) negotiate(ctx context.Context, s *socket, p *phone, restart bool) error {
	offer, err := p.offer(ctx, restart)
	if err != nil {
		return err
	}
	m, err := s.ask(ctx, live.Command{Do: live.DoOffer, SDP: offer}, replyIn)
	if err != nil {
		return err
	}
	s.begin()
	return p.accept(ctx, m.SDP)
}

// udp is the server's address, as a destination of datagrams: only to learn which way leads there.
func (o *Operator) udp() string {
	if o.base.Port() != "" {
		return o.base.Host
	}
	return o.base.Host + ":443"
}

// watch comes back by itself when the socket breaks.
func (o *Operator) watch(s *socket) {
	select {
	case <-s.gone:
	case <-o.ctx.Done():
		return
	}
	o.mu.Lock()
	stay := o.absent || o.over || o.socket != s
	o.mu.Unlock()
	if stay || o.ctx.Err() != nil {
		return
	}
	o.tell(Event{Event: Lost, Why: "socket"})
	for delay := retryMin; ; delay = min(2*delay, retryMax) {
		wait := time.NewTimer(delay/2 + rand.N(delay))
		select {
		case <-wait.C:
		case <-o.ctx.Done():
			wait.Stop()
			return
		}
		err := o.resume(o.ctx)
		switch {
		case err == nil || o.ctx.Err() != nil || errors.Is(err, errAbsent):
			return
		case errors.Is(err, ErrRefused):
			o.tell(Event{Event: Failed, Why: err.Error()})
			return
		}
		o.options.Log.Debug("not back yet", "err", err)
	}
}

// Resume comes back on duty with the duty's secret: after Drop, or sooner than the operator would by itself.
func (o *Operator) Resume(ctx context.Context) error {
	o.mu.Lock()
	o.absent = false
	o.mu.Unlock()
	return o.resume(ctx)
}

// errAbsent says that the operator was dropped.
var errAbsent = errors.New("the operator is absent")

// resume is Resume, but for one who was dropped. Drop ends it.
func (o *Operator) resume(ctx context.Context) error {
	o.coming.Lock()
	defer o.coming.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.mu.Lock()
	secret, s, absent := o.secret, o.socket, o.absent
	o.halt = cancel
	o.mu.Unlock()
	if absent {
		return errAbsent
	}
	if s != nil {
		select {
		case <-s.gone:
		default:
			return nil // it is there
		}
	}
	ticket, err := o.ticket(ctx, "", secret)
	if err != nil {
		return err
	}
	if err := o.attach(ctx, ticket); err != nil {
		o.mu.Lock()
		if s := o.socket; s != nil {
			_ = s.conn.CloseNow()
		}
		o.mu.Unlock()
		return err
	}
	o.tell(Event{Event: Resumed})
	return o.settle(ctx)
}

// settle goes available after a loss that the server knows nothing of any more: it takes the duty for a new one.
func (o *Operator) settle(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, settleIn)
	defer cancel()
	err := o.Wait(soon, func(v live.DutyView) bool { return v.State != duty.Checking })
	if err == nil || ctx.Err() != nil {
		return err
	}
	return o.ready(ctx)
}

// Drop loses socket and audio at once, as when the power fails: nobody says goodbye. Resume ends the absence.
func (o *Operator) Drop() {
	o.mu.Lock()
	s, p, halt := o.socket, o.phone, o.halt
	o.absent, o.phone = true, nil
	o.mu.Unlock()
	if halt != nil {
		halt()
	}
	if p != nil {
		p.close(true, o.options.Log)
	}
	if s != nil {
		_ = s.conn.CloseNow()
		<-s.gone
	}
	o.tell(Event{Event: Lost, Why: "dropped"})
}

// ChangeNetwork makes the audio's path anew on the same peer connection (an ICE restart).
func (o *Operator) ChangeNetwork(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectIn)
	defer cancel()
	o.mu.Lock()
	s, p := o.socket, o.phone
	o.mu.Unlock()
	if s == nil || p == nil {
		return errSocket
	}
	return o.negotiate(ctx, s, p, true)
}

// check says a tone until the server has judged it, and hears the playback.
func (o *Operator) check(ctx context.Context) error {
	o.mu.Lock()
	s, p := o.socket, o.phone
	o.mu.Unlock()
	if s == nil || p == nil {
		return errSocket
	}
	soon, cancel := context.WithTimeout(ctx, changeIn)
	defer cancel()
	if err := o.Wait(soon, func(v live.DutyView) bool { return v.Media }); err != nil {
		return fmt.Errorf("the server does not see the audio line: %w", err)
	}
	o.mouth.Say(nil, defaultTone)
	p.microphone(true)
	defer p.microphone(false)
	m, err := s.ask(ctx, live.Command{Do: live.DoCheck}, checkIn)
	p.microphone(false)
	if err != nil {
		return err
	}
	if m.Check == nil || !m.Check.OK {
		return fmt.Errorf("%w: the check failed: %+v", ErrProblem, m.Check)
	}
	if err := o.until(ctx, playIn, func() bool { return o.ear.Heard(defaultTone) }); err != nil {
		return fmt.Errorf("the playback is not heard: %w", err)
	}
	_, err = s.ask(ctx, live.Command{Do: live.DoHeard}, replyIn)
	return err
}

// until waits for something that is heard.
func (o *Operator) until(ctx context.Context, within time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	poll := time.NewTicker(media.FrameTime)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close ends everything without ceremony (GoHome ends the duty properly), and writes the recording. It may be repeated.
func (o *Operator) Close() (err error) {
	o.once.Do(func() {
		o.mu.Lock()
		o.over = true
		s, p := o.socket, o.phone
		o.mu.Unlock()
		o.cancel()
		if s != nil {
			_ = s.conn.CloseNow()
		}
		if p != nil {
			p.close(false, o.options.Log)
		}
		o.running.Wait()
		o.client.CloseIdleConnections()
		o.telling.Lock() // a socket that was opened at the last moment may still have something to say
		o.told = true
		close(o.events)
		o.telling.Unlock()
		if o.options.Record != "" {
			err = sound.SaveWAV(o.options.Record, o.ear.Recording())
		}
	})
	return err
}
