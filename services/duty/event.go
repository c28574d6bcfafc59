package duty

import (
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Type is what happened to a duty; it is the type of the journal entry too.
type Type string

// The events of a duty.
const (
	Began      Type = "began"       // Who: the operator opened the desk. Resumed: with the secret of an earlier duty
	SocketUp   Type = "socket_up"   // the page is connected
	SocketDown Type = "socket_down" // the page is gone, or silent too long
	MediaUp    Type = "media_up"    // audio can flow
	MediaDown  Type = "media_down"  // it cannot
	Checked    Type = "checked"     // the operator heard their own voice come back
	Ready      Type = "ready"       // the operator asks for calls
	PauseAsked Type = "pause"       // Reason, By "" for the operator, else the supervisor's name
	HomeAsked  Type = "home"        // the operator goes home
	Offering   Type = "offering"    // Card, Epoch: a call asks to be shown
	Accept     Type = "accept"      // Call, Epoch
	Decline    Type = "decline"     // Call, Epoch
	Withdrawn  Type = "withdrawn"   // Call, Epoch, Reason: the call takes the offer, or itself, away
	Joined     Type = "joined"      // Call: caller and operator hear each other
	LineTold   Type = "line"        // Call, Line: who hears whom; Line nil: caller and operator, as usual
	HangUp     Type = "hang_up"     // Call: the operator ends it
	TimerFired Type = "timer"       // Timer
	Relieved   Type = "relieved"    // the operator's telephone can take the place of a page that is not awaited any more
	Closed     Type = "closed"      // Reason: the node ends the duty, or ended with it
)

// The timers of a duty.
const (
	TimerOffer  = "offer"
	TimerWrapUp = "wrap_up"
	TimerRest   = "rest"
	TimerRejoin = "rejoin"
	TimerGone   = "gone"
)

// Reasons of a Withdrawn that a lost operator is told apart by. After any other the call goes on without them. The last two are
// said by services/call (see its ending.go and talking.go).
const (
	RejoinOver   = "rejoin_over"    // the caller has waited long enough
	CallEnded    = "call_ended"     // for everybody
	CallerHungUp = "caller_hung_up" // and it has ended by that
)

// Who is the operator of a duty.
type Who struct {
	Duty      tenants.DutyID           `json:"duty"`
	Tenant    tenants.TenantID         `json:"tenant"`
	Operator  tenants.OperatorID       `json:"operator"`
	Name      string                   `json:"name"`
	Email     string                   `json:"email"`
	Languages map[string]routing.Grade `json:"languages"`
	Accounts  []tenants.AccountID      `json:"accounts,omitzero"`
}

// Event is one fact with its time.
type Event struct {
	Type    Type           `json:"type"`
	At      time.Time      `json:"at"`
	Who     *Who           `json:"who,omitempty"`
	Resumed bool           `json:"resumed,omitempty"`
	Card    *Card          `json:"card,omitempty"`
	Call    tenants.CallID `json:"call,omitempty"`
	Epoch   uint64         `json:"epoch,omitempty"`
	Line    *Line          `json:"line,omitempty"`
	Timer   string         `json:"timer,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	By      string         `json:"by,omitempty"`
}

// Effect is something to be done after a Step: one of the types below.
type Effect interface{ effect() }

type (
	// Grant tells the call that its offer is shown.
	Grant struct {
		Call  tenants.CallID
		Epoch uint64
	}
	// Refuse tells the call that it cannot be offered here now.
	Refuse struct {
		Call   tenants.CallID
		Epoch  uint64
		Reason string
	}
	// Tell sends the call one of the News.
	Tell struct {
		Call   tenants.CallID
		Epoch  uint64
		News   News
		Reason string
	}
	// SetTimer fires TimerFired with Name after After, replacing a timer of that name.
	SetTimer struct {
		Name  string
		After time.Duration
	}
	// ClearTimer stops a timer.
	ClearTimer struct{ Name string }
	// Vacate says that the page is not awaited any more: a telephone that the operator has registered may have the place (Relieved).
	Vacate struct{}
	// Finish is the last effect of every duty.
	Finish struct{ Reason string }
)

// News is what a duty tells a call.
type News string

// The news.
const (
	NewsAccepted News = "accepted"
	NewsEnded    News = "offer_ended" // Reason: declined, missed, lost
	NewsLost     News = "operator_lost"
	NewsBack     News = "operator_back"
	NewsHungUp   News = "operator_ended"
)

func (Grant) effect()      {}
func (Refuse) effect()     {}
func (Tell) effect()       {}
func (SetTimer) effect()   {}
func (ClearTimer) effect() {}
func (Vacate) effect()     {}
func (Finish) effect()     {}
