package journal

import "sort"

// recentEvents bounds what recent holds: a second of a very busy node. A shipper that is further behind than that reads the disk.
const recentEvents = 4096

// recent is the end of the spool, as it still is in memory: the shipper, who is seldom far behind, need not read it from the disk
// and make sense of it again. Nothing depends on it: all of it is on the disk too.
type recent struct {
	events    []placed
	from, end Cursor // what was written between them is in events, all of it
}

// placed is an event and where its record ends.
type placed struct {
	event Event
	to    Cursor
}

// add notes an event that was written at a place, up to another.
func (r *recent) add(e Event, at, to Cursor) {
	if r.end == (Cursor{}) {
		r.end = at
	}
	if len(r.events) == recentEvents {
		r.events = nil
	}
	if len(r.events) == 0 {
		r.from = r.end
	}
	r.events = append(r.events, placed{e, to})
	r.end = to
}

// after returns up to limit events that follow the cursor and the cursor after them, where it knows all of them and there are any.
func (r *recent) after(c Cursor, limit int) ([]Event, Cursor, bool) {
	if r.from.after(c) {
		return nil, c, false
	}
	first := sort.Search(len(r.events), func(i int) bool { return r.events[i].to.after(c) })
	found := r.events[first:min(first+limit, len(r.events))]
	if len(found) == 0 {
		return nil, c, false
	}
	events := make([]Event, len(found))
	for i, p := range found {
		events[i] = p.event
	}
	return events, found[len(found)-1].to, true
}

// shipped forgets what is before the cursor.
func (r *recent) shipped(c Cursor) {
	n := 0
	for n < len(r.events) && !r.events[n].to.after(c) {
		n++
	}
	clear(r.events[:n])
	if r.events = r.events[n:]; n > 0 && len(r.events) > 0 {
		r.from = c
	}
}
