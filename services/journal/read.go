package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Cursor is a place between two records of the spool: everything before it was dealt with. Its zero value is the
// beginning.
type Cursor struct {
	Segment uint64 `json:"segment"`
	Offset  int64  `json:"offset"` // bytes from the start of the segment's file
}

// after says whether c is further on than other.
func (c Cursor) after(other Cursor) bool {
	return c.Segment > other.Segment || c.Segment == other.Segment && c.Offset > other.Offset
}

const (
	cursorFile = "cursor"

	// readWindow is how much of a segment is read at a time; it holds at least one whole record.
	readWindow = 2 * (maxRecord + recordHead)
)

// Behind returns how many events are on this node only: written or waiting in memory, and not yet shipped.
func (j *Journal) Behind() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return max(0, j.behind) + len(j.pending)
}

// unshipped is Read for the shipper, from memory where that has what follows.
func (j *Journal) unshipped(limit int) ([]Event, Cursor, error) {
	j.mu.Lock()
	from := j.cursor
	events, to, ok := j.recent.after(from, limit)
	j.mu.Unlock()
	if ok {
		return events, to, nil
	}
	return j.Read(from, limit)
}

// Read returns up to limit events that follow the cursor, and the cursor after them. No events and no error means that
// there are none yet. Damage is passed over.
func (j *Journal) Read(from Cursor, limit int) ([]Event, Cursor, error) {
	for {
		s, end, newer, ok := j.segmentAt(from.Segment)
		if !ok {
			return nil, from, nil
		}
		if s.number != from.Segment {
			from = Cursor{Segment: s.number}
		}
		from.Offset = max(from.Offset, headerBytes)
		events, to, err := readSegment(s.path, from.Offset, end, limit)
		if errors.Is(err, fs.ErrNotExist) && newer {
			j.cfg.Log.Warn("journal: a segment vanished", "segment", filepath.Base(s.path))
			from = Cursor{Segment: s.number + 1}
			continue
		}
		if err != nil {
			return nil, from, err
		}
		from.Offset = to
		if len(events) > 0 || !newer {
			return events, from, nil
		}
		from = Cursor{Segment: s.number + 1}
	}
}

