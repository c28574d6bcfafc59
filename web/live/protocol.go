package live

import (
	"time"

	"holdfast/services/duty"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/roster"
)

// Command is what a desk or a portal sends over its socket: one JSON text message, at most 64 KiB.
type Command struct {
	Do       string             `json:"do"`
	ID       string             `json:"id,omitempty"`       // echoed in the Message that answers this command
	Fresh    bool               `json:"fresh,omitempty"`    // beat, the first: the page was just loaded and has no audio line of its own
	SDP      string             `json:"sdp,omitempty"`      // offer
	Call     tenants.CallID     `json:"call_id,omitempty"`  // accept, decline, hang-up, give, to-voicemail
	Epoch    uint64             `json:"epoch,omitempty"`    // accept, decline: of the offer
	Why      string             `json:"why,omitempty"`      // pause
	Operator tenants.OperatorID `json:"operator,omitempty"` // pause-operator, resume-operator, give, transfer, dial
	Key      string             `json:"key,omitempty"`      // clear-alarm
	Ticket   tenants.TicketID   `json:"ticket,omitempty"`   // the commands of messages; with a call_id instead: that call's
	Field    string             `json:"field,omitempty"`    // draft: one of ticket.FieldNames
	Value    string             `json:"value,omitempty"`    // draft: the field's whole text
	Revision uint64             `json:"revision,omitempty"` // draft: the field's revision that was typed over
	Text     string             `json:"text,omitempty"`     // append-ticket
	To       string             `json:"to,omitempty"`       // deliver-ticket: to whom; mail-ticket: an address
	How      string             `json:"how,omitempty"`      // deliver-ticket: by which way
	Number   string             `json:"number,omitempty"`   // dial: whom to call, as typed
	Person   tenants.PersonID   `json:"person,omitempty"`   // dial: whose number that is, where it is a listed one
	Digits   string             `json:"digits,omitempty"`   // digits: 1 to 32 of 0-9 * # A-D
	Account  tenants.AccountID  `json:"account,omitempty"`  // the commands of what is in force
	Schedule tenants.ScheduleID `json:"schedule,omitempty"` // set-override; "": the account's first
	Replaces roster.What        `json:"replaces,omitempty"` // set-override; "": everybody
	Replaced string             `json:"replaced,omitempty"` // set-override: the person or layer that is replaced
	Until    time.Time          `json:"until,omitzero"`     // set-override, set-note
	Item     string             `json:"item,omitempty"`     // end-override, end-note: its id
}

// The commands of a desk about what is in force at an account. They are answered by "done" with the item's id in Item, once it
// is safe on this disk; it holds from that moment on this node, and within two seconds on all. Errors: "forbidden" (the right is
// missing), "not_found", "bad_value" (Errors says which field is wrong, and how), "not_kept".
const (
	DoSetOverride = "set-override" // account, person, until, schedule, replaces, replaced; text: why
	DoEndOverride = "end-override" // account, item
	DoSetNote     = "set-note"     // account, text, until
	DoEndNote     = "end-note"     // account, item
)

// The commands of a desk (a duty's own).
const (
	DoBeat      = "beat"      // every 2 s; answered by a Message of type "beat"; 6 s without one and the operator is unreachable
	DoOffer     = "offer"     // SDP offer of the page's RTCPeerConnection; answered by type "answer" with SDP
	DoCheck     = "check"     // line check: say something for 3 s; the server plays back what it heard; answered by type "check"
	DoHeard     = "heard"     // the operator heard the playback: the check is passed
	DoAvailable = "available" // take calls (from checking, paused, wrap_up); also "I'm here"
	DoPause     = "pause"     // stop offers (in a call: after it)
	DoGoHome    = "go-home"   // end the duty (in a call: after it)
	DoAccept    = "accept"    // call_id, epoch
	DoDecline   = "decline"   // call_id, epoch
	DoHangUp    = "hang-up"   // call_id
	DoPractice  = "practice"  // a robot calls
)

