package interimsql_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/interim"
	"holdfast/services/interim/interimsql"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/numbers"
	"holdfast/services/numbers/numbersql"
	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

const account tenants.AccountID = "lakeside-cardiology"

// door is a database that can be away.
type door struct {
	journal.Store
	away atomic.Bool
}

func (d *door) Ship(ctx context.Context, events []journal.Event) error {
	if d.away.Load() {
		return errors.New("away")
	}
	return d.Store.Ship(ctx, events)
}

type node struct {
	t        *testing.T
	db       *store.DB
	door     *door
	book     *routing.Book
	compiler *numbers.Compiler
	board    *interim.Board
	journal  *journal.Journal
}

func setup(t *testing.T) *node {
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
	log := slog.New(slog.DiscardHandler)
	n := &node{t: t, db: db, book: &routing.Book{}, door: &door{Store: journalsql.New(db, log, interimsql.Project)}}
	n.compiler = numbers.New(numbers.Config{Source: numbersql.New(db), Shelf: numbers.Shelf{Dir: t.TempDir()}, Book: n.book, Log: log})
	if err := n.compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.journal, err = journal.Open(journal.Config{Dir: t.TempDir(), Node: "n1", Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.journal.Stop() })
	shipper := journal.NewShipper(journal.ShipperConfig{Journal: n.journal, Store: n.door, Log: log, Slowest: 50 * time.Millisecond})
	shipper.Start()
	t.Cleanup(shipper.Stop)
	n.board = interim.New(interim.Config{Node: "n1", Journal: n.journal, Book: n.book, Log: log})
	return n
}

// until waits for something, looking whenever the journal was shipped.
func (n *node) until(what string, there func() bool) {
	n.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !there() {
		select {
		case <-tick.C:
		case <-limit:
			n.t.Fatalf("in 30 s never: %s", what)
		}
	}
}

func (n *node) count(sql string) (rows int) {
	n.t.Helper()
	if err := n.db.InTenant(n.t.Context(), "harbor", func(tx pgx.Tx) error {
		return tx.QueryRow(n.t.Context(), sql).Scan(&rows)
	}); err != nil {
		n.t.Fatal(err)
	}
	return rows
}

func TestWhatWasSetWithTheDatabaseAwayIsInItExactlyOnceAfterItsReturn(t *testing.T) {
	t.Parallel()
	n := setup(t)
	c := n.book.Copy("harbor")
	var brooks people.Person
	for _, p := range c.PeopleOf(account) {
		if p.Name == "Helen Brooks" {
			brooks = p
		}
	}
	var ada tenants.Actor
	for _, o := range c.Operators {
		if o.Email == "ada@harbor.example" {
			ada = tenants.Actor{Tenant: "harbor", User: o.ID, Name: o.Name, Role: o.Role}
		}
	}
	n.door.away.Store(true)
	now := time.Now()
	before, _ := oncall.At(c, account, now)
	o, err := n.board.SetOverride(t.Context(), ada, interim.OverrideWish{
		Account: account, To: now.Add(time.Hour), Person: brooks.ID, Replaces: roster.Person, Replaced: string(before[0].Now[0].Person.ID),
	})
	if err != nil {
		t.Fatal(err)
	}
	brief, err := n.board.SetOverride(t.Context(), ada, interim.OverrideWish{Account: account, From: now.Add(3 * time.Hour), To: now.Add(4 * time.Hour), Person: brooks.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.board.End(t.Context(), ada, account, brief.ID); err != nil { // before it began
		t.Fatal(err)
	}
	if _, err := n.board.SetNote(t.Context(), ada, interim.NoteWish{Account: account, Text: "swap \u2603", Until: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if n.count("SELECT count(*) FROM overrides") != 0 {
		t.Fatal("the database was not away: this proves nothing")
	}
	n.door.away.Store(false)
	n.until("the journal is shipped", func() bool { return n.journal.Behind() == 0 })
	if got := n.count("SELECT count(*) FROM overrides WHERE by_name = 'Ada Bennett' AND ended_at IS NULL"); got != 1 {
		t.Errorf("%d overrides in the database", got)
	}
	if got := n.count("SELECT count(*) FROM overrides WHERE ended_at <= from_at"); got != 1 {
		t.Errorf("%d overrides that never held", got)
	}
	if got := n.count("SELECT count(*) FROM notes"); got != 1 {
		t.Errorf("%d notes in the database", got)
	}
	if err := n.compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain := n.book.Compiled("harbor")
	if got := plain.SchedulesOf(account)[0].Overrides; len(got) != 1 || got[0] != *o.Override || len(plain.NotesOf(account)) != 1 {
		t.Errorf("compiled %+v, set %+v", got, *o.Override)
	}
	if laid := n.book.Copy("harbor"); laid.Hash() != plain.Hash() {
		t.Error("something is still laid over the compiled copy")
	}
	all, _ := oncall.At(n.book.Copy("harbor"), account, time.Now())
	if all[0].Now[0].Person.ID != brooks.ID {
		t.Errorf("%+v", all[0].Now)
	}
}

func TestWordsInTheWrongOrderAndOfWhatIsGoneDoNoHarm(t *testing.T) {
	t.Parallel()
	n := setup(t)
	s := n.book.Copy("harbor").SchedulesOf(account)[0]
	at := time.Now().UTC().Truncate(time.Second)
	o := interim.OverrideOf(interim.OverrideWish{From: at, To: at.Add(time.Hour), Person: s.CatchAll}, "Ada", at)
	item := interim.Item{ID: o.ID, Tenant: "harbor", Account: account, Schedule: s.ID, Override: &o, Set: interim.Writer{Name: "Ada", At: at}}
	ended := item
	ended.Ended = &interim.Writer{Name: "Ben", At: at}
	gone := item
	gone.ID, gone.Schedule = tenants.NewID(), tenants.ScheduleID(tenants.NewID())
	for i, e := range []struct {
		what string
		item interim.Item
	}{{interim.Ended, ended}, {interim.Set, item}, {interim.Ended, ended}, {interim.Set, gone}} {
		data, _ := json.Marshal(e.item)
		if err := n.door.Ship(t.Context(), []journal.Event{{
			Tenant: "harbor", Kind: journal.Interim, ID: e.item.ID, Seq: uint64(i + 1), At: at, Node: "n2", Type: e.what, Data: data,
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.book.Copy("harbor").SchedulesOf(account)[0].Overrides; len(got) != 0 || n.count("SELECT count(*) FROM overrides") != 1 {
		t.Errorf("%+v", got)
	}
}
