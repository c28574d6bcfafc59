// Package voicemailsql keeps the list of voicemails in PostgreSQL: a projection of the journal, and its queries.
package voicemailsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/voicemail"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// A message is a call that kept one. What a person changed since is left alone.
const keepMessages = `
INSERT INTO voicemails (tenant_id, voicemail_id, call_id, account_id, account_name, caller, caller_name, called, node, at,
  duration_ms, empty, cut_short, sha256, urgent)
SELECT c.tenant_id, c.message->>'voicemail', c.call_id, c.account_id, c.account_name, c.caller, c.caller_name, c.called, c.node,
  coalesce((c.message->>'started_at')::timestamptz, c.invited_at), coalesce((c.message->>'duration_ms')::bigint, 0),
  coalesce((c.message->>'empty')::boolean, false), coalesce((c.message->>'cut_short')::boolean, false),
  coalesce(c.message->>'sha256', ''), c.urgent
FROM calls c JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, call_id) USING (tenant_id, call_id)
WHERE c.message->>'voicemail' <> ''
ON CONFLICT (tenant_id, voicemail_id) DO UPDATE SET
  duration_ms = excluded.duration_ms, empty = excluded.empty, cut_short = excluded.cut_short, sha256 = excluded.sha256`

const markMessage = `
UPDATE voicemails SET state = $3, urgent = $4, changed_by = $5, note = $6, handled_at = $7
WHERE tenant_id = $1 AND voicemail_id = $2`

// Project brings the list up to date with new events: messages that calls kept, and what people did with them. It runs
// after the call log was projected.
func Project(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	batch := &pgx.Batch{}
	var owners, calls []string
	for _, e := range events {
		if e.Kind == journal.Call && (e.Type == string(call.MessageKept) || e.Type == string(call.NodeLost) || e.Final) {
			owners, calls = append(owners, string(e.Tenant)), append(calls, e.ID)
		}
	}
	if len(calls) > 0 {
		owners, calls = distinct(owners, calls)
		batch.Queue(keepMessages, owners, calls)
	}
	for _, e := range events {
		var m voicemail.Marked
		if e.Kind != journal.Command || e.Type != voicemail.TypeMarked || json.Unmarshal(e.Data, &m) != nil || !m.State.Valid() {
			continue
		}
		if m.HandledAt == nil && m.State == voicemail.Handled {
			m.HandledAt = &e.At
		}
		if m.State != voicemail.Handled {
			m.HandledAt = nil
		}
		batch.Queue(markMessage, e.Tenant, m.Voicemail, m.State, m.Urgent, plain(m.By), plain(m.Note), m.HandledAt)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write voicemails: %w", err)
	}
	return nil
}

// distinct drops repeated calls: one statement may write a row once.
func distinct(owners, calls []string) ([]string, []string) {
	type key struct{ owner, call string }
	seen := map[key]bool{}
	var o, c []string
	for i := range calls {
		if k := (key{owners[i], calls[i]}); !seen[k] {
			seen[k] = true
			o, c = append(o, k.owner), append(c, k.call)
		}
	}
	return o, c
}

// plain removes what PostgreSQL does not take as text.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// DB is the door to PostgreSQL; tenants/store has it.
type DB interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
}

// Queries read the voicemails of one tenant at a time. Errors are journal.ErrNotFound, store.ErrBadCursor, or the
// database's.
type Queries struct{ DB DB }

const columns = `tenant_id, voicemail_id, call_id, account_id, account_name, caller, caller_name, called, node, at, duration_ms,
  empty, cut_short, sha256, urgent, state, changed_by, note, handled_at`

const list = `SELECT ` + columns + ` FROM voicemails
WHERE tenant_id = $1
  AND (cardinality($2::text[]) = 0 OR state = ANY ($2))
  AND ($3 = '' OR account_id = $3)
  AND ($4 = '' OR call_id = $4)
  AND ($5::text[] IS NULL OR account_id = ANY ($5))
  AND ($6::timestamptz IS NULL OR (at, voicemail_id) < ($6, $7))
ORDER BY at DESC, voicemail_id DESC
LIMIT $8`

