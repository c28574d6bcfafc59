package interim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

var (
	// ErrNotFound says that the tenant has no such account, schedule, override or note, or not for this operator.
	ErrNotFound = errors.New("no such account, schedule, override or note")
	// ErrForbidden says that the actor has not the right to override.
	ErrForbidden = errors.New("the right to set overrides and notes is missing")
	// ErrNotKept says that the disk did not confirm it: it holds here, and may be lost with the process.
	ErrNotKept = errors.New("the change could not be kept")
)

// Journal is where everything is written before it holds. services/journal has it.
type Journal interface {
	Append(journal.Event)
	Sync(ctx context.Context) error
	Behind() int // events that PostgreSQL does not have yet
}

// Book is this node's routing copies: *routing.Book.
type Book interface {
	Copy(tenants.TenantID) *routing.Copy
	Overlay(change func(compiled *routing.Copy) *routing.Copy)
	Refresh()
	CheckedAt() time.Time
}

// Config is what a Board needs; Journal and Book have no default.
type Config struct {
	Node    string
	Journal Journal
	Book    Book
	Stories []journal.Story // open at start: journal.Journal.OpenStories; only those of interims are looked at
	Log     *slog.Logger
	Now     func() time.Time
}

const (
	// keepLimit is how long the disk may take to confirm: whoever pressed a key is told within a second.
	keepLimit = 900 * time.Millisecond
	// settleEvery is how often the board looks for what the compiled copies have by now.
	settleEvery = time.Second
	// settledFor is how long after its making an item must be in the database when that is up to date: the projector passes over
	// one whose schedule is gone, and it would be laid over for ever.
	settledFor = time.Minute
)

// Board lays over this node's copies what they do not have yet. Methods are safe from any goroutine.
type Board struct {
	cfg Config

	mu      sync.Mutex
	held    map[tenants.TenantID][]*held // in the order in which they were set
	seq     uint64
	once    sync.Once
	closing sync.Once
	stop    chan struct{}
	done    sync.WaitGroup
}

// held is an item until the compiled copy has it.
type held struct {
	item  Item
	since time.Time // when this node heard of its last change
	own   bool      // its story stands in this node's journal
}

// New makes a board with what earlier processes of this node left open, and begins to lay it over the book. Start keeps it tidy.
func New(cfg Config) *Board {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Board{cfg: cfg, held: map[tenants.TenantID][]*held{}, stop: make(chan struct{})}
	for _, story := range cfg.Stories {
		if story.Kind != journal.Interim || len(story.Events) == 0 {
			continue
		}
		last := story.Events[len(story.Events)-1]
		b.take(last, true)
	}
	cfg.Book.Overlay(b.overlay)
	return b
}

// Start keeps the board tidy until Stop. Both may be repeated.
func (b *Board) Start() {
	b.once.Do(func() {
		b.done.Go(func() {
			tick := time.NewTicker(settleEvery)
			defer tick.Stop()
			for {
				select {
				case <-b.stop:
					return
				case <-tick.C:
					b.guarded(b.settle)
				}
			}
		})
	})
}

// Stop ends what Start began and waits for it.
func (b *Board) Stop() {
	b.closing.Do(func() { close(b.stop) })
	b.done.Wait()
}

func (b *Board) guarded(do func()) {
	defer func() {
		if p := recover(); p != nil {
			b.cfg.Log.Error("interim: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	do()
}

// Hear takes an event of another node. What it does not know it passes over.
func (b *Board) Hear(e journal.Event) {
	if e.Kind != journal.Interim || e.Type == Kept || e.Node == b.cfg.Node {
		return
	}
	if b.take(e, false) {
		b.cfg.Book.Refresh()
	}
}

// take holds what an event says, and reports whether it is news.
func (b *Board) take(e journal.Event, own bool) bool {
	var i Item
	if err := json.Unmarshal(e.Data, &i); err != nil || !i.sound() || i.Tenant != e.Tenant || i.ID != e.ID {
		b.cfg.Log.Error("an override or a note cannot be read and is passed over", "tenant", e.Tenant, "id", e.ID, "err", err)
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq = max(b.seq, e.Seq)
	return b.hold(i, own)
}

// hold keeps an item as it is now. Under mu.
func (b *Board) hold(i Item, own bool) bool {
	for _, h := range b.held[i.Tenant] {
		if h.item.ID == i.ID {
			if h.item.Ended != nil { // ended once is ended, whichever word came first
				return false
			}
			h.item, h.since, h.own = i, b.cfg.Now(), h.own || own
			return true
		}
	}
	b.held[i.Tenant] = append(b.held[i.Tenant], &held{item: i, since: b.cfg.Now(), own: own})
	return true
}

// overlay is what the book reads its copies through.
func (b *Board) overlay(c *routing.Copy) *routing.Copy {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.held[c.Tenant] {
		if !h.item.in(c) {
			c = h.item.lay(c)
		}
	}
	return c
}

// Compiled is for the book that knows copies without their overlay.
type compiled interface {
	Compiled(tenants.TenantID) *routing.Copy
}

// settle lets go of what the compiled copies have, and of what can be in none, and closes the stories.
func (b *Board) settle() {
	book, ok := b.cfg.Book.(compiled)
	if !ok {
		return
	}
	now, checked, behind := b.cfg.Now(), b.cfg.Book.CheckedAt(), b.cfg.Journal.Behind()
	var closed []journal.Event
	b.mu.Lock()
	for tenant, all := range b.held {
		c := book.Compiled(tenant)
		b.held[tenant] = slices.DeleteFunc(all, func(h *held) bool {
			_, until := h.item.span()
			lost := checked.After(h.since.Add(settledFor)) && (!h.own || behind == 0)
			over := now.After(until.Add(settledFor)) && (!h.own || behind == 0)
			if (c == nil || !h.item.in(c)) && !lost && !over {
				return false
			}
			if lost {
				b.cfg.Log.Warn("an override or a note is not in the database: what it belongs to is gone", "tenant", tenant, "id", h.item.ID)
			}
			if h.own {
				closed = append(closed, b.event(Kept, h.item, now))
			}
			return true
		})
		if len(b.held[tenant]) == 0 {
			delete(b.held, tenant)
		}
	}
	b.mu.Unlock()
	for _, e := range closed {
		b.cfg.Journal.Append(e)
	}
	if len(closed) > 0 {
		b.cfg.Book.Refresh()
	}
}

// event makes the next event of an item. Under mu.
func (b *Board) event(what string, i Item, at time.Time) journal.Event {
	b.seq = max(b.seq+1, uint64(max(at.UnixMicro(), 1)))
	data, _ := json.Marshal(i) // plain values: it cannot fail
	return journal.Event{
		Tenant: i.Tenant, Kind: journal.Interim, ID: i.ID, Seq: b.seq, At: at, Node: b.cfg.Node, Type: what,
		Final: what == Kept, Restated: what != Kept, Data: data,
	}
}

// apply journals an item's change, lays it over this node's copy, and returns once it is safe on disk.
func (b *Board) apply(ctx context.Context, what string, i Item, at time.Time) error {
	b.mu.Lock()
	e := b.event(what, i, at)
	b.cfg.Journal.Append(e)
	b.hold(i, true)
	b.mu.Unlock()
	b.cfg.Book.Refresh()
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	if err := b.cfg.Journal.Sync(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}
