package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// NeedsRoot skips a story for anybody but root, who alone can do what it is told, such as "mounts disks". deploy/test takes a skip for
// a failure.
func NeedsRoot(t testing.TB, does string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root " + does)
	}
}

// mount makes a folder a disk of its own, of so many MiB of memory, until the end of the test.
func mount(t testing.TB, folder string, size int) {
	t.Helper()
	NeedsRoot(t, "mounts disks")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0711", size)); err != nil {
		t.Fatalf("mount a disk at %s: %v", folder, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", folder, err)
		}
	})
}

// fillStep is how much is taken at a time: less than lasts until the runtime interrupts it, which would undo it all.
const fillStep = 4 << 20

// Fill makes the disk of a folder of the data folder so many per cent full by a file that nobody needs; 0 removes that.
func (n *Node) Fill(folder string, percent int) {
	n.t.Helper()
	dir := filepath.Join(n.Data, folder)
	ballast := filepath.Join(dir, "ballast")
	if err := os.Remove(ballast); err != nil && !os.IsNotExist(err) {
		n.t.Fatal(err)
	}
	if percent == 0 {
		return
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		n.t.Fatal(err)
	}
	used := int64(st.Blocks-st.Bfree) * st.Bsize
	want := int64(st.Blocks)*st.Bsize*int64(percent)/100 - used
	f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	for at := int64(0); err == nil && at < want; {
		part := min(fillStep, want-at)
		err = syscall.Fallocate(int(f.Fd()), 0, at, part)
		switch {
		case err == nil:
			at += part
		case errors.Is(err, syscall.ENOSPC): // the node writes too
			want, err = want-(64<<10), nil
		case errors.Is(err, syscall.EINTR):
			err = nil
		}
	}
	_ = f.Close()
	if err != nil {
		n.t.Fatalf("fill %s with %d bytes: %v", dir, want, err)
	}
}
