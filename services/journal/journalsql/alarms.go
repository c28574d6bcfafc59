package journalsql

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"holdfast/services/journal"
)

const raiseAlarm = `
INSERT INTO alarms (tenant_id, key, node, opened, severity, text, count, raised_at, last_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, key, node) WHERE cleared_at IS NULL
DO UPDATE SET severity = excluded.severity, text = excluded.text, count = excluded.count, last_at = excluded.last_at`

const clearAlarm = `
UPDATE alarms SET cleared_at = $4, count = greatest(count, $5)
WHERE tenant_id = $1 AND key = $2 AND node = $3 AND cleared_at IS NULL AND opened < $6`

// projectAlarms keeps one row each time an alarm is open.
func projectAlarms(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	batch := &pgx.Batch{}
	for _, e := range events {
		var d journal.AlarmData
		if e.Kind != journal.Alarm || json.Unmarshal(e.Data, &d) != nil {
			continue
		}
		if d.Severity != journal.Warning {
			d.Severity = journal.Critical
		}
		if d.Since.IsZero() {
			d.Since = e.At
		}
		switch e.Type {
		case journal.TypeRaised:
			batch.Queue(raiseAlarm, e.Tenant, text(e.ID), text(e.Node), int64(e.Seq), d.Severity, text(d.Text), max(d.Count, 1), d.Since, e.At)
		case journal.TypeCleared:
			batch.Queue(clearAlarm, e.Tenant, text(e.ID), text(e.Node), e.At, d.Count, int64(e.Seq))
		}
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write alarms: %w", err)
	}
	return nil
}
