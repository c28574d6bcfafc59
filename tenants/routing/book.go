package routing

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/tenants"
)

// Book is the copies of all tenants on this node, in memory. Looking something up takes no lock and sees one state of all
// tenants; replacing a copy makes the next state. The zero value is an empty book.
type Book struct {
	writing  sync.Mutex
	plain    map[tenants.TenantID]*Copy    // as they were put; under writing
	standing map[tenants.TenantID]Standing // under writing
	state    atomic.Pointer[index]
	trunks   atomic.Pointer[[]Trunk]
	checked  atomic.Int64                                    // Unix nanoseconds; 0: never
	overlay  func(*Copy) *Copy                               // under writing
	watchers map[tenants.TenantID]map[chan struct{}]struct{} // under writing
}

// Standing is whether a tenant's operators answer, as this node was told before its database was.
type Standing struct {
	State State
	Since time.Time
	Cause string
}

// over is the copy with the standing laid over it: of two that differ in state, the later one is true.
func (s Standing) over(c *Copy) *Copy {
	if s.State == "" || s.State == c.State || !s.Since.After(c.Since) {
		return c
	}
	next := *c
	next.State, next.Since, next.Cause = s.State, s.Since, s.Cause
	return &next
}

// index is one state of the book. Nobody changes it.
type index struct {
	compiled  map[tenants.TenantID]*Copy // as they were put in
	copies    map[tenants.TenantID]*Copy // as they are read
	numbers   map[string]entry
	operators map[tenants.OperatorID]operatorEntry
}

type entry struct {
	tenant    tenants.TenantID
	number    Number
	ambiguous bool // a published number that two tenants claim
}

type operatorEntry struct {
	home     *Copy
	operator Operator
}

func (b *Book) read() *index {
	if i := b.state.Load(); i != nil {
		return i
	}
	return &index{}
}

// Put adds copies, each replacing that of its tenant, as one change. The book keeps the pointers: nobody may change a
// copy from now on.
func (b *Book) Put(copies ...*Copy) {
	b.change(func(all map[tenants.TenantID]*Copy) {
		for _, c := range copies {
			all[c.Tenant] = c
		}
	})
}

// Stand lays a standing over a tenant's copy, this one and those that come, until a copy knows better. It holds for whoever
// asks from the moment Stand returns.
func (b *Book) Stand(tenant tenants.TenantID, s Standing) {
	b.change(func(map[tenants.TenantID]*Copy) { b.standing[tenant] = s })
}

// Remove takes a tenant out.
func (b *Book) Remove(tenant tenants.TenantID) {
	b.change(func(all map[tenants.TenantID]*Copy) { delete(all, tenant) })
}

func (b *Book) change(do func(map[tenants.TenantID]*Copy)) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.plain == nil {
		b.plain, b.standing = make(map[tenants.TenantID]*Copy), make(map[tenants.TenantID]Standing)
	}
	do(b.plain)
	all := make(map[tenants.TenantID]*Copy, len(b.plain))
	for id, c := range b.plain {
		all[id] = b.standing[id].over(c)
		if b.overlay != nil {
			all[id] = b.overlay(all[id])
		}
	}
	before, after := b.read(), indexed(all)
	after.compiled = maps.Clone(b.plain)
	b.state.Store(after)
	for id, watching := range b.watchers {
		if before.copies[id] == after.copies[id] {
			continue
		}
		for w := range watching {
			select {
			case w <- struct{}{}:
			default: // it has not looked at the change before this one yet
			}
		}
	}
}

// Overlay has every copy read through a function from now on: it returns what holds already and is not compiled yet, as a
// new copy, or the copy itself. It is called whenever a copy is put in and by Refresh, and must neither block nor use the book.
func (b *Book) Overlay(change func(compiled *Copy) *Copy) {
	b.writing.Lock()
	b.overlay = change
	b.writing.Unlock()
	b.Refresh()
}

