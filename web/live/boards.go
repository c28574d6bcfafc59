package live

import (
	"cmp"
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Book gives a tenant's routing copy, or nil.
type Book interface {
	Copy(tenants.TenantID) *routing.Copy
}

// Counter counts a tenant's voicemails that are not handled, by account.
type Counter interface {
	Unhandled(context.Context, tenants.TenantID) ([]Count, error)
}

// Count is how many voicemails of one account nobody has handled, and since when the oldest waits.
type Count struct {
	Account   tenants.AccountID
	Unhandled int
	Oldest    time.Time
}

// BoardsConfig is what Boards needs. Book has no default, and nor has Subscribe where Boards is started.
type BoardsConfig struct {
	Book      Book
	Subscribe func(buffer int) (<-chan journal.Event, func()) // journal.Journal.Subscribe
	Stories   []journal.Story                                 // open at start: journal.Journal.OpenStories
	Alarms    []journal.OpenAlarm                             // raised since, by the journal's own opening: journal.Journal.Alarms
	Counter   Counter                                         // nil: the count stays unknown
	// Owed is ticket.Desk.Count; it must not block. nil: nothing is owed.
	Owed       func(t tenants.TenantID, sees func(tenants.AccountID) bool) ticket.Count
	Activation func(tenants.TenantID) uint64 // activation.Service.Version; must not block. nil: 0
	Ended      func(call.State)              // told of every call that ended; for metrics; must not block
	Log        *slog.Logger
	Now        func() time.Time
}

const (
	// eventBuffer is how far the boards may fall behind the journal: seconds of a busy node.
	eventBuffer = 8192
	// resubscribeAfter keeps a subscription that is cut at once from taking a core.
	resubscribeAfter = 200 * time.Millisecond
	// countEvery is how often the voicemail count is read without a reason; countRetry after a failure; countSoon after an
	// event that changes it, when its projection is usually in the database; countLate again, when it was not.
	countEvery = 30 * time.Second
	countRetry = 5 * time.Second
	countSoon  = 300 * time.Millisecond
	countLate  = 2 * time.Second
	countLimit = 2 * time.Second
	countTick  = 100 * time.Millisecond
)

// Boards is the live picture of every tenant, folded from the journal. All methods are safe from any goroutine.
type Boards struct {
	cfg  BoardsConfig
	stop context.CancelFunc
	wait sync.WaitGroup

	// Of the goroutine that follows, once it runs.
	events      <-chan journal.Event
	unsubscribe func()

	mu       sync.Mutex
	pictures map[tenants.TenantID]*picture
	due      map[tenants.TenantID]countDue
	watchers map[tenants.TenantID]map[chan struct{}]struct{}
	started  bool
}

// countDue is when a tenant's voicemails are counted next, and whether once more soon after.
type countDue struct {
	at    time.Time
	again bool
}

// NewBoards folds the stories that are open already and subscribes, so that nothing is missed from here on; Start begins
// to follow. It is made before anything appends to the journal, else a story's beginning is missed.
func NewBoards(cfg BoardsConfig) *Boards {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Boards{
		cfg:      cfg,
		pictures: map[tenants.TenantID]*picture{},
		due:      map[tenants.TenantID]countDue{},
		watchers: map[tenants.TenantID]map[chan struct{}]struct{}{},
	}
	for _, s := range cfg.Stories {
		for _, e := range s.Events {
			b.Fold(e)
		}
	}
	for _, a := range cfg.Alarms {
		b.picture(a.Tenant).open(a)
	}
	if cfg.Subscribe != nil {
		b.events, b.unsubscribe = cfg.Subscribe(eventBuffer)
	}
	return b
}

// Start shows every event that the journal has taken since NewBoards, and from now on. It returns at once.
func (b *Boards) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return
	}
	b.started = true
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.wait.Add(2)
	go b.guard(ctx, func() { b.follow(ctx) })
	go b.guard(ctx, func() { b.count(ctx) })
}

// Stop ends following; what was folded can still be asked. It waits, and may be repeated.
func (b *Boards) Stop() {
	b.mu.Lock()
	stop := b.stop
	b.mu.Unlock()
	if stop != nil {
		stop()
	}
	b.wait.Wait()
}

// guard runs a loop until it returns, and again when it panics: what is shown must outlive one bad event.
func (b *Boards) guard(ctx context.Context, loop func()) {
	defer b.wait.Done()
	for !b.once(loop) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(resubscribeAfter):
		}
	}
}

