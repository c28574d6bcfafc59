package oncall_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

const (
	ortiz  tenants.PersonID = "0190b5a0-0000-7000-8000-000000000011"
	lee    tenants.PersonID = "0190b5a0-0000-7000-8000-000000000012"
	brooks tenants.PersonID = "0190b5a0-0000-7000-8000-000000000013"
)

func harbor() *routing.Copy {
	mobile := people.ContactMethod{Kind: people.Mobile, Value: "+16085550110", Verified: true}
	home := people.ContactMethod{Kind: people.Phone, Value: "+16085550111", Hours: []people.Hours{{From: 7 * 60, To: 22 * 60}}}
	c := &routing.Copy{
		Tenant: "harbor", CompiledAt: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC),
		Accounts: []routing.Account{{ID: "lakeside-cardiology"}, {ID: "prairie-plumbing"}},
		People: []people.Person{
			{ID: ortiz, Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Maria Ortiz", Methods: []people.ContactMethod{home, mobile}},
			{ID: lee, Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Sam Lee", Methods: []people.ContactMethod{mobile}},
			{ID: brooks, Account: "lakeside-cardiology", Kind: people.Human, Name: "Helen Brooks"},
		},
		Schedules: []roster.Schedule{{
			ID: "s", Account: "lakeside-cardiology", Name: "Cardiologist", Zone: "America/Chicago", CatchAll: brooks,
			Layers: []roster.Layer{{
				ID: "l", Rotation: roster.Custom, Every: 12, Unit: roster.Hours, Handover: 480, From: roster.On(2024, 1, 1),
				Participants: [][]tenants.PersonID{{ortiz}, {lee}},
			}},
		}},
	}
	c.Sort()
	return c
}

func ask(t *testing.T, c *routing.Copy, at string) oncall.Answer {
	t.Helper()
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	all, err := oncall.At(c, "lakeside-cardiology", when)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	return all[0]
}

func TestOneSentenceTellsWhoUntilWhenAndNext(t *testing.T) {
	t.Parallel()
	two := harbor()
	two.Schedules[0].Layers[0].Participants = [][]tenants.PersonID{{ortiz, lee}}
	gap := harbor()
	gap.Schedules[0].Layers[0].Windows = []people.Hours{{Days: people.On(time.Monday), From: 480, To: 1200}}
	alone := harbor()
	alone.Schedules[0].Layers[0].Participants = [][]tenants.PersonID{{ortiz}}
	empty := harbor()
	empty.People = nil
	for _, c := range []struct {
		copy       *routing.Copy
		at, en, hu string
	}{
		{harbor(), "2026-07-15T19:48:00-05:00", "Dr. Maria Ortiz until 20:00; in 12 minutes Dr. Sam Lee; phone first", "Dr. Maria Ortiz 20:00-ig; 12 perc múlva Dr. Sam Lee; először telefonon"},
		{harbor(), "2026-07-15T19:59:30-05:00", "Dr. Maria Ortiz until 20:00; in a minute Dr. Sam Lee; phone first", "Dr. Maria Ortiz 20:00-ig; egy percen belül Dr. Sam Lee; először telefonon"},
		{harbor(), "2026-07-15T20:00:00-05:00", "Dr. Sam Lee until 08:00; then Dr. Maria Ortiz; mobile first", "Dr. Sam Lee 08:00-ig; utána Dr. Maria Ortiz; először mobilon"},
		{two, "2026-07-15T05:00:00-05:00", "1. Dr. Maria Ortiz, 2. Dr. Sam Lee; mobile first", "1. Dr. Maria Ortiz, 2. Dr. Sam Lee; először mobilon"},
		{alone, "2026-07-15T12:00:00-05:00", "Dr. Maria Ortiz; phone first", "Dr. Maria Ortiz; először telefonon"},
		{gap, "2026-07-16T12:00:00-05:00", "Nobody is scheduled, Helen Brooks takes it until Monday 08:00; then Dr. Maria Ortiz", "Nincs beosztva senki, a hívást Helen Brooks fogadja hétfő 08:00-ig; utána Dr. Maria Ortiz"},
		{empty, "2026-07-16T12:00:00-05:00", "Nobody is on call", "Senki sincs ügyeletben"},
	} {
		a := ask(t, c.copy, c.at)
		if got := a.Sentence("en-US"); got != c.en {
			t.Errorf("%s: %q, want %q", c.at, got, c.en)
		}
		if got := a.Sentence("hu"); got != c.hu {
			t.Errorf("%s: %q, want %q", c.at, got, c.hu)
		}
	}
}

func TestMethodsAreThoseOfTheHourInTheAccountsZone(t *testing.T) {
	t.Parallel()
	c := harbor()
	a := ask(t, c, "2026-07-15T12:00:00Z") // 07:00 in Chicago: Lee
	if a.Now[0].Person.ID != lee || len(a.Next.Methods) != 2 || a.Next.Methods[0].Kind != people.Phone || !a.CompiledAt.Equal(c.CompiledAt) {
		t.Errorf("%+v", a)
	}
	c.Schedules[0].Layers[0].Participants = [][]tenants.PersonID{{ortiz}}
	a = ask(t, c, "2026-07-16T11:00:00Z") // 06:00: not at home
	if len(a.Now[0].Methods) != 1 || a.Now[0].Methods[0].Kind != people.Mobile {
		t.Errorf("%+v", a.Now)
	}
}

func TestWhoeverLeftTheDirectoryIsPassedOver(t *testing.T) {
	t.Parallel()
	c := harbor()
	c.Schedules[0].Layers[0].Participants = [][]tenants.PersonID{{ortiz, lee}, {ortiz}}
	c.People = slices.DeleteFunc(c.People, func(p people.Person) bool { return p.ID == ortiz })
	a := ask(t, c, "2026-07-15T12:00:00-05:00")
	if len(a.Now) != 1 || a.Now[0].Person.ID != lee || a.Now[0].Order != 1 {
		t.Errorf("%+v", a.Now)
	}
	a = ask(t, c, "2026-07-15T22:00:00-05:00")
	if len(a.Now) != 1 || a.Now[0].Person.ID != brooks || a.Now[0].Why != roster.ByCatchAll {
		t.Errorf("%+v", a.Now)
	}
}

func TestAccountsWithoutScheduleAndUnknownOnes(t *testing.T) {
	t.Parallel()
	if all, err := oncall.At(harbor(), "prairie-plumbing", time.Unix(0, 0)); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := oncall.At(harbor(), "red-rock-dental", time.Unix(0, 0)); !errors.Is(err, oncall.ErrNoAccount) {
		t.Errorf("%v", err)
	}
}

func BenchmarkAt(b *testing.B) {
	c, t := harbor(), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		_, _ = oncall.At(c, "lakeside-cardiology", t)
	}
}
