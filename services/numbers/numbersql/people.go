package numbersql

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// known is what was read last of a tenant's people: those of each account, with the counter they were read at.
type known map[tenants.AccountID]listed

type listed struct {
	version int64
	people  []people.Person
}

// peopleOf reads the people of the accounts that changed since before, and returns all of them with what to remember.
func peopleOf(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, before known) ([]people.Person, known, error) {
	rows, err := tx.Query(ctx, "SELECT account_id, version FROM people_changes WHERE tenant_id = $1", tenant)
	if err != nil {
		return nil, nil, err
	}
	now := make(known, len(before))
	var moved []string
	var account tenants.AccountID
	var version int64
	if _, err = pgx.ForEachRow(rows, []any{&account, &version}, func() error {
		if l, ok := before[account]; ok && l.version == version {
			now[account] = l
			return nil
		}
		now[account] = listed{version: version}
		moved = append(moved, string(account))
		return nil
	}); err != nil {
		return nil, nil, err
	}
	if len(moved) > 0 {
		if err := readPeople(ctx, tx, tenant, moved, now); err != nil {
			return nil, nil, err
		}
	}
	total := 0
	for _, l := range now {
		total += len(l.people)
	}
	if total == 0 {
		return nil, now, nil
	}
	all := make([]people.Person, 0, total)
	for _, id := range slices.Sorted(maps.Keys(now)) {
		all = append(all, now[id].people...)
	}
	return all, now, nil
}

// readPeople reads the people of some accounts into now, in the order of their ids.
func readPeople(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, accounts []string, now known) error {
	rows, err := tx.Query(ctx, `SELECT person_id::text, account_id, kind, name, role, department, languages, methods::text, visibility, note
		FROM people WHERE tenant_id = $1 AND account_id = ANY ($2) ORDER BY account_id, person_id`, tenant, accounts)
	if err != nil {
		return err
	}
	var p people.Person
	var methods string
	var last listed
	var at tenants.AccountID
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
		if p.Account != at {
			at, last = p.Account, now[p.Account]
		}
		last.people = append(last.people, kept)
		now[at] = last
		return nil
	})
	return err
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
	rows, err := tx.Query(ctx, `SELECT schedule_id::text, override_id::text, from_at, least(to_at, ended_at), replaces, replaced, person_id::text, note,
		by_name, created_at FROM overrides WHERE tenant_id = $1 AND (ended_at IS NULL OR ended_at > from_at) ORDER BY account_id, schedule_id, created_at, override_id`, tenant)
	if err != nil {
		return nil, err
	}
	all := make(map[tenants.ScheduleID][]roster.Override)
	var id tenants.ScheduleID
	var o roster.Override
	var from, to, made time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &o.ID, &from, &to, &o.Replaces, &o.Replaced, &o.Person, &o.Note, &o.By, &made}, func() error {
		o.From, o.To, o.At = from.UTC(), to.UTC(), made.UTC()
		all[id] = append(all[id], o)
		return nil
	})
	return all, err
}

// notesOf reads the notes that hold, will hold, or did until yesterday: whoever comes on duty may ask what was said last night.
func notesOf(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]routing.Note, error) {
	rows, err := tx.Query(ctx, `SELECT note_id::text, account_id, text, from_at, least(until_at, ended_at), by_name, created_at FROM notes
		WHERE tenant_id = $1 AND (ended_at IS NULL OR ended_at > from_at) AND least(until_at, ended_at) > now() - interval '1 day'
		ORDER BY account_id, from_at, note_id`, tenant)
	if err != nil {
		return nil, err
	}
	var all []routing.Note
	var n routing.Note
	_, err = pgx.ForEachRow(rows, []any{&n.ID, &n.Account, &n.Text, &n.From, &n.Until, &n.By, &n.At}, func() error {
		n.From, n.Until, n.At = n.From.UTC(), n.Until.UTC(), n.At.UTC()
		all = append(all, n)
		return nil
	})
	return all, err
}

func feedsOf(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]routing.Feed, error) {
	rows, err := tx.Query(ctx, "SELECT feed_id::text, account_id, schedule_id::text, hash FROM feeds WHERE tenant_id = $1 ORDER BY feed_id", tenant)
	if err != nil {
		return nil, err
	}
	var all []routing.Feed
	var f routing.Feed
	_, err = pgx.ForEachRow(rows, []any{&f.ID, &f.Account, &f.Schedule, &f.Hash}, func() error {
		all = append(all, f)
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
