// Package accountsql keeps accounts, numbers and settings in PostgreSQL.
//
// Whoever edits holds the tenant's row for the length of a transaction, so that what was checked (no two accounts look alike, no
// number leads to two) is still true when it is written. Tenants' own edits run as the tenant; emergency numbers, which only the
// platform gives out, as the worker.
package accountsql

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/accounts"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

// Store implements accounts.Store.
type Store struct{ DB *store.DB }

var _ accounts.Store = Store{}

// uniqueViolation is PostgreSQL's class 23 code of a key that is there already.
const uniqueViolation = "23505"

const columns = `account_id, name, initials, colour, shape, languages, zone, country, medical, phrases, greetings, greeting_texts,
	ring_for_ms, offer_for_ms, longest_wait_ms, wrap_up_ms, announce_position, greeting_in_full, priority, instructions, hours::text,
	caller_id, notify, mail_audio, revision, changed_by, changed_at`

// Account implements accounts.Store.
func (s Store) Account(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID) (a accounts.Account, err error) {
	err = s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		a, err = account(ctx, tx, id)
		return err
	})
	return a, err
}

func account(ctx context.Context, tx pgx.Tx, id tenants.AccountID) (accounts.Account, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM accounts WHERE account_id = $1 AND archived_at IS NULL", id)
	if err != nil {
		return accounts.Account{}, err
	}
	a, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, accounts.ErrNotFound
	}
	if err != nil {
		return a, err
	}
	rows, err = tx.Query(ctx, "SELECT e164, published FROM numbers WHERE account_id = $1 ORDER BY e164", id)
	if err != nil {
		return a, err
	}
	var number string
	var published bool
	_, err = pgx.ForEachRow(rows, []any{&number, &published}, func() error {
		if published {
			a.Published = append(a.Published, number)
		} else {
			a.Numbers = append(a.Numbers, number)
		}
		return nil
	})
	return a, err
}

func scan(row pgx.CollectableRow) (accounts.Account, error) {
	var a accounts.Account
	var ring, offer, wait, wrap int64 // milliseconds
	var hours string
	err := row.Scan(&a.ID, &a.Name, &a.Initials, &a.Colour, &a.Shape, &a.Languages, &a.Zone, &a.Country, &a.Medical, &a.Phrases, &a.Greetings,
		&a.GreetingTexts, &ring, &offer, &wait, &wrap, &a.AnnouncePosition, &a.GreetingInFull, &a.Priority, &a.Instructions, &hours,
		&a.CallerID, &a.Notify, &a.MailAudio, &a.Revision, &a.ChangedBy, &a.ChangedAt)
	if err != nil {
		return a, err
	}
	a.RingFor, a.OfferFor = time.Duration(ring)*time.Millisecond, time.Duration(offer)*time.Millisecond
	a.LongestWait, a.WrapUp = time.Duration(wait)*time.Millisecond, time.Duration(wrap)*time.Millisecond
	a.ChangedAt = a.ChangedAt.UTC()
	if err := json.Unmarshal([]byte(hours), &a.Hours); err != nil {
		a.Hours = nil // not written by us; whoever saves them next mends it
	}
	return a, nil
}

// others are the tenant's accounts as far as they are compared with a new look.
func others(ctx context.Context, tx pgx.Tx) ([]routing.Account, error) {
	rows, err := tx.Query(ctx, "SELECT account_id, name, initials, colour, shape FROM accounts WHERE archived_at IS NULL ORDER BY account_id")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (a routing.Account, err error) {
		return a, row.Scan(&a.ID, &a.Name, &a.Initials, &a.Colour, &a.Shape)
	})
}

// edit runs fn while nobody else edits this tenant.
func (s Store) edit(ctx context.Context, tenant tenants.TenantID, fn func(tx pgx.Tx) error) error {
	return s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		var one int
		err := tx.QueryRow(ctx, "SELECT 1 FROM tenants FOR NO KEY UPDATE").Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return accounts.ErrNotFound
		}
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

