// Package journalsql keeps the journal in PostgreSQL and reads it again.
//
// [Store.Ship] stores events and lets projectors bring the tables that are read out of them up to date, all in one
// transaction: the call log never shows what the journal does not hold. Projectors get only events that were not
// stored before, so that shipping twice changes nothing. Where a machine lost its power, the disk may lack an event that
// was shipped, and its story goes on with that event's number: such a story is stored on behind what is here, so that it
// ends here too. [Queries] are what the API asks.
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
	var stories map[eventKey]bool // that have other events under these events' numbers
	err := s.store(ctx, func(tx pgx.Tx) ([]journal.Event, error) {
		c := columnsOf(events)
		fresh, err := insert(ctx, tx, events, c)
		if err != nil || len(fresh) == len(events) {
			return fresh, err
		}
		if stories, err = taken(ctx, tx, c); err == nil && len(stories) > 0 {
			return nil, errTaken
		}
		return fresh, err
	})
	if errors.Is(err, errTaken) {
		s.log.Warn("journal: stories went on without events that the database has; they are told on behind these", "stories", len(stories))
		err = s.store(ctx, func(tx pgx.Tx) ([]journal.Event, error) { return renumber(ctx, tx, events, stories) })
	}
	return classify(err)
}

// store projects the events that insert stores for the first time, in one transaction.
func (s *Store) store(ctx context.Context, insert func(pgx.Tx) ([]journal.Event, error)) error {
	s.told = nil
	err := s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		fresh, err := insert(tx)
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
	return err //nolint:wrapcheck // Ship classifies it
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

// columns are events as PostgreSQL takes them, an array for each column.
type columns struct {
	tenants, kinds, ids, nodes, types, datas []string
	seqs                                     []int64
	ats                                      []time.Time
	finals                                   []bool
}

func columnsOf(events []journal.Event) columns {
	n := len(events)
	c := columns{
		make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n),
		make([]int64, n), make([]time.Time, n), make([]bool, n),
	}
	for i, e := range events {
		c.tenants[i], c.kinds[i], c.ids[i], c.seqs[i] = text(string(e.Tenant)), string(e.Kind), text(e.ID), int64(e.Seq)
		c.ats[i], c.nodes[i], c.types[i], c.finals[i] = e.At, text(e.Node), text(e.Type), e.Final
		c.datas[i] = jsonText(e.Data)
	}
	return c
}

// all returns the columns in the table's order.
func (c columns) all() []any {
	return []any{c.tenants, c.kinds, c.ids, c.seqs, c.ats, c.nodes, c.types, c.finals, c.datas}
}

// insert stores events, which c has the columns of, and returns those that were not there before, in their order.
func insert(ctx context.Context, tx pgx.Tx, events []journal.Event, c columns) ([]journal.Event, error) {
	rows, err := tx.Query(ctx, insertEvents, c.all()...)
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
		k := eventKey{c.tenants[i], c.kinds[i], c.ids[i], c.seqs[i]}
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
