// Package notifysql keeps the list of notices in PostgreSQL: a projection of the journal, and its queries.
package notifysql

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// An event holds the whole notice as it is after it, so that the latest wins; what was settled stays so.
const upsert = `
INSERT INTO notices (tenant_id, notice_id, seq, node, kind, about, recipient, urgent, state, tries, error, reply, mail_id, told_at, next_at, settled_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (tenant_id, notice_id) DO UPDATE SET
  seq = excluded.seq, node = excluded.node, state = excluded.state, tries = excluded.tries, error = excluded.error,
  reply = excluded.reply, next_at = excluded.next_at, settled_at = excluded.settled_at
WHERE notices.seq < excluded.seq AND notices.state = 'waiting'`

var states = map[string]notify.State{
	notify.TypeTold: notify.Waiting, notify.TypeTried: notify.Waiting, notify.TypeAccepted: notify.Accepted, notify.TypeFailed: notify.Failed,
}

// Project brings the list up to date with new events.
func Project(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	batch := &pgx.Batch{}
	for _, e := range events {
		var d notify.Event
		state, known := states[e.Type]
		if e.Kind != journal.Notice || !known || json.Unmarshal(e.Data, &d) != nil {
			continue
		}
		if d.ToldAt.IsZero() {
			d.ToldAt = e.At
		}
		var next, settled *time.Time
		switch {
		case state != notify.Waiting:
			settled = &e.At
		case !d.Next.IsZero():
			next = &d.Next
		}
		about, _, _ := strings.Cut(d.Key, ":")
		batch.Queue(upsert, e.Tenant, plain(e.ID), int64(e.Seq), plain(e.Node), plain(string(d.Kind)), plain(about), plain(d.To), d.Urgent, state,
			max(d.Tries, 0), plain(d.Error), plain(d.Reply), plain(d.Mail), d.ToldAt, next, settled)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write notices: %w", err)
	}
	return nil
}

// plain removes what PostgreSQL does not take as text.
func plain(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "") }

// DB is the door to PostgreSQL; tenants/store has it.
type DB interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
}

// Queries read the notices of one tenant at a time. Errors are store.ErrBadCursor, or the database's.
type Queries struct{ DB DB }

const list = `SELECT tenant_id, notice_id, node, kind, about, recipient, urgent, state, tries, error, reply, mail_id, told_at, next_at, settled_at
FROM notices
WHERE tenant_id = $1
  AND ($2 = '' OR about = $2)
  AND ($3 = '' OR state = $3)
  AND ($4::timestamptz IS NULL OR (told_at, notice_id) < ($4, $5))
ORDER BY told_at DESC, notice_id DESC
LIMIT $6`

// ListNotices returns a page of the tenant's notices, newest first, and the cursor of the next page, "" when none.
func (q Queries) ListNotices(ctx context.Context, tenant tenants.TenantID, f notify.Filter) ([]notify.Record, string, error) {
	return store.List(ctx, q.DB, tenant, store.Page{Cursor: f.Cursor, Limit: f.Limit}, store.Query[notify.Record]{
		SQL: list, Args: []any{tenant, plain(f.About), f.State}, Scan: scan,
		Place: func(r notify.Record) (time.Time, string) { return r.ToldAt, r.ID },
	})
}

func scan(row pgx.CollectableRow) (r notify.Record, err error) {
	err = row.Scan(&r.Tenant, &r.ID, &r.Node, &r.Kind, &r.About, &r.To, &r.Urgent, &r.State, &r.Tries, &r.Error, &r.Reply, &r.MailID,
		&r.ToldAt, &r.NextAt, &r.SettledAt)
	return r, err
}
