package oncall_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// odd are schedules that use everything, in a zone, around a change of its clocks.
func odd(zone string, r *rand.Rand, around time.Time) *routing.Copy {
	c := harbor()
	who := []tenants.PersonID{ortiz, lee, brooks, "0190b5a0-0000-7000-8000-0000000000ff"} // the last one has left
	pick := func() []tenants.PersonID {
		first, other := r.IntN(len(who)), r.IntN(len(who))
		if first == other || r.IntN(3) > 0 {
			return []tenants.PersonID{who[first]}
		}
		return []tenants.PersonID{who[first], who[other]}
	}
	s := &c.Schedules[0]
	s.Zone, s.Layers = zone, nil
	for i := range 1 + r.IntN(3) {
		l := roster.Layer{
			ID: fmt.Sprint(i), Rank: r.IntN(2), Rotation: []roster.Rotation{roster.Daily, roster.Weekly, roster.Custom}[r.IntN(3)],
			Every: 1 + r.IntN(30), Unit: []roster.Unit{roster.Days, roster.Hours}[r.IntN(2)], Handover: people.Clock(r.IntN(1440)),
			From: roster.On(2026, time.Month(1+r.IntN(11)), 1+r.IntN(28)),
		}
		for range 1 + r.IntN(3) {
			l.Participants = append(l.Participants, pick())
		}
		if r.IntN(2) == 0 {
			l.Windows = []people.Hours{{From: people.Clock(r.IntN(1440)), To: people.Clock(r.IntN(1440)), Days: people.Days(r.IntN(128))}}
		}
		s.Layers = append(s.Layers, l)
	}
	for i := range r.IntN(4) {
		from := around.Add(time.Duration(r.IntN(14*24*3600)-7*24*3600) * time.Second)
		s.Overrides = append(s.Overrides, roster.Override{
			ID: fmt.Sprint(i), From: from, To: from.Add(time.Duration(1+r.IntN(100000)) * time.Second), Replaces: roster.All, Person: who[r.IntN(3)],
		})
	}
	return c
}

func names(on []oncall.Shift) []string {
	out := []string{}
	for _, s := range on {
		out = append(out, s.Person.Name)
	}
	return out
}

// The desk asks for a moment, the portal for days, a calendar for weeks: at every moment they name the same people.
func TestEverySurfaceNamesTheSamePeopleAtEveryMoment(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	for _, place := range []struct {
		zone   string
		around time.Time
	}{
		{"America/Chicago", time.Date(2026, 11, 1, 7, 0, 0, 0, time.UTC)},
		{"Europe/Budapest", time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC)},
		{"Australia/Lord_Howe", time.Date(2026, 10, 3, 15, 30, 0, 0, time.UTC)},
		{"Mars/Olympus", time.Date(2026, 10, 3, 15, 30, 0, 0, time.UTC)},
	} {
		for range 30 {
			c := odd(place.zone, r, place.around)
			s := &c.Schedules[0]
			plan := oncall.Plan(c, s, place.around.AddDate(0, 0, -6), place.around.AddDate(0, 0, 8))
			calendar := events(t, oncall.Calendar(c, s, place.around))
			for range 60 {
				at := place.around.Add(time.Duration(r.IntN(12*24*3600)-5*24*3600) * time.Second)
				all, err := oncall.At(c, "lakeside-cardiology", at)
				if err != nil {
					t.Fatal(err)
				}
				want := names(all[0].Now)
				i := slices.IndexFunc(plan, func(p oncall.Stretch) bool { return !at.Before(p.From) && at.Before(p.To) })
				var shown []string
				for _, e := range plan[i].On {
					shown = append(shown, oncall.NameOf(c, s.Account, e.Person))
				}
				if !slices.Equal(shown, want) || plan[i].Gap != (all[0].Now[0].Why == roster.ByCatchAll) {
					t.Fatalf("%s %v: the timeline says %v (gap %v), the desk %v", place.zone, at, shown, plan[i].Gap, all[0].Now)
				}
				var read []string
				for _, e := range calendar {
					if !at.Before(e.from) && at.Before(e.to) {
						read = append(read, e.name)
					}
				}
				slices.Sort(read)
				slices.Sort(want)
				if !slices.Equal(read, want) {
					t.Fatalf("%s %v: the calendar says %v, the desk %v", place.zone, at, read, want)
				}
			}
		}
	}
}

