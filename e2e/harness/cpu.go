package harness

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// CPU is the processor time that the node has taken so far, in all its lives.
func (n *Node) CPU() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.ended:
		return n.spent
	default:
	}
	process, err := procfs.NewProc(n.process.Pid)
	if err != nil {
		return n.spent // it ends in this moment
	}
	stat, err := process.Stat()
	if err != nil || stat.State == "Z" { // a dead process's time is in spent
		return n.spent
	}
	return n.spent + time.Duration(stat.CPUTime()*float64(time.Second))
}

// Apart leaves the machine's first core to a node until the end of the test: this process, and what it starts from now on, keeps to
// the others. The node keeps to its core where its command line begins with what Apart returns ([Options.Through]).
func Apart(t testing.TB) (through []string) {
	t.Helper()
	var before, others unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	if others = before; !before.IsSet(0) || before.Count() < 2 {
		t.Fatalf("a node with a core of its own needs two, and the first of them; we may use %d of %d", before.Count(), runtime.NumCPU())
	}
	others.Clear(0)
	keepTo(t, &others)
	t.Cleanup(func() { keepTo(t, &before) })
	return []string{"taskset", "-c", "0"}
}

// keepTo holds all threads of this process on some cores. Those that begin later keep to what the one keeps to that begins them.
func keepTo(t testing.TB, cores *unix.CPUSet) {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range threads {
		id, err := strconv.Atoi(one.Name())
		if err == nil {
			err = unix.SchedSetaffinity(id, cores)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended
			t.Fatal(err)
		}
	}
}
