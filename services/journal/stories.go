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

// span is the first and last segment that hold events of a story.
type span struct{ first, last uint64 }

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

// note keeps account of which segments hold events of open stories. Under mu.
func (j *Journal) note(e Event, number uint64) {
	key := keyOf(e)
	if ends(e) {
		delete(j.spans, key)
		return
	}
	s, open := j.spans[key]
	if !open || e.Restated {
		s.first = number
	}
	s.last = number
	j.spans[key] = s
}

// needed says whether an open story has events in the segment. Under mu.
func (j *Journal) needed(number uint64) bool {
	for _, s := range j.spans {
		if s.first <= number && number <= s.last {
			return true
		}
	}
	return false
}

// collector gathers the open stories while segments are read at start.
type collector map[storyKey]*Story

func (c collector) add(e Event) {
	key := keyOf(e)
	if ends(e) {
		delete(c, key)
		return
	}
	s := c[key]
	if s == nil {
		s = &Story{Tenant: e.Tenant, Kind: e.Kind, ID: e.ID}
		c[key] = s
	}
	if e.Restated {
		s.Events = s.Events[:0]
	}
	s.Events = append(s.Events, e)
}

// stories returns what was gathered: within a story by number and each once, the stories by their first event's time.
func (c collector) stories() []Story {
	out := make([]Story, 0, len(c))
	for _, s := range c {
		slices.SortStableFunc(s.Events, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
		s.Events = slices.CompactFunc(s.Events, func(a, b Event) bool { return a.Seq == b.Seq })
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Story) int {
		return cmp.Or(a.Events[0].At.Compare(b.Events[0].At), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}
