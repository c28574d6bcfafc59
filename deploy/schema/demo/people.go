package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// directory is whom an account's callers may be handed to. The first two listings take turns; the third is on call when
// nobody else is.
type directory struct {
	schedule string // its name
	rotation roster.Rotation
	every    int // hours, of a custom rotation
	handover people.Clock
	listings []people.Person
}

// firstDay is when the demonstration's rotations began: long enough ago to ask for the past. It is a Monday.
var firstDay = roster.On(2024, 1, 1)

func mobile(number string) people.ContactMethod {
	return people.ContactMethod{Kind: people.Mobile, Value: number, Verified: true}
}

func desk(number, label string) people.ContactMethod {
	return people.ContactMethod{Kind: people.Phone, Value: number, Label: label, Verified: true}
}

func pager(number string) people.ContactMethod {
	return people.ContactMethod{Kind: people.Pager, Value: number, Verified: true}
}

func mail(address string) people.ContactMethod {
	return people.ContactMethod{Kind: people.Email, Value: address}
}

func methods(m ...people.ContactMethod) []people.ContactMethod { return m }

// awake is when nobody minds a call at home.
var awake = []people.Hours{{From: 7 * 60, To: 22 * 60}}

func atHome(number, label string) people.ContactMethod {
	m := desk(number, label)
	m.Hours = awake
	return m
}

var directories = map[tenants.AccountID]directory{
	"lakeside-cardiology": {
		schedule: "Cardiologist on call", rotation: roster.Custom, every: 12, handover: 8 * 60, // Ortiz 08-20, Lee 20-08
		listings: []people.Person{
			{Name: "Dr. Maria Ortiz", Role: "Cardiologist", Languages: []string{"en", "es"}, Methods: methods(mobile("+16085550110"), atHome("+16085550111", "home"), mail("ortiz@lakeside.example"))},
			{Name: "Dr. Sam Lee", Role: "Cardiologist", Languages: []string{"en"}, Methods: methods(mobile("+16085550112"), pager("5550113"), atHome("+16085550114", "home"))},
			{Name: "Helen Brooks", Role: "Practice manager", Languages: []string{"en"}, Methods: methods(mobile("+16085550115"), mail("brooks@lakeside.example"))},
			{Kind: people.Department, Name: "Cath Lab", Department: "Cardiology", Methods: methods(desk("+16085550116", "desk"), pager("5550117"))},
			{Kind: people.Line, Name: "Lakeside Pharmacy", Note: "Refills: take the patient's date of birth.", Methods: methods(desk("+16085550118", ""))},
		},
	},
	"prairie-plumbing": {
		schedule: "Plumber on call", rotation: roster.Weekly, handover: 7 * 60,
		listings: []people.Person{
			{Name: "Tom Becker", Role: "Plumber", Languages: []string{"en"}, Methods: methods(mobile("+16085550120"))},
			{Name: "Rita Gomez", Role: "Plumber", Languages: []string{"en", "es"}, Methods: methods(mobile("+16085550121"))},
			{Name: "Walt Prairie", Role: "Owner", Languages: []string{"en"}, Methods: methods(mobile("+16085550122"), atHome("+16085550123", "home"))},
			{Kind: people.Department, Name: "Dispatch Office", Department: "Office", Methods: methods(desk("+16085550124", "07-17"))},
			{Kind: people.Line, Name: "Gas Company Emergency Line", Methods: methods(desk("+16085550125", ""))},
		},
	},
	"dane-county-shelter": {
		schedule: "Advocate on call", rotation: roster.Daily, handover: 9 * 60,
		listings: []people.Person{
			{Name: "Grace Kim", Role: "Advocate", Languages: []string{"en"}, Methods: methods(mobile("+16085550130"))},
			{Name: "Olivia Reed", Role: "Advocate", Languages: []string{"en"}, Methods: methods(mobile("+16085550131"))},
			{Name: "Joan Fischer", Role: "Director", Languages: []string{"en"}, Visibility: people.Supervisors, Methods: methods(mobile("+16085550132"))},
			{Kind: people.Department, Name: "House Desk", Department: "House", Note: "Never say the address to a caller.", Methods: methods(desk("+16085550133", "desk"))},
			{Kind: people.Line, Name: "County Crisis Line", Methods: methods(desk("+16085550134", ""))},
		},
	},
	"kovacs-fogaszat": {
		schedule: "Ügyeletes fogorvos", rotation: roster.Custom, every: 12, handover: 7 * 60, // Kovács 07-19, Szabó 19-07
		listings: []people.Person{
			{Name: "Dr. Kovács Anna", Role: "Fogorvos", Languages: []string{"hu", "de"}, Methods: methods(mobile("+3615550210"), atHome("+3615550211", "otthon"), mail("kovacs@kovacsfogaszat.example"))},
			{Name: "Dr. Szabó Péter", Role: "Fogorvos", Languages: []string{"hu"}, Methods: methods(mobile("+3615550212"), pager("5550213"))},
			{Name: "Fekete Júlia", Role: "Rendelővezető", Languages: []string{"hu"}, Methods: methods(mobile("+3615550214"), mail("fekete@kovacsfogaszat.example"))},
			{Kind: people.Department, Name: "Recepció", Department: "Rendelő", Methods: methods(desk("+3615550215", "pult"))},
			{Kind: people.Line, Name: "Szájsebészeti ügyelet", Methods: methods(desk("+3615550216", ""))},
		},
	},
	"budai-gyorsszerviz": {
		schedule: "Ügyeletes szerelő", rotation: roster.Weekly, handover: 6 * 60,
		listings: []people.Person{
			{Name: "Horváth Gergő", Role: "Villanyszerelő", Languages: []string{"hu", "en"}, Methods: methods(mobile("+3615550220"))},
			{Name: "Balogh Ádám", Role: "Vízszerelő", Languages: []string{"hu", "de"}, Methods: methods(mobile("+3615550221"))},
			{Name: "Őri Béla", Role: "Tulajdonos", Languages: []string{"hu", "de"}, Methods: methods(mobile("+3615550222"), atHome("+3615550223", "otthon"))},
			{Kind: people.Department, Name: "Diszpécserszolgálat", Department: "Iroda", Methods: methods(desk("+3615550224", "06-18"))},
			{Kind: people.Line, Name: "Gázművek hibabejelentő", Methods: methods(desk("+3615550225", ""))},
		},
	},
	"red-rock-dental": {
		schedule: "Dentist on call", rotation: roster.Weekly, handover: 8 * 60,
		listings: []people.Person{
			{Name: "Dr. Nina Walsh", Role: "Dentist", Languages: []string{"en"}, Methods: methods(mobile("+16085550310"))},
			{Name: "Dr. Paul Jensen", Role: "Dentist", Languages: []string{"en"}, Methods: methods(mobile("+16085550311"))},
			{Name: "Carla Stone", Role: "Office manager", Languages: []string{"en"}, Methods: methods(mobile("+16085550312"), mail("stone@redrock.example"))},
			{Kind: people.Department, Name: "Front Desk", Department: "Office", Methods: methods(desk("+16085550313", "desk"))},
			{Kind: people.Line, Name: "Oral Surgery Partners", Methods: methods(desk("+16085550314", ""))},
		},
	},
}

