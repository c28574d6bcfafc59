package acd

import (
	"cmp"
	"slices"
	"time"

	"holdfast/tenants"
)

// look brings the view up to date and returns what is to be said to the calls of this node.
func (q *Queue) look(now time.Time) (matches []Match, unstaffed []tenants.CallID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now)
	unstaffed = q.staffing()
	for _, t := range q.wanting() {
		groups := q.groups(t)
		free := q.free(now)
		for _, m := range pick(q.waiting(t), groups, free, now) {
			if e := q.calls[m.Call]; e != nil { // others are picked for by their own node
				matches = append(matches, m)
				q.promise(e, m, now)
			}
		}
		for _, m := range pick(q.impatient(t, groups, free, now), groups, free, now) {
			matches = append(matches, m)
			q.promise(q.calls[m.Call], m, now)
		}
	}
	return matches, unstaffed
}

// wanting is the tenants with a call of ours that waits for a proposal.
func (q *Queue) wanting() (all []tenants.TenantID) {
	for _, e := range q.calls {
		if !e.w.Offering && !slices.Contains(all, e.w.Tenant) {
			all = append(all, e.w.Tenant)
		}
	}
	slices.Sort(all)
	return all
}

// promise remembers that a proposal is on its way.
func (q *Queue) promise(e *entry, m Match, now time.Time) {
	e.w.Offering, e.offered, e.since, e.hungry = true, m.Operator, now, time.Time{}
	q.promised[m.Operator] = now.Add(ProposalFor)
	q.poke(q.changed)
}

// impatient returns a tenant's calls of ours that have waited long enough beside a free operator whom a foreign caller claims.
func (q *Queue) impatient(t tenants.TenantID, groups []*group, free func(*Operator) bool, now time.Time) []*Waiting {
	var hungry []*Waiting
	for _, e := range q.calls {
		if e.w.Tenant != t {
			continue
		}
		switch {
		case e.w.Offering, choose(&e.w, groups, free, now) == nil:
			e.hungry = time.Time{}
		case e.hungry.IsZero():
			e.hungry = now
		case now.Sub(e.hungry) >= PatientFor:
			hungry = append(hungry, &e.w)
		}
	}
	return hungry
}

// forget drops what is over: vacant places, rests, lost proposals, offers that nobody ended.
func (q *Queue) forget(now time.Time) {
	for id, until := range q.vacant {
		if !now.Before(until) {
			q.drop(id)
		}
	}
	var lost map[tenants.OperatorID]bool // the proposal did not arrive in all that time
	for id, until := range q.promised {
		if !now.Before(until) {
			delete(q.promised, id)
			if lost == nil {
				lost = map[tenants.OperatorID]bool{}
			}
			lost[id] = true
		}
	}
	for id, r := range q.rests {
		if !now.Before(r.until) {
			delete(q.rests, id)
		}
	}
	for _, e := range q.calls {
		if e.w.Offering && (lost[e.offered] && !q.busy(e.w.Tenant, e.offered) || now.Sub(e.since) > offerLimit) {
			e.w.Offering, e.offered = false, ""
		}
	}
}

// busy says whether an operator is on duty and not idle: such as with a proposal.
func (q *Queue) busy(t tenants.TenantID, id tenants.OperatorID) bool {
	return slices.ContainsFunc(q.operators(t), func(o *Operator) bool { return o.ID == id && !o.Idle })
}

// waiting is every caller of a tenant, here and elsewhere.
func (q *Queue) waiting(t tenants.TenantID) (all []*Waiting) {
	for _, e := range q.calls {
		if e.w.Tenant == t {
			all = append(all, &e.w)
		}
	}
	for i := range q.remote.waiting {
		if w := &q.remote.waiting[i]; w.Tenant == t && q.calls[w.Call] == nil {
			all = append(all, w)
		}
	}
	return all
}

// staffing finds calls of ours that lost the last operator who could take them.
func (q *Queue) staffing() (unstaffed []tenants.CallID) {
	for id, e := range q.calls {
		staffed := q.eligible(&e.w) > 0
		if e.staffed && !staffed {
			unstaffed = append(unstaffed, id)
		}
		e.staffed = staffed
	}
	slices.Sort(unstaffed)
	return unstaffed
}

// eligible counts the operators on duty who may take the call, busy or not. Under mu.
func (q *Queue) eligible(w *Waiting) (n int) {
	if w.Only != "" {
		for _, o := range q.operators(w.Tenant) {
			if Eligible(w, o) {
				n++
			}
		}
		return n
	}
	for _, g := range q.groups(w.Tenant) {
		if _, ok := suits(w, g.like); ok {
			n += g.size
		}
	}
	return n
}

// Staff counts the operators who may take the call, busy or not, and says whether one of them is free at once. The call
// need not be in the queue.
func (q *Queue) Staff(w Waiting) (onDuty int, free bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	someone := choose(&w, q.groups(w.Tenant), q.free(now), now)
	return q.eligible(&w), someone != nil
}

// Place is a call's place in its tenant's queue over all nodes, from 1; 0 when it does not wait.
func (q *Queue) Place(call tenants.CallID) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.calls[call]
	if e == nil {
		return 0
	}
	place := 1
	for _, w := range q.waiting(e.w.Tenant) {
		if w.Call != call && before(w, &e.w) < 0 {
			place++
		}
	}
	return place
}

// Snapshot is a tenant's queue over all nodes: callers in their order, operators by name.
func (q *Queue) Snapshot(tenant tenants.TenantID) ([]Waiting, []Operator) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var waiting []Waiting
	for _, w := range q.waiting(tenant) {
		waiting = append(waiting, *w)
	}
	var operators []Operator
	for _, o := range q.operators(tenant) {
		operators = append(operators, *q.asOf(o))
	}
	slices.SortFunc(waiting, func(a, b Waiting) int { return before(&a, &b) })
	slices.SortFunc(operators, func(a, b Operator) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return waiting, operators
}
