// Package store is the only door to PostgreSQL. It keeps three pools, one for each role that works on the data, and
// exports none of them: a query runs in a transaction that knows whose data it may see, or it does not run.
//
//   - [DB.InTenant] works as holdfast_app for one tenant; row-level security shows it that tenant's rows only.
//   - [DB.AsWorker] works across tenants as holdfast_worker: compiling routing copies, shipping the journal.
//   - [DB.AsSignin] may find an e-mail's tenant, user and hash, and count failed sign-ins.
//
// The database may be away at any time, also at start: Open connects to nothing, a connection that cannot be had within
// a fraction of a second is [ErrAway], and every statement and every silence of the network has a limit, because an API
// that answers 503 at once is better than one that hangs. A node that became read-only (a fail-over) or a server that
// shuts down empties the pool, so that the next call finds the new one. The tenant is set inside the transaction
// (set_config with is_local), so nothing of it stays on a pooled connection, whatever happens to the caller.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"holdfast/tenants"
)

var (
	// ErrAway says that PostgreSQL cannot be reached or cannot serve now; trying later may help.
	ErrAway = errors.New("the database is away")
	// ErrUnsafeRole says that a role could pass round row-level security: superuser, BYPASSRLS, or owner of a table.
	ErrUnsafeRole = errors.New("the database role is not held by row-level security")
	// ErrNoTenant says that no valid tenant was given.
	ErrNoTenant = errors.New("no tenant given")
)

// Config names the addresses of the three roles (deploy/schema.RoleURLs makes them) and the limits.
type Config struct {
	App, Signin, Worker string

	// Wait is how long a caller waits for a connection before ErrAway, where the caller before got none; where that one got one, four
	// times as long.
	Wait time.Duration // 250 ms: local pools connect in 10 ms, eight at once on busy cores in over 250
	// Connect limits one attempt to connect, which goes on in the background when its caller has gone.
	Connect time.Duration // 3 s: a fail-over is noticed, a slow TLS handshake is not mistaken for one
	// Statement is the server's limit for one statement of the app and sign-in roles; the worker has ten times that.
	Statement time.Duration // 5 s
	// Conns is the largest number of connections of the app pool; the others have fewer.
	Conns int32 // 16
	Log   *slog.Logger
}

// DB is the door. It is safe for concurrent use. Close it once nothing uses it any more.
type DB struct {
	app, signin, worker *pool
}

// Open makes the pools without connecting: PostgreSQL may be away. It fails only when an address cannot be read.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg.Wait = cmp.Or(cfg.Wait, 250*time.Millisecond)
	cfg.Connect = cmp.Or(cfg.Connect, 3*time.Second)
	cfg.Statement = cmp.Or(cfg.Statement, 5*time.Second)
	cfg.Conns = cmp.Or(cfg.Conns, 16)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())

	var db DB
	for _, p := range []struct {
		into      **pool
		url, name string
		statement time.Duration
		conns     int32
	}{
		{&db.app, cfg.App, "app", cfg.Statement, cfg.Conns},
		{&db.signin, cfg.Signin, "signin", cfg.Statement, max(2, cfg.Conns/4)},
		{&db.worker, cfg.Worker, "worker", 10 * cfg.Statement, max(4, cfg.Conns/4)},
	} {
		opened, err := openPool(ctx, cfg, p.url, p.statement, p.conns)
		if err != nil {
			db.Close()
			return nil, fmt.Errorf("address of role %s: %w", p.name, err)
		}
		*p.into = opened
	}
	return &db, nil
}

// Close ends all connections and waits for transactions under way. It may be repeated.
func (db *DB) Close() {
	for _, p := range []*pool{db.app, db.signin, db.worker} {
		if p != nil {
			p.pgx.Close()
		}
	}
}

// InTenant runs fn in one transaction that sees and writes only rows of tenant id. It commits when fn returns nil and
// rolls back otherwise, also on a panic. Errors: ErrNoTenant, ErrAway, ErrUnsafeRole, or fn's own.
func (db *DB) InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error {
	if _, err := tenants.ParseTenantID(string(id)); err != nil {
		return fmt.Errorf("%w: %q", ErrNoTenant, id)
	}
	return db.app.run(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('app.tenant', $1, true)", string(id)); err != nil {
			return fmt.Errorf("set the tenant: %w", err)
		}
		return fn(tx)
	})
}

// AsWorker runs fn in one transaction across tenants, under the worker's own policies. Errors as InTenant.
func (db *DB) AsWorker(ctx context.Context, fn func(pgx.Tx) error) error {
	return db.worker.run(ctx, fn)
}

// AsSignin runs fn in one transaction that may read credentials and count failures, nothing else. Errors as InTenant.
func (db *DB) AsSignin(ctx context.Context, fn func(pgx.Tx) error) error {
	return db.signin.run(ctx, fn)
}

// Ready reports whether all three roles can work now: nil, ErrAway or ErrUnsafeRole.
func (db *DB) Ready(ctx context.Context) error {
	for _, p := range []*pool{db.app, db.signin, db.worker} {
		err := p.run(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT 1")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dialer gives up on a silent network: connections are proven alive by the kernel, also while a query waits.
func dialer(connect time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: connect, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3,
	}}
}

func openPool(ctx context.Context, cfg Config, address string, statement time.Duration, conns int32) (*pool, error) {
	pc, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("it cannot be read") // the cause may hold a password
	}
	pc.MaxConns = conns
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.MaxConnLifetime = time.Hour
	pc.MaxConnLifetimeJitter = 10 * time.Minute // connections are not all renewed at once
	pc.ConnConfig.ConnectTimeout = cfg.Connect
	pc.ConnConfig.DialFunc = dialer(cfg.Connect).DialContext
	pc.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	// Parameters always travel apart from the statement.
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	params := pc.ConnConfig.RuntimeParams
	params["application_name"] = "holdfast"
	params["timezone"] = "UTC"
	params["statement_timeout"] = milliseconds(statement)
	params["lock_timeout"] = milliseconds(statement)
	params["idle_in_transaction_session_timeout"] = milliseconds(2 * statement)
	pc.AfterConnect = checkRole
	p, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("make the pool: %w", err)
	}
	return &pool{pgx: p, wait: cfg.Wait, longest: 3 * statement, log: cfg.Log}, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// checkRole refuses a connection whose role is not held by row-level security, or could become one that is not.
func checkRole(ctx context.Context, conn *pgx.Conn) error {
	var unsafe bool
	err := conn.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_roles r WHERE (r.rolsuper OR r.rolbypassrls)
		               AND (r.rolname IN (session_user, current_user) OR pg_has_role(session_user, r.oid, 'MEMBER')))
		    OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
		               AND pg_has_role(session_user, c.relowner, 'MEMBER'))`).Scan(&unsafe)
	if err != nil {
		return fmt.Errorf("ask what the role may: %w", err)
	}
	if unsafe {
		return ErrUnsafeRole
	}
	return nil
}
