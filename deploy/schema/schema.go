// Package schema is the database as a series of migrations, and the roles that work on it.
//
// Migrate is called at every start with the owner's address. Under one advisory lock, so that nodes that start together
// take turns, it makes the roles when they are not there, sets their passwords, and applies what is missing. A database
// that was migrated by a newer Holdfast is refused and not touched.
//
// Passwords of the roles are never chosen by a person and never stored: they are derived from the owner's own secret, so
// every node that may migrate can also connect, and whoever has the owner's secret could make any password anyway.
//
// testdata/schema.golden is the whole result as text. A change of the schema is a change of that file in review.
package schema

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var migrations embed.FS

// The roles that work on the data. None owns a table, none is superuser, none bypasses row-level security.
const (
	RoleApp    = "holdfast_app"    // one tenant at a time
	RoleSignin = "holdfast_signin" // e-mail to tenant, user and hash
	RoleWorker = "holdfast_worker" // across tenants: compiles, ships
)

// ErrNewer says that the database was migrated by a newer Holdfast than this one.
var ErrNewer = errors.New("the database was made by a newer Holdfast")

const (
	// lockKey is the advisory lock of migrations: "holdfast" in ASCII.
	lockKey = 0x686f6c6466617374
	// lockLimit is how long a node waits for another one that migrates.
	lockLimit = 2 * time.Minute
	// roleTries covers two databases of one cluster setting the same role at once, which PostgreSQL refuses to one of them.
	roleTries = 10
)

// URLs are the addresses of one database for each role that works on it.
type URLs struct{ App, Signin, Worker string }

// Migrate brings the database at ownerURL to this build's schema and makes the roles with passwords derived from secret
// (see [Secret]). Errors: ErrNewer; anything else is the database's.
func Migrate(ctx context.Context, ownerURL string, secret []byte) error {
	latest, err := Latest()
	if err != nil {
		return err
	}
	return MigrateTo(ctx, ownerURL, secret, latest)
}

// MigrateTo is Migrate that stops at a schema of an earlier build: what a backup of that build is loaded into. A database
// that has more already is left as it is.
func MigrateTo(ctx context.Context, ownerURL string, secret []byte, version int64) error {
	cfg, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return fmt.Errorf("database address: %w", hide(err))
	}
	ctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // gives the lock free, whatever happened
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockKey)); err != nil {
		return fmt.Errorf("wait for the lock of migrations: %w", err)
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }() // nothing is pending in it
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	has, knows, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if has > knows {
		return fmt.Errorf("%w: it has schema %d, this build knows %d; run the newer build, nothing was changed", ErrNewer, has, knows)
	}
	if err := makeRoles(ctx, conn, secret); err != nil {
		return err
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Latest is the schema version that this build migrates to.
func Latest() (int64, error) {
	entries, err := migrations.ReadDir(".")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	var latest int64
	for _, e := range entries {
		v, err := goose.NumericComponent(e.Name())
		if err != nil {
			return 0, fmt.Errorf("name of migration %s: %w", e.Name(), err)
		}
		latest = max(latest, v)
	}
	return latest, nil
}

// Version is the schema that the database at ownerURL has; 0: none yet.
func Version(ctx context.Context, ownerURL string) (int64, error) {
	cfg, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return 0, fmt.Errorf("database address: %w", hide(err))
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }() // nothing is pending in it
	provider, err := newProvider(db)
	if err != nil {
		return 0, err
	}
	has, _, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return has, nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

// makeRoles makes each role when it is not there and sets its password and what it must not be.
func makeRoles(ctx context.Context, conn *pgx.Conn, secret []byte) error {
	for _, role := range []string{RoleApp, RoleSignin, RoleWorker} {
		if err := makeRole(ctx, conn, role, password(secret, role)); err != nil {
			return fmt.Errorf("make role %s: %w", role, err)
		}
	}
	return nil
}

func makeRole(ctx context.Context, conn *pgx.Conn, role, password string) error {
	var err error
	for range roleTries {
		var there bool
		if err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&there); err != nil {
			return err
		}
		statement := "CREATE ROLE " + role + " LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT"
		if there {
			if !mayMakeRoles(ctx, conn) {
				return nil // made for us by an administrator, passwords too
			}
			// Only a superuser may so much as name the other attributes here; a role that has them is refused when it connects.
			statement = "ALTER ROLE " + role + " LOGIN"
		}
		// role is a constant and the password base64url: nothing here can end a literal.
		if _, err = conn.Exec(ctx, statement+" PASSWORD '"+password+"'"); err == nil {
			return nil
		}
		if !clash(err) {
			return err
		}
	}
	return err
}

// mayMakeRoles reports whether the owner may alter roles; superusers and owners of managed databases may.
func mayMakeRoles(ctx context.Context, conn *pgx.Conn) bool {
	var may bool
	err := conn.QueryRow(ctx, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user").Scan(&may)
	return err == nil && may
}

// clash reports whether another session changed the same role at the same moment.
func clash(err error) bool {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Code {
	case "42710", "23505": // duplicate_object, unique_violation: made in between
		return true
	case "XX000": // internal_error: the catalogue row was changed under us
		return strings.Contains(refused.Message, "tuple concurrently updated")
	}
	return false
}

// RoleURLs turns the owner's address into those of the working roles.
func RoleURLs(ownerURL string, secret []byte) (URLs, error) {
	address := func(role string) (string, error) {
		u, err := url.Parse(ownerURL)
		if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
			return "", errors.New("HOLDFAST_DATABASE_URL must look like postgres://USER:PASSWORD@HOST:PORT/DATABASE")
		}
		u.User = url.UserPassword(role, password(secret, role))
		return u.String(), nil
	}
	var urls URLs
	var err error
	if urls.App, err = address(RoleApp); err != nil {
		return URLs{}, err
	}
	if urls.Signin, err = address(RoleSignin); err != nil {
		return URLs{}, err
	}
	urls.Worker, err = address(RoleWorker)
	return urls, err
}

// Secret is what the roles' passwords are derived from: the owner's own password where the address has one, so that all
// nodes agree; else 32 random bytes kept in keys/database (0600), made at the first start.
func Secret(ownerURL, keys string) ([]byte, error) {
	u, err := url.Parse(ownerURL)
	if err == nil {
		if p, ok := u.User.Password(); ok && p != "" {
			return []byte(p), nil
		}
	}
	path := filepath.Join(keys, "database")
	secret, err := os.ReadFile(path)
	if err == nil {
		if len(secret) < sha256.Size {
			return nil, fmt.Errorf("%s is shorter than %d bytes", path, sha256.Size)
		}
		return secret, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the database secret: %w", err)
	}
	secret = make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return nil, fmt.Errorf("keep the database secret: %w", err)
	}
	if err := os.WriteFile(path, secret, 0o600); err != nil {
		return nil, fmt.Errorf("keep the database secret: %w", err)
	}
	return secret, nil
}

func password(secret []byte, role string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("holdfast database role " + role))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hide drops the address, which may hold a password, from a parse error.
func hide(err error) error {
	var bad *pgconn.ParseConfigError
	if errors.As(err, &bad) {
		return errors.New("it cannot be read (postgres://USER:PASSWORD@HOST:PORT/DATABASE)")
	}
	return err
}
