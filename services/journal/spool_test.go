package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func event(id string, seq uint64) Event {
	return Event{
		Tenant: "harbor", Kind: Call, ID: id, Seq: seq, At: time.Date(2026, 11, 22, 3, 4, 5, 6000, time.UTC),
		Node: "n1", Type: "invited", Data: json.RawMessage(`{"caller":"+16085550199"}`),
	}
}

func final(e Event) Event {
	e.Final, e.Type = true, "ended"
	return e
}

func open(t *testing.T, cfg Config) *Journal {
	t.Helper()
	cfg.Node = "n1"
	j, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Stop() })
	return j
}

// synced waits until everything appended is on disk.
func synced(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func replay(t *testing.T, j *Journal) []Event {
	t.Helper()
	var out []Event
	if err := j.Replay(Cursor{}, func(e Event) error { out = append(out, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// ofCalls leaves out the alarms that a busy machine's disk may cause.
func ofCalls(events []Event) (out []Event) {
	for _, e := range events {
		if e.Kind == Call {
			out = append(out, e)
		}
	}
	return out
}

func alarmed(j *Journal, key string) bool {
	return slices.ContainsFunc(j.Alarms(platform), func(a OpenAlarm) bool { return a.Key == key })
}

func calls(events []Event) (seqs []uint64) {
	for _, e := range events {
		if e.Kind == Call {
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs
}

// eventually fails the test when cond does not become true in time; it looks whenever the journal moves.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not happen: " + what)
		}
	}
}

func TestWhatIsSyncedIsThereAfterTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, Config{Dir: dir})
	for seq := uint64(1); seq <= 100; seq++ {
		j.Append(event("a", seq))
	}
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	got := ofCalls(replay(t, open(t, Config{Dir: dir})))
	if len(got) != 100 || got[99].Seq != 100 || string(got[0].Data) != string(event("a", 1).Data) || !got[0].At.Equal(event("a", 1).At) {
		t.Fatalf("read %d events, first %+v", len(got), got[0])
	}
}

func TestConcurrentAppendsShareSyncs(t *testing.T) {
	t.Parallel()
	var syncs atomic.Int64
	j := open(t, Config{Dir: t.TempDir(), Files: faulty{onSync: func() error { syncs.Add(1); return nil }}.open})
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			for seq := uint64(1); seq <= 20; seq++ {
				j.Append(event(fmt.Sprint(i), seq))
				if err := j.Sync(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if n := len(calls(replay(t, j))); n != 1000 {
		t.Fatalf("%d events of 1000", n)
	}
	if n := syncs.Load(); n > 500 {
		t.Errorf("%d syncs for 1000 waits", n)
	}
}

// A crash may leave any number of bytes of the last write.
func TestATailTornAtAnyByteLosesOnlyTheTornEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, Config{Dir: dir})
	ends := []int{int(headerBytes)}
	for seq := uint64(1); seq <= 4; seq++ {
		e, record := encode(event("a", seq))
		j.Append(e)
		ends = append(ends, ends[len(ends)-1]+len(record))
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil || len(whole) != ends[4] {
		t.Fatalf("%d bytes, want %d: %v", len(whole), ends[4], err)
	}
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 0), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for want < 4 && ends[want+1] <= cut {
			want++
		}
		j, err := Open(Config{Dir: dir, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		j.Append(event("b", 1))
		synced(t, j)
		got := ofCalls(replay(t, j))
		if len(got) != want+1 || got[want].ID != "b" || alarmed(j, AlarmSpool) {
			t.Fatalf("cut at %d: %d events, want %d and the new one; alarms %v", cut, len(got), want, j.Alarms(platform))
		}
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASegmentThatIsNotOursIsSetAsideAndTheStartGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(segmentPath(dir, 7), []byte("HFSPOOL\x63 of another age"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	j.Append(event("a", 1))
	synced(t, j)
	if got := calls(replay(t, j)); len(got) != 1 {
		t.Errorf("events %v", got)
	}
	if !alarmed(j, AlarmSpool) {
		t.Errorf("alarms %+v", j.Alarms(platform))
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, Config{Dir: dir}); !alarmed(again, AlarmSpool) || again.Stop() != nil {
		t.Error("the alarm ended though the file is still there")
	}
	if err := os.Remove(segmentPath(dir, 7) + badSuffix); err != nil { // a person looked at it
		t.Fatal(err)
	}
	if third := open(t, Config{Dir: dir}); alarmed(third, AlarmSpool) {
		t.Error("the alarm did not end")
	}
}

func TestDamageInTheMiddleCostsOnlyWhatItHit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := header()
	var hit int
	for seq := uint64(1); seq <= 5; seq++ {
		if seq == 3 {
			hit = len(b) + 20
		}
		_, record := encode(event("a", seq))
		b = append(b, record...)
	}
	b[hit] ^= 0x10
	if err := os.WriteFile(segmentPath(dir, 0), b, 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	if got := fmt.Sprint(calls(replay(t, j))); got != "[1 2 4 5]" {
		t.Errorf("events %s", got)
	}
	if !alarmed(j, AlarmSpool) {
		t.Errorf("alarms %+v", j.Alarms(platform))
	}
}

func TestAFolderThatCannotBeUsedLeavesAJournalInMemory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	events, cancel := j.Subscribe(10)
	defer cancel()
	start := time.Now()
	j.Append(event("a", 1))
	if d := time.Since(start); d > 200*time.Millisecond {
		t.Errorf("Append took %v", d)
	}
	for e := range events {
		if e.ID == "a" {
			break
		}
	}
	if err := j.Sync(t.Context()); !errors.Is(err, ErrNotKept) {
		t.Errorf("Sync said %v", err)
	}
	if err := os.Remove(dir); err != nil { // somebody repairs it
		t.Fatal(err)
	}
	eventually(t, "the event reaches the disk", func() bool { return len(calls(replay(t, j))) == 1 })
	eventually(t, "the alarm ends", func() bool { return !alarmed(j, AlarmDisk) })
}

func TestASubscriberThatDoesNotKeepUpIsCutOffAndHoldsNobody(t *testing.T) {
	t.Parallel()
	j := open(t, Config{Dir: t.TempDir()})
	slow, cancelSlow := j.Subscribe(2)
	quick, cancelQuick := j.Subscribe(100)
	for seq := uint64(1); seq <= 10; seq++ {
		j.Append(event("a", seq))
	}
	n := 0
	for range slow {
		n++
	}
	if n != 2 {
		t.Errorf("the slow one got %d", n)
	}
	for seq := uint64(1); seq <= 10; seq++ {
		if e := <-quick; e.Seq != seq {
			t.Errorf("got %d, want %d", e.Seq, seq)
		}
	}
	cancelQuick()
	cancelQuick()
	cancelSlow()
	if _, open := <-quick; open {
		t.Error("still open")
	}
}

func TestOpenStoriesAreToldAgainAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	later := func() time.Time { return event("", 0).At.Add(time.Minute) }
	j := open(t, Config{Dir: dir, SegmentBytes: 500, Now: later})
	j.Append(event("ended", 1))
	j.Append(event("cut-off", 1))
	j.Append(final(event("ended", 2)))
	j.Append(event("cut-off", 2))
	j.Append(Event{Tenant: "harbor", Kind: Command, ID: "c", Seq: 1, Type: "voicemail.marked"})
	j.Raise("duna", "calls_while_standby:duna", "calls are arriving", Critical)
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	again := open(t, Config{Dir: dir})
	stories := again.OpenStories()
	if len(stories) != 2 || stories[0].ID != "cut-off" || len(stories[0].Events) != 2 || stories[0].NextSeq() != 3 {
		t.Fatalf("stories %+v", stories)
	}
	if a := again.Alarms("duna"); len(a) != 1 || a[0].Text != "calls are arriving" || a[0].Severity != Critical {
		t.Errorf("alarms %+v", a)
	}
	again.Clear("duna", "calls_while_standby:duna")
	again.Append(final(event("cut-off", 3)))
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
	third := open(t, Config{Dir: dir})
	if s := third.OpenStories(); len(s) != 0 || len(third.Alarms("duna")) != 0 {
		t.Errorf("stories %+v", s)
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

func TestDataThatIsNoJSONOrTooMuchIsNotedAndTheEventKept(t *testing.T) {
	t.Parallel()
	j := open(t, Config{Dir: t.TempDir()})
	bad, large := event("a", 1), event("a", 2)
	bad.Data = json.RawMessage("{oh no")
	large.Data = json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), maxRecord)) + `"`)
	j.Append(bad)
	j.Append(large)
	synced(t, j)
	if got := ofCalls(replay(t, j)); len(got) != 2 || !json.Valid(got[0].Data) || len(got[1].Data) > 100 {
		t.Errorf("%+v", got)
	}
}

// The spool of version 1, as written by the build that introduced it, is read by every later build.
func TestSpoolVersion1IsRead(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "v1.spool")
	want := []Event{event("a", 1), event("b", 1), final(event("a", 2))}
	if *update {
		b := header()
		for _, e := range want {
			_, record := encode(e)
			b = append(b, record...)
		}
		if err := os.WriteFile(golden, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(segmentPath(dir, 0), b, 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	got, err := json.Marshal(ofCalls(replay(t, j)))
	if err != nil {
		t.Fatal(err)
	}
	if wanted, _ := json.Marshal(want); !bytes.Equal(got, wanted) {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
	if s := j.OpenStories(); len(s) != 1 || s[0].ID != "b" {
		t.Errorf("open %+v", s)
	}
}

func FuzzSpool(f *testing.F) {
	_, record := encode(event("a", 1))
	f.Add(record)
	f.Add(append(append([]byte{1, 2, 3}, record...), record[:20]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		at := 0
		for at < len(b) {
			skipped, _, n, ok := next(b[at:])
			if !ok {
				break
			}
			if n <= 0 || skipped < 0 || at+skipped+n > len(b) {
				t.Fatalf("skipped %d, length %d of %d", skipped, n, len(b)-at)
			}
			at += skipped + n
		}
		readRecords(b, 10, false)
	})
}