type entry struct {
	name     string
	from, to time.Time
}

// events reads a calendar as a calendar program does: unfolded, line by line.
func events(t *testing.T, text []byte) []entry {
	t.Helper()
	for line := range bytes.SplitSeq(text, []byte("\r\n")) {
		if len(line) > 75 || bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("a line of %d bytes: %q", len(line), line)
		}
	}
	var out []entry
	var e entry
	lines := bufio.NewScanner(strings.NewReader(strings.ReplaceAll(string(text), "\r\n ", "")))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "DTSTART":
			e.from, _ = time.Parse("20060102T150405Z", value)
		case "DTEND":
			e.to, _ = time.Parse("20060102T150405Z", value)
		case "SUMMARY":
			if _, rest, found := strings.Cut(value, ": "); found {
				value = rest
			}
			if len(value) > 3 && value[1:3] == ". " {
				value = value[3:]
			}
			e.name = value
		case "END":
			if value == "VEVENT" {
				out = append(out, e)
			}
		}
	}
	return out
}

func TestANameInjectsNothingIntoACalendar(t *testing.T) {
	t.Parallel()
	c := harbor()
	c.People[0].Name = "Dr. Ortiz\r\nEND:VEVENT\nATTACH:http://evil.example\u2028;,\\ é" + strings.Repeat("ő", 100)
	c.Sort()
	text := string(oncall.Calendar(c, &c.Schedules[0], time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)))
	unfolded := strings.ReplaceAll(text, "\r\n ", "")
	if strings.Contains(unfolded, "\r\nATTACH") || strings.Count(unfolded, "BEGIN:VEVENT") != strings.Count(unfolded, "END:VEVENT\r\n") ||
		!strings.Contains(unfolded, `SUMMARY:Dr. Ortiz\nEND:VEVENT\nATTACH:http://evil.example\n\;\,\\ é`+strings.Repeat("ő", 100)+"\r\n") {
		t.Errorf("%.600s", unfolded)
	}
	events(t, []byte(text))
	later := string(oncall.Calendar(c, &c.Schedules[0], time.Date(2026, 7, 15, 23, 0, 0, 0, time.UTC)))
	if later != text {
		t.Error("the same schedule gives another calendar an hour later: no program can tell what changed")
	}
}

func TestDaysHaveTheHoursThatTheClocksGiveThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone  string
		day   roster.Date
		hours float64
	}{
		{"America/Chicago", roster.On(2026, 11, 1), 25},
		{"Europe/Budapest", roster.On(2027, 3, 28), 23},
		{"Europe/Budapest", roster.On(2027, 3, 27), 24},
		{"America/Santiago", roster.On(2026, 9, 6), 23}, // midnight itself is skipped
	} {
		days := roster.DayStarts(c.zone, c.day, 1)
		if got := days[1].Sub(days[0]).Hours(); got != c.hours || roster.DateOf(c.zone, days[0]) != c.day {
			t.Errorf("%s %s: %v hours from %v", c.zone, c.day, got, days[0])
		}
	}
}

