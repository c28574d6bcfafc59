package journal

import (
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
func (j *Journal) carry(before uint64) {
	stories := j.oldest(before)
	for i := range stories {
		if err := j.reread(&stories[i]); err != nil {
			j.cfg.Log.Warn("journal: open stories are not carried on, their segments stay", "error", err)
			return
		}
	}
	if stories = j.write(stories); len(stories) == 0 || j.Sync(context.Background()) != nil {
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

// oldest returns open stories with their places before a segment, up to carryBytes of them, those that began first.
func (j *Journal) oldest(before uint64) []carried {
	j.mu.Lock()
	defer j.mu.Unlock()
	var stories []carried
	first := map[storyKey]Cursor{}
	for key, places := range j.places {
		s := carried{key: key, places: map[place]bool{}}
		for _, p := range places {
			if p.at.Segment < before {
				s.places[p] = true
			}
		}
		if len(s.places) > 0 {
			first[key] = places[0].at
			stories = append(stories, s)
		}
	}
	slices.SortFunc(stories, func(a, b carried) int {
		if first[a.key].after(first[b.key]) {
			return 1
		}
		return -1
	})
	bytes := int64(0)
	for i, s := range stories {
		if bytes > carryBytes {
			return stories[:i]
		}
		for p := range s.places {
			bytes += p.bytes
		}
	}
	return stories
}

// reread reads what a story has in its places. What is damaged there is as lost as it would be at the next start.
func (j *Journal) reread(s *carried) error {
	for p := range s.places {
		record, err := readAt(segmentPath(j.cfg.Dir, p.at.Segment), p)
		if err != nil {
			return err
		}
		if e, _, ok := sound(record); ok && keyOf(e) == s.key {
			s.events = append(s.events, entry{event: e, record: record, copied: true})
		}
	}
	slices.SortFunc(s.events, func(a, b entry) int {
		if a.event.Seq < b.event.Seq {
			return -1
		}
		return 1
	})
	return nil
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

// write queues the copies for the spool and returns the stories that it did so for: not those that ended meanwhile, on the disk or on
// the way there, which a copy behind their end would open again.
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
		_, open := j.places[s.key]
		return !open || over[s.key]
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