// The commands of a desk about the call that its operator talks in; each bears that call_id. They are answered by "done", or by
// "error": "not_now", "no_third" (nobody else is there), "not_yours" (another operator has the call), "no_operator" (gone, or
// not for this account), "too_many"; of dial also "emergency", "bad_number", "no_right", "no_line", "no_caller_id", "country",
// "too_many_calls", "minutes_spent", "not_allowed". What came of it is in the duty's Line.
const (
	DoHold       = "hold"        // the caller hears comfort audio
	DoResume     = "resume"      // back to the caller
	DoDial       = "dial"        // number and, if listed, person; or operator: ask them in, the caller waits
	DoCancelDial = "cancel-dial" // not that one after all: back to the caller
	DoSwap       = "swap"        // from the caller to the third party, or back
	DoJoin       = "join"        // all three hear each other
	DoLeave      = "leave"       // the two others go on; another operator who is in the call takes it
	DoDrop       = "drop"        // the third party goes
	DoTransfer   = "transfer"    // operator: they take the caller; refused or missed, the caller comes back
	DoDigits     = "digits"      // digits, to whom the operator speaks with
)

// The commands of a desk about messages. Each names its ticket, or the call it was taken in. They are answered by "done"
// once the change is safe on disk, within a second, or by "error" ("not_kept": it may be lost, send it again). "done"
// bears the whole ticket, and after DoDraft the field's revision. One change of a field is on its way at a time: the next
// names the revision that the last one was answered with.
const (
	DoDraft         = "draft"          // field, value, revision: what is typed, after every pause
	DoSaveTicket    = "save-ticket"    // gives the number and locks the fields
	DoAppendTicket  = "append-ticket"  // text: added to a saved one
	DoDeliverTicket = "deliver-ticket" // to, how
	// DoMailTicket: to is an address, or empty for the usual one; delivered once a mail server took it. A medical account's is
	// refused without an address as "confirm", with Mail: sent again with that address, it is agreed to.
	DoMailTicket = "mail-ticket"
	DoTakeTicket = "take-ticket" // go on with what another operator began, or take it back
)

// The commands of a portal (supervisor and above).
const (
	DoPauseOperator  = "pause-operator"  // operator
	DoResumeOperator = "resume-operator" // operator
	DoGive           = "give"            // call_id to operator
	DoToVoicemail    = "to-voicemail"    // call_id; empty: everybody who waits
	DoClearAlarm     = "clear-alarm"     // key
)

// Message is what the server sends: one JSON text message. Seq grows by one a message on a socket; whatever a message
// shows is the whole of it, so a client that reconnects needs only the newest.
type Message struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	Type  string    `json:"type"` // "duty", "board", "queue", "plan" (what accounts, people or schedules say has changed: read it again), "ticket", "answer", "check", "beat", "done", "error", "bye"
	ID    string    `json:"id,omitempty"`
	Duty  *DutyView `json:"duty,omitempty"`
	Queue *Queue    `json:"queue,omitempty"`
	Board *Board    `json:"board,omitempty"`
	SDP   string    `json:"sdp,omitempty"`
	Check *Check    `json:"check,omitempty"`
	// Ticket is a message as it stands: in "ticket" to every desk that holds it or has touched it, with every change of it,
	// whoever made it; in "done" as the command left it.
	Ticket   *ticket.State `json:"ticket,omitempty"`
	Revision uint64        `json:"revision,omitempty"` // "done" to DoDraft: the field's
	Item     string        `json:"item,omitempty"`     // "done" to DoSetOverride and its like: the id of what was set or ended
	Error    *Problem      `json:"error,omitempty"`
	Mail     *MailPlan     `json:"mail,omitempty"` // "error" of the code "confirm"
	Bye      string        `json:"bye,omitempty"`  // why the server closes: "replaced", "went_home", "signed_out", "shutdown", "connection_lost", "refused" (come again)

	shared []byte // set: Type and content as JSON that other sockets send too; the fields above are not looked at but for Seq and At
}

