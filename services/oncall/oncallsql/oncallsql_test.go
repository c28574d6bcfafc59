package oncallsql_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/directory"
	"holdfast/services/directory/directorysql"
	"holdfast/services/numbers"
	"holdfast/services/numbers/numbersql"
	"holdfast/services/oncall"
	"holdfast/services/oncall/oncallsql"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

const account tenants.AccountID = "lakeside-cardiology"

func setup(t *testing.T) (*store.DB, oncallsql.Store, func() *routing.Copy) {
	t.Helper()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := demo.Load(t.Context(), db, netip.MustParsePrefix("127.0.0.0/16")); err != nil {
		t.Fatal(err)
	}
	book := &routing.Book{}
	compiler := numbers.New(numbers.Config{Source: numbersql.New(db), Shelf: numbers.Shelf{Dir: t.TempDir()}, Book: book})
	return db, oncallsql.Store{DB: db}, func() *routing.Copy {
		t.Helper()
		if err := compiler.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		return book.Copy("harbor")
	}
}

// Many people save what they made of the same state: one of them has it, the others are told, and nothing is lost.
func TestOfManyWhoEditOneStateOneSavesAndTheOthersAreTold(t *testing.T) {
	t.Parallel()
	_, s, read := setup(t)
	seen := read().SchedulesOf(account)[0]
	var wait sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wait.Go(func() {
			_, results[i] = s.Change(t.Context(), "harbor", "by "+string(rune('A'+i)), account, seen.ID, oncall.Tag(&seen), func(n *roster.Schedule) error {
				n.Name = "by " + string(rune('A'+i))
				return nil
			})
		})
	}
	wait.Wait()
	saved := ""
	for i, err := range results {
		var other *oncall.Changed
		switch {
		case err == nil && saved == "":
			saved = "by " + string(rune('A'+i))
		case err == nil:
			t.Error("two saved over each other")
		case !errors.As(err, &other) || other.Now.Name == seen.Name || other.Last.By != other.Now.Name || time.Since(other.Last.At) > time.Minute:
			t.Errorf("%v %+v", err, other)
		}
	}
	if now := read().SchedulesOf(account)[0]; saved == "" || now.Name != saved || len(now.Layers) != 1 {
		t.Errorf("%q saved, %+v there", saved, now)
	}
}

// race is one who removes a person, and one who gives that person a turn at the same moment.
type race struct {
	t         *testing.T
	db        *store.DB
	schedules oncallsql.Store
	listings  *directorysql.Store
	seen      roster.Schedule
	fresh     tenants.PersonID
}

