package activation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

var (
	// ErrNotFound says that there is no such tenant or number.
	ErrNotFound = errors.New("there is no such tenant or number")
	// ErrNotKept says that the change holds on this node until it is restarted, and is not safe on its disk.
	ErrNotKept = errors.New("not kept on the disk")
)

// Journal is where every event is written. services/journal has it.
type Journal interface {
	Append(journal.Event)
	Sync(ctx context.Context) error
	Subscribe(buffer int) (events <-chan journal.Event, cancel func())
	Replay(from journal.Cursor, fn func(journal.Event) error) error
	Clear(tenant tenants.TenantID, key string)
}

// Book is the routing copies of this node, and takes what is true before they are compiled.
type Book interface {
	Copy(tenants.TenantID) *routing.Copy
	Stand(tenants.TenantID, routing.Standing)
}

// Links makes and judges one-time sign-in links. services/identity has it.
type Links interface {
	// Link makes a token with which the actor may sign in once until then.
	Link(actor tenants.Actor, id string, until time.Time) (token string, err error)
	// Linked says whose token it is. Every failure is one error: the token is not good.
	Linked(token string) (actor tenants.Actor, id string, err error)
}

// Burner remembers used links for all nodes. An error says that it cannot be asked now.
type Burner interface {
	Burn(ctx context.Context, tenant tenants.TenantID, link string, operator tenants.OperatorID, at time.Time) (fresh bool, err error)
}

// Config is what a Service needs. Node, Dir, Journal and Book have no default.
type Config struct {
	Node    string
	Dir     string // a file a tenant, made when missing
	Journal Journal
	Book    Book
	Links   Links                                       // nil: nobody is paged
	Burner  Burner                                      // nil: links are burnt on this node only
	Teller  notify.Teller                               // nil: nobody is paged
	URL     string                                      // origin that browsers use
	Ready   func(tenants.TenantID) []tenants.OperatorID // who can be put through now; nil: nobody is seen to be
	Moved   func(tenants.TenantID)                      // told of every change; must not block; nil: nobody is
	Log     *slog.Logger
	Now     func() time.Time
}

const (
	// subscription is how far the service may fall behind the journal.
	subscription = 4096
	// lookEvery is the pace of whatever is not told: who is ready, who was not paged yet, what is not on the disk.
	lookEvery = 250 * time.Millisecond
	// atOnce is how far two declarations may be apart and still be the same one, pressed twice.
	atOnce = time.Minute
	// stall is how long a broken subscription rests.
	stall = time.Second
)

// Service holds the standing of every tenant on this node. It is safe for concurrent use.
type Service struct {
	cfg Config

	mu     sync.Mutex
	states map[tenants.TenantID]State
	dirty  map[tenants.TenantID]bool
	using  map[string]bool // links between being shown and being used

	poke     chan struct{}
	stop     chan struct{}
	starting sync.Once
	stopping sync.Once
	wait     sync.WaitGroup
}

// New makes a service. Restore brings back what an earlier process knew; Start begins to watch.
func New(cfg Config) *Service {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Ready == nil {
		cfg.Ready = func(tenants.TenantID) []tenants.OperatorID { return nil }
	}
	if cfg.Moved == nil {
		cfg.Moved = func(tenants.TenantID) {}
	}
	return &Service{
		cfg: cfg, states: map[tenants.TenantID]State{}, dirty: map[tenants.TenantID]bool{}, using: map[string]bool{},
		poke: make(chan struct{}, 1), stop: make(chan struct{}),
	}
}

// Start watches the journal, pages, and keeps. Stop ends it. Both may be repeated.
func (s *Service) Start() {
	s.starting.Do(func() { s.wait.Go(s.run) })
}

// Stop ends what Start began and writes what is not on the disk yet.
func (s *Service) Stop() {
	s.stopping.Do(func() { close(s.stop) })
	s.wait.Wait()
	s.save()
}

func (s *Service) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.stop
		cancel()
	}()
	for ctx.Err() == nil {
		events, unsubscribe := s.cfg.Journal.Subscribe(subscription)
		s.safely(func() { s.watch(ctx, events) })
		unsubscribe()
		select {
		case <-ctx.Done():
		case <-time.After(stall): // cut off, or a defect: what is seen by looking goes on
		}
	}
}

func (s *Service) watch(ctx context.Context, events <-chan journal.Event) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				return
			}
			s.observe(e)
			continue
		case <-tick.C:
		case <-s.poke:
		}
		s.look(ctx)
		s.save()
	}
}

// safely keeps a defect in one turn from ending the watch.
func (s *Service) safely(what func()) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("activation: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	what()
}

