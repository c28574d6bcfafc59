package identitysql

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/services/identity"
	"holdfast/tenants"
)

var _ identity.Members = (*Store)(nil)

const memberColumns = `u.user_id::text, u.name, u.email, u.role, u.languages, u.accounts, u.rights, u.disabled, u.invited, l.expires_at
	FROM users u LEFT JOIN links l ON l.tenant_id = u.tenant_id AND l.user_id = u.user_id AND l.purpose = 'invitation'`

func scanMember(row pgx.CollectableRow) (identity.Member, error) {
	var m identity.Member
	var until *time.Time
	err := row.Scan(&m.ID, &m.Name, &m.Email, &m.Role, &m.Languages, &m.Accounts, &m.Rights, &m.Disabled, &m.Invited, &until)
	if until != nil {
		m.Until = until.UTC()
	}
	if len(m.Languages) == 0 {
		m.Languages = nil
	}
	if len(m.Rights) == 0 {
		m.Rights = nil
	}
	return m, err
}

// Members implements identity.Members.
func (s *Store) Members(ctx context.Context, tenant tenants.TenantID) (all []identity.Member, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+memberColumns+" ORDER BY u.user_id")
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanMember)
		return err
	})
	return all, ofMembers(err)
}

// Member implements identity.Members.
func (s *Store) Member(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID) (m identity.Member, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		m, err = member(ctx, tx, id, "")
		return err
	})
	return m, ofMembers(err)
}

// member reads one user; lock is "" or "FOR UPDATE OF u".
func member(ctx context.Context, tx pgx.Tx, id tenants.OperatorID, lock string) (identity.Member, error) {
	rows, err := tx.Query(ctx, "SELECT "+memberColumns+" WHERE u.user_id = $1 "+lock, id)
	if err != nil {
		return identity.Member{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanMember)
}

// AddMember implements identity.Members. The credentials row holds the e-mail from now on: two tenants never invite one.
func (s *Store) AddMember(ctx context.Context, tenant tenants.TenantID, m identity.Member, l identity.Link) error {
	return ofMembers(s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO users (tenant_id, user_id, email, name, role, languages, accounts, rights, invited)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true)`, tenant, m.ID, m.Email, m.Name, m.Role, languages(m), m.Accounts, rights(m))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO credentials (email, tenant_id, user_id, hash) VALUES ($1, $2, $3, $4)",
			m.Email, tenant, m.ID, identity.NoPassword); err != nil {
			return err
		}
		return putLink(ctx, tx, tenant, l)
	}))
}

func languages(m identity.Member) any {
	if m.Languages == nil {
		return map[string]int{}
	}
	return m.Languages
}

func rights(m identity.Member) []tenants.Right {
	if m.Rights == nil {
		return []tenants.Right{}
	}
	return m.Rights
}

// ChangeMember implements identity.Members.
func (s *Store) ChangeMember(ctx context.Context, tenant tenants.TenantID, by string, id tenants.OperatorID, at time.Time,
	become func(identity.Member, int) (identity.Member, bool, error),
) (ended []identity.Revocation, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		ended = nil
		// Everybody who changes an administrator waits here, so that two of them do not remove each other.
		rows, err := tx.Query(ctx, `SELECT user_id::text FROM users WHERE role IN ('admin', 'platform') AND NOT disabled AND NOT invited
			ORDER BY user_id FOR UPDATE`)
		if err != nil {
			return err
		}
		admins, err := pgx.CollectRows(rows, pgx.RowTo[tenants.OperatorID])
		if err != nil {
			return err
		}
		others := 0
		for _, a := range admins {
			if a != id {
				others++
			}
		}
		was, err := member(ctx, tx, id, "FOR UPDATE OF u")
		if err != nil {
			return err
		}
		is, ends, err := become(was, others)
		if err != nil {
			return marked(ctx, tx, id, err)
		}
		if !ends && is.Tag() == was.Tag() {
			return nil // whoever changed it last stays the last
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET name = $2, email = $3, role = $4, languages = $5, accounts = $6, rights = $7, disabled = $8,
			changed_by = $9, changed_at = now() WHERE user_id = $1`, id, is.Name, is.Email, is.Role, languages(is), is.Accounts, rights(is), is.Disabled, by); err != nil {
			return err
		}
		if !ends {
			return nil
		}
		if _, err := tx.Exec(ctx, "DELETE FROM links WHERE user_id = $1 AND ($2 OR purpose = 'password')", id, is.Disabled); err != nil {
			return err
		}
		ended, err = endAll(ctx, tx, id, at)
		return err
	})
	return ended, ofMembers(err)
}

