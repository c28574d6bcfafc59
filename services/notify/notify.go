// Package notify tells people by mail what they must know, and does not stop before it was accepted.
package notify

import (
	"context"

	"holdfast/tenants"
)

// Kind is why somebody is told; it chooses the words.
type Kind string

// The kinds of notices, with the names of the data that their words use.
const (
	Voicemail  Kind = "voicemail"  // account_name, caller, at, duration, link; urgent: "yes"
	Reminder   Kind = "reminder"   // count, oldest, link
	Message    Kind = "message"    // account_name, number, name, callback, for, text, by, at; urgent: "yes"
	Invitation Kind = "invitation" // name, tenant_name, by, link, until
	Activation Kind = "activation" // name, tenant_name, by, cause, link, until
)

// Notice is one thing to tell to one address.
type Notice struct {
	Tenant   tenants.TenantID  `json:"tenant"`
	Kind     Kind              `json:"kind"`
	Key      string            `json:"key"` // what it is about: one notice for each (Tenant, Kind, Key, To), however often it is asked for
	To       string            `json:"to"`  // an address
	Language string            `json:"language"`
	Data     map[string]string `json:"data"` // whatever people and callers said goes here as it is: the words are made safe when they are written
}

// Teller takes notices. An error means that the notice is not kept.
type Teller interface {
	// Tell returns once the notice is safe on this node's disk; from then on it is sent until it is accepted.
	Tell(ctx context.Context, n Notice) error
}
