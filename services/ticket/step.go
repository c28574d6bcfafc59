package ticket

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrStale says that an event changes nothing: what it wants is so already. The state is unchanged.
var ErrStale = errors.New("it is so already")

// Refusal says that an event makes no sense in a phase, or is not this operator's. Code is stable: pages explain it.
type Refusal struct {
	Phase  Phase
	Event  Type
	Code   string // "not_now", "locked", "not_yours", "empty", "bad_value", "no_address"
	Reason string
}

// Error names phase, event and reason.
func (r *Refusal) Error() string {
	return fmt.Sprintf("ticket in phase %q refuses %q: %s", r.Phase, r.Event, r.Reason)
}

// Step gives the ticket after e. It returns the ticket unchanged with ErrStale or a *Refusal when e has no effect.
func Step(s State, e Event) (State, error) {
	m := move{s: s, e: e}
	if err := m.step(); err != nil {
		return s, err
	}
	if e.Type != Restated {
		m.s.ChangedAt = e.At
	}
	m.s.Seq++
	return m.s, nil
}

// Fold gives the ticket after all of its events, as they were journaled.
func Fold(events []Event) (State, error) {
	var s State
	for i, e := range events {
		next, err := Step(s, e)
		if err != nil {
			return s, fmt.Errorf("event %d: %w", i+1, err)
		}
		s = next
	}
	return s, nil
}

type move struct {
	s State
	e Event
}

func (m *move) refuse(code, reason string) error {
	return &Refusal{Phase: m.s.Phase, Event: m.e.Type, Code: code, Reason: reason}
}

func (m *move) writer() Writer { return Writer{m.e.By, m.e.Name, m.e.At} }

func (m *move) step() error {
	switch {
	case m.e.Type == Begun:
		return m.begun()
	case m.e.Type == Undelivered:
		return m.undelivered()
	case m.e.Type == Restated:
		return m.restated()
	case m.s.Phase == None:
		return m.refuse("not_now", "this message was never begun")
	}
	switch m.e.Type {
	case Changed:
		return m.changed()
	case Taken:
		return m.taken()
	case Saved:
		return m.saved()
	case Appended:
		return m.appended()
	case HandedOver:
		return m.delivered()
	case MailBegun:
		return m.mailBegun()
	case MailSent:
		return m.mailSent()
	case MailFailed:
		return m.mailFailed()
	case Dropped:
		return m.dropped()
	default:
		return m.refuse("not_now", "there is no such event")
	}
}

func (m *move) begun() error {
	o := m.e.Origin
	if m.s.Phase != None || o == nil || o.ID == "" {
		return m.refuse("not_now", "a message begins once, with where it comes from")
	}
	m.s = State{
		ID: o.ID, Tenant: o.Tenant, Call: o.Call, Account: o.Account, AccountName: o.AccountName,
		Caller: o.Caller, CallerName: o.CallerName, Called: o.Called,
		Phase: Draft, Fields: map[string]Field{}, Holders: []Writer{m.writer()}, BegunAt: m.e.At,
	}
	if strings.HasPrefix(o.Caller, "+") {
		m.s.Fields[FieldCallback] = Field{Value: o.Caller}
	}
	return nil
}

// changed: the last change wins; what it did not see and writes over is kept beside it.
func (m *move) changed() error {
	limit, known := fieldRunes[m.e.Field]
	switch {
	case m.s.Phase == Discarded:
		return m.refuse("not_now", "this message was discarded")
	case m.s.Phase != Draft:
		return m.refuse("locked", "this message is saved and locked: add to it instead")
	case !known:
		return m.refuse("bad_value", "a message has no such field")
	case utf8.RuneCountInString(m.e.Value) > limit:
		return m.refuse("bad_value", fmt.Sprintf("this field takes at most %d characters", limit))
	case m.e.Field == FieldUrgent && m.e.Value != "" && m.e.Value != "yes":
		return m.refuse("bad_value", `urgent is "yes" or empty`)
	case m.e.By != m.s.Holder().Operator:
		return m.refuse("not_yours", m.s.Holder().Name+" has taken this message over: take it back to write in it")
	}
	old := m.s.Fields[m.e.Field]
	if old.Value == m.e.Value {
		return ErrStale
	}
	now := Field{Value: m.e.Value, Revision: old.Revision + 1, By: m.writer()}
	if m.e.Base < old.Revision {
		now.Replaced = &Replaced{old.Value, old.Revision, old.By}
	}
	m.s.Fields = maps.Clone(m.s.Fields)
	m.s.Fields[m.e.Field] = now
	return nil
}

