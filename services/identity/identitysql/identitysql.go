// Package identitysql keeps credentials, sessions and revocations in PostgreSQL.
package identitysql

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/identity"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// Store implements identity.Credentials and identity.Sessions.
type Store struct{ db *store.DB }

var (
	_ identity.Credentials = (*Store)(nil)
	_ identity.Sessions    = (*Store)(nil)
)

// New keeps people in db.
func New(db *store.DB) *Store { return &Store{db: db} }

// Attempt implements identity.Credentials. The row's lock puts guesses in parallel in a line.
func (s *Store) Attempt(ctx context.Context, counts []identity.Count, lockFor time.Duration, now time.Time) (time.Time, error) {
	var latest time.Time
	err := s.db.AsSignin(ctx, func(tx pgx.Tx) error {
		for _, c := range counts {
			var until *time.Time
			if err := tx.QueryRow(ctx, countAttempt, c.Key[:], c.Most, now, now.Add(-lockFor), now.Add(lockFor)).Scan(&until); err != nil {
				return err
			}
			if until != nil && until.After(latest) {
				latest = *until
			}
		}
		return nil
	})
	return latest, away(err)
}

// countAttempt counts one try: a running lock stays as it is; a lock or a window that is over starts the count again; one
// try too many locks. $1 key, $2 most, $3 now, $4 start of the window, $5 end of a new lock.
const countAttempt = `
	INSERT INTO sign_ins AS s (key, attempts, counted_from) VALUES ($1, 1, $3)
	ON CONFLICT (key) DO UPDATE SET
	  attempts     = CASE WHEN s.locked_until > $3 THEN s.attempts
	                      WHEN s.locked_until IS NOT NULL OR s.counted_from < $4 THEN 1
	                      ELSE s.attempts + 1 END,
	  counted_from = CASE WHEN s.locked_until > $3 THEN s.counted_from
	                      WHEN s.locked_until IS NOT NULL OR s.counted_from < $4 THEN $3
	                      ELSE s.counted_from END,
	  locked_until = CASE WHEN s.locked_until > $3 THEN s.locked_until
	                      WHEN s.locked_until IS NOT NULL OR s.counted_from < $4 THEN NULL
	                      WHEN s.attempts + 1 > $2 THEN $5::timestamptz
	                      ELSE NULL END
	RETURNING locked_until`

// Forgive implements identity.Credentials.
func (s *Store) Forgive(ctx context.Context, counts []identity.Count) error {
	return away(s.db.AsSignin(ctx, func(tx pgx.Tx) error {
		for i, c := range counts {
			if i == 0 {
				if _, err := tx.Exec(ctx, "DELETE FROM sign_ins WHERE key = $1", c.Key[:]); err != nil {
					return err
				}
				continue
			}
			if _, err := tx.Exec(ctx, "UPDATE sign_ins SET attempts = greatest(1, attempts - 1) WHERE key = $1", c.Key[:]); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Credential implements identity.Credentials.
func (s *Store) Credential(ctx context.Context, email string) (identity.Credential, error) {
	var c identity.Credential
	err := s.db.AsSignin(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT tenant_id, user_id::text, hash, disabled FROM credentials WHERE email = $1", email).
			Scan(&c.Tenant, &c.User, &c.Hash, &c.Disabled)
	})
	return c, away(err)
}

// Begin implements identity.Sessions. It also clears the user's expired sessions away.
func (s *Store) Begin(ctx context.Context, tenant tenants.TenantID, session identity.Session) (identity.User, error) {
	var u identity.User
	err := s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT user_id::text, name, email, role, disabled FROM users WHERE user_id = $1", session.User).
			Scan(&u.ID, &u.Name, &u.Email, &u.Role, &u.Disabled)
		if err != nil {
			return err
		}
		if u.Disabled {
			return identity.ErrRefused
		}
		if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE user_id = $1 AND expires_at < $2", session.User, session.CreatedAt); err != nil {
			return err
		}
		return insert(ctx, tx, tenant, session)
	})
	return u, away(err)
}

func insert(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, s identity.Session) error {
	_, err := tx.Exec(ctx, `INSERT INTO sessions (tenant_id, session_id, family, user_id, hash, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, tenant, s.ID, s.Family, s.User, s.Hash[:], s.CreatedAt, s.ExpiresAt)
	return err
}

// Use implements identity.Sessions.
func (s *Store) Use(ctx context.Context, tenant tenants.TenantID, id string, judge func(identity.Session, identity.User, bool) identity.Verdict) error {
	return away(s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		session := identity.Session{ID: id}
		var u identity.User
		var hash []byte
		var rotated *time.Time
		var revoked bool
		err := tx.QueryRow(ctx, `
			SELECT s.family::text, s.user_id::text, s.hash, s.created_at, s.expires_at, s.rotated_at, u.name, u.email, u.role, u.disabled,
			       EXISTS (SELECT FROM revocations r WHERE r.tenant_id = s.tenant_id AND r.family = s.family)
			FROM sessions s JOIN users u USING (tenant_id, user_id) WHERE s.session_id = $1 FOR UPDATE OF s`, id).
			Scan(&session.Family, &session.User, &hash, &session.CreatedAt, &session.ExpiresAt, &rotated, &u.Name, &u.Email, &u.Role, &u.Disabled, &revoked)
		if err != nil {
			return err
		}
		u.ID = session.User
		if rotated != nil {
			session.RotatedAt = *rotated
		}
		if copy(session.Hash[:], hash) != sha256.Size {
			return fmt.Errorf("session %s: hash of %d bytes", id, len(hash))
		}
		return perform(ctx, tx, tenant, session, judge(session, u, revoked))
	}))
}

// perform carries a verdict out. Its error is the caller's to tell, not a reason to roll back.
func perform(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, used identity.Session, v identity.Verdict) error {
	if v.Revoke {
		return revoke(ctx, tx, identity.Revocation{Tenant: tenant, Family: used.Family, At: v.At})
	}
	if v.Next == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, "UPDATE sessions SET rotated_at = $2 WHERE session_id = $1", used.ID, v.Next.CreatedAt); err != nil {
		return err
	}
	return insert(ctx, tx, tenant, *v.Next)
}

// Revoke implements identity.Sessions.
func (s *Store) Revoke(ctx context.Context, r identity.Revocation) error {
	return away(s.db.InTenant(ctx, r.Tenant, func(tx pgx.Tx) error { return revoke(ctx, tx, r) }))
}

func revoke(ctx context.Context, tx pgx.Tx, r identity.Revocation) error {
	_, err := tx.Exec(ctx, "INSERT INTO revocations (tenant_id, family, revoked_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", r.Tenant, r.Family, r.At)
	return err
}

// Revoked implements identity.Sessions.
func (s *Store) Revoked(ctx context.Context, since time.Time) ([]identity.Revocation, error) {
	var found []identity.Revocation
	err := s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT tenant_id, family::text, revoked_at FROM revocations WHERE revoked_at >= $1", since)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Revocation])
		return err
	})
	return found, away(err)
}

// away translates the store's errors into identity's.
func away(err error) error {
	switch {
	case err == nil, errors.Is(err, identity.ErrRefused):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return identity.ErrRefused
	case errors.Is(err, store.ErrAway):
		return fmt.Errorf("%w: %w", identity.ErrAway, err)
	default:
		return fmt.Errorf("identity: %w", err)
	}
}
