package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// problem is something found at start that somebody must know of.
type problem struct{ key, text string }

// repair reads every segment, repairs what is torn, and learns the open stories, the open alarms and how much is
// still to be shipped. It runs before the loops start. What cannot be read is reported, never a reason not to start.
func (j *Journal) repair() []problem {
	var problems []problem
	if err := os.MkdirAll(j.cfg.Dir, 0o700); err != nil {
		return []problem{{AlarmDisk, "the journal's folder cannot be used: " + err.Error()}}
	}
	segments, err := listSegments(j.cfg.Dir)
	if err != nil {
		return []problem{{AlarmDisk, "the journal's folder cannot be read: " + err.Error()}}
	}
	j.cursor = j.loadCursor()
	found := collector{open: map[storyKey]*Story{}, over: map[storyKey]uint64{}}
	for _, s := range segments {
		j.disk.next = s.number + 1
		harm, err := scan(s.path, func(e Event, at, end int64) {
			if e.Kind == Alarm {
				j.alarmSeq = max(j.alarmSeq, e.Seq) // also where the clock has gone back since
			}
			if found.add(e) {
				j.note(e, Cursor{Segment: s.number, Offset: at}, end-at, false)
			}
			s.bytes = end
			if (Cursor{Segment: s.number, Offset: end}).after(j.cursor) {
				j.behind++
			}
		})
		switch {
		case errors.Is(err, errNoSpool):
			problems = append(problems, j.setAside(s, os.Rename, "is no segment of ours and was set aside"))
			continue
		case err != nil:
			problems = append(problems, j.setAside(s, os.Rename, fmt.Sprintf("cannot be read (%v) and was set aside", err)))
			continue
		}
		if harm.skipped > 0 {
			problems = append(problems, j.setAside(s, os.Link, fmt.Sprintf("is damaged, %d bytes in its middle were passed over", harm.skipped)))
		}
		if harm.tornAt > 0 {
			j.cutTail(s, harm.tornAt)
		}
		j.disk.segments = append(j.disk.segments, s)
	}
	j.disk.next = max(j.disk.next, j.cursor.Segment+1) // numbers are never used again
	j.stories = found.stories()
	j.restoreAlarms()
	return problems
}

// setAside keeps a damaged segment for a person to look at, by rename or by a second name for it.
func (j *Journal) setAside(s segment, move func(from, to string) error, why string) problem {
	text := filepath.Base(s.path) + " " + why
	if err := move(s.path, s.path+badSuffix); err != nil && !errors.Is(err, os.ErrExist) {
		text += "; it could not be kept as " + badSuffix + ": " + err.Error()
	}
	return problem{AlarmSpool, text}
}

// cutTail removes the half of a record that a crash left. It is a trace of an event whose Append never returned.
func (j *Journal) cutTail(s segment, at int64) {
	if err := os.Truncate(s.path, at); err != nil {
		j.cfg.Log.Warn("journal: a torn tail stays, readers pass over it", "segment", filepath.Base(s.path), "error", err)
		return
	}
	j.cfg.Log.Info("journal: torn tail cut off", "segment", filepath.Base(s.path), "at", at)
}
