package ticketsql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"holdfast/deploy/servers/serverstest"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/ticket"
	"holdfast/services/ticket/ticketsql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func database(t *testing.T) *store.DB {
	t.Helper()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// told returns a ticket as it is after facts that follow one another by a second, and their journal entries.
func told(tenant tenants.TenantID, id string, facts ...ticket.Event) (ticket.State, []journal.Event) {
	var s ticket.State
	var out []journal.Event
	for i, f := range facts {
		f.At = start.Add(time.Duration(i) * time.Second)
		data, _ := json.Marshal(f)
		e := journal.Event{Tenant: tenant, Kind: journal.Ticket, ID: id, Seq: uint64(i + 1), At: f.At, Node: "n1", Type: string(f.Type), Data: data}
		out = append(out, e)
		s, _ = ticket.Step(s, f)
	}
	return s, out
}

func story(tenant tenants.TenantID, id string, n int) []ticket.Event {
	origin := ticket.Origin{
		ID: tenants.TicketID(id), Tenant: tenant, Call: tenants.CallID("call of " + id), Account: "lakeside", AccountName: "Lakeside Cardiology",
		Caller: "+16085550199", Called: "+16085550101",
	}
	return []ticket.Event{
		{Type: ticket.Begun, By: "ada", Name: "Ada", Origin: &origin},
		{Type: ticket.Changed, By: "ada", Name: "Ada", Field: ticket.FieldText, Value: "zero \x00 in \\u0000 the text"},
		{Type: ticket.Changed, By: "ada", Name: "Ada", Field: ticket.FieldUrgent, Value: "yes"},
		{Type: ticket.Saved, By: "ada", Name: "Ada", Number: uint64(n), DayEnds: start.Add(20 * time.Hour)},
		{Type: ticket.Appended, By: "ben", Name: "Ben", Text: "rang again"},
		{Type: ticket.HandedOver, By: "ben", Name: "Ben", To: "Dr. Lee", How: "phone"},
	}
}

func TestTheListIsTheFoldOfTheEventsHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	db := database(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, q := journalsql.New(db, nil, ticketsql.Project), ticketsql.Queries{DB: db}
	_, events := told("harbor", "k", story("harbor", "k", 7)...)
	for cut := 1; cut <= len(events); cut++ {
		if err := s.Ship(ctx, events[:cut]); err != nil {
			t.Fatal(err)
		}
		want, _ := told("harbor", "k", story("harbor", "k", 7)[:cut]...)
		got, err := q.GetTicket(ctx, "harbor", "k")
		if err != nil || got.Phase != want.Phase || got.Number != want.Number || got.Seq != want.Seq || !got.NextAt.Equal(want.NextAt) ||
			len(got.Notes) != len(want.Notes) || len(got.Deliveries) != len(want.Deliveries) || got.Urgent() != want.Urgent() || len(got.Fields) != len(want.Fields) {
			t.Fatalf("after %d events\n got %+v (%v)\nwant %+v", cut, got, err, want)
		}
	}
	history, err := q.History(ctx, "harbor", "k")
	if err != nil || len(history) != 6 || history[2].Field != ticket.FieldUrgent {
		t.Fatalf("%+v %v", history, err)
	}
	for what, err := range map[string]error{"ticket": second(q.GetTicket(ctx, "mesa", "k")), "history": second(q.History(ctx, "mesa", "k"))} {
		if !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("another tenant's %s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTicketsAreListedByStateAccountNumberAndCall(t *testing.T) {
	t.Parallel()
	db := database(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, q := journalsql.New(db, nil, ticketsql.Project), ticketsql.Queries{DB: db}
	if n, err := q.LastNumber(ctx, "harbor"); err != nil || n != 0 {
		t.Fatalf("%d %v", n, err)
	}
	for n := 1; n <= 6; n++ {
		id := fmt.Sprintf("k-%d", n)
		_, events := told("harbor", id, story("harbor", id, n)[:n]...)
		if err := s.Ship(ctx, events); err != nil {
			t.Fatal(err)
		}
	}
	for want, f := range map[string]ticket.Filter{
		"[k-6 k-5 k-4 k-3 k-2 k-1]": {},
		"[k-3 k-2 k-1]":             {State: ticket.Draft},
		"[k-5 k-4]":                 {State: ticket.Owed},
		"[k-6]":                     {State: ticket.Delivered, Account: "lakeside"},
		"[k-5]":                     {Number: 5},
		"[k-2]":                     {Call: "call of k-2"},
		"[]":                        {Account: "prairie"},
	} {
		f.Limit = 2
		var got []tenants.TicketID
		for more := true; more; more = f.Cursor != "" {
			page, next, err := q.ListTickets(ctx, "harbor", f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page {
				got = append(got, s.ID)
			}
			f.Cursor = next
		}
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	if n, err := q.LastNumber(ctx, "harbor"); err != nil || n != 6 {
		t.Fatalf("%d %v", n, err)
	}
	if page, _, err := q.ListTickets(ctx, "mesa", ticket.Filter{}); err != nil || len(page) != 0 {
		t.Fatalf("another tenant's: %v %v", page, err)
	}
	if _, _, err := q.ListTickets(ctx, "harbor", ticket.Filter{Cursor: "garbage"}); !errors.Is(err, store.ErrBadCursor) {
		t.Fatal(err)
	}
}

func TestADeliveredTicketComesBackWholeForTheDesk(t *testing.T) {
	t.Parallel()
	db := database(t)
	s, q := journalsql.New(db, nil, ticketsql.Project), ticketsql.Queries{DB: db}
	facts := story("harbor", "k", 7)
	facts[1].Value = "call me"
	want, events := told("harbor", "k", facts...)
	if err := s.Ship(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	got, err := q.GetTicket(t.Context(), "harbor", "k")
	if err != nil {
		t.Fatal(err)
	}
	got.BegunAt, got.ChangedAt = got.BegunAt.UTC(), got.ChangedAt.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("\n got %+v\nwant %+v", got, want)
	}
}
