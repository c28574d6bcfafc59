package sheet_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/people/sheet"
)

const account tenants.AccountID = "kovacs-fogaszat"

var (
	anna  = people.Person{ID: "0192f0c4-0000-7000-8000-0000000000a1", Account: account, Kind: people.Human, Name: "Dr. Kovács Anna", Role: "fogorvos", Visibility: people.Everybody, Methods: []people.ContactMethod{{Kind: people.Mobile, Value: "+36301234567", Label: "saját", Verified: true}}}
	peter = people.Person{ID: "0192f0c4-0000-7000-8000-0000000000a2", Account: account, Kind: people.Human, Name: "Dr. Szabó Péter", Visibility: people.Everybody}
)

func read(t *testing.T, file string) *sheet.Sheet {
	t.Helper()
	s, err := sheet.Read(strings.NewReader(file), "HU")
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	return s
}

func encoded(t *testing.T, text string, e interface{ Bytes([]byte) ([]byte, error) }) string {
	t.Helper()
	out, err := e.Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// What offices really save: one table, many ways.
func TestOneTableIsReadAlikeHoweverItWasSaved(t *testing.T) {
	t.Parallel()
	semicolons := "Név;Beosztás;Mobil;E-mail;Nyelvek;Megjegyzés\r\nŐri Ödön;\"fő;orvos\";06 30 123 4567;odon@kovacs.example;magyar, angol;\"első\r\nmásodik\"\r\n"
	commas := strings.NewReplacer(";\"fő;orvos\"", ",\"fő;orvos\"", "magyar, angol", "\"magyar, angol\"", ";", ",").Replace(strings.ReplaceAll(semicolons, "fő;orvos", "fő§orvos"))
	commas = strings.ReplaceAll(commas, "fő§orvos", "fő;orvos")
	tabs := "Name\tRole\tMobile Phone\tE-Mail\tLanguages\tNotes\nŐri Ödön\tfő;orvos\t+36 30 123 4567\todon@kovacs.example\thu en\t\"első\nmásodik\"\n"
	for name, file := range map[string]string{
		"semicolons": semicolons, "commas": commas, "tabs": tabs, "UTF-8 with a mark": "\ufeff" + semicolons, "sep": "sep=;\r\n" + semicolons,
		"no last line end":   strings.TrimRight(semicolons, "\r\n"),
		"blank lines":        strings.Replace(semicolons, "\r\nŐri", "\r\n;;;;;\r\n\r\nŐri", 1),
		"UTF-16 little":      encoded(t, semicolons, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()),
		"UTF-16 big":         encoded(t, semicolons, unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()),
		"Windows-1250":       encoded(t, semicolons, charmap.Windows1250.NewEncoder()),
		"old Mac's line end": strings.ReplaceAll(semicolons, "\r\n", "\r"),
	} {
		s := read(t, file)
		lines, problems := s.Compare(account, []people.Person{anna})
		if len(problems) != 0 || len(lines) != 1 || lines[0].What != sheet.Added {
			t.Errorf("%s: %v %v (%q)", name, lines, problems, file)
			continue
		}
		p := lines[0].Person
		if p.Name != "Őri Ödön" || p.Role != "fő;orvos" || len(p.Methods) != 2 || p.Methods[0].Kind != people.Mobile || p.Methods[0].Value != "+36301234567" {
			t.Errorf("%s: %+v", name, p)
		}
		if p.Methods[1].Value != "odon@kovacs.example" || fmt.Sprint(p.Languages) != "[hu en]" || p.Note != "első\nmásodik" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestEveryMistakeIsToldByLineAndColumn(t *testing.T) {
	t.Parallel()
	s := read(t, strings.Join([]string{
		"id,name,kind,mobile,visibility,Favourite colour,languages,contact 1",
		",Fine One,person,06301234567,,red,hu,",
		",,person,,,,,",                                    // 3: no name
		",Rounded,person,3.63E+10,,,,",                     // 4
		",Wrong,person,12,,,,",                             // 5
		",Kind,animal,,,,,",                                // 6
		",Seen,person,,me only,,,",                         // 7
		",Fine One,person,,,,,",                            // 8: twice
		"0192f0c4-0000-7000-8000-0000000000ff,Ghost,,,,,,", // 9: unknown id
		",Evil\u202eName,,,,,,",                            // 10: hidden characters
		",Tongue,,,,,klingon?,",                            // 11
		",Contact,,,,,,carrier pigeon 7",                   // 12
		",Mail,,,,,,email nobody",                          // 13
		",Too,many,,,,,,cells,here",                        // 14
		`,"Two` + "\n" + `lines",,,,,,`,                    // 15, 16
	}, "\n"))
	lines, problems := s.Compare(account, nil)
	want := []string{
		"3 name name", "4 mobile rounded", "5 mobile number", "6 kind kind", "7 visibility visibility", "8 name twice", "9 id unknown_id", "10 name name",
		"11 languages languages", "12 contact 1 contact", "13 contact 1 contact", "14  cells", "14 kind kind", "15 name name",
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s %s", p.Line, p.Column, p.Code))
	}
	if fmt.Sprint(s.Ignored) != "[Favourite colour]" || len(lines) != 1 || lines[0].Line != 2 {
		t.Errorf("%v %+v", s.Ignored, lines)
	}
	have := strings.Join(got, "\n")
	for _, w := range want {
		if !strings.Contains(have, w) {
			t.Errorf("%q is not told; told:\n%s", w, have)
		}
	}
	for file, code := range map[string]string{
		"": "empty", "\ufeff\n\n": "empty", "Telefon;Mobil\n1;2\n": "header", "name,name\n": "column_twice", "name\n\"open": "quote", "name|mobile\na|b": "header",
	} {
		_, err := sheet.Read(strings.NewReader(file), "HU")
		var p *sheet.Problem
		if !errors.As(err, &p) || p.Code != code {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := sheet.Read(strings.NewReader("name\n"+strings.Repeat("a\n", sheet.MostLines+1)), "HU"); !errors.Is(err, sheet.ErrTooLarge) {
		t.Errorf("too many lines: %v", err)
	}
	if _, err := sheet.Read(strings.NewReader(strings.Repeat("a", sheet.MostBytes+1)), "HU"); !errors.Is(err, sheet.ErrTooLarge) {
		t.Errorf("too many bytes: %v", err)
	}
}

func TestARowIsTheListingThatItNames(t *testing.T) {
	t.Parallel()
	s := read(t, "name,mobile\nkovacs anna dr,06 30 123 4567\nDr. Szabó Péter,06 30 765 4321\nSomebody New,\n")
	lines, problems := s.Compare(account, []people.Person{anna, peter})
	if len(problems) != 0 || len(lines) != 3 {
		t.Fatalf("%v %v", lines, problems)
	}
	// Another order of the words is another name; the file has no column for the role, which stays.
	if lines[0].What != sheet.Added || lines[1].What != sheet.Changed || lines[1].Person.ID != peter.ID || lines[2].What != sheet.Added {
		t.Errorf("%+v", lines)
	}
	s = read(t, "name,mobile\nDR. KOVACS ANNA,06 30 123 4567\n")
	lines, _ = s.Compare(account, []people.Person{anna, peter})
	if lines[0].What != sheet.Changed || lines[0].Person.Name != "DR. KOVACS ANNA" || lines[0].Person.Role != "fogorvos" || !lines[0].Person.Methods[0].Verified || lines[0].Person.Methods[0].Label != "saját" {
		t.Errorf("%+v", lines[0])
	}
	twin := peter
	twin.ID = "0192f0c4-0000-7000-8000-0000000000a3"
	_, problems = read(t, "name\nDr. Szabó Péter\n").Compare(account, []people.Person{peter, twin})
	if len(problems) != 1 || problems[0].Code != "ambiguous" {
		t.Errorf("%v", problems)
	}
}

func odd() []people.Person {
	return []people.Person{anna, peter, {
		ID: "0192f0c4-0000-7000-8000-0000000000a4", Account: account, Kind: people.Department, Name: "=HYPERLINK(1)", Role: "@sum", Department: "-3+4", Note: "+cmd\n|' /C calc'!A0",
		Visibility: people.Supervisors, Languages: []string{"hu", "de-AT"},
		Methods: []people.ContactMethod{
			{Kind: people.Phone, Value: "+3615550201", Label: "08:00-09:00", Hours: []people.Hours{{From: 480, To: 1020, Days: people.On(time.Monday, time.Sunday)}, {From: 0, To: 0}}},
			{Kind: people.Email, Value: "a@b.example", Label: "100% | mine"},
			{Kind: people.Pager, Value: "555-PAGE", Label: "verified", Verified: true},
			{Kind: people.Fax, Value: "+3615550202", Label: "%7C"},
		},
	}, {ID: "0192f0c4-0000-7000-8000-0000000000a5", Account: account, Kind: people.Line, Name: "'quoted'", Visibility: people.Everybody}}
}

func TestWhatIsWrittenIsReadBackAndIsNoFormula(t *testing.T) {
	t.Parallel()
	all := odd()
	var file bytes.Buffer
	if err := sheet.Write(&file, all); err != nil {
		t.Fatal(err)
	}
	cells, err := csv.NewReader(bytes.NewReader(file.Bytes()[3:])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range cells {
		for _, c := range row {
			if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
				t.Errorf("a spreadsheet would compute %q", c)
			}
		}
	}
	lines, problems := read(t, file.String()).Compare(account, all)
	if len(problems) != 0 || len(lines) != len(all) {
		t.Fatalf("%v %v", lines, problems)
	}
	for _, l := range lines {
		if l.What != sheet.Unchanged {
			t.Errorf("came back otherwise: %+v, was %+v", l.Person, *l.Was)
		}
	}
}

// FuzzRead tries files of strangers. Whatever is accepted can be written and is then the same.
func FuzzRead(f *testing.F) {
	var file bytes.Buffer
	_ = sheet.Write(&file, odd())
	for _, s := range []string{
		file.String(), "name;mobil\nA;06301234567\n", "\xff\xfen\x00a\x00m\x00e\x00\n\x00A\x00", "sep=;\nname\n'=1", "name,contact\nA,mobile 06301234567 | x | mon 08:00-09:00 | verified",
		"name\n\xf5\xfb", "n\u00e9v\tnyelv\r\nB\tmagyar/angol", "name,note\n\"a\rb\",\"c\r\nd\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := sheet.Read(bytes.NewReader(raw), "HU")
		if err != nil {
			return
		}
		lines, _ := s.Compare(account, odd())
		var all []people.Person
		for i, l := range lines {
			if l.Person.ID == "" {
				l.Person.ID = tenants.PersonID(fmt.Sprintf("0192f0c4-0000-7000-9000-%012d", i))
			}
			if err := l.Person.Check(); err != nil {
				t.Fatalf("accepted and wrong: %v: %+v", err, l.Person)
			}
			all = append(all, l.Person)
		}
		var out bytes.Buffer
		if err := sheet.Write(&out, all); err != nil {
			t.Fatal(err)
		}
		again, err := sheet.Read(bytes.NewReader(out.Bytes()), "HU")
		if err != nil {
			t.Fatalf("%v: %q", err, out.String())
		}
		back, problems := again.Compare(account, all)
		if len(problems) > 0 {
			t.Fatalf("%v: %q", problems[0], out.String())
		}
		for _, l := range back {
			if l.What != sheet.Unchanged {
				t.Fatalf("came back otherwise: %+v, was %+v in %q", l.Person, *l.Was, out.String())
			}
		}
	})
}
