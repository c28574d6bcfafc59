// Package duty is the life of one operator's duty as a value: from opening the desk to going home. [Step] is the one
// transition function; it is pure, so that replaying a duty's events gives the same states on every node and for ever.
//
//	Checking ──checked──▶ Available ──offer──▶ Offered ──accept──▶ Talking ──ended──▶ WrapUp ──over──▶ Available
//	                        │  ▲ ▲               │ decline, miss        │                 │
//	                      pause│ └───────────────┴──▶ Paused ◀──────────┼── (pause asked) ┘
//	                        └──┴ here                                   │
//	any of these ──connection lost──▶ Lost ──back in time──▶ where it was; else Paused, and at last Away,
//	which comes at once for an operator who has a telephone, in Checking too
//
// An operator is answerable in Available only: the intent is there, the socket is up, and the media path is proven live.
// The duty's owner grants at most one offer at a time, and every offer has an epoch: an answer to an old one has no effect.
package duty

import (
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Phase is where a duty is.
type Phase string

// The phases of a duty.
const (
	None      Phase = ""          // before Began
	Checking  Phase = "checking"  // the line is not proven yet: no offers
	Available Phase = "available" // may be offered a call now
	Offered   Phase = "offered"   // one offer is out, until OfferEnds
	Talking   Phase = "talking"   // joined, or being joined, with Call
	Lost      Phase = "lost"      // connection lost a moment ago; Resume says where it was
	WrapUp    Phase = "wrap_up"   // finishing the message, until Until
	Paused    Phase = "paused"    // not offered calls; Why says why, Until when it ends by itself (zero: never)
	Away      Phase = "away"      // the duty is over
)

// Timings of a duty that no account changes.
const (
	// RejoinFor is how long a lost operator keeps call or place: long enough for a page reload on a slow line,
	// short enough for the caller (RELIABILITY FT-8).
	RejoinFor = 10 * time.Second
	// MissPause is how long an operator who did not answer an offer rests before the next.
	MissPause = 30 * time.Second
	// LostDuty is when a duty without a connection is over.
	LostDuty = 30 * time.Minute
	// DefaultWrapUp and DefaultOffer stand in where an offer names none.
	DefaultWrapUp = 5 * time.Second
	DefaultOffer  = 12 * time.Second
)

// Card is what an operator sees of a call: enough to answer it.
type Card struct {
	Call       tenants.CallID    `json:"call_id"`
	Account    string            `json:"account"` // name
	AccountID  tenants.AccountID `json:"account_id"`
	Initials   string            `json:"initials"`
	Colour     string            `json:"colour"`
	Shape      string            `json:"shape"`
	Phrase     string            `json:"phrase"` // answer phrase in Language, the operator's name filled in
	Language   string            `json:"language"`
	Caller     string            `json:"caller"` // E.164, or "anonymous"
	CallerName string            `json:"caller_name,omitempty"`
	Called     string            `json:"called"`
	InvitedAt  time.Time         `json:"invited_at"`
	OfferFor   time.Duration     `json:"offer_for"`
	WrapUp     time.Duration     `json:"wrap_up_for"`
	AfterLoss  bool              `json:"after_loss,omitempty"` // the caller lost another operator a moment ago
	From       string            `json:"from,omitempty"`       // the operator who asks; "": the queue or a supervisor
	Practice   bool              `json:"practice,omitempty"`   // a robot's call, which counts for nothing
	InClear    bool              `json:"in_clear,omitempty"`   // what is said is not encrypted on its way to the caller, though it should be where possible
	Blind      bool              `json:"blind,omitempty"`      // From gives the caller away; else From wants to speak first
}

// Line is who hears whom in the call of Talking, as the call tells it.
type Line struct {
	With      string    `json:"with"`                // call.With
	HeldSince time.Time `json:"held_since,omitzero"` // the caller hears comfort audio since then
	Reminders int       `json:"reminders,omitempty"` // how often the operator was reminded of that
	Guest     bool      `json:"guest,omitempty"`     // another operator has the call and asked this one in
	Host      string    `json:"host,omitempty"`      // that operator's name
	Unheard   string    `json:"unheard,omitempty"`   // call.Unheard: nothing is heard of the caller
	Third     *Third    `json:"third,omitempty"`     // who is in the call, is being asked into it, or was asked in vain
}

// Third is a third party as an operator sees it.
type Third struct {
	N        int                `json:"n"`
	Name     string             `json:"name,omitempty"`
	Number   string             `json:"number,omitempty"`
	Operator tenants.OperatorID `json:"operator,omitempty"`
	Blind    bool               `json:"blind,omitempty"`
	State    ThirdState         `json:"state"`
	Since    time.Time          `json:"since"`
	Reason   string             `json:"reason,omitempty"` // of ThirdOver, stable: call.Third's Outcome
}

// ThirdState is how far a third party is.
type ThirdState string

// The states of a third party.
const (
	ThirdCalling ThirdState = "calling" // nothing is heard of it yet
	ThirdRinging ThirdState = "ringing"
	ThirdUp      ThirdState = "up"   // has answered
	ThirdLost    ThirdState = "lost" // an operator who has lost the connection: back in a moment, or over
	ThirdOver    ThirdState = "over" // is gone, or never came: Reason
)

// State is a duty as it stands. The zero State is None.
type State struct {
	Duty      tenants.DutyID           `json:"duty"`
	Tenant    tenants.TenantID         `json:"tenant"`
	Operator  tenants.OperatorID       `json:"operator"`
	Name      string                   `json:"name"`
	Email     string                   `json:"email"`
	Languages map[string]routing.Grade `json:"languages"`
	Accounts  []tenants.AccountID      `json:"accounts,omitzero"`
	Phase     Phase                    `json:"state"`
	Since     time.Time                `json:"since"`
	Until     time.Time                `json:"until,omitzero"` // end of offer, wrap-up, rest or rejoin
	Why       string                   `json:"why,omitempty"`  // of Paused, Away: "asked", "missed", "connection_lost", "cut_off", "supervisor", "went_home", "replaced"
	Resume    Phase                    `json:"resume,omitempty"`
	Epoch     uint64                   `json:"epoch"`          // of the newest offer granted
	Card      *Card                    `json:"card,omitempty"` // the call of Offered, Talking, Lost in a call, WrapUp
	Line      *Line                    `json:"line,omitempty"` // of Talking, and Lost in a call; nil: caller and operator hear each other. Of Paused as cut_off: whose call it was
	Socket    bool                     `json:"socket"`
	Media     bool                     `json:"media"`
	Checked   bool                     `json:"checked"`
	Deserted  bool                     `json:"deserted,omitempty"`   // the page is gone for longer than it is waited for: a telephone may have the place
	PauseNext string                   `json:"pause_next,omitempty"` // pause asked during a call: taken after it
	HomeNext  bool                     `json:"home_next,omitempty"`
	IdleSince time.Time                `json:"idle_since,omitzero"` // longest idle is offered first; kept over pauses
	JoinedAt  time.Time                `json:"joined_at,omitzero"`  // when the caller of Talking was connected
	Calls     int                      `json:"calls"`               // accepted in this duty
	Missed    int                      `json:"missed"`
}

// Answerable reports whether a call may be offered to this operator now.
func (s State) Answerable() bool { return s.Phase == Available && s.Socket && s.Media }

// Practising reports whether a robot's call is what this operator does. It ends the moment a real caller waits: a second later
// the operator is answerable.
func (s State) Practising() bool {
	return s.Card != nil && s.Card.Practice && (s.Phase == Offered || s.Phase == Talking) && s.Socket && s.Media
}

// OnDuty reports whether this operator counts as staff: somebody for whom a caller may sensibly wait.
func (s State) OnDuty() bool {
	switch s.Phase {
	case Available, Offered, Talking, WrapUp:
		return true
	case Lost:
		return s.Resume == Available || s.Resume == Offered || s.Resume == Talking || s.Resume == WrapUp
	case Paused:
		return s.Why == "missed" // back by itself in seconds
	default:
		return false
	}
}
