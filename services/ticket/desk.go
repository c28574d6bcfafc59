package ticket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
)

var (
	// ErrNotFound says that the tenant has no such ticket.
	ErrNotFound = errors.New("no such message")
	// ErrNotKept says that the disk did not confirm it, so it must not be believed, and no number may be told.
	ErrNotKept = errors.New("the message could not be kept")
	// ErrAway says that the desk is stopped or too busy, or what holds delivered tickets does not answer.
	ErrAway = errors.New("messages cannot be reached")
)

// Journal is where every event is written before it is answered. services/journal has it.
type Journal interface {
	Append(journal.Event)
	Sync(ctx context.Context) error
}

// Archive knows the tickets that left the desk. services/ticket/ticketsql has it.
type Archive interface {
	// GetTicket returns journal.ErrNotFound when the tenant has no such ticket.
	GetTicket(ctx context.Context, tenant tenants.TenantID, id tenants.TicketID) (State, error)
	// LastNumber is the largest number given to the tenant's tickets, as far as is known there.
	LastNumber(ctx context.Context, tenant tenants.TenantID) (uint64, error)
}

// DeskConfig is what a Desk needs; Journal and Dir have no default.
type DeskConfig struct {
	Node    string
	Journal Journal
	Dir     string          // of the counters: HOLDFAST_DATA/tickets
	Stories []journal.Story // open at start: journal.Journal.OpenStories; only tickets, and the alarm about them, are looked at
	Archive Archive         // nil: only what is on the desk can be reopened
	// Zone is where an account's day ends; nil, or a nil zone: UTC.
	Zone func(tenants.TenantID, tenants.AccountID) *time.Location
	// Moved is told of every tenant whose tickets changed; it must not block. nil: nobody is.
	Moved func(tenants.TenantID)
	// Teller sends what is mailed, and Book knows where to; Alarms hears of what is owed past its time. nil: none of it.
	Teller notify.Teller
	Book   Book
	Alarms Alarms
	// Link is where a message is read by whoever may sign in. nil: mails without the content name no address.
	Link func(tenants.TicketID) string
	Log  *slog.Logger
	Now  func() time.Time
}

const (
	// deskLimit is how many wishes may wait for the desk: far above what a healthy one ever leaves unread.
	deskLimit = 16384
	// askLimit is how long whoever cannot say otherwise waits for the desk; it answers in microseconds.
	askLimit = time.Second
	// archiveLimit bounds a look into the archive while somebody waits for a number.
	archiveLimit = 500 * time.Millisecond
	// tidyEvery is how often the desk looks for what can go.
	tidyEvery = 30 * time.Second
	// emptyFor is how long an empty draft is kept after its call is over: past every wrap-up.
	emptyFor = 10 * time.Minute
	// closedFor is how long a delivered ticket stays on the desk: it bridges the time until the archive has it.
	closedFor = time.Hour
	// restateEvery is how long an open ticket leaves its story as it is. Then it is told anew, whole: a message that is owed for
	// weeks must not keep weeks of the journal on the disk.
	restateEvery = 24 * time.Hour
)

// Desk owns this node's drafts and owed tickets: one goroutine changes them, everybody else asks it. Methods are safe
// from any goroutine.
type Desk struct {
	cfg     DeskConfig
	counter Counter

	mu       sync.Mutex // guards the mailbox
	mail     []func()
	ready    chan struct{} // has a token while mail is not empty
	started  bool
	stopping bool
	stopped  chan struct{}
	done     sync.WaitGroup

	// Of the owner's goroutine alone.
	tickets  map[tenants.TicketID]State
	told     map[tenants.TicketID]time.Time // from when on the journal must keep an open ticket's story
	byCall   map[tenants.CallID]tenants.TicketID
	live     map[tenants.CallID]bool     // calls in progress
	numbers  map[tenants.TenantID]uint64 // the largest seen
	watchers map[tenants.TenantID][]*Watcher
	mailed   map[string]bool             // mails that the outbox was given, by key
	late     map[tenants.TenantID]string // open alarms about what is owed, and what they say

	countsMu sync.RWMutex // the owner writes, everybody reads
	counts   map[tenants.TenantID]map[tenants.AccountID]Count
}

// NewDesk restores what earlier processes of this node left open. Start begins to serve; what is asked before waits.
func NewDesk(cfg DeskConfig) *Desk {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Desk{
		cfg: cfg, counter: Counter{Dir: cfg.Dir}, ready: make(chan struct{}, 1), stopped: make(chan struct{}),
		tickets: map[tenants.TicketID]State{}, told: map[tenants.TicketID]time.Time{}, byCall: map[tenants.CallID]tenants.TicketID{},
		live: map[tenants.CallID]bool{}, numbers: map[tenants.TenantID]uint64{}, watchers: map[tenants.TenantID][]*Watcher{},
		counts: map[tenants.TenantID]map[tenants.AccountID]Count{}, mailed: map[string]bool{}, late: map[tenants.TenantID]string{},
	}
	for _, story := range cfg.Stories {
		switch {
		case story.Kind == journal.Ticket:
			d.restore(story)
		case story.Kind == journal.Alarm && story.ID == AlarmOwed:
			d.late[story.Tenant] = "as an earlier process said"
		}
	}
	return d
}

// restore replays one story. An event that cannot be read or is refused is passed over: the rest of the text counts more.
func (d *Desk) restore(story journal.Story) {
	var s State
	for _, e := range story.Events {
		s = Replay(s, e, d.cfg.Log)
	}
	if s.Phase == None {
		d.cfg.Log.Error("a ticket's story has no beginning", "ticket", story.ID)
		return
	}
	d.told[s.ID] = story.Events[0].At
	d.put(s)
}

