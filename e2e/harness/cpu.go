package harness

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// clockHz is of /proc/PID/stat, on every Linux that Go runs on.
const clockHz = 100

// CPU is the processor time that the node has taken so far, in all its lives.
func (n *Node) CPU() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.process.Pid))
	_, after, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	select {
	case <-n.ended:
		return n.spent
	default:
	}
	if err != nil || len(fields) < 13 || fields[0] == "Z" {
		return n.spent
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err != nil || err2 != nil {
		return n.spent
	}
	return n.spent + time.Duration(user+system)*time.Second/clockHz
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
