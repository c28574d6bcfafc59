package voicemailsql_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/voicemail"
	"holdfast/services/voicemail/voicemailsql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

func TestATenantIsRemindedOnceAnHourUntilEverythingIsHandled(t *testing.T) {
	t.Parallel()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := demo.Load(ctx, db, netip.MustParsePrefix("127.0.0.0/16")); err != nil {
		t.Fatal(err)
	}
	s := journalsql.New(db, nil, voicemailsql.Project)
	for n, id := range []string{"c-0", "c-1"} { // left at the start, and a minute later
		if err := s.Ship(ctx, told("harbor", id, crashed(id, n)...)); err != nil {
			t.Fatal(err)
		}
	}
	w := voicemailsql.Waiting{DB: db}
	ill := false
	remind := func(after time.Duration) (found []voicemail.Unhandled) {
		t.Helper()
		err := w.Remind(ctx, start.Add(after), voicemail.RemindAfter, voicemail.RemindEvery, func(tenant tenants.TenantID, u voicemail.Unhandled) error {
			if tenant != "harbor" {
				t.Errorf("%s is reminded", tenant)
			}
			if ill {
				return errors.New("the disk is full")
			}
			found = append(found, u)
			return nil
		})
		if (err != nil) != ill {
			t.Errorf("after %v: %v", after, err)
		}
		return found
	}
	if got := remind(29 * time.Minute); len(got) != 0 {
		t.Errorf("reminded too early: %+v", got)
	}
	ill = true
	remind(31 * time.Minute)
	ill = false
	held, release, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { // another worker is at it
		over <- db.AsWorker(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(0x486f6c64_00000001)); err != nil {
				return err
			}
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	if got := remind(31 * time.Minute); len(got) != 0 {
		t.Errorf("two workers remind at once: %+v", got)
	}
	close(release)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if got := remind(31 * time.Minute); len(got) != 1 || got[0].Count != 2 || !got[0].Oldest.Equal(start) {
		t.Errorf("after half an hour: %+v", got)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{32 * time.Minute, 0}, {90 * time.Minute, 0}, {92 * time.Minute, 1}} {
		if got := remind(c.after); len(got) != c.want {
			t.Errorf("after %v: %+v", c.after, got)
		}
	}
	for _, id := range []tenants.VoicemailID{"v-0", "v-1"} {
		v := voicemail.Voicemail{ID: id, Tenant: "harbor"}
		state := voicemail.Handled
		actor := tenants.Actor{Tenant: "harbor", User: "u", Name: "Ada", Role: tenants.RoleOperator}
		marked, err := voicemail.Mark(v, voicemail.Change{State: &state}, actor, start.Add(2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		e := voicemail.Command(marked, actor, start.Add(2*time.Hour))
		e.Node = "n1"
		if err := s.Ship(ctx, []journal.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if got := remind(4 * time.Hour); len(got) != 0 {
		t.Errorf("everything is handled: %+v", got)
	}
}
