package journal

import (
	"context"
	"io"
	"time"
)

// followPause is how long a part of the spool that could not be read is left alone before it is read again.
const followPause = time.Second

// Follower reads all that is in the spool, and then what comes, at its own pace: the disk keeps what it has not gone past, shipped or
// not. Of a story that was carried on ([Journal.OpenStories] has those) events come again, perhaps behind newer ones. Only
// one goroutine may use it.
type Follower struct {
	journal *Journal
	kept    Cursor // what follows is not dealt with; under the journal's mu
	at      Cursor // behind what was returned last
	tries   int    // how often what is there could not be read
}

// Follow returns a follower at the oldest event on the disk. What it has not gone past stays there for the next start, also when
// nobody asks it any more.
func (j *Journal) Follow() *Follower {
	f := &Follower{journal: j}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.followers[f] = struct{}{}
	return f
}

// Next returns the events that follow, and waits for them where there are none yet; those that it returned before have been dealt
// with. It returns ctx's error, io.EOF when the journal has stopped and all was read, or why the disk could not be read: then
// Next tries again, and after a few times goes past what cannot be read.
func (f *Follower) Next(ctx context.Context) ([]Event, error) {
	j := f.journal
	for {
		j.mu.Lock()
		f.kept = f.at
		changed, more, stopping := j.changed, j.endsAt().after(f.at), j.stopping
		events, to, ok := j.recent.after(f.at, batchEntries)
		j.mu.Unlock()
		if more && !ok {
			var err error
			if events, to, err = j.Read(f.at, batchEntries); err != nil {
				f.fail(ctx, to)
				return nil, err
			}
		}
		if more {
			f.at, f.tries = to, 0
		}
		if len(events) > 0 {
			return events, nil
		}
		if stopping {
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // as documented
		}
	}
}

// fail waits before what is at a place is read again, or goes past it: to the next segment, or where this one ends by now.
func (f *Follower) fail(ctx context.Context, at Cursor) {
	if f.tries++; f.tries < poisonTries {
		sleep(ctx, followPause)
		return
	}
	f.at, f.tries = Cursor{Segment: at.Segment + 1}, 0
	if end := f.journal.end(); f.at.after(end) {
		f.at = end
	}
}

// followed returns the first segment that a follower has not gone past, or number if that is less. Under mu.
func (j *Journal) followed(number uint64) uint64 {
	for f := range j.followers {
		number = min(number, f.kept.Segment)
	}
	return number
}
