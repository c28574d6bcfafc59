package interim_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/services/interim"
	"holdfast/services/journal"
	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ortiz    tenants.PersonID   = "0190b5a0-0000-7000-8000-000000000011"
	lee      tenants.PersonID   = "0190b5a0-0000-7000-8000-000000000012"
	schedule tenants.ScheduleID = "0190b5a0-0000-7000-8000-0000000000aa"
	account  tenants.AccountID  = "lakeside-cardiology"
	adaID    tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000001"
	benID    tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000002"
)

var ada = tenants.Actor{Tenant: "harbor", User: adaID, Name: "Ada Bennett", Role: tenants.RoleOperator}

func compiled() *routing.Copy {
	c := &routing.Copy{
		Tenant: "harbor", Accounts: []routing.Account{{ID: account, Name: "Lakeside"}},
		Operators: []routing.Operator{
			{ID: adaID, Role: tenants.RoleOperator, Rights: []tenants.Right{tenants.RightOverride}},
			{ID: benID, Role: tenants.RoleOperator},
		},
		People: []people.Person{{ID: ortiz, Account: account, Kind: people.Human, Name: "Dr. Ortiz"}, {ID: lee, Account: account, Kind: people.Human, Name: "Dr. Lee"}},
		Schedules: []roster.Schedule{{
			ID: schedule, Account: account, Name: "Cardiologist", Zone: "America/Chicago", CatchAll: ortiz,
			Layers: []roster.Layer{{ID: "l", Rotation: roster.Daily, Handover: 480, From: roster.On(2024, 1, 1), Participants: [][]tenants.PersonID{{ortiz}}}},
		}},
	}
	c.Sort()
	return c
}

type bench struct {
	t       *testing.T
	now     time.Time
	dir     string
	book    *routing.Book
	journal *journal.Journal
	board   *interim.Board
}

// begin starts a process on the disk of the one before it.
func (b *bench) begin() {
	b.t.Helper()
	var err error
	b.journal, err = journal.Open(journal.Config{Dir: b.dir, Node: "n1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.board = b.on("n1", b.journal)
	b.book.Put(compiled())
}

// on is a node with copies of its own.
func (b *bench) on(node string, j *journal.Journal) *interim.Board {
	b.book = &routing.Book{}
	return interim.New(interim.Config{
		Node: node, Journal: j, Book: b.book, Stories: j.OpenStories(), Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler),
	})
}

func setup(t *testing.T) *bench {
	b := &bench{t: t, now: time.Date(2026, 7, 15, 17, 0, 0, 500, time.UTC), dir: filepath.Join(t.TempDir(), "spool")}
	b.begin()
	t.Cleanup(func() { _ = b.journal.Stop() })
	return b
}

func (b *bench) onCall(book *routing.Book) string {
	b.t.Helper()
	all, err := oncall.At(book.Copy("harbor"), account, b.now)
	if err != nil || len(all) != 1 || len(all[0].Now) != 1 {
		b.t.Fatalf("%+v %v", all, err)
	}
	return all[0].Now[0].Person.Name
}

func (b *bench) set(until time.Duration) interim.Item {
	b.t.Helper()
	i, err := b.board.SetOverride(b.t.Context(), ada, interim.OverrideWish{Account: account, To: b.now.Add(until), Person: lee})
	if err != nil {
		b.t.Fatal(err)
	}
	return i
}

func TestAnOverrideHoldsAtOnceOutlivesTheProcessAndIsTakenBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.set(time.Hour)
	if who := b.onCall(b.book); who != "Dr. Lee" {
		t.Errorf("at once: %s", who)
	}
	_ = b.journal.Stop()
	b.begin() // the database is still away
	if who := b.onCall(b.book); who != "Dr. Lee" {
		t.Errorf("after a restart: %s", who)
	}
	b.now = b.now.Add(time.Minute)
	if _, err := b.board.End(t.Context(), ada, account, i.ID); err != nil {
		t.Fatal(err)
	}
	if who := b.onCall(b.book); who != "Dr. Ortiz" {
		t.Errorf("after it was ended: %s", who)
	}
	past, _ := oncall.At(b.book.Copy("harbor"), account, b.now.Add(-30*time.Second))
	if past[0].Now[0].Person.ID != lee {
		t.Error("who was on call a moment ago has changed too")
	}
	_ = b.journal.Stop()
	b.begin()
	if who := b.onCall(b.book); who != "Dr. Ortiz" {
		t.Errorf("ended, and after a restart: %s", who)
	}
}

