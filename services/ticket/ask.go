package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/services/journal"
	"holdfast/tenants"
)

// keepLimit is how long the disk may take to confirm: whoever types is told within a second, one way or the other.
const keepLimit = 900 * time.Millisecond

// Joined opens the message for a caller who was just connected: a new draft, or the one that another operator began for
// the same call, which operator takes over. It never blocks.
func (d *Desk) Joined(o Origin, operator tenants.OperatorID, name string) {
	d.post(func() {
		d.live[o.Call] = true
		if _, err := d.open(o, operator, name); err != nil && !errors.Is(err, ErrStale) {
			d.cfg.Log.Error("a caller's message could not be opened", "call", string(o.Call), "err", err)
		}
	})
}

// Over tells that a call has ended: if nothing was written for it, its draft goes after a while. It never blocks.
func (d *Desk) Over(call tenants.CallID) {
	d.post(func() { delete(d.live, call) })
}

// open is Joined, on the owner's goroutine.
func (d *Desk) open(o Origin, operator tenants.OperatorID, name string) (State, error) {
	e := Event{At: d.cfg.Now(), By: operator, Name: name}
	if s, there := d.tickets[d.byCall[o.Call]]; there && s.Open() && s.Tenant == o.Tenant {
		e.Type = Taken
		return d.apply(s, e)
	}
	o.ID = tenants.TicketID(tenants.NewID())
	e.Type, e.Origin = Begun, &o
	return d.apply(State{}, e)
}

// Begin opens a draft that belongs to no call in progress. The origin's tenant is the actor's.
func (d *Desk) Begin(ctx context.Context, actor tenants.Actor, o Origin) (State, error) {
	o.ID, o.Tenant = tenants.TicketID(tenants.NewID()), actor.Tenant
	return d.kept(ctx, func() (State, error) {
		return d.apply(State{}, Event{Type: Begun, At: d.cfg.Now(), By: actor.User, Name: nameOf(actor), Origin: &o})
	})
}

// Change writes one field of a draft over its revision base, and returns once that is safe on disk. Errors of Change and
// of all below: a *Refusal, ErrNotFound, ErrNotKept, ErrAway. What is so already is no error.
func (d *Desk) Change(ctx context.Context, actor tenants.Actor, id tenants.TicketID, field, value string, base uint64) (State, error) {
	return d.do(ctx, actor, id, Event{Type: Changed, Field: field, Value: clean(value), Base: base})
}