// Replay calls fn for all events that follow the cursor, in the order of the disk, up to what is written now or fn's first error, and
// perhaps for some that come meanwhile: whoever wants each event subscribes before. It ends, however fast events come and fn is slow. Of a
// story that was carried on ([Journal.OpenStories] has those) older events may come again behind newer ones, or for the first time.
func (j *Journal) Replay(from Cursor, fn func(Event) error) error {
	for end := j.end(); end.after(from); {
		events, to, err := j.Read(from, batchEntries)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			if err := fn(e); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// end returns the cursor behind what is written now.
func (j *Journal) end() Cursor {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.endsAt()
}

// endsAt is end under mu.
func (j *Journal) endsAt() Cursor {
	if c := j.disk.current; c != nil {
		return Cursor{Segment: c.number, Offset: c.size}
	}
	return Cursor{Segment: j.disk.next} // of the segments that there are, the last is over
}

// segmentAt returns the first segment whose number is at least number, where its readable part ends (-1: at the end of
// the file), and whether there are newer ones.
func (j *Journal) segmentAt(number uint64) (s segment, end int64, newer, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.disk.segments {
		if s.number < number {
			continue
		}
		end := int64(-1)
		if c := j.disk.current; c != nil && c.number == s.number {
			end = c.size
		}
		return s, end, i+1 < len(j.disk.segments), true
	}
	return segment{}, 0, false, false
}

// readSegment returns up to limit events of the file between offset and end, and where the last of them ends.
func readSegment(path string, offset, end int64, limit int) ([]Event, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, offset, fmt.Errorf("read the spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	if end < 0 {
		info, err := f.Stat()
		if err != nil {
			return nil, offset, fmt.Errorf("read the spool: %w", err)
		}
		end = info.Size()
	}
	var events []Event
	for len(events) == 0 && offset < end {
		b := make([]byte, min(end-offset, readWindow))
		n, err := f.ReadAt(b, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, offset, fmt.Errorf("read the spool: %w", err)
		}
		if n == 0 {
			break
		}
		last := offset+int64(n) >= end
		found, used := readRecords(b[:n], limit, last)
		events = found
		offset += int64(used)
	}
	return events, offset, nil
}

// readRecords returns up to limit events in b and how many bytes are done with. Unless b is the last of its segment,
// a record that might go on behind it is left for the next window.
func readRecords(b []byte, limit int, last bool) (events []Event, used int) {
	for used < len(b) && len(events) < limit {
		skipped, e, n, ok := next(b[used:])
		switch {
		case ok:
			events = append(events, e)
			used += skipped + n
		case last:
			return events, len(b)
		case len(events) > 0:
			return events, used
		default: // damage over most of a window: keep what may be the start of a record
			return nil, max(1, len(b)-maxRecord-recordHead)
		}
	}
	return events, used
}

// loadCursor reads the saved cursor. One that is missing or cannot be read is the beginning: what is then shipped
// again is stored once all the same.
func (j *Journal) loadCursor() Cursor {
	var c Cursor
	b, err := os.ReadFile(filepath.Join(j.cfg.Dir, cursorFile))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		j.cfg.Log.Warn("journal: no usable cursor, shipping starts at the oldest segment", "error", err)
		return Cursor{}
	}
	return c
}

// advance notes that count events up to the cursor are in PostgreSQL, saves that, and removes segments nobody needs. Where what is
// left of them is mostly of stories that are over, the others are carried on, once the last that were have been shipped.
func (j *Journal) advance(ctx context.Context, to Cursor, count int) {
	j.mu.Lock()
	j.cursor = to
	j.recent.shipped(to)
	j.behind -= count
	gone, held, live := j.unneeded(j.followed(to.Segment))
	carries := held > j.cfg.SegmentBytes+2*live && to.after(j.copied)
	j.mu.Unlock()

	if err := j.saveCursor(to); err != nil {
		j.cfg.Log.Warn("journal: cursor not saved, the next start ships some events again", "error", err)
	}
	j.remove(ctx, gone)
	if carries {
		j.carry(ctx, to.Segment)
	}
}

// unneeded returns the segments before a number, all shipped and read, that may go, how many bytes the others have, and how many of
// these are of open stories. They go from the front only: the end of a story never goes before its beginning, which the next start
// would take for an open story. Under mu.
func (j *Journal) unneeded(before uint64) (gone []segment, held, live int64) {
	for _, s := range j.disk.segments {
		switch {
		case s.number >= before || j.disk.current != nil && j.disk.current.number == s.number:
			return gone, held, live
		case held == 0 && j.live[s.number] == 0:
			gone = append(gone, s)
		case !j.disk.unreadable[s.number]:
			held, live = held+s.bytes, live+j.live[s.number]
		}
	}
	return gone, held, live
}

// remove removes segments in their order, once what made them needless is on the disk for good: the end of a story, or what restates it.
func (j *Journal) remove(ctx context.Context, gone []segment) {
	if len(gone) == 0 || j.Sync(ctx) != nil {
		return
	}
	for _, s := range gone {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.cfg.Log.Warn("journal: shipped segment not removed", "segment", filepath.Base(s.path), "error", err)
			return
		}
		j.mu.Lock()
		j.disk.segments = slices.DeleteFunc(j.disk.segments, func(other segment) bool { return other.number == s.number })
		j.mu.Unlock()
	}
}

// saveCursor replaces the cursor's file. It is not synced: one that is lost costs work, not events.
func (j *Journal) saveCursor(c Cursor) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("save the cursor: %w", err)
	}
	path := filepath.Join(j.cfg.Dir, cursorFile)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("save the cursor: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("save the cursor: %w", err)
	}
	return nil
}
