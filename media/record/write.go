package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

const (
	// syncEvery is how long what was written waits for its sync at most. The disk has begun with it by then, and the syncs of
	// many recordings wait for it together: each alone costs more than all else that is done with a second of audio.
	syncEvery = 50 * time.Millisecond
	// mostUnsynced are synced at once.
	mostUnsynced = 64
)

// writer writes the takes of one queue. One that hangs in the kernel is replaced and ends when it comes back.
type writer struct {
	queue    chan *Take
	unsynced []unsynced // of its goroutine
	sealed   []byte     // of its goroutine: a chunk on its way to the disk

	mu      sync.Mutex
	since   time.Time // when it began what it does; zero: it is idle
	take    *Take
	attempt *attempt
	gone    bool
}

// unsynced is a take that was written to.
type unsynced struct {
	take    *Take
	attempt *attempt
}

func (s *Store) startWriter(queue chan *Take) {
	w := &writer{queue: queue}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.writing[w] = struct{}{}
	s.wait.Go(func() { s.write(w) })
	s.mu.Unlock()
}

func (s *Store) write(w *writer) {
	defer func() {
		s.mu.Lock()
		delete(s.writing, w)
		s.mu.Unlock()
	}()
	timer := time.NewTimer(syncEvery)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if len(w.unsynced) > 0 {
			due = timer.C
		}
		select {
		case <-s.closing:
			return
		case t := <-w.queue:
			waiting := len(w.unsynced)
			s.turn(w, t)
			if waiting == 0 {
				timer.Reset(syncEvery)
			}
			if len(w.unsynced) >= mostUnsynced {
				s.syncAll(w)
			}
		case <-due:
			s.syncAll(w)
		}
		w.mu.Lock()
		gone := w.gone
		w.mu.Unlock()
		if gone {
			return
		}
	}
}

// turn does what is to be done for t now.
func (s *Store) turn(w *writer, t *Take) {
	t.mu.Lock()
	t.queued = false
	discarded := t.discarded
	var a *attempt
	if discarded || t.hasWork() {
		a = t.attempt
	}
	if a == nil && !discarded && t.hasWork() {
		a = s.newAttempt(t)
	}
	t.mu.Unlock()
	if discarded {
		s.delete(t, a)
		return
	}
	if a == nil {
		return
	}
	s.attend(w, t, a, func() error { return s.bring(w, t, a) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempt == a && a.waits != w && !t.isDurable && (a.synced < a.saved || !a.named) {
		a.waits = w
		w.unsynced = append(w.unsynced, unsynced{t, a})
	}
}

// syncAll syncs what was written since the last time.
func (s *Store) syncAll(w *writer) {
	all := w.unsynced
	w.unsynced = w.unsynced[:0]
	defer clear(all)
	for _, u := range all {
		t, a := u.take, u.attempt
		t.mu.Lock()
		a.waits = nil
		needless := t.attempt != a || t.isDurable // it went on elsewhere, or was brought to its end
		t.mu.Unlock()
		if needless {
			continue
		}
		if !s.attend(w, t, a, func() error { return s.syncOne(t, a) }) {
			return // the clock brings the others to who took this writer's place
		}
	}
}

// syncOne makes what was written of t last.
func (s *Store) syncOne(t *Take, a *attempt) error {
	if err := a.sync(); err != nil {
		return err
	}
	s.progressed(t, a)
	return nil
}

// attend does a piece of work on t's file, watched. It returns false when it hung and the writer was given up.
func (s *Store) attend(w *writer, t *Take, a *attempt, work func() error) bool {
	w.begin(t, a)
	err := s.safely(t, work)
	gone := w.end()
	if gone {
		a.place.mu.Lock()
		a.place.stalled--
		a.place.mu.Unlock()
	}
	t.mu.Lock()
	replaced, elsewhere := t.attempt != a, t.isDurable
	t.mu.Unlock()
	switch {
	case replaced: // while this writer hung, the take went on elsewhere
		if a.file != nil {
			_ = a.file.Close()
		}
		if elsewhere {
			_ = os.Remove(a.path)
		}
	case err != nil:
		s.failed(t, a, err)
	}
	return !gone
}

// safely does work, with a panic as an error: it costs this take an attempt and nobody anything else.
func (s *Store) safely(t *Take, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("record: recovered", "recording", t.id, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: panic: %v", errSync, p)
		}
	}()
	return work()
}

func (w *writer) begin(t *Take, a *attempt) {
	w.mu.Lock()
	w.since, w.take, w.attempt = time.Now(), t, a
	w.mu.Unlock()
}

// end notes that the writer is idle and returns whether it was given up meanwhile.
func (w *writer) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since, w.take, w.attempt = time.Time{}, nil, nil
	return w.gone
}

// checkWriter replaces a writer that hangs; its take goes on elsewhere.
func (s *Store) checkWriter(w *writer, now time.Time) {
	w.mu.Lock()
	hangs := !w.gone && !w.since.IsZero() && now.Sub(w.since) > s.cfg.Stall
	t, a := w.take, w.attempt
	if hangs {
		w.gone = true
	}
	w.mu.Unlock()
	if !hangs {
		return
	}
	a.place.mu.Lock()
	a.place.stalled++
	a.place.mu.Unlock()
	news := a.place.fails(now)
	t.mu.Lock()
	if t.attempt == a {
		t.attempt = nil
		t.leave(a.path)
	}
	lost := t.first > 0 // the beginning is in that file only: Repair will find it
	s.enqueue(t)
	t.mu.Unlock()
	if lost {
		t.once(Failed)
	}
	s.startWriter(w.queue)
	s.trouble(news, "the disk does not answer", fmt.Errorf("%s: no answer in %v", a.place.dir, s.cfg.Stall))
}

