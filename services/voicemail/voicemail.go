// Package voicemail is a kept message as data: what a caller left, and what became of it. A message is new until somebody
// heard it, and open until somebody says that it was handled. Nothing here deletes one.
//
// A change is decided by [Mark], journaled as a command ([Command]), and only then shown: the table that lists read from
// is a projection of the journal.
package voicemail

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/services/journal"
	"holdfast/tenants"
)

// State is what became of a message.
type State string

// The states of a message. Any may follow any other: a supervisor may open again what was handled by mistake.
const (
	New     State = "new"
	Heard   State = "heard"
	Handled State = "handled" // somebody did what was asked for
)

// Valid reports whether s is one of the three states.
func (s State) Valid() bool { return s == New || s == Heard || s == Handled }

// Voicemail is one kept message.
type Voicemail struct {
	ID          tenants.VoicemailID
	Tenant      tenants.TenantID
	Call        tenants.CallID
	Account     tenants.AccountID
	AccountName string
	Caller      string
	CallerName  string
	Called      string
	Node        string // whose disk holds the recording
	At          time.Time
	Duration    time.Duration
	Empty       bool   // under 1 s of audio
	CutShort    bool   // the node died while it was recorded
	SHA256      string // of the µ-law audio, hex
	Urgent      bool
	State       State
	By          string // name of who changed the state last
	Note        string // what was done
	HandledAt   *time.Time
}

// Change is what somebody wants to be different; nil leaves a thing as it is.
type Change struct {
	State  *State
	Urgent *bool
	Note   *string
}

// Filter narrows a list; zero fields do not.
type Filter struct {
	States  []State
	Account tenants.AccountID
	Only    []tenants.AccountID // left for these accounts alone; nil: for all, and for none
	Call    tenants.CallID
	Cursor  string // as returned with the page before
	Limit   int    // 1 to 200; 0 means 50
}

// Unhandled is the count of messages that nobody has handled, and when the oldest came; nil when there is none.
type Unhandled struct {
	Account tenants.AccountID // whose; "": nobody's in particular, or all together
	Count   int
	Urgent  int
	Oldest  *time.Time
}

// noteRunes bounds what may be written about a message.
const noteRunes = 2000

var (
	// ErrNotAllowed says that the actor may not change this message.
	ErrNotAllowed = errors.New("not allowed to change this voicemail")
	// ErrBadChange says that the change makes no sense: an unknown state, or a note that is too long.
	ErrBadChange = errors.New("not a valid change of a voicemail")
)

// Mark returns the message with the change made by actor at now. It returns ErrNotAllowed for an actor of another tenant
// or without a role, and ErrBadChange for a change that changes nothing or is not valid.
func Mark(v Voicemail, c Change, actor tenants.Actor, now time.Time) (Voicemail, error) {
	if actor.Tenant != v.Tenant || !actor.May(tenants.RoleOperator) {
		return v, ErrNotAllowed
	}
	if c.State == nil && c.Urgent == nil && c.Note == nil {
		return v, fmt.Errorf("%w: nothing is to be changed", ErrBadChange)
	}
	if c.Note != nil {
		note := strings.TrimSpace(strings.ToValidUTF8(*c.Note, ""))
		if utf8.RuneCountInString(note) > noteRunes {
			return v, fmt.Errorf("%w: a note has at most %d characters", ErrBadChange, noteRunes)
		}
		v.Note = note
	}
	if c.Urgent != nil {
		v.Urgent = *c.Urgent
	}
	if c.State == nil {
		return v, nil
	}
	if !c.State.Valid() {
		return v, fmt.Errorf("%w: unknown state %q", ErrBadChange, *c.State)
	}
	if v.State == *c.State {
		return v, nil // who handled it first, and when, stays
	}
	v.State, v.By, v.HandledAt = *c.State, nameOf(actor), nil
	if v.State == Handled {
		v.HandledAt = &now
	}
	return v, nil
}

func nameOf(a tenants.Actor) string {
	if a.Name != "" {
		return a.Name
	}
	return a.Email
}

// TypeMarked is the type of the command that changes a message.
const TypeMarked = "voicemail.marked"

// Marked is the data of that command: the message's changeable part as it is afterwards.
type Marked struct {
	Voicemail tenants.VoicemailID `json:"voicemail"`
	State     State               `json:"state"`
	Urgent    bool                `json:"urgent"`
	By        string              `json:"by"`
	Note      string              `json:"note"`
	HandledAt *time.Time          `json:"handled_at,omitempty"`
	User      tenants.OperatorID  `json:"user"` // who did it
}

// Command returns the journal's entry for a message that Mark changed. The caller appends and syncs it before it tells
// anyone.
func Command(v Voicemail, actor tenants.Actor, now time.Time) journal.Event {
	data, _ := json.Marshal(Marked{ // plain values: cannot fail
		Voicemail: v.ID, State: v.State, Urgent: v.Urgent, By: v.By, Note: v.Note, HandledAt: v.HandledAt, User: actor.User,
	})
	return journal.Event{
		Tenant: v.Tenant, Kind: journal.Command, ID: tenants.NewID(), Seq: 1, At: now, Type: TypeMarked, Final: true, Data: data,
	}
}
