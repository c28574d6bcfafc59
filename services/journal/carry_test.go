package journal

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
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
			if s.Behind() == 0 {
				d.begun++
				d.write(j, fmt.Sprint("bell ", d.begun), true) // segments go with the next events that are shipped
			}
			return size(t, dir) < 4*segment+3*ofOpenStories(j)
		})
		eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
		for want := d.written - before; want > 0; {
			switch e := <-heard; e.Kind {
			case Call:
				want--
			case Alarm: // of a busy machine's disk
			default:
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

// hold opens a journal in which some stories stand in older segments: each began with one event, and many others came and went.
func hold(t *testing.T, cfg Config, stories ...string) *Journal {
	t.Helper()
	cfg.SegmentBytes = 300
	j := open(t, cfg)
	for _, id := range stories {
		j.Append(event(id, 1))
	}
	for i := range 10 {
		j.Append(final(event(fmt.Sprint(i), 1)))
	}
	synced(t, j)
	return j
}

// openAgain opens a journal's folder as the next process does and checks which stories it finds open, each with its first event.
func openAgain(t *testing.T, j *Journal, want ...string) {
	t.Helper()
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range open(t, Config{Dir: j.cfg.Dir}).OpenStories() {
		if s.Kind == Call {
			got = append(got, fmt.Sprint(s.ID, calls(s.Events)))
		}
	}
	slices.Sort(got)
	for i := range want {
		want[i] += "[1]"
	}
	if !slices.Equal(got, want) {
		t.Errorf("open are %v, want %v", got, want)
	}
}

// A story ends while its copy is on the way: the copy opens nothing, whether the end is on the disk already or not.
func TestAStoryThatEndsWhileItIsCarriedOnStaysOver(t *testing.T) {
	t.Parallel()
	for what, slow := range map[string]bool{"on the disk": false, "on the way there": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var gate atomic.Pointer[chan struct{}]
			j := hold(t, Config{Dir: t.TempDir(), Files: faulty{onWrite: func(b []byte) (int, error) {
				if wait := gate.Load(); wait != nil {
					<-*wait
				}
				return len(b), nil
			}}.open}, "ends", "goes on")
			stories := j.oldest(5)
			if len(stories) != 2 {
				t.Fatalf("%d stories", len(stories))
			}
			for i := range stories {
				if _, err := j.reread(&stories[i]); err != nil {
					t.Fatal(err)
				}
			}
			wait := make(chan struct{})
			if slow {
				gate.Store(&wait)
				j.accept(final(event("ends", 2)))
			} else {
				j.Append(final(event("ends", 2)))
			}
			carried := j.write(stories)
			close(wait)
			if len(carried) != 1 || carried[0].key.id != "goes on" {
				t.Errorf("carried on: %+v", carried)
			}
			synced(t, j)
			openAgain(t, j, "goes on")
		})
	}
}

// everything is a segment's number behind all that there are.
const everything = 1 << 60

func placesOf(j *Journal, id string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.places[keyOf(event(id, 1))])
}

// However often a copy could not be made safe, or a process died between copy and removal, a story is carried on as one.
func TestAStoryThatWasCarriedOnInVainIsNotCarriedOnTwice(t *testing.T) {
	t.Parallel()
	var ill atomic.Bool
	j := hold(t, Config{Dir: t.TempDir(), Files: faulty{onSync: func() error {
		if ill.Load() {
			return syscall.EIO
		}
		return nil
	}}.open}, "goes on")
	ill.Store(true)
	j.carry(t.Context(), everything)
	if n := placesOf(j, "goes on"); n == 0 {
		t.Error("its places are let go though the copies are not safe")
	}
	ill.Store(false)
	eventually(t, "the disk is fit again", func() bool { return j.Sync(t.Context()) == nil && !alarmed(j, AlarmDisk) })
	if n := placesOf(j, "goes on"); n < 2 {
		t.Errorf("it stands in %d places: nothing was tried", n)
	}
	for range 2 {
		j.carry(t.Context(), everything)
		if n := placesOf(j, "goes on"); n != 1 {
			t.Errorf("it stands in %d places", n)
		}
	}
	j.Append(event("goes on", 1)) // as a copy is that a dead process left
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	j = open(t, Config{Dir: j.cfg.Dir})
	j.carry(t.Context(), everything)
	if n := placesOf(j, "goes on"); n != 1 {
		t.Errorf("after a start it stands in %d places", n)
	}
	openAgain(t, j, "goes on")
}

// A place on the disk that cannot be read keeps no other story from being carried on, and somebody is told.
func TestASegmentThatCannotBeReadKeepsNothingElseFromBeingCarriedOn(t *testing.T) {
	t.Parallel()
	j := hold(t, Config{Dir: t.TempDir()}, "lost", "kept", "goes on")
	if err := os.Truncate(segmentPath(j.cfg.Dir, 1), headerBytes); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j.carry(t.Context(), everything)
	}
	if !alarmed(j, AlarmSpool) {
		t.Error("nobody is told")
	}
	j.advance(t.Context(), Cursor{Segment: everything}, 0)
	if left, err := listSegments(j.cfg.Dir); err != nil || len(left) > 3 || left[0].number != 1 {
		t.Errorf("left are %v: %v", left, err)
	}
	openAgain(t, j, "goes on")
}

// The end of a story goes no sooner than its beginning, which another story may hold.
func TestAStoryThatIsOverIsOverAtTheNextStartThoughOthersGoOn(t *testing.T) {
	t.Parallel()
	j := open(t, Config{Dir: t.TempDir(), SegmentBytes: 300})
	s := ship(t, j, &shelf{stored: map[string]int{}})
	j.Append(event("live", 1))
	j.Append(event("over", 1))
	j.Append(final(event("over", 2)))
	for i := range 5 {
		j.Append(final(event(fmt.Sprint(i), 1)))
		eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
	}
	s.Stop()
	openAgain(t, j, "live")
}

// After a sync that failed, everything is written again, and the process may die before it has written the end again.
func TestAnEventThatWasWrittenAgainBehindItsStorysEndOpensNothing(t *testing.T) {
	t.Parallel()
	j := open(t, Config{Dir: t.TempDir()})
	j.Append(event("over", 1))
	j.Append(event("live", 1))
	j.Append(final(event("over", 2)))
	j.Append(event("over", 1))
	openAgain(t, j, "live")
}

// What makes a segment needless must be on the disk for good before it goes.
func TestASegmentGoesNoSoonerThanWhatCameAfterItIsSafe(t *testing.T) {
	t.Parallel()
	var ill atomic.Bool
	j := open(t, Config{Dir: t.TempDir(), SegmentBytes: 300, Files: faulty{onSync: func() error {
		if ill.Load() {
			return syscall.EIO
		}
		return nil
	}}.open})
	j.Append(event("a", 1))
	j.Append(event("a", 2))
	synced(t, j)
	ill.Store(true)
	s := ship(t, j, &shelf{stored: map[string]int{}})
	j.Append(final(event("a", 3)))
	eventually(t, "the disk fails", func() bool { return alarmed(j, AlarmDisk) })
	eventually(t, "the first segment is shipped", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.cursor.Segment > 1
	})
	if left, err := listSegments(j.cfg.Dir); err != nil || left[0].number != 1 {
		t.Errorf("left are %v: %v", left, err)
	}
	ill.Store(false)
	eventually(t, "it goes", func() bool {
		if s.Behind() == 0 {
			j.Append(final(event("bell", 1))) // segments go with the next events that are shipped
		}
		left, err := listSegments(j.cfg.Dir)
		return err == nil && left[0].number > 1
	})
	s.Stop()
	openAgain(t, j)
}
