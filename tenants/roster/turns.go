package roster

import (
	"math"
	"time"

	"holdfast/tenants"
)

// never is no edge before; ever is none after.
const (
	never = math.MinInt64
	ever  = math.MaxInt64
)

// turns is a layer ready for arithmetic, in seconds of the wall clock.
type turns struct {
	*Layer
	start, end int64 // the layer holds from start, up to and without end
	anchor     int64 // where the turns are counted from; at or before start
	step       int64 // length of a turn
}

// turnsOf returns ok false for a layer that makes no sense: it then has nobody, and others stand in.
func turnsOf(l *Layer) (t turns, ok bool) {
	const hour = 60 * 60
	at := func(d Date) int64 { return int64(d)*secondsADay + int64(l.Handover)*60 }
	t = turns{Layer: l, start: at(l.From), end: ever, step: secondsADay}
	if l.To != 0 {
		t.end = at(l.To)
	}
	t.anchor = t.start
	switch l.Rotation {
	case Daily:
	case Weekly:
		t.step = 7 * secondsADay
		t.anchor = at(l.From - Date((l.From.Weekday()-l.Weekday+7)%7))
	case Custom:
		t.step = int64(l.Every) * secondsADay
		if l.Unit == Hours {
			t.step = int64(l.Every) * hour
		}
	default:
		return t, false
	}
	fine := len(l.Participants) > 0 && t.step > 0 && l.Every <= mostEvery && l.Weekday >= time.Sunday && l.Weekday <= time.Saturday
	return t, fine
}

// on is who has the turn at a reading; nobody outside the layer's life and windows.
func (t *turns) on(wall int64) []tenants.PersonID {
	if wall < t.start || wall >= t.end {
		return nil
	}
	inside := len(t.Windows) == 0
	for i := 0; i < len(t.Windows) && !inside; i++ {
		inside = t.Windows[i].Covers(wall)
	}
	if !inside {
		return nil
	}
	turn := (wall - t.anchor) / t.step // start is at or after anchor: never negative
	return t.Participants[turn%int64(len(t.Participants))]
}

// around returns the last edge at or before a reading and the first after it: where the layer may change whom it has.
func (t *turns) around(wall int64) (before, after int64) {
	before, after = never, ever
	add := func(edge int64) {
		if edge <= wall {
			before = max(before, edge)
		} else {
			after = min(after, edge)
		}
	}
	add(t.start)
	if t.end != ever {
		add(t.end)
	}
	if wall < t.start || wall >= t.end {
		return before, after // nothing of it happens out there
	}
	if len(t.Participants) > 1 {
		turn := (wall - t.anchor) / t.step
		add(t.anchor + turn*t.step)
		add(t.anchor + (turn+1)*t.step)
	}
	for _, w := range t.Windows {
		b, a := w.Around(wall)
		before, after = max(before, b), min(after, a)
	}
	return before, after
}
