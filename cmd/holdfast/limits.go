package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
)

const (
	// newWork is the part of a limit, in per cent, at which new calls go elsewhere. The rest is for the calls that are up: a
	// third party, an operator's page, the file of a message.
	newWork = 80
	// socketsACall is how many files a leg of the trunk holds open: RTP and RTCP.
	socketsACall = 2
	// memoryACall is what a new call is taken for until the next measure: a bridged one has 42 KiB, one that is recorded more.
	memoryACall = 64 << 10
	// tidyAt is the part of the memory, in per cent, at which unused memory is given back, quiet or not: before callers are sent away
	// for it.
	tidyAt = 70
)

// limits are what a process has only so many of. They are asked for every call, and measured once a second.
type limits struct {
	sessions func() int // media sessions now
	pairs    int        // of media ports, in all
	files    int        // that may be open; 0: nobody knows
	memory   func() (room, error)

	open    atomic.Int64 // files, when last measured
	ours    atomic.Int64 // bytes of memory, then
	mayHave atomic.Int64 // as many, in all, as things were; 0: nobody knows
	then    atomic.Int64 // sessions at that moment
}

func newLimits(sessions func() int, pairs int) *limits {
	l := &limits{sessions: sessions, pairs: pairs, memory: func() (room, error) { return roomIn(os.DirFS("/")) }}
	var most syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most); err == nil && most.Cur < 1<<31 {
		l.files = int(most.Cur) //nolint:gosec // below 2^31
	}
	l.measure()
	return l
}

// measure counts the open files, and the memory. What cannot be read keeps its old count, which is better than none.
func (l *limits) measure() {
	sessions := int64(l.sessions())
	if n := openFiles(); n > 0 {
		l.open.Store(n)
	}
	if r, err := l.memory(); err == nil {
		l.ours.Store(int64(r.ours))      //nolint:gosec // memory has fewer bytes
		l.mayHave.Store(int64(r.most())) //nolint:gosec // as above
	}
	l.then.Store(sessions)
}

// openFiles is how many files this process has open; 0: nobody knows.
func openFiles() int64 {
	if info, err := os.Stat("/proc/self/fd"); err == nil && info.Size() > 0 {
		return info.Size() // since Linux 6.2; 0 before
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return int64(len(names))
}

// short says that memory was scarce when it was last measured.
func (l *limits) short() bool { return l.mayHave.Load()/100*tidyAt < l.ours.Load() }

// most is how many calls may live now that so many do, and what is spent when it is reached. A call that was just taken has no
// session yet, and will have one; sessions beyond the calls, as those of third parties, leave less room for calls.
func (l *limits) most(calls int) (most int, why func() string) {
	sessions := max(l.sessions(), calls)
	left := l.pairs*newWork/100 - sessions
	why = func() string { return fmt.Sprintf("%d of %d pairs of media ports are in use", sessions, l.pairs) }
	if l.files > 0 {
		open := int(l.open.Load()) + socketsACall*(sessions-int(l.then.Load()))
		if byFiles := (l.files*newWork/100 - open + socketsACall - 1) / socketsACall; byFiles < left {
			left, why = byFiles, func() string { return fmt.Sprintf("%d of %d files are open", open, l.files) }
		}
	}
	if most := l.mayHave.Load(); most > 0 {
		ours := l.ours.Load() + memoryACall*(int64(sessions)-l.then.Load())
		if byMemory := int((most/100*newWork - ours + memoryACall - 1) / memoryACall); byMemory < left {
			left, why = byMemory, func() string { return fmt.Sprintf("%d of %d MB of memory are in use", ours/1e6, most/1e6) }
		}
	}
	return max(0, calls+left), why
}
