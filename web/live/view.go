package live

import (
	"cmp"
	"slices"
	"time"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// liveCalls shows the calls in progress, longest first.
func (p *picture) liveCalls() []Call {
	out := make([]Call, 0, len(p.calls))
	for _, c := range p.states() {
		one := Call{
			ID: c.ID, Account: c.Plan.Account, AccountName: c.Plan.AccountName, Caller: c.Plan.Caller, CallerName: c.Plan.CallerName,
			Called: c.Plan.Called, Language: c.Plan.Language(), State: string(c.Phase), InvitedAt: c.InvitedAt, Since: c.Since,
			Operator: c.Operator, OperatorName: c.OperatorName, With: string(c.With), HeldSince: c.HeldAt,
		}
		if t, ok := c.Present(); ok {
			one.Third, one.ThirdUp = cmp.Or(t.Name, t.Number), t.Up()
		}
		out = append(out, one)
	}
	return out
}

// states returns the calls in progress, longest first.
func (p *picture) states() []call.State {
	out := make([]call.State, 0, len(p.calls))
	for _, c := range p.calls {
		out = append(out, c.state)
	}
	slices.SortFunc(out, func(a, b call.State) int {
		return cmp.Or(a.InvitedAt.Compare(b.InvitedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// freeOperator is an operator who could take a call now. Its maps and lists are read only.
type freeOperator struct {
	id        tenants.OperatorID
	name      string
	languages map[string]routing.Grade
	accounts  []tenants.AccountID // nil: all
}

// freeOperators are those who are free now, by name.
func (p *picture) freeOperators() []freeOperator {
	var out []freeOperator
	for _, d := range p.current {
		if s := &d.state; s.Answerable() {
			out = append(out, freeOperator{s.Operator, s.Name, s.Languages, s.Accounts})
		}
	}
	slices.SortFunc(out, func(a, b freeOperator) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id)) })
	return out
}

// answersCalls reports whether somebody is shown as an operator even when off duty.
func answersCalls(o *routing.Operator) bool {
	return o.Role == tenants.RoleOperator || len(o.Languages) > 0
}

// staff counts everybody of the tenant who answers calls: as many as operators shows.
func (p *picture) staff(c *routing.Copy) int {
	n := len(p.current)
	for i := range c.Operators {
		if o := &c.Operators[i]; answersCalls(o) && p.current[o.ID] == nil {
			n++
		}
	}
	return n
}

// operators shows everybody of the tenant who answers calls, on duty or not, by name.
func (p *picture) operators(c *routing.Copy) []Operator {
	out := make([]Operator, 0, len(c.Operators))
	for _, d := range p.current { // whether the routing copy still has them or not
		out = append(out, operatorOn(d.state))
	}
	for i := range c.Operators {
		if o := &c.Operators[i]; answersCalls(o) && p.current[o.ID] == nil {
			out = append(out, Operator{ID: o.ID, Name: o.Name, Email: o.Email, Languages: grades(o.Languages), State: duty.Away})
		}
	}
	slices.SortFunc(out, func(a, b Operator) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out
}

func operatorOn(d duty.State) Operator {
	o := Operator{
		ID: d.Operator, Name: d.Name, Email: d.Email, Languages: grades(d.Languages), State: d.Phase, Since: d.Since, Until: d.Until,
		Why: d.Why, Reachable: d.Answerable() || d.Practising(), Calls: d.Calls,
	}
	if d.Practising() { // nobody is talked with, and there is no such call
		o.State = Practising
		return o
	}
	if d.Card != nil && !d.Card.Practice && (d.Phase == duty.Offered || d.Phase == duty.Talking || d.Phase == duty.Lost) {
		o.Call = d.Card.Call
	}
	return o
}

func grades(languages map[string]routing.Grade) map[string]int {
	out := make(map[string]int, len(languages))
	for l, g := range languages {
		out[l] = int(g)
	}
	return out
}

// queue counts who waits and who could answer; sees, where not nil, says whose callers and voicemails are counted.
func (p *picture) queue(operators int, sees func(tenants.AccountID) bool) Queue {
	q := Queue{Operators: operators, VoicemailOK: p.counted}
	for _, v := range p.voicemail {
		if sees != nil && !sees(v.Account) {
			continue
		}
		q.NewVoicemail += v.Unhandled
		if q.OldestVoice.IsZero() || v.Oldest.Before(q.OldestVoice) {
			q.OldestVoice = v.Oldest
		}
	}
	for _, c := range p.calls {
		switch {
		case sees != nil && !sees(c.state.Plan.Account):
		case c.state.Waiting():
			q.Waiting++
			if q.OldestSince.IsZero() || c.state.InvitedAt.Before(q.OldestSince) {
				q.OldestSince = c.state.InvitedAt
			}
		case c.state.Phase == call.Talking, c.state.Phase == call.Patched:
			q.Talking++
		}
	}
	for _, d := range p.current {
		if d.state.Answerable() || d.state.Practising() {
			q.Ready++
		}
	}
	return q
}

// What a new caller gets now.
const (
	HearOperator  = "operator"
	HearQueue     = "queue"
	HearVoicemail = "voicemail"
)

// callersHear says what a caller who rings now would get.
func (p *picture) callersHear(c *routing.Copy) string {
	hear := HearVoicemail
	if c.State != routing.Live {
		return hear
	}
	for _, d := range p.current {
		if d.state.Answerable() || d.state.Practising() {
			return HearOperator
		}
		if d.state.OnDuty() {
			hear = HearQueue
		}
	}
	return hear
}

// openAlarms shows the alarms that have not ended, newest first.
func (p *picture) openAlarms() []Alarm {
	out := make([]Alarm, 0, len(p.alarms))
	for _, a := range p.alarms {
		out = append(out, a.alarm)
	}
	slices.SortFunc(out, func(a, b Alarm) int { return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Key, b.Key)) })
	return out
}

// board is the whole of it.
func (p *picture) board(c *routing.Copy) Board {
	operators := p.operators(c)
	numbers := 0
	for _, n := range c.Numbers {
		if !n.Published {
			numbers++
		}
	}
	return Board{
		Tenant: c.Tenant, TenantName: c.Name, State: string(c.State), Since: c.Since, CallersHear: p.callersHear(c),
		Queue: p.queue(len(operators), nil), Calls: p.liveCalls(), Operators: operators, Alarms: p.openAlarms(), Numbers: numbers,
	}
}

// viewOf shows a duty to its own operator. provenAt is when the line was last seen to carry audio.
func viewOf(s duty.State, c *routing.Copy, provenAt time.Time) *DutyView {
	return &DutyView{
		Duty: s.Duty, Operator: s.Operator, Name: s.Name, Email: s.Email, Tenant: s.Tenant, TenantName: c.Name,
		TenantLive: c.State == routing.Live, State: s.Phase, Since: s.Since, Until: s.Until, Why: s.Why, Resume: s.Resume, Epoch: s.Epoch,
		Call: s.Card, JoinedAt: s.JoinedAt, Line: s.Line, MayDial: c.Operator(s.Operator).Has(tenants.RightDial) && c.Outbound.AtOnce > 0, Socket: s.Socket, Media: s.Media, Checked: s.Checked, Reachable: s.Answerable(), CheckedAt: provenAt,
		PauseNext: s.PauseNext, HomeNext: s.HomeNext, Calls: s.Calls, Missed: s.Missed,
	}
}
