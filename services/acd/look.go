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
	if len(q.calls) == 0 { // most looks: an operator is there, and nobody of ours waits
		q.forget(nil, now)
		return nil, nil
	}
	operators := q.operators()
	q.forget(operators, now)
	unstaffed = q.staffing(operators)
	if !q.wanting() {
		return nil, unstaffed
	}
	for i := range operators {
		if _, busy := q.promised[operators[i].ID]; busy {
			operators[i].Idle = false
		}
	}
	taken := map[tenants.OperatorID]bool{}
	for _, m := range Pick(q.waiting(), operators, now) {
		if e := q.calls[m.Call]; e != nil { // others are picked for by their own node
			matches = append(matches, m)
			q.promise(e, m, now)
			taken[m.Operator] = true
		}
	}
	if !q.wanting() {
		return matches, unstaffed
	}
	operators = slices.DeleteFunc(operators, func(o Operator) bool { return taken[o.ID] })
	for _, m := range Pick(q.impatient(operators, now), operators, now) {
		matches = append(matches, m)
		q.promise(q.calls[m.Call], m, now)
	}
	return matches, unstaffed
}

// anyone looks at operators where they are: there may be a thousand.
func anyone(operators []Operator, is func(*Operator) bool) bool {
	for i := range operators {
		if is(&operators[i]) {
			return true
		}
	}
	return false
}

// wanting says whether a call of ours waits for a proposal.
func (q *Queue) wanting() bool {
	for _, e := range q.calls {
		if !e.w.Offering {
			return true
		}
	}
	return false
}

// promise remembers that a proposal is on its way.
func (q *Queue) promise(e *entry, m Match, now time.Time) {
	e.w.Offering, e.offered, e.since, e.hungry = true, m.Operator, now, time.Time{}
	q.promised[m.Operator] = now.Add(ProposalFor)
	q.poke(q.changed)
}

// impatient returns the calls of ours that have waited long enough beside a free operator whom a foreign caller claims.
func (q *Queue) impatient(operators []Operator, now time.Time) []Waiting {
	var hungry []Waiting
	for _, e := range q.calls {
		free := !e.w.Offering && anyone(operators, func(o *Operator) bool { return o.free(now) && Eligible(&e.w, o) })
		switch {
		case !free:
			e.hungry = time.Time{}
		case e.hungry.IsZero():
			e.hungry = now
		case now.Sub(e.hungry) >= PatientFor:
			hungry = append(hungry, e.w)
		}
	}
	return hungry
}

// forget drops what is over: rests, lost proposals, offers that nobody ended.
func (q *Queue) forget(operators []Operator, now time.Time) {
	lost := map[tenants.OperatorID]bool{} // neither busy with the proposal after all that time, nor on the way to it
	for id, until := range q.promised {
		if !now.Before(until) {
			delete(q.promised, id)
			lost[id] = true
		}
	}
	for _, o := range operators {
		if !o.Idle {
			delete(lost, o.ID)
		}
	}
	for id, r := range q.rests {
		if !now.Before(r.until) {
			delete(q.rests, id)
		}
	}
	for _, e := range q.calls {
		if e.w.Offering && (lost[e.offered] || now.Sub(e.since) > offerLimit) {
			e.w.Offering, e.offered = false, ""
		}
	}
}

// operators is everybody on duty, here and elsewhere, with the rests that this node knows of; ours count before what
// others announce of the same operator.
func (q *Queue) operators() []Operator {
	all := make([]Operator, 0, len(q.staff)+len(q.remote.operators))
	for _, o := range q.staff {
		all = append(all, *o)
	}
	for _, o := range q.remote.operators {
		if _, ours := q.staff[o.ID]; !ours {
			all = append(all, o)
		}
	}
	for i := range all {
		if r, ok := q.rests[all[i].ID]; ok && r.until.After(all[i].BackoffUntil) {
			all[i].BackoffUntil = r.until
		}
	}
	return all
}

// waiting is every caller, here and elsewhere.
func (q *Queue) waiting() []Waiting {
	all := make([]Waiting, 0, len(q.calls)+len(q.remote.waiting))
	for _, e := range q.calls {
		all = append(all, e.w)
	}
	for _, w := range q.remote.waiting {
		if _, ours := q.calls[w.Call]; !ours {
			all = append(all, w)
		}
	}
	return all
}

// staffing finds calls of ours that lost the last operator who could take them.
func (q *Queue) staffing(operators []Operator) (unstaffed []tenants.CallID) {
	for id, e := range q.calls {
		staffed := anyone(operators, func(o *Operator) bool { return Eligible(&e.w, o) })
		if e.staffed && !staffed {
			unstaffed = append(unstaffed, id)
		}
		e.staffed = staffed
	}
	slices.Sort(unstaffed)
	return unstaffed
}

// Staff counts the operators who may take the call: on duty at all, busy or not, and free at once. The call need not
// be in the queue.
func (q *Queue) Staff(w Waiting) (onDuty, idle int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	count := func(o *Operator) {
		if !Eligible(&w, o) {
			return
		}
		onDuty++
		if _, promised := q.promised[o.ID]; !promised && o.free(now) && !now.Before(q.rests[o.ID].until) {
			idle++
		}
	}
	for _, o := range q.staff {
		count(o)
	}
	for i := range q.remote.operators {
		if o := &q.remote.operators[i]; q.staff[o.ID] == nil {
			count(o)
		}
	}
	return onDuty, idle
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
	for _, w := range q.waiting() {
		if w.Tenant == e.w.Tenant && w.Call != call && Before(w, e.w) < 0 {
			place++
		}
	}
	return place
}

// Snapshot is a tenant's queue over all nodes: callers in their order, operators by name.
func (q *Queue) Snapshot(tenant tenants.TenantID) ([]Waiting, []Operator) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := slices.DeleteFunc(q.waiting(), func(w Waiting) bool { return w.Tenant != tenant })
	operators := slices.DeleteFunc(q.operators(), func(o Operator) bool { return o.Tenant != tenant })
	slices.SortFunc(waiting, Before)
	slices.SortFunc(operators, func(a, b Operator) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return waiting, operators
}
