// Package journalsql keeps the journal in PostgreSQL and reads it again.
//
// [Store.Ship] stores events and lets projectors bring the tables that are read out of them up to date, all in one
// transaction: the call log never shows what the journal does not hold. Projectors get only events that were not
// stored before, so that shipping twice changes nothing. [Queries] are what the API asks.
package journalsql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/services/journal"
	"holdfast/tenants"
)

// DB is the door to PostgreSQL; tenants/store has it.
type DB interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
	AsWorker(ctx context.Context, fn func(pgx.Tx) error) error
}

// Projector brings tables up to date with events that were just stored for the first time, in the order of the spool.
// It passes over events it does not know or cannot read: an error refuses the events themselves.
type Projector = func(ctx context.Context, tx pgx.Tx, events []journal.Event) error

// Store is the journal.Store over PostgreSQL.
type Store struct {
	db         DB
	log        *slog.Logger
	projectors []Projector

	mu   sync.Mutex
	live map[callKey]story // calls that go on, as the events that were stored for good tell them
	told map[callKey]story // the same of the transaction under way
}

var _ journal.Store = (*Store)(nil)

// New returns a Store that keeps the call log and the alarms, and then lets further projectors work, in order.
func New(db DB, log *slog.Logger, further ...Projector) *Store {
	if log == nil {
		log = slog.Default()
	}
	s := &Store{db: db, log: log, live: map[callKey]story{}}
	s.projectors = append([]Projector{s.projectCalls, projectAlarms}, further...)
	return s
}

// Ship stores the events it does not have and projects them. Errors wrap journal.ErrRefused when PostgreSQL was there
// and would not take the data.
func (s *Store) Ship(ctx context.Context, events []journal.Event) error {
	if len(events) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = nil
	err := s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		fresh, err := insert(ctx, tx, events)
		if err != nil || len(fresh) == 0 {
			return err
		}
		for _, project := range s.projectors {
			if err := project(ctx, tx, fresh); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.remember()
	}
	return classify(err)
}

// classify tells data that PostgreSQL refuses (class 22, 23 and 54 of SQLSTATE) from a database that cannot work now.
func classify(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		switch pg.Code[:2] {
		case "22", "23", "54":
			return fmt.Errorf("%w: %w", journal.ErrRefused, err)
		}
	}
	return err
}

type eventKey struct {
	tenant, kind, id string
	seq              int64
}

const insertEvents = `
INSERT INTO events (tenant_id, kind, id, seq, at, node, type, final, data)
SELECT tenant_id, kind, id, seq, at, node, type, final, data::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[], $9::text[])
  AS e (tenant_id, kind, id, seq, at, node, type, final, data)
ON CONFLICT DO NOTHING
RETURNING tenant_id, kind, id, seq`

// insert stores events and returns those that were not there before, in their order.
func insert(ctx context.Context, tx pgx.Tx, events []journal.Event) ([]journal.Event, error) {
	n := len(events)
	tenantIDs, kinds, ids, seqs := make([]string, n), make([]string, n), make([]string, n), make([]int64, n)
	ats, nodes, types, finals, datas := make([]time.Time, n), make([]string, n), make([]string, n), make([]bool, n), make([]string, n)
	for i, e := range events {
		tenantIDs[i], kinds[i], ids[i], seqs[i] = text(string(e.Tenant)), string(e.Kind), text(e.ID), int64(e.Seq)
		ats[i], nodes[i], types[i], finals[i] = e.At, text(e.Node), text(e.Type), e.Final
		datas[i] = jsonText(e.Data)
	}
	rows, err := tx.Query(ctx, insertEvents, tenantIDs, kinds, ids, seqs, ats, nodes, types, finals, datas)
	if err != nil {
		return nil, fmt.Errorf("store events: %w", err)
	}
	stored := map[eventKey]bool{}
	var k eventKey
	if _, err := pgx.ForEachRow(rows, []any{&k.tenant, &k.kind, &k.id, &k.seq}, func() error {
		stored[k] = true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("store events: %w", err)
	}
	var fresh []journal.Event
	for i, e := range events {
		k := eventKey{tenantIDs[i], kinds[i], ids[i], seqs[i]}
		if stored[k] {
			delete(stored, k) // twice in one batch
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// text makes s what PostgreSQL takes as text: valid UTF-8 without NUL.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// jsonText does the same for a JSON document, in which NUL is written \u0000. An escaped backslash before u0000 is left alone.
func jsonText(data []byte) string {
	s := text(string(data))
	if s == "" {
		return "{}"
	}
	if !strings.Contains(s, `\u0000`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], `\u0000`):
			b.WriteString(`\ufffd`)
			i += len(`\u0000`) - 1
		case s[i] == '\\' && i+1 < len(s):
			b.WriteString(s[i : i+2])
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
