package udp

import (
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestABufferThatIsCutIsToldWithTheSettingThatCutsIt: without the right to set up networks, as holdfast runs on a server.
func TestABufferThatIsCutIsToldWithTheSettingThatCutsIt(t *testing.T) {
	t.Parallel()
	fd, err := bindUDP(four)
	must(t, err)
	defer func() { must(t, unix.Close(fd)) }()
	kept := make(chan [2]error)
	go func() {
		runtime.LockOSThread() // and never unlocked: a thread that has no rights is of no use to others
		if err := unprivileged(); err != nil {
			kept <- [2]error{err, err}
			return
		}
		kept <- [2]error{KeepIn(fd, 1<<30), keepOut(fd, 1<<30)}
	}()
	for i, err := range <-kept {
		if limit := []string{"net.core.rmem_max", "net.core.wmem_max"}[i]; err == nil || !strings.Contains(err.Error(), limit) {
			t.Errorf("%v, want an error that names %s", err, limit)
		}
	}
	if err := KeepIn(fd, 4096); err != nil {
		t.Errorf("a buffer that every machine allows: %v", err)
	}
}

// unprivileged takes this thread its rights.
func unprivileged() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
