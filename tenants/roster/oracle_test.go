package roster_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/roster"
)

// oracle answers by living through the days: it looks at the wall once a minute, and whatever alarm the clock shows or has
// gone past rings, once. It is slow, and knows nothing of offsets, remainders or edges.
type oracle struct {
	schedule roster.Schedule
	loc      *time.Location
	shown    string // the latest reading so far, "2006-01-02 15:04"
	layers   []lived
}

type lived struct {
	*roster.Layer
	alarms []alarm // in order; those that rang are cut off
	begun  bool
	over   bool
	turn   int // of the participants
	open   int // windows that are open
}

type alarm struct {
	at   string // a reading
	ring func(*lived)
}

// newOracle starts to live some days before from.
func newOracle(s roster.Schedule, from, to time.Time) *oracle {
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		panic(err)
	}
	o := &oracle{schedule: s, loc: loc}
	for i := range s.Layers {
		o.layers = append(o.layers, live(&s.Layers[i], to))
	}
	for t := from.Add(-72 * time.Hour); t.Before(from); t = t.Add(time.Minute) {
		o.look(t)
	}
	return o
}

const reading = "2006-01-02 15:04"

// live sets the alarms of a layer from its first day (or the last weekday of its handover before) up to some days after to. The
// calendar is walked in UTC, where every day is the same; only its readings are used.
func live(l *roster.Layer, to time.Time) lived {
	v := lived{Layer: l}
	day := func(d roster.Date) time.Time {
		t, err := time.Parse(time.DateOnly, d.String())
		if err != nil {
			panic(err)
		}
		return t
	}
	handover := time.Duration(l.Handover) * time.Minute
	set := func(t time.Time, ring func(*lived)) { v.alarms = append(v.alarms, alarm{t.Format(reading), ring}) }
	end := to.AddDate(0, 0, 4)
	first := day(l.From).Add(handover)
	set(first, func(v *lived) { v.begun = true })
	if l.To != 0 {
		set(day(l.To).Add(handover), func(v *lived) { v.over = true })
	}
	turn := first
	if l.Rotation == roster.Weekly {
		for turn.Weekday() != l.Weekday {
			turn = turn.AddDate(0, 0, -1)
		}
	}
	for turn = after(l, turn); turn.Before(end); turn = after(l, turn) {
		set(turn, func(v *lived) { v.turn = (v.turn + 1) % len(v.Participants) })
	}
	for _, w := range l.Windows {
		for d := day(l.From).AddDate(0, 0, -2); d.Before(end); d = d.AddDate(0, 0, 1) {
			if !w.Days.Has(d.Weekday()) {
				continue
			}
			opens, closes := d.Add(time.Duration(w.From)*time.Minute), d.Add(time.Duration(w.To)*time.Minute)
			if w.To <= w.From {
				closes = closes.AddDate(0, 0, 1)
			}
			set(opens, func(v *lived) { v.open++ })
			set(closes, func(v *lived) { v.open-- })
		}
	}
	sort.SliceStable(v.alarms, func(i, j int) bool { return v.alarms[i].at < v.alarms[j].at })
	return v
}

func after(l *roster.Layer, t time.Time) time.Time {
	switch {
	case l.Rotation == roster.Daily:
		return t.AddDate(0, 0, 1)
	case l.Rotation == roster.Weekly:
		return t.AddDate(0, 0, 7)
	case l.Unit == roster.Days:
		return t.AddDate(0, 0, l.Every)
	default:
		return t.Add(time.Duration(l.Every) * time.Hour)
	}
}

// look at the wall, and ring.
func (o *oracle) look(t time.Time) {
	o.shown = max(o.shown, t.In(o.loc).Format(reading))
	for i := range o.layers {
		v := &o.layers[i]
		for len(v.alarms) > 0 && v.alarms[0].at <= o.shown {
			v.alarms[0].ring(v)
			v.alarms = v.alarms[1:]
		}
	}
}

// who is on call at t, the last moment that was looked at.
func (o *oracle) who(t time.Time) []tenants.PersonID {
	var out []tenants.PersonID
	type place struct {
		person tenants.PersonID
		layer  string
	}
	var places []place
	for rank := range 10 {
		for _, v := range o.layers {
			if v.Rank != rank || !v.begun || v.over || (len(v.Windows) > 0 && v.open == 0) {
				continue
			}
			for _, p := range v.Participants[v.turn] {
				places = append(places, place{p, v.ID})
			}
			break
		}
	}
	if len(places) == 0 {
		places = []place{{o.schedule.CatchAll, ""}}
	}
	for _, over := range o.schedule.Overrides {
		if t.Before(over.From) || !t.Before(over.To) {
			continue
		}
		if over.Replaces == roster.All {
			places = []place{{over.Person, ""}}
		}
		for i, p := range places {
			if over.Replaces == roster.OfOne && p.layer == over.Replaced || over.Replaces == roster.Person && string(p.person) == over.Replaced {
				places[i].person = over.Person
			}
		}
	}
	for _, p := range places {
		if !slices.Contains(out, p.person) {
			out = append(out, p.person)
		}
	}
	return out
}

