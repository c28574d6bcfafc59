package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ada = tenants.Actor{Tenant: "harbor", User: "ada", Name: "Ada", Role: tenants.RoleOperator}
	ben = tenants.Actor{Tenant: "harbor", User: "ben", Name: "Ben", Role: tenants.RoleOperator}
	zoe = tenants.Actor{Tenant: "mesa", User: "zoe", Name: "Zoe", Role: tenants.RoleAdmin}
)

func keller() ticket.Origin {
	return ticket.Origin{
		Tenant: "harbor", Call: "c1", Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology",
		Caller: "+16085550177", Called: "+16085550101",
	}
}

// office is a desk over a journal on disk, which can be closed and opened again as by a crash.
type office struct {
	t       *testing.T
	dir     string
	journal *journal.Journal
	desk    *ticket.Desk
	archive ticket.Archive

	mu  sync.Mutex
	now time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 22, 20, 2, 0, 0, time.UTC)}
	o.open()
	t.Cleanup(o.close)
	return o
}

func (o *office) open() {
	o.t.Helper()
	j, err := journal.Open(journal.Config{Dir: filepath.Join(o.dir, "spool"), Node: "n1"})
	if err != nil {
		o.t.Fatal(err)
	}
	chicago, err := time.LoadLocation("America/Chicago")
	if err != nil {
		o.t.Fatal(err)
	}
	o.journal = j
	o.desk = ticket.NewDesk(ticket.DeskConfig{
		Node: "n1", Journal: j, Dir: filepath.Join(o.dir, "tickets"), Stories: j.OpenStories(), Archive: o.archive,
		Zone: func(tenants.TenantID, tenants.AccountID) *time.Location { return chicago }, Now: o.clock,
	})
	o.desk.Start()
}

func (o *office) close() {
	o.desk.Stop()
	if err := o.journal.Stop(); err != nil {
		o.t.Error(err)
	}
}

func (o *office) reopen() { o.close(); o.open() }

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(time.Second)
	return o.now
}

// good ends the test on an error.
func good[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (o *office) draft() ticket.State {
	o.t.Helper()
	s, err := o.desk.ForCall(o.t.Context(), "harbor", "c1")
	return good(o.t, s, err)
}

func (o *office) typed(who tenants.Actor, id tenants.TicketID, field, value string) ticket.State {
	o.t.Helper()
	now, err := o.desk.Get(o.t.Context(), who.Tenant, id)
	good(o.t, now, err)
	s, err := o.desk.Change(o.t.Context(), who, id, field, value, now.Fields[field].Revision)
	return good(o.t, s, err)
}

func (o *office) save(who tenants.Actor, id tenants.TicketID) ticket.State {
	o.t.Helper()
	s, err := o.desk.Save(o.t.Context(), who, id)
	return good(o.t, s, err)
}

func TestADraftSurvivesTheProcessAndTheNextOperatorGoesOnWithIt(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.desk.Joined(keller(), "ada", "Ada")
	id := o.draft().ID
	o.typed(ada, id, ticket.FieldName, "Mrs. Keller")
	o.typed(ada, id, ticket.FieldText, "chest pain since noon")
	o.reopen()
	o.desk.Joined(keller(), "ben", "Ben")
	s := o.draft()
	if s.ID != id || s.Value(ticket.FieldText) != "chest pain since noon" || s.Holders[0].Name != "Ada" || s.Holder().Name != "Ben" {
		t.Fatalf("%+v", s)
	}
	var refusal *ticket.Refusal
	if _, err := o.desk.Change(t.Context(), ada, id, ticket.FieldText, "late", 1); !errors.As(err, &refusal) || refusal.Code != "not_yours" {
		t.Fatalf("Ada's late change: %v", err)
	}
	if s := o.typed(ben, id, ticket.FieldText, "chest pain since noon, better now"); s.Fields[ticket.FieldText].Revision != 2 {
		t.Fatalf("%+v", s.Fields)
	}
}

func TestNumbersGrowOverRestartsWithoutAnyStore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n := uint64(1); n <= 6; n++ {
		s, err := o.desk.Begin(t.Context(), ada, ticket.Origin{Account: "lakeside-cardiology"})
		good(t, s, err)
		o.typed(ada, s.ID, ticket.FieldText, fmt.Sprint("message ", n))
		if s = o.save(ada, s.ID); s.Number != n {
			t.Fatalf("number %d, want %d", s.Number, n)
		}
		if again := o.save(ada, s.ID); again.Number != n {
			t.Fatalf("saved twice: %d", again.Number)
		}
		if n%2 == 0 {
			good(t, s, errOf(o.desk.Deliver(t.Context(), ben, s.ID, "Dr. Lee", "phone")))
			o.reopen()
		}
	}
	zoes, err := o.desk.Begin(t.Context(), zoe, ticket.Origin{Account: "red-rock-dental"})
	good(t, zoes, err)
	o.typed(zoe, zoes.ID, ticket.FieldText, "a crown")
	if s := o.save(zoe, zoes.ID); s.Number != 1 {
		t.Fatalf("another tenant's first number is %d", s.Number)
	}
}

