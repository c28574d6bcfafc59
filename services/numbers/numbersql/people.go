package numbersql

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

func peopleOf(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]people.Person, error) {
	rows, err := tx.Query(ctx, `SELECT person_id::text, account_id, kind, name, role, department, languages, methods::text, visibility, note
		FROM people WHERE tenant_id = $1 ORDER BY account_id, person_id`, tenant)
	if err != nil {
		return nil, err
	}
	var all []people.Person
	var p people.Person
	var methods string
	_, err = pgx.ForEachRow(rows, []any{&p.ID, &p.Account, &p.Kind, &p.Name, &p.Role, &p.Department, &p.Languages, &methods, &p.Visibility, &p.Note}, func() error {
		kept := p
		if len(p.Languages) == 0 {
			kept.Languages = nil
		}
		p.Languages = nil // the next row's own
		kept.Methods = nil
		if methods != "[]" {
			kept.Methods = unpack[[]people.ContactMethod](methods, "methods of a person", tenant, string(p.ID))
		}
		all = append(all, kept)
		return nil
	})
	return all, err
}

func schedules(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]roster.Schedule, error) {
	rows, err := tx.Query(ctx, `SELECT schedule_id::text, account_id, name, position, zone, layers::text, catch_all::text
		FROM schedules WHERE tenant_id = $1 ORDER BY account_id, position, schedule_id`, tenant)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (roster.Schedule, error) {
		var s roster.Schedule
		var layers string
		err := row.Scan(&s.ID, &s.Account, &s.Name, &s.Position, &s.Zone, &layers, &s.CatchAll)
		if err == nil {
			s.Layers = unpack[[]roster.Layer](layers, "layers of a schedule", tenant, string(s.ID))
		}
		return s, err
	})
	if err != nil {
		return nil, err
	}
	overrides, err := overridesOf(ctx, tx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Overrides = overrides[all[i].ID]
	}
	return all, nil
}

// overridesOf reads the overrides of a tenant by schedule, in the order in which they were made. All of them are read: those that
// are over answer for the past.
func overridesOf(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) (map[tenants.ScheduleID][]roster.Override, error) {
	rows, err := tx.Query(ctx, `SELECT schedule_id::text, override_id::text, from_at, to_at, replaces, replaced, person_id::text, note
		FROM overrides WHERE tenant_id = $1 ORDER BY account_id, schedule_id, created_at, override_id`, tenant)
	if err != nil {
		return nil, err
	}
	all := make(map[tenants.ScheduleID][]roster.Override)
	var id tenants.ScheduleID
	var o roster.Override
	var from, to time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &o.ID, &from, &to, &o.Replaces, &o.Replaced, &o.Person, &o.Note}, func() error {
		o.From, o.To = from.UTC(), to.UTC()
		all[id] = append(all[id], o)
		return nil
	})
	return all, err
}

// unpack reads a jsonb value. One that cannot be read (it was not written by us) is left out and logged: the rest of the tenant
// is answered all the same, and a schedule without layers has its catch-all person on call.
func unpack[T any](text, what string, tenant tenants.TenantID, id string) T {
	var v, none T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		slog.Default().Error("a value in the database cannot be read and is left out", "what", what, "tenant", tenant, "id", id, "err", err)
		return none
	}
	return v
}
