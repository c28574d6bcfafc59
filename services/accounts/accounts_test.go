package accounts_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"holdfast/services/accounts"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

func ptr[T any](v T) *T { return &v }

func home() *routing.Copy {
	return &routing.Copy{
		Tenant: "duna", Zone: "Europe/Budapest", Country: "HU", Language: "hu",
		Accounts: []routing.Account{
			{ID: "kovacs-fogaszat", Name: "Kovács Fogászat", Initials: "KF", Shape: "diamond", Colour: "teal"},
			{ID: "kovacs-fogaszat-2", Name: "Kovács Fogászat", Initials: "KF", Shape: "diamond", Colour: "amber"},
		},
	}
}

func TestANewAccountNeedsOnlyAName(t *testing.T) {
	t.Parallel()
	a := accounts.Propose(home(), accounts.Change{Name: ptr(" Kovács  Fogászat "), Medical: ptr(true)})
	if err := a.Check(home().Accounts); err != nil {
		t.Fatal(err)
	}
	if a.ID != "kovacs-fogaszat-3" || a.Initials != "KF" || a.Priority != 10 || !reflect.DeepEqual(a.Languages, []string{"hu"}) {
		t.Errorf("%+v", a)
	}
	if want := "Kovács  Fogászat, jó napot kívánok, {operator} vagyok. Miben segíthetek?"; a.Phrases["hu"] != want {
		t.Errorf("phrase %q", a.Phrases["hu"])
	}
	if a.Shape == "diamond" && (a.Colour == "teal" || a.Colour == "amber") {
		t.Errorf("looks like another: %s %s", a.Shape, a.Colour)
	}
	for name, id := range map[string]tenants.AccountID{
		"Dr. Őry & Társa": "dr-ory-tarsa", "北京": "account", strings.Repeat("very long name ", 20): "", "--": "account",
	} {
		got := accounts.Slug(name)
		if _, err := tenants.ParseAccountID(string(got)); err != nil || id != "" && got != id {
			t.Errorf("%q becomes %q", name, got)
		}
	}
	if accounts.Next("x") != "x-2" || accounts.Next("x-2") != "x-3" || accounts.Next("route-66-9") != "route-66-10" {
		t.Error("the next id")
	}
}

func TestEveryAccountOfATenantGetsALookOfItsOwn(t *testing.T) {
	t.Parallel()
	c := &routing.Copy{Zone: "UTC", Country: "US", Language: "en"}
	for range len(accounts.Shapes) * len(accounts.Colours) {
		a := accounts.Propose(c, accounts.Change{Name: ptr("Same Name")})
		if err := a.Check(c.Accounts); err != nil {
			t.Fatalf("number %d: %v", len(c.Accounts), err)
		}
		c.Accounts = append(c.Accounts, a.Account)
	}
	a := accounts.Propose(c, accounts.Change{Name: ptr("Same Name")})
	if err := a.Check(c.Accounts); err == nil || !strings.Contains(err.Error(), "look like Same Name") {
		t.Errorf("one more than there are looks: %v", err)
	}
}

func TestNumbersAreReadAsTheAccountsCountryWritesThem(t *testing.T) {
	t.Parallel()
	a := accounts.Propose(home(), accounts.Change{Name: ptr("Új"), Published: ptr([]string{"06 1 555 0261", "+36 1 555 0262"}), CallerID: ptr("(1) 555-0261")})
	if err := a.Check(nil); err != nil || a.Published[0] != "+3615550261" || a.Published[1] != "+3615550262" {
		t.Errorf("%q %v", a.Published, err)
	}
}

func problemsOf(err error) map[string]string {
	found := map[string]string{}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			var p *accounts.Problem
			if errors.As(e, &p) {
				found[p.Field] = p.Code
			}
		}
	}
	return found
}

