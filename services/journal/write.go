package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	batchEntries = 1024    // one write takes at most so many events
	batchBytes   = 1 << 20 // and at most about so many bytes

	// retrySlowest is the pace to which attempts against a disk that goes on failing slow down: each may leave a file.
	retrySlowest = 5 * time.Second
)

// output is the segment being written, or one that waits to be synced and closed.
type output struct {
	segment
	file  File
	size  int64 // up to the end of its last whole record; under the journal's mu
	named bool  // the folder's entry for it was synced
}

// disk is the journal's hold on the spool folder; under the journal's mu.
type disk struct {
	current  *output // nil: the next write opens a segment
	retired  []*output
	segments []segment // all there are, in order, the current one last
	next     uint64

	unreadable map[uint64]bool // numbers of segments that an open story could not be read from
}

// writeLoop is the one goroutine that writes to the spool.
func (j *Journal) writeLoop() {
	retry := retryEvery
	for {
		batch, ok := j.nextBatch()
		if !ok {
			return
		}
		err := j.writeBatch(batch)
		if err == nil {
			retry = retryEvery
			continue
		}
		j.fail(err)
		j.pause(retry)
		retry = min(2*retry, retrySlowest)
	}
}

// pause waits for d, or until the journal is stopped.
func (j *Journal) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.closed:
	}
}

// nextBatch waits for events to write. It returns false when the journal stops and nothing more can be done.
func (j *Journal) nextBatch() ([]entry, bool) {
	for {
		j.mu.Lock()
		pending, changed := j.pending, j.changed
		over := j.stopping && (len(pending) == 0 || j.failing != nil)
		j.mu.Unlock()
		if over {
			return nil, false
		}
		if len(pending) > 0 {
			n, size := 0, 0
			for n < len(pending) && n < batchEntries && size < batchBytes {
				size += len(pending[n].record)
				n++
			}
			return pending[:n:n], true
		}
		select {
		case <-changed:
		case <-j.writeWake:
		}
	}
}

