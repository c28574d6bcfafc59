package call

import (
	"time"

	"holdfast/tenants"
)

// Effect is something to be done after a Step: one of the types below.
type Effect interface{ effect() }

// Prompt names what is played; the switchboard finds the audio in the caller's language.
type Prompt string

// The prompts of a call.
const (
	Ringback     Prompt = "ringback"
	Greeting     Prompt = "greeting"    // the account's own, else the generic one
	Named        Prompt = "named"       // the account's own greeting, else nothing
	Music        Prompt = "music"       // comfort audio
	Comfort      Prompt = "comfort"     // "please stay on the line, or press star"
	Position     Prompt = "position"    // "you are caller number ..."
	Unavailable  Prompt = "unavailable" // nobody can take the call: leave a message
	Standby      Prompt = "standby"     // the same for a tenant that is not activated
	Unknown      Prompt = "unknown"     // the same for a number that nobody owns
	TooLong      Prompt = "too-long"    // all are still busy: leave a message
	Leave        Prompt = "leave"       // the caller asked for it: leave a message
	Emergency    Prompt = "emergency"   // the emergency-number notice of the country
	Beep         Prompt = "beep"
	Menu         Prompt = "menu"
	Again        Prompt = "record-again" // speak again; the earlier take is kept until then
	Reconnecting Prompt = "reconnecting" // the operator was lost: please stay on the line
	Marked       Prompt = "marked"       // "marked as urgent"
	Saved        Prompt = "saved"
	NotSaved     Prompt = "not-saved"    // the truth, when nothing could be kept
	NoRoom       Prompt = "no-room"      // no message can be taken: please call again
	NoRoomWait   Prompt = "no-room-wait" // no message can be taken: an operator will answer
)

type (
	// Answer sends the 200 and opens audio.
	Answer struct{}
	// Refuse sends a final failure.
	Refuse struct{ Status int }
	// Play plays prompts to the caller, instead of what is playing. Loop repeats until the next Play or Silence;
	// otherwise Played with Token follows.
	Play struct {
		Token   uint64
		Prompts []Prompt
		Loop    bool
	}
	// PlayTake plays a take back, then Played with Token.
	PlayTake struct {
		Token uint64
		N     int
	}
	// Silence stops what is playing.
	Silence struct{}
	// Echo returns the caller's audio.
	Echo struct{}
	// Enqueue tells the queue that the call waits, with its original time.
	Enqueue struct{ Front bool }
	// Dequeue takes it out.
	Dequeue struct{}
	// Miss tells the queue that an offer failed: the operator rests, the call is waiting again.
	Miss struct {
		Operator tenants.OperatorID
		Why      string
	}
	// Offer asks the operator's duty to show the call.
	Offer struct {
		Operator  tenants.OperatorID
		Epoch     uint64
		AfterLoss bool
		From      string // the operator who asks; "": the queue or a supervisor
		Blind     bool   // From gives the caller away; else From wants to speak first
	}
	// Withdraw takes an offer, or an operator who is joined or expected back, away.
	Withdraw struct {
		Operator tenants.OperatorID
		Epoch    uint64
		Why      string
	}
	// Join connects caller and operator.
	Join struct{ Operator tenants.OperatorID }
	// Part disconnects whoever is connected in this call.
	Part struct{}
	// Call rings third party N, outside.
	Call struct{ N int }
	// Consult connects the operator with third party N. Before that one answers the operator hears how it rings.
	Consult struct {
		Operator tenants.OperatorID
		N        int
	}
	// Confer connects caller, operator and third party N.
	Confer struct {
		Operator tenants.OperatorID
		N        int
	}
	// Patch connects the caller and third party N.
	Patch struct{ N int }
	// Soothe plays comfort audio to third party N until it is connected again.
	Soothe struct{ N int }
	// Release ends third party N's leg.
	Release struct {
		N      int
		Reason string
	}
	// Press sends keys to third party N; 0 is the caller.
	Press struct {
		N      int
		Digits string
	}
	// Record begins take N; TakeStarted follows, and TakeEnded when it ends by itself.
	Record struct {
		N         int
		Unlimited bool
	}
	// StopTake ends take N; TakeEnded with Why follows once the audio is durable.
	StopTake struct {
		N   int
		Why string
	}
	// Keep makes take N the message: MessageKept follows once that is journaled and synced, or KeepFailed.
	Keep struct{ N int }
	// Discard deletes take N.
	Discard struct{ N int }
	// SetTimer fires TimerFired with Name after After, replacing a timer of that name.
	SetTimer struct {
		Name  string
		After time.Duration
	}
	// ClearTimer stops a timer.
	ClearTimer struct{ Name string }
	// Raise opens an alarm of the call's tenant.
	Raise struct{ Key, Text string }
	// Calm ends an alarm of the call's tenant.
	Calm struct{ Key string }
	// Hangup ends the caller's leg.
	Hangup struct{ Reason string }
	// Finish is the last effect of every call: the story is complete.
	Finish struct{}
)

func (Answer) effect()     {}
func (Refuse) effect()     {}
func (Play) effect()       {}
func (PlayTake) effect()   {}
func (Silence) effect()    {}
func (Echo) effect()       {}
func (Enqueue) effect()    {}
func (Dequeue) effect()    {}
func (Miss) effect()       {}
func (Offer) effect()      {}
func (Withdraw) effect()   {}
func (Join) effect()       {}
func (Part) effect()       {}
func (Call) effect()       {}
func (Consult) effect()    {}
func (Confer) effect()     {}
func (Patch) effect()      {}
func (Soothe) effect()     {}
func (Release) effect()    {}
func (Press) effect()      {}
func (Record) effect()     {}
func (StopTake) effect()   {}
func (Keep) effect()       {}
func (Discard) effect()    {}
func (SetTimer) effect()   {}
func (ClearTimer) effect() {}
func (Raise) effect()      {}
func (Calm) effect()       {}
func (Hangup) effect()     {}
func (Finish) effect()     {}
