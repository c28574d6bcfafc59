package acd

import (
	"cmp"
	"iter"
	"slices"

	"holdfast/tenants"
)

// teams are operators on duty by tenant, each tenant's by id: a call looks at its own tenant's alone, where they are, for there may
// be a thousand of them.
type teams map[tenants.TenantID][]*Operator

func byID(o *Operator, id tenants.OperatorID) int { return cmp.Compare(o.ID, id) }

// put adds an operator, or replaces what was there of them.
func (t teams) put(o *Operator) {
	team := t[o.Tenant]
	i, found := slices.BinarySearchFunc(team, o.ID, byID)
	if found {
		team[i] = o
		return
	}
	t[o.Tenant] = slices.Insert(team, i, o)
}

func (t teams) remove(o *Operator) {
	team := t[o.Tenant]
	i, found := slices.BinarySearchFunc(team, o.ID, byID)
	switch {
	case !found:
	case len(team) == 1:
		delete(t, o.Tenant)
	default:
		t[o.Tenant] = slices.Delete(team, i, i+1)
	}
}

// team is a tenant's operators on duty, here and elsewhere; ours count before what others announce of the same operator. Under mu.
func (q *Queue) team(t tenants.TenantID) iter.Seq[*Operator] {
	return func(yield func(*Operator) bool) {
		for _, o := range q.teams[t] {
			if !yield(o) {
				return
			}
		}
		for _, o := range q.remote.teams[t] {
			if q.staff[o.ID] == nil && !yield(o) {
				return
			}
		}
	}
}

// asOf is the operator with what this node alone knows: a proposal that is on its way, and a rest. Under mu.
func (q *Queue) asOf(o *Operator) *Operator {
	_, promised := q.promised[o.ID]
	promised = promised && o.Idle
	until := q.rests[o.ID].until
	rests := until.After(o.BackoffUntil)
	if !promised && !rests {
		return o
	}
	known := *o
	known.Idle = o.Idle && !promised
	if rests {
		known.BackoffUntil = until
	}
	return &known
}

// operators is a tenant's team as of now.
func (q *Queue) operators(t tenants.TenantID) []*Operator {
	all := make([]*Operator, 0, len(q.teams[t])+len(q.remote.teams[t]))
	for o := range q.team(t) {
		all = append(all, q.asOf(o))
	}
	return all
}
