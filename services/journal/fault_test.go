package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faulty makes files that misbehave as told, over real ones.
type faulty struct {
	onWrite func(b []byte) (int, error) // how many bytes of b get to the disk, and what is said
	onSync  func() error
}

type faultyFile struct {
	*os.File
	faulty
}

func (f faulty) open(path string, flag int) (File, error) {
	file, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return faultyFile{File: file, faulty: f}, nil
}

func (f faultyFile) Write(b []byte) (int, error) {
	if f.onWrite == nil || bytes.HasPrefix(b, []byte(spoolMagic)) {
		return f.File.Write(b)
	}
	n, fault := f.onWrite(b)
	if wrote, err := f.File.Write(b[:n]); err != nil {
		return wrote, err
	}
	return n, fault
}

func (f faultyFile) Sync() error {
	if f.onSync != nil {
		if err := f.onSync(); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

func TestAFullDiskRaisesAnAlarmOnceAndLosesNothing(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	full.Store(true)
	var writes atomic.Int64
	files := faulty{onWrite: func(b []byte) (int, error) {
		if full.Load() {
			writes.Add(1)
			return len(b) / 2, syscall.ENOSPC // half of it gets there: torn
		}
		return len(b), nil
	}}
	j := open(t, Config{Dir: t.TempDir(), Files: files.open})
	for seq := uint64(1); seq <= 50; seq++ {
		start := time.Now()
		j.Append(event("a", seq))
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Fatalf("Append took %v", d)
		}
	}
	if err := j.Sync(t.Context()); !errors.Is(err, ErrNotKept) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Sync said %v", err)
	}
	eventually(t, "the alarm is raised", func() bool { return alarmed(j, AlarmDisk) })
	if a := j.Alarms(platform); len(a) != 1 || a[0].Key != AlarmDisk || a[0].Count != 1 {
		t.Errorf("alarms %+v", a)
	}
	full.Store(false)
	eventually(t, "all is synced", func() bool { return j.Sync(t.Context()) == nil })
	eventually(t, "the alarm ends", func() bool { return !alarmed(j, AlarmDisk) })
	for i, seq := range calls(replay(t, j)) {
		if seq != uint64(i+1) {
			t.Fatalf("event %d has number %d", i+1, seq)
		}
	}
	if n := len(calls(replay(t, j))); n != 50 {
		t.Errorf("%d events of 50", n)
	}
}

func TestADiskThatStallsHoldsNobodyLongerThan20Milliseconds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	files := faulty{onWrite: func(b []byte) (int, error) { <-release; return len(b), nil }}
	j := open(t, Config{Dir: t.TempDir(), Files: files.open})
	events, cancel := j.Subscribe(100)
	defer cancel()
	var worst time.Duration
	for seq := uint64(1); seq <= 20; seq++ {
		start := time.Now()
		j.Append(event("a", seq))
		worst = max(worst, time.Since(start))
	}
	if worst > 200*time.Millisecond { // 20 ms on a machine that has nothing else to do
		t.Errorf("an Append took %v", worst)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := j.Sync(ctx); !errors.Is(err, ErrNotKept) {
		t.Errorf("Sync said %v", err)
	}
	for seen := 0; seen < 20; { // live views go on
		if e := <-events; e.Kind == Call {
			seen++
		}
	}
	eventually(t, "the alarm is raised", func() bool { return alarmed(j, AlarmDisk) })
	close(release)
	if err := j.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(calls(replay(t, j))); n != 20 {
		t.Errorf("%d events of 20", n)
	}
	eventually(t, "the alarm ends", func() bool { return !alarmed(j, AlarmDisk) })
}

func TestAfterAFailedSyncEverythingIsWrittenAgain(t *testing.T) {
	t.Parallel()
	var failures atomic.Int64
	failures.Store(2)
	files := faulty{onSync: func() error {
		if failures.Add(-1) >= 0 {
			return syscall.EIO
		}
		return nil
	}}
	dir := t.TempDir()
	j := open(t, Config{Dir: dir, Files: files.open})
	for seq := uint64(1); seq <= 3; seq++ {
		j.Append(event("a", seq))
	}
	if err := j.Sync(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("Sync said %v", err)
	}
	eventually(t, "all is synced", func() bool { return j.Sync(t.Context()) == nil })
	segments, err := listSegments(dir)
	if err != nil || len(segments) < 2 {
		t.Fatalf("%d segments: %v", len(segments), err)
	}
	if err := os.Remove(segments[0].path); err != nil { // what the kernel forgot
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, seq := range calls(replay(t, j)) {
		seen[seq] = true
	}
	if len(seen) != 3 {
		t.Errorf("events %v", seen)
	}
}

// The write loop had taken its batch when the sync loop found that earlier events have to be written again.
func TestAFailedSyncBetweenTwoWritesLosesNothing(t *testing.T) {
	t.Parallel()
	j := prepare(Config{Dir: t.TempDir(), Node: "n1"})
	if problems := j.repair(); len(problems) > 0 {
		t.Fatal(problems)
	}
	write := func() {
		batch, ok := j.nextBatch()
		if !ok {
			t.Fatal("nothing to write")
		}
		if err := j.writeBatch(batch); err != nil {
			t.Fatal(err)
		}
	}
	j.accept(event("a", 1))
	j.accept(event("a", 2))
	write()
	j.accept(event("a", 3))
	batch, _ := j.nextBatch()
	j.distrust()
	if err := j.writeBatch(batch); err != nil {
		t.Fatal(err)
	}
	if n := len(j.pending); n != 3 {
		t.Fatalf("%d events wait to be written, want 3", n)
	}
	write()
	if got := fmt.Sprint(calls(replay(t, j))); got != "[1 2 3 1 2 3]" {
		t.Errorf("on disk: %s", got)
	}
	for _, out := range append(j.disk.retired, j.disk.current) {
		_ = out.file.Close()
	}
}

func TestWhenMemoryIsFullTooSyncTellsTheTruth(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	full.Store(true)
	files := faulty{onWrite: func(b []byte) (int, error) {
		if full.Load() {
			return 0, syscall.ENOSPC
		}
		return len(b), nil
	}}
	j := open(t, Config{Dir: t.TempDir(), Files: files.open, MemoryEvents: 10})
	for seq := uint64(1); seq <= 30; seq++ {
		j.Append(event("a", seq))
	}
	if j.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	if err := j.Sync(t.Context()); !errors.Is(err, ErrNotKept) {
		t.Errorf("Sync said %v", err)
	}
	full.Store(false)
	eventually(t, "it recovers", func() bool { return j.Sync(t.Context()) == nil })
}

// On a busy node something new is on its way whenever a sync ends.
func TestADiskThatRecoversIsTrustedAgainThoughTheNodeNeverRests(t *testing.T) {
	t.Parallel()
	var j atomic.Pointer[Journal]
	var syncs, seq atomic.Int64
	var idle atomic.Bool
	files := faulty{onSync: func() error {
		if j := j.Load(); j != nil && !idle.Load() {
			j.accept(event("busy", uint64(seq.Add(1))))
		}
		if syncs.Add(1) == 1 {
			return syscall.EIO
		}
		return nil
	}}
	j.Store(open(t, Config{Dir: t.TempDir(), Files: files.open}))
	j.Load().Append(event("a", 1))
	eventually(t, "the disk fails", func() bool { return alarmed(j.Load(), AlarmDisk) })
	eventually(t, "it is trusted again", func() bool { return !alarmed(j.Load(), AlarmDisk) })
	if err := j.Load().Sync(t.Context()); err != nil {
		t.Error(err)
	}
	idle.Store(true)
}
