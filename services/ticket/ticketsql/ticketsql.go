// Package ticketsql keeps the messages taken for callers in PostgreSQL: a projection of the journal, and its queries.
package ticketsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

type key struct {
	tenant tenants.TenantID
	id     string
}

// row is a ticket as its stored events tell it.
type row struct {
	ticket ticket.State
	node   string
}

const storedEvents = `
SELECT e.tenant_id, e.id, e.seq, e.node, e.type, e.at, e.data
FROM events e JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) USING (tenant_id, id)
WHERE e.kind = 'ticket'
ORDER BY e.tenant_id, e.id, e.seq`

// Project folds every ticket that has new events anew, from its first event on.
func Project(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	seen := map[key]bool{}
	var owners, ids []string
	for _, e := range events {
		k := key{e.Tenant, plain(e.ID)}
		if e.Kind == journal.Ticket && !seen[k] {
			seen[k] = true
			owners, ids = append(owners, string(e.Tenant)), append(ids, k.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, storedEvents, owners, ids)
	if err != nil {
		return fmt.Errorf("read the tickets' events: %w", err)
	}
	found := map[key]row{}
	var e journal.Event
	var seq int64
	if _, err := pgx.ForEachRow(rows, []any{&e.Tenant, &e.ID, &seq, &e.Node, &e.Type, &e.At, &e.Data}, func() error {
		e.Seq = uint64(seq)
		k := key{e.Tenant, e.ID}
		found[k] = row{ticket.Replay(found[k].ticket, e, slog.Default()), e.Node}
		return nil
	}); err != nil {
		return fmt.Errorf("read the tickets' events: %w", err)
	}
	batch := &pgx.Batch{}
	for k, r := range found {
		if r.ticket.Phase != ticket.None { // the event that begins it was set aside or is not here yet
			queue(batch, k, r)
		}
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write tickets: %w", err)
	}
	return nil
}

const upsert = `
INSERT INTO tickets (tenant_id, ticket_id, seq, node, call_id, account_id, account_name, caller, caller_name, called, state, number,
  urgent, fields, holders, notes, deliveries, begun_at, changed_at, saved, next_at, mailing)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET
  seq = excluded.seq, node = excluded.node, state = excluded.state, number = excluded.number, urgent = excluded.urgent,
  fields = excluded.fields, holders = excluded.holders, notes = excluded.notes, deliveries = excluded.deliveries,
  changed_at = excluded.changed_at, saved = excluded.saved, next_at = excluded.next_at, mailing = excluded.mailing
WHERE tickets.seq <= excluded.seq`

func queue(batch *pgx.Batch, k key, r row) {
	s := r.ticket
	var number *int64
	if s.Number > 0 {
		n := int64(s.Number)
		number = &n
	}
	var saved any
	if s.Saved != nil {
		saved = document(s.Saved)
	}
	var mailing any
	if s.Mailing != nil {
		mailing = document(s.Mailing)
	}
	batch.Queue(upsert, k.tenant, k.id, int64(s.Seq), r.node, s.Call, s.Account, plain(s.AccountName), plain(s.Caller), plain(s.CallerName),
		plain(s.Called), s.Phase, number, s.Urgent(), document(s.Fields), list(s.Holders), list(s.Notes), list(s.Deliveries),
		s.BegunAt, s.ChangedAt, saved, instant(s.NextAt), mailing)
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// plain removes what PostgreSQL does not take as text.
func plain(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "") }

// document is v as JSON; what came out of the events table holds no NUL.
func document(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil || string(data) == "null" {
		return json.RawMessage("{}") // plain values: cannot fail
	}
	return data
}

func list[T any](items []T) json.RawMessage {
	if len(items) == 0 {
		return json.RawMessage("[]")
	}
	return document(items)
}

// DB is the door to PostgreSQL; tenants/store has it.
type DB interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
}

// Queries read the tickets of one tenant at a time. Errors are journal.ErrNotFound, store.ErrBadCursor, or the
// database's.
type Queries struct{ DB DB }

var _ ticket.Archive = Queries{}

const columns = `tenant_id, ticket_id, seq, call_id, account_id, account_name, caller, caller_name, called, state, coalesce(number, 0),
  fields, holders, notes, deliveries, begun_at, changed_at, saved, next_at, mailing`

const listTickets = `SELECT ` + columns + ` FROM tickets
WHERE tenant_id = $1
  AND CASE WHEN $2 = '' THEN state <> 'discarded' ELSE state = $2 END
  AND ($3 = '' OR account_id = $3)
  AND ($4 = '' OR call_id = $4)
  AND ($5 = 0::bigint OR number = $5)
  AND ($6::text[] IS NULL OR account_id = ANY ($6))
  AND ($7::timestamptz IS NULL OR (begun_at, ticket_id) < ($7, $8))
ORDER BY begun_at DESC, ticket_id DESC
LIMIT $9`

// ListTickets returns a page of the tenant's tickets, newest first, and the cursor of the next page, "" when none.
func (q Queries) ListTickets(ctx context.Context, tenant tenants.TenantID, f ticket.Filter) ([]ticket.State, string, error) {
	return store.List(ctx, q.DB, tenant, store.Page{Cursor: f.Cursor, Limit: f.Limit}, store.Query[ticket.State]{
		SQL: listTickets, Args: []any{tenant, f.State, f.Account, f.Call, int64(f.Number), f.Only}, Scan: scan,
		Place: func(s ticket.State) (time.Time, string) { return s.BegunAt, string(s.ID) },
	})
}

// GetTicket returns one ticket of the tenant.
func (q Queries) GetTicket(ctx context.Context, tenant tenants.TenantID, id tenants.TicketID) (ticket.State, error) {
	var out ticket.State
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM tickets WHERE tenant_id = $1 AND ticket_id = $2`, tenant, id)
		if err != nil {
			return fmt.Errorf("get a ticket: %w", err)
		}
		out, err = pgx.CollectExactlyOneRow(rows, scan)
		if errors.Is(err, pgx.ErrNoRows) {
			return journal.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("get a ticket: %w", err)
		}
		return nil
	})
	return out, err
}

// LastNumber returns the largest number of the tenant's tickets; 0 when it has none.
func (q Queries) LastNumber(ctx context.Context, tenant tenants.TenantID) (uint64, error) {
	var last int64
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM tickets WHERE tenant_id = $1`, tenant).Scan(&last); err != nil {
			return fmt.Errorf("find the last number: %w", err)
		}
		return nil
	})
	return uint64(last), err
}

