package roster_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// daily is two people who hand over at 08:00 and 20:00 in Chicago.
func daily() roster.Schedule {
	return roster.Schedule{
		ID: "0190b5a0-0000-7000-8000-00000000aaaa", Account: "lakeside-cardiology", Name: "On call", Zone: "America/Chicago", CatchAll: id(0),
		Layers: []roster.Layer{{
			ID: "days-and-nights", Rotation: roster.Custom, Every: 12, Unit: roster.Hours, Handover: 8 * 60, From: roster.On(2024, 1, 1),
			Participants: [][]tenants.PersonID{{id(1)}, {id(2)}},
		}},
	}
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAHandoverFollowsTheWallClockOverTheYear(t *testing.T) {
	t.Parallel()
	s := daily()
	for _, c := range []struct {
		at    string
		now   tenants.PersonID
		until string
	}{
		{"2026-01-15T07:59:59-06:00", id(2), "2026-01-15T08:00:00-06:00"},
		{"2026-01-15T08:00:00-06:00", id(1), "2026-01-15T20:00:00-06:00"},
		{"2026-07-15T19:48:00-05:00", id(1), "2026-07-15T20:00:00-05:00"},
		{"2026-03-08T01:59:00-06:00", id(2), "2026-03-08T08:00:00-05:00"}, // 11 hours
		{"2026-11-01T01:30:00-06:00", id(2), "2026-11-01T08:00:00-06:00"}, // 13 hours
	} {
		a := roster.OnCall(&s, at(t, c.at))
		until := at(t, c.until)
		if got := who(a); len(got) != 1 || got[0] != c.now || !a.Now[0].Until.Equal(until) || !a.Until.Equal(until) || a.Next == nil || !a.Next.From.Equal(until) {
			t.Errorf("%s: %+v", c.at, a)
		}
		if a.Until.Format(time.RFC3339) != c.until {
			t.Errorf("%s: until is shown as %s", c.at, a.Until.Format(time.RFC3339))
		}
	}
}

func TestSkippedAndRepeatedTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, zone, handover, date, want string }{
		{"skipped: at the jump", "America/Chicago", "02:30", "2024-03-10", "2024-03-10T08:00:00Z"},
		{"the end of the skipped hour is the jump too", "America/Chicago", "03:00", "2024-03-10", "2024-03-10T08:00:00Z"},
		{"shown twice: the first", "America/Chicago", "01:30", "2024-11-03", "2024-11-03T06:30:00Z"},
		{"the end of the repeated hour comes once", "America/Chicago", "02:00", "2024-11-03", "2024-11-03T08:00:00Z"},
		{"half an hour is skipped", "Australia/Lord_Howe", "02:15", "2024-10-06", "2024-10-05T15:30:00Z"},
		{"half an hour is repeated", "Australia/Lord_Howe", "01:45", "2025-04-06", "2025-04-05T14:45:00Z"},
		{"two hours are skipped", "Antarctica/Troll", "01:30", "2025-03-30", "2025-03-30T01:00:00Z"},
		{"midnight is skipped", "Africa/Cairo", "00:30", "2024-04-26", "2024-04-25T22:00:00Z"},
		{"midnight is shown twice", "America/Havana", "00:30", "2025-11-02", "2025-11-02T04:30:00Z"},
		{"a day was skipped", "Pacific/Apia", "12:00", "2011-12-30", "2011-12-30T10:00:00Z"},
	} {
		s := daily()
		s.Zone = c.zone
		l := &s.Layers[0]
		clock, err := people.ParseClock(c.handover)
		if err != nil {
			t.Fatal(err)
		}
		l.Rotation, l.Handover, l.From = roster.Daily, clock, roster.On(2011, 1, 1)
		var day roster.Date
		if err := day.UnmarshalText([]byte(c.date)); err != nil {
			t.Fatal(err)
		}
		want := at(t, c.want)
		got := roster.Handovers(&s, want.Add(-time.Hour), want.Add(time.Hour))
		if len(got) == 0 || !got[0].At.Equal(want) {
			t.Errorf("%s: %s %s %s: %v, want %s", c.why, c.zone, c.date, c.handover, got, want)
		}
	}
}

