package roster

import (
	"slices"
	"time"

	"holdfast/tenants"
)

const horizonSeconds = int64(Horizon / time.Second)

// around returns the last moment at or before u and the first after it at which the answer may change.
func (p *plan) around(u int64) (before, after int64) {
	wallBefore, wallAfter := int64(never), int64(ever)
	wall := p.wall(u)
	for i := range p.layers {
		b, a := p.layers[i].around(wall)
		wallBefore, wallAfter = max(wallBefore, b), min(wallAfter, a)
	}
	before, after = never, ever
	if wallBefore != never {
		before = p.zone.moment(wallBefore)
	}
	if wallAfter != ever {
		after = p.zone.moment(wallAfter)
	}
	for i := range p.Overrides {
		for _, t := range [2]time.Time{p.Overrides[i].From, p.Overrides[i].To} {
			if edge := t.Unix(); edge <= u {
				before = max(before, edge)
			} else {
				after = min(after, edge)
			}
		}
	}
	return min(before, u), max(after, u+1) // whatever a zone's data says, a walk comes to its end
}

// ahead fills in when shifts of the answer end, and who is next.
func (p *plan) ahead(at int64, a *Answer) {
	open := len(a.Now) + 1 // ends that are not known: of each shift, and of the next one
	for u := at; open > 0; {
		_, after := p.around(u)
		if after == ever || after > at+horizonSeconds {
			return
		}
		u = after
		p.buf = p.on(u, p.buf[:0])
		if a.Next == nil && !slices.EqualFunc(a.Now, p.buf, func(s Shift, e Entry) bool { return s.Person == e.Person }) {
			a.Until = p.time(u)
			a.Next = &Shift{Entry: newcomer(a.Now, p.buf), From: a.Until}
		}
		for i := range a.Now {
			open -= p.end(&a.Now[i], u)
		}
		if a.Next != nil {
			open -= p.end(a.Next, u)
		}
	}
}

// end notes that a shift ends at u when p.buf lacks its person, and returns how many ends that made known.
func (p *plan) end(s *Shift, u int64) int {
	if !s.Until.IsZero() || has(p.buf, s.Person) {
		return 0
	}
	s.Until = p.time(u)
	return 1
}

func newcomer(now []Shift, next []Entry) Entry {
	for _, e := range next {
		if !slices.ContainsFunc(now, func(s Shift) bool { return s.Person == e.Person }) {
			return e
		}
	}
	return next[0]
}

// back fills in when shifts of the answer began.
func (p *plan) back(at int64, a *Answer) {
	open := len(a.Now)
	for u := at; open > 0; {
		before, _ := p.around(u)
		if before == never || before < at-horizonSeconds {
			return
		}
		u = before - 1 // moments are whole seconds: this is the last one of what was before
		p.buf = p.on(u, p.buf[:0])
		for i := range a.Now {
			if s := &a.Now[i]; s.From.IsZero() && !has(p.buf, s.Person) {
				s.From = p.time(before)
				open--
			}
		}
	}
}

// Segment is a stretch of time with the same people on call by the same rules.
type Segment struct {
	From, To time.Time
	On       []Entry // never empty
}

// Gap reports whether only the catch-all person is on call: nobody was planned.
func (s Segment) Gap() bool { return s.On[0].Why == ByCatchAll }

// Timeline is who is on call from one moment up to another, without holes. Segments next to each other differ. At every moment
// of a segment OnCall answers its people. The caller bounds the stretch: a schedule may change every minute.
func Timeline(s *Schedule, from, to time.Time) []Segment {
	var all []Segment
	p := planOf(s)
	end := to.Unix()
	for u := from.Unix(); u < end; {
		_, after := p.around(u)
		after = min(after, end)
		p.buf = p.on(u, p.buf[:0])
		if n := len(all); n > 0 && slices.Equal(all[n-1].On, p.buf) {
			all[n-1].To = p.time(after)
		} else {
			all = append(all, Segment{p.time(u), p.time(after), slices.Clone(p.buf)})
		}
		u = after
	}
	return all
}

// Handover is a moment at which other people, or the same in another order, are on call than before.
type Handover struct {
	At            time.Time
	Before, After []tenants.PersonID // in the order in which they are called
}

// Handovers lists the handovers at or after from and before to.
func Handovers(s *Schedule, from, to time.Time) []Handover {
	var all []Handover
	segments := Timeline(s, from.Add(-time.Second), to)
	for i := 1; i < len(segments); i++ {
		before, after := whoOf(segments[i-1].On), whoOf(segments[i].On)
		if !slices.Equal(before, after) {
			all = append(all, Handover{segments[i].From, before, after})
		}
	}
	return all
}

func whoOf(on []Entry) []tenants.PersonID {
	who := make([]tenants.PersonID, len(on))
	for i, e := range on {
		who[i] = e.Person
	}
	return who
}
