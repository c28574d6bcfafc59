// Package serverstest gives tests real servers: one private PostgreSQL and one Redis for each test binary, started when
// first asked for, and a fresh migrated database for each test. With HOLDFAST_CONTAINERS=1 they run in containers.
//
// A package that uses it calls Main from its TestMain, which stops the servers after the last test:
//
//	func TestMain(m *testing.M) { serverstest.Main(m) }
package serverstest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"holdfast/deploy/schema"
	"holdfast/deploy/servers"
	"holdfast/deploy/servers/containers"
)

// limit bounds every step of the harness.
const limit = 60 * time.Second

// template is the migrated database that the others are copied from.
const template = "holdfast_template"

var (
	once     sync.Once
	shared   *Stores
	folder   string
	failed   error
	copies   atomic.Int64
	redisDB  atomic.Int64
	copying  sync.Mutex // CREATE DATABASE refuses a template that another copy reads
	testSeed = []byte("not a secret: tests only, 32 bytes")
)

// Stores are one PostgreSQL and one Redis, which may be taken down and up.
type Stores struct {
	DatabaseURL string // connects as the database's owner
	RedisURL    string
	backend
}

// backend is what runs them.
type backend interface {
	Stop() error            // ends both; may be repeated
	Down(name string) error // kills servers.Postgres or servers.Redis as a crash would, and keeps it down
	Up(name string) error   // lets it run again
}

// Start runs stores of the caller's own: from the programs of this machine in a data folder, or in containers.
func Start(ctx context.Context, data string, log *slog.Logger) (*Stores, error) {
	if os.Getenv("HOLDFAST_CONTAINERS") == "1" {
		p, err := containers.Start(ctx)
		if err != nil {
			return nil, err
		}
		return &Stores{DatabaseURL: p.DatabaseURL, RedisURL: p.RedisURL, backend: p}, nil
	}
	s, err := servers.Start(ctx, servers.Config{Data: data, Log: log})
	if err != nil {
		return nil, err
	}
	return &Stores{DatabaseURL: s.DatabaseURL, RedisURL: s.RedisURL, backend: s}, nil
}

// Main runs the tests, stops the shared servers, checks for leaked goroutines and ends the process.
func Main(m *testing.M) {
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if folder != "" {
		_ = os.RemoveAll(folder)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Folder makes a data folder that the unprivileged user of the servers can enter, removed after the test.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newFolder() (string, error) {
	dir, err := os.MkdirTemp("", "hf-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// Private starts servers of the test's own, which it may take down and up.
func Private(t testing.TB) *Stores {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	defer cancel()
	s, err := Start(ctx, Folder(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Migrate brings a database to this build's schema and returns the addresses of its roles.
func Migrate(t testing.TB, ownerURL string) schema.URLs {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	defer cancel()
	if err := schema.Migrate(ctx, ownerURL, testSeed); err != nil {
		t.Fatal(err)
	}
	urls, err := schema.RoleURLs(ownerURL, testSeed)
	if err != nil {
		t.Fatal(err)
	}
	return urls
}

// Owner makes a fresh migrated database on the shared server, dropped after the test, and returns its owner's address.
func Owner(t testing.TB) string {
	t.Helper()
	servers := both(t)
	name := "test_" + strconv.FormatInt(copies.Add(1), 10)
	copying.Lock()
	err := admin(servers.DatabaseURL, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY wal_log")
	copying.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin(servers.DatabaseURL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return withDatabase(servers.DatabaseURL, name)
}

// Database makes a fresh migrated database on the shared server and returns the addresses of its roles.
func Database(t testing.TB) schema.URLs {
	t.Helper()
	urls, err := schema.RoleURLs(Owner(t), testSeed)
	if err != nil {
		t.Fatal(err)
	}
	return urls
}

// Redis returns the address of an empty database on the shared Redis. A test binary may ask for 15 of them.
func Redis(t testing.TB) string {
	t.Helper()
	n := redisDB.Add(1)
	if n > 15 {
		t.Fatal("more than 15 Redis databases in one test binary")
	}
	return both(t).RedisURL + "?db=" + strconv.FormatInt(n, 10)
}

func both(t testing.TB) *Stores {
	t.Helper()
	once.Do(func() { failed = startShared() })
	if failed != nil {
		t.Fatal(failed)
	}
	return shared
}

func startShared() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var err error
	if folder, err = newFolder(); err != nil {
		return err
	}
	laid, err := lay(ctx, folder)
	if err != nil {
		return err
	}
	shared, err = Start(ctx, folder, slog.New(slog.DiscardHandler))
	if err != nil || laid {
		return err
	}
	if err := admin(shared.DatabaseURL, "CREATE DATABASE "+template); err != nil {
		return err
	}
	return schema.Migrate(ctx, withDatabase(shared.DatabaseURL, template), testSeed)
}

func admin(address, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func withDatabase(address, name string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err) // our own address
	}
	u.Path = "/" + name
	return u.String()
}
