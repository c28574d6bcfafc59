package journalsql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// Queries read the journal for one tenant at a time. Errors are journal.ErrNotFound, store.ErrBadCursor, or the
// database's.
type Queries struct{ DB DB }

const callColumns = `tenant_id, call_id, seq, node, account_id, account_name, called, caller, caller_name, trunk, candidates, why,
  kind, languages, phase, result, reason, invited_at, answered_at, connected_at, ended_at, offered, operator_id, operator_name,
  urgent, message, media`

const listCalls = `SELECT ` + callColumns + ` FROM calls
WHERE tenant_id = $1
  AND ($2 = '' OR caller = $2 OR called = $2)
  AND ($3::timestamptz IS NULL OR invited_at >= $3)
  AND ($4 = '' OR ($4 = 'live') = (ended_at IS NULL))
  AND ($5::text[] IS NULL OR account_id = ANY ($5))
  AND ($6::timestamptz IS NULL OR (invited_at, call_id) < ($6, $7))
ORDER BY invited_at DESC, call_id DESC
LIMIT $8`

// ListCalls returns a page of the tenant's calls, newest first, and the cursor of the next page; "" when there is none.
func (q Queries) ListCalls(ctx context.Context, tenant tenants.TenantID, f journal.CallFilter) ([]journal.CallRecord, string, error) {
	return store.List(ctx, q.DB, tenant, store.Page{Cursor: f.Cursor, Limit: f.Limit}, store.Query[journal.CallRecord]{
		SQL: listCalls, Args: []any{tenant, f.Number, instant(f.Since), f.State, f.Only}, Scan: scanCall,
		Place: func(c journal.CallRecord) (time.Time, string) { return c.InvitedAt, string(c.ID) },
	})
}

// GetCall returns one call of the tenant.
func (q Queries) GetCall(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) (journal.CallRecord, error) {
	var out journal.CallRecord
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+callColumns+` FROM calls WHERE tenant_id = $1 AND call_id = $2`, tenant, id)
		if err != nil {
			return fmt.Errorf("get a call: %w", err)
		}
		out, err = pgx.CollectExactlyOneRow(rows, scanCall)
		return notFound("get a call", err)
	})
	return out, err
}

// CallEvents returns the events of one call of the tenant, in order.
func (q Queries) CallEvents(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) ([]journal.Event, error) {
	var out []journal.Event
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT tenant_id, kind, id, seq, at, node, type, final, data FROM events
			WHERE tenant_id = $1 AND kind = 'call' AND id = $2 ORDER BY seq`, tenant, id)
		if err != nil {
			return fmt.Errorf("list a call's events: %w", err)
		}
		out, err = pgx.CollectRows(rows, scanEvent)
		if err != nil {
			return fmt.Errorf("list a call's events: %w", err)
		}
		if len(out) == 0 {
			return journal.ErrNotFound
		}
		return nil
	})
	return out, err
}

// ListAlarms returns the tenant's alarms: those that are open, or with all also the last 200 that ended, newest first.
func (q Queries) ListAlarms(ctx context.Context, tenant tenants.TenantID, all bool) ([]journal.AlarmRecord, error) {
	var out []journal.AlarmRecord
	err := q.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT tenant_id, key, node, severity, text, count, raised_at, last_at, cleared_at FROM alarms
			WHERE tenant_id = $1 AND ($2 OR cleared_at IS NULL) ORDER BY cleared_at IS NULL DESC, raised_at DESC LIMIT 200`, tenant, all)
		if err != nil {
			return fmt.Errorf("list alarms: %w", err)
		}
		out, err = pgx.CollectRows(rows, scanAlarm)
		if err != nil {
			return fmt.Errorf("list alarms: %w", err)
		}
		return nil
	})
	return out, err
}

func notFound(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return journal.ErrNotFound
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func scanCall(row pgx.CollectableRow) (c journal.CallRecord, err error) {
	var seq int64
	err = row.Scan(&c.Tenant, &c.ID, &seq, &c.Node, &c.Account, &c.AccountName, &c.Called, &c.Caller, &c.CallerName, &c.Trunk,
		&c.Candidates, &c.Why, &c.Kind, &c.Languages, &c.Phase, &c.Result, &c.Reason, &c.InvitedAt, &c.AnsweredAt, &c.ConnectedAt,
		&c.EndedAt, &c.Offered, &c.Operator, &c.OperatorName, &c.Urgent, &c.Message, &c.Media)
	c.Seq = uint64(seq)
	return c, err
}

func scanEvent(row pgx.CollectableRow) (e journal.Event, err error) {
	var seq int64
	err = row.Scan(&e.Tenant, &e.Kind, &e.ID, &seq, &e.At, &e.Node, &e.Type, &e.Final, &e.Data)
	e.Seq = uint64(seq)
	return e, err
}

func scanAlarm(row pgx.CollectableRow) (a journal.AlarmRecord, err error) {
	err = row.Scan(&a.Tenant, &a.Key, &a.Node, &a.Severity, &a.Text, &a.Count, &a.RaisedAt, &a.LastAt, &a.ClearedAt)
	return a, err
}