func TestCheckTellsEverythingThatIsWrongByField(t *testing.T) {
	t.Parallel()
	good := accounts.Propose(home(), accounts.Change{Name: ptr("Good")})
	good.Numbers = []string{"+3615550201"}
	for name, c := range map[string]struct {
		change accounts.Change
		want   map[string]string
	}{
		"a look":      {accounts.Change{Initials: ptr("kf"), Shape: ptr("diamond"), Colour: ptr("teal")}, map[string]string{"initials": "look_alike"}},
		"no look":     {accounts.Change{Initials: ptr("ABCD"), Shape: ptr("star"), Colour: ptr("red;}")}, map[string]string{"initials": "too_long", "shape": "unknown", "colour": "unknown"}},
		"a name":      {accounts.Change{Name: ptr("  ")}, map[string]string{"name": "empty"}},
		"a direction": {accounts.Change{Name: ptr("evil\u202egnp")}, map[string]string{"name": "unseen"}},
		"languages":   {accounts.Change{Languages: ptr([]string{"hu", "hu", "../x"})}, map[string]string{"languages[1]": "twice", "languages[2]": "not_a_language"}},
		"none":        {accounts.Change{Languages: ptr([]string{})}, map[string]string{"languages": "empty"}},
		"phrases":     {accounts.Change{Phrases: ptr(map[string]string{"hu": "two\nlines", "<script>": "x"})}, map[string]string{"phrases.hu": "unseen", "phrases.<script>": "not_a_language"}},
		"instructions": {
			accounts.Change{Instructions: ptr("fine\nlines\tand\x00")}, map[string]string{"instructions": "unseen"},
		},
		"times": {
			accounts.Change{RingFor: ptr(61 * time.Second), OfferFor: ptr(time.Duration(0)), LongestWait: ptr(-time.Second), WrapUp: ptr(time.Hour), Priority: ptr(1 << 40)},
			map[string]string{"ring_seconds": "out_of_range", "offer_seconds": "out_of_range", "longest_wait_seconds": "out_of_range", "wrap_up_seconds": "out_of_range", "priority": "out_of_range"},
		},
		"hours": {accounts.Change{Hours: ptr([]people.Hours{{From: 480, To: 1020}, {From: 2000, To: 10}})}, map[string]string{"hours[1]": "not_hours"}},
		"numbers": {
			accounts.Change{Published: ptr([]string{"06 1 555 0261", "+3615550261", "911", "06 1 555 0201"}), CallerID: ptr("+3615550299")},
			map[string]string{"published[1]": "twice", "published[2]": "not_a_number", "published[3]": "emergency_number", "caller_id": "not_its_own"},
		},
		"place":  {accounts.Change{Zone: ptr("Local"), Country: ptr("hu")}, map[string]string{"zone": "not_a_zone", "country": "not_a_country"}},
		"notify": {accounts.Change{Notify: ptr([]string{"a@b.example", "A <a@b.example>", "a@b.example\r\nBcc: x@y.example"})}, map[string]string{"notify[1]": "not_an_address", "notify[2]": "not_an_address"}},
	} {
		if got := problemsOf(good.With(c.change).Check(home().Accounts)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if err := good.With(accounts.Change{CallerID: ptr("06 1 555 0201"), Instructions: ptr("Line\nline"), Phrases: ptr(map[string]string{})}).Check(home().Accounts); err != nil {
		t.Error(err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	s := accounts.SettingsOf(&routing.Copy{Tenant: "duna", Name: "Duna", Zone: "Europe/Budapest", Country: "HU", Language: "hu", Revision: 3})
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	got := problemsOf(s.With(accounts.SettingsChange{
		Name: ptr(""), Countries: ptr([]string{"HU", "Hu", "HU"}), Minutes: ptr(-1), AtOnce: ptr(1001), Notify: ptr([]string{"nobody"}), Language: ptr("x"),
	}).Check())
	want := map[string]string{
		"name": "empty", "language": "not_a_language", "notify[0]": "not_an_address", "outbound_countries[1]": "not_a_country",
		"outbound_countries[2]": "twice", "outbound_minutes": "out_of_range", "outbound_at_once": "out_of_range",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
