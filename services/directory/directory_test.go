package directory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/services/directory"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

func listing(n int, account tenants.AccountID, name, role, department, number string) people.Person {
	return people.Person{
		ID: tenants.PersonID(fmt.Sprintf("0190b5a0-0000-7000-8000-%012d", n)), Account: account, Kind: people.Human, Name: name, Role: role,
		Department: department, Methods: []people.ContactMethod{{Kind: people.Mobile, Value: number}},
	}
}

func harbor() *routing.Copy {
	c := &routing.Copy{
		Tenant: "harbor", CompiledAt: time.Unix(5, 0),
		Accounts: []routing.Account{{ID: "kovacs-fogaszat", Languages: []string{"hu"}}, {ID: "lakeside-cardiology", Languages: []string{"en"}}, {ID: "nobody-yet"}},
		People: []people.Person{
			listing(1, "lakeside-cardiology", "Dr. Maria Ortiz", "Cardiologist", "", "+16085550110"),
			listing(2, "lakeside-cardiology", "Dr. Sam Lee", "Cardiologist", "Night", "+16085550112"),
			listing(3, "lakeside-cardiology", "Leela Brooks", "Practice manager", "Office", "+16085550115"),
			listing(4, "lakeside-cardiology", "Zoe Abbott", "Nurse", "Marian wing", "+16085550116"),
			listing(5, "kovacs-fogaszat", "Dr. Kovács Anna", "Fogorvos", "", "+3615550210"),
			listing(6, "kovacs-fogaszat", "Dr. Szabó Péter", "Fogorvos", "", "+36205550212"),
			listing(7, "lakeside-cardiology", "Сергей Иванов", "Technician", "", "+16085550119"),
		},
	}
	c.People[3].Visibility = people.Supervisors
	c.Sort()
	return c
}

func names(r directory.Result) []string {
	var all []string
	for _, p := range r.People {
		all = append(all, p.Name)
	}
	return all
}

func TestPeopleAreFoundAsTheyAreTyped(t *testing.T) {
	t.Parallel()
	var d directory.Directory
	c := harbor()
	const ortiz, lee, leela, anna, peter = "Dr. Maria Ortiz", "Dr. Sam Lee", "Leela Brooks", "Dr. Kovács Anna", "Dr. Szabó Péter"
	for _, want := range []struct {
		account, text string
		names         []string
	}{
		{"lakeside-cardiology", "ortiz", []string{ortiz}},
		{"lakeside-cardiology", "ORT", []string{ortiz}},
		{"lakeside-cardiology", "maria ortiz", []string{ortiz}},
		{"lakeside-cardiology", "ortiz, mar", []string{ortiz}},
		{"lakeside-cardiology", "ortis", []string{ortiz}},          // another letter
		{"lakeside-cardiology", "otriz", []string{ortiz}},          // two exchanged
		{"lakeside-cardiology", "ortizz", []string{ortiz}},         // one too many
		{"lakeside-cardiology", "oriz", []string{ortiz}},           // one too few
		{"lakeside-cardiology", "prtiz", []string{ortiz}},          // the first one
		{"lakeside-cardiology", "cardiolgi", []string{lee, ortiz}}, // a beginning with a mistake; in the order of the list
		{"lakeside-cardiology", "ortiss x", nil},
		{"lakeside-cardiology", "rotis", nil},                // two mistakes
		{"lakeside-cardiology", "lee", []string{lee, leela}}, // the whole word first
		{"lakeside-cardiology", "office", []string{leela}},
		{"lakeside-cardiology", "cardiologist night", []string{lee}},
		{"lakeside-cardiology", "0112", []string{lee}},
		{"lakeside-cardiology", "608-555-0110", []string{ortiz}},
		{"lakeside-cardiology", "+1 (608) 555 0110", []string{ortiz}},
		{"lakeside-cardiology", "001 608 555 0110", []string{ortiz}},
		{"lakeside-cardiology", "иванво", []string{"Сергей Иванов"}},
		{"lakeside-cardiology", "kovacs", nil}, // another account's
		{"lakeside-cardiology", "abbott", nil}, // for supervisors
		{"lakeside-cardiology", "!?", []string{leela, lee, ortiz, "Сергей Иванов"}},
		{"kovacs-fogaszat", "kovacs", []string{anna}},
		{"kovacs-fogaszat", "SZABÓ", []string{peter}},
		{"kovacs-fogaszat", "peter szabo", []string{peter}},
		{"kovacs-fogaszat", "06 20 555 0212", []string{peter}},
		{"kovacs-fogaszat", "", []string{anna, peter}},
		{"nobody-yet", "a", nil},
	} {
		got, err := d.Search(c, directory.Query{Account: tenants.AccountID(want.account), Text: want.text, Role: tenants.RoleOperator})
		if err != nil || !slices.Equal(names(got), want.names) || !got.CompiledAt.Equal(c.CompiledAt) {
			t.Errorf("%s %q: %q, want %q (%v)", want.account, want.text, names(got), want.names, err)
		}
	}
}

