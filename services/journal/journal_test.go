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
	again := open(t, Config{Dir: dir, Now: later}) // a day later the alarm would end by itself
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

// Whoever does slowly what follows from each event must not read for ever, at a start, because calls go on.
func TestAReplayEndsThoughEventsComeFasterThanTheyAreRead(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]int64{"one segment": 0, "many segments": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := open(t, Config{Dir: t.TempDir(), SegmentBytes: bytes})
			const before = 3 * batchEntries / 2
			for i := range uint64(before) {
				j.accept(event("before", i+1))
			}
			synced(t, j)
			heard, meanwhile := 0, uint64(0)
			err := j.Replay(Cursor{}, func(Event) error {
				heard++
				for range 2 {
					meanwhile++
					j.Append(event("meanwhile", meanwhile))
				}
				if heard > 2*before+2*batchEntries {
					return errors.New("it goes on and on")
				}
				return nil
			})
			if err != nil || heard < before {
				t.Errorf("%d of %d events were read (%v)", heard, before, err)
			}
			if all := ofCalls(replay(t, j)); len(all) < before+int(meanwhile) {
				t.Errorf("%d events are there of %d", len(all), before+int(meanwhile))
			}
		})
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