// Problem says what happened, why, and what to do next. Code is stable; pages translate it and fall back to Text.
type Problem struct {
	Code string `json:"code"` // "bad_command", "not_now", "no_media", "forbidden", "offer_gone", "away", "on_phone" (try again), "too_many"; those of calls, see DoHold; of messages also "not_kept", "not_found", and ticket.Refusal's
	Text string `json:"text"`
	// Errors is everything that is wrong with the command's values, with "bad_value" about what is in force at an account.
	Errors []Wrong `json:"errors,omitempty"`
}

// Wrong is one field that cannot hold what it was given, as the API's FieldError.
type Wrong struct {
	Field string `json:"field"` // as the API names it: "person", "to" (an override's until), "until" (a note's)
	Code  string `json:"code"`  // stable, for translation: "empty", "over", "same_person"
	Text  string `json:"text"`  // what is wrong and what would be right
}

// MailPlan is to whom a medical account's message would go by mail, and whether only a link would.
type MailPlan struct {
	To   string `json:"to"`
	Link bool   `json:"link"`
}

// Check is the result of a line check.
type Check struct {
	OK      bool    `json:"ok"`
	HeardMS int     `json:"heard_ms"`   // how much audio arrived
	LevelDB float64 `json:"level_dbfs"` // loudest 300 ms of it
	LostPct float64 `json:"lost_pct"`
	Playing bool    `json:"playing"`       // the playback runs now
	Why     string  `json:"why,omitempty"` // "nothing_heard", "too_quiet", "lossy", "no_media"
}

// DutyView is the operator's own state. State is a duty.Phase.
type DutyView struct {
	Duty       tenants.DutyID     `json:"duty"`
	Secret     string             `json:"secret,omitempty"`    // resumes this duty after a reload; sent once a socket, when the line is checked
	TookOver   bool               `json:"took_over,omitempty"` // another page had this duty until now; in the first state only
	Operator   tenants.OperatorID `json:"operator"`
	Name       string             `json:"name"`
	Email      string             `json:"email"`
	Tenant     tenants.TenantID   `json:"tenant"`
	TenantName string             `json:"tenant_name"`
	TenantLive bool               `json:"tenant_live"`
	State      duty.Phase         `json:"state"`
	Since      time.Time          `json:"since"`
	Until      time.Time          `json:"until,omitzero"`
	Why        string             `json:"why,omitempty"`
	Resume     duty.Phase         `json:"resume,omitempty"`
	Epoch      uint64             `json:"epoch"`
	Call       *duty.Card         `json:"call,omitempty"`     // offered, talking, lost, wrap_up
	JoinedAt   time.Time          `json:"joined_at,omitzero"` // when the caller of talking and lost was connected
	Line       *duty.Line         `json:"line,omitempty"`     // talking, lost: who hears whom; missing: operator and caller
	MayDial    bool               `json:"may_dial,omitempty"` // this operator may call out for accounts
	// Colleagues are who could take the call of talking now, by name. Missing outside of calls.
	Colleagues []Colleague `json:"colleagues,omitempty"`
	Socket     bool        `json:"socket"`
	Media      bool        `json:"media"`
	Checked    bool        `json:"checked"`
	Reachable  bool        `json:"reachable"`  // callers can be put through to this operator now
	CheckedAt  time.Time   `json:"checked_at"` // when Reachable was last proven
	PauseNext  string      `json:"pause_next,omitempty"`
	HomeNext   bool        `json:"home_next,omitempty"`
	Calls      int         `json:"calls"`
	Missed     int         `json:"missed"`
}

