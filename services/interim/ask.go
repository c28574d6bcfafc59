package interim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

const (
	// longest is how long an override or a note may hold: what stands longer belongs into the schedule or the instructions.
	longest = 366 * 24 * time.Hour
	// earliest is how far back an override may begin: who took the calls of last week may still be set right.
	earliest = 31 * 24 * time.Hour
	// noteRunes bounds a note, in characters: it is read with a caller on the line.
	noteRunes = 500
	// mostNotes and mostOverrides bound what one account and one schedule hold.
	mostNotes, mostOverrides = 50, 1000
)

// OverrideWish is an override as somebody asks for it. Zero From: now.
type OverrideWish struct {
	Account  tenants.AccountID
	Schedule tenants.ScheduleID // "": the account's first
	From, To time.Time
	Replaces roster.What // "": everybody
	Replaced string      // the layer's or person's ID
	Person   tenants.PersonID
	Note     string
}

// NoteWish is a note as somebody asks for it. Zero From: now.
type NoteWish struct {
	Account     tenants.AccountID
	Text        string
	From, Until time.Time
}

// SetOverride sets an override and returns once it is safe on this disk; it holds at once. Errors of it and of all below:
// ErrNotFound, ErrForbidden, ErrNotKept, joined *people.Problems.
func (b *Board) SetOverride(ctx context.Context, actor tenants.Actor, w OverrideWish) (Item, error) {
	c, err := b.may(actor, w.Account)
	if err != nil {
		return Item{}, err
	}
	now := b.cfg.Now()
	o := OverrideOf(w, nameOf(actor), now)
	s := scheduleOf(c, w.Account, w.Schedule)
	if s == nil {
		return Item{}, ErrNotFound
	}
	if err := CheckOverride(c, s, o, now); err != nil {
		return Item{}, err
	}
	i := Item{ID: o.ID, Tenant: c.Tenant, Account: w.Account, Schedule: s.ID, Override: &o, Set: Writer{actor.User, nameOf(actor), o.At}}
	return i, b.apply(ctx, Set, i, now)
}

// OverrideOf is what a wish becomes at now.
func OverrideOf(w OverrideWish, by string, now time.Time) roster.Override {
	return roster.Override{
		ID: tenants.NewID(), From: whole(w.From, now), To: w.To.UTC().Truncate(time.Second), Replaces: cmp.Or(w.Replaces, roster.All),
		Replaced: w.Replaced, Person: w.Person, Note: clean(w.Note), By: by, At: now.UTC().Truncate(time.Microsecond),
	}
}

// CheckOverride returns everything that is wrong with an override of a copy's schedule at now, as joined *people.Problems.
func CheckOverride(c *routing.Copy, s *roster.Schedule, o roster.Override, now time.Time) error {
	if err := s.CheckOverride(o, func(id tenants.PersonID) bool { return isPerson(c, s.Account, id) }); err != nil {
		return err
	}
	switch {
	case o.Replaces == roster.Person && o.Replaced == string(o.Person):
		return problem("person", "same_person", "is the one who is to be replaced: choose somebody else")
	case o.Replaces == roster.All && o.Replaced != "":
		return problem("replaced", "", "is said, and everybody is replaced: say one of them")
	case !o.To.After(now) && o.From.After(now.Add(-time.Minute)): // one in the past is set right on purpose
		return problem("to", "over", "is over already")
	case o.From.Before(now.Add(-earliest)):
		return problem("from", "long_ago", "is more than %d days ago", int(earliest.Hours()/24))
	case o.To.Sub(o.From) > longest || o.From.After(now.Add(longest)):
		return problem("to", "far_ahead", "is more than a year away: change the schedule instead")
	case len(s.Overrides) >= mostOverrides:
		return problem("schedule", "many_overrides", "has %d overrides, more are not possible", len(s.Overrides))
	}
	return nil
}

