package live

import (
	"slices"

	"holdfast/services/call"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// copyOf returns the tenant's routing copy, or an empty one that bears its name.
func (b *Boards) copyOf(t tenants.TenantID) *routing.Copy {
	if c := b.cfg.Book.Copy(t); c != nil {
		return c
	}
	return &routing.Copy{Tenant: t, Name: string(t), State: routing.Standby}
}

// Snapshot is the whole live picture of a tenant.
func (b *Boards) Snapshot(t tenants.TenantID) Board {
	c, owed, version := b.copyOf(t), b.owed(t, nil), uint64(0)
	if b.cfg.Activation != nil {
		version = b.cfg.Activation(t)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.picture(t).board(c)
	out.Queue.owes(owed)
	out.Activation = version
	return out
}

// owed is what the tenant owes now, for the accounts that are seen.
func (b *Boards) owed(t tenants.TenantID, sees func(tenants.AccountID) bool) ticket.Count {
	if b.cfg.Owed == nil {
		return ticket.Count{}
	}
	return b.cfg.Owed(t, sees)
}

func (q *Queue) owes(c ticket.Count) { q.Owed, q.OwedUrgent, q.OldestOwed = c.Owed, c.Urgent, c.Oldest }

// Queue is what every desk of the tenant sees of its queue.
func (b *Boards) Queue(t tenants.TenantID) Queue { return b.queue(b.copyOf(t), nil) }

// QueueOf is what the actor sees of the tenant's queue: callers, messages and voicemails of no account that is not theirs.
func (b *Boards) QueueOf(actor tenants.Actor) Queue {
	c := b.copyOf(actor.Tenant)
	accounts, all := c.Scope(actor)
	if all {
		return b.queue(c, nil)
	}
	return b.queue(c, func(a tenants.AccountID) bool { return slices.Contains(accounts, a) })
}

func (b *Boards) queue(c *routing.Copy, sees func(tenants.AccountID) bool) Queue {
	owed := b.owed(c.Tenant, sees)
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.picture(c.Tenant)
	q := p.queue(p.staff(c), sees)
	q.owes(owed)
	return q
}

// Colleagues are the tenant's operators who could take a call of an account now, but for one.
func (b *Boards) Colleagues(t tenants.TenantID, account tenants.AccountID, language string, but tenants.OperatorID) []Colleague {
	var out []Colleague
	for _, o := range b.freeShown(t) {
		if o.id != but && (o.accounts == nil || slices.Contains(o.accounts, account)) {
			out = append(out, Colleague{ID: o.id, Name: o.name, Language: int(o.languages[language])})
		}
	}
	return out
}

// Live returns the tenant's calls in progress, longest first.
func (b *Boards) Live(t tenants.TenantID) []call.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.picture(t).states()
}

// Call returns one of the tenant's calls that is in progress or ended a short while ago.
func (b *Boards) Call(t tenants.TenantID, id tenants.CallID) (call.State, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.picture(t)
	if c := p.calls[id]; c != nil {
		return c.state, true
	}
	if ended := p.endedIs[id]; ended != nil {
		return *ended, true
	}
	return call.State{}, false
}

// Phases counts the calls in progress of all tenants by phase.
func (b *Boards) Phases() map[call.Phase]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[call.Phase]int{}
	for _, p := range b.pictures {
		for _, c := range p.calls {
			out[c.state.Phase]++
		}
	}
	return out
}

// Alarms counts the open alarms of all tenants by severity.
func (b *Boards) Alarms() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int{}
	for _, p := range b.pictures {
		for _, a := range p.alarms {
			out[a.alarm.Severity]++
		}
	}
	return out
}