func TestLayersStandInForEachOtherAndRanksAreCalledInTurn(t *testing.T) {
	t.Parallel()
	s := daily()
	s.Layers = []roster.Layer{
		{ID: "weekend", Rotation: roster.Weekly, Weekday: time.Saturday, From: roster.On(2026, 1, 3), Participants: [][]tenants.PersonID{{id(3), id(4)}}, Windows: []people.Hours{{Days: people.On(time.Saturday, time.Sunday)}}},
		{ID: "backup", Rank: 1, Rotation: roster.Daily, From: roster.On(2026, 1, 1), Participants: [][]tenants.PersonID{{id(5)}}, Windows: []people.Hours{{From: 22 * 60, To: 6 * 60}}},
		{ID: "week", Rotation: roster.Daily, Handover: 8 * 60, From: roster.On(2026, 1, 1), To: roster.On(2026, 6, 1), Participants: [][]tenants.PersonID{{id(1)}, {id(2)}}},
	}
	for _, c := range []struct {
		at   string
		want []tenants.PersonID
		why  roster.Why
	}{
		{"2026-01-10T12:00:00-06:00", []tenants.PersonID{id(3), id(4)}, roster.ByLayer},        // Saturday
		{"2026-01-10T23:00:00-06:00", []tenants.PersonID{id(3), id(4), id(5)}, roster.ByLayer}, // and the backup
		{"2026-01-12T12:00:00-06:00", []tenants.PersonID{id(2)}, roster.ByLayer},               // Monday
		{"2026-06-01T07:59:00-05:00", []tenants.PersonID{id(1)}, roster.ByLayer},
		{"2026-06-01T08:00:00-05:00", []tenants.PersonID{id(0)}, roster.ByCatchAll}, // the layer is over
		{"2026-06-01T23:00:00-05:00", []tenants.PersonID{id(5)}, roster.ByLayer},    // the backup alone is no gap
	} {
		a := roster.OnCall(&s, at(t, c.at))
		if !slices.Equal(who(a), c.want) || a.Now[0].Why != c.why || a.Now[len(a.Now)-1].Order != len(c.want) {
			t.Errorf("%s: %+v", c.at, a.Now)
		}
	}
	gaps := 0
	for _, seg := range roster.Timeline(&s, at(t, "2026-06-01T00:00:00-05:00"), at(t, "2026-06-08T00:00:00-05:00")) {
		if seg.Gap() {
			gaps++
		}
	}
	if gaps != 5 { // Monday to Friday, between 06:00 (or 08:00) and 22:00
		t.Errorf("%d gaps", gaps)
	}
}

func TestOverridesReplaceALayerAPersonOrAll(t *testing.T) {
	t.Parallel()
	noon := at(t, "2026-05-04T12:00:00-05:00") // id(1) until 20:00
	over := func(what roster.What, replaced string, person int) roster.Override {
		return roster.Override{ID: string(what), From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Replaces: what, Replaced: replaced, Person: id(person)}
	}
	for _, c := range []struct {
		why  string
		over []roster.Override
		want tenants.PersonID
	}{
		{"everybody", []roster.Override{over(roster.All, "", 7)}, id(7)},
		{"the layer", []roster.Override{over(roster.OfOne, "days-and-nights", 7)}, id(7)},
		{"the person", []roster.Override{over(roster.Person, string(id(1)), 7)}, id(7)},
		{"somebody else", []roster.Override{over(roster.Person, string(id(2)), 7)}, id(1)},
		{"the later one sees the earlier", []roster.Override{over(roster.Person, string(id(1)), 7), over(roster.Person, string(id(7)), 8)}, id(8)},
		{"everybody, after the layer", []roster.Override{over(roster.OfOne, "days-and-nights", 7), over(roster.All, "", 8)}, id(8)},
	} {
		s := daily()
		s.Overrides = c.over
		if err := s.Check(nil); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		if got := who(roster.OnCall(&s, noon)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %v", c.why, got)
		}
	}
	s := daily()
	s.Overrides = []roster.Override{over(roster.All, "", 7)}
	a := roster.OnCall(&s, noon.Add(-2*time.Hour))
	if !a.Until.Equal(noon.Add(-time.Hour)) || a.Next.Person != id(7) || !a.Next.Until.Equal(noon.Add(time.Hour)) || a.Next.Why != roster.ByOverride {
		t.Errorf("%+v %+v", a, a.Next)
	}
}

