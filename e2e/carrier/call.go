package carrier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/media/sdp"
)

const (
	t1 = 500 * time.Millisecond // RFC 3261 section 17.1.1.1
	t2 = 4 * time.Second
	// silent is how long a node may not answer at all (Timer B).
	silent = 32 * time.Second
	// farewell is how long a BYE or CANCEL may stay without an answer before we go anyway.
	farewell = 4 * time.Second
	// key is how long a key is pressed and how long until the next.
	keyMS   = 100
	keyStep = 250 * time.Millisecond
	comma   = time.Second
)

// Errors of a call; they stand in Result.Err.
var (
	ErrNoResponse = errors.New("the node did not answer the INVITE: nothing listens there, or no trunk of it lets this address in")
	ErrRing       = errors.New("the call was not answered in time")
	ErrWire       = errors.New("the connection to the node broke")
)

// Call is one call on its way.
type Call struct {
	o       Options
	script  *script
	wire    *wire
	engine  *rtp.Engine
	session atomic.Pointer[rtp.Session]
	local   sdp.Local
	ear     ear
	mouth   mouth

	hang     chan struct{}
	hangOnce sync.Once
	answered chan struct{}
	talking  chan struct{} // closed to stop mouth and fingers
	workers  sync.WaitGroup
	keys     chan string
	vanish   chan struct{} // closed when the caller is to be gone without a word
	gone     func()
	done     chan struct{}

	mu     sync.Mutex
	result Result
	agreed sdp.Media
	before media.Stats // of the ports that were moved away from
}

// Run makes one call from beginning to end. The error says that the call could not be tried (ErrUsage), or repeats
// Result.Err.
func Run(ctx context.Context, o Options) (Result, error) {
	c, err := Start(ctx, o)
	if err != nil {
		return Result{EndedBy: ByError, Err: err}, err
	}
	<-c.Done()
	r := c.Result()
	return r, r.Err
}

// Start sends the INVITE and returns the call at once. When ctx ends, the call is hung up or taken back.
func Start(ctx context.Context, o Options) (*Call, error) {
	o, node, err := o.check()
	if err != nil {
		return nil, err
	}
	c := &Call{
		o: o, hang: make(chan struct{}), answered: make(chan struct{}), talking: make(chan struct{}),
		keys: make(chan string, 16), vanish: make(chan struct{}), done: make(chan struct{}),
		ear:   ear{now: time.Now, keep: o.Record != ""},
		mouth: mouth{codec: o.Codec, tone: o.Tone, quiet: o.Quiet, fresh: true},
	}
	if o.Play != "" {
		if c.mouth.clip, err = sound.LoadWAV(o.Play, o.Codec); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUsage, err)
		}
	}
	if err := c.open(node); err != nil {
		return nil, err
	}
	c.gone = sync.OnceFunc(func() { close(c.vanish) })
	go c.run(ctx)
	return c, nil
}

// open takes the ports for signalling and media.
func (c *Call) open(node netip.AddrPort) error {
	const ports = 32
	low := uint16(40000 + 2*rand.IntN(10000-ports)) //nolint:gosec // a port; away from those that the node uses
	var err error
	if c.engine, err = rtp.New(rtp.Config{Bind: c.o.Bind, Low: low, High: low + ports - 1, KeepAlive: -1}); err != nil {
		return fmt.Errorf("media: %w", err)
	}
	if err = c.engine.Start(); err != nil {
		return fmt.Errorf("media: %w", err)
	}
	// Media comes from the node, or from where its SDP says.
	session, err := c.engine.Open(only(node.Addr()))
	if err != nil {
		c.engine.Stop()
		return fmt.Errorf("media: %w", err)
	}
	c.session.Store(session)
	if c.wire, err = dial(c.o, node); err != nil {
		c.engine.Stop()
		return err
	}
	session.Receive(&c.ear)
	c.script = newScript(c.o, node, c.wire.local())
	c.local = sdp.Local{Addr: session.Addr(), SessionID: rand.Uint64() >> 1, Version: 1, Codecs: c.o.codecs(), Secure: c.o.secure()}
	session.Await(c.o.SRTP != "")
	return nil
}

// only is one host.
func only(host netip.Addr) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(host, host.BitLen())}
}

// Done is closed when the call is over, everything it held is released and the recording is written.
func (c *Call) Done() <-chan struct{} { return c.done }

// Answered is closed when the 200 is in.
func (c *Call) Answered() <-chan struct{} { return c.answered }

// Hangup ends the call: BYE, or CANCEL when it is not answered yet. It returns at once; wait for Done.
func (c *Call) Hangup() { c.hangOnce.Do(func() { close(c.hang) }) }