// Take makes the actor the one who goes on with a ticket.
func (d *Desk) Take(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (State, error) {
	return d.do(ctx, actor, id, Event{Type: Taken})
}

// Save gives a draft its number, locks it, and returns once both are safe on disk. Saving again returns the same number.
func (d *Desk) Save(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (State, error) {
	e := Event{Type: Saved, At: d.cfg.Now(), By: actor.User, Name: nameOf(actor)}
	type draft struct {
		ticket State
		known  uint64
	}
	now, err := ask(ctx, d, func() (draft, error) {
		s, err := d.find(actor, id)
		if err != nil {
			return draft{}, err
		}
		trial := e
		trial.Number = 1 // would it be saved? No number is spent on a refusal.
		_, err = Step(s, trial)
		return draft{s, d.numbers[s.Tenant]}, err
	})
	if errors.Is(err, ErrStale) {
		return now.ticket, d.sync(ctx)
	}
	if err != nil {
		return State{}, err
	}
	if e.Number, err = d.number(ctx, actor.Tenant, now.known); err != nil {
		return State{}, err
	}
	e.DayEnds = d.dayEnds(now.ticket, e.At)
	return d.do(ctx, actor, id, e)
}

// number draws the next number. Where the node has no counter yet, the archive is asked once what was given before.
func (d *Desk) number(ctx context.Context, tenant tenants.TenantID, known uint64) (uint64, error) {
	if d.cfg.Archive != nil && !d.counter.Knows(tenant) {
		asking, cancel := context.WithTimeout(ctx, archiveLimit)
		last, err := d.cfg.Archive.LastNumber(asking, tenant)
		cancel()
		if err != nil {
			d.cfg.Log.Warn("messages are numbered without the archive", "tenant", string(tenant), "from", known+1, "err", err)
		}
		known = max(known, last)
	}
	n, err := d.counter.Next(tenant, known)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return n, nil
}

// dayEnds is the midnight after at where the account is.
func (d *Desk) dayEnds(s State, at time.Time) time.Time {
	zone := d.zone(s)
	y, m, day := at.In(zone).Date()
	return time.Date(y, m, day+1, 0, 0, 0, 0, zone).UTC()
}

// Append adds text to a saved ticket.
func (d *Desk) Append(ctx context.Context, actor tenants.Actor, id tenants.TicketID, text string) (State, error) {
	return d.do(ctx, actor, id, Event{Type: Appended, Text: clean(text)})
}

// Deliver notes to whom and how an owed ticket was handed over.
func (d *Desk) Deliver(ctx context.Context, actor tenants.Actor, id tenants.TicketID, to, how string) (State, error) {
	return d.do(ctx, actor, id, Event{Type: HandedOver, To: strings.TrimSpace(clean(to)), How: strings.TrimSpace(clean(how))})
}

// Undeliver makes a delivered ticket owed again, also one that left the desk long ago.
func (d *Desk) Undeliver(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (State, error) {
	s, err := d.Get(ctx, actor.Tenant, id)
	if err != nil {
		return State{}, err
	}
	e := Event{Type: Undelivered, At: d.cfg.Now(), By: actor.User, Name: nameOf(actor)}
	e.DayEnds = d.dayEnds(s, e.At)
	return d.kept(ctx, func() (State, error) {
		if here, err := d.find(actor, id); err == nil {
			s = here
		}
		whole := s
		e.Ticket = &whole
		return d.apply(s, e)
	})
}

// do applies e to one of the actor's tenant's tickets and returns once it is safe on disk.
func (d *Desk) do(ctx context.Context, actor tenants.Actor, id tenants.TicketID, e Event) (State, error) {
	e.At, e.By, e.Name = d.cfg.Now(), actor.User, nameOf(actor)
	return d.kept(ctx, func() (State, error) {
		s, err := d.find(actor, id)
		if err != nil {
			return s, err
		}
		return d.apply(s, e)
	})
}

// find returns a ticket of the actor's tenant; on the owner's goroutine.
func (d *Desk) find(actor tenants.Actor, id tenants.TicketID) (State, error) {
	s, there := d.tickets[id]
	if !there || s.Tenant != actor.Tenant || !actor.May(tenants.RoleOperator) {
		return State{}, ErrNotFound
	}
	return s, nil
}

// kept has the owner change a ticket and waits until the change is safe on disk. The owner does not wait for the disk.
func (d *Desk) kept(ctx context.Context, wish func() (State, error)) (State, error) {
	s, err := ask(ctx, d, wish)
	if err != nil && !errors.Is(err, ErrStale) {
		return State{}, err
	}
	return s, d.sync(ctx)
}

func (d *Desk) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	if err := d.cfg.Journal.Sync(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

// Get returns one ticket of the tenant, from the desk or the archive.
func (d *Desk) Get(ctx context.Context, tenant tenants.TenantID, id tenants.TicketID) (State, error) {
	s, err := ask(ctx, d, func() (State, error) {
		return d.find(tenants.Actor{Tenant: tenant, Role: tenants.RoleOperator}, id)
	})
	if !errors.Is(err, ErrNotFound) || d.cfg.Archive == nil {
		return s, err
	}
	s, err = d.cfg.Archive.GetTicket(ctx, tenant, id)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return State{}, ErrNotFound
	case err != nil:
		return State{}, fmt.Errorf("%w: %w", ErrAway, err)
	}
	return s, nil
}

// ForCall returns the ticket of a call of the tenant, the newest where it has several; ErrNotFound when it has none here.
func (d *Desk) ForCall(ctx context.Context, tenant tenants.TenantID, call tenants.CallID) (State, error) {
	return ask(ctx, d, func() (State, error) {
		if s, there := d.tickets[d.byCall[call]]; there && s.Tenant == tenant && call != "" {
			return s, nil
		}
		return State{}, ErrNotFound
	})
}

// Drafts returns the tenant's drafts, oldest first; with a call, only that call's.
func (d *Desk) Drafts(ctx context.Context, tenant tenants.TenantID, call tenants.CallID) ([]State, error) {
	return d.list(ctx, func(s State) bool {
		return s.Tenant == tenant && s.Phase == Draft && (call == "" || s.Call == call)
	}, func(a, b State) int { return a.BegunAt.Compare(b.BegunAt) })
}

// Owed returns what the tenant owes: urgent ones first, each oldest first.
func (d *Desk) Owed(ctx context.Context, tenant tenants.TenantID) ([]State, error) {
	return d.list(ctx, func(s State) bool { return s.Tenant == tenant && s.Phase == Owed }, func(a, b State) int {
		if a.Urgent() != b.Urgent() {
			if a.Urgent() {
				return -1
			}
			return 1
		}
		return a.OwedSince().Compare(b.OwedSince())
	})
}

func (d *Desk) list(ctx context.Context, want func(State) bool, order func(a, b State) int) ([]State, error) {
	return ask(ctx, d, func() ([]State, error) {
		var out []State
		for _, s := range d.tickets {
			if want(s) {
				out = append(out, s)
			}
		}
		slices.SortFunc(out, func(a, b State) int { return cmp.Or(order(a, b), cmp.Compare(a.ID, b.ID)) })
		return out, nil
	})
}

// Count is what a tenant owes, and since when; Oldest is zero when it owes nothing.
type Count struct {
	Owed   int
	Urgent int
	Oldest time.Time
}

// Count returns what the tenant owes now; sees, where not nil, says for which accounts it is counted. It waits for nobody.
func (d *Desk) Count(tenant tenants.TenantID, sees func(tenants.AccountID) bool) Count {
	d.countsMu.RLock()
	defer d.countsMu.RUnlock()
	var all Count
	for account, c := range d.counts[tenant] {
		if sees != nil && !sees(account) {
			continue
		}
		all.Owed += c.Owed
		all.Urgent += c.Urgent
		if all.Oldest.IsZero() || c.Oldest.Before(all.Oldest) {
			all.Oldest = c.Oldest
		}
	}
	return all
}

// count counts anew; on the owner's goroutine.
func (d *Desk) count(tenant tenants.TenantID) {
	counts := map[tenants.AccountID]Count{}
	for _, s := range d.tickets {
		if s.Tenant != tenant || s.Phase != Owed {
			continue
		}
		c := counts[s.Account]
		c.Owed++
		if s.Urgent() {
			c.Urgent++
		}
		if at := s.OwedSince(); c.Oldest.IsZero() || at.Before(c.Oldest) {
			c.Oldest = at
		}
		counts[s.Account] = c
	}
	d.countsMu.Lock()
	defer d.countsMu.Unlock()
	d.counts[tenant] = counts
}

// clean makes text what every store takes: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

func nameOf(a tenants.Actor) string { return cmp.Or(a.Name, a.Email) }
