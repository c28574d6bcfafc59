package network_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/network"
	"holdfast/e2e/operator"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

const (
	talkFor  = 3 * time.Second
	agentBar = time.Minute // a whole duty: sign-in, line check, one call
)

// TestAnOperatorAtHomeTakesACall: by browser, and by "holdfast operator", which trusts the server's certificate and no other.
func TestAnOperatorAtHomeTakesACall(t *testing.T) {
	t.Parallel()
	net, n := start(t)
	if !strings.Contains(n.Log(), "certificate=self-signed") {
		t.Error("the ready line does not say that the certificate is our own")
	}
	t.Run("in a browser", func(t *testing.T) {
		d, ctx := browser(t, net), t.Context()
		must(t, d.TakeCalls(ctx, ada))
		c := call(t, net)
		_, err := d.Offer(ctx)
		must(t, err)
		must(t, d.Verb(ctx, "answer"))
		both(t, d, c, "answered")
		if wrong, err := d.Errors(ctx); err != nil || len(wrong) > 0 {
			t.Errorf("the page's errors: %q (%v)", wrong, err)
		}
	})
	t.Run("in a terminal", func(t *testing.T) {
		heard := filepath.Join(t.TempDir(), "heard.wav")
		events := agent(t, net, n, "--sign-in", ben, "--calls", "1", "--hang-up", "4", "--tone", "1330", "--record", heard)
		await(t, events, operator.Available)
		c := call(t, net)
		await(t, events, operator.Connected)
		harness.Eventually(t, hearBar, "the caller hears the operator", func() bool { return c.Heard(operatorHz) })
		harness.Pass(t, talkFor)
		await(t, events, operator.Away)
		for range events { // until the process has ended: what it heard is written last
		}
		clip, err := sound.LoadWAV(heard, media.PCMU)
		must(t, err)
		if !sound.Has(codec.Decode(nil, media.PCMU, clip), callerHz) {
			t.Error("the operator did not hear the caller")
		}
	})
}

// agent runs "holdfast operator" on the operator's machine and returns what it tells.
func agent(t *testing.T, net *network.Network, n *harness.Node, arguments ...string) <-chan operator.Event {
	t.Helper()
	line := append(net.Through(network.Operator), harness.Binary(t), "operator", "--url", origin)
	cmd := exec.CommandContext(harness.Limited(t, agentBar), line[0], append(line[1:], arguments...)...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(n.Data, "keys", "self-signed.crt"))
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	events := make(chan operator.Event, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(events)
		for d := json.NewDecoder(out); ; {
			var e operator.Event
			if d.Decode(&e) != nil {
				break
			}
			events <- e
		}
		_ = cmd.Wait() // what it told says how it went
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Logf("holdfast operator: %s", &wrong)
		}
	})
	return events
}

// await waits for an event of a kind; others are passed over.
func await(t *testing.T, events <-chan operator.Event, kind string) {
	t.Helper()
	limit := time.NewTimer(agentBar)
	defer limit.Stop()
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the operator is gone before %q", kind)
			}
			if e.Event == kind {
				return
			}
		case <-limit.C:
			t.Fatalf("the operator has no %q within %v", kind, agentBar)
		}
	}
}
