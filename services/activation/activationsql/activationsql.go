// Package activationsql keeps what activations leave in PostgreSQL: each tenant's state, and the sign-in links that were used.
package activationsql

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/activation"
	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// setState moves a tenant that is not there yet, unless it was moved later. What is shipped late changes nothing.
const setState = `UPDATE tenants SET state = $2, since = $3, cause = $4 WHERE tenant_id = $1 AND state <> $2 AND since < $3`

const burn = `INSERT INTO used_links (tenant_id, link, user_id, used_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`

// Project brings the tenants' states up to their activations, and notes the links that were used.
func Project(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	batch := &pgx.Batch{}
	for _, e := range events {
		var a activation.Event
		if e.Kind != journal.Activation || json.Unmarshal(e.Data, &a) != nil || a.At.IsZero() {
			continue
		}
		switch a.Type {
		case activation.Declared:
			batch.Queue(setState, e.Tenant, routing.Live, a.At, plain(a.Cause))
		case activation.StoodDown:
			batch.Queue(setState, e.Tenant, routing.Standby, a.At, plain(a.Cause))
		case activation.Opened:
			if _, bad := tenants.ParseUUID(string(a.Operator)); bad == nil {
				batch.Queue(burn, e.Tenant, plain(a.Link), a.Operator, a.At)
			}
		default: // steps are in the journal only
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("project activations: %w", err)
	}
	return nil
}

// plain removes what PostgreSQL does not take as text.
func plain(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "") }

// DB is the door to PostgreSQL; tenants/store has it.
type DB interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
}

// Links remembers used sign-in links.
type Links struct{ DB DB }

var _ activation.Burner = Links{}

// Burn implements activation.Burner.
func (l Links) Burn(ctx context.Context, t tenants.TenantID, link string, operator tenants.OperatorID, at time.Time) (fresh bool, err error) {
	err = l.DB.InTenant(ctx, t, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, burn, t, plain(link), operator, at)
		fresh = err == nil && tag.RowsAffected() == 1
		return err
	})
	return fresh, err
}
