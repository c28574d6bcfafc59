package roster

import (
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
)

// Schedule is who of an account's people is responsible when.
type Schedule struct {
	ID        tenants.ScheduleID `json:"id"`
	Account   tenants.AccountID  `json:"account"`
	Name      string             `json:"name"`               // "Cardiologist on call"
	Position  int                `json:"position,omitempty"` // among the account's schedules, the first is shown first
	Zone      string             `json:"zone"`               // IANA
	Layers    []Layer            `json:"layers,omitempty"`
	Overrides []Override         `json:"overrides,omitempty"` // a later one is applied to the result of those before it
	CatchAll  tenants.PersonID   `json:"catch_all"`           // on call when nobody else is; never empty
}

// Rotation is how often a layer's turns are handed over.
type Rotation string

// The rotations.
const (
	Daily  Rotation = "daily"
	Weekly Rotation = "weekly" // on the layer's weekday
	Custom Rotation = "custom" // every so many days or hours
)

// Unit is what a custom rotation counts.
type Unit string

// The units.
const (
	Days  Unit = "days"
	Hours Unit = "hours" // of the wall clock
)

// Layer is one rotation.
type Layer struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Rank     int          `json:"rank,omitempty"` // lower is called first; layers of one rank stand in for each other in their order
	Rotation Rotation     `json:"rotation"`
	Every    int          `json:"every,omitempty"` // custom: how many units a turn lasts
	Unit     Unit         `json:"unit,omitempty"`
	Handover people.Clock `json:"handover"`
	Weekday  time.Weekday `json:"weekday,omitempty"` // weekly: the day of the handover, Sunday is 0
	// From is the day on whose handover time the first turn begins. The first turn of a weekly rotation is short when From is
	// not the weekday of the handover.
	From Date `json:"from"`
	// To is the day on whose handover time the layer ends; none: it does not.
	To Date `json:"to,omitempty"`
	// Participants take turns in this order. A turn may be taken by several persons at once, who are called in their order.
	Participants [][]tenants.PersonID `json:"participants"`
	Windows      []people.Hours       `json:"windows,omitempty"` // the layer has people only in these; none: always
}

// What is what an override replaces.
type What string

// What an override replaces.
const (
	All    What = "all"    // everybody, the catch-all person too
	OfOne  What = "layer"  // whoever is on call through that layer; nothing while that is nobody
	Person What = "person" // that person, wherever they are on call
)

// Override replaces somebody for a while.
type Override struct {
	ID       string           `json:"id"`
	From     time.Time        `json:"from"` // whole seconds
	To       time.Time        `json:"to"`   // the first moment at which it no longer holds
	Replaces What             `json:"replaces"`
	Replaced string           `json:"replaced,omitempty"` // the layer's or person's ID
	Person   tenants.PersonID `json:"person"`
	Note     string           `json:"note,omitempty"`
	By       string           `json:"by,omitempty"` // the name of who set it; "": nobody knows
	At       time.Time        `json:"at,omitzero"`  // when it was set
}
