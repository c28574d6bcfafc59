package journalsql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/servers/serverstest"
	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
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

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// told returns a call's journal entries for facts that follow one another by a second.
func told(tenant tenants.TenantID, id string, at time.Time, facts ...call.Event) []journal.Event {
	var out []journal.Event
	for i, f := range facts {
		f.At = at.Add(time.Duration(i) * time.Second)
		data, _ := json.Marshal(f)
		out = append(out, journal.Event{
			Tenant: tenant, Kind: journal.Call, ID: id, Seq: uint64(i + 1), At: f.At, Node: "n1",
			Type: string(f.Type), Final: i == len(facts)-1, Data: data,
		})
	}
	return out
}

func plan(caller string) *call.Plan {
	return &call.Plan{
		Tenant: "harbor", Account: "lakeside-cardiology", Caller: caller, Called: "+16085550101", Kind: call.ForQueue,
		Languages: []string{"en"}, Candidates: []call.Candidate{{Source: "to", Raw: "a\x00b", Chosen: true}},
	}
}

func abandoned(id, caller string) []call.Event {
	return []call.Event{
		{Type: call.Invited, Call: tenants.CallID(id), Plan: plan(caller)},
		{Type: call.CallerEnded, Reason: "cancel"},
	}
}

// flaky loses the answer of every second commit.
type flaky struct {
	journal.Store
	turn atomic.Int64
}

func (f *flaky) Ship(ctx context.Context, events []journal.Event) error {
	err := f.Store.Ship(ctx, events)
	if err == nil && f.turn.Add(1)%2 == 1 {
		return errors.New("connection lost after the commit")
	}
	return err
}

