package oncall

import (
	"errors"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// ErrNoAccount says that the tenant has no such account.
var ErrNoAccount = errors.New("no such account")

// Shift is somebody on call.
type Shift struct {
	Person  people.Person
	Order   int // 1 is called first
	Why     roster.Why
	From    time.Time              // zero: longer ago than anybody follows
	Until   time.Time              // zero: no end in sight
	Methods []people.ContactMethod // that may be used at that hour, in order
}

// Answer is who is on call by one schedule.
type Answer struct {
	Schedule   tenants.ScheduleID
	Name       string // of the schedule
	At         time.Time
	CompiledAt time.Time // how old the data is
	Now        []Shift   // in the order in which they are called; empty when nobody of the schedule is in the directory any more
	Until      time.Time // the moment at which the people or their order change; zero: not in sight
	Next       *Shift    // who comes then; nil: nobody is known
}

// At answers for an account at t by each of its schedules, the first one first; none when it has no schedule. Times are in the zone
// of the schedule. ErrNoAccount when the copy has no such account.
func At(c *routing.Copy, account tenants.AccountID, t time.Time) ([]Answer, error) {
	if c.Account(account) == nil {
		return nil, ErrNoAccount
	}
	known := directoryOf(c, account)
	schedules := c.SchedulesOf(account)
	all := make([]Answer, len(schedules))
	for i := range schedules {
		all[i] = answer(&schedules[i], known, t)
		all[i].CompiledAt = c.CompiledAt
	}
	return all, nil
}

// AnswerOf is who is on call by one schedule at t, which need not be in the copy as it is given.
func AnswerOf(c *routing.Copy, s *roster.Schedule, t time.Time) Answer {
	a := answer(s, directoryOf(c, s.Account), t)
	a.CompiledAt = c.CompiledAt
	return a
}

// NameOf is the name of somebody in an account's directory; "" when it has nobody of that ID.
func NameOf(c *routing.Copy, account tenants.AccountID, id tenants.PersonID) string {
	return directoryOf(c, account).name(id)
}

// directory is an account's people by ID.
type directory map[tenants.PersonID]*people.Person

func directoryOf(c *routing.Copy, account tenants.AccountID) directory {
	listed := c.PeopleOf(account)
	known := make(directory, len(listed))
	for i := range listed {
		known[listed[i].ID] = &listed[i]
	}
	return known
}

func answer(s *roster.Schedule, known directory, t time.Time) Answer {
	resolved := roster.OnCall(s, t)
	a := Answer{Schedule: s.ID, Name: s.Name, At: resolved.At, Until: resolved.Until}
	for _, shift := range resolved.Now {
		if p := known[shift.Person]; p != nil {
			a.Now = append(a.Now, shiftOf(p, shift, resolved.At))
			a.Now[len(a.Now)-1].Order = len(a.Now)
		}
	}
	if p := known[s.CatchAll]; p != nil && len(a.Now) == 0 {
		gap := roster.Shift{Entry: roster.Entry{Person: s.CatchAll, Order: 1, Why: roster.ByCatchAll}, Until: resolved.Until}
		a.Now = append(a.Now, shiftOf(p, gap, resolved.At))
	}
	if resolved.Next != nil {
		p := known[resolved.Next.Person]
		if p == nil {
			p = known[s.CatchAll]
		}
		if p != nil {
			next := shiftOf(p, *resolved.Next, resolved.Next.From)
			a.Next = &next
		}
	}
	return a
}

func shiftOf(p *people.Person, s roster.Shift, at time.Time) Shift {
	return Shift{Person: *p, Order: s.Order, Why: s.Why, From: s.From, Until: s.Until, Methods: p.Reach(at)}
}