// addDirectory gives an account its people and its schedule.
func addDirectory(ctx context.Context, tx pgx.Tx, h home, a account) error {
	d, ok := directories[a.id]
	if !ok {
		return nil
	}
	d.listings = slices.Clone(d.listings)
	for i, p := range d.listings {
		p.ID, p.Account = tenants.PersonID(tenants.NewID()), a.id
		if p.Kind == "" {
			p.Kind = people.Human
		}
		if p.Languages == nil {
			p.Languages = []string{}
		}
		if p.Visibility == "" {
			p.Visibility = people.Everybody
		}
		if err := p.Check(); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		listed, err := json.Marshal(p.Methods)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO people (tenant_id, person_id, account_id, kind, name, role, department, languages, methods, visibility, note)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			h.id, p.ID, p.Account, p.Kind, p.Name, p.Role, p.Department, p.Languages, string(listed), p.Visibility, p.Note); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		d.listings[i] = p
	}
	return addSchedule(ctx, tx, h, a, d)
}

func addSchedule(ctx context.Context, tx pgx.Tx, h home, a account, d directory) error {
	s := roster.Schedule{
		ID: tenants.ScheduleID(tenants.NewID()), Account: a.id, Name: d.schedule, Zone: h.zone, CatchAll: d.listings[2].ID,
		Layers: []roster.Layer{{
			ID: tenants.NewID(), Name: d.schedule, Rotation: d.rotation, Every: d.every, Handover: d.handover, From: firstDay,
			Participants: [][]tenants.PersonID{{d.listings[0].ID}, {d.listings[1].ID}},
		}},
	}
	switch d.rotation {
	case roster.Custom:
		s.Layers[0].Unit = roster.Hours
	case roster.Weekly:
		s.Layers[0].Weekday = firstDay.Weekday()
	}
	if err := s.Check(nil); err != nil {
		return err
	}
	layers, err := json.Marshal(s.Layers)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO schedules (tenant_id, schedule_id, account_id, name, zone, layers, catch_all) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		h.id, s.ID, s.Account, s.Name, s.Zone, string(layers), s.CatchAll)
	return err
}
