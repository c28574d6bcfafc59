package call

import (
	"time"

	"holdfast/tenants"
)

// Type is what happened to a call; it is the type of the journal entry too.
type Type string

// The events of a call.
const (
	Invited       Type = "invited"        // Plan: an INVITE came and the account is known
	Picked        Type = "picked"         // Operator, Name: the queue proposes an operator
	Answering     Type = "answered"       // the 200 is out, audio flows
	AnswerFailed  Type = "answer_failed"  // Reason
	Played        Type = "played"         // Token: what was to be played once was heard
	Digit         Type = "digit"          // Digit
	OfferRefused  Type = "offer_refused"  // Operator, Epoch, Reason: the duty cannot be offered this call now
	OfferEnded    Type = "offer_ended"    // Operator, Epoch, Reason: "declined", "missed", "lost"
	Accepted      Type = "accepted"       // Operator, Epoch
	OperatorLost  Type = "operator_lost"  // Operator
	OperatorBack  Type = "operator_back"  // Operator
	OperatorEnded Type = "operator_ended" // Operator: hung up
	Unstaffed     Type = "unstaffed"      // no eligible operator is on duty any more
	Ordered       Type = "ordered"        // Order, Operator, Name, By: a supervisor's command
	TimerFired    Type = "timer"          // Timer
	CallerEnded   Type = "caller_ended"   // Reason: the caller's leg is over
	DiskFull      Type = "disk_full"      // Staffed: no disk would take a message, and the caller is about to be asked for one
	TakeStarted   Type = "take_started"   // Take (N, Voicemail)
	TakeEnded     Type = "take_ended"     // Take (all), Reason: "key", "silence", "limit", "hangup", "failed"
	MessageKept   Type = "message_kept"   // the take is durable and journaled
	KeepFailed    Type = "keep_failed"    // Reason
	Panicked      Type = "panicked"       // Staffed: something of ours failed in this call alone
	NodeLost      Type = "node_lost"      // the node died with the call; Take: what was repaired of its recording, or nil
	Hold          Type = "hold"           // Operator: the caller is to wait. This and what follows to Keyed are wishes of the operator who talks
	Resume        Type = "resume"         // Operator: back to the caller
	Dial          Type = "dial"           // Operator, Third: ask somebody into the call; the caller waits
	Swap          Type = "swap"           // Operator: from the caller to the third party, or back
	JoinAll       Type = "join"           // Operator: all three hear each other
	LeaveTwo      Type = "leave"          // Operator: the two others go on
	Drop          Type = "drop"           // Operator: the third party goes, answered or not
	Transfer      Type = "transfer"       // Operator, Third: another operator takes the caller
	Keyed         Type = "keyed"          // Operator, Keys: presses keys on the way to whom the operator hears
	ThirdRinging  Type = "third_ringing"  // N
	ThirdAnswered Type = "third_answered" // N
	ThirdEnded    Type = "third_ended"    // N, Reason
	MediaKnown    Type = "media"          // Media: whether what is said is encrypted on its way to the caller, where that was wanted
	Hearing       Type = "hearing"        // Unheard: whether anything is heard of the caller
	Turned        Type = "refused"        // Plan, Reason: loop or fraud; the INVITE was refused
)

// Secrecy is how a call's audio goes over the carrier's network.
type Secrecy string

// The kinds of Secrecy; "" where nobody asked for any.
const (
	Encrypted Secrecy = "encrypted"
	InClear   Secrecy = "in_clear" // though encryption was preferred
)

// Unheard is why nothing is heard of a caller.
type Unheard string

// The kinds of Unheard; "" while the caller is heard.
const (
	NoPackets Unheard = "no_packets" // for some seconds nothing came
	NoSound   Unheard = "no_sound"   // for ten seconds packets came, and no sound in them
)

// NotEncrypted is AnswerFailed's Reason for an offer without the encryption that its trunk requires, answered with 488.
const NotEncrypted = "not_encrypted"

// NoCodec is AnswerFailed's Reason for an offer without a usable codec, answered with 488.
const NoCodec = "no_codec"

// The orders of a supervisor.
const (
	OrderVoicemail = "voicemail"
	OrderGive      = "give"
)

// The timers of a call.
const (
	TimerRing     = "ring"     // ringback is over
	TimerWait     = "wait"     // the longest wait is over
	TimerPosition = "position" // say the place in the queue
	TimerRejoin   = "rejoin"   // the operator did not come back
	TimerGuest    = "guest"    // the operator who was asked in did not come back
	TimerHold     = "hold"     // the caller waits on hold: remind the operator
	TimerWatchdog = "watchdog" // the phase has lasted too long
)

// Event is one fact with its time.
type Event struct {
	Type     Type               `json:"type"`
	At       time.Time          `json:"at"`
	Call     tenants.CallID     `json:"call,omitempty"` // Invited, Turned
	Plan     *Plan              `json:"plan,omitempty"`
	Operator tenants.OperatorID `json:"operator,omitempty"`
	Name     string             `json:"name,omitempty"`
	Epoch    uint64             `json:"epoch,omitempty"`
	Token    uint64             `json:"token,omitempty"`
	Digit    string             `json:"digit,omitempty"`
	Timer    string             `json:"timer,omitempty"`
	Order    string             `json:"order,omitempty"`
	By       string             `json:"by,omitempty"` // who ordered
	Reason   string             `json:"reason,omitempty"`
	Take     *Take              `json:"take,omitempty"`
	Third    *Third             `json:"third,omitempty"`
	N        int                `json:"n,omitempty"`    // which third party
	Keys     int                `json:"keys,omitempty"` // how many
	Media    Secrecy            `json:"media,omitempty"`
	Unheard  Unheard            `json:"unheard,omitempty"`
	Staffed  bool               `json:"staffed,omitempty"` // somebody who may take the call is on duty
	Digits   string             `json:"-"`                 // the keys: they may be somebody's PIN, and are written nowhere
}
