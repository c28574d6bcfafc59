package ticket

import (
	"time"

	"holdfast/tenants"
)

// Type is what happened to a ticket; it is the type of the journal entry too.
type Type string

// The events of a ticket.
const (
	Begun       Type = "begun"       // Origin, By
	Changed     Type = "changed"     // Field, Value, Base, By
	Taken       Type = "taken"       // By: another operator goes on with it
	Saved       Type = "saved"       // Number, DayEnds, By
	Appended    Type = "appended"    // Text, By
	HandedOver  Type = "delivered"   // To, How, By
	MailBegun   Type = "mailing"     // To, Link, By: it is sent until a mail server takes it; then it is delivered
	MailSent    Type = "mail_sent"   // a mail server took a Link
	MailFailed  Type = "mail_failed" // Text: it is not sent any more
	Undelivered Type = "undelivered" // DayEnds, By; Ticket: the whole of it, for its story was final
	Dropped     Type = "discarded"   // By: empty for the system itself
	Restated    Type = "restated"    // Ticket: the whole of it, once a day while it is open; nothing changes
)

// Origin is where a ticket comes from.
type Origin struct {
	ID          tenants.TicketID  `json:"id"`
	Tenant      tenants.TenantID  `json:"tenant"`
	Call        tenants.CallID    `json:"call_id,omitempty"`
	Account     tenants.AccountID `json:"account"`
	AccountName string            `json:"account_name"`
	Caller      string            `json:"caller,omitempty"`
	CallerName  string            `json:"caller_name,omitempty"`
	Called      string            `json:"called,omitempty"`
}

// Event is one fact with its time.
type Event struct {
	Type    Type               `json:"type"`
	At      time.Time          `json:"at"`
	By      tenants.OperatorID `json:"by,omitempty"`
	Name    string             `json:"name,omitempty"` // of By
	Origin  *Origin            `json:"origin,omitempty"`
	Field   string             `json:"field,omitempty"`
	Value   string             `json:"value,omitempty"`
	Base    uint64             `json:"base,omitempty"` // the revision that the writer saw
	Number  uint64             `json:"number,omitempty"`
	DayEnds time.Time          `json:"day_ends,omitzero"` // the end of the account's day
	Text    string             `json:"text,omitempty"`
	To      string             `json:"to,omitempty"`
	How     string             `json:"how,omitempty"`
	Link    bool               `json:"link,omitempty"`
	Ticket  *State             `json:"ticket,omitempty"`
}
