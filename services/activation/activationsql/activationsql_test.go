package activationsql_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/activation"
	"holdfast/services/activation/activationsql"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

const eszter tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000001"

func event(id string, a activation.Event) journal.Event {
	data, _ := json.Marshal(a)
	return journal.Event{Tenant: "duna", Kind: journal.Activation, ID: id, Seq: 1, At: a.At, Node: "n1", Type: string(a.Type), Final: true, Data: data}
}

func TestTheTenantsStateIsWrittenOnceHoweverOftenAndLateItIsShipped(t *testing.T) {
	t.Parallel()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := demo.Load(t.Context(), db, netip.MustParsePrefix("127.0.0.0/16")); err != nil {
		t.Fatal(err)
	}
	s := journalsql.New(db, nil, activationsql.Project)
	at := time.Now().UTC().Truncate(time.Microsecond).Add(time.Minute)
	live := event("e1", activation.Event{Type: activation.Declared, At: at, Activation: "a1", Cause: "storm \x00"})
	twin := event("e2", activation.Event{Type: activation.Declared, At: at.Add(time.Second), Activation: "a2", Cause: "flood"})
	over := event("e3", activation.Event{Type: activation.StoodDown, At: at.Add(time.Hour), Activation: "a1", Cause: "over"})
	used := event("e4", activation.Event{Type: activation.Opened, At: at, Activation: "a1", Operator: eszter, Link: "a1"})
	odd := event("e5", activation.Event{Type: activation.Opened, At: at, Activation: "a1", Operator: "no uuid", Link: "a1"})
	type row struct {
		state, cause string
		since        time.Time
		version      int64
	}
	look := func() (r row) {
		t.Helper()
		if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT state, cause, since, version FROM tenants JOIN changes USING (tenant_id) WHERE tenant_id = 'duna'").
				Scan(&r.state, &r.cause, &r.since, &r.version)
		}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	ship := func(events ...journal.Event) {
		t.Helper()
		if err := s.Ship(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	ship(live)
	first := look()
	if first.state != "live" || first.cause != "storm " || !first.since.Equal(at) {
		t.Fatalf("%+v", first)
	}
	ship(live, twin, used, odd)
	if again := look(); again != first {
		t.Errorf("shipped twice, and a twin: %+v, was %+v", again, first)
	}
	ship(over)
	ship(event("e6", activation.Event{Type: activation.Declared, At: at.Add(time.Minute), Activation: "a3", Cause: "late"})) // from a node that was cut off
	if last := look(); last.state != "standby" || last.cause != "over" {
		t.Errorf("%+v", last)
	}
	links := activationsql.Links{DB: db}
	if fresh, err := links.Burn(t.Context(), "duna", "a1", eszter, at); err != nil || fresh {
		t.Errorf("a link that another node saw used: %v %v", fresh, err)
	}
	if fresh, err := links.Burn(t.Context(), "harbor", "a1", eszter, at); err != nil || !fresh {
		t.Errorf("the same words of another tenant: %v %v", fresh, err)
	}
	if fresh, err := links.Burn(t.Context(), "harbor", "a1", eszter, at); err != nil || fresh {
		t.Errorf("twice: %v %v", fresh, err)
	}
}