// Refresh reads all copies through the overlay again.
func (b *Book) Refresh() { b.change(func(map[tenants.TenantID]*Copy) {}) }

// Compiled returns a tenant's copy as it was put in, or nil.
func (b *Book) Compiled(tenant tenants.TenantID) *Copy { return b.read().compiled[tenant] }

// Watch tells of every change of a tenant's copy: the channel has a value when there was one since the last was taken. cancel
// ends it and may be repeated.
func (b *Book) Watch(tenant tenants.TenantID) (changes <-chan struct{}, cancel func()) {
	w := make(chan struct{}, 1)
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.watchers == nil {
		b.watchers = map[tenants.TenantID]map[chan struct{}]struct{}{}
	}
	if b.watchers[tenant] == nil {
		b.watchers[tenant] = map[chan struct{}]struct{}{}
	}
	b.watchers[tenant][w] = struct{}{}
	return w, func() {
		b.writing.Lock()
		defer b.writing.Unlock()
		delete(b.watchers[tenant], w)
		if len(b.watchers[tenant]) == 0 {
			delete(b.watchers, tenant)
		}
	}
}

// SetChecked notes that all copies were what the database says at that time.
func (b *Book) SetChecked(at time.Time) { b.checked.Store(at.UnixNano()) }

// CheckedAt is when the copies were last known to be what the database says; zero: not since this process began.
func (b *Book) CheckedAt() time.Time {
	if at := b.checked.Load(); at != 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Time{}
}

func indexed(all map[tenants.TenantID]*Copy) *index {
	i := &index{copies: all, numbers: make(map[string]entry), operators: make(map[tenants.OperatorID]operatorEntry)}
	for tenant, c := range all {
		for _, n := range c.Numbers {
			next := entry{tenant: tenant, number: n}
			if have, ok := i.numbers[n.E164]; ok {
				next = i.better(have, next)
			}
			i.numbers[n.E164] = next
		}
		for _, o := range c.Operators {
			i.operators[o.ID] = operatorEntry{home: c, operator: o}
		}
	}
	return i
}

// better settles two tenants' claims on one number, whatever their order: a DID of ours beats a published number; of two
// DIDs, one of which has just moved, the copy compiled later knows; two published numbers decide nothing.
func (i *index) better(a, b entry) entry {
	switch {
	case a.number.Published && b.number.Published:
		a.ambiguous = true
		return a
	case a.number.Published:
		return b
	case b.number.Published:
		return a
	}
	before, after := i.copies[a.tenant].CompiledAt, i.copies[b.tenant].CompiledAt
	if after.After(before) || after.Equal(before) && b.tenant < a.tenant {
		return b
	}
	return a
}

// Lookup finds whose a number is: a number in E.164, or a SIP user that stands for one. ok is false when it is nobody's, or
// published by two tenants, because a wrong business must never answer.
func (b *Book) Lookup(number string) (tenant tenants.TenantID, n Number, ok bool) {
	e, ok := b.read().numbers[number]
	if !ok || e.ambiguous {
		return "", Number{}, false
	}
	return e.tenant, e.number, true
}

// Copy returns a tenant's copy, or nil.
func (b *Book) Copy(tenant tenants.TenantID) *Copy { return b.read().copies[tenant] }

// Operator finds an operator and the tenant they work for.
func (b *Book) Operator(id tenants.OperatorID) (home *Copy, o Operator, ok bool) {
	e, ok := b.read().operators[id]
	return e.home, e.operator, ok
}

// Tenants lists all tenants of the book in order.
func (b *Book) Tenants() []tenants.TenantID {
	copies := b.read().copies
	all := make([]tenants.TenantID, 0, len(copies))
	for id := range copies {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// SetTrunks replaces the trunks. The book keeps the slice.
func (b *Book) SetTrunks(t []Trunk) { b.trunks.Store(&t) }

// Trunks returns the trunks; nobody may change them.
func (b *Book) Trunks() []Trunk {
	if t := b.trunks.Load(); t != nil {
		return *t
	}
	return nil
}
