package oncall

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// InForce is what an operator needs to know of an account beside who is on call.
type InForce struct {
	Instructions string
	Hours        Hours
	Notes        []routing.Note // that hold, the oldest first
	Overrides    []Standing     // that hold or begin within a day, in the order in which they begin
}

// Standing is an override with its schedule's name and its persons' names.
type Standing struct {
	roster.Override
	Schedule     tenants.ScheduleID
	ScheduleName string
	PersonName   string
	ReplacedName string // of a layer or person; "": everybody, or nobody knows
}

// Hours says whether the client is open. Known is false when nobody has said.
type Hours struct {
	Known, Open bool
	At          time.Time // the moment asked for, in the account's zone
	Until       time.Time // when that changes; zero: not within a week
}

// announced is how far ahead an override is told of.
const announced = 24 * time.Hour

// InForceAt is what is in force at an account at t. ErrNoAccount when the copy has no such account.
func InForceAt(c *routing.Copy, account tenants.AccountID, t time.Time) (InForce, error) {
	a := c.Account(account)
	if a == nil {
		return InForce{}, ErrNoAccount
	}
	out := InForce{Instructions: a.Instructions, Hours: hoursAt(a, t)}
	for _, n := range c.NotesOf(account) {
		if n.Holds(t) {
			out.Notes = append(out.Notes, n)
		}
	}
	known := directoryOf(c, account)
	for _, s := range c.SchedulesOf(account) {
		for _, o := range s.Overrides {
			if o.To.After(t) && o.From.Before(t.Add(announced)) {
				out.Overrides = append(out.Overrides, known.standing(&s, o))
			}
		}
	}
	slices.SortStableFunc(out.Overrides, func(a, b Standing) int { return a.From.Compare(b.From) })
	return out, nil
}

// StandingOf gives the names to an override of a schedule.
func StandingOf(c *routing.Copy, s *roster.Schedule, o roster.Override) Standing {
	return directoryOf(c, s.Account).standing(s, o)
}

func (known directory) standing(s *roster.Schedule, o roster.Override) Standing {
	out := Standing{Override: o, Schedule: s.ID, ScheduleName: s.Name, PersonName: known.name(o.Person)}
	switch o.Replaces {
	case roster.Person:
		out.ReplacedName = known.name(tenants.PersonID(o.Replaced))
	case roster.OfOne:
		for i := range s.Layers {
			if s.Layers[i].ID == o.Replaced {
				out.ReplacedName = s.Layers[i].Name
			}
		}
	case roster.All:
	}
	return out
}

func (known directory) name(id tenants.PersonID) string {
	if p := known[id]; p != nil {
		return p.Name
	}
	return ""
}

// hoursAt reads the account's hours on the wall clock of its zone.
func hoursAt(a *routing.Account, t time.Time) Hours {
	loc, err := time.LoadLocation(a.Zone)
	if err != nil || len(a.Hours) == 0 {
		return Hours{At: t}
	}
	t = t.In(loc)
	out := Hours{Known: true, At: t, Open: covered(a.Hours, t)}
	end := t.Add(8 * 24 * time.Hour)
	for at := t; at.Before(end); {
		next := edge(a.Hours, at)
		if next.IsZero() {
			break
		}
		if at = next; covered(a.Hours, at) != out.Open {
			out.Until = at
			break
		}
	}
	return out
}

func covered(hours []people.Hours, t time.Time) bool {
	wall := wallOf(t)
	return slices.ContainsFunc(hours, func(h people.Hours) bool { return h.Covers(wall) })
}

// edge is the first moment after t at which some hours begin or end, or the zone's clock is changed.
func edge(hours []people.Hours, t time.Time) time.Time {
	wall, next := wallOf(t), int64(-1)
	for _, h := range hours {
		if _, after := h.Around(wall); next < 0 || after < next {
			next = after
		}
	}
	if next < 0 {
		return time.Time{}
	}
	at := t.Add(time.Duration(next-wall) * time.Second).Truncate(time.Second)
	if _, change := t.ZoneBounds(); !change.IsZero() && change.Before(at) {
		return change
	}
	return at
}

// wallOf is what the clock at t's place shows, in seconds since 1970-01-01 00:00 on that clock.
func wallOf(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}

// hoursWords are the sentences about hours in one language.
type hoursWords struct{ unknown, open, openUntil, closed, closedUntil string }

var hoursLanguages = map[string]hoursWords{
	"en": {"Hours are not said", "Open around the clock", "Open until %s", "Closed", "Closed, opens %s"},
	"hu": {"A nyitvatartás nincs megadva", "Éjjel-nappal nyitva", "Nyitva, zárás: %s", "Zárva", "Zárva, nyitás: %s"},
}

// Sentence tells it in words without a full stop: "Open until 18:00". A language that it does not speak is told in English.
func (h Hours) Sentence(lang string) string {
	base, _, _ := strings.Cut(lang, "-")
	if _, ok := languages[base]; !ok {
		base = "en"
	}
	w, days := hoursLanguages[base], languages[base]
	switch {
	case !h.Known:
		return w.unknown
	case h.Open && h.Until.IsZero():
		return w.open
	case h.Open:
		return fmt.Sprintf(w.openUntil, days.clock(h.Until, h.At))
	case h.Until.IsZero():
		return w.closed
	default:
		return fmt.Sprintf(w.closedUntil, days.clock(h.Until, h.At))
	}
}