func (b *Boards) once(loop func()) (clean bool) {
	defer func() {
		if p := recover(); p != nil {
			b.cfg.Log.Error("boards: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	loop()
	return true
}

// follow folds events until ctx ends. The subscription outlives a panic of the loop.
func (b *Boards) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			b.unsubscribe()
			return
		case e, ok := <-b.events:
			if ok {
				b.Fold(e)
				continue
			}
		}
		b.cfg.Log.Error("boards: cut off from the journal; what happened meanwhile may be missing until it ends")
		select {
		case <-ctx.Done():
			return
		case <-time.After(resubscribeAfter):
		}
		b.events, b.unsubscribe = b.cfg.Subscribe(eventBuffer)
	}
}

// Hear shows an event of another node. What ended there is counted there; a story whose beginning was not heard is let go.
func (b *Boards) Hear(e journal.Event) { _, _ = b.show(e) }

// Fold shows one event of this node. Start does it for the journal.
func (b *Boards) Fold(e journal.Event) {
	ended, err := b.show(e)
	if err != nil {
		b.cfg.Log.Warn("boards: an event does not fit its story", "kind", e.Kind, "seq", e.Seq, "type", e.Type, "error", err)
	}
	if ended != nil && b.cfg.Ended != nil {
		b.cfg.Ended(*ended)
	}
}

func (b *Boards) show(e journal.Event) (ended *call.State, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.picture(e.Tenant)
	changed, err := p.fold(e)
	ended = p.takeEnded()
	if changed {
		b.notify(e.Tenant)
	}
	if e.Type == string(call.MessageKept) || e.Kind == journal.Command {
		b.due[e.Tenant] = countDue{at: b.cfg.Now().Add(countSoon), again: true}
	}
	return ended, err
}

// picture returns the tenant's picture, made when missing. Under mu.
func (b *Boards) picture(t tenants.TenantID) *picture {
	p := b.pictures[t]
	if p == nil {
		p = newPicture()
		b.pictures[t] = p
		b.due[t] = countDue{at: b.cfg.Now()}
	}
	return p
}

// Touch says that something else about the tenant changed: its routing copy, say.
func (b *Boards) Touch(t tenants.TenantID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notify(t)
}

// notify wakes the tenant's watchers: what was shown is out of date. Under mu; it never blocks.
func (b *Boards) notify(t tenants.TenantID) {
	b.picture(t).version++
	for w := range b.watchers[t] {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Watch returns a channel that has a value whenever the tenant's picture changed since the last one was taken. The
// watcher calls cancel when done.
func (b *Boards) Watch(t tenants.TenantID) (changes <-chan struct{}, cancel func()) {
	w := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.picture(t)
	if b.watchers[t] == nil {
		b.watchers[t] = map[chan struct{}]struct{}{}
	}
	b.watchers[t][w] = struct{}{}
	return w, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers[t], w)
		if len(b.watchers[t]) == 0 {
			delete(b.watchers, t)
		}
	}
}

// count keeps the voicemail counts fresh, one tenant after another.
func (b *Boards) count(ctx context.Context) {
	if b.cfg.Counter == nil {
		return
	}
	tick := time.NewTicker(countTick)
	defer tick.Stop()
	for {
		for _, t := range b.dueNow() {
			b.countOne(ctx, t)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *Boards) dueNow() []tenants.TenantID {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Now()
	var out []tenants.TenantID
	for t, d := range b.due {
		if !d.at.After(now) {
			out = append(out, t)
			next := now.Add(countEvery)
			if d.again {
				next = now.Add(countLate)
			}
			b.due[t] = countDue{at: next}
		}
	}
	return out
}

func (b *Boards) countOne(ctx context.Context, t tenants.TenantID) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	now, err := b.cfg.Counter.Unhandled(ctx, t)
	b.mu.Lock()
	defer b.mu.Unlock()
	p, known := b.picture(t), err == nil
	if err != nil {
		// The old figure would look true: it is not shown.
		now = nil
		if retry := b.cfg.Now().Add(countRetry); b.due[t].at.After(retry) {
			b.due[t] = countDue{at: retry}
		}
	}
	if p.counted != known || !slices.Equal(p.voicemail, now) {
		p.voicemail, p.counted = now, known
		b.notify(t)
	}
}
