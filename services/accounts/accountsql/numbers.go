package accountsql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/services/accounts"
)

// free reports a number that leads to an account of this tenant already.
func free(ctx context.Context, tx pgx.Tx, number string) error {
	c := accounts.Claimed{Number: number}
	err := tx.QueryRow(ctx, `SELECT coalesce(n.account_id, ''), coalesce(a.name, ''), n.published FROM numbers n LEFT JOIN accounts a USING (tenant_id, account_id)
		WHERE n.e164 = $1`, number).Scan(&c.Account, &c.AccountName, &c.Published)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return &c
}

// Numbers implements accounts.Store.
func (s Store) Numbers(ctx context.Context) (all []accounts.Number, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT n.e164, n.tenant_id, coalesce(n.account_id, ''), coalesce(a.name, '') FROM numbers n
			LEFT JOIN accounts a USING (tenant_id, account_id) WHERE NOT n.published AND n.e164 LIKE '+%' ORDER BY n.e164`)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[accounts.Number])
		return err
	})
	return all, err
}

// PutNumber implements accounts.Store.
func (s Store) PutNumber(ctx context.Context, n accounts.Number) (accounts.Number, error) {
	err := s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		err := claimed(ctx, tx, n)
		if err != nil {
			return err
		}
		var account *string
		if n.Account != "" {
			account = (*string)(&n.Account)
			err := tx.QueryRow(ctx, "SELECT name FROM accounts WHERE tenant_id = $1 AND account_id = $2 AND archived_at IS NULL", n.Tenant, n.Account).Scan(&n.AccountName)
			if errors.Is(err, pgx.ErrNoRows) {
				return accounts.ErrNotFound
			}
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "INSERT INTO numbers (tenant_id, e164, account_id, shared) VALUES ($1, $2, $3, $4)", n.Tenant, n.E164, account, account == nil)
		var broken *pgconn.PgError
		if errors.As(err, &broken) && broken.Code == uniqueViolation { // taken this moment
			return &accounts.Claimed{Number: n.E164}
		}
		return err
	})
	return n, err
}

// claimed reports to whom a number leads already: as a DID of anybody, or as anything within the tenant.
func claimed(ctx context.Context, tx pgx.Tx, n accounts.Number) error {
	c := accounts.Claimed{Number: n.E164}
	err := tx.QueryRow(ctx, `SELECT n.tenant_id, coalesce(n.account_id, ''), coalesce(a.name, ''), n.published FROM numbers n
		LEFT JOIN accounts a USING (tenant_id, account_id) WHERE n.e164 = $1 AND (NOT n.published OR n.tenant_id = $2) LIMIT 1`, n.E164, n.Tenant).
		Scan(&c.Tenant, &c.Account, &c.AccountName, &c.Published)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("whose is it: %w", err)
	}
	return &c
}

// DeleteNumber implements accounts.Store.
func (s Store) DeleteNumber(ctx context.Context, e164 string) (n accounts.Number, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "DELETE FROM numbers WHERE e164 = $1 AND NOT published RETURNING e164, tenant_id, coalesce(account_id, '')", e164).
			Scan(&n.E164, &n.Tenant, &n.Account)
		if errors.Is(err, pgx.ErrNoRows) {
			return accounts.ErrNotFound
		}
		return err
	})
	return n, err
}
