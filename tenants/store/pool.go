package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rollbackLimit bounds the clean-up after a caller has gone; a connection that cannot roll back is closed.
const rollbackLimit = time.Second

// resetEvery is the least time between two resets: a hundred callers that see one fail-over reset the pool once.
const resetEvery = time.Second

// patience is how many times longer than otherwise a connection is waited for where the one before could be had.
const patience = 4

// pool is one role's connections.
type pool struct {
	pgx     *pgxpool.Pool
	wait    time.Duration // for a connection, while there is none to be had
	away    atomic.Bool   // the last who wanted a connection got none
	longest time.Duration // one transaction may take, the network's silence included
	log     *slog.Logger
	reset   atomic.Int64 // when the pool was last emptied, Unix nanoseconds
}

// run performs fn in one transaction.
func (p *pool) run(ctx context.Context, fn func(pgx.Tx) error) error {
	conn, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()

	// fn uses its own context, so the last limit is the connection itself: closed, every wait on it ends.
	guard := time.AfterFunc(p.longest, func() { _ = conn.Conn().PgConn().Conn().Close() })
	defer guard.Stop()
	return p.classify(transact(ctx, conn, fn))
}

func transact(ctx context.Context, conn *pgxpool.Conn, fn func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		// Also after a panic in fn and when ctx has ended. A failed roll-back makes pgx close the connection.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
		defer cancel()
		_ = tx.Rollback(limited)
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	done = true
	return nil
}

// acquire waits for a connection. A machine that is busy takes a while to make one: who knows no better is patient. Of a database that
// is away every caller but the first is told soon.
func (p *pool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	wait := p.wait
	if !p.away.Load() {
		wait *= patience
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := p.pgx.Acquire(limited)
	if ctx.Err() == nil {
		p.away.Store(err != nil)
	}
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, ErrUnsafeRole):
		return nil, ErrUnsafeRole
	case ctx.Err() != nil:
		return nil, fmt.Errorf("wait for the database: %w", ctx.Err())
	default:
		return nil, fmt.Errorf("%w: %s", ErrAway, reason(err))
	}
}

// classify marks the errors that mean "away", and empties the pool when its connections lead to a server that no longer
// takes writes or is going down.
func (p *pool) classify(err error) error {
	if err == nil || errors.Is(err, ErrAway) {
		return err
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code {
		case "25006", // read_only_sql_transaction: a fail-over left us with the old primary
			"57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
			p.empty(refused.Code)
			return fmt.Errorf("%w: %w", ErrAway, err)
		}
		if strings.HasPrefix(refused.Code, "08") || refused.Code == "53300" { // connection trouble, too_many_connections
			return fmt.Errorf("%w: %w", ErrAway, err)
		}
		return err
	}
	var network net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) || (errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded)) {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

func (p *pool) empty(code string) {
	now := time.Now().UnixNano()
	last := p.reset.Load()
	if now-last < int64(resetEvery) || !p.reset.CompareAndSwap(last, now) {
		return
	}
	p.log.Warn("emptying the database pool", "sqlstate", code)
	p.pgx.Reset()
}

// reason shortens a connection error to its cause, without the address.
func reason(err error) string {
	var refused *pgconn.PgError
	var network *net.OpError
	switch {
	case errors.As(err, &refused):
		return "SQLSTATE " + refused.Code + ": " + refused.Message
	case errors.As(err, &network):
		return network.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no connection in time"
	default:
		return "cannot connect"
	}
}
