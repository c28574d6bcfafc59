package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/deploy/schema"
	"holdfast/deploy/servers"
	"holdfast/deploy/servers/serverstest"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

func open(t *testing.T, urls schema.URLs, conns int32) *store.DB {
	t.Helper()
	// A loaded machine may need longer than production's 300 ms; being away is tested with the default.
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Conns: conns, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// people makes two tenants with one account each.
func people(t *testing.T, db *store.DB, names ...string) {
	t.Helper()
	err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		for _, name := range names {
			if _, err := tx.Exec(t.Context(), `INSERT INTO tenants (tenant_id, name, zone, country, language) VALUES ($1, $1, 'UTC', 'US', 'en')`, name); err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), `INSERT INTO accounts (tenant_id, account_id, name, initials, colour, shape, languages, zone, country)
				VALUES ($1, 'desk', $1, 'D', 'teal', 'circle', '{en}', 'UTC', 'US')`, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func accounts(ctx context.Context, db *store.DB, id tenants.TenantID) ([]string, error) {
	var out []string
	err := db.InTenant(ctx, id, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT tenant_id FROM accounts")
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return out, err
}

func TestATenantSeesAndWritesOnlyItsOwnRows(t *testing.T) {
	t.Parallel()
	db := open(t, serverstest.Database(t), 0)
	people(t, db, "harbor", "mesa")
	for _, id := range []tenants.TenantID{"harbor", "mesa"} {
		got, err := accounts(t.Context(), db, id)
		if err != nil || len(got) != 1 || got[0] != string(id) {
			t.Errorf("%s sees %v, %v", id, got, err)
		}
	}
	err := db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
		tag, err := tx.Exec(t.Context(), "UPDATE accounts SET name = 'taken' WHERE tenant_id = 'mesa'")
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("changed %d rows of mesa, %v", tag.RowsAffected(), err)
		}
		tag, err = tx.Exec(t.Context(), "DELETE FROM accounts WHERE tenant_id = 'mesa'")
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("deleted %d rows of mesa, %v", tag.RowsAffected(), err)
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO accounts (tenant_id, account_id, name, initials, colour, shape, languages, zone, country)
			VALUES ('mesa', 'planted', 'x', 'X', 'teal', 'circle', '{en}', 'UTC', 'US')`)
		return err
	})
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "42501" {
		t.Errorf("a row planted in mesa: %v", err)
	}
}

func TestTheAppCannotReadHashesAndSigninNothingElse(t *testing.T) {
	t.Parallel()
	db := open(t, serverstest.Database(t), 0)
	forbidden := func(err error) bool {
		var refused *pgconn.PgError
		return errors.As(err, &refused) && refused.Code == "42501"
	}
	err := db.InTenant(t.Context(), "platform", func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT hash FROM credentials")
		return err
	})
	if !forbidden(err) {
		t.Errorf("app reads hashes: %v", err)
	}
	for _, table := range []string{"tenants", "accounts", "numbers", "users", "sessions", "revocations", "trunks", "changes"} {
		err := db.AsSignin(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "SELECT FROM "+table)
			return err
		})
		if !forbidden(err) {
			t.Errorf("sign-in reads %s: %v", table, err)
		}
	}
	err = db.AsSignin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT hash FROM credentials")
		return err
	})
	if err != nil {
		t.Errorf("sign-in reads credentials: %v", err)
	}
}

func TestWithoutATenantNothingRuns(t *testing.T) {
	t.Parallel()
	db := open(t, serverstest.Database(t), 0)
	for _, id := range []tenants.TenantID{"", "Harbor", "a b", "x'; --"} {
		err := db.InTenant(t.Context(), id, func(pgx.Tx) error { t.Error("ran"); return nil })
		if !errors.Is(err, store.ErrNoTenant) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestCancelledCallersLeaveNoTenantBehind(t *testing.T) {
	t.Parallel()
	db := open(t, serverstest.Database(t), 4)
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprintf("tenant-%d", i)
	}
	people(t, db, names...)
	var foreign, reads atomic.Int64
	var wait sync.WaitGroup
	for worker := range 16 {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			for range 60 {
				id := tenants.TenantID(names[random.IntN(len(names))])
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(3) == 0 { // somewhere in the middle
					time.AfterFunc(time.Duration(random.IntN(1500))*time.Microsecond, cancel)
				}
				got, err := accounts(ctx, db, id)
				cancel()
				if err != nil {
					continue
				}
				reads.Add(1)
				if len(got) != 1 || got[0] != string(id) {
					foreign.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if foreign.Load() != 0 || reads.Load() < 300 {
		t.Fatalf("%d of %d reads saw foreign rows", foreign.Load(), reads.Load())
	}
}

func TestAPanicRollsBackAndGivesTheConnectionBack(t *testing.T) {
	t.Parallel()
	db := open(t, serverstest.Database(t), 1)
	people(t, db, "harbor")
	func() {
		defer func() { _ = recover() }()
		_ = db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "DELETE FROM accounts"); err != nil {
				t.Error(err)
			}
			panic("a bug")
		})
	}()
	if got, err := accounts(t.Context(), db, "harbor"); err != nil || len(got) != 1 {
		t.Fatalf("after the panic: %v, %v", got, err)
	}
}

func TestAnOwnerOrSuperuserIsRefused(t *testing.T) {
	t.Parallel()
	owner := serverstest.Owner(t)
	db := open(t, schema.URLs{App: owner, Signin: owner, Worker: owner}, 0)
	if err := db.Ready(t.Context()); !errors.Is(err, store.ErrUnsafeRole) {
		t.Fatalf("ready: %v", err)
	}
	err := db.InTenant(t.Context(), "harbor", func(pgx.Tx) error { t.Error("ran"); return nil })
	if !errors.Is(err, store.ErrUnsafeRole) {
		t.Fatalf("in tenant: %v", err)
	}
}

func TestADatabaseThatIsAwayIsSaidAtOnceAndFoundAgain(t *testing.T) {
	t.Parallel()
	private := serverstest.Private(t)
	urls := serverstest.Migrate(t, private.DatabaseURL)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	until(t, func() bool { return db.Ready(t.Context()) == nil })
	if err := private.Down(servers.Postgres); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return errors.Is(db.Ready(t.Context()), store.ErrAway) })
	for _, try := range []func() error{
		func() error { return db.InTenant(t.Context(), "harbor", func(pgx.Tx) error { return nil }) },
		func() error { return db.AsWorker(t.Context(), func(pgx.Tx) error { return nil }) },
		func() error { return db.AsSignin(t.Context(), func(pgx.Tx) error { return nil }) },
	} {
		var took time.Duration
		until(t, func() bool { // a process of the dead server may answer once more before it notices
			began := time.Now()
			err := try()
			took = time.Since(began)
			return errors.Is(err, store.ErrAway)
		})
		if took > time.Second {
			t.Fatalf("said after %v", took)
		}
	}
	if err := private.Up(servers.Postgres); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return db.Ready(t.Context()) == nil })
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatal("not within 30 s")
}

func TestASilentNetworkIsAwayWithinTheWaitAndSoonerTheSecondTime(t *testing.T) {
	t.Parallel()
	// A listener that never speaks: the kernel accepts, PostgreSQL's answer never comes.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	address := (&url.URL{Scheme: "postgres", User: url.UserPassword("a", "secret"), Host: listener.Addr().String(), Path: "/x", RawQuery: "sslmode=disable"}).String()
	db, err := store.Open(t.Context(), store.Config{App: address, Signin: address, Worker: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	var took [2]time.Duration // the first may hope, the second knows better
	for i := range took {
		began := time.Now()
		err = db.InTenant(t.Context(), "harbor", func(pgx.Tx) error { return nil })
		if took[i] = time.Since(began); !errors.Is(err, store.ErrAway) || took[i] > 2*time.Second {
			t.Fatalf("%v after %v", err, took[i])
		}
	}
	if took[1] > took[0]*2/3 {
		t.Errorf("told after %v", took)
	}
}

func TestAConnectionThatTakesAWhileIsNoDatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	urls := serverstest.Database(t)
	real, err := url.Parse(urls.App)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", real.Host
	if q := real.Query(); address == "" {
		network, address = "unix", filepath.Join(q.Get("host"), ".s.PGSQL."+q.Get("port"))
	}
	const wait = 2 * time.Second
	var accepting sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); accepting.Wait() })
	accepting.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			time.AfterFunc(wait+wait/4, func() { relay(near, network, address) })
		}
	})
	slow := *real
	slow.Host, slow.RawQuery = listener.Addr().String(), "sslmode=disable"
	db, err := store.Open(t.Context(), store.Config{App: slow.String(), Signin: urls.Signin, Worker: urls.Worker, Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if got, err := accounts(t.Context(), db, "harbor"); err != nil || len(got) != 0 {
		t.Fatalf("%v %v", got, err)
	}
}

// relay joins a connection with one to an address, until either ends.
func relay(near net.Conn, network, address string) {
	defer func() { _ = near.Close() }()
	far, err := net.Dial(network, address)
	if err != nil {
		return
	}
	go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
	_, _ = io.Copy(near, far)
}

func TestAReadOnlyServerIsAway(t *testing.T) {
	t.Parallel()
	db := open(t, serverstest.Database(t), 0)
	people(t, db, "harbor")
	err := db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET TRANSACTION READ ONLY"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "DELETE FROM accounts")
		return err
	})
	if !errors.Is(err, store.ErrAway) {
		t.Fatalf("as after a fail-over: %v", err)
	}
	if got, err := accounts(t.Context(), db, "harbor"); err != nil || len(got) != 1 {
		t.Fatalf("the next call: %v, %v", got, err)
	}
}

func TestAnAddressThatCannotBeReadIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), store.Config{App: "postgres://a:hunter2@[::bad/x", Signin: "x", Worker: "x"})
	if err == nil || errors.Is(err, store.ErrAway) {
		t.Fatal(err)
	}
	if s := err.Error(); len(s) == 0 || strings.Contains(s, "hunter2") {
		t.Fatalf("error %q", s)
	}
}
