package journal

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// However long stories go on, what is kept on the disk is in proportion to them, and not to all that was written since they began; and
// each start knows all of each of them.
func TestOpenStoriesAreCarriedOnAndNothingElseIsKept(t *testing.T) {
	t.Parallel()
	const segment, duty = 4000, "the duty of all these days"
	dir, store := t.TempDir(), &shelf{stored: map[string]int{}}
	d := day{r: rand.New(rand.NewPCG(1, 2)), open: map[string][]uint64{}, seq: map[string]uint64{}} //nolint:gosec // a story, not a secret
	for run := range 5 {
		j := open(t, Config{Dir: dir, SegmentBytes: segment})
		checkStories(t, j, d.open, fmt.Sprint("start ", run))
		s := ship(t, j, store)
		heard, cancel := j.Subscribe(10_000)
		before := d.written
		for n := range 1500 {
			if n%50 == 0 {
				d.write(j, duty, false)
			} else {
				d.something(j)
			}
		}
		eventually(t, "what is over is gone", func() bool {
			d.begun++
			d.write(j, fmt.Sprint("bell ", d.begun), true) // segments go with the next events that are shipped
			return size(t, dir) < 4*segment+3*ofOpenStories(j)
		})
		eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
		for range d.written - before {
			if e := <-heard; e.Kind != Call {
				t.Fatalf("heard %+v", e)
			}
		}
		cancel()
		s.Stop()
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if store.count() != d.written {
		t.Errorf("%d events are stored of %d", store.count(), d.written)
	}
}

// day is what happens on a node.
type day struct {
	r              *rand.Rand
	open           map[string][]uint64 // open stories: the numbers of their events, from the last that restated them on
	seq            map[string]uint64
	begun, written int
}

// something happens in one of a few calls.
func (d *day) something(j *Journal) {
	ids := slices.Sorted(maps.Keys(d.open))
	ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.HasPrefix(id, "call") })
	if len(ids) < 5 || len(ids) < 15 && d.r.IntN(4) == 0 {
		d.begun++
		d.write(j, fmt.Sprint("call ", d.begun), false)
		return
	}
	d.write(j, ids[d.r.IntN(len(ids))], d.r.IntN(5) == 0)
}

func (d *day) write(j *Journal, id string, last bool) {
	d.seq[id]++
	e := event(id, d.seq[id])
	switch {
	case last:
		e = final(e)
		delete(d.open, id)
	case strings.HasPrefix(id, "call") && d.r.IntN(5) == 0:
		e.Restated = true
		d.open[id] = []uint64{e.Seq}
	default:
		d.open[id] = append(d.open[id], e.Seq)
	}
	j.Append(e)
	d.written++
}

func checkStories(t *testing.T, j *Journal, want map[string][]uint64, when string) {
	t.Helper()
	for _, s := range j.OpenStories() {
		if seqs := calls(s.Events); s.Kind == Call && !slices.Equal(seqs, want[s.ID]) {
			t.Errorf("%s: %s has %v, want %v", when, s.ID, seqs, want[s.ID])
		}
	}
	for id := range want {
		if !slices.ContainsFunc(j.OpenStories(), func(s Story) bool { return s.ID == id }) {
			t.Errorf("%s: %s is not known any more", when, id)
		}
	}
}

// size is how many bytes the spool takes.
func size(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if info, err := os.Stat(s.path); err == nil { // it may go in this moment
			bytes += info.Size()
		}
	}
	return bytes
}

func ofOpenStories(j *Journal) (bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, places := range j.places {
		for _, p := range places {
			bytes += p.bytes
		}
	}
	return bytes
}

// A story ends while its copy is on the way: the copy opens nothing.
func TestAStoryThatEndsWhileItIsCarriedOnStaysOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, Config{Dir: dir, SegmentBytes: 300})
	j.Append(event("ends", 1))
	j.Append(event("goes on", 1))
	for i := range 10 {
		j.Append(final(event(fmt.Sprint(i), 1)))
	}
	stories := j.oldest(5)
	if len(stories) != 2 {
		t.Fatalf("%d stories", len(stories))
	}
	for i := range stories {
		if err := j.reread(&stories[i]); err != nil {
			t.Fatal(err)
		}
	}
	j.Append(final(event("ends", 2)))
	if carried := j.write(stories); len(carried) != 1 || carried[0].key.id != "goes on" {
		t.Errorf("carried on: %+v", carried)
	}
	synced(t, j)
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	if stories := open(t, Config{Dir: dir}).OpenStories(); len(stories) != 1 || stories[0].ID != "goes on" || len(stories[0].Events) != 1 {
		t.Errorf("stories %+v", stories)
	}
}
