package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// File is what the spool writes to. Tests hand in files that stall, tear and fill up.
type File = interface {
	io.Writer
	Sync() error
	Close() error
}

// Opener opens a file for writing with the flags of package os; files are made with mode 0600.
type Opener = func(path string, flag int) (File, error)

// OpenFile is the Opener of the real disk.
func OpenFile(path string, flag int) (File, error) { return os.OpenFile(path, flag, 0o600) }

// Config is what a Journal needs; only Dir and Node have no default.
type Config struct {
	Dir          string // the spool's folder, made when missing
	Node         string // this node's name, written into every event
	Files        Opener
	Log          *slog.Logger
	Now          func() time.Time
	SegmentBytes int64 // a segment is closed when it is larger
	MemoryEvents int   // how many events may wait for a disk that does not take them
}

const (
	// segmentBytes: a few hours of a busy node; small enough that shipped ones go soon.
	segmentBytes = 16 << 20
	// memoryEvents: some 50 MB, hours of a node's events at 10 a second.
	memoryEvents = 100_000
	// appendWait is the longest an Append may hold its caller: one frame of audio.
	appendWait = 20 * time.Millisecond
	// stallAlarm is how long a stall lasts before somebody is told.
	stallAlarm = 250 * time.Millisecond
	// syncGroup is the least time between two syncs: those who ask in between share one.
	syncGroup = 5 * time.Millisecond
	// syncIdle is how long a written event may stay unsynced when nobody asks for it.
	syncIdle = 250 * time.Millisecond
	// syncWait bounds Sync for callers whose context has no end.
	syncWait = 5 * time.Second
	// retryEvery is the pace of attempts against a disk that failed.
	retryEvery = 200 * time.Millisecond
	// stopWait is how long Stop waits for what is in memory to reach the disk.
	stopWait = 5 * time.Second
)

// ErrNotKept says that events are not on the disk for good: whoever asked must not tell anyone that they are.
var ErrNotKept = errors.New("the journal could not be kept on disk")

// entry is an event on its way to the disk; n counts the entries of this process from 1.
type entry struct {
	n      uint64
	event  Event
	record []byte
	copied bool // it stands in an older segment already
}

// Journal takes events, keeps them on disk and hands them out again. All methods are safe from any goroutine.
type Journal struct {
	cfg     Config
	stories []Story // open at start
	closed  chan struct{}

	mu          sync.Mutex
	changed     chan struct{} // closed and replaced when anything below moved: everyone who waits looks again
	appended    uint64        // the last entry's n
	written     uint64        // entries up to here were written once
	wanted      uint64        // somebody waits for entries up to here to be synced
	pending     []entry       // not written, in order
	unsynced    []entry       // written, not yet synced, in order
	unpublished []Event       // not given to subscribers yet; one without a kind is given to nobody
	publishedAt uint64        // entries up to here were given to subscribers
	failing     error         // why the disk does not take events; nil: it does
	failedAt    uint64        // the number of the last entry when it last failed
	stalled     bool          // an Append gave up waiting
	dropped     uint64        // events lost because memory was full as well
	lostAt      uint64        // the number of the last one; 0 again once everything before it is on disk
	stopping    bool
	alarmed     bool // the disk's alarm is open, perhaps since an earlier process
	stallTimer  *time.Timer

	disk        disk
	recent      recent
	places      map[storyKey][]place // of the events of each open story
	live        map[uint64]int64     // bytes of them in each segment
	copied      Cursor               // where the last of them stands that was carried on
	cursor      Cursor
	behind      int
	subscribers map[*subscriber]struct{}
	followers   map[*Follower]struct{}
	alarms      map[alarmKey]*OpenAlarm
	alarmSeq    uint64 // the last number given to an alarm's event

	writeWake chan struct{} // something is pending
	shipWake  chan struct{}
	wait      sync.WaitGroup
}

// Open reads what earlier processes left in the folder, repairs it, and starts writing. It succeeds also when the
// folder cannot be used at all: the journal then lives in memory, with an alarm, and keeps trying.
func Open(cfg Config) (*Journal, error) {
	if cfg.Dir == "" {
		return nil, errors.New("journal: no folder given")
	}
	j := prepare(cfg)
	problems := j.repair()
	j.wait.Add(2)
	go j.guard(j.writeLoop)
	go j.guard(j.syncLoop)
	for _, p := range problems {
		j.cfg.Log.Error("journal: damage at start", "key", p.key, "error", p.text)
		j.Raise(platform, p.key, p.text, Critical)
	}
	j.clearHandled()
	return j, nil
}

// prepare returns a journal that does nothing yet.
func prepare(cfg Config) *Journal {
	cfg.Files = fileOr(cfg.Files)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.SegmentBytes = cmp.Or(cfg.SegmentBytes, segmentBytes)
	cfg.MemoryEvents = cmp.Or(cfg.MemoryEvents, memoryEvents)
	return &Journal{
		cfg:         cfg,
		changed:     make(chan struct{}),
		closed:      make(chan struct{}),
		places:      map[storyKey][]place{},
		live:        map[uint64]int64{},
		disk:        disk{unreadable: map[uint64]bool{}},
		subscribers: map[*subscriber]struct{}{},
		followers:   map[*Follower]struct{}{},
		alarms:      map[alarmKey]*OpenAlarm{},
		writeWake:   make(chan struct{}, 1),
		shipWake:    make(chan struct{}, 1),
	}
}

func fileOr(o Opener) Opener {
	if o != nil {
		return o
	}
	return OpenFile
}