// History returns all that happened to one ticket of the tenant, in order: every revision of every field among it.
func (q Queries) History(ctx context.Context, tenant tenants.TenantID, id tenants.TicketID) ([]ticket.Event, error) {
	var out []ticket.Event
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT data FROM events WHERE tenant_id = $1 AND kind = 'ticket' AND id = $2 ORDER BY seq`, tenant, id)
		if err != nil {
			return fmt.Errorf("tell a ticket's history: %w", err)
		}
		if out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e ticket.Event, err error) {
			err = row.Scan(&e)
			return e, err
		}); err != nil {
			return fmt.Errorf("tell a ticket's history: %w", err)
		}
		if len(out) == 0 {
			return journal.ErrNotFound
		}
		return nil
	})
	return out, err
}

func scan(r pgx.CollectableRow) (s ticket.State, err error) {
	var seq, number int64
	var next *time.Time
	err = r.Scan(&s.Tenant, &s.ID, &seq, &s.Call, &s.Account, &s.AccountName, &s.Caller, &s.CallerName, &s.Called, &s.Phase, &number,
		&s.Fields, &s.Holders, &s.Notes, &s.Deliveries, &s.BegunAt, &s.ChangedAt, &s.Saved, &next, &s.Mailing)
	s.Seq, s.Number = uint64(seq), uint64(number)
	if next != nil {
		s.NextAt = *next
	}
	return s, err
}
