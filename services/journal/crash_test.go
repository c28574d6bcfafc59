package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// crashDir tells the test binary to be the process that is killed.
const crashDir = "HOLDFAST_TEST_CRASH_DIR"

// appendForEver appends events and prints the number of each once Append has returned.
func appendForEver(dir string) {
	j, err := Open(Config{Dir: dir, Node: "n1", SegmentBytes: 4000})
	if err != nil {
		fmt.Println(err)
		return
	}
	for seq := uint64(1); ; seq++ {
		j.Append(event("a", seq))
		j.mu.Lock()
		written := !j.stalled && j.failing == nil // else it is in memory, as Append says
		j.mu.Unlock()
		if written {
			fmt.Println(seq)
		}
	}
}

func TestAProcessThatIsKilledLosesNothingThatWasWritten(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		appendForEver(dir)
		return
	}
	t.Parallel()
	for range 5 {
		dir := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAProcessThatIsKilledLosesNothingThatWasWritten$")
		child.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var last uint64
		lines := bufio.NewScanner(out)
		for n := 0; n < 200 && lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the process said %q", lines.Text())
			}
		}
		_ = child.Process.Kill() // SIGKILL
		for lines.Scan() {       // what it still had said
			_, _ = fmt.Sscan(lines.Text(), &last)
		}
		_ = child.Wait()
		cancel()
		j := open(t, Config{Dir: dir})
		stories := j.OpenStories()
		if len(stories) == 0 || stories[0].ID != "a" {
			t.Fatalf("open stories %+v", stories)
		}
		got := calls(stories[0].Events)
		if uint64(len(got)) < last || last < 200 {
			t.Fatalf("%d events of %d", len(got), last)
		}
		for i, seq := range got {
			if seq != uint64(i+1) {
				t.Fatalf("event %d has number %d", i+1, seq)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(Config{Dir: b.TempDir(), Node: "n1"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = j.Stop() }()
	e := final(event("a", 1))
	for b.Loop() {
		j.Append(e)
	}
}

func BenchmarkSync(b *testing.B) {
	j, err := Open(Config{Dir: b.TempDir(), Node: "n1"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = j.Stop() }()
	e := final(event("a", 1))
	for b.Loop() {
		j.Append(e)
		if err := j.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
