package numbersql_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/deploy/schema/demo"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

func (b bundle) exec(t *testing.T, tenant tenants.TenantID, sql string, args ...any) error {
	t.Helper()
	return b.db.InTenant(t.Context(), tenant, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
}

func loaded(t *testing.T) bundle {
	t.Helper()
	b := setup(t)
	if _, err := demo.Load(t.Context(), b.db, demoTrunk); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	return b
}

func TestTheDemonstrationsPeopleAreOnCallAsPromised(t *testing.T) {
	t.Parallel()
	b := loaded(t)
	for _, home := range []tenants.TenantID{"harbor", "duna", "mesa"} {
		c := b.book.Copy(home)
		for _, a := range c.Accounts {
			listed, schedules := c.PeopleOf(a.ID), c.SchedulesOf(a.ID)
			if len(listed) != 5 || len(schedules) != 1 {
				t.Errorf("%s: %d listings, %d schedules", a.ID, len(listed), len(schedules))
			}
			human := func(id tenants.PersonID) bool {
				for _, p := range listed {
					if p.ID == id {
						return p.Kind == people.Human
					}
				}
				return false
			}
			for _, p := range listed {
				if err := p.Check(); err != nil || len(p.Methods) == 0 {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
			if err := schedules[0].Check(human); err != nil {
				t.Errorf("%s: %v", a.ID, err)
			}
		}
	}
	for _, want := range []struct {
		home        tenants.TenantID
		account     tenants.AccountID
		at, name, u string
	}{
		{"harbor", "lakeside-cardiology", "2026-07-15T08:00:00-05:00", "Dr. Maria Ortiz", "2026-07-15T20:00:00-05:00"},
		{"harbor", "lakeside-cardiology", "2026-01-15T19:59:59-06:00", "Dr. Maria Ortiz", "2026-01-15T20:00:00-06:00"},
		{"harbor", "lakeside-cardiology", "2026-01-15T20:00:00-06:00", "Dr. Sam Lee", "2026-01-16T08:00:00-06:00"},
		{"duna", "kovacs-fogaszat", "2026-07-15T18:59:00+02:00", "Dr. Kovács Anna", "2026-07-15T19:00:00+02:00"},
		{"duna", "kovacs-fogaszat", "2026-01-15T03:00:00+01:00", "Dr. Szabó Péter", "2026-01-15T07:00:00+01:00"},
	} {
		at, err := time.Parse(time.RFC3339, want.at)
		if err != nil {
			t.Fatal(err)
		}
		c := b.book.Copy(want.home)
		answer := roster.OnCall(&c.SchedulesOf(want.account)[0], at)
		for _, p := range c.PeopleOf(want.account) {
			if p.ID == answer.Now[0].Person && (p.Name != want.name || answer.Until.Format(time.RFC3339) != want.u) {
				t.Errorf("%s at %s: %s until %s", want.account, want.at, p.Name, answer.Until)
			}
		}
	}
}

func TestAChangeOfPeopleOrSchedulesIsCompiled(t *testing.T) {
	t.Parallel()
	b := loaded(t)
	const ids = " WHERE account_id = 'lakeside-cardiology' AND name = 'Dr. Sam Lee'"
	for _, change := range []struct{ what, sql string }{
		{"a name", `UPDATE people SET name = 'Dr. Samuel Lee'` + ids},
		{"a method", `UPDATE people SET methods = '[{"kind":"mobile","value":"+16085550119"}]' WHERE name = 'Dr. Samuel Lee'`},
		{"an override", `INSERT INTO overrides (tenant_id, override_id, account_id, schedule_id, from_at, to_at, replaces, person_id)
			SELECT tenant_id, gen_random_uuid(), account_id, schedule_id, '2026-07-15 12:00Z', '2026-07-15 15:00Z', 'all', catch_all FROM schedules
			WHERE account_id = 'lakeside-cardiology'`},
		{"a schedule", `UPDATE schedules SET zone = 'America/New_York' WHERE account_id = 'lakeside-cardiology'`},
		{"a listing that goes", `DELETE FROM people WHERE name = 'Lakeside Pharmacy'`},
		{"a damaged value", `UPDATE schedules SET layers = '[{"handover": 7}]' WHERE account_id = 'lakeside-cardiology'`},
	} {
		before := b.book.Copy("harbor").Hash()
		if err := b.exec(t, "harbor", change.sql); err != nil {
			t.Fatalf("%s: %v", change.what, err)
		}
		b.check(t)
		if b.book.Copy("harbor").Hash() == before {
			t.Errorf("%s changed and the copy did not", change.what)
		}
	}
	s := b.book.Copy("harbor").SchedulesOf("lakeside-cardiology")[0]
	if len(s.Overrides) != 1 || s.Overrides[0].Replaces != roster.All || len(s.Layers) != 0 {
		t.Errorf("%+v", s)
	}
	if got := b.shelf.Load(); len(got.Problems) != 0 {
		t.Errorf("%v", got.Problems)
	}
}

func TestNobodyWithTurnsIsRemovedAndWholeAccountsAre(t *testing.T) {
	t.Parallel()
	b := loaded(t)
	for _, name := range []string{"Dr. Sam Lee", "Helen Brooks"} { // a layer's turn, the catch-all
		err := b.exec(t, "harbor", "DELETE FROM people WHERE name = $1", name)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "23503" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{
		`UPDATE people SET methods = '{}'`, `UPDATE people SET kind = 'robot'`, `UPDATE schedules SET layers = '7'`,
		`UPDATE schedules SET catch_all = (SELECT person_id FROM people WHERE name = 'Tom Becker') WHERE account_id = 'lakeside-cardiology'`, // of another account
	} {
		if err := b.exec(t, "harbor", bad); err == nil {
			t.Errorf("kept: %s", bad)
		}
	}
	if err := b.exec(t, "mesa", "UPDATE people SET name = 'mesa was here'"); err != nil {
		t.Fatal(err)
	}
	if err := b.exec(t, "harbor", "DELETE FROM accounts WHERE account_id = 'lakeside-cardiology'"); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	c := b.book.Copy("harbor")
	if len(c.PeopleOf("lakeside-cardiology")) != 0 || len(c.SchedulesOf("lakeside-cardiology")) != 0 || len(c.People) != 10 {
		t.Errorf("%d people", len(c.People))
	}
	for _, p := range c.People {
		if strings.Contains(p.Name, "mesa") {
			t.Error("mesa wrote harbor's people")
		}
	}
}
