package journal

import (
	"cmp"
	"context"
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

// note keeps account of which segments hold events of open stories. Under mu.
func (j *Journal) note(e Event, number uint64) {
	key := keyOf(e)
	if ends(e) {
		delete(j.spans, key)
		return
	}
	in := j.spans[key]
	if e.Restated {
		in = nil
	}
	if n := len(in); n == 0 || in[n-1] != number {
		in = append(in, number)
	}
	j.spans[key] = in
}

// needed says whether an open story has events in the segment. Under mu.
func (j *Journal) needed(number uint64) bool {
	for _, in := range j.spans {
		if slices.Contains(in, number) {
			return true
		}
	}
	return false
}

// carry writes the stories that are still open, and began in an earlier segment than the last, once more into the segment to come, so
// that no start has to read what was written since the longest of them began. It runs before the loops start: nothing that ends a story
// can come before its copy. The function that it returns waits until the copies are on the disk for good, and lets the old segments go;
// nil: there is nothing to carry. What is shipped again is stored once.
func (j *Journal) carry() (settle func()) {
	last, carried := j.disk.next-1, map[storyKey]bool{}
	for _, s := range j.stories {
		key := storyKey{s.Tenant, s.Kind, s.ID}
		if in := j.spans[key]; len(in) == 0 || in[0] == last {
			continue
		}
		carried[key] = true
		for _, e := range s.Events {
			whole, record := encode(e)
			j.appended++
			j.pending = append(j.pending, entry{n: j.appended, event: whole, record: record})
		}
	}
	j.publishedAt = j.appended // nobody hears of them again
	if len(j.pending) == 0 {
		return nil
	}
	j.writeWake <- struct{}{}
	return func() {
		if err := j.Sync(context.Background()); err != nil {
			j.cfg.Log.Warn("journal: open stories not carried on, the old segments stay", "error", err)
			return
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		for key := range carried {
			in := j.spans[key]
			if from := slices.IndexFunc(in, func(n uint64) bool { return n > last }); from > 0 {
				j.spans[key] = in[from:]
			}
		}
	}
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