// zoneNames are all of the tz database as Go has it.
func zoneNames(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(raw))
}

// transitions of a zone from 2024 to 2030.
func transitions(loc *time.Location) []time.Time {
	var all []time.Time
	end := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	for t := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); ; {
		_, next := t.In(loc).ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			return all
		}
		all = append(all, next)
		t = next
	}
}

// sampled zones are those whose clocks do something of their own; the long test takes all.
var sampled = []string{
	"America/Chicago", "Europe/Budapest", "America/Denver", "Europe/London", "Europe/Dublin", "Australia/Lord_Howe", "Antarctica/Troll",
	"Africa/Casablanca", "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Santiago", "America/Nuuk", "Asia/Gaza", "Pacific/Chatham", "UTC",
}

func TestEveryZoneAndTransitionAgreesWithTheOracle(t *testing.T) {
	t.Parallel()
	names := sampled
	long := os.Getenv("HOLDFAST_LONG") == "1"
	if long {
		names = zoneNames(t)
	}
	shared := map[string]bool{} // names of one zone are tested once
	probes := 0
	for _, name := range names {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		moments := transitions(loc)
		if len(moments) == 0 {
			moments = []time.Time{time.Date(2027, 3, 14, 2, 0, 0, 0, loc)}
		}
		var key strings.Builder
		for _, m := range moments {
			key.WriteString(m.Add(-time.Minute).In(loc).Format(time.RFC3339) + m.In(loc).Format(time.RFC3339))
		}
		if shared[key.String()] {
			continue
		}
		shared[key.String()] = true
		for i, m := range moments {
			if !long && i > 1 { // one forward, one back
				break
			}
			for _, s := range aroundTransition(name, m.In(loc), uint64(i)) {
				probes += compare(t, s, m)
			}
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d names, %d different clocks, %d minutes compared", len(names), len(shared), probes)
}

// compare lives through the day before and after a transition minute by minute.
func compare(t *testing.T, s roster.Schedule, m time.Time) (probes int) {
	t.Helper()
	if err := s.Check(nil); err != nil {
		t.Fatal(err)
	}
	from, to := m.Add(-26*time.Hour), m.Add(26*time.Hour)
	o := newOracle(s, from, to)
	segments := roster.Timeline(&s, from, to)
	var last []tenants.PersonID
	asked := roster.Answer{}
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		o.look(at)
		want := o.who(at)
		for !at.Before(segments[0].To) {
			segments = segments[1:]
		}
		if got := persons(segments[0].On); !slices.Equal(got, want) {
			t.Errorf("%s at %s: the timeline has %v, the oracle %v\n%+v", s.Zone, at.In(o.loc), got, want, s)
			return probes
		}
		if changed := !slices.Equal(last, want); changed || at.Minute() == 17 {
			if changed && last != nil && !asked.Until.Equal(at) {
				t.Errorf("%s: the answer of %s changes at %s, it said %s\n%+v", s.Zone, asked.At, at.In(o.loc), asked.Until, s)
				return probes
			}
			asked = roster.OnCall(&s, at)
			if got := who(asked); !slices.Equal(got, want) {
				t.Errorf("%s at %s: %v, the oracle %v\n%+v", s.Zone, at.In(o.loc), got, want, s)
				return probes
			}
		}
		last = want
		probes++
	}
	return probes
}

func persons(on []roster.Entry) []tenants.PersonID {
	var ids []tenants.PersonID
	for _, e := range on {
		ids = append(ids, e.Person)
	}
	return ids
}

func who(a roster.Answer) []tenants.PersonID {
	var ids []tenants.PersonID
	for _, s := range a.Now {
		ids = append(ids, s.Person)
	}
	return ids
}

// aroundTransition makes schedules whose rules lie on, before and after the readings at a transition.
func aroundTransition(zone string, m time.Time, seed uint64) []roster.Schedule {
	r := rand.New(rand.NewPCG(seed, uint64(m.Unix())))
	var all []roster.Schedule
	for range 4 {
		all = append(all, schedule(zone, m, choose(r)))
	}
	return all
}
