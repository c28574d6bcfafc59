package acd

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/tenants"
)

// team is a tenant's operators on duty. Who speaks the same languages and works for the same accounts is in one group: whether, and
// how well, they suit a caller is looked at once a group, for there may be a thousand of them.
type team struct {
	members []*Operator // by id
	groups  map[string]*group
	of      map[*Operator]*group // whose group is which
}

// group are operators of whom one suits a caller as well as the other.
type group struct {
	skills string
	size   int
	like   *Operator   // one who is, or was, in it
	idle   []*Operator // who may be offered a call, longest idle first
}

// teams are operators on duty by tenant.
type teams map[tenants.TenantID]*team

// put adds an operator who is not there.
func (t teams) put(o *Operator) {
	its := t[o.Tenant]
	if its == nil {
		its = &team{groups: map[string]*group{}, of: map[*Operator]*group{}}
		t[o.Tenant] = its
	}
	i, _ := slices.BinarySearchFunc(its.members, o, byID)
	its.members = slices.Insert(its.members, i, o)
	skills := o.skills()
	g := its.groups[skills]
	if g == nil {
		g = &group{skills: skills, like: o}
		its.groups[skills] = g
	}
	its.of[o] = g
	g.size++
	if o.Idle {
		k, _ := slices.BinarySearchFunc(g.idle, o, longestIdle)
		g.idle = slices.Insert(g.idle, k, o)
	}
}

// remove takes away an operator who was put there.
func (t teams) remove(o *Operator) {
	its := t[o.Tenant]
	its.members = without(its.members, o, byID)
	g := its.of[o]
	delete(its.of, o)
	g.idle = without(g.idle, o, longestIdle)
	if g.size--; g.size == 0 {
		delete(its.groups, g.skills)
	}
	if len(its.members) == 0 {
		delete(t, o.Tenant)
	}
}

// without takes an operator out of a row that is in order.
func without(row []*Operator, o *Operator, order func(a, b *Operator) int) []*Operator {
	if i, found := slices.BinarySearchFunc(row, o, order); found {
		return slices.Delete(row, i, i+1)
	}
	return row
}

func byID(a, b *Operator) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Duty, b.Duty))
}

func longestIdle(a, b *Operator) int { return cmp.Or(a.IdleSince.Compare(b.IdleSince), byID(a, b)) }

// skills is the same text for all who suit the same callers equally.
func (o *Operator) skills() string {
	var s strings.Builder
	for _, lang := range slices.Sorted(maps.Keys(o.Languages)) {
		s.WriteString(lang + " " + strconv.Itoa(int(o.Languages[lang])) + " ")
	}
	if o.Accounts != nil {
		s.WriteByte('|')
		for _, a := range slices.Sorted(slices.Values(o.Accounts)) {
			s.WriteString(string(a) + " ")
		}
	}
	return s.String()
}

// groups are those of a tenant's operators, here and elsewhere. Under mu.
func (q *Queue) groups(t tenants.TenantID) (all []*group) {
	for _, its := range []*team{q.teams[t], q.remote.teams[t]} {
		if its != nil {
			all = slices.AppendSeq(all, maps.Values(its.groups))
		}
	}
	return all
}

// operators are a tenant's on duty, here and elsewhere. Under mu.
func (q *Queue) operators(t tenants.TenantID) (all []*Operator) {
	for _, its := range []*team{q.teams[t], q.remote.teams[t]} {
		if its != nil {
			all = append(all, its.members...)
		}
	}
	return all
}

// free says whether an idle operator may be proposed now, as far as this node knows. Under mu, as what it returns.
func (q *Queue) free(now time.Time) func(*Operator) bool {
	return func(o *Operator) bool {
		_, promised := q.promised[o.ID]
		return !promised && !now.Before(o.BackoffUntil) && !now.Before(q.rests[o.ID].until)
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
