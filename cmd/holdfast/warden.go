package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"holdfast/media/record"
	"holdfast/services/journal"
	"holdfast/tenants"
)

const (
	// wardenEvery is how often the warden looks.
	wardenEvery = time.Second
	// nearlyFull is how much of a disk may be used before somebody is told; calmAt is where that ends.
	nearlyFull = 0.90
	calmAt     = 0.89
	// reserve is how much there must be room for: two hours of as many callers speaking as were ever there at once.
	reserve = 2 * time.Hour
	// voice is the bytes of a second of a recording.
	voice = 8000
	// spare is how many bytes that nobody uses may be kept for the next calls. More is given back while the node is quiet, which
	// means that it asks for less than quiet bytes of memory from one look to the next: some twenty new calls; or while memory is
	// short. Giving back costs a collection, so there are afterEvery between two.
	spare      = 32 << 20
	quiet      = 4 << 20
	afterEvery = 10 * time.Second
)

// warden looks after what runs out slowly, and says so before it has.
type warden struct {
	disks []watchedDisk
	space func(dir string) (record.Space, error)
	calls func() int // live
	// refused counts what was refused since the start because too much came at once: calls, messages, connections.
	refused func() uint64
	limits  *limits    // nil: not measured
	certs   []*renewed // what HTTPS and SIP over TLS show
	now     func() time.Time
	heap    func() heap
	release func() // gives unused memory back to the system
	raise   func(key, text string, severity journal.Severity)
	clear   func(key string)
	log     *slog.Logger

	peak   int    // most calls at once so far
	before uint64 // refused, at the last look
	asked  uint64 // of memory, at the last look
	freed  time.Time
	told   map[string]lastSaid
	quit   chan struct{}
	once   sync.Once
	worker sync.WaitGroup
}

// lastSaid is what an alarm said last.
type lastSaid struct {
	level string
	at    time.Time
}

// tellAgain is how often an alarm that stays as it is tells of itself anew, for its figures.
const tellAgain = time.Hour

// say raises an alarm where its level has changed, or an hour later.
func (w *warden) say(key, level, text string, severity journal.Severity) {
	now := w.now()
	if last, open := w.told[key]; open && last.level == level && now.Sub(last.at) < tellAgain {
		return
	}
	if w.told == nil {
		w.told = map[string]lastSaid{}
	}
	w.told[key] = lastSaid{level, now}
	w.raise(key, text, severity)
}

// calm ends an alarm.
func (w *warden) calm(key string) {
	delete(w.told, key)
	w.clear(key)
}

// watchedDisk is a folder whose disk is watched, and what it is for.
type watchedDisk struct{ key, dir, what string }

func newWarden(n *node) *warden {
	s, j := n.settings, n.journal
	w := &warden{
		space: record.SpaceOf, calls: n.answering.board.Calls, limits: n.answering.limits, certs: n.certificates(), now: time.Now, log: n.log, quit: make(chan struct{}),
		heap: heapNow, release: debug.FreeOSMemory,
		refused: func() uint64 { return n.answering.trunks.Dropped()["overload"] },
		raise:   func(key, text string, severity journal.Severity) { j.Raise(tenants.Platform, key, text, severity) },
		clear:   func(key string) { j.Clear(tenants.Platform, key) },
	}
	seen := map[uint64]bool{} // one alarm a disk
	for _, f := range []watchedDisk{
		{"disk_recordings", s.dir("recordings"), "recordings"},
		{"disk_recordings_2", s.dir(secondFolder), "further recordings"},
		{"disk_journal", s.dir("spool"), "journal"},
	} {
		if disk, ok := deviceOf(f.dir); ok && !seen[disk] {
			seen[disk] = true
			w.disks = append(w.disks, f)
		}
	}
	return w
}

func (w *warden) start() { w.worker.Go(w.run) }

func (w *warden) stop() {
	w.once.Do(func() { close(w.quit) })
	w.worker.Wait()
}

func (w *warden) run() {
	tick := time.NewTicker(wardenEvery)
	defer tick.Stop()
	for {
		w.look()
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
	}
}

func (w *warden) look() {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if w.limits != nil {
		w.limits.measure()
	}
	w.peak = max(w.peak, w.calls())
	w.crowd()
	w.giveBack()
	for _, c := range w.certs {
		c.look(w)
	}
	for _, d := range w.disks {
		w.disk(d)
	}
}

// crowd raises the alarm of more at once than this node can take. It fades when none has been refused for long.
func (w *warden) crowd() {
	now := w.refused()
	if more := now - w.before; more > 0 {
		w.raise("crowd", fmt.Sprintf("more comes at once than this node can take: %d calls, messages or connections were refused within %v (%d since the start)", more, wardenEvery, now), journal.Critical)
	}
	w.before = now
}

// giveBack returns what a rush of calls needed, once it is over. Left alone, Go keeps it until its next collection, which comes by
// itself after two minutes on a node that does nothing.
func (w *warden) giveBack() {
	now, is := w.now(), w.heap()
	due := is.asked-w.asked < quiet || w.limits != nil && w.limits.short()
	w.asked = is.asked
	if due && is.unused > spare && now.Sub(w.freed) >= afterEvery {
		w.freed = now
		w.release()
	}
}

// disk raises the alarm of a disk that is nearly full, or has no room for two hours of what this node has seen.
func (w *warden) disk(d watchedDisk) {
	space, err := w.space(d.dir)
	if err != nil {
		return // what writes there tells
	}
	need := float64(w.peak) * voice * reserve.Seconds()
	left := float64(space.Free)
	switch used := space.Used(); {
	case used >= nearlyFull || left < need:
		severity := journal.Warning
		if used >= record.FullAt {
			severity = journal.Critical
		}
		text := fmt.Sprintf("the disk of the %s (%s) is %.0f %% full: %.1f GB are left", d.what, d.dir, 100*used, left/1e9)
		if w.peak > 0 {
			text += fmt.Sprintf(", which is %.1f hours of %d callers speaking at once", left/float64(w.peak)/voice/3600, w.peak)
		}
		w.say(d.key, string(severity), text, severity)
	case used < calmAt && left > 1.1*need:
		w.calm(d.key)
	}
}

// secondFolder is where recordings go when the disk of the first folder is full or fails.
const secondFolder = "recordings-2"

// secondDisk is that folder where it is on another disk than the first, or was used before; "" where it would be no help.
func secondDisk(s *settings, log *slog.Logger) string {
	dir := s.dir(secondFolder)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	first, ok1 := deviceOf(s.dir("recordings"))
	second, ok2 := deviceOf(s.Data)
	if !ok1 || !ok2 || first == second {
		return ""
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.Error("the second folder for recordings cannot be made", "folder", dir, "err", err)
		return ""
	}
	return dir
}

// deviceOf tells disks apart.
func deviceOf(dir string) (uint64, bool) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Dev, true
}
