package journal

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestWhatIsShippedOutOfMemoryIsWhatTheDiskHolds(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a story, not a secret
	seq, fromMemory := uint64(0), 0
	for range 3 { // starts: what an earlier process wrote is on the disk alone
		j := open(t, Config{Dir: dir, SegmentBytes: 20_000})
		for _, wrote := range []int{0, 1, 3, 200, recentEvents + 300, 5, 700, 40} {
			for wrote > 0 {
				var writers sync.WaitGroup
				for range min(wrote, 32) {
					seq++
					e := event("a", seq)
					writers.Go(func() { j.Append(e) })
				}
				writers.Wait()
				wrote -= min(wrote, 32)
			}
			for most := 2 + 20*r.IntN(2); most > 0; most-- { // the shipper does not always get through
				fromMemory += compareShipped(t, j, 1+r.IntN(500))
			}
		}
		synced(t, j)
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if fromMemory < 1000 {
		t.Errorf("%d events came out of memory: nothing was compared", fromMemory)
	}
}

// compareShipped ships up to limit events, holds them against the disk, and returns how many came out of memory.
func compareShipped(t *testing.T, j *Journal, limit int) int {
	t.Helper()
	j.mu.Lock()
	from := j.cursor
	events, _, _ := j.recent.after(from, limit)
	j.mu.Unlock()
	got, to, err := j.unshipped(limit)
	if err != nil {
		t.Fatal(err)
	}
	disk := from
	for i := 0; i < len(got); {
		want, next, err := j.Read(disk, len(got)-i)
		if err != nil || len(want) == 0 {
			t.Fatalf("the disk ends %d events before memory does: %v", len(got)-i, err)
		}
		for _, w := range want {
			if g := got[i]; g.ID != w.ID || g.Seq != w.Seq || string(g.Data) != string(w.Data) || !g.At.Equal(w.At) {
				t.Fatalf("shipped %+v, on the disk is %+v", g, w)
			}
			i++
		}
		disk = next
	}
	if len(got) > 0 && disk != to {
		t.Fatalf("shipped up to %+v, on the disk that is %+v", to, disk)
	}
	j.advance(t.Context(), to, len(got))
	return len(events)
}