func errOf(_ ticket.State, err error) error { return err }

func TestADamagedCounterNeverGivesANumberTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &ticket.Counter{Dir: dir}
	for want := uint64(1); want <= 3; want++ {
		if n, err := c.Next("harbor", 0); err != nil || n != want {
			t.Fatalf("%d %v", n, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "harbor"), []byte("\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := (&ticket.Counter{Dir: dir}).Next("harbor", 2); err != nil || n <= 1000 {
		t.Fatalf("%d %v", n, err)
	}
	for _, bad := range []tenants.TenantID{"../harbor", "", "a/b"} {
		if n, err := c.Next(bad, 0); err == nil {
			t.Errorf("%q got number %d", bad, n)
		}
	}
}

func TestNothingIsToldWhenTheDiskDoesNotConfirm(t *testing.T) {
	t.Parallel()
	j := &deafDisk{}
	d := ticket.NewDesk(ticket.DeskConfig{Journal: j, Dir: t.TempDir()})
	d.Start()
	defer d.Stop()
	d.Joined(keller(), "ada", "Ada")
	s, err := d.ForCall(t.Context(), "harbor", "c1")
	good(t, s, err)
	if _, err := d.Change(t.Context(), ada, s.ID, ticket.FieldText, "x", 0); !errors.Is(err, ticket.ErrNotKept) {
		t.Fatalf("change: %v", err)
	}
	if _, err := d.Change(t.Context(), ada, s.ID, ticket.FieldText, "x", 0); !errors.Is(err, ticket.ErrNotKept) {
		t.Fatalf("the same change again: %v", err)
	}
	if _, err := d.Save(t.Context(), ada, s.ID); !errors.Is(err, ticket.ErrNotKept) {
		t.Fatalf("save: %v", err)
	}
}

type deafDisk struct{}

func (*deafDisk) Append(journal.Event)       {}
func (*deafDisk) Sync(context.Context) error { return journal.ErrNotKept }

func TestOwedAreListedUrgentFirstThenOldestAndCounted(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, m := range []struct{ text, urgent string }{{"old", ""}, {"new", ""}, {"urgent, newest", "yes"}} {
		s, err := o.desk.Begin(t.Context(), ada, ticket.Origin{Account: "lakeside-cardiology"})
		good(t, s, err)
		o.typed(ada, s.ID, ticket.FieldText, m.text)
		o.typed(ada, s.ID, ticket.FieldUrgent, m.urgent)
		s = o.save(ada, s.ID)
		// 20:02 UTC is 14:02 in Chicago: the day ends there at 06:00 UTC.
		if end := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC); m.urgent == "" && !s.NextAt.Equal(end) || m.urgent != "" && s.NextAt.Sub(s.Saved.At) != ticket.UrgentAfter {
			t.Errorf("%s: next action %v", m.text, s.NextAt)
		}
	}
	o.reopen()
	owed, err := o.desk.Owed(t.Context(), "harbor")
	good(t, owed, err)
	var got []string
	for _, s := range owed {
		got = append(got, s.Value(ticket.FieldText))
	}
	if fmt.Sprint(got) != "[urgent, newest old new]" {
		t.Fatalf("%q", got)
	}
	if c := o.desk.Count("harbor", nil); c.Owed != 3 || c.Urgent != 1 || !c.Oldest.Equal(owed[1].Saved.At) {
		t.Fatalf("%+v", c)
	}
	good(t, 0, errOf(o.desk.Deliver(t.Context(), ben, owed[0].ID, "Dr. Lee", "phone")))
	if c := o.desk.Count("harbor", nil); c.Owed != 2 || c.Urgent != 0 {
		t.Fatalf("%+v", c)
	}
	if c := o.desk.Count("mesa", nil); c != (ticket.Count{}) {
		t.Fatalf("another tenant's: %+v", c)
	}
}