// now is a time as PostgreSQL keeps it, so that a state and its projection are equal.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// state is the tenant's, as far as this node knows: its routing copy has the last word on live or standby. Under mu.
func (s *Service) state(t tenants.TenantID) (State, bool) {
	c := s.cfg.Book.Copy(t)
	if c == nil {
		return State{}, false
	}
	st, kept := s.states[t]
	live := c.State == routing.Live
	switch {
	case !kept || st.Live != live || st.Since.Sub(c.Since).Abs() > atOnce: // changed where this node heard nothing
		st = State{Live: live, Since: c.Since, Cause: c.Cause, Version: st.Version}
		if !live {
			st.Stood = c.Since
		}
		if kept {
			st.Version++
			s.states[t] = st
		}
	case !st.Since.Equal(c.Since): // pressed on two nodes: what was written first is what is told
		st.Since, st.Cause = c.Since, c.Cause
		s.states[t] = st
	}
	return st, true
}

// happen folds an event of this node, and journals it before anybody sees it. Under mu.
func (s *Service) happen(t tenants.TenantID, e Event) error {
	st, ok := s.state(t)
	if !ok {
		return ErrNotFound
	}
	next, err := Step(st, e)
	if err != nil {
		return err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s: %w", e.Type, err)
	}
	s.cfg.Journal.Append(journal.Event{
		Tenant: t, Kind: journal.Activation, ID: tenants.NewID(), Seq: 1, At: e.At, Node: s.cfg.Node, Type: string(e.Type), Final: true, Data: data,
	})
	s.hold(t, e, next)
	return nil
}

// hold makes a state the tenant's. Under mu.
func (s *Service) hold(t tenants.TenantID, e Event, next State) {
	s.states[t] = next
	s.dirty[t] = true
	if e.Type == Declared || e.Type == StoodDown {
		s.cfg.Book.Stand(t, next.Standing())
	}
	s.cfg.Moved(t)
}

// Hear takes an event of another node, or one of this node's earlier processes.
func (s *Service) Hear(e journal.Event) {
	var event Event
	if e.Kind != journal.Activation || json.Unmarshal(e.Data, &event) != nil || event.At.IsZero() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.state(e.Tenant)
	if !ok {
		st = s.states[e.Tenant]
	}
	if next, err := Step(st, event); err == nil {
		s.hold(e.Tenant, event, next)
	}
}

// Activate brings the tenant live or to standby: on this node at once, kept when it returns nil. What is so already is
// no error and changes nothing, so that two who press together have done one thing. Errors: ErrNotFound; ErrNotKept,
// and then it holds all the same until this process ends.
func (s *Service) Activate(ctx context.Context, actor tenants.Actor, state routing.State, cause string) (View, error) {
	t := actor.Tenant
	s.mu.Lock()
	st, ok := s.state(t)
	if !ok {
		s.mu.Unlock()
		return View{}, ErrNotFound
	}
	e := Event{Type: StoodDown, At: s.now(), Activation: st.Activation, By: actor.User, ByName: actor.Name, Cause: cause}
	if state == routing.Live {
		e.Type, e.Activation = Declared, tenants.NewID()
	}
	if !e.At.After(st.Since) { // a clock that was set back must not undo the button
		e.At = st.Since.Add(time.Microsecond)
	}
	err := ErrStale
	if st.Live != (state == routing.Live) {
		err = s.happen(t, e)
	}
	if err == nil && e.Type == Declared {
		err = s.happen(t, Event{Type: Switched, At: s.now(), Activation: e.Activation})
	}
	s.mu.Unlock()
	if err != nil && !errors.Is(err, ErrStale) {
		return View{}, err
	}
	if state == routing.Live {
		s.cfg.Journal.Clear(t, "calls_while_standby")
	}
	s.wake()
	if err := s.cfg.Journal.Sync(ctx); err != nil {
		return View{}, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return s.View(t), nil
}

func (s *Service) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Mark notes what somebody did about a number of the sheet: MarkDialled, MarkFailed (with why), or MarkNone to take that
// back. Errors: ErrNotFound, ErrNotKept.
func (s *Service) Mark(ctx context.Context, actor tenants.Actor, number string, m Mark, why string) error {
	types := map[Mark]Type{MarkDialled: Dialled, MarkFailed: Failed, MarkNone: Undialled}
	s.mu.Lock()
	st, ok := s.state(actor.Tenant)
	c := s.cfg.Book.Copy(actor.Tenant)
	if !ok || !has(SheetOf(c, st, s.now()), number) || types[m] == "" {
		s.mu.Unlock()
		return ErrNotFound
	}
	at := s.now()
	if before := st.Numbers[number].At; !at.After(before) {
		at = before.Add(time.Microsecond)
	}
	err := s.happen(actor.Tenant, Event{
		Type: types[m], At: at, Activation: st.Activation, By: actor.User, ByName: actor.Name, Number: number, Why: why,
	})
	s.mu.Unlock()
	if err != nil && !errors.Is(err, ErrStale) {
		return err
	}
	if err := s.cfg.Journal.Sync(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

func has(sheet Sheet, number string) bool {
	for _, r := range sheet.Rows {
		if r.Number == number {
			return true
		}
	}
	return false
}
