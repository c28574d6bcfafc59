// Package interimsql keeps overrides and notes in PostgreSQL: a projection of the journal.
package interimsql

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"

	"holdfast/services/interim"
	"holdfast/services/journal"
)

// One statement serves the making and the ending, whichever word comes first: what is ended stays ended. What belongs to an
// account, a schedule or a person that is gone is passed over.
const (
	upsertOverride = `
INSERT INTO overrides (tenant_id, override_id, account_id, schedule_id, from_at, to_at, replaces, replaced, person_id, note,
  created_at, by_id, by_name, ended_at, ended_name)
SELECT $1::text, $2::uuid, $3::text, $4::uuid, $5::timestamptz, $6::timestamptz, $7::text, $8::text, $9::uuid, $10::text,
  $11::timestamptz, $12::text, $13::text, $14::timestamptz, $15::text
WHERE EXISTS (SELECT FROM schedules WHERE tenant_id = $1 AND account_id = $3 AND schedule_id = $4)
  AND EXISTS (SELECT FROM people WHERE tenant_id = $1 AND account_id = $3 AND person_id = $9)
ON CONFLICT (tenant_id, override_id) DO UPDATE SET ended_at = excluded.ended_at, ended_name = excluded.ended_name
WHERE overrides.ended_at IS NULL AND excluded.ended_at IS NOT NULL`

	upsertNote = `
INSERT INTO notes (tenant_id, note_id, account_id, text, from_at, until_at, created_at, by_id, by_name, ended_at, ended_name)
SELECT $1::text, $2::uuid, $3::text, $4::text, $5::timestamptz, $6::timestamptz, $7::timestamptz, $8::text, $9::text,
  $10::timestamptz, $11::text
WHERE EXISTS (SELECT FROM accounts WHERE tenant_id = $1 AND account_id = $3)
ON CONFLICT (tenant_id, note_id) DO UPDATE SET ended_at = excluded.ended_at, ended_name = excluded.ended_name
WHERE notes.ended_at IS NULL AND excluded.ended_at IS NOT NULL`
)

// Project writes what was set and ended. It is given every event once.
func Project(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	batch := &pgx.Batch{}
	for _, e := range events {
		if e.Kind != journal.Interim || e.Type != interim.Set && e.Type != interim.Ended {
			continue
		}
		var i interim.Item
		if err := json.Unmarshal(e.Data, &i); err != nil || i.Tenant != e.Tenant || i.ID != e.ID || (i.Note == nil) == (i.Override == nil) {
			slog.Default().Error("an override or a note cannot be read and is passed over", "tenant", e.Tenant, "id", e.ID, "err", err)
			continue
		}
		queue(batch, i)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write overrides and notes: %w", err)
	}
	return nil
}

func queue(batch *pgx.Batch, i interim.Item) {
	var ended any
	by := ""
	if i.Ended != nil {
		ended, by = i.Ended.At, plain(i.Ended.Name)
	}
	if n := i.Note; n != nil {
		batch.Queue(upsertNote, i.Tenant, i.ID, i.Account, plain(n.Text), n.From, n.Until, i.Set.At, i.Set.User, plain(i.Set.Name), ended, by)
		return
	}
	o := i.Override
	batch.Queue(upsertOverride, i.Tenant, i.ID, i.Account, i.Schedule, o.From, o.To, o.Replaces, o.Replaced, o.Person, plain(o.Note),
		i.Set.At, i.Set.User, plain(i.Set.Name), ended, by)
}

// plain removes what PostgreSQL does not take as text.
func plain(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "") }
