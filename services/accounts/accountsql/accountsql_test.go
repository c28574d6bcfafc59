package accountsql_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/accounts"
	"holdfast/services/accounts/accountsql"
	"holdfast/services/numbers"
	"holdfast/services/numbers/numbersql"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

func ptr[T any](v T) *T { return &v }

var (
	alice = tenants.Actor{Tenant: "harbor", User: "u1", Name: "Alice Morgan", Role: tenants.RoleAdmin}
	noc   = tenants.Actor{Tenant: tenants.Platform, User: "u2", Name: "NOC", Role: tenants.RolePlatform}
	at    = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
)

type house struct {
	*accounts.Service
	db    *store.DB
	book  *routing.Book
	mu    sync.Mutex
	deeds []string
	busy  bool
}

func newHouse(t *testing.T) *house {
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
	h := &house{db: db, book: &routing.Book{}}
	compiler := numbers.New(numbers.Config{Source: numbersql.New(db), Shelf: numbers.Shelf{Dir: t.TempDir()}, Book: h.book})
	if err := compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Service = accounts.New(accounts.Config{
		Store: accountsql.Store{DB: db}, Book: h.book, Now: func() time.Time { return at },
		Live: func(tenants.TenantID, tenants.AccountID) bool { return h.busy },
		Done: func(ctx context.Context, actor tenants.Actor, what string, _ any) error {
			h.mu.Lock()
			h.deeds = append(h.deeds, string(actor.Tenant)+" "+what)
			h.mu.Unlock()
			return compiler.Check(ctx)
		},
	})
	return h
}

func TestAnAccountIsMadeChangedMetByTheNextCallerAndArchived(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	made, err := h.Create(ctx, alice, accounts.Change{Name: ptr("Elm Street Vet"), Published: ptr([]string{"(608) 555-0160"})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.PutNumber(ctx, noc, accounts.Number{E164: "608 555 0110", Tenant: "harbor", Account: made.ID}); err != nil {
		t.Fatal(err)
	}
	changed, err := h.Change(ctx, alice, made.ID, made.Revision, accounts.Change{
		Hours: ptr([]people.Hours{{Days: people.On(time.Monday), From: 480, To: 1020}}), Instructions: ptr("Ask for the animal."),
		CallerID: ptr("608 555 0110"), Notify: ptr([]string{"vet@elm.example"}), MailAudio: ptr(true), LongestWait: ptr(90 * time.Second),
		GreetingTexts: ptr(map[string]string{"en": "You have reached Elm Street Vet."}),
	})
	if err != nil {
		t.Fatal(err)
	}
	tenant, number, ok := h.book.Lookup("+16085550110")
	met := h.book.Copy("harbor").Account(made.ID)
	if !ok || tenant != "harbor" || number.Account != "elm-street-vet" || met == nil {
		t.Fatalf("%v %v %v", tenant, number, met)
	}
	if met.Instructions != "Ask for the animal." || len(met.Hours) != 1 || met.CallerID != "+16085550110" || !met.MailAudio || met.LongestWait != 90*time.Second ||
		met.GreetingTexts["en"] == "" || met.Revision != 2 || changed.Revision != 2 || !reflect.DeepEqual(met.Phrases, made.Phrases) {
		t.Errorf("%+v", met)
	}
	h.busy = true
	if err := h.Archive(ctx, alice, made.ID, 2); !errors.Is(err, accounts.ErrBusy) {
		t.Errorf("archived under its caller's feet: %v", err)
	}
	h.busy = false
	if err := h.Archive(ctx, alice, made.ID, 2); err != nil {
		t.Fatal(err)
	}
	_, _, did := h.book.Lookup("+16085550110")
	_, _, published := h.book.Lookup("+16085550160")
	if did || published || h.book.Copy("harbor").Account(made.ID) != nil {
		t.Error("an archived account is reached")
	}
	if gone, err := h.Archived(ctx, alice); err != nil || len(gone) != 1 || gone[0].Name != "Elm Street Vet" || !reflect.DeepEqual(gone[0].Numbers, []string{"+16085550110"}) {
		t.Errorf("the archive: %+v %v", gone, err)
	}
	again, err := h.Create(ctx, alice, accounts.Change{Name: ptr("Elm Street Vet"), Published: ptr([]string{"(608) 555-0160"})})
	if err != nil || again.ID != "elm-street-vet-2" {
		t.Errorf("%s %v", again.ID, err)
	}
	// Its number leads to it again; what the other one has by now stays there.
	back, err := h.Restore(ctx, alice, made.ID)
	if err != nil || back.Instructions != "Ask for the animal." || back.Revision != 4 || back.CallerID != "+16085550110" || len(back.Published) > 0 {
		t.Errorf("restored: %+v %v", back, err)
	}
	if back.Shape == again.Shape && back.Colour == again.Colour {
		t.Error("it came back and looks like another one")
	}
	if _, number, _ := h.book.Lookup("+16085550110"); number.Account != made.ID {
		t.Errorf("the restored account's number leads to %q", number.Account)
	}
	if _, err := h.Restore(ctx, alice, made.ID); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("restored twice: %v", err)
	}
	want := []string{"harbor account.create", "harbor number.put", "harbor account.change", "harbor account.archive", "harbor account.create", "harbor account.restore"}
	if !reflect.DeepEqual(h.deeds, want) {
		t.Errorf("journaled: %v", h.deeds)
	}
}

func TestTwoAdminsNeverUndoEachOther(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const editors = 8
	var wait sync.WaitGroup
	var mu sync.Mutex
	won, stale := 0, 0
	for i := range editors {
		wait.Go(func() {
			_, err := h.Change(t.Context(), alice, "prairie-plumbing", 1, accounts.Change{Instructions: ptr(string(rune('a' + i)))})
			var s *accounts.Stale
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.As(err, &s) && s.Current.Revision == 2 && s.Current.Instructions != "" && s.Current.ChangedBy == "Alice Morgan" && s.Current.ChangedAt.Equal(at):
				stale++
			default:
				t.Errorf("%v", err)
			}
		})
	}
	wait.Wait()
	if won != 1 || stale != editors-1 {
		t.Errorf("%d won, %d were told", won, stale)
	}
	s, err := h.ChangeSettings(t.Context(), alice, 1, accounts.SettingsChange{Countries: ptr([]string{"US"}), Minutes: ptr(30), AtOnce: ptr(2), Notify: ptr([]string{"boss@harbor.example"})})
	if c := h.book.Copy("harbor"); err != nil || s.Revision != 2 || c.Outbound.PerDay != 30*time.Minute || c.Outbound.AtOnce != 2 || c.Notify[0] != "boss@harbor.example" || c.Revision != 2 {
		t.Errorf("%+v %v", s, err)
	}
	var old *accounts.StaleSettings
	if _, err := h.ChangeSettings(t.Context(), alice, 1, accounts.SettingsChange{Minutes: ptr(0)}); !errors.As(err, &old) || old.Current.Outbound.AtOnce != 2 {
		t.Errorf("%v", err)
	}
}

func TestANumberLeadsToOneAccountOfATenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	var c *accounts.Claimed
	_, err := h.Change(ctx, alice, "prairie-plumbing", 1, accounts.Change{Name: ptr("Renamed"), Published: ptr([]string{"+16085550152", "+16085550151"})})
	if !errors.As(err, &c) || c.AccountName != "Lakeside Cardiology" || !c.Published {
		t.Errorf("%v", err)
	}
	if a, err := (accountsql.Store{DB: h.db}).Account(ctx, "harbor", "prairie-plumbing"); err != nil || a.Name != "Prairie Plumbing" || len(a.Published) != 1 {
		t.Errorf("half of it was kept: %+v %v", a, err)
	}
	if _, err := h.Change(ctx, alice, "prairie-plumbing", 1, accounts.Change{Published: ptr([]string{"+16085550101"})}); !errors.As(err, &c) || c.Published {
		t.Errorf("an emergency number published: %v", err)
	}
	if _, err := h.PutNumber(ctx, noc, accounts.Number{E164: "+16085550301", Tenant: "harbor", Account: "prairie-plumbing"}); !errors.As(err, &c) || c.Tenant != "mesa" {
		t.Errorf("mesa's emergency number: %v", err)
	}
	if _, err := h.PutNumber(ctx, noc, accounts.Number{E164: "+16085550151", Tenant: "harbor", Account: "prairie-plumbing"}); !errors.As(err, &c) || c.AccountName != "Lakeside Cardiology" {
		t.Errorf("a published number as emergency number: %v", err)
	}
	if _, err := h.PutNumber(ctx, noc, accounts.Number{E164: "911", Tenant: "harbor"}); err == nil {
		t.Error("911 was taken")
	}
	if err := h.DeleteNumber(ctx, noc, "+16085550102"); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := h.book.Lookup("+16085550102"); ok || h.DeleteNumber(ctx, noc, "+16085550102") == nil {
		t.Error("a deleted number leads somewhere")
	}
	all, err := h.Numbers(ctx)
	if err != nil || len(all) != 5 || all[0].E164 != "+16085550101" || all[0].AccountName != "Lakeside Cardiology" {
		t.Errorf("%+v %v", all, err)
	}
}

func TestTheTenantsRoleGivesItselfNoEmergencyNumber(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, query := range []string{
		"INSERT INTO numbers (tenant_id, e164, account_id) VALUES ('harbor', '+16085550198', 'prairie-plumbing')",
		"UPDATE numbers SET published = false",
	} {
		if err := h.db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), query)
			return err
		}); err == nil {
			t.Errorf("%s was done", query)
		}
	}
	if err := h.db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
		tag, err := tx.Exec(t.Context(), "DELETE FROM numbers WHERE NOT published")
		if tag.RowsAffected() != 0 {
			t.Errorf("%d emergency numbers deleted", tag.RowsAffected())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestARecordingIsKeptWithItsNameOrNotAtAll(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	db := accountsql.Store{DB: h.db}
	a, err := h.Record(ctx, alice, "prairie-plumbing", "en", 1, []byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	first := a.Greetings["en"]
	if clip, err := db.Greeting(ctx, "harbor", first[len(routing.Recorded):]); err != nil || string(clip) != "first" {
		t.Errorf("%q %v", clip, err)
	}
	if _, err := db.Greeting(ctx, "mesa", first[len(routing.Recorded):]); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("mesa hears it: %v", err)
	}
	var s *accounts.Stale
	if _, err := h.Record(ctx, alice, "prairie-plumbing", "en", 1, []byte("second")); !errors.As(err, &s) {
		t.Errorf("an old revision: %v", err)
	}
	if clip, err := db.Greeting(ctx, "harbor", first[len(routing.Recorded):]); err != nil || string(clip) != "first" {
		t.Errorf("a refused recording took the place of the first: %q %v", clip, err)
	}
	if a, err = h.Record(ctx, alice, "prairie-plumbing", "en", 2, nil); err != nil || a.Greetings["en"] != "" || h.book.Copy("harbor").Account("prairie-plumbing").Greetings["en"] != "" {
		t.Errorf("%+v %v", a.Greetings, err)
	}
	if _, err := db.Greeting(ctx, "harbor", first[len(routing.Recorded):]); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}
