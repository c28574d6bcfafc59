package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/phone"
)

var (
	// ErrNoPerson says that the account has no such listing.
	ErrNoPerson = errors.New("no such listing")
	// ErrNeeded says that a person has turns; a NeededError tells where.
	ErrNeeded = errors.New("the person has turns in a schedule")
	// ErrStale says that the listing is not as it was read; a StaleError holds what it is.
	ErrStale = errors.New("somebody else has changed the listing")
	// ErrHeir says that the person who should take the turns cannot.
	ErrHeir = errors.New("that person cannot take the turns")
)

// StaleError is an ErrStale with the listing as it is now, and whose work that is.
type StaleError struct {
	Now  people.Person
	Last tenants.Mark // a Store fills it in
}

func (e *StaleError) Error() string { return ErrStale.Error() }

// Is makes a StaleError an ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// Use is a schedule that a person is needed in.
type Use struct {
	Schedule  tenants.ScheduleID
	Name      string
	Turns     bool // in a layer
	CatchAll  bool
	Overrides int // that hold now or will
}

// NeededError is an ErrNeeded with the schedules, and who of the account's persons could take the turns: those who share one
// of the schedules first.
type NeededError struct {
	Uses   []Use
	Others []people.Person
}

func (e *NeededError) Error() string { return ErrNeeded.Error() }

// Is makes a NeededError an ErrNeeded.
func (e *NeededError) Is(target error) bool { return target == ErrNeeded }

// Store keeps listings. by is the name of who does it. Errors: ErrNoAccount, ErrNoPerson, and what the functions return, which rolls everything back.
type Store interface {
	// Country is where an account's numbers are dialled from: how "06 1 555 0201" is read.
	Country(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID) (string, error)
	Person(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.PersonID) (people.Person, error)
	Add(ctx context.Context, tenant tenants.TenantID, by string, p people.Person) error
	// Change locks a listing, asks what it becomes, and keeps that.
	Change(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, id tenants.PersonID, become func(people.Person) (people.Person, error)) error
	// Remove takes a listing out. Its turns go to heir; without one a person with turns is a NeededError. judge sees the locked
	// listing first. now parts overrides that are over, which go with the person, from those that hold.
	Remove(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, id, heir tenants.PersonID, now time.Time, judge func(people.Person) error) error
	// Merge locks an account's listings, asks what to write, and writes it as one change. nil: look only.
	Merge(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, decide func(have []people.Person) (write []people.Person, err error)) error
}

// Done tells what was changed: to the journal, and to whoever compiles routing copies. what is "person.add", say.
type Done func(ctx context.Context, actor tenants.Actor, what string, data map[string]any) error

// Editor changes listings. It is safe for concurrent use: two people who change one listing are told of each other.
type Editor struct {
	store Store
	done  Done
	now   func() time.Time
}

// NewEditor makes an editor. done may be nil.
func NewEditor(store Store, done Done, now func() time.Time) *Editor {
	if done == nil {
		done = func(context.Context, tenants.Actor, string, map[string]any) error { return nil }
	}
	if now == nil {
		now = time.Now
	}
	return &Editor{store: store, done: done, now: now}
}

// Tag names one state of a listing: another state has another tag. It is an entity tag without its quotes.
func Tag(p people.Person) string {
	raw, err := json.Marshal(p)
	if err != nil { // cannot be: clocks and days that were read
		raw = fmt.Appendf(nil, "%v", p)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// Person reads one listing as it is kept.
func (e *Editor) Person(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID) (people.Person, error) {
	return e.store.Person(ctx, actor.Tenant, account, id)
}

// Add keeps a new listing and returns it with its ID, numbers in their whole form. Errors: ErrNoAccount, joined *people.Problem.
func (e *Editor) Add(ctx context.Context, actor tenants.Actor, p people.Person) (people.Person, error) {
	country, err := e.store.Country(ctx, actor.Tenant, p.Account)
	if err != nil {
		return p, err
	}
	p.ID = tenants.PersonID(tenants.NewID())
	p = tidy(p, country)
	if err := p.Check(); err != nil {
		return p, err
	}
	if err := e.store.Add(ctx, actor.Tenant, actor.Name, p); err != nil {
		return p, err
	}
	return p, e.done(ctx, actor, "person.add", told(actor, p))
}

// Change makes of a listing what edit returns, if it still is what tag names. Errors: ErrNoPerson, StaleError, joined
// *people.Problem.
func (e *Editor) Change(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID, tag string,
	edit func(people.Person) people.Person,
) (people.Person, error) {
	country, err := e.store.Country(ctx, actor.Tenant, account)
	if err != nil {
		return people.Person{}, err
	}
	var was, is people.Person
	err = e.store.Change(ctx, actor.Tenant, actor.Name, account, id, func(now people.Person) (people.Person, error) {
		was = now
		if Tag(now) != tag {
			return now, &StaleError{Now: now}
		}
		is = edit(now)
		is.ID, is.Account = now.ID, now.Account
		is = tidy(is, country)
		return is, is.Check()
	})
	if err != nil {
		return people.Person{}, err
	}
	if was.Equal(is) {
		return is, nil
	}
	data := told(actor, is)
	data["was"] = was
	return is, e.done(ctx, actor, "person.change", data)
}

// Remove takes a listing out, if it still is what tag names; its turns go to heir ("": it must have none). Errors:
// ErrNoPerson, StaleError, NeededError, ErrHeir.
func (e *Editor) Remove(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID, tag string, heir tenants.PersonID) error {
	var was people.Person
	err := e.store.Remove(ctx, actor.Tenant, actor.Name, account, id, heir, e.now(), func(now people.Person) error {
		was = now
		if Tag(now) != tag {
			return &StaleError{Now: now}
		}
		return nil
	})
	if err != nil {
		return err
	}
	data := told(actor, was)
	if heir != "" {
		data["turns_to"] = heir
	}
	return e.done(ctx, actor, "person.remove", data)
}

func told(actor tenants.Actor, p people.Person) map[string]any {
	return map[string]any{"account": p.Account, "person": p, "by": actor.User, "by_name": actor.Name}
}

// tidy writes a listing as it is kept: no blanks around texts, numbers whole, empty lists as none.
func tidy(p people.Person, country string) people.Person {
	for _, s := range []*string{&p.Name, &p.Role, &p.Department, &p.Note} {
		*s = strings.TrimSpace(*s)
	}
	if p.Kind == "" {
		p.Kind = people.Human
	}
	if p.Visibility == "" {
		p.Visibility = people.Everybody
	}
	p.Note = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(p.Note)
	languages := p.Languages
	p.Languages = nil
	for _, l := range languages {
		if l = strings.TrimSpace(l); l != "" {
			p.Languages = append(p.Languages, l)
		}
	}
	methods := p.Methods
	p.Methods = nil
	for _, m := range methods {
		m.Value, m.Label = strings.TrimSpace(m.Value), strings.TrimSpace(m.Label)
		if len(m.Hours) == 0 {
			m.Hours = nil
		}
		switch m.Kind {
		case people.Mobile, people.Phone, people.SMS, people.Fax:
			if n, err := phone.Parse(m.Value, country); err == nil {
				m.Value = n.String()
			}
		}
		p.Methods = append(p.Methods, m)
	}
	return p
}