func TestWhoeverIsOnCallForEverHasNoEnd(t *testing.T) {
	t.Parallel()
	s := daily()
	s.Layers = nil
	if a := roster.OnCall(&s, time.Unix(1, 0)); len(a.Now) != 1 || a.Now[0].Person != id(0) || a.Now[0].Why != roster.ByCatchAll || !a.Until.IsZero() || a.Next != nil {
		t.Errorf("%+v", a)
	}
	s = daily()
	s.Layers[0].Participants = [][]tenants.PersonID{{id(1)}, {id(1)}}
	if a := roster.OnCall(&s, at(t, "2026-05-04T12:00:00Z")); !a.Until.IsZero() || !a.Now[0].Until.IsZero() || a.Next != nil {
		t.Errorf("%+v", a)
	}
	for _, zone := range []string{"", "Local", "Mars/Olympus", "../etc/passwd"} {
		s = daily()
		s.Zone = zone
		if a := roster.OnCall(&s, time.Unix(1, 0)); who(a)[0] != id(0) || s.Check(nil) == nil {
			t.Errorf("zone %q: %+v", zone, a)
		}
	}
}

func TestASchedulesProblemsAreNamed(t *testing.T) {
	t.Parallel()
	s := daily()
	if err := s.Check(func(p tenants.PersonID) bool { return p != id(2) }); err == nil || err.Error() != "layers[0].participants[1][0]: is nobody of this account who can be on call" {
		t.Errorf("%v", err)
	}
	s.CatchAll, s.Layers[0].Every, s.Layers[0].From, s.Layers[0].Windows = "", 0, 0, []people.Hours{{From: -1}}
	s.Overrides = []roster.Override{{From: time.Unix(5, 3), To: time.Unix(5, 0), Replaces: roster.OfOne, Replaced: "gone", Person: "x"}}
	err := s.Check(nil)
	for _, field := range []string{"catch_all", "layers[0].every", "layers[0].from", "layers[0].windows[0]", "overrides[0].to", "overrides[0].replaced", "overrides[0].person"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	var p *people.Problem
	if !errors.As(err, &p) || p.Field != "catch_all" {
		t.Errorf("%+v", p)
	}
	for code, spoil := range map[string]func(*roster.Schedule){
		"not_a_zone":      func(s *roster.Schedule) { s.Zone = "Mars/Olympus" },
		"too_many_layers": func(s *roster.Schedule) { s.Layers = make([]roster.Layer, 21) },
		"too_many":        func(s *roster.Schedule) { s.Overrides = make([]roster.Override, 1001) },
	} {
		wrong := roster.Schedule{ID: s.ID, Account: s.Account, Name: s.Name, Zone: s.Zone, CatchAll: id(1)}
		spoil(&wrong)
		if err := wrong.Check(nil); !errors.As(err, &p) || p.Code != code {
			t.Errorf("%s: %+v", code, p)
		}
	}
}

func TestAScheduleIsTheSameAfterJSON(t *testing.T) {
	t.Parallel()
	s := daily()
	s.Layers[0].Windows = []people.Hours{{Days: people.On(time.Monday, time.Sunday), From: 8 * 60, To: 24 * 60}}
	s.Overrides = []roster.Override{{ID: "o", From: time.Unix(5, 0).UTC(), To: time.Unix(9, 0).UTC(), Replaces: roster.All, Person: id(3)}}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got roster.Schedule
	if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v: %s", err, raw)
	}
	for _, want := range []string{`"days":"mon,sun"`, `"from":"2024-01-01"`, `"handover":"08:00"`, `"to":"24:00"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
	for _, bad := range []string{`{"layers":[{"handover":"25:00"}]}`, `{"layers":[{"from":"2024-02-30"}]}`, `{"layers":[{"windows":[{"days":"tomorrow"}]}]}`} {
		if json.Unmarshal([]byte(bad), &got) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestAnswersHoldTogether(t *testing.T) {
	t.Parallel()
	names := zoneNames(t)
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		zone := rapid.SampledFrom(names).Draw(t, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		m := time.Unix(rapid.Int64Range(1704067200, 1924991999).Draw(t, "moment"), 0).In(loc)
		s := schedule(zone, m.Truncate(time.Minute), pick)
		probe := m.Add(time.Duration(rapid.IntRange(-86400, 86400).Draw(t, "seconds")) * time.Second)
		a := roster.OnCall(&s, probe)
		if len(a.Now) == 0 || a.Now[0].Person == "" {
			t.Fatalf("nobody: %+v", a)
		}
		for i, shift := range a.Now {
			on := func(u time.Time) bool { return slices.Contains(who(roster.OnCall(&s, u)), shift.Person) }
			if shift.Order != i+1 || !shift.Until.IsZero() && (on(shift.Until) || !on(shift.Until.Add(-time.Second))) {
				t.Fatalf("%+v does not end then", shift)
			}
			if !shift.From.IsZero() && (!on(shift.From) || on(shift.From.Add(-time.Second)) || shift.From.After(probe)) {
				t.Fatalf("%+v does not begin then", shift)
			}
		}
		if (a.Next == nil) != a.Until.IsZero() {
			t.Fatalf("next and until differ: %+v", a)
		}
		if a.Next != nil {
			before, after := roster.OnCall(&s, a.Until.Add(-time.Second)), roster.OnCall(&s, a.Until)
			if !a.Next.From.Equal(a.Until) || !slices.Equal(who(before), who(a)) || slices.Equal(who(after), who(a)) || !slices.Contains(who(after), a.Next.Person) {
				t.Fatalf("%+v, before %v, after %v", a, who(before), who(after))
			}
			if handed := roster.Handovers(&s, probe.Add(time.Second), a.Until.Add(time.Second)); len(handed) != 1 || !handed[0].At.Equal(a.Until) {
				t.Fatalf("handovers %v, the answer changes at %s", handed, a.Until)
			}
		}
		line := roster.Timeline(&s, probe.Add(-36*time.Hour), probe.Add(36*time.Hour))
		for i, seg := range line {
			if !seg.To.After(seg.From) || i > 0 && !line[i-1].To.Equal(seg.From) {
				t.Fatalf("a hole before %+v", seg)
			}
			for _, u := range []time.Time{seg.From, seg.To.Add(-time.Second)} {
				if now := roster.OnCall(&s, u); !slices.Equal(who(now), persons(seg.On)) || now.Now[0].Entry != seg.On[0] {
					t.Fatalf("%s: timeline %+v, answer %+v", u, seg.On, now.Now)
				}
			}
		}
	})
}

func FuzzOnCall(f *testing.F) {
	raw, err := json.Marshal(daily())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, int64(1767225600))
	f.Add([]byte(`{"zone":"UTC","layers":[{"rotation":"custom","every":-1,"from":"2024-01-01","participants":[[]],"weekday":9}]}`), int64(0))
	f.Fuzz(func(t *testing.T, raw []byte, u int64) {
		var s roster.Schedule
		if json.Unmarshal(raw, &s) != nil || u < -1e11 || u > 1e12 {
			return
		}
		if a := roster.OnCall(&s, time.Unix(u, 0)); len(a.Now) == 0 {
			t.Errorf("nobody: %+v", a)
		}
		_ = s.Check(nil)
	})
}

func BenchmarkOnCall(b *testing.B) {
	s := daily()
	t := time.Date(2026, 7, 15, 19, 48, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		roster.OnCall(&s, t)
	}
}

func BenchmarkTimeline14Days(b *testing.B) {
	s := daily()
	t := time.Date(2026, 7, 15, 19, 48, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		roster.Timeline(&s, t, t.AddDate(0, 0, 14))
	}
}
