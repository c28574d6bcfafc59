package switchboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/services/acd"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/services/spend"
	"holdfast/tenants"
)

// Config is what a switchboard is connected to. All ports but Tickets, Dialer and Spend are needed.
type Config struct {
	Node     string
	Journal  Journal
	Book     Book
	Queue    Queue
	Prompts  Prompts
	Player   Player
	Recorder Recorder
	Browsers Browsers
	Tickets  Tickets // nil: no messages are taken
	// Bridge joins two legs and returns what parts them again.
	Bridge func(a, b media.Leg) (part func())
	// Confer lets several legs hear each other, and nobody the own voice.
	Confer func(legs ...media.Leg) (part func())
	Dialer media.Dialer // nil: nobody outside can be called
	Spend  *spend.Meter // nil: the same
	// MaxCalls is how many calls may live at once; more are refused with 503 (0: 5,000).
	MaxCalls int
	// Most is how many calls may live now that so many do, and what is spent then, which is asked for a refused call alone; nil:
	// MaxCalls alone counts. It is asked with the register locked: it must not block, nor ask the switchboard.
	Most func(calls int) (most int, why func() string)
	// Sabotage lets a caller break the own call with the key D, for tests of what a defect costs the others. Nobody outside
	// a test sets it.
	Sabotage bool
	Log      *slog.Logger
	Now      func() time.Time

	since func(time.Time) time.Duration // how long ago a time of Now was, by a clock that nobody sets: Now's own, but in tests
}

// defaultMaxCalls is what the media ports of the default range could carry twice over.
const defaultMaxCalls = 5000

// Switchboard holds the live calls and duties of this node.
type Switchboard struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex // guards the registers, never held while performing anything
	calls    map[tenants.CallID]*liveCall
	of       map[tenants.TenantID]int // how many of calls are whose; none is not there
	duties   map[tenants.OperatorID]*liveDuty
	phones   map[tenants.OperatorID]string // whose telephone is registered here, and as which user
	desks    map[tenants.OperatorID]int    // for how many pages the operator's place is kept: no telephone is seated before them
	robots   map[tenants.CallID]*practice
	draining bool

	owners sync.WaitGroup // one for every goroutine of a call or duty
}

// New returns a switchboard that takes calls at once.
func New(cfg Config) *Switchboard {
	cfg.MaxCalls = cmp.Or(cfg.MaxCalls, defaultMaxCalls)
	if cfg.Most == nil {
		cfg.Most = func(int) (int, func() string) { return cfg.MaxCalls, nil } // full looks at MaxCalls first
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.since == nil {
		cfg.since = func(t time.Time) time.Duration { return cfg.Now().Sub(t) }
	}
	return &Switchboard{
		cfg:    cfg,
		log:    cfg.Log,
		calls:  map[tenants.CallID]*liveCall{},
		of:     map[tenants.TenantID]int{},
		duties: map[tenants.OperatorID]*liveDuty{},
		phones: map[tenants.OperatorID]string{},
		desks:  map[tenants.OperatorID]int{},
		robots: map[tenants.CallID]*practice{},
	}
}

// Offer takes the queue's proposal: the call's owner decides. It never blocks.
func (b *Switchboard) Offer(m acd.Match) {
	c := b.call(m.Call)
	if c == nil {
		b.cfg.Queue.Leave(m.Call)
		return
	}
	c.post(call.Event{Type: call.Picked, Operator: m.Operator, Name: m.Name})
}

// Unstaffed takes the queue's news that no eligible operator is on duty for a waiting call any more.
func (b *Switchboard) Unstaffed(id tenants.CallID) {
	if c := b.call(id); c != nil {
		c.post(call.Event{Type: call.Unstaffed})
	}
}

func (b *Switchboard) call(id tenants.CallID) *liveCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[id]
}

func (b *Switchboard) duty(id tenants.OperatorID) *liveDuty {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.duties[id]
}

// Calls is the number of live calls.
func (b *Switchboard) Calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

// ErrDraining says that this node takes no new work.
var ErrDraining = errors.New("this node is shutting down")

// Drain refuses new calls and duties and waits until the live calls have ended, or ctx has.
func (b *Switchboard) Drain(ctx context.Context) {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for b.Calls() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Stop ends every call and duty and waits for their goroutines, at most until ctx ends.
func (b *Switchboard) Stop(ctx context.Context) {
	b.mu.Lock()
	b.draining = true
	var calls []*liveCall
	for _, c := range b.calls {
		calls = append(calls, c)
	}
	var duties []*liveDuty
	for _, d := range b.duties {
		duties = append(duties, d)
	}
	b.mu.Unlock()
	for _, c := range calls {
		c.mail.post(hangup{reason: "shutdown"})
	}
	for _, d := range duties {
		d.post(duty.Event{Type: duty.Closed, Reason: "shutdown"})
	}
	done := make(chan struct{})
	go func() { b.owners.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// safely does one thing of several that must all be done, whatever becomes of each.
func (b *Switchboard) safely(what func()) {
	defer func() {
		if r := recover(); r != nil {
			b.log.Error("recovered", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	what()
}

// alarm raises an alarm for the call's tenant.
func (b *Switchboard) alarm(tenant tenants.TenantID, key, text string) {
	b.cfg.Journal.Raise(tenant, key, text, journal.Warning)
}