// Colleague is another operator who is free now and answers for the account in hand.
type Colleague struct {
	ID       tenants.OperatorID `json:"id"`
	Name     string             `json:"name"`
	Language int                `json:"language,omitempty"` // grade in the call's language: 3 native, 2 fluent, 1 basic, 0 none
}

// Queue is what every desk sees of its tenant's queue.
type Queue struct {
	Waiting      int       `json:"waiting"`
	OldestSince  time.Time `json:"oldest_since,omitzero"`
	Talking      int       `json:"talking"`
	Ready        int       `json:"ready"`         // operators who would be offered a call now
	Operators    int       `json:"operators"`     // operators of the tenant
	NewVoicemail int       `json:"new_voicemail"` // not handled
	OldestVoice  time.Time `json:"oldest_voicemail,omitzero"`
	VoicemailOK  bool      `json:"voicemail_known"` // false: the count cannot be read now
	Owed         int       `json:"owed"`            // messages that were saved and not delivered
	OwedUrgent   int       `json:"owed_urgent"`
	OldestOwed   time.Time `json:"oldest_owed,omitzero"`
}

// Board is the whole live picture of a tenant for its portal.
type Board struct {
	Tenant      tenants.TenantID `json:"tenant"`
	TenantName  string           `json:"tenant_name"`
	State       string           `json:"state"` // "standby" or "live"
	Since       time.Time        `json:"since"`
	CallersHear string           `json:"callers_hear"` // "operator", "queue", "voicemail": what a new caller gets now
	Queue       Queue            `json:"queue"`
	Calls       []Call           `json:"calls"`      // longest first
	Operators   []Operator       `json:"operators"`  // by name
	Alarms      []Alarm          `json:"alarms"`     // newest first
	Numbers     int              `json:"numbers"`    // emergency numbers of the tenant
	Activation  uint64           `json:"activation"` // grows with every step of the activation: whoever shows it asks again
}

// Call is one call in progress.
type Call struct {
	ID           tenants.CallID     `json:"id"`
	Account      tenants.AccountID  `json:"account"`
	AccountName  string             `json:"account_name"`
	Caller       string             `json:"caller"`
	CallerName   string             `json:"caller_name,omitempty"`
	Called       string             `json:"called"`
	Language     string             `json:"language"`
	State        string             `json:"state"` // call.Phase
	InvitedAt    time.Time          `json:"invited_at"`
	Since        time.Time          `json:"since"`
	Operator     tenants.OperatorID `json:"operator,omitempty"`
	OperatorName string             `json:"operator_name,omitempty"`
	With         string             `json:"with,omitempty"`      // of talking: call.With; missing: the caller
	HeldSince    time.Time          `json:"held_since,omitzero"` // the caller waits on hold
	Third        string             `json:"third,omitempty"`     // who is in the call as third party, or is asked: a name or number
	ThirdUp      bool               `json:"third_up,omitempty"`  // has answered
}

// Operator is one operator of the tenant, on duty or not ("away").
type Operator struct {
	ID        tenants.OperatorID `json:"id"`
	Name      string             `json:"name"`
	Email     string             `json:"email"`
	Languages map[string]int     `json:"languages"` // grade: 3 native, 2 fluent, 1 basic
	State     duty.Phase         `json:"state"`     // or Practising
	Since     time.Time          `json:"since,omitzero"`
	Until     time.Time          `json:"until,omitzero"`
	Why       string             `json:"why,omitempty"`
	Reachable bool               `json:"reachable"`
	Call      tenants.CallID     `json:"call_id,omitempty"`
	Calls     int                `json:"calls"`
}

// Practising is the State of an operator whom a robot calls: a real caller ends that, and is offered to them as to one who is free.
const Practising duty.Phase = "practising"

// Alarm is something a human should look at, with a beginning and an end.
type Alarm struct {
	Key      string    `json:"key"`
	Text     string    `json:"text"`
	Severity string    `json:"severity"` // "warning", "critical"
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"`
	Count    int       `json:"count"`
}