// SendDigits presses keys, one after the other, once the call is answered; a comma waits one second.
func (c *Call) SendDigits(keys string) {
	select {
	case c.keys <- keys:
	case <-c.done:
	}
}

// Say speaks a tone from now on instead of anything else; 0 is silence.
func (c *Call) Say(hz float64) { c.mouth.say(hz) }

// Heard says whether a tone of hz is most of what came in the last 200 ms.
func (c *Call) Heard(hz float64) bool { return c.ear.heard(hz) }

// Loud says whether there was any sound in the last 200 ms.
func (c *Call) Loud() bool { return c.ear.loud() }

// Cue tells when the first frame comes that is mostly a tone of hz, from now on.
func (c *Call) Cue(hz float64) <-chan time.Time { return c.cue(hz, 1) }

// Beep tells when such a tone has lasted for as long as Heard listens back, however late somebody looks: no word sounds like that.
func (c *Call) Beep(hz float64) <-chan time.Time { return c.cue(hz, window/media.FrameBytes) }

func (c *Call) cue(hz float64, frames int) <-chan time.Time {
	c.ear.mu.Lock()
	defer c.ear.mu.Unlock()
	c.ear.cue, c.ear.cueHz, c.ear.cueIn, c.ear.cued = make(chan time.Time, 1), hz, frames, 0
	return c.ear.cue
}

// Stats is what was sent, received and lost so far.
func (c *Call) Stats() media.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return sum(c.before, c.session.Load().Stats())
}

// Spoken is how many frames of audio were spoken by a moment, however busy the machine was. Frames spoken on hold or while a key is
// pressed do not leave.
func (c *Call) Spoken(by time.Time) int { return c.mouth.spoken(by) }

// Vanish is a caller who is gone from one moment to the next: nothing more is sent, and nothing is answered.
func (c *Call) Vanish() { c.gone() }

// Move goes on from another port without a word over SIP, as behind a NAT that forgot the one before.
func (c *Call) Move() error {
	s, err := c.engine.Open(only(c.wire.conn.RemoteAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Addr()))
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Receive(&c.ear)
	s.Set(c.agreed)
	old := c.session.Swap(s)
	old.Close()
	c.before = sum(c.before, old.Stats())
	return nil
}

func sum(a, b media.Stats) media.Stats {
	a.Sent, a.Received, a.Lost, a.MaxGap = a.Sent+b.Sent, a.Received+b.Received, a.Lost+b.Lost, max(a.MaxGap, b.MaxGap)
	return a
}

// Audio sends a frame from wherever the caller is.
func (c *Call) Audio(f media.Frame) { c.session.Load().Audio(f) }

// CallID is the id in X-Holdfast-Call; "" before the answer.
func (c *Call) CallID() string { return c.Result().CallID }

// Result is how the call went; before Done, how it goes.
func (c *Call) Result() Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}

func (c *Call) set(change func(*Result)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.result)
}

// run is the life of the call.
func (c *Call) run(ctx context.Context) {
	defer close(c.done)
	if c.setUp(ctx) {
		c.talk(ctx)
	}
	close(c.talking)
	c.workers.Wait()
	ended := time.Now()
	session := c.session.Load()
	session.Close()
	c.mu.Lock()
	stats := sum(c.before, session.Stats())
	c.mu.Unlock()
	c.engine.Stop()
	c.wire.close()
	<-c.wire.gone
	c.ear.mu.Lock()
	first, rec := c.ear.first, c.ear.rec
	c.ear.mu.Unlock()
	c.set(func(r *Result) {
		r.Sent, r.Received, r.Lost = stats.Sent, stats.Received, stats.Lost
		r.MaxGapMS = stats.MaxGap.Milliseconds()
		if !first.IsZero() {
			r.FirstMS = max(1, first.Sub(r.InviteSent).Milliseconds())
		}
		if r.DurationMS == 0 && !r.AnsweredAt.IsZero() {
			r.DurationMS = ended.Sub(r.AnsweredAt).Milliseconds()
		}
		if c.o.Record != "" && r.Answered() {
			if err := sound.SaveWAV(c.o.Record, rec); err != nil {
				r.Err = errors.Join(r.Err, err)
			} else {
				r.Recording = c.o.Record
			}
		}
	})
}

// over notes who ended the call, once.
func (c *Call) over(by EndedBy, err error) {
	c.set(func(r *Result) {
		if r.EndedBy != "" {
			return
		}
		r.EndedBy, r.Err = by, err
		if !r.AnsweredAt.IsZero() {
			r.DurationMS = max(1, time.Since(r.AnsweredAt).Milliseconds()) // zero is for who was never answered
		}
	})
}
