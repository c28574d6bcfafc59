package directorysql

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/directory"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// Remove implements directory.Store. The account's row is locked against schedules that are being made, those there are against
// changes, so that nobody gives a turn to somebody who is on the way out.
func (s *Store) Remove(ctx context.Context, tenant tenants.TenantID, by string, account tenants.AccountID, id, heir tenants.PersonID, now time.Time,
	judge func(people.Person) error,
) error {
	return s.db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if err := lockAccount(ctx, tx, account); err != nil {
			return err
		}
		was, err := read(ctx, tx, account, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if err := judge(was); err != nil {
			return marked(ctx, tx, id, err)
		}
		plan, err := schedulesOf(ctx, tx, account, id, now)
		if err != nil {
			return err
		}
		if len(plan) > 0 && heir == "" {
			return needed(ctx, tx, account, id, plan)
		}
		// What is over goes with the person: the journal has it.
		if _, err := tx.Exec(ctx, "DELETE FROM overrides WHERE account_id = $1 AND (person_id = $2 OR replaced = $2::text) AND to_at <= $3", account, id, now); err != nil {
			return err
		}
		if heir != "" {
			if err := inherit(ctx, tx, by, account, id, heir, plan); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "DELETE FROM people WHERE account_id = $1 AND person_id = $2", account, id)
		return err
	})
}

// planned is a schedule that needs the person.
type planned struct {
	use    directory.Use
	layers []roster.Layer
}

// schedulesOf reads the schedules that need a person, locked.
func schedulesOf(ctx context.Context, tx pgx.Tx, account tenants.AccountID, id tenants.PersonID, now time.Time) ([]planned, error) {
	rows, err := tx.Query(ctx, `
		SELECT s.schedule_id::text, s.name, s.layers::text, s.catch_all = $2,
		  (SELECT count(*) FROM overrides o WHERE o.schedule_id = s.schedule_id AND (o.person_id = $2 OR o.replaced = $2::text) AND o.to_at > $3)
		FROM schedules s WHERE s.account_id = $1 ORDER BY s.position, s.schedule_id FOR UPDATE`, account, id, now)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (planned, error) {
		var p planned
		var layers string
		if err := r.Scan(&p.use.Schedule, &p.use.Name, &layers, &p.use.CatchAll, &p.use.Overrides); err != nil {
			return p, err
		}
		if err := json.Unmarshal([]byte(layers), &p.layers); err != nil {
			return p, fmt.Errorf("layers of schedule %s: %w", p.use.Schedule, err)
		}
		p.use.Turns = slices.ContainsFunc(p.layers, func(l roster.Layer) bool {
			return slices.ContainsFunc(l.Participants, func(turn []tenants.PersonID) bool { return slices.Contains(turn, id) })
		})
		return p, nil
	})
	return slices.DeleteFunc(all, func(p planned) bool { return !p.use.Turns && !p.use.CatchAll && p.use.Overrides == 0 }), err
}

// needed says where a person is needed and who could take over.
func needed(ctx context.Context, tx pgx.Tx, account tenants.AccountID, id tenants.PersonID, plan []planned) error {
	found := &directory.NeededError{}
	shares := map[tenants.PersonID]bool{}
	for _, p := range plan {
		found.Uses = append(found.Uses, p.use)
		for _, l := range p.layers {
			for _, turn := range l.Participants {
				for _, other := range turn {
					shares[other] = true
				}
			}
		}
	}
	all, err := peopleOf(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Kind == people.Human && p.ID != id {
			found.Others = append(found.Others, p)
		}
	}
	slices.SortStableFunc(found.Others, func(a, b people.Person) int {
		if shares[a.ID] != shares[b.ID] {
			if shares[a.ID] {
				return -1
			}
			return 1
		}
		return cmp.Compare(people.Fold(a.Name), people.Fold(b.Name))
	})
	return found
}

// inherit gives one person's turns to another.
func inherit(ctx context.Context, tx pgx.Tx, by string, account tenants.AccountID, id, heir tenants.PersonID, plan []planned) error {
	next, err := read(ctx, tx, account, heir, "FOR SHARE")
	if err != nil || next.Kind != people.Human || heir == id {
		return directory.ErrHeir
	}
	for _, p := range plan {
		for i := range p.layers {
			for j, turn := range p.layers[i].Participants {
				p.layers[i].Participants[j] = instead(turn, id, heir)
			}
		}
		raw, err := json.Marshal(p.layers)
		if err != nil {
			return fmt.Errorf("layers of schedule %s: %w", p.use.Schedule, err)
		}
		if _, err := tx.Exec(ctx, `UPDATE schedules SET layers = $2, catch_all = CASE WHEN catch_all = $3 THEN $4::uuid ELSE catch_all END,
			changed_by = $5, changed_at = now() WHERE schedule_id = $1`, p.use.Schedule, raw, id, heir, by); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "UPDATE overrides SET person_id = $3 WHERE account_id = $1 AND person_id = $2", account, id, heir); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE overrides SET replaced = $3::text WHERE account_id = $1 AND replaced = $2::text", account, id, heir)
	return err
}

// instead is a turn with somebody else in it, once.
func instead(turn []tenants.PersonID, id, heir tenants.PersonID) []tenants.PersonID {
	var out []tenants.PersonID
	for _, p := range turn {
		if p == id {
			p = heir
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