func racing(t *testing.T) race {
	t.Helper()
	db, s, read := setup(t)
	r := race{t: t, db: db, schedules: s, listings: directorysql.New(db), seen: read().SchedulesOf(account)[0], fresh: tenants.PersonID(tenants.NewID())}
	r.seen.Overrides = nil
	if err := r.listings.Add(t.Context(), "harbor", "Alice", people.Person{
		ID: r.fresh, Account: account, Kind: people.Human, Name: "Dr. Fresh", Visibility: people.Everybody,
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// give is an edit that gives the person a turn; during runs while its transaction is open.
func (r race) give(during func()) error {
	_, err := r.schedules.Change(r.t.Context(), "harbor", "Alice", account, r.seen.ID, oncall.Tag(&r.seen), func(s *roster.Schedule) error {
		s.Layers[0].Participants = append(s.Layers[0].Participants, []tenants.PersonID{s.CatchAll, r.fresh})
		during()
		return nil
	})
	return err
}

func (r race) remove(during func()) error {
	return r.listings.Remove(r.t.Context(), "harbor", "Bea", account, r.fresh, "", time.Now(), func(people.Person) error {
		during()
		return nil
	})
}

// waits blocks until somebody in the database waits for somebody else.
func (r race) waits() {
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for blocked := 0; blocked == 0; {
		if err := r.db.InTenant(r.t.Context(), "harbor", func(tx pgx.Tx) error {
			return tx.QueryRow(r.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&blocked)
		}); err != nil {
			r.t.Error(err)
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			r.t.Error("in 30 s nobody waited for anybody")
			return
		}
	}
}

func TestWhoeverNamesSomebodyWhoIsBeingRemovedIsToldWho(t *testing.T) {
	t.Parallel()
	r := racing(t)
	given := make(chan error, 1)
	removed := r.remove(func() {
		go func() { given <- r.give(func() {}) }()
		r.waits()
	})
	var who *people.Problem
	if err := <-given; !errors.As(err, &who) || who.Field != "layers[0].participants[2][1]" || who.About != string(r.fresh) {
		t.Errorf("the edit: %v", err)
	}
	if removed != nil {
		t.Errorf("the removal: %v", removed)
	}
}

func TestWhoeverIsBeingGivenATurnIsNotRemoved(t *testing.T) {
	t.Parallel()
	r := racing(t)
	removed := make(chan error, 1)
	given := r.give(func() {
		go func() { removed <- r.remove(func() {}) }()
		r.waits()
	})
	var needed *directory.NeededError
	if err := <-removed; !errors.As(err, &needed) || len(needed.Uses) != 1 || needed.Uses[0].Schedule != r.seen.ID || !needed.Uses[0].Turns {
		t.Errorf("the removal: %v", err)
	}
	if given != nil {
		t.Errorf("the edit: %v", given)
	}
}

func TestASchedulesLifeInTheDatabase(t *testing.T) {
	t.Parallel()
	db, s, read := setup(t)
	c := read()
	who := c.PeopleOf(account)
	made := roster.Schedule{
		ID: tenants.ScheduleID(tenants.NewID()), Account: account, Name: "Backup", Position: 1, Zone: "America/Chicago", CatchAll: c.SchedulesOf(account)[0].CatchAll,
		Layers: []roster.Layer{{ID: "a", Name: "Weeks", Rotation: roster.Weekly, Weekday: 1, Handover: 480, From: roster.On(2026, 1, 5), Participants: [][]tenants.PersonID{{c.SchedulesOf(account)[0].CatchAll}}}},
	}
	if err := s.Create(t.Context(), "harbor", "Alice", made); err != nil {
		t.Fatal(err)
	}
	if got := read().SchedulesOf(account); len(got) != 2 || oncall.Tag(&got[1]) != oncall.Tag(&made) {
		t.Fatalf("%+v", got)
	}
	var p *people.Problem
	bad := made
	bad.ID = tenants.ScheduleID(tenants.NewID())
	for _, person := range who {
		if person.Kind != people.Human {
			bad.CatchAll = person.ID // a department answers no telephone at night
		}
	}
	if err := s.Create(t.Context(), "harbor", "Alice", bad); !errors.As(err, &p) || p.Field != "catch_all" {
		t.Errorf("%v", err)
	}
	for name, err := range map[string]error{
		"of another tenant":  s.Create(t.Context(), "mesa", "Alice", made),
		"of another account": s.Delete(t.Context(), "harbor", "prairie-plumbing", made.ID, oncall.Tag(&made)),
		"as another tenant":  s.Delete(t.Context(), "mesa", account, made.ID, oncall.Tag(&made)),
	} {
		if !errors.Is(err, oncall.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := oncall.Feed{ID: tenants.NewID(), Name: "telephone", By: "Alice", At: time.Now().UTC().Truncate(time.Microsecond)}
	const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if err := s.AddFeed(t.Context(), "harbor", account, made.ID, f, hash); err != nil {
		t.Fatal(err)
	}
	if got := read().Feeds; len(got) != 1 || got[0].Hash != hash || got[0].Schedule != made.ID {
		t.Errorf("%+v", got)
	}
	if err := s.RemoveFeed(t.Context(), "mesa", account, made.ID, f.ID); !errors.Is(err, oncall.ErrNotFound) {
		t.Errorf("mesa revokes harbor's: %v", err)
	}
	if err := s.RemoveFeed(t.Context(), "harbor", account, made.ID, f.ID); err != nil || len(read().Feeds) != 0 {
		t.Errorf("%v %+v", err, read().Feeds)
	}
	if err := s.Delete(t.Context(), "harbor", account, made.ID, oncall.Tag(&made)); err != nil || len(read().SchedulesOf(account)) != 1 {
		t.Errorf("%v", err)
	}
	// Nobody can be taken away who has a turn, and whoever has none can: the schedule is never left with a hole.
	if err := db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM people WHERE person_id = $1", read().SchedulesOf(account)[0].Layers[0].Participants[0][0])
		return err
	}); err == nil {
		t.Error("a person with turns was removed")
	}
}