// ListVoicemails returns a page of the tenant's messages, newest first, and the cursor of the next page, "" when none.
func (q Queries) ListVoicemails(ctx context.Context, tenant tenants.TenantID, f voicemail.Filter) ([]voicemail.Voicemail, string, error) {
	states := make([]string, len(f.States))
	for i, s := range f.States {
		states[i] = string(s)
	}
	return store.List(ctx, q.DB, tenant, store.Page{Cursor: f.Cursor, Limit: f.Limit}, store.Query[voicemail.Voicemail]{
		SQL: list, Args: []any{tenant, states, f.Account, f.Call, f.Only}, Scan: scan,
		Place: func(v voicemail.Voicemail) (time.Time, string) { return v.At, string(v.ID) },
	})
}

// GetVoicemail returns one message of the tenant.
func (q Queries) GetVoicemail(ctx context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (voicemail.Voicemail, error) {
	var out voicemail.Voicemail
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM voicemails WHERE tenant_id = $1 AND voicemail_id = $2`, tenant, id)
		if err != nil {
			return fmt.Errorf("get a voicemail: %w", err)
		}
		out, err = pgx.CollectExactlyOneRow(rows, scan)
		if errors.Is(err, pgx.ErrNoRows) {
			return journal.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("get a voicemail: %w", err)
		}
		return nil
	})
	return out, err
}

// CountUnhandled returns how many messages of each account wait for somebody, and since when; accounts without any are missing.
func (q Queries) CountUnhandled(ctx context.Context, tenant tenants.TenantID) ([]voicemail.Unhandled, error) {
	var out []voicemail.Unhandled
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT account_id, count(*), count(*) FILTER (WHERE urgent), min(at) FROM voicemails
			WHERE tenant_id = $1 AND state <> 'handled' GROUP BY account_id ORDER BY account_id`, tenant)
		if err != nil {
			return fmt.Errorf("count voicemails: %w", err)
		}
		if out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[voicemail.Unhandled]); err != nil {
			return fmt.Errorf("count voicemails: %w", err)
		}
		return nil
	})
	return out, err
}

// Workers is the door to all tenants' rows; tenants/store has it.
type Workers interface {
	AsWorker(ctx context.Context, fn func(pgx.Tx) error) error
}

// Waiting is voicemail.Waiting over PostgreSQL.
type Waiting struct{ DB Workers }

var _ voicemail.Waiting = Waiting{}

// remindLock is the advisory lock of the one process that reminds.
const remindLock = 0x486f6c64_00000001

const listWaiting = `
SELECT v.tenant_id, count(*), count(*) FILTER (WHERE v.urgent), min(v.at)
FROM voicemails v JOIN tenants t USING (tenant_id) LEFT JOIN reminders r USING (tenant_id)
WHERE v.state <> 'handled' AND (r.reminded_at IS NULL OR r.reminded_at <= $2)
GROUP BY v.tenant_id
HAVING min(v.at) <= $1`

const noteReminder = `
INSERT INTO reminders (tenant_id, reminded_at) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET reminded_at = excluded.reminded_at`

// Remind has tenants reminded; see voicemail.Waiting. Tenants whose reminder failed are tried again the next time.
func (w Waiting) Remind(ctx context.Context, now time.Time, after, every time.Duration, told func(tenants.TenantID, voicemail.Unhandled) error) error {
	type line struct {
		tenant tenants.TenantID
		found  voicemail.Unhandled
	}
	var failed error
	err := w.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		failed = nil
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(remindLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		rows, err := tx.Query(ctx, listWaiting, now.Add(-after), now.Add(-every))
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l line, err error) {
			err = row.Scan(&l.tenant, &l.found.Count, &l.found.Urgent, &l.found.Oldest)
			return l, err
		})
		if err != nil {
			return err
		}
		for _, l := range lines {
			if err := told(l.tenant, l.found); err != nil {
				failed = errors.Join(failed, fmt.Errorf("remind %s: %w", l.tenant, err))
				continue
			}
			if _, err := tx.Exec(ctx, noteReminder, l.tenant, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remind of voicemails: %w", err)
	}
	return failed
}

func scan(row pgx.CollectableRow) (v voicemail.Voicemail, err error) {
	var ms int64
	err = row.Scan(&v.Tenant, &v.ID, &v.Call, &v.Account, &v.AccountName, &v.Caller, &v.CallerName, &v.Called, &v.Node, &v.At, &ms,
		&v.Empty, &v.CutShort, &v.SHA256, &v.Urgent, &v.State, &v.By, &v.Note, &v.HandledAt)
	v.Duration = time.Duration(ms) * time.Millisecond
	return v, err
}
