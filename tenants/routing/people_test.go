package routing_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

const (
	ortiz tenants.PersonID = "0190b5a0-0000-7000-8000-000000000011"
	lee   tenants.PersonID = "0190b5a0-0000-7000-8000-000000000012"
)

func withPeople() *routing.Copy {
	c := sample()
	c.People = []people.Person{
		{ID: ortiz, Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Maria Ortiz", Role: "Cardiologist", Methods: []people.ContactMethod{
			{Kind: people.Mobile, Value: "+16085550161", Verified: true},
			{Kind: people.Phone, Value: "+16085550162", Label: "home", Hours: []people.Hours{{Days: people.On(time.Saturday, time.Sunday), From: 480, To: 1320}}},
		}},
		{ID: lee, Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Sam Lee"},
		{ID: "0190b5a0-0000-7000-8000-000000000001", Account: "prairie-plumbing", Kind: people.Line, Name: "Gas company"},
	}
	c.Schedules = []roster.Schedule{{
		ID: "0190b5a0-0000-7000-8000-0000000000aa", Account: "lakeside-cardiology", Name: "Cardiologist", Zone: "America/Chicago", CatchAll: lee,
		Layers: []roster.Layer{{
			ID: "day-night", Name: "Day and night", Rotation: roster.Custom, Every: 12, Unit: roster.Hours, Handover: 480, From: roster.On(2026, 1, 1),
			Participants: [][]tenants.PersonID{{ortiz}, {lee}},
		}},
		Overrides: []roster.Override{{ID: "o", From: time.Unix(1767268800, 0).UTC(), To: time.Unix(1767272400, 0).UTC(), Replaces: roster.Person, Replaced: string(ortiz), Person: lee}},
	}}
	return c
}

// A copy of the first build has no people (copy.v1); this is the same form with them.
func TestPeopleAndSchedulesAreReadBack(t *testing.T) {
	t.Parallel()
	raw, err := routing.Encode(withPeople())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "copy-people.v1")
	if *update {
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != string(raw) {
		t.Error("the same people are now written otherwise: that needs a new version and a new golden file beside this one")
	}
	got, err := routing.Decode(golden)
	if err != nil || !reflect.DeepEqual(got, withPeople()) {
		t.Errorf("%+v, %v", got, err)
	}
	now := roster.OnCall(&got.Schedules[0], time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC))
	if now.Now[0].Person != lee {
		t.Errorf("%+v", now)
	}
}

func TestAnAccountsPeopleAreFound(t *testing.T) {
	t.Parallel()
	c := withPeople()
	c.People[0], c.People[2] = c.People[2], c.People[0]
	c.Sort()
	if got := c.PeopleOf("lakeside-cardiology"); len(got) != 2 || got[0].ID != ortiz || got[1].ID != lee {
		t.Errorf("%+v", got)
	}
	if len(c.PeopleOf("prairie-plumbing")) != 1 || len(c.PeopleOf("nobody")) != 0 || len(c.PeopleOf("zzz")) != 0 || len(c.SchedulesOf("lakeside-cardiology")) != 1 {
		t.Error("people of other accounts")
	}
	if c.Account("lakeside-cardiology") == nil || c.Account("nobody") != nil {
		t.Error("accounts")
	}
	if sample().Hash() == c.Hash() {
		t.Error("people do not count")
	}
}

func TestNoClientCanBeTakenForThePracticeAccount(t *testing.T) {
	t.Parallel()
	if _, err := tenants.ParseAccountID(string(routing.PracticeAccount)); err == nil {
		t.Errorf("%q may be a client's name: its callers would be shown invented people", routing.PracticeAccount)
	}
}
