// Package notify tells people by mail what they must know, and does not stop before it was accepted.
//
// Whoever has something to tell hands a [Notice] to a [Teller] and may forget it: when Tell returns, the notice is a file
// in the [Outbox], on this node's own disk, so that mail goes out while PostgreSQL and Redis are away, and after a crash.
//
//	told ──▶ tried ──▶ ... ──▶ accepted    by a mail server, whose answer is kept
//	            └────────────▶ failed      the address was refused, or nobody took it for 72 hours
//
// Every step is journaled as the story of the notice (kind journal.Notice), which lists and pages are made from.
//
// # Once, and what a crash may repeat
//
// A notice is known by what it is about: (Tenant, Kind, Key, To). Asking twice sends once, for a week after it was sent
// too. Between a server's yes and our note of it lies a moment: who dies in it sends again after the start, with the same
// Message-ID, and so does every further attempt. Mail programs and people can see that it is one mail.
//
// # Fairness
//
// Attempts run side by side, a few for each tenant and each domain, and those that failed before never hold all places:
// addresses at a server that hangs delay nobody else.
//
// # Words
//
// [Write] makes the mail: names come from callers and strangers, so that nothing they hold becomes a header, a link, or a
// line of ours. How a mail travels is a [Sender]'s matter: services/notify/smtp has them.
package notify

import (
	"context"

	"holdfast/tenants"
)

// Kind is why somebody is told; it chooses the words.
type Kind string

// The kinds of notices, with the names of the data that their words use. Times are RFC 3339, and shown with the clock of
// the offset they are written in; whatever else stands there is shown as it is.
const (
	Voicemail  Kind = "voicemail"  // account_name, caller, at, duration, link; urgent: "yes"
	Reminder   Kind = "reminder"   // count, oldest, link
	Message    Kind = "message"    // account_name, number, name, callback, for, text, by, at; urgent: "yes"
	Invitation Kind = "invitation" // name, tenant_name, by, link, until
	Password   Kind = "password"   // name, link, until
	Activation Kind = "activation" // name, tenant_name, by, cause, link, until
)

// Notice is one thing to tell to one address.
type Notice struct {
	Tenant   tenants.TenantID  `json:"tenant"`
	Kind     Kind              `json:"kind"`
	Key      string            `json:"key"` // what it is about: one notice for each (Tenant, Kind, Key, To), however often it is asked for. ID or ID:MORE; lists find it by ID
	To       string            `json:"to"`  // an address
	Language string            `json:"language"`
	Data     map[string]string `json:"data"` // whatever people and callers said goes here as it is: the words are made safe when they are written
}

// Teller takes notices. An error means that the notice is not kept.
type Teller interface {
	// Tell returns once the notice is safe on this node's disk; from then on it is sent until it is accepted.
	Tell(ctx context.Context, n Notice) error
}
