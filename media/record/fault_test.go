package record

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/tenants"
)

// faulty makes files that misbehave as told, over real ones.
type faulty struct {
	onWrite func(path string, b []byte) (int, error)
	onSync  func(path string) error
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
	return faultyFile{file, f}, nil
}

func (f faultyFile) Write(b []byte) (int, error) {
	if f.onWrite == nil {
		return f.File.Write(b)
	}
	n, fault := f.onWrite(f.Name(), b)
	if wrote, err := f.File.Write(b[:n]); err != nil {
		return wrote, err
	}
	return n, fault
}

func (f faultyFile) Sync() error {
	if f.onSync != nil {
		if err := f.onSync(f.Name()); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

func TestAFullFirstFolderSendsTakesToTheSecond(t *testing.T) {
	t.Parallel()
	for _, is := range []struct {
		name       string
		fault      error
		secondUsed uint64 // of 100
	}{
		{"which has room", syscall.ENOSPC, 0},
		{"which keeps its last room for takes under way", syscall.EIO, 97},
	} {
		t.Run(is.name, func(t *testing.T) {
			t.Parallel()
			first, second := t.TempDir(), t.TempDir()
			var fails atomic.Bool
			var failures, alarms atomic.Int64
			files := faulty{onWrite: func(path string, b []byte) (int, error) {
				if fails.Load() && strings.HasPrefix(path, first) {
					failures.Add(1)
					return len(b) / 3, is.fault
				}
				return len(b), nil
			}}
			s := newStore(t, Config{Dir: first, Second: second, Files: files.open, Alarm: func(open bool, _ string) {
				if open {
					alarms.Add(1)
				}
			}, Space: func(dir string) (Space, error) {
				if dir == second {
					return Space{Free: 100 - is.secondUsed, Total: 100}, nil
				}
				return Space{Free: 100, Total: 100}, nil
			}})
			s.measure()
			take := create(t, s, Limits{Longest: time.Minute}, nil)
			said := noise(1, 5*chunkBytes+100)
			say(take, media.PCMU, 0, said[:2*chunkBytes])
			eventually(t, "two seconds are on disk", func() bool { return fileSize(first, take.id, partSuffix) == headerBytes+2*sealedChunk })
			fails.Store(true)
			say(take, media.PCMU, 2*chunkBytes, said[2*chunkBytes:])
			if _, err := take.Stop(t.Context()); err != nil {
				t.Fatalf("after %d failed writes: %v", failures.Load(), err)
			}
			mustHear(t, s, take.id, said)
			if fileSize(second, take.id, fullSuffix) < 0 || fileSize(first, take.id, partSuffix) >= 0 {
				t.Error("it is not where it should be")
			}
			if alarms.Load() != 1 || failures.Load() != 1 {
				t.Errorf("%d alarms after %d failed writes, want one of each", alarms.Load(), failures.Load())
			}
		})
	}
}

// rested makes all that failed in a store's folders so long ago that the alarm may end.
func rested(s *Store) {
	for _, p := range s.places {
		p.mu.Lock()
		p.failedAt = p.failedAt.Add(-restFor)
		p.mu.Unlock()
	}
}

func TestATakeThatFailsAmongOthersIsOneAlarmAndOneLine(t *testing.T) {
	t.Parallel()
	var bad atomic.Pointer[string]
	alarms, failed := make(chan bool, 20), make(chan struct{}, 1000)
	files := faulty{onWrite: func(path string, b []byte) (int, error) {
		if id := bad.Load(); id != nil && strings.Contains(path, *id) {
			failed <- struct{}{}
			return 0, syscall.EIO
		}
		return len(b), nil
	}}
	var log lines
	s := newStore(t, Config{
		Files: files.open, Alarm: func(open bool, _ string) { alarms <- open }, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	ill := create(t, s, Limits{Longest: time.Minute}, nil)
	id := string(ill.id)
	bad.Store(&id)
	said := noise(1, chunkBytes)
	for i := range 3 {
		say(ill, media.PCMU, uint32(i*chunkBytes), said)
		<-failed
		sound := create(t, s, Limits{Longest: time.Minute}, nil)
		say(sound, media.PCMU, 0, said)
		if _, err := sound.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.look()
	if open := <-alarms; !open || len(alarms) > 0 || log.errors.Load() != 1 {
		t.Errorf("alarm %v, %d more, %d errors in the log", open, len(alarms), log.errors.Load())
	}
	bad.Store(nil)
	if _, err := ill.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.look()
	if len(alarms) > 0 {
		t.Error("it ended although something failed a moment ago")
	}
	rested(s)
	if open := <-alarms; open {
		t.Error("it did not end")
	}
}

// lines is a log that counts its errors.
type lines struct{ errors atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.errors.Add(int64(bytes.Count(b, []byte("level=ERROR"))))
	return len(b), nil
}

// TestATakeThatFailsEverywhereIsNotTriedWithoutPause: both folders refuse one take's file and keep those of others well.
func TestATakeThatFailsEverywhereIsNotTriedWithoutPause(t *testing.T) {
	t.Parallel()
	const tries = 12
	first, second := t.TempDir(), t.TempDir()
	var s *Store
	failed := make(chan time.Time, tries)
	files := faulty{onWrite: func(_ string, b []byte) (int, error) {
		select {
		case failed <- time.Now():
		default: // well at last
			return len(b), nil
		}
		for _, p := range s.places { // another take's file was synced there
			p.succeeds()
		}
		return 0, syscall.EIO
	}}
	s = newStore(t, Config{Dir: first, Second: second, Files: files.open})
	take := create(t, s, Limits{Longest: time.Minute}, nil)
	said := noise(1, 3*chunkBytes)
	say(take, media.PCMU, 0, said)
	if _, err := take.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustHear(t, s, take.id, said)
	at := make([]time.Time, 0, tries)
	for range tries {
		at = append(at, <-failed)
	}
	// One move at once, then a pause. Besides, the begin, each of the three chunks and the end are tried when they come, on a slow
	// machine each on its own: six failures at once, and then two a pause.
	if all := at[tries-1].Sub(at[0]); all < 2*retryAfter {
		t.Errorf("%d failures within %v, want pauses of %v between moves", tries, all, retryAfter)
	}
}

func fileSize(dir string, id tenants.VoicemailID, suffix string) int64 {
	info, err := os.Stat(filepath.Join(dir, string(tenant), string(id)+suffix))
	if err != nil {
		return -1
	}
	return info.Size()
}

func TestAFullOnlyFolderIsTriedToTheEndAndStopTellsTheTruth(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	files := faulty{onWrite: func(_ string, b []byte) (int, error) {
		if full.Load() {
			return len(b) / 3, syscall.ENOSPC
		}
		return len(b), nil
	}}
	alarm, told := make(chan bool, 10), make(chan Event, 10)
	s := newStore(t, Config{Files: files.open, StopWait: time.Second, Alarm: func(open bool, _ string) { alarm <- open }})

	take := create(t, s, Limits{Longest: time.Minute}, nil)
	said := noise(1, 5*chunkBytes+100)
	say(take, media.PCMU, 0, said[:chunkBytes])
	eventually(t, "a second is on disk", func() bool { return fileSize(s.cfg.Dir, take.id, partSuffix) == headerBytes+sealedChunk })
	full.Store(true)
	say(take, media.PCMU, chunkBytes, said[chunkBytes:])
	if !<-alarm {
		t.Error("no alarm")
	}
	full.Store(false)
	if _, err := take.Stop(t.Context()); err != nil { // space came back in time
		t.Fatal(err)
	}
	mustHear(t, s, take.id, said)
	rested(s)
	if <-alarm {
		t.Error("the alarm did not end")
	}

	full.Store(true)
	late := create(t, s, Limits{Longest: time.Minute}, func(e Event) { told <- e })
	say(late, media.PCMU, 0, said)
	if _, err := late.Stop(t.Context()); !errors.Is(err, ErrNotDurable) {
		t.Fatalf("stopped: %v", err)
	}
	full.Store(false)
	if e := <-told; e != TooLate {
		t.Errorf("told %v", e)
	}
	mustHear(t, s, late.id, said)
}

func TestAStallSendsTheTakeToTheSecondFolder(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	release := make(chan struct{})
	files := faulty{onWrite: func(path string, b []byte) (int, error) {
		if strings.HasPrefix(path, first) {
			<-release
		}
		return len(b), nil
	}}
	s := newStore(t, Config{Dir: first, Second: second, Files: files.open, Stall: 300 * time.Millisecond, Writers: 2})
	var takes []*Take
	said := noise(1, 3*chunkBytes+7)
	for range 5 {
		take := create(t, s, Limits{Longest: time.Minute}, nil)
		start := time.Now()
		say(take, media.PCMU, 0, said)
		if d := time.Since(start); d > time.Second {
			t.Errorf("the audio path was held for %v", d)
		}
		takes = append(takes, take)
	}
	for _, take := range takes {
		if _, err := take.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustHear(t, s, take.id, said)
	}
	close(release)
	eventually(t, "the first folder is clean", func() bool {
		left, err := filepath.Glob(filepath.Join(first, "*", "*"))
		return err == nil && len(left) == 0
	})
}

func TestAStallWithoutASecondFolderIsToldTruthfullyAndRecoversLater(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var stalls atomic.Bool
	stalls.Store(true)
	files := faulty{onSync: func(string) error {
		if stalls.Load() {
			<-release
		}
		return nil
	}}
	told := make(chan Event, 1)
	s := newStore(t, Config{Files: files.open, Stall: 200 * time.Millisecond, StopWait: 500 * time.Millisecond, Writers: 1})
	take := create(t, s, Limits{Longest: time.Minute}, func(e Event) { told <- e })
	said := noise(1, 2*chunkBytes)
	say(take, media.PCMU, 0, said)
	if _, err := take.Stop(t.Context()); !errors.Is(err, ErrNotDurable) {
		t.Errorf("stopped: %v", err)
	}
	stalls.Store(false)
	close(release)
	if e := <-told; e != TooLate {
		t.Errorf("told %v", e)
	}
	mustHear(t, s, take.id, said)
}

// unsyncedFile is a file that is synced as a test says.
type unsyncedFile struct {
	File
	sync func() error
}

func (f unsyncedFile) Sync() error { return f.sync() }

func TestWhoWaitsBehindASyncThatHangsIsSyncedByAnother(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var hangs atomic.Pointer[string]
	files := func(path string, flag int) (File, error) {
		file, err := OpenFile(path, flag)
		return unsyncedFile{file, func() error { // no disk, which would have its own pace
			if name := hangs.Load(); name != nil && strings.Contains(path, *name) {
				<-release
			}
			return nil
		}}, err
	}
	s := newStore(t, Config{Files: files, Stall: 2 * time.Second, StopWait: 20 * time.Second, Writers: 1})
	stuck := create(t, s, Limits{Longest: time.Minute}, nil)
	takes := []*Take{stuck}
	for range mostUnsynced + 3 {
		takes = append(takes, create(t, s, Limits{Longest: time.Minute}, nil))
	}
	synced := func(what string, n int, takes []*Take) {
		t.Helper()
		for _, take := range takes {
			eventually(t, what, func() bool {
				take.mu.Lock()
				defer take.mu.Unlock()
				return take.attempt != nil && take.attempt.synced == n
			})
		}
	}
	said := noise(1, 2*chunkBytes)
	for _, take := range takes {
		say(take, media.PCMU, 0, said[:chunkBytes])
	}
	synced("the first second is on the disk for good", 1, takes)
	id := string(stuck.id)
	hangs.Store(&id)
	for _, take := range takes {
		say(take, media.PCMU, chunkBytes, said[chunkBytes:])
	}
	synced("the second one of who is not stuck is too", 2, takes[1:])
	close(release)
	if _, err := stuck.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustHear(t, s, stuck.id, said)
}

func TestAfterAFailedSyncTheFileIsMadeAnew(t *testing.T) {
	t.Parallel()
	var failures atomic.Int64
	failures.Store(2)
	files := faulty{onSync: func(string) error {
		if failures.Add(-1) >= 0 {
			return syscall.EIO
		}
		return nil
	}}
	s := newStore(t, Config{Files: files.open})
	take := create(t, s, Limits{Longest: time.Minute}, nil)
	said := noise(1, 3*chunkBytes+5)
	say(take, media.PCMU, 0, said)
	if _, err := take.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustHear(t, s, take.id, said)
}

func TestADiskThatFillsUpTakesNoNewRecordingsButEndsThoseUnderWay(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	var firstUsed, secondUsed atomic.Uint64
	s := newStore(t, Config{Dir: first, Second: second, Space: func(dir string) (Space, error) {
		used := &firstUsed
		if dir == second {
			used = &secondUsed
		}
		return Space{Free: 100 - used.Load(), Total: 100}, nil
	}})
	said := noise(1, 3*chunkBytes)
	underWay := create(t, s, Limits{Longest: time.Minute}, nil)
	say(underWay, media.PCMU, 0, said[:2*chunkBytes])
	eventually(t, "two seconds are on disk", func() bool { return fileSize(first, underWay.id, partSuffix) == headerBytes+2*sealedChunk })
	firstUsed.Store(97)
	s.measure()
	next := create(t, s, Limits{Longest: time.Minute}, nil)
	say(next, media.PCMU, 0, said)
	say(underWay, media.PCMU, 2*chunkBytes, said[2*chunkBytes:])
	for _, take := range []*Take{underWay, next} {
		if _, err := take.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustHear(t, s, take.id, said)
	}
	if fileSize(first, underWay.id, fullSuffix) < 0 || fileSize(second, next.id, fullSuffix) < 0 {
		t.Error("the take under way belongs to the first folder, the new one to the second")
	}
	for _, is := range []struct {
		first, second uint64
		room          bool
	}{{97, 96, true}, {99, 97, false}, {96, 99, true}} {
		firstUsed.Store(is.first)
		secondUsed.Store(is.second)
		s.measure()
		if s.Room() != is.room {
			t.Errorf("at %d and %d %% there is room: %v", is.first, is.second, !is.room)
		}
	}
}
