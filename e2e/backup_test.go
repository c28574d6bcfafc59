package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
)

// tool runs one command of the binary on a node's data folder and returns what it printed.
func tool(t *testing.T, n *harness.Node, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), harness.Binary(t), args...)
	cmd.Env = append(os.Environ(), "HOLDFAST_DATA="+n.Data)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A machine is lost with all that is on it. What was kept while calls were answered comes back on another: the people who
// sign in, the calls, and every byte that a caller said.
func TestALostMachineComesBackFromItsBackup(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Up: true})
	c := n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 2*time.Second)
	c.Hangup()
	api := n.SignIn(admin)
	before := message(t, api, id)
	said := audio(t, api, before)
	ended(t, api, id)

	n.Answered(n.Call(prairie), 5*time.Second) // somebody is talked to while the backup is made
	kept := filepath.Join(harness.Folder(t), "kept")
	out, err := tool(t, n, "backup", "--to", kept)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(strings.TrimSpace(out))
	folders, err := os.ReadDir(kept)
	if err != nil || len(folders) != 1 {
		t.Fatalf("%v %v", folders, err)
	}
	from := filepath.Join(kept, folders[0].Name())

	n.Stop()
	must(t, os.RemoveAll(n.Data))
	began := time.Now()
	out, err = tool(t, n, "restore", "--from", from)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(strings.TrimSpace(out))
	n.Run()
	n.Ready()
	n.Answered(n.Call(prairie), 5*time.Second)
	t.Logf("from an empty machine to an answered call: %v", time.Since(began).Round(time.Millisecond))

	api = n.SignIn(admin)
	after := message(t, api, id)
	if after.SHA256 != before.SHA256 || after.ID != before.ID {
		t.Errorf("the message was %+v and is %+v", before, after)
	}
	if again := audio(t, api, after); len(again) != len(said) {
		t.Errorf("%d samples were said, %d came back", len(said), len(again))
	} else {
		for i := range said {
			if said[i] != again[i] {
				t.Fatalf("sample %d is another", i)
			}
		}
	}
	if got := ended(t, api, id); got.Result != "voicemail" {
		t.Errorf("the record: %+v", got)
	}

	if out, err = tool(t, n, "restore", "--from", from); err == nil || !strings.Contains(out, "something already") {
		t.Errorf("a restore over what is there: %v %s", err, out)
	}
}