// SetNote writes a note.
func (b *Board) SetNote(ctx context.Context, actor tenants.Actor, w NoteWish) (Item, error) {
	c, err := b.may(actor, w.Account)
	if err != nil {
		return Item{}, err
	}
	now := b.cfg.Now()
	n := routing.Note{
		ID: tenants.NewID(), Account: w.Account, Text: strings.TrimSpace(clean(w.Text)), From: whole(w.From, now),
		Until: w.Until.UTC().Truncate(time.Second), By: nameOf(actor), At: now.UTC().Truncate(time.Microsecond),
	}
	switch {
	case n.Text == "":
		return Item{}, problem("text", "empty", "is empty")
	case utf8.RuneCountInString(n.Text) > noteRunes:
		return Item{}, problem("text", "too_long", "is longer than %d characters", noteRunes)
	case !n.Until.After(n.From) || !n.Until.After(now):
		return Item{}, problem("until", "over", "is over already")
	case n.From.Before(now.Add(-time.Minute)) || n.Until.Sub(n.From) > longest || n.From.After(now.Add(longest)):
		return Item{}, problem("until", "far_ahead", "is more than a year away: write it into the instructions instead")
	case len(c.NotesOf(w.Account)) >= mostNotes:
		return Item{}, problem("text", "many_notes", "cannot be added: the account has %d notes. End some of them", mostNotes)
	}
	i := Item{ID: n.ID, Tenant: c.Tenant, Account: w.Account, Note: &n, Set: Writer{actor.User, n.By, n.At}}
	return i, b.apply(ctx, Set, i, now)
}

// End ends an override or a note now; one that has not begun will not. Ending what is over changes nothing.
func (b *Board) End(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id string) (Item, error) {
	c, err := b.may(actor, account)
	if err != nil {
		return Item{}, err
	}
	i := find(c, account, id)
	if i == nil {
		return Item{}, ErrNotFound
	}
	now := b.cfg.Now()
	if _, until := i.span(); !until.After(now) {
		return *i, nil
	}
	i.Ended = &Writer{actor.User, nameOf(actor), now.UTC().Truncate(time.Second)}
	return *i, b.apply(ctx, Ended, *i, now)
}

// May reports whether the actor may set overrides and notes for the account.
func (b *Board) May(actor tenants.Actor, account tenants.AccountID) bool {
	_, err := b.may(actor, account)
	return err == nil
}

// may returns the actor's copy when the actor may set something for the account.
func (b *Board) may(actor tenants.Actor, account tenants.AccountID) (*routing.Copy, error) {
	c := b.cfg.Book.Copy(actor.Tenant)
	if c == nil || c.Account(account) == nil {
		return nil, ErrNotFound
	}
	if !c.Sees(actor, account) {
		return nil, ErrNotFound
	}
	if !actor.May(tenants.RoleSupervisor) && !c.Operator(actor.User).Has(tenants.RightOverride) {
		return nil, ErrForbidden
	}
	return c, nil
}

func scheduleOf(c *routing.Copy, account tenants.AccountID, id tenants.ScheduleID) *roster.Schedule {
	all := c.SchedulesOf(account)
	for i := range all {
		if all[i].ID == id || id == "" {
			return &all[i]
		}
	}
	return nil
}

func isPerson(c *routing.Copy, account tenants.AccountID, id tenants.PersonID) bool {
	return slices.ContainsFunc(c.PeopleOf(account), func(p people.Person) bool { return p.ID == id && p.Kind == people.Human })
}

// problem is a [people.Problem]; code "": the field says enough.
func problem(field, code, format string, args ...any) error {
	return &people.Problem{Field: field, Code: code, Text: fmt.Sprintf(format, args...)}
}

// whole is a beginning: now when none is given, and never a part of a second.
func whole(t, now time.Time) time.Time {
	if t.IsZero() {
		t = now
	}
	return t.UTC().Truncate(time.Second)
}

// clean makes text what every store takes: valid UTF-8 without control characters but line ends.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func nameOf(a tenants.Actor) string { return cmp.Or(a.Name, a.Email) }