// Create implements accounts.Store.
func (s Store) Create(ctx context.Context, tenant tenants.TenantID, make func([]routing.Account) (accounts.Account, error)) (a accounts.Account, err error) {
	err = s.edit(ctx, tenant, func(tx pgx.Tx) error {
		known, err := others(ctx, tx)
		if err != nil {
			return err
		}
		if a, err = make(known); err != nil {
			return err
		}
		for { // ids of archived accounts are taken too
			var taken bool
			if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM accounts WHERE account_id = $1)", a.ID).Scan(&taken); err != nil {
				return err
			}
			if !taken {
				break
			}
			a.ID = accounts.Next(a.ID)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO accounts (tenant_id, account_id, name, initials, colour, shape, languages, zone, country)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, tenant, a.ID, a.Name, a.Initials, a.Colour, a.Shape, a.Languages, a.Zone, a.Country); err != nil {
			return err
		}
		return write(ctx, tx, tenant, accounts.Account{}, a)
	})
	return a, err
}

// Change implements accounts.Store.
func (s Store) Change(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID, revision int64, r *accounts.Recording,
	change func(accounts.Account, []routing.Account) (accounts.Account, error),
) (a accounts.Account, err error) {
	err = s.edit(ctx, tenant, func(tx pgx.Tx) error {
		now, err := account(ctx, tx, id)
		if err != nil {
			return err
		}
		if now.Revision != revision {
			return &accounts.Stale{Current: now}
		}
		known, err := others(ctx, tx)
		if err != nil {
			return err
		}
		if a, err = change(now, known); err != nil {
			return err
		}
		a.Revision = revision + 1
		if err := record(ctx, tx, tenant, id, r); err != nil {
			return err
		}
		return write(ctx, tx, tenant, now, a)
	})
	return a, err
}

func record(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, id tenants.AccountID, r *accounts.Recording) error {
	switch {
	case r == nil:
		return nil
	case r.Clip == nil:
		_, err := tx.Exec(ctx, "DELETE FROM greetings WHERE account_id = $1 AND language = $2", id, r.Language)
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO greetings (tenant_id, account_id, language, sha256, audio) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, account_id, language) DO UPDATE SET sha256 = excluded.sha256, audio = excluded.audio, recorded_at = now()`,
		tenant, id, r.Language, r.Hash, r.Clip)
	return err
}

// write brings the row and the published numbers of an account from what they are to next.
func write(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, now, next accounts.Account) error {
	if next.Hours == nil {
		next.Hours = []people.Hours{}
	}
	_, err := tx.Exec(ctx, `UPDATE accounts SET name = $2, initials = $3, colour = $4, shape = $5, languages = $6, zone = $7, country = $8,
		medical = $9, phrases = $10, greetings = $11, greeting_texts = $12, ring_for_ms = $13, offer_for_ms = $14, longest_wait_ms = $15,
		wrap_up_ms = $16, announce_position = $17, greeting_in_full = $18, priority = $19, instructions = $20, hours = $21, caller_id = $22,
		notify = $23, mail_audio = $24, revision = $25, changed_by = $26, changed_at = $27 WHERE account_id = $1`,
		next.ID, next.Name, next.Initials, next.Colour, next.Shape, filled(next.Languages), next.Zone, next.Country,
		next.Medical, object(next.Phrases), object(next.Greetings), object(next.GreetingTexts), next.RingFor.Milliseconds(), next.OfferFor.Milliseconds(),
		next.LongestWait.Milliseconds(), next.WrapUp.Milliseconds(), next.AnnouncePosition, next.GreetingInFull, next.Priority, next.Instructions,
		next.Hours, next.CallerID, filled(next.Notify), next.MailAudio, next.Revision, next.ChangedBy, next.ChangedAt)
	if err != nil {
		return err
	}
	for _, n := range now.Published {
		if !slices.Contains(next.Published, n) {
			if _, err := tx.Exec(ctx, "DELETE FROM numbers WHERE e164 = $1 AND published", n); err != nil {
				return err
			}
		}
	}
	for _, n := range next.Published {
		if slices.Contains(now.Published, n) {
			continue
		}
		if err := free(ctx, tx, n); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO numbers (tenant_id, e164, account_id, published) VALUES ($1, $2, $3, true)", tenant, n, next.ID); err != nil {
			return err
		}
	}
	return nil
}

// Archive implements accounts.Store.
func (s Store) Archive(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID, revision int64, by string, at time.Time) error {
	return s.edit(ctx, tenant, func(tx pgx.Tx) error {
		now, err := account(ctx, tx, id)
		if err != nil {
			return err
		}
		if now.Revision != revision {
			return &accounts.Stale{Current: now}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM numbers WHERE account_id = $1 AND published", id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE accounts SET archived_at = $2, changed_at = $2, changed_by = $3, revision = revision + 1 WHERE account_id = $1", id, at, by)
		return err
	})
}

// Archived implements accounts.Store.
func (s Store) Archived(ctx context.Context, tenant tenants.TenantID) (found []accounts.Archived, err error) {
	err = s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT account_id, name, archived_at, changed_by, array(SELECT e164 FROM numbers n
			WHERE n.tenant_id = a.tenant_id AND n.account_id = a.account_id AND NOT published ORDER BY e164)
			FROM accounts a WHERE archived_at IS NOT NULL ORDER BY archived_at DESC, account_id`)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a accounts.Archived, err error) {
			return a, row.Scan(&a.ID, &a.Name, &a.At, &a.By, &a.Numbers)
		})
		return err
	})
	return found, err
}

