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
)

// limits are what a process has only so many of. They are asked for every call, and measured once a second.
type limits struct {
	sessions func() int // media sessions now
	pairs    int        // of media ports, in all
	files    int        // that may be open; 0: nobody knows

	open atomic.Int64 // files, when last measured
	then atomic.Int64 // sessions at that moment
}

func newLimits(sessions func() int, pairs int) *limits {
	l := &limits{sessions: sessions, pairs: pairs}
	var most syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most); err == nil && most.Cur < 1<<31 {
		l.files = int(most.Cur) //nolint:gosec // below 2^31
	}
	l.measure()
	return l
}

// measure counts the open files.
func (l *limits) measure() {
	sessions := l.sessions()
	n := int64(0)
	if info, err := os.Stat("/proc/self/fd"); err == nil {
		n = info.Size() // since Linux 6.2; 0 before
	}
	if n == 0 {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return // an old count is better than none
		}
		n = int64(len(names))
	}
	l.open.Store(n)
	l.then.Store(int64(sessions))
}

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
	return max(0, calls+left), why
}
