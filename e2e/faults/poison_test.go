package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
	"holdfast/services/journal"
)

// An event that PostgreSQL will never take must not hold up those behind it.
func TestAnEventThatNobodyTakesIsSetAsideAndTheOthersArrive(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	l := n.Ledger()
	l.Kill()
	j, err := journal.Open(journal.Config{Dir: filepath.Join(n.Data, "spool"), Node: "poison"})
	must(t, err)
	j.Append(journal.Event{Tenant: "harbor", Kind: "poison", ID: "00000000-0000-7000-8000-000000000001", Seq: 1, Type: "poison", Final: true, Data: json.RawMessage(`{}`)})
	must(t, j.Stop())
	n.Run()
	n.Ready()
	e := l.Call(redRock)
	e.Result = "voicemail"
	l.Leave(e, time.Second)
	e.Hangup()
	n.Over(e.Call, byeBar)
	raised(t, n.SignIn(noc), "journal_refused", booksBar)
	dead, err := filepath.Glob(filepath.Join(n.Data, "spool", "dead", "*.json"))
	if err != nil || len(dead) != 1 {
		t.Errorf("set aside: %v %v", dead, err)
	}
	l.Balance(booksBar)
}

// The carrier behind one trunk goes silent, the one behind the other says no.
func TestACarrierThatIsAwayIsToldOfAndTheNextOneIsUsed(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	host := n.Host[:len(n.Host)-2] + ".77"
	api := n.SignIn(noc)
	status := 0
	silent, err := carrier.Listen(host+":0", func(string) carrier.Plan { return carrier.Plan{Ignores: status == 0, Status: status} })
	must(t, err)
	defer silent.Close()
	good, err := carrier.Listen(host+":0", func(string) carrier.Plan { return carrier.Plan{Rings: true, Waits: true} })
	must(t, err)
	defer good.Close()
	for name, x := range map[string]*carrier.Exchange{"a-first": silent, "b-second": good} {
		api.Do("POST", "/api/v1/trunks", map[string]any{
			"name": name, "signal": []string{host + "/32"}, "out": map[string]string{"target": x.Addr()},
		}, nil)
	}
	// Nobody listens there, and nobody says so: a line that was cut.
	cut, err := carrier.Listen(n.Host[:len(n.Host)-2]+".78:0", nil)
	must(t, err)
	api.Do("POST", "/api/v1/trunks", map[string]any{
		"name": "cut", "signal": []string{n.Host[:len(n.Host)-2] + ".78/32"}, "options": cut.Addr(),
	}, nil)
	at := cut.Addr()
	cut.Close()
	raised(t, api, "trunk_down:cut", 30*time.Second)
	cut, err = carrier.Listen(at, nil)
	must(t, err)
	defer cut.Close()
	over(t, api, "trunk_down:cut", 30*time.Second)

	l := n.Ledger()
	o := n.Operator(ada)
	e := l.Call(prairie)
	joined(t, l, e, o)
	reaches := func(bar time.Duration) {
		t.Helper()
		harness.Eventually(t, offerBar, "calls to the outside are possible", func() bool { return o.View().MayDial })
		asked := time.Now()
		must(t, o.DialOut(harness.Limited(t, offerBar), "+16085550111"))
		select {
		case third := <-good.Calls():
			if took := time.Since(asked); took > bar {
				t.Errorf("the second carrier was tried after %v", took)
			}
			third.Answer()
		case <-time.After(2 * bar):
			t.Fatal("the second carrier was never tried")
		}
	}
	status = 503
	reaches(time.Second)
	must(t, o.LetGo(harness.Limited(t, offerBar)))
	status = 0
	reaches(7 * time.Second) // 4 s of silence are no reply; then at most 3 s
	e.Hangup()
	n.Over(e.Call, byeBar)
	e.Result = "answered"
	l.Balance(booksBar)
}

// A laptop falls asleep: its kernel still says yes to everything, and nobody is there.
func TestAnOperatorWhoseComputerSleepsIsPassedOver(t *testing.T) {
	t.Parallel()
	const awayBar = 6 * time.Second
	n := harness.Start(t)
	l := n.Ledger()
	ctx, cancel := context.WithCancel(t.Context())
	laptop := exec.CommandContext(ctx, harness.Binary(t), "operator", "--url", n.URL, "--sign-in", ada, "--password", harness.Password, "--answer", "never", "--seconds", "600")
	out, err := os.Create(filepath.Join(t.TempDir(), "laptop"))
	must(t, err)
	defer func() { _ = out.Close() }()
	laptop.Stdout, laptop.Stderr = out, out
	must(t, laptop.Start())
	defer func() {
		_ = laptop.Process.Signal(syscall.SIGCONT)
		cancel()
		_ = laptop.Wait()
	}()
	harness.Eventually(t, 30*time.Second, "ada is on duty", func() bool {
		said, err := os.ReadFile(out.Name())
		return err == nil && bytes.Contains(said, []byte(`"`+operator.Available+`"`))
	})
	o := n.Operator(ben)
	must(t, laptop.Process.Signal(syscall.SIGSTOP))
	slept := time.Now()
	e := l.Call(prairie) // ada has been idle longest
	l.Answered(e, answerBar)
	harness.Event(t, o, operator.Offer, awayBar+offerBar)
	if took := time.Since(slept); took > awayBar+time.Second {
		t.Errorf("the next operator was asked %v after the first fell asleep", took)
	}
	must(t, o.Accept(harness.Limited(t, joinBar)))
	e.Say(e.Tone)
	hear(t, e, o)
	e.Hangup()
	n.Over(e.Call, byeBar)
	e.Result = "answered"
	n.Phase(o, byeBar, duty.WrapUp, duty.Available)
	l.Balance(booksBar)
}