// guard runs one of the journal's loops and starts it again when it panics: the journal must outlive its own faults.
func (j *Journal) guard(loop func()) {
	defer j.wait.Done()
	for {
		if func() (clean bool) {
			defer func() {
				if p := recover(); p != nil {
					j.cfg.Log.Error("journal: recovered", "panic", p, "stack", string(debug.Stack()))
				}
			}()
			loop()
			return true
		}() {
			return
		}
		time.Sleep(retryEvery) // a loop that panics again and again must not take a whole core
	}
}

// Append takes an event into the story. It fills in At and Node where they are empty. It returns when the event is
// written, and after 20 ms at the latest: from then on the event is kept in memory until the disk takes it.
func (j *Journal) Append(e Event) {
	n, healthy := j.accept(e)
	if n == 0 || !healthy {
		return
	}
	timer := time.NewTimer(appendWait)
	defer timer.Stop()
	for {
		j.mu.Lock()
		done, changed := j.written >= n || j.failing != nil || j.stalled, j.changed
		j.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			j.stall()
			return
		}
	}
}

// accept queues the event for the writer. It returns its number (0: it was dropped) and whether the disk is fit.
func (j *Journal) accept(e Event) (uint64, bool) {
	if e.At.IsZero() {
		e.At = j.cfg.Now()
	}
	if e.Node == "" {
		e.Node = j.cfg.Node
	}
	if len(e.Data) == 0 {
		e.Data = json.RawMessage("{}")
	}
	e, record := encode(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.queue(e, record)
}

// queue is the last part of accept. Under mu.
func (j *Journal) queue(e Event, record []byte) (uint64, bool) {
	j.unpublished = append(j.unpublished, e)
	healthy := j.failing == nil && !j.stalled
	if !healthy {
		e.Fact = nil // what waits for the disk, perhaps for long, has Data
	}
	if len(j.pending) >= j.cfg.MemoryEvents || j.stopping {
		j.dropped++
		j.appended++ // it has a place in the order, but will never be on disk
		j.lostAt = j.appended
		j.publish(j.appended)
		if !j.stopping && (j.dropped == 1 || j.dropped%1000 == 0) {
			j.cfg.Log.Error("journal: event lost, disk and memory are full", "lost", j.dropped, "kind", e.Kind, "type", e.Type)
		}
		return 0, healthy
	}
	j.appended++
	j.pending = append(j.pending, entry{n: j.appended, event: e, record: record})
	if !healthy {
		j.publish(j.appended)
	}
	select { // only the write loop: with a hundred calls at once, waking all who wait for their own would cost more than the writing
	case j.writeWake <- struct{}{}:
	default:
	}
	return j.appended, healthy
}

// announce wakes everyone who waits for the journal to move. Under mu.
func (j *Journal) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// stall notes that the disk keeps an Append waiting: until it moves again, nobody else waits. Disks pause for a few
// hundredths of a second as a matter of course; the alarm is for one that does not come back soon.
func (j *Journal) stall() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stalled || j.failing != nil || j.stopping {
		return
	}
	j.stalled = true
	j.publish(j.appended)
	j.announce()
	j.stallTimer = time.AfterFunc(stallAlarm, j.stillStalled)
	j.cfg.Log.Warn("journal: the disk is slow, events wait in memory")
}

func (j *Journal) stillStalled() {
	j.mu.Lock()
	raise := j.stalled && !j.alarmed && !j.stopping
	j.alarmed = j.alarmed || raise
	j.mu.Unlock()
	if raise {
		j.cfg.Log.Error("journal: the disk stalls")
		j.Raise(platform, AlarmDisk, "the journal's disk does not answer; events wait in memory", Critical)
	}
}

// Sync returns nil once all events appended before are on the disk for good. It returns an error that wraps
// [ErrNotKept] when the disk refuses them, ctx ends, or 5 s have passed.
func (j *Journal) Sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncWait)
	defer cancel()
	j.mu.Lock()
	target := j.appended
	j.wanted = max(j.wanted, target)
	j.announce()
	for {
		synced, failing, changed := j.syncedTo(), j.failing, j.changed
		lost := j.lostAt != 0 && j.lostAt <= target
		j.mu.Unlock()
		switch {
		case lost:
			return fmt.Errorf("%w: disk and memory are full", ErrNotKept)
		case synced >= target:
			return nil
		case failing != nil:
			return fmt.Errorf("%w: %w", ErrNotKept, failing)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotKept, ctx.Err())
		}
		j.mu.Lock()
	}
}

// syncedTo returns the number up to which every entry is on the disk for good. Under mu.
func (j *Journal) syncedTo() uint64 {
	to := j.appended
	if len(j.pending) > 0 {
		to = min(to, j.pending[0].n-1)
	}
	if len(j.unsynced) > 0 {
		to = min(to, j.unsynced[0].n-1)
	}
	return to
}

// Dropped returns how many events were lost because the disk and the memory for it were both full.
func (j *Journal) Dropped() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

// Stop writes and syncs what is left, for at most 5 s, closes the files and cuts off the subscribers. It returns an
// error that wraps [ErrNotKept] when something stays behind in memory. It may be called again.
func (j *Journal) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	err := j.Sync(ctx)
	j.mu.Lock()
	if !j.stopping {
		close(j.closed)
	}
	j.stopping = true
	if j.stallTimer != nil {
		j.stallTimer.Stop()
	}
	for s := range j.subscribers {
		j.cut(s)
	}
	j.announce()
	j.mu.Unlock()

	done := make(chan struct{})
	go func() {
		j.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done(): // a goroutine hangs in the kernel; waiting longer does not help it
		return errors.Join(err, fmt.Errorf("%w: the disk does not answer", ErrNotKept))
	}
}
