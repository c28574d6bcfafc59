package journalsql_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/tenants"
)

// A machine that loses its power may lose events that it had shipped. What it tells next has their numbers.
func TestACallThatADeadMachineHalfForgotEndsInTheCallLogToo(t *testing.T) {
	t.Parallel()
	db, ctx := database(t), limited(t)
	q := journalsql.Queries{DB: db}
	invited := call.Event{Type: call.Invited, Call: "c", Plan: plan("+16085550199")}
	before := told("harbor", "c", start, invited, call.Event{Type: call.Answering}, call.Event{Type: call.MediaKnown, Media: call.Encrypted})
	before[2].Final = false
	if err := journalsql.New(db, nil).Ship(ctx, before); err != nil {
		t.Fatal(err)
	}
	after := told("harbor", "c", start, invited, call.Event{Type: call.Answering}, call.Event{Type: call.CallerEnded, Reason: "bye"})
	other := told("harbor", "d", start, abandoned("d", "+16085550198")...)
	for range 2 { // the cursor may be lost as well
		if err := journalsql.New(db, nil).Ship(ctx, append(other[:1:1], append(after, other[1])...)); err != nil {
			t.Fatal(err)
		}
	}
	for id, events := range map[tenants.CallID]int{"c": 4, "d": 2} {
		c, err := q.GetCall(ctx, "harbor", id)
		if err != nil || c.Phase != call.Ended || c.EndedAt == nil || int(c.Seq) != events {
			t.Errorf("%s: %+v %v", id, c, err)
		}
		if all, err := q.CallEvents(ctx, "harbor", id); err != nil || len(all) != events || !all[events-1].Final {
			t.Errorf("%s: %+v %v", id, all, err)
		}
	}
	if c, err := q.GetCall(ctx, "harbor", "c"); err != nil || c.Media != call.Encrypted {
		t.Errorf("what only the database had is gone: %+v %v", c, err)
	}
}

func TestAStoryGoesOnBehindWhatOnlyTheDatabaseHas(t *testing.T) {
	t.Parallel()
	db, ctx := database(t), limited(t)
	events := func(types string) (all []journal.Event) {
		for i, kind := range strings.Fields(types) {
			all = append(all, journal.Event{
				Tenant: "harbor", Kind: journal.Duty, ID: "d", Seq: uint64(i + 1), At: start.Add(time.Duration(i) * time.Second),
				Node: "n1", Type: kind, Data: []byte(`{"a": 1.0}`),
			})
		}
		return all
	}
	after := events("one two new newer newest")
	for _, batch := range [][]journal.Event{
		events("one two lost")[:2], events("one two lost"), after[:4], after[4:], // as it came
		after[1:3], after, events("one two lost"), append(after[3:4:4], after...), // again, in all ways
	} {
		if err := journalsql.New(db, nil).Ship(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	var got string
	if err := db.AsWorker(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT string_agg(type || ' ' || seq, ', ' ORDER BY seq) FROM events WHERE id = 'd'`).Scan(&got)
	}); err != nil || got != "one 1, two 2, lost 3, new 4, newer 5, newest 6" {
		t.Errorf("%s %v", got, err)
	}
}