// hasWork says whether something of t is not on the disk. Under t.mu.
func (t *Take) hasWork() bool {
	if t.discarded {
		return true
	}
	if t.isDurable {
		return false
	}
	if t.ended || t.attempt == nil {
		return true
	}
	return t.attempt.synced < t.first+len(t.chunks)
}

// newAttempt chooses a place for t's file. Under t.mu. It returns nil when none answers, or when the beginning of t is no
// longer in memory.
func (s *Store) newAttempt(t *Take) *attempt {
	if t.first > 0 {
		return nil
	}
	now := time.Now()
	chosen, _ := s.best(now, nil)
	if chosen == nil {
		t.retryAt = now.Add(retryAfter)
		return nil
	}
	t.attempt = &attempt{place: chosen, path: chosen.path(t.tenant, t.id, partSuffix)}
	return t.attempt
}

// leave notes a file that is to be removed once t is whole elsewhere. Under t.mu.
func (t *Take) leave(path string) {
	if !slices.Contains(t.leftovers, path) {
		t.leftovers = append(t.leftovers, path)
	}
}

// progressed notes what is synced, and lets go of old chunks of a take without a limit.
func (s *Store) progressed(t *Take, a *attempt) {
	t.mu.Lock()
	a.synced = a.saved
	if t.limits.Longest == 0 && a.synced-t.first > keepChunks {
		drop := a.synced - t.first - keepChunks/2
		t.chunks = append([][]byte(nil), t.chunks[drop:]...)
		t.first += drop
	}
	t.mu.Unlock()
	a.place.succeeds()
}

// succeeds notes that something went well there.
func (p *place) succeeds() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == 0 {
		p.failing = false
	}
}

// finish gives the sealed file its name for good.
func (s *Store) finish(t *Take, a *attempt, summary Summary) error {
	full := a.place.path(t.tenant, t.id, fullSuffix)
	t.mu.Lock()
	replaced := t.attempt != a
	t.mu.Unlock()
	if replaced {
		return nil
	}
	if err := os.Rename(a.path, full); err != nil {
		return fmt.Errorf("%w: name a recording: %w", errSync, err)
	}
	if err := syncDir(filepath.Dir(full)); err != nil {
		return fmt.Errorf("%w: %w", errSync, err)
	}
	err := a.file.Close()
	t.mu.Lock()
	first := !t.isDurable
	t.isDurable = true
	t.summary = &summary
	late, leftovers := t.late && first, t.leftovers
	t.leftovers = nil
	if first {
		close(t.durable)
	}
	t.mu.Unlock()
	if err != nil { // it is synced: nothing is lost
		s.cfg.Log.Warn("record: close", "recording", t.id, "error", err)
	}
	for _, path := range leftovers {
		if path != a.path {
			_ = os.Remove(path) // where this fails, Repair finds the sealed one and removes it
		}
	}
	s.forget(t)
	a.place.succeeds()
	if late {
		t.once(TooLate)
	}
	return nil
}

// failed decides how t goes on after an error: in another place, by cutting off a torn chunk, or with a new file.
func (s *Store) failed(t *Take, a *attempt, cause error) {
	now := time.Now()
	news := a.place.fails(now)
	_, rank := s.best(now, a.place)
	other := rank >= well // a place that newAttempt prefers to this one
	t.mu.Lock()
	lost := errors.Is(cause, errSync) && t.first > 0
	t.retryAt = now.Add(retryAfter)
	if (other || errors.Is(cause, errSync) || a.file == nil) && t.first == 0 {
		t.attempt = nil
		t.leave(a.path)
		// What fails everywhere for this take may go well for others, who make each place look sound again: it would go round.
		if other && now.Sub(t.movedAt) >= retryAfter {
			t.retryAt, t.movedAt = now, now
			s.enqueue(t)
		}
	}
	replaced := t.attempt != a
	t.mu.Unlock()
	if replaced && a.file != nil {
		_ = a.file.Close()
	}
	s.trouble(news, "the disk fails", fmt.Errorf("%s: %w", a.place.dir, cause))
	if lost {
		t.once(Failed)
	}
}

// delete removes every file of a discarded take.
func (s *Store) delete(t *Take, a *attempt) {
	if a != nil && a.file != nil {
		_ = a.file.Close()
	}
	for _, p := range s.places {
		for _, suffix := range []string{partSuffix, fullSuffix} {
			if err := os.Remove(p.path(t.tenant, t.id, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.cfg.Log.Warn("record: discarded recording not removed", "recording", t.id, "error", err)
			}
		}
	}
	t.mu.Lock()
	t.discarded, t.attempt = true, nil
	if !t.isDurable {
		t.isDurable = true
		close(t.durable)
	}
	t.mu.Unlock()
	s.forget(t)
}