func TestWarningsNameWhatIsAhead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 15, 17, 0, 0, 0, time.UTC)
	c := harbor()
	s := &c.Schedules[0]
	s.Layers[0].Windows = []people.Hours{{Days: people.On(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday)}}
	s.Layers[0].Participants = [][]tenants.PersonID{{ortiz}, {"0190b5a0-0000-7000-8000-0000000000ff"}}
	s.Layers = append(s.Layers, roster.Layer{ID: "old", Name: "Summer", Rotation: roster.Daily, From: roster.On(2025, 1, 1), To: roster.On(2025, 9, 1), Participants: [][]tenants.PersonID{{lee}}})
	s.Overrides = []roster.Override{{ID: "o", From: now, To: now.Add(time.Hour), Replaces: roster.Person, Replaced: string(lee), Person: ortiz}}
	var codes []string
	for _, w := range oncall.Lint(c, s, now) {
		codes = append(codes, w.Code)
		if w.Code == oncall.Gap && (w.From.Weekday() != time.Saturday || w.Total != 4*24*time.Hour) {
			t.Errorf("%+v", w)
		}
	}
	if want := []string{oncall.Left, oncall.Unreachable, oncall.Gap, oncall.Expired, oncall.NoEffect}; !slices.Equal(codes, want) {
		t.Errorf("%v, want %v", codes, want)
	}
}

type alarms map[string]string

func (a alarms) Raise(_ tenants.TenantID, key, text string) { a[key] = text }
func (a alarms) Clear(_ tenants.TenantID, key string)       { delete(a, key) }

func TestAPersonRemovedWhileOnCallIsAnAlarmThatNamesWhoIsCalledInstead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 15, 17, 0, 0, 0, time.UTC) // Ortiz
	book, raised := &routing.Book{}, alarms{}
	book.Put(harbor())
	g := oncall.NewGuard(oncall.GuardConfig{Book: book, Alarms: raised, Now: func() time.Time { return now }})
	if g.Look(); len(raised) != 0 {
		t.Fatalf("%v", raised)
	}
	gone := harbor()
	gone.People = slices.DeleteFunc(gone.People, func(p people.Person) bool { return p.ID == ortiz })
	book.Put(gone)
	if g.Look(); !strings.Contains(raised["oncall_left:s"], "Helen Brooks is called instead") {
		t.Errorf("%v", raised)
	}
	all, _ := oncall.At(book.Copy("harbor"), "lakeside-cardiology", now)
	if len(all[0].Now) != 1 || all[0].Now[0].Person.ID != brooks {
		t.Errorf("%+v", all[0].Now)
	}
	book.Put(harbor())
	if g.Look(); len(raised) != 0 {
		t.Errorf("it does not end: %v", raised)
	}
}

func TestHoursAreToldInWords(t *testing.T) {
	t.Parallel()
	c := harbor()
	c.Accounts[0].Zone = "America/Chicago"
	for _, x := range []struct {
		hours      []people.Hours
		at, en, hu string
	}{
		{nil, "2026-07-15T12:00:00-05:00", "Hours are not said", "A nyitvatartás nincs megadva"},
		{[]people.Hours{{From: 480, To: 1020}}, "2026-07-15T12:00:00-05:00", "Open until 17:00", "Nyitva, zárás: 17:00"},
		{[]people.Hours{{Days: people.On(time.Monday), From: 480, To: 1020}}, "2026-07-15T12:00:00-05:00", "Closed, opens Monday 08:00", "Zárva, nyitás: hétfő 08:00"},
		{[]people.Hours{{}}, "2026-07-15T12:00:00-05:00", "Open around the clock", "Éjjel-nappal nyitva"},
		{[]people.Hours{{From: 480, To: 720}, {From: 720, To: 1020}}, "2026-07-15T11:00:00-05:00", "Open until 17:00", "Nyitva, zárás: 17:00"},
	} {
		at, _ := time.Parse(time.RFC3339, x.at)
		c.Accounts[0].Hours = x.hours
		f, err := oncall.InForceAt(c, "lakeside-cardiology", at)
		if err != nil || f.Hours.Sentence("en") != x.en || f.Hours.Sentence("hu-HU") != x.hu {
			t.Errorf("%q %q %v", f.Hours.Sentence("en"), f.Hours.Sentence("hu"), err)
		}
	}
}
