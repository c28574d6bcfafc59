package roster

import (
	"cmp"
	"slices"
	"time"

	"holdfast/tenants"
)

// Why says by what somebody is on call.
type Why string

// By what somebody is on call.
const (
	ByLayer    Why = "layer"
	ByOverride Why = "override"
	ByCatchAll Why = "catch-all"
)

// Entry is one person's place among those on call.
type Entry struct {
	Person   tenants.PersonID
	Order    int // 1 is called first
	Why      Why
	Layer    string // ID; "": through none
	Override string // ID of the last one that put the person here; "": none
}

// Shift is an entry with its time.
type Shift struct {
	Entry
	From  time.Time // since when the person is on call without a break, at whatever place; zero: longer than Horizon
	Until time.Time // the moment at which the person no longer is; zero: not within Horizon
}

// Answer is who is on call at a moment. Times are in the schedule's zone, to the second.
type Answer struct {
	At    time.Time
	Until time.Time // the moment at which the people or their order change; zero: not within Horizon
	Now   []Shift   // in the order in which they are called; never empty
	// Next is who comes at Until: the first of the next answer who is not on call now, or else its first. Its From is Until. It is
	// nil when nothing changes.
	Next *Shift
}

// Horizon is how far around a moment shifts are followed.
const Horizon = 366 * 24 * time.Hour

// OnCall answers who is on call at t. It always names somebody: a schedule that makes no sense has its catch-all person on call.
func OnCall(s *Schedule, t time.Time) Answer {
	p := planOf(s)
	at := t.Unix()
	now := p.on(at, nil)
	a := Answer{At: p.time(at), Now: make([]Shift, len(now))}
	for i, e := range now {
		a.Now[i].Entry = e
	}
	p.ahead(at, &a)
	p.back(at, &a)
	return a
}

// plan is a schedule ready to be asked. Moments are Unix seconds.
type plan struct {
	*Schedule
	zone   zone
	layers []turns // by rank, then as listed
	buf    []Entry // reused by walks
}

func planOf(s *Schedule) *plan {
	p := &plan{Schedule: s, layers: make([]turns, 0, len(s.Layers))}
	loaded, ok := loadZone(s.Zone)
	if !ok { // a wrong hour would name the wrong person; the catch-all person is right at every hour
		p.zone.loc = time.UTC
		return p
	}
	p.zone = loaded
	for i := range s.Layers {
		if t, ok := turnsOf(&s.Layers[i]); ok {
			p.layers = append(p.layers, t)
		}
	}
	slices.SortStableFunc(p.layers, func(a, b turns) int { return cmp.Compare(a.Rank, b.Rank) })
	return p
}

func (p *plan) time(u int64) time.Time { return time.Unix(u, 0).In(p.zone.loc) }

// on appends who is on call at u to into.
func (p *plan) on(u int64, into []Entry) []Entry {
	wall, filled := p.wall(u), false
	rank := 0
	for i := range p.layers {
		l := &p.layers[i]
		if filled && l.Rank == rank {
			continue
		}
		who := l.on(wall)
		if len(who) == 0 {
			continue
		}
		rank, filled = l.Rank, true
		for _, person := range who {
			into = append(into, Entry{Person: person, Why: ByLayer, Layer: l.ID})
		}
	}
	if len(into) == 0 {
		into = append(into, Entry{Person: p.CatchAll, Why: ByCatchAll})
	}
	for i := range p.Overrides {
		if o := &p.Overrides[i]; o.From.Unix() <= u && u < o.To.Unix() {
			into = o.apply(into)
		}
	}
	return numbered(into)
}

// wall is a reading for the layers; without any, the clock need not be read.
func (p *plan) wall(u int64) int64 {
	if len(p.layers) == 0 {
		return 0
	}
	return p.zone.wall(u)
}

func (o *Override) apply(on []Entry) []Entry {
	if o.Replaces == All {
		return append(on[:0], Entry{Person: o.Person, Why: ByOverride, Override: o.ID})
	}
	for i := range on {
		e := &on[i]
		if o.Replaces == OfOne && e.Layer != "" && e.Layer == o.Replaced || o.Replaces == Person && string(e.Person) == o.Replaced {
			e.Person, e.Why, e.Override = o.Person, ByOverride, o.ID
		}
	}
	return on
}

// numbered drops whoever is listed before and numbers the rest from 1.
func numbered(on []Entry) []Entry {
	kept := on[:0]
	for _, e := range on {
		if !has(kept, e.Person) {
			e.Order = len(kept) + 1
			kept = append(kept, e)
		}
	}
	return kept
}

func has(on []Entry, who tenants.PersonID) bool {
	return slices.ContainsFunc(on, func(e Entry) bool { return e.Person == who })
}
