package journal

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
)

// carryBytes is how much is carried on at a time, so that what calls write does not wait for it.
const carryBytes = 1 << 20

// carried is a story on its way to the end of the spool.
type carried struct {
	key    storyKey
	places map[place]bool
	events []entry // but for their numbers
}

// carry writes open stories that have events in shipped segments, those before a number, once more at the end of the spool, the oldest
// first: when the copies are on the disk for good, the segments are needed no more. Otherwise a duty of eight hours would keep what
// everybody wrote in these eight hours, and the next start would read all of it before it answers anybody. What is shipped again is
// stored once. Only the shipper calls it, who alone removes segments.
func (j *Journal) carry(ctx context.Context, before uint64) {
	var stories []carried
	for _, s := range j.oldest(before) {
		if segment, err := j.reread(&s); err != nil {
			j.unreadable(segment, err)
			continue
		}
		stories = append(stories, s)
	}
	if stories = j.write(stories); len(stories) == 0 || j.Sync(ctx) != nil {
		return // the originals are there
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range stories {
		if _, open := j.places[s.key]; open {
			j.release(s.key, func(p place) bool { return s.places[p] })
		}
	}
}

// oldest returns open stories with their places before a segment, about carryBytes of them, those that began first.
func (j *Journal) oldest(before uint64) []carried {
	j.mu.Lock()
	defer j.mu.Unlock()
	moves := func(p place) bool { return p.at.Segment < before && !j.disk.unreadable[p.at.Segment] }
	type story struct {
		key   storyKey
		began place
	}
	var open []story
	for key, places := range j.places {
		if i := slices.IndexFunc(places, moves); i >= 0 { // they are in the order of the disk
			open = append(open, story{key, places[i]})
		}
	}
	slices.SortFunc(open, func(a, b story) int {
		return cmp.Or(cmp.Compare(a.began.at.Segment, b.began.at.Segment), cmp.Compare(a.began.at.Offset, b.began.at.Offset))
	})
	var stories []carried
	for bytes := int64(0); len(open) > 0 && bytes <= carryBytes; open = open[1:] {
		s := carried{key: open[0].key, places: map[place]bool{}}
		for _, p := range j.places[s.key] {
			if moves(p) {
				s.places[p] = true
				bytes += p.bytes
			}
		}
		stories = append(stories, s)
	}
	return stories
}

// reread reads what a story has in its places, each event once and none that a later one restates. What is damaged there is as lost as
// it would be at the next start. An error is of the segment that it returns.
func (j *Journal) reread(s *carried) (segment uint64, err error) {
	for p := range s.places {
		record, err := readAt(segmentPath(j.cfg.Dir, p.at.Segment), p)
		if err != nil {
			return p.at.Segment, err
		}
		if e, _, ok := sound(record); ok && keyOf(e) == s.key {
			s.events = append(s.events, entry{event: e, record: record, copied: true})
		}
	}
	s.events = inOrder(s.events, func(e entry) Event { return e.event })
	return 0, nil
}

// readAt reads the record in a place of a segment.
func readAt(path string, p place) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	record := make([]byte, p.bytes)
	if _, err := f.ReadAt(record, p.at.Offset); err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	return record, nil
}

// unreadable leaves a segment alone until the next start, which takes what can still be read of it. What else is in the spool is
// carried on all the same.
func (j *Journal) unreadable(number uint64, err error) {
	j.mu.Lock()
	known := j.disk.unreadable[number]
	j.disk.unreadable[number] = true
	j.mu.Unlock()
	if known {
		return
	}
	p := j.setAside(segment{number: number, path: segmentPath(j.cfg.Dir, number)}, os.Link, fmt.Sprintf("cannot be read (%v); open stories have events in it", err))
	j.cfg.Log.Error("journal: damage", "key", p.key, "error", p.text)
	j.Raise(platform, p.key, p.text, Critical)
}

// write queues the copies for the spool and returns the stories that it did so for: not those that went on from there meanwhile. One
// that has ended, on the disk or on the way there, a copy behind its end would open again.
func (j *Journal) write(stories []carried) []carried {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing != nil || j.stalled || j.stopping {
		return nil
	}
	over := map[storyKey]bool{}
	for _, p := range j.pending {
		if ends(p.event) {
			over[keyOf(p.event)] = true
		}
	}
	stories = slices.DeleteFunc(stories, func(s carried) bool {
		there := 0
		for _, p := range j.places[s.key] {
			if s.places[p] {
				there++
			}
		}
		return over[s.key] || there < len(s.places)
	})
	for _, s := range stories {
		for _, e := range s.events {
			j.appended++
			e.n = j.appended
			j.pending = append(j.pending, e)
			j.unpublished = append(j.unpublished, Event{}) // who follows has heard of it
		}
	}
	select {
	case j.writeWake <- struct{}{}:
	default:
	}
	return stories
}
