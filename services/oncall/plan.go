package oncall

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// Stretch is a time during which the same people answer by the same rules. At any moment of it [At] names the same people.
type Stretch struct {
	From, To time.Time
	On       []roster.Entry     // in the order in which they are called; empty when nobody of the schedule is in the directory
	Gap      bool               // nobody is scheduled: only the catch-all person answers
	Left     []tenants.PersonID // who is scheduled and has left the directory: others answer for them
}

// Plan is who answers by a schedule from one moment up to another, without holes. The caller bounds the stretch.
func Plan(c *routing.Copy, s *roster.Schedule, from, to time.Time) []Stretch {
	known := directoryOf(c, s.Account)
	var all []Stretch
	for _, segment := range roster.Timeline(s, from, to) {
		next := known.stretch(s, segment)
		if n := len(all); n > 0 && all[n-1].Gap == next.Gap && slices.Equal(all[n-1].On, next.On) && slices.Equal(all[n-1].Left, next.Left) {
			all[n-1].To = next.To
			continue
		}
		all = append(all, next)
	}
	return all
}

// stretch passes over who has left, as answer does.
func (known directory) stretch(s *roster.Schedule, segment roster.Segment) Stretch {
	out := Stretch{From: segment.From, To: segment.To, Gap: segment.Gap()}
	for _, e := range segment.On {
		if known[e.Person] == nil {
			out.Left = append(out.Left, e.Person)
			continue
		}
		e.Order = len(out.On) + 1
		out.On = append(out.On, e)
	}
	if len(out.On) == 0 && known[s.CatchAll] != nil {
		out.On = []roster.Entry{{Person: s.CatchAll, Order: 1, Why: roster.ByCatchAll}}
		out.Gap = true
	}
	return out
}

// Turn is a time during which a layer has the same people on shift, before any override; nobody when On is empty.
type Turn struct {
	From, To time.Time
	On       []tenants.PersonID
}

// Turns is who a schedule's layer has on shift from one moment up to another, as the layer itself says.
func Turns(s *roster.Schedule, layer int, from, to time.Time) []Turn {
	alone := roster.Schedule{Zone: s.Zone, Layers: s.Layers[layer : layer+1]}
	var all []Turn
	for _, segment := range roster.Timeline(&alone, from, to) {
		t := Turn{From: segment.From, To: segment.To}
		if !segment.Gap() {
			for _, e := range segment.On {
				t.On = append(t.On, e.Person)
			}
		}
		if n := len(all); n > 0 && slices.Equal(all[n-1].On, t.On) {
			all[n-1].To = t.To
			continue
		}
		all = append(all, t)
	}
	return all
}

// Change is a time during which other people answer after an edit than before it.
type Change struct {
	From, To      time.Time
	Before, After []roster.Entry
}

// Changes compares two states of a schedule over a stretch of time: what an edit does to callers.
func Changes(c *routing.Copy, before, after *roster.Schedule, from, to time.Time) []Change {
	a, b := Plan(c, before, from, to), Plan(c, after, from, to)
	var all []Change
	for i, k := 0, 0; i < len(a) && k < len(b); {
		start, end := later(a[i].From, b[k].From), earlier(a[i].To, b[k].To)
		if !samePeople(a[i].On, b[k].On) {
			n := len(all)
			if n > 0 && all[n-1].To.Equal(start) && samePeople(all[n-1].Before, a[i].On) && samePeople(all[n-1].After, b[k].On) {
				all[n-1].To = end
			} else {
				all = append(all, Change{start, end, a[i].On, b[k].On})
			}
		}
		if a[i].To.Equal(end) {
			i++
		}
		if b[k].To.Equal(end) {
			k++
		}
	}
	return all
}

func samePeople(a, b []roster.Entry) bool {
	return slices.EqualFunc(a, b, func(x, y roster.Entry) bool { return x.Person == y.Person })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Tag names a state of what a form edits of a schedule: its name, place, zone, layers and catch-all person, not its overrides.
// Schedules of one content have one tag.
func Tag(s *roster.Schedule) string {
	same := *s
	same.Overrides = nil
	if len(same.Layers) == 0 {
		same.Layers = nil
	}
	raw, _ := json.Marshal(same) // canonical, and of plain values: it cannot fail
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}
