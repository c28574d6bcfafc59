package numbersql_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/services/numbers"
	"holdfast/services/numbers/numbersql"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

var demoTrunk = netip.MustParsePrefix("127.0.0.0/16")

type bundle struct {
	db       *store.DB
	sql      *numbersql.Store
	book     *routing.Book
	shelf    numbers.Shelf
	compiler *numbers.Compiler
}

func setup(t *testing.T) bundle {
	t.Helper()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	b := bundle{db: db, sql: numbersql.New(db), book: &routing.Book{}, shelf: numbers.Shelf{Dir: t.TempDir()}}
	b.compiler = numbers.New(numbers.Config{Source: b.sql, Shelf: b.shelf, Book: b.book, Log: slog.New(slog.DiscardHandler)})
	return b
}

func (b bundle) check(t *testing.T) {
	t.Helper()
	if err := b.compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestDemonstrationDataIsLoadedOnceAndCompiled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var loaded sync.Map
	var wait sync.WaitGroup
	for i := range 2 { // two nodes of one fresh installation
		wait.Go(func() {
			did, err := demo.Load(t.Context(), b.db, demoTrunk)
			if err != nil {
				t.Error(err)
			}
			loaded.Store(i, did)
		})
	}
	wait.Wait()
	first, _ := loaded.Load(0)
	second, _ := loaded.Load(1)
	if first == second {
		t.Fatalf("loaded: %v and %v", first, second)
	}
	b.check(t)
	for number, want := range map[string]struct {
		tenant    tenants.TenantID
		account   tenants.AccountID
		published bool
	}{
		"+16085550101": {"harbor", "lakeside-cardiology", false}, "+16085550102": {"harbor", "prairie-plumbing", false},
		"+16085550103": {"harbor", "dane-county-shelter", false}, "+3615550201": {"duna", "kovacs-fogaszat", false},
		"+3615550202": {"duna", "budai-gyorsszerviz", false}, "+16085550301": {"mesa", "red-rock-dental", false},
		"+16085550151": {"harbor", "lakeside-cardiology", true}, "+3615550251": {"duna", "kovacs-fogaszat", true},
	} {
		tenant, n, ok := b.book.Lookup(number)
		if !ok || tenant != want.tenant || n.Account != want.account || n.Published != want.published {
			t.Errorf("%s: %s %+v %v", number, tenant, n, ok)
		}
	}
	harbor := b.book.Copy("harbor")
	if harbor.State != routing.Live || b.book.Copy("duna").State != routing.Standby || b.book.Copy("mesa").State != routing.Live || len(harbor.Operators) != 3 {
		t.Errorf("harbor %s with %d people", harbor.State, len(harbor.Operators))
	}
	lakeside := harbor.Accounts[1]
	if lakeside.ID != "lakeside-cardiology" || !lakeside.Medical || lakeside.OfferFor != 12*time.Second || lakeside.LongestWait != time.Minute ||
		lakeside.WrapUp != 5*time.Second || lakeside.Priority != 10 || lakeside.Phrases["es"] == "" || lakeside.Greetings["es"] == "" {
		t.Errorf("%+v", lakeside)
	}
	if got := b.book.Trunks(); len(got) != 1 || got[0].Name != "demo" || got[0].Signal[0] != demoTrunk || len(got[0].Media) != 0 {
		t.Errorf("trunks %+v", got)
	}
	if b.book.Copy(tenants.Platform) == nil {
		t.Error("the platform has no copy")
	}
	stock := b.shelf.Load()
	if len(stock.Copies) != 4 || len(stock.Trunks) != 1 || len(stock.Problems) != 0 {
		t.Fatalf("shelf: %d copies, %d trunks, %v", len(stock.Copies), len(stock.Trunks), stock.Problems)
	}
	for _, kept := range stock.Copies {
		if kept.Hash() != b.book.Copy(kept.Tenant).Hash() {
			t.Errorf("%s: shelf and book differ", kept.Tenant)
		}
	}
}

func TestEveryDemonstrationUserCanSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := demo.Load(t.Context(), b.db, demoTrunk); err != nil {
		t.Fatal(err)
	}
	keys, err := identity.OpenKeys(filepath.Join(t.TempDir(), "token"))
	if err != nil {
		t.Fatal(err)
	}
	people := identitysql.New(b.db)
	s, err := identity.New(identity.Config{Credentials: people, Sessions: people, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	all := demo.SignIns()
	if len(all) != 9 {
		t.Fatalf("%d users", len(all))
	}
	for _, u := range all {
		got, err := s.SignIn(t.Context(), u.Email, demo.Password, "127.0.0.1")
		if err != nil || got.Actor.Tenant != u.Tenant || got.Actor.Role != u.Role {
			t.Errorf("%s: %+v, %v", u.Email, got.Actor, err)
		}
	}
}

func TestAChangeOfAnythingIsSeenByTheCounter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := demo.Load(t.Context(), b.db, demoTrunk); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	for _, change := range []struct{ what, sql string }{
		{"a phrase", `UPDATE accounts SET phrases = '{"en": "Hello."}' WHERE account_id = 'prairie-plumbing'`},
		{"a number", `DELETE FROM numbers WHERE e164 = '+16085550153'`},
		{"a person", `UPDATE users SET disabled = true WHERE email = 'ben@harbor.example'`},
		{"an account", `DELETE FROM accounts WHERE account_id = 'dane-county-shelter'`},
	} {
		before := b.book.Copy("harbor").Hash()
		if err := b.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), change.sql)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		b.check(t)
		if b.book.Copy("harbor").Hash() == before {
			t.Errorf("%s changed and the copy did not", change.what)
		}
	}
	if _, _, ok := b.book.Lookup("+16085550103"); ok {
		t.Error("the DID of an account that is gone")
	}
}

func TestTrunksAreAddedReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	carrier := routing.Trunk{Name: "carrier", Signal: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}, Options: "192.0.2.1:5060"}
	for range 2 {
		if err := b.sql.PutTrunk(t.Context(), carrier, ""); err != nil {
			t.Fatal(err)
		}
	}
	b.check(t)
	if got := b.book.Trunks(); len(got) != 1 || got[0].Name != "carrier" || got[0].Signal[0] != carrier.Signal[0] || got[0].Options != carrier.Options {
		t.Fatalf("%+v", got)
	}
	if got := b.book.Trunks(); got[0].Out != nil {
		t.Errorf("a way out that nobody made: %+v", got[0].Out)
	}
	out := routing.WayOut{Target: "192.0.2.1:5060", Domain: "carrier.example", User: "u", Realm: "r", Sealed: []byte("sealed")}
	for _, c := range []struct {
		change func(*routing.WayOut)
		sealed string
	}{
		{func(*routing.WayOut) {}, "sealed"},
		{func(w *routing.WayOut) { w.Sealed = nil }, "sealed"}, // not typed again
		{func(w *routing.WayOut) { w.Sealed, w.Target = nil, "192.0.2.2:5060" }, ""},
	} {
		way := out
		c.change(&way)
		carrier.Out = &way
		if err := b.sql.PutTrunk(t.Context(), carrier, ""); err != nil {
			t.Fatal(err)
		}
		b.check(t)
		if got := b.book.Trunks()[0].Out; got == nil || got.Target != way.Target || got.Domain != out.Domain || got.User != "u" || got.Realm != "r" || string(got.Sealed) != c.sealed {
			t.Errorf("the way out %+v, want one sealed %q", got, c.sealed)
		}
	}
	carrier.Ask, carrier.Rate = &routing.Challenge{User: "in", Realm: "ours", Sealed: []byte("sealed too"), MD5: true}, 50
	carrier.RegisterOnly, carrier.IgnoreAsserted = true, true
	carrier.TLS, carrier.Encryption = &routing.TLS{CA: "-----BEGIN", Name: "carrier.example", Mutual: true}, routing.EncryptionPreferred
	if err := b.sql.PutTrunk(t.Context(), carrier, ""); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	if got := b.book.Trunks()[0]; got.TLS == nil || *got.TLS != *carrier.TLS || got.Encryption != carrier.Encryption || got.ClearKeys || got.RegisterOnly != carrier.RegisterOnly || !got.IgnoreAsserted {
		t.Errorf("%+v, want what was put: %+v", got, carrier)
	}
	safe := carrier.TLS
	carrier.TLS = nil
	if err := b.sql.PutTrunk(t.Context(), carrier, ""); err == nil {
		t.Error("keys that anybody can read were kept")
	}
	carrier.TLS = safe
	if got := b.book.Trunks()[0]; !reflect.DeepEqual(got.Ask, carrier.Ask) || got.Rate != 50 {
		t.Errorf("a trunk that asks: %+v, %d calls a second", got.Ask, got.Rate)
	}
	seen := b.book.Trunks()[0].Revision()
	asks, way := *carrier.Ask, *carrier.Out
	asks.Sealed, asks.MD5, way.Sealed = nil, false, nil // not typed again
	changed := carrier
	changed.Ask, changed.Out, changed.Rate = &asks, &way, 60
	if err := b.sql.PutTrunk(t.Context(), changed, seen); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	if got := b.book.Trunks()[0]; string(got.Ask.Sealed) != "sealed too" || got.Ask.MD5 || got.Rate != 60 {
		t.Errorf("a password that was not typed again: %+v, %d calls a second", got.Ask, got.Rate)
	}
	if err := b.sql.PutTrunk(t.Context(), carrier, seen); !errors.Is(err, numbersql.ErrChanged) {
		t.Errorf("a change of what is not there any more: %v", err)
	}
	if err := b.sql.PutTrunk(t.Context(), routing.Trunk{Name: "gone", Signal: carrier.Signal}, seen); !errors.Is(err, numbersql.ErrNotFound) {
		t.Errorf("a change of a trunk that is gone: %v", err)
	}
	carrier.Ask = &routing.Challenge{User: "another", Realm: "ours"} // nobody could prove anything
	if err := b.sql.PutTrunk(t.Context(), carrier, ""); !errors.Is(err, numbersql.ErrNoPassword) {
		t.Errorf("a user without a password: %v", err)
	}
	if err := b.sql.PutTrunk(t.Context(), carrier, seen); !errors.Is(err, numbersql.ErrChanged) {
		t.Errorf("who has seen what is not there any more is asked for its password: %v", err)
	}
	if err := b.sql.PutTrunk(t.Context(), routing.Trunk{Name: "No Good", Signal: carrier.Signal}, ""); err == nil {
		t.Error("a name that is no slug was kept")
	}
	if err := b.sql.AddTrunk(t.Context(), routing.Trunk{Name: "carrier", Signal: carrier.Signal}); !errors.Is(err, numbersql.ErrTaken) {
		t.Errorf("a trunk was added over another: %v", err)
	}
	b.check(t)
	if got := b.book.Trunks()[0]; got.TLS == nil || got.Out == nil || got.Ask == nil {
		t.Errorf("what was added over it took from the trunk that was there: %+v", got)
	}
	if err := b.sql.DeleteTrunk(t.Context(), "carrier", seen); !errors.Is(err, numbersql.ErrChanged) {
		t.Errorf("a trunk that somebody has changed meanwhile was removed: %v", err)
	}
	b.check(t)
	now := b.book.Trunks()[0].Revision()
	if err := b.sql.DeleteTrunk(t.Context(), "carrier", now); err != nil {
		t.Fatal(err)
	}
	if err := b.sql.DeleteTrunk(t.Context(), "carrier", now); !errors.Is(err, numbersql.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	b.check(t)
	if got := b.book.Trunks(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBenchUsersComeAndGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 2 {
		if err := demo.Bench(t.Context(), b.db, true); err != nil {
			t.Fatal(err)
		}
	}
	if did, err := demo.Load(t.Context(), b.db, demoTrunk); err != nil || !did {
		t.Fatalf("%v, %v: bench users are no reason to go without demonstration data", did, err)
	}
	b.check(t)
	for _, user := range []string{"answer", "record", "echo", "bridge", "queue"} {
		if tenant, n, ok := b.book.Lookup(user); !ok || tenant != "bench" || n.Account != tenants.AccountID(user) {
			t.Errorf("%s: %s %+v %v", user, tenant, n, ok)
		}
	}
	if err := demo.Bench(t.Context(), b.db, false); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	if _, _, ok := b.book.Lookup("answer"); ok {
		t.Error("a bench user answers although none was wanted")
	}
}

func TestTheDemonstrationTrunkFollowsItsSetting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := demo.Load(t.Context(), b.db, demoTrunk); err != nil {
		t.Fatal(err)
	}
	other := netip.MustParsePrefix("127.1.0.0/16")
	if did, err := demo.Load(t.Context(), b.db, other); err != nil || did {
		t.Fatal(did, err)
	}
	b.check(t)
	if got := b.book.Trunks(); len(got) != 1 || got[0].Signal[0] != other {
		t.Errorf("%+v", got)
	}
}