// marked adds to a refusal who changed the user last.
func marked(ctx context.Context, tx pgx.Tx, id tenants.OperatorID, err error) error {
	var old *identity.ChangedError
	if !errors.As(err, &old) {
		return err
	}
	if err := tx.QueryRow(ctx, "SELECT changed_by, changed_at FROM users WHERE user_id = $1", id).Scan(&old.Last.By, &old.Last.At); err != nil {
		return fmt.Errorf("who changed the user: %w", err)
	}
	return old
}

// endAll ends every sign-in of a user.
func endAll(ctx context.Context, tx pgx.Tx, id tenants.OperatorID, at time.Time) ([]identity.Revocation, error) {
	rows, err := tx.Query(ctx, `INSERT INTO revocations (tenant_id, family, revoked_at)
		SELECT DISTINCT tenant_id, family, $2::timestamptz FROM sessions WHERE user_id = $1 AND expires_at > $2
		ON CONFLICT DO NOTHING RETURNING tenant_id, family::text, revoked_at`, id, at)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Revocation])
}

// PutLink implements identity.Members.
func (s *Store) PutLink(ctx context.Context, tenant tenants.TenantID, l identity.Link, judge func(identity.Member) error) (m identity.Member, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if m, err = member(ctx, tx, l.User, "FOR UPDATE OF u"); err != nil {
			return err
		}
		if err := judge(m); err != nil {
			return err
		}
		return putLink(ctx, tx, tenant, l)
	})
	return m, ofMembers(err)
}

func putLink(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, l identity.Link) error {
	_, err := tx.Exec(ctx, `INSERT INTO links (tenant_id, link_id, user_id, purpose, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant_id, user_id, purpose) DO UPDATE SET link_id = excluded.link_id, hash = excluded.hash,
		  created_at = excluded.created_at, expires_at = excluded.expires_at`, tenant, l.ID, l.User, l.Purpose, l.Hash[:], l.CreatedAt, l.ExpiresAt)
	return err
}

// DropLink implements identity.Members.
func (s *Store) DropLink(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID, purpose string) error {
	return ofMembers(s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if _, err := member(ctx, tx, id, ""); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM links WHERE user_id = $1 AND purpose = $2", id, purpose)
		return err
	}))
}

// Follow implements identity.Members. The link's lock puts two that follow it in a line; the second finds it gone.
func (s *Store) Follow(ctx context.Context, tenant tenants.TenantID, id string, judge func(identity.Link, identity.Member) error, hash string,
	session identity.Session,
) (m identity.Member, ended []identity.Revocation, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		l := identity.Link{ID: id}
		var sum []byte
		err := tx.QueryRow(ctx, "SELECT user_id::text, purpose, hash, created_at, expires_at FROM links WHERE link_id = $1 FOR UPDATE", id).
			Scan(&l.User, &l.Purpose, &sum, &l.CreatedAt, &l.ExpiresAt)
		if err != nil {
			return err
		}
		if copy(l.Hash[:], sum) != sha256.Size {
			return fmt.Errorf("link %s: hash of %d bytes", id, len(sum))
		}
		if m, err = member(ctx, tx, l.User, "FOR UPDATE OF u"); err != nil {
			return err
		}
		if err := judge(l, m); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM links WHERE user_id = $1", l.User); err != nil {
			return err
		}
		if ended, err = endAll(ctx, tx, l.User, session.CreatedAt); err != nil {
			return err
		}
		for _, q := range []string{
			"UPDATE credentials SET hash = $2 WHERE user_id = $1",
			"UPDATE users SET invited = false WHERE user_id = $1 AND $2 <> ''",
		} {
			if _, err := tx.Exec(ctx, q, l.User, hash); err != nil {
				return err
			}
		}
		session.User = l.User
		return insert(ctx, tx, tenant, session)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = identity.ErrRefused
	}
	return m, ended, away(err)
}

// ofMembers translates the store's errors for whoever edits users.
func ofMembers(err error) error {
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return identity.ErrNoMember
	case errors.As(err, &refused) && refused.Code == "23505": // unique_violation: credentials_pkey
		return identity.ErrTaken
	case errors.Is(err, identity.ErrNoMember), errors.Is(err, identity.ErrChanged), errors.Is(err, identity.ErrLastAdmin),
		errors.Is(err, identity.ErrJoined), errors.Is(err, identity.ErrDisabled):
		return err
	}
	return away(err)
}
