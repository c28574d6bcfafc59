package call

import (
	"time"

	"holdfast/tenants"
)

// Phase is where a call is.
type Phase string

// The phases of a call.
const (
	New        Phase = ""           // before Invited
	Arriving   Phase = "arriving"   // the account is known, the 200 is being sent
	Ringing    Phase = "ringing"    // answered; hears ringback while an operator is being offered the call
	Queued     Phase = "queued"     // answered; hears greeting, then comfort audio
	Talking    Phase = "talking"    // joined with an operator
	Rejoining  Phase = "rejoining"  // the operator was lost a moment ago; hears comfort audio, or the third party
	Patched    Phase = "patched"    // talks with the third party; the operator has left the two
	Announcing Phase = "announcing" // hears why nobody answers, then the beep
	Recording  Phase = "recording"  // leaves a message
	Reviewing  Phase = "reviewing"  // pressed #: keep, listen, again, urgent
	Closing    Phase = "closing"    // the message is being stored; the caller may be gone already
	Farewell   Phase = "farewell"   // hears the last words
	Kept       Phase = "kept"       // answered and kept until BYE: the bench users answer and echo
	Ended      Phase = "ended"      // over; nothing follows
)

// Result is how a call ended, one of five.
type Result string

// The results.
const (
	Answered  Result = "answered"  // talked with an operator
	Voicemail Result = "voicemail" // left a message that is kept
	Abandoned Result = "abandoned" // hung up first
	Refused   Result = "refused"   // loop or fraud
	Failed    Result = "failed"    // our fault, or the network's
)

// Timings that no account changes.
const (
	// RejoinFor is how long the caller waits for the same operator before going first in the queue.
	RejoinFor = 10 * time.Second
	// PositionEvery is the pause between two announcements of the place in the queue.
	PositionEvery = 30 * time.Second
	// AnnounceLimit, ReviewLimit and CloseLimit move a stalled call on: the next safe step of each phase.
	AnnounceLimit = 45 * time.Second
	ReviewLimit   = 3 * time.Minute
	CloseLimit    = 15 * time.Second
	FarewellLimit = 20 * time.Second
	// GoneLimit is CloseLimit once the caller has hung up: as long as the recorder keeps a take for a disk that is slow.
	GoneLimit = 10 * time.Minute
	// RecordLimit ends a recording that the recorder does not end: longer than the longest message and its storing.
	RecordLimit = 4 * time.Minute
	// RemindEvery is how often an operator is reminded of a caller on hold.
	RemindEvery = time.Minute
	// PatchLimit ends the talk of two parties without an operator: longer than any that means something.
	PatchLimit = 3 * time.Hour
	// MostThirds is how many parties may be asked into one call, one after another.
	MostThirds = 30
	// MenuTimes is how often the review menu is heard before the message is kept as it is.
	MenuTimes = 3
)

// Plan is what was decided about the call when it came, frozen: a change of the account does not touch a live call.
type Plan struct {
	Tenant           tenants.TenantID  `json:"tenant"`
	TenantName       string            `json:"tenant_name,omitempty"`
	Account          tenants.AccountID `json:"account"`
	AccountName      string            `json:"account_name"`
	Called           string            `json:"called"` // the number that chose the account
	Caller           string            `json:"caller"` // E.164, "anonymous", or as it came
	CallerName       string            `json:"caller_name,omitempty"`
	Trunk            string            `json:"trunk"`
	Candidates       []Candidate       `json:"candidates"`
	Why              string            `json:"why"`
	Languages        []string          `json:"languages"` // wanted, first best; never empty
	Country          string            `json:"country"`
	Kind             Kind              `json:"kind"`
	OnDuty           int               `json:"on_duty"`        // eligible operators on duty when the call came
	Answerable       bool              `json:"answerable"`     // one of them is free at once
	Idle             int               `json:"idle,omitempty"` // how many: what earlier builds wrote in place of Answerable
	RingFor          time.Duration     `json:"ring_for"`
	OfferFor         time.Duration     `json:"offer_for"`
	LongestWait      time.Duration     `json:"longest_wait"`
	AnnouncePosition bool              `json:"announce_position,omitempty"`
	GreetingInFull   bool              `json:"greeting_in_full,omitempty"`
	Medical          bool              `json:"medical,omitempty"`
	Priority         int               `json:"priority,omitempty"`
}

// Language is the language the caller is spoken to in.
func (p Plan) Language() string {
	if len(p.Languages) == 0 {
		return "en"
	}
	return p.Languages[0]
}

// Kind is what is done with a call.
type Kind string

// The kinds of calls.
const (
	ForQueue   Kind = "queue"   // operators, then voicemail
	ForStandby Kind = "standby" // the tenant is not activated: greeting and voicemail
	ForNobody  Kind = "nobody"  // the number is unknown: generic greeting and voicemail
	ForBench   Kind = "answer"  // bench: answered and kept until BYE
	ForEcho    Kind = "echo"    // bench: the audio comes back
	ForRecord  Kind = "record"  // bench: straight to voicemail, no limits
	ForBridge  Kind = "bridge"  // bench: dialled on to BridgeTo, and answered when that is
)

