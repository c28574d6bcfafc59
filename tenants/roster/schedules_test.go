package roster_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// id is a person: 0 is the catch-all.
func id(n int) tenants.PersonID {
	return tenants.PersonID(fmt.Sprintf("0190b5a0-0000-7000-8000-%012d", n))
}

// chooser is a source of choices: random numbers, or a property's generator that can be shrunk. It returns 0 to n-1.
type chooser func(n int) int

func choose(r *rand.Rand) chooser { return func(n int) int { return r.IntN(n) } }

// schedule makes one with rules near the readings of the wall at m, which is in its zone.
func schedule(zone string, m time.Time, pick chooser) roster.Schedule {
	s := roster.Schedule{
		ID: "0190b5a0-0000-7000-8000-00000000aaaa", Account: "lakeside-cardiology", Name: "On call", Zone: zone, CatchAll: id(0),
	}
	clock := func() people.Clock { // near what the clock shows just before or just after, or anywhere
		near := m
		switch pick(4) {
		case 0:
			return people.Clock(pick(24 * 60))
		case 1:
			near = m.Add(-time.Minute)
		}
		minutes := near.Hour()*60 + near.Minute() + pick(9)*15 - 60
		return people.Clock((minutes + 24*60) % (24 * 60))
	}
	date := func(days int) roster.Date { return roster.On(m.Year(), m.Month(), m.Day()+days) }
	for i := range 1 + pick(3) {
		l := roster.Layer{
			ID: fmt.Sprintf("layer-%d", i), Name: "Layer", Rank: pick(2), Handover: clock(), From: date(-pick(12)),
			Rotation: []roster.Rotation{roster.Daily, roster.Weekly, roster.Custom}[pick(3)],
		}
		switch l.Rotation {
		case roster.Weekly:
			l.Weekday = time.Weekday((int(m.Weekday()) + pick(3) + 6) % 7)
		case roster.Custom:
			l.Every, l.Unit = 1+pick(3), roster.Days
			if pick(2) == 0 {
				l.Every, l.Unit = []int{1, 2, 5, 8, 12, 36}[pick(6)], roster.Hours
			}
		}
		if pick(4) == 0 {
			l.To = l.From + roster.Date(1+pick(12))
		}
		for range 1 + pick(3) {
			turn := []tenants.PersonID{id(1 + pick(5))}
			if pick(4) == 0 {
				turn = append(turn, id(1+pick(5)))
			}
			l.Participants = append(l.Participants, turn)
		}
		for range pick(3) {
			w := people.Hours{From: clock(), To: clock()}
			for day := range 7 {
				if pick(2) == 0 {
					w.Days |= people.On(time.Weekday(day))
				}
			}
			l.Windows = append(l.Windows, w)
		}
		s.Layers = append(s.Layers, l)
	}
	for i := range pick(3) {
		from := m.Add(time.Duration(pick(600)-300) * time.Minute)
		o := roster.Override{
			ID: fmt.Sprintf("override-%d", i), From: from, To: from.Add(time.Duration(1+pick(600)) * time.Minute), Person: id(1 + pick(6)),
			Replaces: []roster.What{roster.All, roster.OfOne, roster.Person}[pick(3)],
		}
		switch o.Replaces {
		case roster.OfOne:
			o.Replaced = s.Layers[pick(len(s.Layers))].ID
		case roster.Person:
			o.Replaced = string(id(pick(6)))
		}
		s.Overrides = append(s.Overrides, o)
	}
	return s
}
