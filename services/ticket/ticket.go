package ticket

import (
	"time"

	"holdfast/tenants"
)

// Phase is where a ticket is.
type Phase string

// The phases of a ticket.
const (
	None      Phase = ""          // before Begun
	Draft     Phase = "draft"     // being written, perhaps by another operator than began it
	Owed      Phase = "owed"      // saved, numbered, locked; the client does not have it yet
	Delivered Phase = "delivered" // handed over
	Discarded Phase = "discarded" // nothing was ever written
)

// The fields of a ticket.
const (
	FieldName     = "name"     // who called
	FieldCallback = "callback" // number to call back; filled in with the caller's
	FieldFor      = "for"      // for whom
	FieldText     = "text"
	FieldUrgent   = "urgent" // "yes" or ""
)

// FieldNames lists the fields in the order in which they are written.
func FieldNames() []string {
	return []string{FieldName, FieldCallback, FieldFor, FieldText, FieldUrgent}
}

// fieldRunes bounds each field, in characters.
var fieldRunes = map[string]int{FieldName: 200, FieldCallback: 64, FieldFor: 200, FieldText: 8000, FieldUrgent: 3}

// Limits and waits of a ticket.
const (
	// noteRunes bounds one add-on, in characters.
	noteRunes = 8000
	// notesMax bounds the add-ons of one ticket: it is held in memory while it is owed.
	notesMax = 100
	// routeRunes bounds to whom and how a ticket was delivered.
	routeRunes = 200
	// UrgentAfter is when an urgent ticket wants somebody's action.
	UrgentAfter = 15 * time.Minute
	// aDay stands in for the end of the day when nobody knows the account's zone.
	aDay = 24 * time.Hour
)

// Writer is who did something, and when.
type Writer struct {
	Operator tenants.OperatorID `json:"operator"`
	Name     string             `json:"name"`
	At       time.Time          `json:"at"`
}

// Field is one field as it stands. Revision counts its changes: 0 is what the system filled in.
type Field struct {
	Value    string    `json:"value"`
	Revision uint64    `json:"revision"`
	By       Writer    `json:"by,omitzero"`
	Replaced *Replaced `json:"replaced,omitempty"` // set when the last change was typed over an older revision
}

// Replaced is what a change wrote over without having seen it.
type Replaced struct {
	Value    string `json:"value"`
	Revision uint64 `json:"revision"`
	By       Writer `json:"by"`
}

// Note is text added after the ticket was locked.
type Note struct {
	Text string `json:"text"`
	By   Writer `json:"by"`
}

// Delivery is one handing over. Undone is who found that it was none, and when.
type Delivery struct {
	To     string  `json:"to"`
	How    string  `json:"how"` // "phone", "mail", "in person" ..., as it was entered
	By     Writer  `json:"by"`
	Undone *Writer `json:"undone,omitempty"`
}

// Mailing is a ticket on its way by mail. Error says why it did not arrive; "": it is being sent.
type Mailing struct {
	To       string    `json:"to"`
	By       Writer    `json:"by"`
	Seq      uint64    `json:"seq"`              // of the event that began it: each mailing is another
	Notes    int       `json:"notes,omitempty"`  // additions that are in the mail
	Link     bool      `json:"link,omitempty"`   // the mail says only that there is a message, and where it is read
	SentAt   time.Time `json:"sent_at,omitzero"` // of a Link: a mail server took it. Nobody has the message by that: it stays owed
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failed_at,omitzero"`
}

// State is a ticket as it stands. The zero State is None. It is a value: Step never changes what it was given.
type State struct {
	ID          tenants.TicketID  `json:"id"`
	Tenant      tenants.TenantID  `json:"tenant"`
	Call        tenants.CallID    `json:"call_id,omitempty"` // "" when it was written without a call
	Account     tenants.AccountID `json:"account"`
	AccountName string            `json:"account_name"`
	Caller      string            `json:"caller,omitempty"` // E.164, or "anonymous"
	CallerName  string            `json:"caller_name,omitempty"`
	Called      string            `json:"called,omitempty"`
	Phase       Phase             `json:"state"`
	Number      uint64            `json:"number,omitempty"` // given by saving
	Fields      map[string]Field  `json:"fields"`
	Holders     []Writer          `json:"holders"` // who began it, then everybody who took it over; the last holds it
	Notes       []Note            `json:"notes,omitempty"`
	Deliveries  []Delivery        `json:"deliveries,omitempty"`
	BegunAt     time.Time         `json:"begun_at"`
	ChangedAt   time.Time         `json:"changed_at"`
	Saved       *Writer           `json:"saved,omitempty"`
	Mailing     *Mailing          `json:"mailing,omitempty"` // while owed: it is being mailed, or was in vain
	NextAt      time.Time         `json:"next_at,omitzero"`  // when somebody must act; set exactly while owed
	Seq         uint64            `json:"seq"`               // events so far
}

// Holder is who has the ticket now.
func (s State) Holder() Writer {
	if len(s.Holders) == 0 {
		return Writer{}
	}
	return s.Holders[len(s.Holders)-1]
}

// Value returns what a field says.
func (s State) Value(field string) string { return s.Fields[field].Value }

// Urgent reports whether the operator marked it so.
func (s State) Urgent() bool { return s.Value(FieldUrgent) != "" }

// Empty reports whether nobody has written anything. What the system filled in does not count, nor what was taken out
// again; and for whom and how urgent, alone, say nothing.
func (s State) Empty() bool {
	for name, f := range s.Fields {
		if f.Revision > 0 && f.Value != "" && name != FieldUrgent && name != FieldFor {
			return false
		}
	}
	return true
}

// Open reports whether somebody still has to do something with the ticket.
func (s State) Open() bool { return s.Phase == Draft || s.Phase == Owed }

// OwedSince is the time from which an owed ticket's age counts.
func (s State) OwedSince() time.Time {
	if s.Saved == nil {
		return s.BegunAt
	}
	return s.Saved.At
}

// Filter narrows a list; zero fields do not.
type Filter struct {
	State   Phase // "": all but the discarded
	Account tenants.AccountID
	Only    []tenants.AccountID // of these accounts alone; nil: of all
	Call    tenants.CallID
	Number  uint64
	Cursor  string // as returned with the page before
	Limit   int    // 1 to 200; 0 means 50
}
