package harness

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const buildLimit = 5 * time.Minute // a cold build on a busy machine

var (
	build    sync.Once
	binary   string
	buildErr error
	nodes    atomic.Int64
)

// Main runs the stories of a package, removes the binary that was built for them, and fails when they leave goroutines.
func Main(m *testing.M) {
	code := m.Run()
	if binary != "" {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Binary builds holdfast, once, and returns its path. deploy/test has built it already, and says where by HOLDFAST_BINARY.
func Binary(t testing.TB) string {
	t.Helper()
	if built := os.Getenv("HOLDFAST_BINARY"); built != "" {
		return built
	}
	build.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
		defer cancel()
		dir, err := os.MkdirTemp("", "hf-bin-")
		if err != nil {
			buildErr = err
			return
		}
		binary = filepath.Join(dir, "holdfast")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "holdfast/cmd/holdfast").CombinedOutput(); err != nil { // our own
			buildErr = fmt.Errorf("build holdfast: %w\n%s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return binary
}

// address returns a loopback address that no other node of this machine uses: 127.100 to 127.199, by process and count.
// The callers' 127.0 and the strangers' 127.66 are not among them.
func address(t testing.TB) string {
	t.Helper()
	for range 200 {
		n := nodes.Add(1)
		host := fmt.Sprintf("127.%d.%d.1", 100+os.Getpid()%100, n%250)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, sipPort))
		if err != nil {
			continue
		}
		_ = l.Close()
		return host
	}
	t.Fatal("no loopback address is free")
	return ""
}

// Folder makes a data folder that the unprivileged user of PostgreSQL can enter, removed after the test.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hf-e2e-") // short: socket paths are at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // to be passed through, not read
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
