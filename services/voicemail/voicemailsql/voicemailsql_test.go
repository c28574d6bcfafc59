package voicemailsql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/servers/serverstest"
	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/voicemail"
	"holdfast/services/voicemail/voicemailsql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// told returns a call's journal entries for facts that follow one another by a second.
func told(tenant tenants.TenantID, id string, facts ...call.Event) []journal.Event {
	var out []journal.Event
	for i, f := range facts {
		f.At = start.Add(time.Duration(i) * time.Second)
		data, _ := json.Marshal(f)
		out = append(out, journal.Event{Tenant: tenant, Kind: journal.Call, ID: id, Seq: uint64(i + 1), At: f.At, Node: "n1", Type: string(f.Type), Data: data})
	}
	return out
}

func crashed(id string, n int) []call.Event {
	take := call.Take{N: 1, Voicemail: tenants.VoicemailID(fmt.Sprintf("v-%d", n)), StartedAt: start.Add(time.Duration(n) * time.Minute), DurationMS: 4200, CutShort: true, SHA256: "ab"}
	return []call.Event{
		{Type: call.Invited, Call: tenants.CallID(id), Plan: &call.Plan{Tenant: "harbor", Account: "lakeside", Caller: "+16085550199", Called: "+16085550101", Kind: call.ForQueue, Languages: []string{"en"}}},
		{Type: call.NodeLost, Take: &take},
	}
}

func TestMessagesAreListedMarkedAndCounted(t *testing.T) {
	t.Parallel()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := journalsql.New(db, nil, voicemailsql.Project)
	q := voicemailsql.Queries{DB: db}
	for n := range 3 {
		id := fmt.Sprintf("c-%d", n)
		for range 2 { // the second time changes nothing
			if err := s.Ship(ctx, told("harbor", id, crashed(id, n)...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	page, cursor, err := q.ListVoicemails(ctx, "harbor", voicemail.Filter{Limit: 2})
	if err != nil || len(page) != 2 || page[0].ID != "v-2" || cursor == "" || page[0].Duration != 4200*time.Millisecond || !page[0].CutShort {
		t.Fatalf("%+v %q %v", page, cursor, err)
	}
	rest, cursor, err := q.ListVoicemails(ctx, "harbor", voicemail.Filter{Limit: 2, Cursor: cursor})
	if err != nil || len(rest) != 1 || rest[0].ID != "v-0" || cursor != "" {
		t.Fatalf("%+v %q %v", rest, cursor, err)
	}

	ada := tenants.Actor{Tenant: "harbor", Name: "Ada", Role: tenants.RoleOperator}
	state, note := voicemail.Handled, "called back"
	v, err := voicemail.Mark(rest[0], voicemail.Change{State: &state, Note: &note}, ada, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ship(ctx, []journal.Event{voicemail.Command(v, ada, start)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Ship(ctx, told("harbor", "c-0", crashed("c-0", 0)...)); err != nil { // shipped again: the mark stays
		t.Fatal(err)
	}
	got, err := q.GetVoicemail(ctx, "harbor", "v-0")
	if err != nil || got.State != voicemail.Handled || got.By != "Ada" || got.Note != note || !got.HandledAt.Equal(start) {
		t.Errorf("%+v %v", got, err)
	}
	if u, err := q.CountUnhandled(ctx, "harbor"); err != nil || len(u) != 1 || u[0].Count != 2 || !u[0].Oldest.Equal(start.Add(time.Minute)) {
		t.Errorf("%+v %v", u, err)
	}
	if only, _, err := q.ListVoicemails(ctx, "harbor", voicemail.Filter{States: []voicemail.State{voicemail.New}}); err != nil || len(only) != 2 {
		t.Errorf("%+v %v", only, err)
	}
	if _, err := q.GetVoicemail(ctx, "mesa", "v-0"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("another tenant got %v", err)
	}
	// Also without the query's own condition.
	err = db.InTenant(ctx, "mesa", func(tx pgx.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM voicemails").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows of another tenant, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
