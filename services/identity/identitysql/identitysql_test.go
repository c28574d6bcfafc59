package identitysql_test

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/servers"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type bundle struct {
	service *identity.Service
	db      *store.DB
	clock   *clock
	keys    *identity.Keys
}

const adaID = "0190b5a0-0000-7000-8000-000000000001"

// hash is the password "right", hashed once for all tests.
var hash = sync.OnceValue(func() string {
	h, err := identity.HashPassword("right")
	if err != nil {
		panic(err)
	}
	return h
})

func setup(t *testing.T) bundle {
	t.Helper()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	err = db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		for _, q := range []string{
			`INSERT INTO tenants (tenant_id, name, zone, country, language) VALUES ('harbor', 'Harbor', 'UTC', 'US', 'en')`,
			`INSERT INTO users (tenant_id, user_id, email, name, role) VALUES ('harbor', '` + adaID + `', 'ada@harbor.example', 'Ada', 'operator')`,
			`INSERT INTO credentials (tenant_id, user_id, email, hash) VALUES ('harbor', '` + adaID + `', 'ada@harbor.example', '` + hash() + `')`,
		} {
			if _, err := tx.Exec(t.Context(), q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.OpenKeys(filepath.Join(t.TempDir(), "token"))
	if err != nil {
		t.Fatal(err)
	}
	b := bundle{db: db, clock: &clock{at: time.Now()}, keys: keys}
	b.service = b.node(t)
	return b
}

// node is one more process of the same installation.
func (b bundle) node(t *testing.T) *identity.Service {
	t.Helper()
	people := identitysql.New(b.db)
	s, err := identity.New(identity.Config{Credentials: people, Sessions: people, Keys: b.keys, Now: b.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b bundle) signIn(t *testing.T, password string) (identity.Tokens, error) {
	return b.service.SignIn(t.Context(), "Ada@Harbor.example ", password, "192.0.2.1")
}

func TestSigningInMakesAnActorAndRefreshingGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	want := tenants.Actor{Tenant: "harbor", User: adaID, Name: "Ada", Email: "ada@harbor.example", Role: tenants.RoleOperator, Session: tokens.Actor.Session}
	if got, err := b.service.Actor(tokens.Access); err != nil || got != want || got.Session == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	for range 3 {
		b.clock.move(time.Hour)
		next, err := b.service.Refresh(t.Context(), tokens.Refresh)
		if err != nil || next.Refresh == tokens.Refresh || next.Actor != want {
			t.Fatalf("%+v, %v", next, err)
		}
		tokens = next
	}
	b.clock.move(17 * time.Hour)
	if _, err := b.service.Refresh(t.Context(), tokens.Refresh); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("after a night: %v", err)
	}
}

func TestARefreshTokenUsedTwiceEndsTheWholeSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.service.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Refresh(t.Context(), first.Refresh); !errors.Is(err, identity.ErrRefused) {
		t.Fatalf("the second use: %v", err)
	}
	if _, err := b.service.Refresh(t.Context(), second.Refresh); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the rotation of a stolen token: %v", err)
	}
	if _, err := b.service.Actor(second.Access); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("its access token: %v", err)
	}
	if _, err := b.service.Refresh(t.Context(), other.Refresh); err != nil {
		t.Errorf("another sign-in of the same person: %v", err)
	}
}

func TestARacingRefreshIsGrantedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	var granted atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := b.service.Refresh(t.Context(), tokens.Refresh); err == nil {
				granted.Add(1)
			}
		})
	}
	wait.Wait()
	if granted.Load() != 1 {
		t.Fatalf("granted %d times", granted.Load())
	}
}

func TestFiveFailuresLockAnEmailForAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		if _, err := b.signIn(t, "wrong"); !errors.Is(err, identity.ErrRefused) {
			t.Fatal(err)
		}
	}
	_, err := b.signIn(t, "right")
	var locked *identity.LockedError
	if !errors.Is(err, identity.ErrLocked) || !errors.As(err, &locked) || locked.Until.Sub(b.clock.now()) > 15*time.Minute {
		t.Fatalf("the sixth: %v", err)
	}
	b.clock.move(16 * time.Minute)
	if _, err := b.signIn(t, "right"); err != nil {
		t.Fatalf("later: %v", err)
	}
	for range 4 {
		if _, err := b.signIn(t, "wrong"); !errors.Is(err, identity.ErrRefused) {
			t.Fatalf("a success starts the count again: %v", err)
		}
	}
	if _, err := b.signIn(t, "right"); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnknownEmailIsLockedLikeAKnownOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		if _, err := b.service.SignIn(t.Context(), "nobody@harbor.example", "x", "192.0.2.9"); !errors.Is(err, identity.ErrRefused) {
			t.Fatal(err)
		}
	}
	if _, err := b.service.SignIn(t.Context(), "nobody@harbor.example", "x", "192.0.2.9"); !errors.Is(err, identity.ErrLocked) {
		t.Fatal(err)
	}
	if _, err := b.service.SignIn(t.Context(), "ada@harbor.example", "right", "192.0.2.9"); err != nil {
		t.Fatalf("another person from the same office: %v", err)
	}
}

func TestGuessesInParallelAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var tried atomic.Int64
	var wait sync.WaitGroup
	for range 12 {
		wait.Go(func() {
			if _, err := b.signIn(t, "wrong"); errors.Is(err, identity.ErrRefused) {
				tried.Add(1)
			} else if !errors.Is(err, identity.ErrLocked) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if tried.Load() != 5 {
		t.Fatalf("%d guesses were compared", tried.Load())
	}
}

func TestADisabledPersonCannotSignInOrRefresh(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	err = b.db.InTenant(t.Context(), "harbor", func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE users SET disabled = true")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.signIn(t, "right"); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("sign in: %v", err)
	}
	if _, err := b.service.Refresh(t.Context(), tokens.Refresh); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("refresh: %v", err)
	}
}

func TestSigningOutHoldsOnEveryNode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.service.SignOut(t.Context(), tokens.Actor); err != nil {
		t.Fatal(err)
	}
	other := b.node(t)
	other.Start()
	t.Cleanup(other.Stop)
	until(t, func() bool {
		_, err := other.Actor(tokens.Access)
		return errors.Is(err, identity.ErrRefused)
	})
	if _, err := other.Refresh(t.Context(), tokens.Refresh); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("refresh after sign-out: %v", err)
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatal("not within 20 s")
}

func TestWithTheDatabaseAwaySigningInSaysSo(t *testing.T) {
	t.Parallel()
	private := serverstest.Private(t)
	urls := serverstest.Migrate(t, private.DatabaseURL)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := private.Down(servers.Postgres); err != nil {
		t.Fatal(err)
	}
	keys, err := identity.OpenKeys(filepath.Join(t.TempDir(), "token"))
	if err != nil {
		t.Fatal(err)
	}
	people := identitysql.New(db)
	s, err := identity.New(identity.Config{Credentials: people, Sessions: people, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		_, err := s.SignIn(t.Context(), "ada@harbor.example", "right", "192.0.2.1")
		return errors.Is(err, identity.ErrAway)
	})
}