// writeBatch writes what it can of the batch, which is the head of pending, and notes it as written.
func (j *Journal) writeBatch(batch []entry) error {
	out, err := j.output()
	if err != nil {
		return err
	}
	var buf []byte
	for _, e := range batch {
		buf = append(buf, e.record...)
	}
	n, err := out.file.Write(buf)
	if err == nil && n < len(buf) {
		err = errors.New("short write")
	}
	whole, size := 0, 0
	for whole < len(batch) && size+len(batch[whole].record) <= n {
		size += len(batch[whole].record)
		whole++
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	if out != j.disk.current || len(j.pending) == 0 || j.pending[0].n != batch[0].n {
		// A failed sync came in between: earlier events are pending again and must be written first. What was written
		// now is written again after them.
		if out == j.disk.current {
			j.retire()
		}
		return nil
	}
	j.settle(out, batch[:whole])
	if err != nil {
		j.retire()
		return fmt.Errorf("write to the spool: %w", err)
	}
	if out.size > j.cfg.SegmentBytes {
		j.retire()
	}
	return nil
}

// settle notes entries, the head of pending, as written to out. Under mu.
func (j *Journal) settle(out *output, entries []entry) {
	if len(entries) == 0 {
		return
	}
	for _, e := range entries {
		at := Cursor{Segment: out.number, Offset: out.size}
		out.size += int64(len(e.record))
		j.note(e.event, at, int64(len(e.record)), e.copied)
		j.recent.add(e.event, at, Cursor{Segment: out.number, Offset: out.size})
	}
	j.behind += len(entries)
	j.unsynced = append(j.unsynced, entries...)
	if j.pending = j.pending[len(entries):]; len(j.pending) == 0 {
		j.pending, j.stalled = nil, false
	}
	if last := entries[len(entries)-1].n; last > j.written {
		j.written = last
	}
	j.publish(j.written)
	j.announce()
	select {
	case j.shipWake <- struct{}{}:
	default:
	}
}

// retire ends the current segment; the sync loop syncs and closes it. Under mu.
func (j *Journal) retire() {
	if out := j.disk.current; out != nil {
		for i := range j.disk.segments {
			if j.disk.segments[i].number == out.number {
				j.disk.segments[i].bytes = out.size
			}
		}
		j.disk.retired = append(j.disk.retired, out)
		j.disk.current = nil
		j.announce()
	}
}

// output returns the segment to write to and makes a new one where there is none. Only the write loop calls it.
func (j *Journal) output() (*output, error) {
	j.mu.Lock()
	current, number := j.disk.current, j.disk.next
	j.mu.Unlock()
	if current != nil {
		return current, nil
	}
	if err := os.MkdirAll(j.cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool folder: %w", err)
	}
	for {
		path := segmentPath(j.cfg.Dir, number)
		file, err := j.cfg.Files(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND)
		if errors.Is(err, fs.ErrExist) {
			number++ // the folder could not be listed at start
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open a segment: %w", err)
		}
		if n, err := file.Write(header()); err != nil || int64(n) < headerBytes {
			_ = file.Close()
			_ = os.Remove(path)
			return nil, fmt.Errorf("begin a segment: %w", errors.Join(err, errShort(n)))
		}
		out := &output{segment: segment{number: number, path: path}, file: file, size: headerBytes}
		j.mu.Lock()
		j.disk.current, j.disk.next = out, number+1
		j.disk.segments = append(j.disk.segments, out.segment)
		j.mu.Unlock()
		return out, nil
	}
}

func errShort(n int) error {
	if int64(n) < headerBytes {
		return errors.New("short write")
	}
	return nil
}

// fail notes that the disk does not take events, and raises the alarm once.
func (j *Journal) fail(err error) {
	j.mu.Lock()
	first := !j.alarmed
	j.failing, j.failedAt, j.alarmed = err, j.appended, true
	j.publish(j.appended)
	j.announce()
	j.mu.Unlock()
	if first {
		j.cfg.Log.Error("journal: the disk fails, events wait in memory", "error", err)
		j.Raise(platform, AlarmDisk, "the journal's disk fails; events wait in memory: "+err.Error(), Critical)
	}
}

// syncLoop is the one goroutine that syncs and closes segments.
func (j *Journal) syncLoop() {
	last, retry := time.Time{}, time.Duration(0)
	for {
		work, ok := j.nextSync(last, retry)
		if !ok {
			return
		}
		last = time.Now()
		if err := j.syncFiles(work); err != nil {
			j.distrust()
			j.fail(fmt.Errorf("sync the spool: %w", err))
			retry = min(max(2*retry, retryEvery), retrySlowest)
			continue
		}
		retry = 0
		j.synced(work)
	}
}

// syncWork is one turn of the sync loop: files to sync and close, one to sync, and the entries that this secures.
type syncWork struct {
	retired []*output
	current *output
	upTo    uint64
}

// nextSync waits until a sync is due: at once when somebody waits for it and the last is 5 ms ago, else after a
// quarter of a second. It returns false when the journal stops and nothing is left to sync.
func (j *Journal) nextSync(last time.Time, retry time.Duration) (syncWork, bool) {
	for {
		j.mu.Lock()
		changed := j.changed
		dirty := len(j.unsynced) > 0 || len(j.disk.retired) > 0
		if !dirty && j.stopping && (len(j.pending) == 0 || j.failing != nil) {
			if out := j.disk.current; out != nil {
				_ = out.file.Close() // all of it is synced
				j.disk.current = nil
			}
			j.mu.Unlock()
			return syncWork{}, false
		}
		pause := syncIdle
		if j.wanted > j.syncedTo() || j.stopping {
			pause = syncGroup
		}
		left := time.Until(last.Add(max(pause, retry)))
		if dirty && left <= 0 {
			work := syncWork{retired: j.disk.retired, current: j.disk.current}
			j.disk.retired = nil
			if n := len(j.unsynced); n > 0 {
				work.upTo = j.unsynced[n-1].n
			}
			j.mu.Unlock()
			return work, true
		}
		j.mu.Unlock()
		if !dirty {
			<-changed
			continue
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// syncFiles makes the files of work, and their names, last. Retired ones are closed whatever happens.
func (j *Journal) syncFiles(work syncWork) error {
	var all error
	outputs := work.retired
	if work.current != nil {
		outputs = append(outputs[:len(outputs):len(outputs)], work.current)
	}
	for _, out := range outputs {
		if err := out.file.Sync(); err != nil {
			all = errors.Join(all, err)
		}
		if !out.named {
			if err := syncDir(filepath.Dir(out.path)); err != nil {
				all = errors.Join(all, err)
			} else {
				out.named = true
			}
		}
		if out != work.current {
			_ = out.file.Close()
		}
	}
	return all
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open a folder: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync a folder: %w", err)
	}
	return nil
}

// distrust puts everything that is not known to be synced back to be written again, into a new file: after a failed
// sync the kernel may have forgotten the pages. Events that are then on disk twice are told apart by their key.
func (j *Journal) distrust() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retire()
	j.pending = append(j.unsynced[:len(j.unsynced):len(j.unsynced)], j.pending...)
	j.unsynced = nil
	j.announce()
}

// synced notes that work was secured, and ends the disk's alarm when nothing is left behind of what there was when it failed. On a busy
// node something newer is always on its way.
func (j *Journal) synced(work syncWork) {
	j.mu.Lock()
	n := 0
	for n < len(j.unsynced) && j.unsynced[n].n <= work.upTo {
		n++
	}
	if j.unsynced = j.unsynced[n:]; len(j.unsynced) == 0 {
		j.unsynced = nil
	}
	fit := !j.stalled && j.syncedTo() >= max(j.failedAt, j.lostAt)
	ended := fit && j.alarmed
	if fit {
		j.failing, j.lostAt, j.alarmed = nil, 0, false
	}
	j.announce()
	j.mu.Unlock()
	if ended {
		j.cfg.Log.Info("journal: the disk takes events again")
		j.Clear(platform, AlarmDisk)
	}
}
