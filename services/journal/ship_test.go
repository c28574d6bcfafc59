package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// shelf is a Store in memory that fails as told.
type shelf struct {
	mu     sync.Mutex
	before func(events []Event) error // fails before anything is stored
	after  func() error               // fails after the commit, as a lost answer does
	stored map[string]int
	order  []Event
}

func (s *shelf) Ship(_ context.Context, events []Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		if err := s.before(events); err != nil {
			return err
		}
	}
	for _, e := range events {
		key := fmt.Sprintf("%s/%s/%s/%d", e.Tenant, e.Kind, e.ID, e.Seq)
		if s.stored[key]++; s.stored[key] == 1 {
			s.order = append(s.order, e)
		}
	}
	if s.after != nil {
		return s.after()
	}
	return nil
}

// count returns how many events of calls are stored.
func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(ofCalls(s.order))
}

func ship(t *testing.T, j *Journal, store Store) *Shipper {
	t.Helper()
	s := NewShipper(ShipperConfig{Journal: j, Store: store, Batch: 7, Slowest: 100 * time.Millisecond})
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

var errAway = errors.New("connection refused")

func TestEveryEventIsShippedInOrderThoughTheStoreFailsBeforeAndAfterItsCommits(t *testing.T) {
	t.Parallel()
	turn := 0
	store := &shelf{stored: map[string]int{}}
	store.before = func([]Event) error {
		if turn++; turn%4 == 1 {
			return errAway
		}
		return nil
	}
	store.after = func() error {
		if turn%4 == 2 {
			return errAway
		}
		return nil
	}
	dir := t.TempDir()
	j := open(t, Config{Dir: dir, SegmentBytes: 1000})
	s := ship(t, j, store)
	for seq := uint64(1); seq <= 60; seq++ {
		j.Append(event("a", seq))
	}
	j.Append(final(event("a", 61)))
	eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
	for i, e := range ofCalls(store.order) {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
	}
	if store.count() != 61 {
		t.Errorf("%d events stored of 61", store.count())
	}
	eventually(t, "shipped segments are removed", func() bool {
		left, err := listSegments(dir)
		return err == nil && len(left) <= 2
	})
}

func TestShippingGoesOnWhereTheProcessDied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := &shelf{stored: map[string]int{}}
	for run := range 3 {
		j, err := Open(Config{Dir: dir, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		s := ship(t, j, store)
		for seq := range uint64(10) {
			j.Append(final(event(fmt.Sprint(run), seq+1)))
		}
		if run != 1 { // the second one dies with its events unshipped
			eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
		}
		s.Stop()
		s.Stop()
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if store.count() != 30 {
		t.Errorf("%d events stored of 30", store.count())
	}
}

func TestAnOpenStoryStaysAndLittleElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := &shelf{stored: map[string]int{}}
	j := open(t, Config{Dir: dir, SegmentBytes: 300})
	s := ship(t, j, store)
	j.Append(event("live", 1))
	for i := range 20 {
		j.Append(final(event(fmt.Sprint(i), 1)))
	}
	eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
	eventually(t, "few segments are left", func() bool {
		left, err := listSegments(dir)
		return err == nil && len(left) <= 5
	})
	s.Stop()
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	again := open(t, Config{Dir: dir})
	if stories := again.OpenStories(); len(stories) != 1 || stories[0].ID != "live" {
		t.Errorf("stories %+v", stories)
	}
	if n := again.Behind(); n != 0 {
		t.Errorf("%d behind", n)
	}
}

func TestAPoisonedEventIsSetAsideAndTheQueueMovesOn(t *testing.T) {
	t.Parallel()
	store := &shelf{stored: map[string]int{}}
	tries := 0
	store.before = func(events []Event) error {
		for _, e := range events {
			if e.ID == "poison" && len(events) == 1 {
				tries++
				panic("a projector's fault")
			}
			if e.ID == "poison" {
				return fmt.Errorf("%w: 22P05", ErrRefused)
			}
		}
		return nil
	}
	dir := t.TempDir()
	j := open(t, Config{Dir: dir})
	for seq := uint64(1); seq <= 3; seq++ {
		j.Append(event("a", seq))
	}
	j.Append(event("poison", 1))
	j.Append(event("a", 4))
	s := ship(t, j, store)
	eventually(t, "the rest is stored", func() bool { return store.count() == 4 && s.Behind() == 0 })
	if tries != poisonTries {
		t.Errorf("tried %d times", tries)
	}
	if !alarmed(j, AlarmShipper) {
		t.Errorf("alarms %+v", j.Alarms(platform))
	}
	if files, err := os.ReadDir(filepath.Join(dir, "dead")); err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
}

// An open story whose event was set aside is carried on with it: once is enough for the one who looks at it.
func TestAPoisonedEventThatComesAgainIsSetAsideOnce(t *testing.T) {
	t.Parallel()
	store := &shelf{stored: map[string]int{}}
	store.before = func(events []Event) error {
		if slices.ContainsFunc(events, func(e Event) bool { return e.ID == "poison" }) {
			return fmt.Errorf("%w: 22P05", ErrRefused)
		}
		return nil
	}
	j := open(t, Config{Dir: t.TempDir()})
	s := ship(t, j, store)
	j.Append(event("poison", 1))
	eventually(t, "it is set aside", func() bool { return s.Behind() == 0 && alarmed(j, AlarmShipper) })
	if err := os.RemoveAll(filepath.Join(j.cfg.Dir, deadFolder)); err != nil {
		t.Fatal(err)
	}
	j.clearHandled()
	j.Append(event("poison", 1))
	j.Append(event("a", 1))
	eventually(t, "what follows is stored", func() bool { return store.count() == 1 && s.Behind() == 0 })
	if alarmed(j, AlarmShipper) {
		t.Error("somebody is told twice")
	}
}

func TestANewEventIsShippedSoon(t *testing.T) {
	t.Parallel()
	store := &shelf{stored: map[string]int{}}
	j := open(t, Config{Dir: t.TempDir()})
	ship(t, j, store)
	for i := range 10 {
		start := time.Now()
		j.Append(event("a", uint64(i+1)))
		eventually(t, "it is shipped", func() bool { return store.count() == i+1 })
		if d := time.Since(start); d > 500*time.Millisecond { // 100 ms where the machine is ours
			t.Errorf("took %v", d)
		}
	}
}

func TestWhatABrokenDiskDoesNotTakeIsShippedOutOfMemory(t *testing.T) {
	t.Parallel()
	store := &shelf{stored: map[string]int{}}
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	ship(t, j, store)
	j.Append(event("a", 1))
	eventually(t, "it is shipped", func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.stored["harbor/call/a/1"] > 0
	})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is on disk too", func() bool { return j.Behind() == 0 && len(calls(replay(t, j))) == 1 })
}