// Restore implements accounts.Store.
func (s Store) Restore(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID,
	change func(accounts.Account, []routing.Account) (accounts.Account, error),
) (a accounts.Account, err error) {
	err = s.edit(ctx, tenant, func(tx pgx.Tx) error {
		known, err := others(ctx, tx) // without this one
		if err != nil {
			return err
		}
		done, err := tx.Exec(ctx, "UPDATE accounts SET archived_at = NULL WHERE account_id = $1 AND archived_at IS NOT NULL", id)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return accounts.ErrNotFound
		}
		now, err := account(ctx, tx, id)
		if err != nil {
			return err
		}
		if a, err = change(now, known); err != nil {
			return err
		}
		a.Revision = now.Revision + 1
		return write(ctx, tx, tenant, now, a)
	})
	return a, err
}

// Greeting implements accounts.Store.
func (s Store) Greeting(ctx context.Context, tenant tenants.TenantID, hash string) (clip []byte, err error) {
	err = s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT audio FROM greetings WHERE sha256 = $1 LIMIT 1", hash).Scan(&clip)
		if errors.Is(err, pgx.ErrNoRows) {
			return accounts.ErrNotFound
		}
		return err
	})
	return clip, err
}

// ChangeSettings implements accounts.Store.
func (s Store) ChangeSettings(ctx context.Context, tenant tenants.TenantID, revision int64,
	change func(accounts.Settings) (accounts.Settings, error),
) (next accounts.Settings, err error) {
	err = s.edit(ctx, tenant, func(tx pgx.Tx) error {
		now := accounts.Settings{Tenant: tenant}
		err := tx.QueryRow(ctx, `SELECT name, zone, country, language, notify, outbound_countries, outbound_minutes * interval '1 minute', outbound_at_once,
			revision, changed_by, changed_at FROM tenants`).Scan(&now.Name, &now.Zone, &now.Country, &now.Language, &now.Notify, &now.Outbound.Countries,
			&now.Outbound.PerDay, &now.Outbound.AtOnce, &now.Revision, &now.ChangedBy, &now.ChangedAt)
		if err != nil {
			return err
		}
		if now.Revision != revision {
			return &accounts.StaleSettings{Current: now}
		}
		if next, err = change(now); err != nil {
			return err
		}
		next.Revision = revision + 1
		_, err = tx.Exec(ctx, `UPDATE tenants SET name = $1, zone = $2, country = $3, language = $4, notify = $5, outbound_countries = $6,
			outbound_minutes = $7, outbound_at_once = $8, revision = $9, changed_by = $10, changed_at = $11`,
			next.Name, next.Zone, next.Country, next.Language, filled(next.Notify), filled(next.Outbound.Countries),
			int(next.Outbound.PerDay/time.Minute), next.Outbound.AtOnce, next.Revision, next.ChangedBy, next.ChangedAt)
		return err
	})
	return next, err
}

// filled and object are never null in the database.
func filled[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func object(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
