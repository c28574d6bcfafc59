package directorysql_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
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
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

const account tenants.AccountID = "lakeside-cardiology"

var (
	admin = tenants.Actor{Tenant: "harbor", User: "u", Name: "Admin", Role: tenants.RoleAdmin}
	mesa  = tenants.Actor{Tenant: "mesa", User: "v", Name: "Admin", Role: tenants.RoleAdmin}
)

type bundle struct {
	t        *testing.T
	db       *store.DB
	editor   *directory.Editor
	compiler *numbers.Compiler
	book     *routing.Book
	mu       sync.Mutex
	told     []string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second, Statement: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := demo.Load(t.Context(), db, netip.MustParsePrefix("127.0.0.0/16")); err != nil {
		t.Fatal(err)
	}
	b := &bundle{t: t, db: db, book: &routing.Book{}}
	b.compiler = numbers.New(numbers.Config{Source: numbersql.New(db), Shelf: numbers.Shelf{Dir: t.TempDir()}, Book: b.book})
	b.editor = directory.NewEditor(directorysql.New(db), func(ctx context.Context, _ tenants.Actor, what string, _ map[string]any) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.told = append(b.told, what)
		return b.compiler.Check(ctx)
	}, time.Now)
	b.compile()
	return b
}

func (b *bundle) compile() {
	b.t.Helper()
	if err := b.compiler.Check(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) named(name string) people.Person {
	b.t.Helper()
	for _, p := range b.book.Copy("harbor").PeopleOf(account) {
		if p.Name == name {
			return p
		}
	}
	b.t.Fatalf("nobody is called %s", name)
	return people.Person{}
}

func TestAListingIsKeptChangedAndRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	p, err := b.editor.Add(ctx, admin, people.Person{Account: account, Name: "  Dr. New ", Methods: []people.ContactMethod{
		{Kind: people.Mobile, Value: "(608) 555-0199", Hours: []people.Hours{{Days: people.On(time.Monday), From: 480, To: 1020}}},
	}})
	if err != nil || p.Name != "Dr. New" || p.Methods[0].Value != "+16085550199" {
		t.Fatalf("%+v, %v", p, err)
	}
	if got := b.named("Dr. New"); !got.Equal(p) {
		t.Errorf("the routing copy has %+v", got)
	}
	kept, err := b.editor.Person(ctx, admin, account, p.ID)
	if err != nil || !kept.Equal(p) || directory.Tag(kept) != directory.Tag(p) {
		t.Errorf("%+v, %v", kept, err)
	}
	changed, err := b.editor.Change(ctx, admin, account, p.ID, directory.Tag(p), func(p people.Person) people.Person {
		p.Role = "Locum"
		return p
	})
	if err != nil || changed.Role != "Locum" {
		t.Fatalf("%+v, %v", changed, err)
	}
	if err := b.editor.Remove(ctx, admin, account, p.ID, directory.Tag(p), ""); !errors.Is(err, directory.ErrStale) {
		t.Errorf("removed by somebody who saw another state: %v", err)
	}
	var wrong *people.Problem
	if _, err := b.editor.Change(ctx, admin, account, p.ID, directory.Tag(changed), func(p people.Person) people.Person {
		p.Name = ""
		return p
	}); !errors.As(err, &wrong) || wrong.Field != "name" {
		t.Errorf("%v", err)
	}
	for name, err := range map[string]error{
		"read": func() error { _, err := b.editor.Person(ctx, mesa, account, p.ID); return err }(),
		"change": func() error {
			_, err := b.editor.Change(ctx, mesa, account, p.ID, directory.Tag(changed), func(p people.Person) people.Person { return p })
			return err
		}(),
		"remove": b.editor.Remove(ctx, mesa, account, p.ID, directory.Tag(changed), ""),
		"add": func() error {
			_, err := b.editor.Add(ctx, mesa, people.Person{Account: account, Name: "X"})
			return err
		}(),
		"import": func() error {
			_, err := b.editor.Import(ctx, mesa, account, strings.NewReader("name\nX\n"), false, "")
			return err
		}(),
	} {
		if !errors.Is(err, directory.ErrNoAccount) && !errors.Is(err, directory.ErrNoPerson) {
			t.Errorf("another tenant may %s: %v", name, err)
		}
	}
	if err := b.editor.Remove(ctx, admin, account, p.ID, directory.Tag(changed), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.editor.Person(ctx, admin, account, p.ID); !errors.Is(err, directory.ErrNoPerson) {
		t.Errorf("%v", err)
	}
	if strings.Join(b.told, " ") != "person.add person.change person.remove" {
		t.Errorf("told %v", b.told)
	}
}

func TestTwoWhoChangeOneListingAreToldOfEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.named("Helen Brooks")
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() {
			who := admin
			who.Name = fmt.Sprintf("Admin %d", i+1)
			_, errs[i] = b.editor.Change(t.Context(), who, account, p.ID, directory.Tag(p), func(p people.Person) people.Person {
				p.Role = strings.Repeat("x", i+1)
				return p
			})
		})
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		var stale *directory.StaleError
		switch {
		case err == nil:
			won++
		case !errors.As(err, &stale) || stale.Last.By != fmt.Sprintf("Admin %d", len(stale.Now.Role)) || time.Since(stale.Last.At) > time.Minute:
			t.Errorf("%v %+v", err, stale)
		}
	}
	if won != 1 {
		t.Errorf("%d of 8 changes were written", won)
	}
}