func TestOtherAccountsAreSearchedOnPurposeOnly(t *testing.T) {
	t.Parallel()
	var d directory.Directory
	c := harbor()
	wide := directory.Query{Account: "lakeside-cardiology", Wide: true, Text: "dr", Role: tenants.RoleSupervisor}
	got, err := d.Search(c, wide)
	if err != nil || len(got.People) != 4 {
		t.Errorf("%q %v", names(got), err)
	}
	wide.Limit, wide.Offset = 2, 1
	part, err := d.Search(c, wide)
	if err != nil || !slices.Equal(names(part), names(got)[1:3]) || !part.More {
		t.Errorf("%q of %q, more %v: %v", names(part), names(got), part.More, err)
	}
	wide.Offset = 99
	if part, err = d.Search(c, wide); err != nil || len(part.People) != 0 || part.More {
		t.Errorf("%q %v", names(part), err)
	}
	for _, account := range []tenants.AccountID{"", "red-rock-dental"} {
		for _, wide := range []bool{true, false} {
			if _, err := d.Search(c, directory.Query{Account: account, Wide: wide}); !errors.Is(err, directory.ErrNoAccount) {
				t.Errorf("%q: %v", account, err)
			}
		}
	}
	if got, _ := d.Search(c, directory.Query{Account: "lakeside-cardiology", Text: "abbott", Role: tenants.RoleSupervisor}); len(got.People) != 1 {
		t.Errorf("a supervisor finds %q", names(got))
	}
}

func TestANewCopyIsSearchedAtOnceAndTenantsApart(t *testing.T) {
	t.Parallel()
	var d directory.Directory
	before, after, mesa := harbor(), harbor(), harbor()
	mesa.Tenant, mesa.People = "mesa", nil
	for i := range after.People {
		after.People[i].Name = strings.ReplaceAll(after.People[i].Name, "Ortiz", "Vega")
	}
	q := directory.Query{Account: "lakeside-cardiology", Text: "vega"}
	for _, c := range []struct {
		copy *routing.Copy
		want int
	}{{before, 0}, {after, 1}, {mesa, 0}, {after, 1}, {before, 0}} {
		if got, err := d.Search(c.copy, q); err != nil || len(got.People) != c.want {
			t.Errorf("%q, want %d: %v", names(got), c.want, err)
		}
	}
}

func TestManyMaySearchAtOnce(t *testing.T) {
	t.Parallel()
	var d directory.Directory
	copies := []*routing.Copy{harbor(), harbor()}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for range 50 {
				got, err := d.Search(copies[i%2], directory.Query{Account: "lakeside-cardiology", Wide: i%3 == 0, Text: "ortiz"})
				if err != nil || len(got.People) != 1 {
					t.Errorf("%q %v", names(got), err)
				}
			}
		})
	}
	wait.Wait()
}

func FuzzSearch(f *testing.F) {
	var d directory.Directory
	c := harbor()
	f.Add("Ortiz, mária 608-555")
	f.Add("\xff\u0301 0")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := d.Search(c, directory.Query{Account: "lakeside-cardiology", Wide: true, Text: text})
		if err != nil || len(got.People) > 7 {
			t.Errorf("%v", err)
		}
	})
}

// large is 100,000 listings: in one account, or over 2,000.
func large(accounts int) *routing.Copy {
	r := rand.New(rand.NewPCG(1, 2))
	syllables := strings.Fields("ka ko va ri son man berg ler mann dez nagy tóth sza bó ler er ing ton ez os el mar pe ter jan ev in ol iv st an dor gá bor zsu")
	made := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(syllables[r.IntN(len(syllables))])
		}
		return strings.ToUpper(b.String()[:1]) + b.String()[1:]
	}
	roles := strings.Fields("Cardiologist Nurse Surgeon Plumber Technician Manager Receptionist Dentist Advocate Owner")
	var family, given []string
	for range 20_000 {
		family = append(family, made(2+r.IntN(2)))
	}
	for range 3_000 {
		given = append(given, made(2))
	}
	c := &routing.Copy{Tenant: "large"}
	for i := range accounts {
		c.Accounts = append(c.Accounts, routing.Account{ID: tenants.AccountID(fmt.Sprintf("account-%05d", i)), Languages: []string{"en"}})
	}
	for i := range 100_000 {
		p := listing(i, c.Accounts[i%accounts].ID, given[r.IntN(len(given))]+" "+family[r.IntN(len(family))], roles[r.IntN(len(roles))],
			fmt.Sprintf("Ward %d", r.IntN(40)), fmt.Sprintf("+1608555%04d", i%10_000))
		c.People = append(c.People, p)
	}
	c.Sort()
	return c
}

// BenchmarkSearch reports the 95th percentile of searches as an operator types them, over 100,000 listings.
func BenchmarkSearch(b *testing.B) {
	for _, accounts := range []int{1, 2000} {
		c := large(accounts)
		var d directory.Directory
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			begun := time.Now()
			d.Prepare(c)
			prepared := time.Since(begun)
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				p := &c.People[i*7919%len(c.People)]
				text := []string{p.Name, p.Name[:len(p.Name)-2], p.Name[:1], p.Role + " " + p.Name[:3], "x" + p.Name[1:], p.Methods[0].Value[5:], "nurse ward", ""}[i%8]
				start := time.Now()
				got, err := d.Search(c, directory.Query{Account: p.Account, Wide: true, Text: text})
				took = append(took, time.Since(start))
				if err != nil || i%8 < 2 && len(got.People) == 0 {
					b.Fatalf("%q: %v", text, err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95_ms")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max_ms")
			b.ReportMetric(float64(prepared.Milliseconds()), "prepare_ms")
		})
	}
}