func TestAnotherTenantsMessagesDoNotExist(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.desk.Joined(keller(), "ada", "Ada")
	id := o.draft().ID
	for what, err := range map[string]error{
		"get":     errOf(o.desk.Get(t.Context(), "mesa", id)),
		"call":    errOf(o.desk.ForCall(t.Context(), "mesa", "c1")),
		"change":  errOf(o.desk.Change(t.Context(), zoe, id, ticket.FieldText, "x", 0)),
		"take":    errOf(o.desk.Take(t.Context(), zoe, id)),
		"save":    errOf(o.desk.Save(t.Context(), zoe, id)),
		"append":  errOf(o.desk.Append(t.Context(), zoe, id, "x")),
		"deliver": errOf(o.desk.Deliver(t.Context(), zoe, id, "x", "y")),
		"reopen":  errOf(o.desk.Undeliver(t.Context(), zoe, id)),
	} {
		if !errors.Is(err, ticket.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// shelf is an archive with one ticket.
type shelf struct{ state ticket.State }

func (s *shelf) GetTicket(_ context.Context, tenant tenants.TenantID, id tenants.TicketID) (ticket.State, error) {
	if s.state.ID != id || s.state.Tenant != tenant {
		return ticket.State{}, journal.ErrNotFound
	}
	return s.state, nil
}

func (s *shelf) LastNumber(context.Context, tenants.TenantID) (uint64, error) { return 41, nil }

func TestADeliveredMessageIsOwedAgainAfterItLeftTheDeskAndStaysSoOverACrash(t *testing.T) {
	t.Parallel()
	a := &shelf{}
	o := newOffice(t)
	o.archive = a
	o.reopen()
	o.desk.Joined(keller(), "ada", "Ada")
	id := o.draft().ID
	o.typed(ada, id, ticket.FieldText, "call me")
	if s := o.save(ada, id); s.Number != 42 {
		t.Fatalf("the archive knew number 41, this one got %d", s.Number)
	}
	s, err := o.desk.Deliver(t.Context(), ada, id, "Dr. Lee", "")
	a.state = good(t, s, err)
	o.reopen() // a delivered story is final: the desk has forgotten it
	if _, err := o.desk.Append(t.Context(), ben, id, "x"); !errors.Is(err, ticket.ErrNotFound) {
		t.Fatalf("%v", err)
	}
	good(t, s, errOf(o.desk.Undeliver(t.Context(), ben, id)))
	a.state = ticket.State{} // and the archive is away
	o.reopen()
	s, err = o.desk.Append(t.Context(), ben, id, "he was not told after all")
	good(t, s, err)
	if s.Phase != ticket.Owed || s.Number != 42 || s.Value(ticket.FieldText) != "call me" || s.Deliveries[0].Undone == nil || len(s.Notes) != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestAWatcherSeesTheNewestOfEveryTicketThatItWants(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	w := o.desk.Watch("harbor", func(s ticket.State) bool { return s.Holder().Operator == "ada" })
	defer w.Close()
	other := o.desk.Watch("harbor", func(s ticket.State) bool { return s.Holder().Operator == "ben" })
	defer other.Close()
	o.desk.Joined(keller(), "ada", "Ada")
	id := o.draft().ID
	o.typed(ada, id, ticket.FieldText, "a")
	o.typed(ada, id, ticket.FieldText, "ab")
	select {
	case <-w.Ready():
	case <-time.After(5 * time.Second):
		t.Fatal("not told")
	}
	if got := w.Take(); len(got) != 1 || got[0].Value(ticket.FieldText) != "ab" {
		t.Fatalf("%+v", got)
	}
	select {
	case <-other.Ready():
		t.Errorf("told of another's: %+v", other.Take())
	default:
	}
}

func TestAStoppedDeskSaysSo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.desk.Stop()
	o.desk.Stop()
	o.desk.Joined(keller(), "ada", "Ada")
	if _, err := o.desk.Owed(t.Context(), "harbor"); !errors.Is(err, ticket.ErrAway) {
		t.Fatal(err)
	}
}