func TestAPersonWithTurnsStaysUntilSomebodyTakesThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	ortiz, lee, brooks := b.named("Dr. Maria Ortiz"), b.named("Dr. Sam Lee"), b.named("Helen Brooks")
	err := b.editor.Remove(ctx, admin, account, ortiz.ID, directory.Tag(ortiz), "")
	var needed *directory.NeededError
	if !errors.As(err, &needed) || len(needed.Uses) != 1 || !needed.Uses[0].Turns || needed.Others[0].ID != lee.ID {
		t.Fatalf("%v %+v", err, needed)
	}
	cath := b.named("Cath Lab")
	for _, heir := range []tenants.PersonID{cath.ID, ortiz.ID, tenants.PersonID(tenants.NewID())} {
		if err := b.editor.Remove(ctx, admin, account, ortiz.ID, directory.Tag(ortiz), heir); !errors.Is(err, directory.ErrHeir) {
			t.Errorf("heir %s: %v", heir, err)
		}
	}
	// An override that is over goes with the person, one that holds goes to the heir.
	schedule := b.book.Copy("harbor").SchedulesOf(account)[0]
	now := time.Now().Truncate(time.Second)
	if err := b.db.InTenant(ctx, "harbor", func(tx pgx.Tx) error {
		for _, o := range []struct{ from, to time.Duration }{{-48 * time.Hour, -24 * time.Hour}, {-time.Hour, time.Hour}} {
			if _, err := tx.Exec(ctx, `INSERT INTO overrides (tenant_id, override_id, account_id, schedule_id, from_at, to_at, replaces, person_id)
				VALUES ('harbor', $1, $2, $3, $4, $5, 'all', $6)`, tenants.NewID(), account, schedule.ID, now.Add(o.from), now.Add(o.to), ortiz.ID); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.editor.Remove(ctx, admin, account, ortiz.ID, directory.Tag(ortiz), brooks.ID); err != nil {
		t.Fatal(err)
	}
	after := b.book.Copy("harbor").SchedulesOf(account)[0]
	if err := after.Check(func(id tenants.PersonID) bool {
		return slices.ContainsFunc(b.book.Copy("harbor").PeopleOf(account), func(p people.Person) bool { return p.ID == id })
	}); err != nil {
		t.Errorf("the schedule is broken: %v", err)
	}
	if len(after.Overrides) != 1 || after.Overrides[0].Person != brooks.ID {
		t.Errorf("%+v", after.Overrides)
	}
	for at := now; at.Before(now.Add(72 * time.Hour)); at = at.Add(time.Hour) {
		answer := roster.OnCall(&after, at)
		if len(answer.Now) == 0 || answer.Now[0].Person != brooks.ID && answer.Now[0].Person != lee.ID {
			t.Fatalf("at %s: %+v", at, answer)
		}
	}
}

func TestAFileIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	before := b.book.Copy("harbor").Hash()
	file := "Name;Mobile;Role\r\nDr. Sam Lee;608 555 0112;Chief\r\nDr. New One;6085550188;\r\n"
	broken := file + "Dr. Broken;12;\r\n"
	got, err := b.editor.Import(ctx, admin, account, strings.NewReader(broken), false, "")
	if err != nil || got.Written || len(got.Problems) != 1 || got.Problems[0].Line != 4 || got.Problems[0].Column != "Mobile" {
		t.Fatalf("%+v, %v", got, err)
	}
	dry, err := b.editor.Import(ctx, admin, account, strings.NewReader(file), true, "")
	if err != nil || dry.Written || dry.Added != 1 || dry.Changed != 1 {
		t.Fatalf("%+v, %v", dry, err)
	}
	b.compile()
	if b.book.Copy("harbor").Hash() != before {
		t.Error("looking changed something")
	}
	if _, err := b.editor.Import(ctx, admin, account, strings.NewReader(file+"Dr. Other;;\n"), false, dry.Digest); !errors.Is(err, directory.ErrOther) {
		t.Errorf("something else than was looked at: %v", err)
	}
	done, err := b.editor.Import(ctx, admin, account, strings.NewReader(file), false, dry.Digest)
	if err != nil || !done.Written || b.named("Dr. New One").Methods[0].Value != "+16085550188" || b.named("Dr. Sam Lee").Role != "Chief" {
		t.Fatalf("%+v, %v", done, err)
	}
	told := len(b.told)
	again, err := b.editor.Import(ctx, admin, account, strings.NewReader(file), false, "")
	if err != nil || again.Added+again.Changed != 0 || again.Unchanged != 2 || len(b.told) != told {
		t.Errorf("imported twice: %+v, %v", again, err)
	}
	var out bytes.Buffer
	if err := b.editor.Export(ctx, admin, account, &out); err != nil {
		t.Fatal(err)
	}
	back, err := b.editor.Import(ctx, admin, account, &out, false, "")
	if err != nil || back.Added+back.Changed != 0 || back.Unchanged != 6 || len(back.Problems) > 0 {
		t.Errorf("what was exported is not what there is: %+v, %v", back, err)
	}
}

func TestTwentyThousandListingsAreImportedInOneGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var file strings.Builder
	file.WriteString("name,mobile,role\n")
	for i := range 19_000 {
		file.WriteString("Person " + strings.Repeat("x", i%7) + " " + tenants.NewID() + ",+16085550100,Nurse\n")
	}
	began := time.Now()
	got, err := b.editor.Import(t.Context(), admin, account, strings.NewReader(file.String()), false, "")
	if err != nil || got.Added != 19_000 || len(b.book.Copy("harbor").PeopleOf(account)) < 19_000 {
		t.Fatalf("%d added, %v, %v", got.Added, got.Problems, err)
	}
	t.Logf("19,000 listings in %s", time.Since(began))
}
