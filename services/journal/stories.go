package journal

import (
	"cmp"
	"slices"

	"holdfast/tenants"
)

// platform owns the alarms of the node itself.
const platform = tenants.Platform

// storyKey names a story.
type storyKey struct {
	tenant tenants.TenantID
	kind   Kind
	id     string
}

func keyOf(e Event) storyKey { return storyKey{tenant: e.Tenant, kind: e.Kind, id: e.ID} }

// ends says whether nothing follows e in its story. A command is a story of one event.
func ends(e Event) bool { return e.Final || e.Kind == Command }

// Story is a story that had no end when this process started: its events in order, from the last one that restated it or
// from its beginning. The owner goes on with
// [Story.NextSeq].
type Story struct {
	Tenant tenants.TenantID
	Kind   Kind
	ID     string
	Events []Event
}

// NextSeq returns the number that the story's next event must have.
func (s Story) NextSeq() uint64 {
	if len(s.Events) == 0 {
		return 1
	}
	return s.Events[len(s.Events)-1].Seq + 1
}

// OpenStories returns the stories of earlier processes on this node that had no final event when the journal was
// opened, oldest first: calls that a crash cut off, duties to be resumed, alarms still open.
func (j *Journal) OpenStories() []Story { return slices.Clone(j.stories) }

// place is where the record of a story's event stands: from at on, so many bytes.
type place struct {
	seq   uint64
	at    Cursor
	bytes int64
}

// note keeps account of where the events of open stories stand. A copy of one that has ended meanwhile is of no account. Under mu.
func (j *Journal) note(e Event, at Cursor, bytes int64, copied bool) {
	key := keyOf(e)
	_, open := j.places[key]
	if copied {
		j.copied = at
	}
	switch {
	case ends(e):
		j.release(key, func(place) bool { return true })
		delete(j.places, key)
		return
	case copied && !open:
		return
	case e.Restated: // a copy of it too, which says nothing against what came after the original
		j.release(key, func(p place) bool { return p.seq < e.Seq })
	}
	j.places[key] = append(j.places[key], place{e.Seq, at, bytes})
	j.live[at.Segment] += bytes
}

// release forgets some places of a story. Under mu.
func (j *Journal) release(key storyKey, which func(place) bool) {
	j.places[key] = slices.DeleteFunc(j.places[key], func(p place) bool {
		if !which(p) {
			return false
		}
		if j.live[p.at.Segment] -= p.bytes; j.live[p.at.Segment] == 0 {
			delete(j.live, p.at.Segment)
		}
		return true
	})
}

// collector gathers the open stories while segments are read at start.
type collector struct {
	open map[storyKey]*Story
	over map[storyKey]uint64 // the numbers with which stories ended
}

// add takes the next event on the disk. It returns false for one of a story that has ended with a higher number: it was written
// twice, because a sync failed, and the process died before it had written the end twice, too.
func (c collector) add(e Event) bool {
	key := keyOf(e)
	if over, ok := c.over[key]; ok && e.Seq <= over {
		return false
	}
	if ends(e) {
		c.over[key] = e.Seq
		delete(c.open, key)
		return true
	}
	s := c.open[key]
	if s == nil {
		s = &Story{Tenant: e.Tenant, Kind: e.Kind, ID: e.ID}
		c.open[key] = s
	}
	s.Events = append(s.Events, e)
	return true
}

// stories returns what was gathered, by the time of each one's first event.
func (c collector) stories() []Story {
	out := make([]Story, 0, len(c.open))
	for _, s := range c.open {
		s.Events = inOrder(s.Events, func(e Event) Event { return e })
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Story) int {
		return cmp.Or(a.Events[0].At.Compare(b.Events[0].At), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// inOrder returns a story's events by number, from the last that restates it on, each once: a story that was carried on stands in two
// places.
func inOrder[E any](events []E, of func(E) Event) []E {
	slices.SortStableFunc(events, func(a, b E) int { return cmp.Compare(of(a).Seq, of(b).Seq) })
	events = slices.CompactFunc(events, func(a, b E) bool { return of(a).Seq == of(b).Seq })
	for i, e := range slices.Backward(events) {
		if of(e).Restated {
			return events[i:]
		}
	}
	return events
}