func TestOnceTheCompiledCopyHasItTheCopyAlonePrevails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.set(time.Hour)
	with := compiled()
	with.Schedules[0].Overrides = []roster.Override{*i.Override}
	b.book.Put(with)
	b.board.Settle()
	if n := len(b.book.Copy("harbor").Schedules[0].Overrides); n != 1 {
		t.Fatalf("%d overrides: it is there twice", n)
	}
	b.book.Put(compiled()) // removed elsewhere
	if who := b.onCall(b.book); who != "Dr. Ortiz" {
		t.Errorf("it came back: %s", who)
	}
	_ = b.journal.Stop()
	b.begin()
	if who := b.onCall(b.book); who != "Dr. Ortiz" {
		t.Errorf("it came back with the next process: %s", who)
	}
}

func TestAnotherNodeHearsOfItWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	events, cancel := b.journal.Subscribe(8)
	defer cancel()
	first := b.book
	other := b.on("n2", b.journal)
	second := b.book
	second.Put(compiled())
	b.book = first
	i := b.set(time.Hour)
	other.Hear(<-events)
	if who := b.onCall(second); who != "Dr. Lee" {
		t.Errorf("there: %s", who)
	}
	if _, err := b.board.End(t.Context(), ada, account, i.ID); err != nil {
		t.Fatal(err)
	}
	other.Hear(<-events)
	if who := b.onCall(second); who != "Dr. Ortiz" {
		t.Errorf("there, ended: %s", who)
	}
}

func TestNotesHaveAnEndAndAnAuthor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, err := b.board.SetNote(t.Context(), ada, interim.NoteWish{Account: account, Text: "  Ortiz swaps with Lee\x00 ", Until: b.now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := oncall.InForceAt(b.book.Copy("harbor"), account, b.now)
	if len(f.Notes) != 1 || f.Notes[0].Text != "Ortiz swaps with Lee" || f.Notes[0].By != "Ada Bennett" {
		t.Errorf("%+v", f.Notes)
	}
	if f, _ = oncall.InForceAt(b.book.Copy("harbor"), account, b.now.Add(time.Hour)); len(f.Notes) != 0 {
		t.Error("it holds beyond its end")
	}
	if _, err := b.board.End(t.Context(), ada, account, i.ID); err != nil {
		t.Fatal(err)
	}
	if f, _ = oncall.InForceAt(b.book.Copy("harbor"), account, b.now); len(f.Notes) != 0 {
		t.Error("it holds beyond being ended")
	}
}

func TestWhoMayNotAndWhatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ben, zoe := ada, ada
	ben.User = benID
	zoe.Tenant = "mesa"
	wish := interim.OverrideWish{Account: account, To: b.now.Add(time.Hour), Person: lee}
	for name, err := range map[string]error{
		"without the right": second(b.board.SetOverride(t.Context(), ben, wish)),
		"to end a note":     second(b.board.End(t.Context(), ben, account, "x")),
	} {
		if !errors.Is(err, interim.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(b.board.SetOverride(t.Context(), zoe, wish)); !errors.Is(err, interim.ErrNotFound) {
		t.Errorf("of another tenant: %v", err)
	}
	var p *people.Problem
	for name, change := range map[string]func(*interim.OverrideWish){
		"over already": func(w *interim.OverrideWish) { w.To = b.now.Add(-time.Second) },
		"no person":    func(w *interim.OverrideWish) { w.Person = "0190b5a0-0000-7000-8000-0000000000ff" },
		"two years":    func(w *interim.OverrideWish) { w.To = b.now.AddDate(2, 0, 0) },
		"no layer":     func(w *interim.OverrideWish) { w.Replaces, w.Replaced = roster.OfOne, "gone" },
	} {
		bad := wish
		change(&bad)
		if err := second(b.board.SetOverride(t.Context(), ada, bad)); !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(b.board.SetNote(t.Context(), ada, interim.NoteWish{Account: account, Text: " \n", Until: b.now.Add(time.Hour)})); !errors.As(err, &p) {
		t.Errorf("an empty note: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
