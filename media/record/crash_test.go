package record

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"holdfast/media"
)

// crashDir tells the test binary to be the process that is killed.
const crashDir = "HOLDFAST_TEST_CRASH_DIR"

// recordForEver records takes at the pace of speech and prints how many seconds each has said.
func recordForEver(dir string) {
	keys, err := NewKeys(make([]byte, keyBytes))
	if err != nil {
		return
	}
	s, err := New(Config{Dir: dir, Keys: keys})
	if err != nil {
		return
	}
	s.Start()
	var takes []*Take
	for range 5 {
		take, err := s.Create(tenant, newID(), Limits{Longest: time.Hour}, nil)
		if err != nil {
			return
		}
		takes = append(takes, take)
	}
	said := noise(5, 100*chunkBytes)
	ticker := time.NewTicker(media.FrameTime)
	for at := 0; at < len(said); at += media.FrameBytes {
		<-ticker.C
		for _, take := range takes {
			take.Audio(media.Frame{Timestamp: uint32(at), Payload: said[at : at+media.FrameBytes]})
		}
		if at%chunkBytes == 0 {
			fmt.Println(at / chunkBytes)
		}
	}
}

// atOnce is how many of them record at a time: at the pace of speech they have little to do.
const atOnce = 10

// kills is how often a process is killed: 200 times with HOLDFAST_LONG.
func kills() int {
	if os.Getenv("HOLDFAST_LONG") != "" {
		return 200
	}
	return 3
}

// The bar: at most a second is lost, of whatever was said when the process was killed.
func TestAProcessThatIsKilledLosesAtMostASecondOfAudio(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		recordForEver(dir)
		return
	}
	t.Parallel()
	keys, err := NewKeys(make([]byte, keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	runs := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for run := range runs {
				t.Run(fmt.Sprint(run), func(t *testing.T) { killed(t, keys, run) })
			}
		})
	}
	for run := range kills() {
		runs <- run
	}
	close(runs)
	all.Wait()
}

// killed lets a process record, kills it in the middle, and wants to hear all but the last second.
func killed(t *testing.T, keys *Keys, run int) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAProcessThatIsKilledLosesAtMostASecondOfAudio$")
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := -1
	lines := bufio.NewScanner(out)
	for said < 3+run%4 && lines.Scan() {
		_, _ = fmt.Sscan(lines.Text(), &said)
	}
	_ = child.Process.Kill() // SIGKILL
	_ = child.Wait()
	s := newStore(t, Config{Dir: dir, Keys: keys})
	repaired, err := s.Repair()
	if err != nil || len(repaired) != 5 {
		t.Fatalf("%+v %v", repaired, err)
	}
	for _, r := range repaired {
		if r.Err != nil || !r.Summary.CutShort || r.Summary.Duration < time.Duration(said-1)*time.Second {
			t.Errorf("%+v of %d seconds", r, said)
		}
		mustHear(t, s, r.ID, noise(5, 100*chunkBytes)[:r.Summary.Bytes])
	}
}
