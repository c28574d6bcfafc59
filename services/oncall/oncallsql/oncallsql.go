// Package oncallsql keeps schedules and their feeds in PostgreSQL. Overrides and notes come another way: services/interim.
package oncallsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// DB is the door to PostgreSQL; tenants/store has it.
type DB interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
}

// Store changes the schedules of one tenant at a time. Errors are oncall.ErrNotFound, *oncall.Changed, joined
// *people.Problems, or the database's.
type Store struct{ DB DB }

const columns = `schedule_id::text, account_id, name, position, zone, layers::text, catch_all::text, changed_by, changed_at`

// Create keeps a new schedule. by is the name of who made it.
func (s Store) Create(ctx context.Context, tenant tenants.TenantID, by string, n roster.Schedule) error {
	return s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if err := held(ctx, tx, n.Account); err != nil {
			return err
		}
		layers, err := check(ctx, tx, &n)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO schedules (tenant_id, schedule_id, account_id, name, position, zone, layers, catch_all, changed_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, tenant, n.ID, n.Account, n.Name, n.Position, n.Zone, layers, n.CatchAll, by)
		return refused(err)
	})
}

// Change changes a schedule whose tag is what its editor saw, and returns it as it is then, without its overrides.
func (s Store) Change(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, id tenants.ScheduleID, tag string,
	change func(*roster.Schedule) error,
) (roster.Schedule, error) {
	var now roster.Schedule
	err := s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) (err error) {
		if err := held(ctx, tx, account); err != nil {
			return err
		}
		if now, err = locked(ctx, tx, account, id, tag); err != nil {
			return err
		}
		if err := change(&now); err != nil {
			return err
		}
		layers, err := check(ctx, tx, &now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE schedules SET name = $3, position = $4, zone = $5, layers = $6, catch_all = $7,
			changed_by = $8, changed_at = now() WHERE account_id = $1 AND schedule_id = $2`,
			account, id, now.Name, now.Position, now.Zone, layers, now.CatchAll, by)
		return refused(err)
	})
	return now, err
}

// Delete removes a schedule whose tag is what its editor saw, with its overrides and feeds.
func (s Store) Delete(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.ScheduleID, tag string) error {
	return s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if _, err := locked(ctx, tx, account, id, tag); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM schedules WHERE account_id = $1 AND schedule_id = $2", account, id)
		return err
	})
}

// held keeps an account, and with it its people, from being taken away until the transaction ends. Whoever removes a person locks
// the account first, then the person, then the schedules; whoever edits a schedule comes by the same way, or the two would each
// wait for what the other has.
func held(ctx context.Context, tx pgx.Tx, account tenants.AccountID) error {
	var there bool
	return missing(tx.QueryRow(ctx, "SELECT true FROM accounts WHERE account_id = $1 FOR KEY SHARE", account).Scan(&there))
}

// locked reads a schedule that nobody else changes until the transaction ends.
func locked(ctx context.Context, tx pgx.Tx, account tenants.AccountID, id tenants.ScheduleID, tag string) (roster.Schedule, error) {
	var now roster.Schedule
	var layers string
	var last tenants.Mark
	if _, err := tenants.ParseUUID(string(id)); err != nil {
		return now, oncall.ErrNotFound
	}
	err := tx.QueryRow(ctx, "SELECT "+columns+" FROM schedules WHERE account_id = $1 AND schedule_id = $2 FOR UPDATE", account, id).
		Scan(&now.ID, &now.Account, &now.Name, &now.Position, &now.Zone, &layers, &now.CatchAll, &last.By, &last.At)
	if err != nil {
		return now, missing(err)
	}
	if err := json.Unmarshal([]byte(layers), &now.Layers); err != nil {
		now.Layers = nil // not written by us: the editor sees none, and replaces it
	}
	if oncall.Tag(&now) != tag {
		return now, &oncall.Changed{Now: now, Last: last}
	}
	return now, nil
}

// check looks at a whole schedule, holds on to the people it names until the transaction ends, and returns its layers as JSON.
func check(ctx context.Context, tx pgx.Tx, s *roster.Schedule) (string, error) {
	rows, err := tx.Query(ctx, `SELECT person_id::text FROM people WHERE account_id = $1 AND kind = $2 AND person_id::text = ANY($3)
		ORDER BY person_id FOR KEY SHARE`, s.Account, people.Human, named(s))
	if err != nil {
		return "", fmt.Errorf("read the account's people: %w", err)
	}
	known := map[tenants.PersonID]bool{}
	var id tenants.PersonID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		known[id] = true
		return nil
	}); err != nil {
		return "", fmt.Errorf("read the account's people: %w", err)
	}
	whole := *s
	whole.Overrides = nil // those that name a layer which is gone do nothing, and are warned of
	if err := whole.Check(func(p tenants.PersonID) bool { return known[p] }); err != nil {
		return "", err
	}
	if s.Layers == nil {
		return "[]", nil
	}
	layers, err := json.Marshal(s.Layers)
	return string(layers), err
}

// named is everybody whom a schedule names, outside of its overrides.
func named(s *roster.Schedule) []string {
	all := []string{string(s.CatchAll)}
	for _, l := range s.Layers {
		for _, turn := range l.Participants {
			for _, p := range turn {
				all = append(all, string(p))
			}
		}
	}
	return all
}

// ListFeeds returns a schedule's feeds, the oldest first.
func (s Store) ListFeeds(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.ScheduleID) ([]oncall.Feed, error) {
	var all []oncall.Feed
	err := s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT feed_id::text, name, by_name, created_at FROM feeds
			WHERE account_id = $1 AND schedule_id = $2 ORDER BY created_at, feed_id`, account, id)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[oncall.Feed])
		return err
	})
	return all, err
}

// AddFeed keeps a feed with the hash of its token.
func (s Store) AddFeed(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.ScheduleID, f oncall.Feed, hash string) error {
	return s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO feeds (tenant_id, feed_id, account_id, schedule_id, name, hash, by_name, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, tenant, f.ID, account, id, f.Name, hash, f.By, f.At)
		return refused(err)
	})
}

// RemoveFeed revokes a feed.
func (s Store) RemoveFeed(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.ScheduleID, feed string) error {
	if _, err := tenants.ParseUUID(feed); err != nil {
		return oncall.ErrNotFound
	}
	return s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM feeds WHERE account_id = $1 AND schedule_id = $2 AND feed_id = $3", account, id, feed)
		if err == nil && tag.RowsAffected() == 0 {
			err = oncall.ErrNotFound
		}
		return err
	})
}

func missing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return oncall.ErrNotFound
	}
	return err
}

// refused tells what the database does not take (SQLSTATE class 23) from a database that is away.
func refused(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23503" {
		return oncall.ErrNotFound // the schedule or a person went away meanwhile
	}
	return err
}
