package journal

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAlarmAboutWhatHappenedFadesADayAfterTheLastTime(t *testing.T) {
	t.Parallel()
	var hours atomic.Int64
	began := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	j := open(t, Config{Dir: t.TempDir(), Now: func() time.Time { return began.Add(time.Duration(hours.Load()) * time.Hour) }})
	keys := func() (out []string) {
		for _, a := range j.Alarms("harbor") {
			out = append(out, a.Key)
		}
		return out
	}
	j.Raise("harbor", "recording_disk", "text", Warning)
	j.Raise("harbor", "unknown_number:+16085559999", "text", Warning)
	j.Raise("harbor", "call_panic", "text", Warning)
	hours.Store(23)
	j.Raise("harbor", "call_panic", "text", Warning)
	j.clearHandled()
	if got := keys(); len(got) != 3 {
		t.Errorf("after 23 hours: %v", got)
	}
	hours.Store(25)
	j.clearHandled()
	if got := fmt.Sprint(keys()); got != "[call_panic recording_disk]" {
		t.Errorf("after 25 hours: %v", got)
	}
	hours.Store(47)
	j.clearHandled()
	if got := fmt.Sprint(keys()); got != "[recording_disk]" {
		t.Errorf("a day after it was repeated: %v", got)
	}
}

func TestAnAlarmIsToldOnceWhileItIsOpenAndItsNumbersAreNeverUsedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	j := open(t, Config{Dir: dir, Now: clock})
	for range 5 {
		j.Raise("harbor", "k\x00ey", "text", Warning)
	}
	if a := j.Alarms("harbor"); len(a) != 1 || a[0].Count != 5 {
		t.Fatalf("alarms %+v", a)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	j.Raise("harbor", "k\x00ey", "text", Warning)
	j.Clear("harbor", "k\x00ey")
	j.Clear("harbor", "k\x00ey")
	j.Raise("harbor", "k\x00ey", "text", Warning) // the same microsecond
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var types []string
	seqs := map[uint64]bool{}
	for _, e := range replay(t, j) {
		if e.Tenant != "harbor" {
			continue
		}
		types, seqs[e.Seq] = append(types, e.Type), true
	}
	if fmt.Sprint(types) != "[raised raised cleared raised]" {
		t.Errorf("%v", types)
	}
	if len(seqs) != 4 {
		t.Errorf("a number was used twice: %v", seqs)
	}
}

// Whoever raises and whoever ends an alarm at the same time: at the next start it is as the last number says.
func TestAnAlarmsEventsStandInTheOrderOfTheirNumbers(t *testing.T) {
	t.Parallel()
	j := open(t, Config{Dir: t.TempDir()})
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() {
			for range 200 {
				j.Raise("harbor", "recording_disk", "text", Warning)
				j.Clear("harbor", "recording_disk")
			}
		})
	}
	both.Wait()
	synced(t, j)
	last := uint64(0)
	for _, e := range replay(t, j) {
		if e.Tenant != "harbor" {
			continue
		}
		if e.Seq <= last {
			t.Fatalf("%d stands behind %d", e.Seq, last)
		}
		last = e.Seq
	}
	if last == 0 {
		t.Error("nothing was told")
	}
}