func (m *move) taken() error {
	switch {
	case m.s.Phase == Discarded:
		return m.refuse("not_now", "this message was discarded")
	case m.s.Holder().Operator == m.e.By:
		return ErrStale
	}
	m.s.Holders = append(slices.Clip(m.s.Holders), m.writer())
	return nil
}

func (m *move) saved() error {
	switch {
	case m.s.Phase == Owed, m.s.Phase == Delivered:
		return ErrStale
	case m.s.Phase != Draft:
		return m.refuse("not_now", "this message was discarded")
	case m.e.By != m.s.Holder().Operator:
		return m.refuse("not_yours", m.s.Holder().Name+" has taken this message over: take it back to save it")
	case m.s.Empty():
		return m.refuse("empty", "nothing is written yet: there is no message to save")
	case m.e.Number == 0:
		return m.refuse("not_now", "a message is saved with a number")
	}
	by := m.writer()
	m.s.Number, m.s.Saved = m.e.Number, &by
	m.owe()
	return nil
}

// owe makes the ticket owed, with the time at which somebody must act.
func (m *move) owe() {
	m.s.Phase = Owed
	m.s.NextAt = m.e.DayEnds
	if !m.s.NextAt.After(m.e.At) {
		m.s.NextAt = m.e.At.Add(aDay)
	}
	if m.s.Urgent() {
		m.s.NextAt = m.e.At.Add(UrgentAfter)
	}
}

// appended adds to what is locked: the caller rang again. What was delivered is what the client has, so it stays.
func (m *move) appended() error {
	text := strings.TrimSpace(m.e.Text)
	switch {
	case m.s.Phase == Draft:
		return m.refuse("not_now", "this message is not saved yet: write in it")
	case m.s.Phase == Discarded:
		return m.refuse("not_now", "this message was discarded")
	case m.s.Phase == Delivered:
		return m.refuse("locked", "this message was delivered: set it undelivered to add to it")
	case text == "":
		return m.refuse("empty", "there is nothing to add")
	case utf8.RuneCountInString(text) > noteRunes:
		return m.refuse("bad_value", fmt.Sprintf("at most %d characters can be added at once", noteRunes))
	case len(m.s.Notes) >= notesMax:
		return m.refuse("bad_value", "this message has too many additions: write a new one")
	}
	m.s.Notes = append(slices.Clip(m.s.Notes), Note{text, m.writer()})
	return nil
}

func (m *move) delivered() error {
	switch {
	case m.s.Phase == Delivered:
		return ErrStale
	case m.s.Phase != Owed:
		return m.refuse("not_now", "only a saved message can be delivered")
	case m.e.To == "":
		return m.refuse("empty", "say to whom the message was delivered")
	case utf8.RuneCountInString(m.e.To) > routeRunes, utf8.RuneCountInString(m.e.How) > routeRunes:
		return m.refuse("bad_value", fmt.Sprintf("to whom and how take at most %d characters", routeRunes))
	}
	m.s.Phase, m.s.NextAt, m.s.Mailing = Delivered, time.Time{}, nil
	m.s.Deliveries = append(slices.Clip(m.s.Deliveries), Delivery{To: m.e.To, How: cmp.Or(m.e.How, "by hand"), By: m.writer()})
	return nil
}

// undelivered makes a delivered ticket owed again. Its story was final, so what replays it may begin here.
func (m *move) undelivered() error {
	if m.s.Phase == None && m.e.Ticket != nil {
		m.s = *m.e.Ticket
	}
	switch {
	case m.s.Phase == Owed:
		return ErrStale
	case m.s.Phase != Delivered || len(m.s.Deliveries) == 0:
		return m.refuse("not_now", "only a delivered message can be set undelivered")
	}
	by := m.writer()
	m.s.Deliveries = slices.Clone(m.s.Deliveries)
	m.s.Deliveries[len(m.s.Deliveries)-1].Undone = &by
	m.owe()
	return nil
}

// restated says again what is so: whoever has not read the story before may begin here.
func (m *move) restated() error {
	switch {
	case m.e.Ticket == nil:
		return m.refuse("not_now", "a message is restated with the whole of it")
	case m.s.Phase == None:
		m.s = *m.e.Ticket
	}
	return nil
}

func (m *move) dropped() error {
	switch {
	case m.s.Phase == Discarded:
		return ErrStale
	case m.s.Phase != Draft:
		return m.refuse("not_now", "a saved message is never discarded")
	case !m.s.Empty():
		return m.refuse("not_now", "something is written in this message: it is kept")
	}
	m.s.Phase = Discarded
	return nil
}
