package interim

import (
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// Item is a note or an override: exactly one of Note and Override is there.
type Item struct {
	ID       string             `json:"id"`
	Tenant   tenants.TenantID   `json:"tenant"`
	Account  tenants.AccountID  `json:"account"`
	Schedule tenants.ScheduleID `json:"schedule,omitempty"` // of an override
	Override *roster.Override   `json:"override,omitempty"`
	Note     *routing.Note      `json:"note,omitempty"`
	Set      Writer             `json:"set,omitzero"`
	Ended    *Writer            `json:"ended,omitempty"` // by whom it was ended before its time
}

// Writer is who did something, and when.
type Writer struct {
	User tenants.OperatorID `json:"user,omitempty"`
	Name string             `json:"name"`
	At   time.Time          `json:"at"`
}

// The types of an item's events. Each bears the whole item.
const (
	Set   = "set"
	Ended = "ended"
	Kept  = "kept" // a compiled copy says the same: the story is closed
)

// span is when the item holds, by its own word: until is not after from when it never did.
func (i *Item) span() (from, until time.Time) {
	if i.Note != nil {
		from, until = i.Note.From, i.Note.Until
	} else {
		from, until = i.Override.From, i.Override.To
	}
	if i.Ended != nil {
		until = earlier(until, i.Ended.At)
	}
	return from, until
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// sound reports whether the item is one: it may come from another node.
func (i *Item) sound() bool {
	return i.ID != "" && i.Tenant != "" && i.Account != "" && (i.Note != nil) != (i.Override != nil) && (i.Override == nil) == (i.Schedule == "")
}

// in reports whether a copy says of the item what the item says. what is the copy's own, for ending it: nil when there is none.
func (i *Item) in(c *routing.Copy) bool {
	found := find(c, i.Account, i.ID)
	from, until := i.span()
	switch {
	case found == nil:
		return i.Ended != nil && !until.After(from)
	case i.Ended == nil:
		return true // set, and perhaps changed since
	default:
		_, has := found.span()
		return !has.After(until)
	}
}

// lay returns c with the item as it says: a new copy, sharing what did not change.
func (i *Item) lay(c *routing.Copy) *routing.Copy {
	next := *c
	from, until := i.span()
	if i.Note != nil {
		next.Notes = slices.DeleteFunc(slices.Clone(c.Notes), func(n routing.Note) bool { return n.ID == i.ID && n.Account == i.Account })
		if until.After(from) {
			n := *i.Note
			n.Until = until
			next.Notes = append(next.Notes, n)
			routing.SortNotes(next.Notes)
		}
		return &next
	}
	next.Schedules = slices.Clone(c.Schedules)
	for k := range next.Schedules {
		s := &next.Schedules[k]
		if s.ID != i.Schedule || s.Account != i.Account {
			continue
		}
		at := slices.IndexFunc(s.Overrides, func(o roster.Override) bool { return o.ID == i.ID })
		s.Overrides = slices.Clone(s.Overrides)
		o := *i.Override
		o.To = until
		switch {
		case at < 0 && until.After(from): // the latest is applied to the result of all before it
			s.Overrides = append(s.Overrides, o)
		case at >= 0 && until.After(from):
			s.Overrides[at].To = until
		case at >= 0:
			s.Overrides = slices.Delete(s.Overrides, at, at+1)
		}
	}
	return &next
}

// find makes an item of what a copy has by that ID; nil when it has none.
func find(c *routing.Copy, account tenants.AccountID, id string) *Item {
	for _, n := range c.NotesOf(account) {
		if n.ID == id {
			return &Item{ID: id, Tenant: c.Tenant, Account: account, Note: &n, Set: Writer{Name: n.By, At: n.At}}
		}
	}
	for _, s := range c.SchedulesOf(account) {
		for _, o := range s.Overrides {
			if o.ID == id {
				return &Item{ID: id, Tenant: c.Tenant, Account: account, Schedule: s.ID, Override: &o, Set: Writer{Name: o.By, At: o.At}}
			}
		}
	}
	return nil
}