func TestTheSpoolReachesPostgreSQLExactlyOnceThoughAnswersAreLost(t *testing.T) {
	t.Parallel()
	db, ctx := database(t), limited(t)
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Stop() }()
	s := journal.NewShipper(journal.ShipperConfig{Journal: j, Store: &flaky{Store: journalsql.New(db, nil)}, Batch: 10, Slowest: 50 * time.Millisecond})
	s.Start()
	defer s.Stop()
	for n := range 50 {
		id := fmt.Sprintf("c-%02d", n)
		for _, e := range told("harbor", id, start.Add(time.Duration(n)*time.Minute), abandoned(id, "+1608555019"+fmt.Sprint(n%10))...) {
			j.Append(e)
		}
	}
	j.Append(journal.Event{Tenant: "harbor", Kind: "nonsense", ID: "x", Seq: 1, Type: "refused by a constraint"})
	j.Raise("harbor", "after the poison", "text", journal.Warning)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.Behind() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d behind", s.Behind())
		}
	}
	q := journalsql.Queries{DB: db}
	seen := map[tenants.CallID]bool{}
	for cursor := ""; ; {
		page, next, err := q.ListCalls(ctx, "harbor", journal.CallFilter{Limit: 7, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			if seen[c.ID] || c.Phase != call.Ended || c.Result != call.Abandoned || c.Seq != 2 {
				t.Errorf("%+v", c)
			}
			seen[c.ID] = true
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d calls of 50", len(seen))
	}
	err = db.AsWorker(ctx, func(tx pgx.Tx) error {
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM events WHERE kind = 'call'").Scan(&n)
		if n != 100 {
			t.Errorf("%d events of 100", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if a, err := q.ListAlarms(ctx, "harbor", false); err != nil || len(a) != 1 {
		t.Errorf("%+v %v", a, err)
	}
	if a := j.Alarms(tenants.Platform); !slices.ContainsFunc(a, func(a journal.OpenAlarm) bool { return a.Key == journal.AlarmShipper }) {
		t.Errorf("%+v", a)
	}
}

func TestACallReadsTheSameWhetherItCameAtOnceOrInPieces(t *testing.T) {
	t.Parallel()
	db, ctx := database(t), limited(t)
	s, q := journalsql.New(db, nil), journalsql.Queries{DB: db}
	facts := func(id string) []call.Event {
		return []call.Event{
			{Type: call.Invited, Call: tenants.CallID(id), Plan: plan("+16085550199")},
			{Type: call.Answering},
			{Type: call.MediaKnown, Media: call.Encrypted},
			{Type: call.CallerEnded, Reason: "bye"},
		}
	}
	var whole []journal.Event
	for n := range 4 { // c-0 comes at once, the others are cut at n
		id := fmt.Sprintf("c-%d", n)
		events := told("harbor", id, start, facts(id)...)
		if err := s.Ship(ctx, events[:n]); err != nil {
			t.Fatal(err)
		}
		whole = append(whole, events...)
	}
	if err := s.Ship(ctx, whole); err != nil {
		t.Fatal(err)
	}
	turn, refused := 0, errors.New("not this time")
	moody := journalsql.New(db, nil, func(context.Context, pgx.Tx, []journal.Event) error {
		if turn++; turn%2 == 1 {
			return refused
		}
		return nil
	})
	for id, by := range map[string]func() *journalsql.Store{ // an event at a time, to a store
		"c-4": func() *journalsql.Store { return s },                       // that remembers the call,
		"c-5": func() *journalsql.Store { return journalsql.New(db, nil) }, // that never heard of it,
		"c-6": func() *journalsql.Store { return moody },                   // that takes everything back first
	} {
		for i, e := range told("harbor", id, start, facts(id)...) {
			fact := facts(id)[i]
			fact.At = e.At
			e.Fact = fact
			for err := errors.New("not yet"); err != nil; {
				if err = by().Ship(ctx, []journal.Event{e}); err != nil && !errors.Is(err, refused) {
					t.Fatal(err)
				}
			}
		}
	}
	want, err := q.GetCall(ctx, "harbor", "c-0")
	if err != nil || want.Phase != call.Ended || want.Media != call.Encrypted || want.AnsweredAt == nil || want.Seq != 4 {
		t.Fatalf("%+v %v", want, err)
	}
	for _, id := range []tenants.CallID{"c-1", "c-2", "c-3", "c-4", "c-5", "c-6"} {
		got, err := q.GetCall(ctx, "harbor", id)
		if got.ID != id || err != nil {
			t.Fatalf("%+v %v", got, err)
		}
		got.ID = want.ID
		if a, b := fmt.Sprintf("%+v", deref(got)), fmt.Sprintf("%+v", deref(want)); a != b {
			t.Errorf("%s in pieces:\n%s\nat once:\n%s", id, a, b)
		}
	}
}

// deref is a record with its times as values, to be compared as text.
func deref(c journal.CallRecord) []any {
	at := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return t.UTC().String()
	}
	all := []any{at(c.AnsweredAt), at(c.ConnectedAt), at(c.EndedAt), c.InvitedAt.UTC()}
	c.AnsweredAt, c.ConnectedAt, c.EndedAt, c.InvitedAt = nil, nil, nil, time.Time{}
	return append(all, c)
}

func TestTheCallLogIsTheFoldOfTheEventsHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	db, ctx := database(t), limited(t)
	s, q := journalsql.New(db, nil), journalsql.Queries{DB: db}
	events := told("harbor", "c", start, abandoned("c", "+16085550199")...)
	if err := s.Ship(ctx, events[:1]); err != nil {
		t.Fatal(err)
	}
	live, err := q.GetCall(ctx, "harbor", "c")
	if err != nil || live.EndedAt != nil || live.Phase != call.Arriving || len(live.Candidates) != 1 {
		t.Fatalf("%+v %v", live, err)
	}
	if page, _, err := q.ListCalls(ctx, "harbor", journal.CallFilter{State: "live"}); err != nil || len(page) != 1 {
		t.Errorf("%+v %v", page, err)
	}
	if err := s.Ship(ctx, events); err != nil {
		t.Fatal(err)
	}
	for _, f := range []journal.CallFilter{
		{State: "ended"}, {Number: "+16085550199"}, {Number: "+16085550101", Since: start},
	} {
		if page, _, err := q.ListCalls(ctx, "harbor", f); err != nil || len(page) != 1 || page[0].EndedAt == nil {
			t.Errorf("%+v: %+v %v", f, page, err)
		}
	}
	for _, f := range []journal.CallFilter{{State: "live"}, {Number: "+1"}, {Since: start.Add(time.Hour)}} {
		if page, _, err := q.ListCalls(ctx, "harbor", f); err != nil || len(page) != 0 {
			t.Errorf("%+v: %+v %v", f, page, err)
		}
	}
	if got, err := q.CallEvents(ctx, "harbor", "c"); err != nil || len(got) != 2 || !got[1].Final {
		t.Errorf("%+v %v", got, err)
	}
	if _, _, err := q.ListCalls(ctx, "harbor", journal.CallFilter{Cursor: "garbage"}); !errors.Is(err, store.ErrBadCursor) {
		t.Error(err)
	}
	if _, err := q.GetCall(ctx, "mesa", "c"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("another tenant got %v", err)
	}
	if _, err := q.CallEvents(ctx, "mesa", "c"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("another tenant got %v", err)
	}
}

func TestAnAlarmHasAnEndAndMayOpenAgain(t *testing.T) {
	t.Parallel()
	db, ctx := database(t), limited(t)
	s, q := journalsql.New(db, nil), journalsql.Queries{DB: db}
	alarm := func(seq uint64, kind string, count int) journal.Event {
		data, _ := json.Marshal(journal.AlarmData{Text: "text", Severity: journal.Critical, Count: count, Since: start})
		return journal.Event{Tenant: "duna", Kind: journal.Alarm, ID: "k", Seq: seq, At: start, Node: "n1", Type: kind, Data: data, Final: kind == journal.TypeCleared}
	}
	if err := s.Ship(ctx, []journal.Event{alarm(10, journal.TypeRaised, 1), alarm(11, journal.TypeRaised, 7)}); err != nil {
		t.Fatal(err)
	}
	if a, err := q.ListAlarms(ctx, "duna", false); err != nil || len(a) != 1 || a[0].Count != 7 {
		t.Errorf("%+v %v", a, err)
	}
	if err := s.Ship(ctx, []journal.Event{alarm(12, journal.TypeCleared, 7), alarm(13, journal.TypeRaised, 1)}); err != nil {
		t.Fatal(err)
	}
	if a, err := q.ListAlarms(ctx, "duna", true); err != nil || len(a) != 2 || a[0].ClearedAt != nil || a[1].ClearedAt == nil {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := q.ListAlarms(ctx, "harbor", true); err != nil || len(a) != 0 {
		t.Errorf("another tenant's: %+v %v", a, err)
	}
}
