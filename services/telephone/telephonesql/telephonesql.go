// Package telephonesql keeps operators' telephones in PostgreSQL.
package telephonesql

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/services/telephone"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// Store implements telephone.Store.
type Store struct{ DB *store.DB }

var _ telephone.Store = Store{}

// uniqueViolation is PostgreSQL's code of a key that is there already.
const uniqueViolation = "23505"

const columns = `SELECT t.user_id::text, u.name, u.email, t.sip_user, t.md5, t.revision, t.changed_by, t.changed_at
	FROM telephones t JOIN users u USING (tenant_id, user_id) `

func scan(row pgx.CollectableRow) (t telephone.Telephone, err error) {
	err = row.Scan(&t.Operator, &t.Name, &t.Email, &t.User, &t.MD5, &t.Revision, &t.Last.By, &t.Last.At)
	return t, err
}

// Telephones implements telephone.Store.
func (s Store) Telephones(ctx context.Context, tenant tenants.TenantID) (all []telephone.Telephone, err error) {
	err = s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, columns+"ORDER BY t.sip_user")
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	return all, err
}

// Telephone implements telephone.Store.
func (s Store) Telephone(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID) (t telephone.Telephone, err error) {
	err = s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		t, err = one(ctx, tx, id, "")
		return err
	})
	return t, err
}

// one reads a user's telephone; lock is "" or "FOR UPDATE OF t".
func one(ctx context.Context, tx pgx.Tx, id tenants.OperatorID, lock string) (telephone.Telephone, error) {
	rows, err := tx.Query(ctx, columns+"WHERE t.user_id = $1 "+lock, id)
	if err != nil {
		return telephone.Telephone{}, err
	}
	t, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = telephone.ErrNotFound
	}
	return t, err
}

// Put implements telephone.Store. The user's row puts two who do it at a time in a line.
func (s Store) Put(ctx context.Context, tenant tenants.TenantID, t telephone.Telephone, sealed []byte, by string) (is telephone.Telephone, err error) {
	err = s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		var there bool
		err := tx.QueryRow(ctx, "SELECT true FROM users WHERE user_id = $1 FOR UPDATE", t.Operator).Scan(&there)
		if errors.Is(err, pgx.ErrNoRows) {
			return telephone.ErrNotFound
		}
		if err != nil {
			return err
		}
		now, err := one(ctx, tx, t.Operator, "FOR UPDATE OF t")
		switch {
		case errors.Is(err, telephone.ErrNotFound) && t.Revision == 0:
		case err != nil:
			return err
		case t.Revision == 0:
			return telephone.ErrNeeded
		case t.Revision != now.Revision:
			return &telephone.ChangedError{Now: now}
		}
		_, err = tx.Exec(ctx, `INSERT INTO telephones AS t (tenant_id, user_id, sip_user, md5, sealed, changed_by) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, user_id) DO UPDATE SET sip_user = excluded.sip_user, md5 = excluded.md5, sealed = excluded.sealed,
			revision = t.revision + 1, changed_at = now(), changed_by = excluded.changed_by`, tenant, t.Operator, t.User, t.MD5, sealed, by)
		if err != nil {
			return err
		}
		is, err = one(ctx, tx, t.Operator, "")
		return err
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == uniqueViolation {
		err = telephone.ErrTaken
	}
	return is, err
}

// Remove implements telephone.Store.
func (s Store) Remove(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID, revision int64) error {
	return s.DB.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		now, err := one(ctx, tx, id, "FOR UPDATE OF t")
		if err != nil {
			return err
		}
		if now.Revision != revision {
			return &telephone.ChangedError{Now: now}
		}
		_, err = tx.Exec(ctx, "DELETE FROM telephones WHERE user_id = $1", id)
		return err
	})
}