// BridgeTo is the user whom calls of ForBridge are dialled on to, through whichever carrier takes calls from us.
const BridgeTo = "agent"

// Candidate is one number that the INVITE named, and what became of it.
type Candidate struct {
	Source  string            `json:"source"` // "request-uri", "history-info", "diversion", "called-party", "to", "asserted"
	Raw     string            `json:"raw"`
	Number  string            `json:"number,omitempty"` // E.164 where it is one
	Tenant  tenants.TenantID  `json:"tenant,omitempty"`
	Account tenants.AccountID `json:"account,omitempty"`
	Chosen  bool              `json:"chosen,omitempty"`
	Why     string            `json:"why,omitempty"` // a code of services/intake; a sentence in calls of old
}

// Offering is one offer of the call to one operator.
type Offering struct {
	Operator tenants.OperatorID `json:"operator"`
	Name     string             `json:"name"`
	Epoch    uint64             `json:"epoch"`
	At       time.Time          `json:"at"`
	EndedAt  time.Time          `json:"ended_at,omitzero"`
	Outcome  string             `json:"outcome,omitempty"` // "accepted", "declined", "missed", "refused", "lost", "withdrawn"
}

// Take is one recording of the caller.
type Take struct {
	N          int                 `json:"n"` // 1, 2 ...
	Voicemail  tenants.VoicemailID `json:"voicemail"`
	StartedAt  time.Time           `json:"started_at"`
	Stopped    bool                `json:"stopped,omitempty"`
	DurationMS int64               `json:"duration_ms,omitempty"`
	Empty      bool                `json:"empty,omitempty"` // under 1 s
	CutShort   bool                `json:"cut_short,omitempty"`
	SHA256     string              `json:"sha256,omitempty"` // of the µ-law audio, hex
}

// State is a call as it stands. The zero State is New.
type State struct {
	ID           tenants.CallID     `json:"id"`
	Plan         Plan               `json:"plan"`
	Phase        Phase              `json:"phase"`
	Since        time.Time          `json:"since"` // of Phase
	InvitedAt    time.Time          `json:"invited_at"`
	AnsweredAt   time.Time          `json:"answered_at,omitzero"`
	ConnectedAt  time.Time          `json:"connected_at,omitzero"` // first joined with an operator
	EndedAt      time.Time          `json:"ended_at,omitzero"`
	Epoch        uint64             `json:"epoch"`           // of the newest offer
	Offer        tenants.OperatorID `json:"offer,omitempty"` // to whom an offer is out
	Given        bool               `json:"given,omitempty"` // the offer is a supervisor's choice; the queue knows nothing of the call
	Front        bool               `json:"front,omitempty"` // an operator was lost: before everybody else in the queue
	Offered      []Offering         `json:"offered,omitempty"`
	Operator     tenants.OperatorID `json:"operator,omitempty"` // who talks or talked last
	OperatorName string             `json:"operator_name,omitempty"`
	Seat         uint64             `json:"seat,omitempty"`       // the epoch by which Operator accepted
	With         With               `json:"with,omitempty"`       // Talking and Rejoining: whom the operator hears
	HeldAt       time.Time          `json:"held_at,omitzero"`     // since when the caller hears comfort audio by the operator's wish
	Reminders    int                `json:"reminders,omitempty"`  // of the caller on hold, by now
	Thirds       []Third            `json:"thirds,omitempty"`     // asked into the call, in order; only the last may still be in it
	Token        uint64             `json:"token"`                // of the newest Play
	Greeted      bool               `json:"greeted,omitempty"`    // the greeting was begun
	Greeting     bool               `json:"greeting,omitempty"`   // the greeting is being heard
	JoinAfter    bool               `json:"join_after,omitempty"` // accepted, joined once the greeting is over
	CallerGone   bool               `json:"caller_gone,omitempty"`
	Takes        []Take             `json:"takes,omitempty"` // at most two at a time: the one kept so far and the new one
	Urgent       bool               `json:"urgent,omitempty"`
	Menus        int                `json:"menus,omitempty"`
	Message      *Take              `json:"message,omitempty"` // the kept message
	Panics       int                `json:"panics,omitempty"`
	Media        Secrecy            `json:"media,omitempty"`
	Unheard      Unheard            `json:"unheard,omitempty"` // why nothing is heard of the caller
	Result       Result             `json:"result,omitempty"`
	Reason       string             `json:"reason,omitempty"` // stable, see Step
}

// Waiting reports whether the call is in the queue.
func (s State) Waiting() bool { return s.Phase == Ringing || s.Phase == Queued }

// take returns the newest take, or nil.
func (s *State) take() *Take {
	if len(s.Takes) == 0 {
		return nil
	}
	return &s.Takes[len(s.Takes)-1]
}
