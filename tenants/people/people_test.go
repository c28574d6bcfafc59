package people_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"holdfast/tenants"
	"holdfast/tenants/people"
)

func lee() people.Person {
	return people.Person{
		ID: "0190b5a0-0000-7000-8000-000000000001", Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Sam Lee", Role: "Cardiologist",
		Languages: []string{"en"}, Methods: []people.ContactMethod{
			{Kind: people.Pager, Value: "5550161", Hours: []people.Hours{{Days: people.On(time.Saturday), From: 22 * 60, To: 6 * 60}}},
			{Kind: people.Mobile, Value: "+16085550161", Verified: true, Hours: []people.Hours{{From: 6 * 60, To: 22 * 60}}},
			{Kind: people.Email, Value: "lee@lakeside.example", Hours: []people.Hours{{From: 6 * 60, To: 22 * 60}}},
		},
	}
}

func TestMethodsAreThoseOfTheHour(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string][]people.MethodKind{
		"2026-07-18 21:59": {people.Mobile, people.Email},
		"2026-07-18 22:00": {people.Pager},
		"2026-07-19 05:59": {people.Pager},                              // Sunday morning belongs to Saturday's night
		"2026-07-20 05:59": {people.Pager, people.Mobile, people.Email}, // none is open: all
	} {
		when, err := time.ParseInLocation("2006-01-02 15:04", at, zone)
		if err != nil {
			t.Fatal(err)
		}
		var got []people.MethodKind
		for _, m := range lee().Reach(when) {
			got = append(got, m.Kind)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
}

func TestAPersonsProblemsAreNamed(t *testing.T) {
	t.Parallel()
	if err := lee().Check(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*people.Person){
		"id: ":                  func(p *people.Person) { p.ID = "7" },
		"account: ":             func(p *people.Person) { p.Account = "Not A Slug" },
		"kind: ":                func(p *people.Person) { p.Kind = "robot" },
		"visibility: ":          func(p *people.Person) { p.Visibility = "nobody" },
		"name: is empty":        func(p *people.Person) { p.Name = "" },
		"name: holds":           func(p *people.Person) { p.Name = "Lee\u202e" },
		"role: is longer":       func(p *people.Person) { p.Role = strings.Repeat("x", 201) },
		"languages[0]: ":        func(p *people.Person) { p.Languages[0] = "English" },
		"methods[1].value: ":    func(p *people.Person) { p.Methods[1].Value = "555-0161" },
		"methods[2].value: ":    func(p *people.Person) { p.Methods[2].Value = "Lee <lee@x.example>" },
		"methods[0].value: \"":  func(p *people.Person) { p.Methods[0].Kind = "drum" },
		"methods[0].hours[0]: ": func(p *people.Person) { p.Methods[0].Hours[0].From = 1440 },
	} {
		p := lee()
		spoil(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %q: %v", field, err)
		}
	}
}

func TestNamesAreListedAsTheLanguageDoes(t *testing.T) {
	t.Parallel()
	sorted := func(lang string, names ...string) []string {
		var all []people.Person
		for i, n := range names {
			all = append(all, people.Person{ID: tenants.PersonID(rune('a' + i)), Kind: people.Human, Name: n})
		}
		people.Sort(all, lang)
		for i := range all {
			names[i] = all[i].Name
		}
		return names
	}
	if got := sorted("en", "Dr. Maria Ortiz", "Dr. Sam Lee", "Ana de Lima", "Zoe Abbott, RN"); !slices.Equal(got, []string{"Zoe Abbott, RN", "Dr. Sam Lee", "Ana de Lima", "Dr. Maria Ortiz"}) {
		t.Errorf("%q", got)
	}
	// Hungarian: cs is a letter after c, and ö comes after o.
	if got := sorted("hu", "Csák Pál", "Dr. Szabó Péter", "Cukor Éva", "Őri Béla", "Orosz Zoltán", "dr. Kovács Anna"); !slices.Equal(got, []string{"Cukor Éva", "Csák Pál", "dr. Kovács Anna", "Orosz Zoltán", "Őri Béla", "Dr. Szabó Péter"}) {
		t.Errorf("%q", got)
	}
	if got := (people.Person{Kind: people.Department, Name: "Billing Office"}).SortName("en"); got != "Billing Office" {
		t.Errorf("%q", got)
	}
	if got := (people.Person{Kind: people.Human, Name: "Dr."}).SortName("en"); got != "Dr." {
		t.Errorf("%q", got)
	}
}

func TestTextsAreFoldedAsTheyAreTyped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Dr. Szabó Péter": "dr. szabo peter", "ŐRI": "ori", "Straße": "strasse", "Łódź": "lodz", "plain": "plain", "İzmir": "izmir", "Ångström": "angstrom", "Cardiología": "cardiologia",
	} {
		if got := people.Fold(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := people.Words("O'Neil-Smith, 2nd Floor"); !slices.Equal(got, []string{"o", "neil", "smith", "2nd", "floor"}) {
		t.Errorf("%q", got)
	}
}

func TestAPersonIsTheSameAfterJSON(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(lee())
	if err != nil {
		t.Fatal(err)
	}
	var got people.Person
	if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, lee()) || !got.Equal(lee()) {
		t.Errorf("%v: %s", err, raw)
	}
	got.Methods[1].Verified = false
	if got.Equal(lee()) {
		t.Error("another person is the same")
	}
}

func TestOnlySupervisorsFindWhatIsTheirs(t *testing.T) {
	t.Parallel()
	p := lee()
	if !p.VisibleTo(tenants.RoleOperator) {
		t.Error("operators do not find a person")
	}
	p.Visibility = people.Supervisors
	if p.VisibleTo(tenants.RoleOperator) || !p.VisibleTo(tenants.RoleSupervisor) || !p.VisibleTo(tenants.RoleAdmin) {
		t.Error("visibility")
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Dr. Szabó Péter")
	f.Add("\xff\u0301İ")
	f.Fuzz(func(t *testing.T, s string) {
		once := people.Fold(s)
		if utf8.ValidString(s) && people.Fold(once) != once {
			t.Errorf("%q: %q then %q", s, once, people.Fold(once))
		}
		_ = people.Person{Kind: people.Human, Name: s}.SortName("hu")
		_, _ = people.ParseClock(s)
		var d people.Days
		_ = d.UnmarshalText([]byte(s))
	})
}
