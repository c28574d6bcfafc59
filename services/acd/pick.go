package acd

import (
	"cmp"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Waiting is a call in the queue, from its INVITE until an operator has accepted or the caller does something else.
type Waiting struct {
	Call      tenants.CallID     `json:"call"`
	Tenant    tenants.TenantID   `json:"tenant"`
	Account   tenants.AccountID  `json:"account"`
	Node      string             `json:"node"`                // whose call it is; the queue fills it in
	Languages []string           `json:"languages,omitempty"` // wanted, best first; none: any
	Since     time.Time          `json:"since"`               // the first INVITE, whatever happened since
	Priority  int                `json:"priority,omitempty"`  // higher first
	Front     bool               `json:"front,omitempty"`     // lost its operator: before everybody else
	Only      tenants.OperatorID `json:"only,omitempty"`      // given to this operator by a supervisor, whatever the language
	Offering  bool               `json:"offering,omitempty"`  // an offer is out: nothing to propose now
	// Declined are operators who do not want this call, each until a time: they are proposed after everybody else.
	Declined map[tenants.OperatorID]time.Time `json:"declined,omitempty"`
}

// Operator is somebody on duty.
type Operator struct {
	ID           tenants.OperatorID       `json:"id"`
	Tenant       tenants.TenantID         `json:"tenant"`
	Node         string                   `json:"node"` // who holds the duty; the queue fills it in
	Duty         tenants.DutyID           `json:"duty"`
	Name         string                   `json:"name"`
	Languages    map[string]routing.Grade `json:"languages"`
	Accounts     []tenants.AccountID      `json:"accounts,omitzero"` // nil: all of the tenant's
	Idle         bool                     `json:"idle,omitempty"`    // may be offered a call now; else busy, but staff
	IdleSince    time.Time                `json:"idle_since,omitzero"`
	BackoffUntil time.Time                `json:"backoff_until,omitzero"` // no proposal before
}

// Match proposes that an operator is offered a call.
type Match struct {
	Call     tenants.CallID
	Tenant   tenants.TenantID
	Operator tenants.OperatorID
	Name     string // the operator's
	Node     string // which holds the operator's duty
	Duty     tenants.DutyID
	Language string // in which the operator will speak; "" when the caller wants none
	Why      string // for the journal, e.g. "es grade 2, idle 41s"
}

// Eligible reports whether the operator may be given the call at all: same tenant, permitted for the account, and
// speaking a language that is wanted (a supervisor's choice goes over the language). Being busy or resting does not count.
func Eligible(w *Waiting, o *Operator) bool {
	_, ok := suits(w, o)
	return ok && (w.Only == "" || w.Only == o.ID)
}

// fitness is how well an operator suits a caller, whoever else is there.
type fitness struct {
	place int // of the language in the caller's wishes
	grade routing.Grade
}

// suits says how well whoever has the operator's skills suits the caller, and whether at all. It does not ask whether the call is
// for that operator only.
func suits(w *Waiting, o *Operator) (fitness, bool) {
	if w.Tenant != o.Tenant || o.Accounts != nil && !slices.Contains(o.Accounts, w.Account) {
		return fitness{}, false
	}
	if len(w.Languages) == 0 {
		return fitness{}, true
	}
	for i, lang := range w.Languages {
		if g := o.Languages[lang]; g > 0 {
			return fitness{i, g}, true
		}
	}
	return fitness{place: len(w.Languages)}, w.Only != ""
}

// pick proposes operators for callers. Callers are served in the order of before; each gets, of the eligible operators who are
// idle and free, the one who did not decline this call, speaks the earliest wanted language, at the best grade, has been idle
// longest, and has the lowest id. No operator and no call is in two matches; no eligible free pair is left unmatched.
// The arguments' order does not matter, and they are not changed.
func pick(waiting []*Waiting, groups []*group, free func(*Operator) bool, now time.Time) []Match {
	if !slices.ContainsFunc(groups, func(g *group) bool { return slices.ContainsFunc(g.idle, free) }) {
		return nil
	}
	callers := make([]*Waiting, 0, len(waiting))
	for _, w := range waiting {
		if !w.Offering {
			callers = append(callers, w)
		}
	}
	slices.SortFunc(callers, before)

	var matches []Match
	taken := map[tenants.OperatorID]bool{"": true}
	for i, w := range callers {
		if i > 0 && w.Call == callers[i-1].Call {
			continue
		}
		if o := choose(w, groups, func(o *Operator) bool { return !taken[o.ID] && free(o) }, now); o != nil {
			matches = append(matches, propose(w, o, now))
			taken[o.ID] = true
		}
	}
	return matches
}

// choose finds the best of the free operators for a caller; nil: none is eligible.
func choose(w *Waiting, groups []*group, free func(*Operator) bool, now time.Time) (best *Operator) {
	var fits fitness
	for _, g := range groups {
		f, ok := suits(w, g.like)
		if !ok {
			continue
		}
		if o := g.next(w, free, now); o != nil && (best == nil || better(w, o, best, f, fits, now) < 0) {
			best, fits = o, f
		}
	}
	return best
}

// next is whose turn it is in a group: who has been idle longest and did not decline the call, else who did.
func (g *group) next(w *Waiting, free func(*Operator) bool, now time.Time) (declined *Operator) {
	for _, o := range g.idle {
		switch {
		case w.Only != "" && w.Only != o.ID, !free(o):
		case !w.Declined[o.ID].After(now):
			return o
		case declined == nil:
			declined = o
		}
	}
	return declined
}

// before orders callers: who lost an operator first, then by priority, by the first INVITE, by id.
func before(a, b *Waiting) int {
	return cmp.Or(
		-compareBool(a.Front, b.Front),
		-cmp.Compare(a.Priority, b.Priority),
		a.Since.Compare(b.Since),
		cmp.Compare(a.Call, b.Call),
		cmp.Compare(a.Node, b.Node),
	)
}

// better orders two eligible operators for one caller.
func better(w *Waiting, a, b *Operator, fitA, fitB fitness, now time.Time) int {
	return cmp.Or(
		compareBool(w.Declined[a.ID].After(now), w.Declined[b.ID].After(now)),
		cmp.Compare(fitA.place, fitB.place),
		-cmp.Compare(fitA.grade, fitB.grade),
		longestIdle(a, b),
	)
}

func propose(w *Waiting, o *Operator, now time.Time) Match {
	m := Match{Call: w.Call, Tenant: w.Tenant, Operator: o.ID, Name: o.Name, Node: o.Node, Duty: o.Duty}
	f, _ := suits(w, o)
	spoken := f.place < len(w.Languages)
	switch {
	case w.Only != "":
		m.Why = "given by a supervisor"
	case spoken:
		m.Why = w.Languages[f.place] + " grade " + string('0'+rune(f.grade))
	default:
		m.Why = "any language"
	}
	if spoken {
		m.Language = w.Languages[f.place]
	}
	m.Why += ", idle " + now.Sub(o.IdleSince).Truncate(time.Second).String()
	return m
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
