package activation

import (
	"maps"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Type is what happened; it is the type of the journal entry too.
type Type string

// The events of an activation. By and ByName say who, where a person did it.
const (
	Declared  Type = "declared"   // Cause: operators are to answer
	StoodDown Type = "stood_down" // Cause: back to standby
	Switched  Type = "switched"   // Node's next caller is queued
	Paged     Type = "paged"      // Pages: operators were written to
	Unpaged   Type = "unpaged"    // Operator, Why: one could not be
	Opened    Type = "opened"     // Operator, Link: a link was used
	Ready     Type = "ready"      // Operator can be put through to
	Called    Type = "called"     // Call: a caller came into the queue
	Answered  Type = "answered"   // Call, Operator
	Dialled   Type = "dialled"    // Number: somebody dialled its code
	Undialled Type = "undialled"  // Number: that was a mistake
	Failed    Type = "failed"     // Number, Why: its carrier refused
	Proven    Type = "proven"     // Number, Call: a call for it arrived
)

// Event is one fact with its time.
type Event struct {
	Type       Type               `json:"type"`
	At         time.Time          `json:"at"`
	Activation string             `json:"activation,omitempty"` // which one: a UUIDv7; "": a tenant that was live from the beginning
	By         tenants.OperatorID `json:"by,omitempty"`
	ByName     string             `json:"by_name,omitempty"`
	Cause      string             `json:"cause,omitempty"`
	Pages      []Page             `json:"pages,omitempty"`
	Operator   tenants.OperatorID `json:"operator,omitempty"`
	Link       string             `json:"link,omitempty"`
	Call       tenants.CallID     `json:"call_id,omitempty"`
	Number     string             `json:"number,omitempty"`
	Why        string             `json:"why,omitempty"`
}

// Page is one operator who was called to work.
type Page struct {
	Operator tenants.OperatorID `json:"operator"`
	Name     string             `json:"name"`
	Link     string             `json:"link,omitempty"` // id of the sign-in link; "": none was sent
	At       time.Time          `json:"at,omitzero"`
	OpenedAt time.Time          `json:"opened_at,omitzero"`
	ReadyAt  time.Time          `json:"ready_at,omitzero"`
	Why      string             `json:"why,omitempty"` // why it could not be sent
}

// Press is one time that operators were declared to answer.
type Press struct {
	Activation string    `json:"activation"`
	At         time.Time `json:"at"`
	Cause      string    `json:"cause"`
	ByName     string    `json:"by_name,omitempty"`
}

// Mark is how far a number is forwarded to us.
type Mark string

// The marks of a number.
const (
	MarkNone    Mark = "not_yet"
	MarkDialled Mark = "dialled"
	MarkProven  Mark = "proven"
	MarkFailed  Mark = "failed"
)

// Progress is what is known of one number since the activation.
type Progress struct {
	Mark   Mark           `json:"mark"`
	At     time.Time      `json:"at"`
	ByName string         `json:"by_name,omitempty"`
	Why    string         `json:"why,omitempty"`
	Call   tenants.CallID `json:"call_id,omitempty"`
}

// Clocks are when each step became true for the first time; zero: not yet.
type Clocks struct {
	Declared time.Time `json:"declared,omitzero"`
	Switched time.Time `json:"switched,omitzero"`
	Paged    time.Time `json:"paged,omitzero"`
	Ready    time.Time `json:"ready,omitzero"`
	Called   time.Time `json:"called,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
}

// State is a tenant's standing with the story of its last activation. Nobody changes one: [Step] makes the next.
type State struct {
	Live       bool                        `json:"live"`
	Since      time.Time                   `json:"since"`
	Cause      string                      `json:"cause"`
	ByName     string                      `json:"by_name,omitempty"`
	Activation string                      `json:"activation,omitempty"`
	Presses    []Press                     `json:"presses,omitempty"` // the button, wherever it was pressed since Stood: all are one activation
	Stood      time.Time                   `json:"stood,omitzero"`    // the last stand-down: whatever was declared before it is over
	Clocks     Clocks                      `json:"clocks"`
	Pages      map[tenants.OperatorID]Page `json:"pages,omitempty"`
	Numbers    map[string]Progress         `json:"numbers,omitempty"` // by published number, or the emergency number where none is
	Version    uint64                      `json:"version"`           // grows with every change here
}

// Standing is the state in the terms of the routing copy.
func (s State) Standing() routing.Standing {
	state := routing.Standby
	if s.Live {
		state = routing.Live
	}
	return routing.Standing{State: state, Since: s.Since, Cause: s.Cause}
}

// of reports whether an event belongs to the present activation.
func (s State) of(e Event) bool {
	return s.Activation == e.Activation || slices.ContainsFunc(s.Presses, func(p Press) bool { return p.Activation == e.Activation })
}

// clone copies what Step changes in place.
func (s State) clone() State {
	s.Presses = slices.Clone(s.Presses)
	s.Pages, s.Numbers = maps.Clone(s.Pages), maps.Clone(s.Numbers)
	if s.Pages == nil {
		s.Pages = map[tenants.OperatorID]Page{}
	}
	if s.Numbers == nil {
		s.Numbers = map[string]Progress{}
	}
	return s
}