// Replay adds one journal entry to a ticket. What cannot be read, or was refused when it happened, is passed over.
func Replay(s State, e journal.Event, log *slog.Logger) State {
	if e.Seq <= s.Seq {
		return s
	}
	var fact Event
	err := json.Unmarshal(e.Data, &fact)
	if err == nil {
		s, err = Step(s, fact)
	}
	if err != nil {
		log.Error("a ticket's event is passed over", "ticket", e.ID, "seq", e.Seq, "err", err)
	}
	if s.Phase != None {
		s.Seq = e.Seq // the number is taken, whatever stands in it
	}
	return s
}

// Start begins to serve. It returns at once and may be repeated.
func (d *Desk) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started || d.stopping {
		return
	}
	d.started = true
	d.done.Add(1)
	go d.run()
}

// Stop ends serving and waits for it; what is asked later is ErrAway. Everything is in the journal. It may be repeated.
func (d *Desk) Stop() {
	d.mu.Lock()
	if !d.stopping {
		d.stopping = true
		close(d.stopped)
	}
	d.mu.Unlock()
	d.done.Wait()
}

func (d *Desk) run() {
	defer d.done.Done()
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	d.guarded(d.hand)
	d.guarded(d.remind)
	for {
		select {
		case <-d.stopped:
			return
		case <-tick.C:
			d.guarded(d.tidy)
			d.guarded(d.hand)
			d.guarded(d.remind)
		case <-d.ready:
			d.mu.Lock()
			mail := d.mail
			d.mail = nil
			d.mu.Unlock()
			for _, wish := range mail {
				d.guarded(wish)
			}
		}
	}
}

// guarded fulfils one wish; a panic ends that wish only.
func (d *Desk) guarded(wish func()) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.Error("tickets: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	wish()
}

// post leaves a wish for the owner and reports whether it was taken. It never blocks.
func (d *Desk) post(wish func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || len(d.mail) >= deskLimit {
		return false
	}
	d.mail = append(d.mail, wish)
	select {
	case d.ready <- struct{}{}:
	default:
	}
	return true
}

// ask has the owner answer. The answer to somebody who stopped waiting is dropped.
func ask[T any](ctx context.Context, d *Desk, wish func() (T, error)) (T, error) {
	type reply struct {
		value T
		err   error
	}
	var none T
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answer := make(chan reply, 1)
	if !d.post(func() {
		r := reply{err: ErrAway}
		defer func() { answer <- r }() // also when the wish panics
		r.value, r.err = wish()
	}) {
		return none, ErrAway
	}
	select {
	case r := <-answer:
		return r.value, r.err
	case <-d.stopped:
		return none, ErrAway
	case <-ctx.Done():
		return none, errors.Join(ErrAway, ctx.Err())
	}
}

// put takes a ticket onto the desk as it is now.
func (d *Desk) put(s State) {
	was := d.tickets[s.ID]
	d.tickets[s.ID] = s
	if was.Phase == Owed || s.Phase == Owed {
		d.count(s.Tenant)
	}
	if s.Call != "" {
		d.byCall[s.Call] = s.ID
	}
	d.numbers[s.Tenant] = max(d.numbers[s.Tenant], s.Number)
}

// remove takes a ticket off the desk.
func (d *Desk) remove(s State) {
	delete(d.tickets, s.ID)
	delete(d.told, s.ID)
	if d.byCall[s.Call] == s.ID {
		delete(d.byCall, s.Call)
	}
}

// apply steps a ticket, journals what happened, and tells who watches.
func (d *Desk) apply(s State, e Event) (State, error) {
	next, err := Step(s, e)
	if err != nil {
		return s, err
	}
	data, err := json.Marshal(e)
	if err != nil { // cannot be: the type holds plain values only
		return s, err
	}
	d.cfg.Journal.Append(journal.Event{
		Tenant: next.Tenant, Kind: journal.Ticket, ID: string(next.ID), Seq: next.Seq, At: e.At, Node: d.cfg.Node,
		Type: string(e.Type), Final: !next.Open(), Restated: e.Ticket != nil, Data: data,
	})
	if _, told := d.told[next.ID]; !told || e.Ticket != nil {
		d.told[next.ID] = e.At
	}
	d.put(next)
	d.tell(next)
	if next.Phase == Discarded {
		d.remove(next)
	}
	return next, nil
}

// tidy discards what nobody wrote anything into, lets go of what was delivered a while ago, and tells anew what has been
// open for a day.
func (d *Desk) tidy() {
	now := d.cfg.Now()
	for _, s := range d.tickets {
		switch idle := now.Sub(s.ChangedAt); {
		case s.Phase == Delivered && idle > closedFor:
			d.remove(s)
		case s.Phase == Draft && s.Empty() && !d.live[s.Call] && idle > emptyFor:
			if _, err := d.apply(s, Event{Type: Dropped, At: now}); err != nil {
				d.cfg.Log.Error("an empty draft could not be discarded", "ticket", string(s.ID), "err", err)
			}
		case s.Open() && now.Sub(d.told[s.ID]) >= restateEvery:
			if _, err := d.apply(s, Event{Type: Restated, At: now, Ticket: &s}); err != nil {
				d.cfg.Log.Error("a message could not be told anew", "ticket", string(s.ID), "err", err)
			}
		}
	}
}
