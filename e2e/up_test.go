package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

// pids are the processes that a data folder names.
func pids(t *testing.T, n *harness.Node) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, name := range []string{"holdfast", "postgres", "redis"} {
		raw, err := os.ReadFile(filepath.Join(n.Data, "run", name+".pid"))
		must(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
		must(t, err)
		found[name] = pid
	}
	return found
}

func running(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestUpRunsEverythingRestartsWhatDiesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Up: true})
	before := pids(t, n)
	for name, pid := range before {
		if !running(pid) {
			t.Errorf("%s does not run", name)
		}
	}

	second := exec.Command(harness.Binary(t), "up")
	second.Env = append(os.Environ(), "HOLDFAST_DATA="+n.Data, "HOLDFAST_HTTP="+n.Host+":9080", "HOLDFAST_SIP="+n.Host+":9060")
	var said bytes.Buffer
	second.Stderr = &said
	if err := second.Run(); err == nil {
		t.Error("a second start on the same folder was not refused")
	}
	if lines := strings.Split(strings.TrimSpace(said.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], n.Data) {
		t.Errorf("the refusal is not one clear line: %q", said.String())
	}

	third := exec.Command(harness.Binary(t), "serve")
	third.Env = append(second.Env, "HOLDFAST_DATABASE_URL=postgres://x@"+n.Host+"/x", "HOLDFAST_REDIS_URL=redis://"+n.Host+"/0")
	if out, err := third.CombinedOutput(); err == nil || !strings.Contains(string(out), n.Data+" is held by process") {
		t.Errorf("a second service on the same folder: %v %s", err, out)
	}

	for _, name := range []string{"holdfast", "postgres", "redis"} {
		n.KillByFile(name)
	}
	harness.Eventually(t, 20*time.Second, "what was killed runs again", func() bool {
		for _, name := range []string{"holdfast", "postgres", "redis"} {
			raw, err := os.ReadFile(filepath.Join(n.Data, "run", name+".pid"))
			pid, err2 := strconv.Atoi(strings.TrimSpace(string(raw)))
			if err != nil || err2 != nil || pid == before[name] || !running(pid) {
				return false
			}
		}
		return true
	})
	n.Healthy()
	n.Answered(n.Call(prairie), 5*time.Second)

	after := pids(t, n)
	n.Stop()
	harness.Eventually(t, 5*time.Second, "every process has ended", func() bool {
		for _, pid := range after {
			if running(pid) {
				return false
			}
		}
		return true
	})
}

func TestTheFirstUserOfAnInstallationComesByALinkThatIsGoodOnce(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Up: true, Env: []string{"HOLDFAST_DEMO=0"}})
	out, err := tool(t, n, "user", "add", "first@holdfast.example", "--name", "First")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, token, found := strings.Cut(out, "/portal#/welcome/")
	if !found {
		t.Fatalf("no link in %q", out)
	}
	token, _, _ = strings.Cut(token, "\n")
	for i, status := range []int{http.StatusCreated, http.StatusGone} {
		got, _, err := n.Anybody().Try(http.MethodPost, "/api/v1/sessions/welcome", map[string]string{"token": token, "password": harness.Password})
		if err != nil || got != status {
			t.Errorf("use %d of the link: %d %v", i+1, got, err)
		}
	}
	if status, _, err := n.SignIn("first@holdfast.example").Try(http.MethodGet, "/api/v1/tenants", nil); err != nil || status != http.StatusOK {
		t.Errorf("who was added first administers the platform: %d %v", status, err)
	}
	if out, err := tool(t, n, "user", "add", "first@holdfast.example", "--name", "First"); err == nil || !strings.Contains(out, "taken") {
		t.Errorf("a second time: %v %s", err, out)
	}
}

func TestABusyPortIsOneClearLine(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	other := exec.Command(harness.Binary(t), "up")
	other.Env = append(os.Environ(), "HOLDFAST_DATA="+filepath.Join(harness.Folder(t), "data"), "HOLDFAST_HTTP="+n.Host+":8080", "HOLDFAST_SIP="+n.Host+":9060")
	var said bytes.Buffer
	other.Stderr = &said
	if err := other.Run(); err == nil {
		t.Error("a busy port did not end the start")
	}
	if !strings.Contains(said.String(), n.Host+":8080") {
		t.Errorf("the busy port is not named: %q", said.String())
	}
}
