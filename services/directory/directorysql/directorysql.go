// Package directorysql keeps listings in PostgreSQL.
package directorysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"holdfast/services/directory"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/store"
)

// Store implements directory.Store.
type Store struct{ db *store.DB }

var _ directory.Store = (*Store)(nil)

// New keeps listings in db.
func New(db *store.DB) *Store { return &Store{db: db} }

const columns = "person_id::text, account_id, kind, name, role, department, languages, methods::text, visibility, note"

func scan(row pgx.CollectableRow) (people.Person, error) {
	var p people.Person
	var methods string
	err := row.Scan(&p.ID, &p.Account, &p.Kind, &p.Name, &p.Role, &p.Department, &p.Languages, &methods, &p.Visibility, &p.Note)
	if err != nil {
		return p, err
	}
	if len(p.Languages) == 0 {
		p.Languages = nil
	}
	if err := json.Unmarshal([]byte(methods), &p.Methods); err != nil {
		return p, fmt.Errorf("methods of person %s: %w", p.ID, err)
	}
	if len(p.Methods) == 0 {
		p.Methods = nil
	}
	return p, nil
}

// Country implements directory.Store.
func (s *Store) Country(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID) (country string, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT country FROM accounts WHERE account_id = $1", account).Scan(&country)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = directory.ErrNoAccount
	}
	return country, err
}

// Person implements directory.Store.
func (s *Store) Person(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.PersonID) (p people.Person, err error) {
	err = s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		p, err = read(ctx, tx, account, id, "")
		return err
	})
	return p, err
}

// read finds a listing; lock is "" or "FOR UPDATE".
func read(ctx context.Context, tx pgx.Tx, account tenants.AccountID, id tenants.PersonID, lock string) (people.Person, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM people WHERE account_id = $1 AND person_id = $2 "+lock, account, id)
	if err != nil {
		return people.Person{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = directory.ErrNoPerson
	}
	return p, err
}

// Add implements directory.Store.
func (s *Store) Add(ctx context.Context, tenant tenants.TenantID, by string, p people.Person) error {
	return s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error { return write(ctx, tx, tenant, by, []people.Person{p}) })
}

// Change implements directory.Store.
func (s *Store) Change(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, id tenants.PersonID, become func(people.Person) (people.Person, error)) error {
	return s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		was, err := read(ctx, tx, account, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		is, err := become(was)
		if err != nil || was.Equal(is) {
			return marked(ctx, tx, id, err)
		}
		return write(ctx, tx, tenant, by, []people.Person{is})
	})
}

// marked adds to a refusal who changed the listing last.
func marked(ctx context.Context, tx pgx.Tx, id tenants.PersonID, err error) error {
	var stale *directory.StaleError
	if !errors.As(err, &stale) {
		return err
	}
	if err := tx.QueryRow(ctx, "SELECT changed_by, changed_at FROM people WHERE person_id = $1", id).Scan(&stale.Last.By, &stale.Last.At); err != nil {
		return fmt.Errorf("who changed the listing: %w", err)
	}
	return stale
}

// Merge implements directory.Store. The account's row is locked, so that two imports take turns.
func (s *Store) Merge(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, decide func([]people.Person) ([]people.Person, error)) error {
	return s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if err := lockAccount(ctx, tx, account); err != nil {
			return err
		}
		have, err := peopleOf(ctx, tx, account)
		if err != nil {
			return err
		}
		changed, err := decide(have)
		if err != nil || len(changed) == 0 {
			return err
		}
		return write(ctx, tx, tenant, by, changed)
	})
}

func lockAccount(ctx context.Context, tx pgx.Tx, account tenants.AccountID) error {
	var one int
	err := tx.QueryRow(ctx, "SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE", account).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		err = directory.ErrNoAccount
	}
	return err
}

func peopleOf(ctx context.Context, tx pgx.Tx, account tenants.AccountID) ([]people.Person, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM people WHERE account_id = $1 ORDER BY person_id", account)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// row is a listing as the statement takes it.
type row struct {
	ID         tenants.PersonID       `json:"person_id"`
	Account    tenants.AccountID      `json:"account_id"`
	Kind       people.Kind            `json:"kind"`
	Name       string                 `json:"name"`
	Role       string                 `json:"role"`
	Department string                 `json:"department"`
	Languages  []string               `json:"languages"`
	Methods    []people.ContactMethod `json:"methods"`
	Visibility people.Visibility      `json:"visibility"`
	Note       string                 `json:"note"`
}

// write keeps listings, new or changed, in one statement: however many, routing copies count one change.
func write(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, by string, all []people.Person) error {
	rows := make([]row, len(all))
	for i, p := range all {
		rows[i] = row{p.ID, p.Account, p.Kind, p.Name, p.Role, p.Department, p.Languages, p.Methods, p.Visibility, p.Note}
		if p.Languages == nil {
			rows[i].Languages = []string{}
		}
		if p.Methods == nil {
			rows[i].Methods = []people.ContactMethod{}
		}
	}
	raw, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("write listings: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO people (tenant_id, person_id, account_id, kind, name, role, department, languages, methods, visibility, note, changed_by)
		SELECT $1, r.person_id, r.account_id, r.kind, r.name, r.role, r.department, r.languages, r.methods, r.visibility, r.note, $3
		FROM jsonb_to_recordset($2::jsonb) AS r (person_id uuid, account_id text, kind text, name text, role text, department text,
		  languages text[], methods jsonb, visibility text, note text)
		ON CONFLICT (tenant_id, person_id) DO UPDATE SET kind = excluded.kind, name = excluded.name, role = excluded.role,
		  department = excluded.department, languages = excluded.languages, methods = excluded.methods,
		  visibility = excluded.visibility, note = excluded.note,
		  changed_by = excluded.changed_by, changed_at = now()`, tenant, raw, by)
	return err
}
