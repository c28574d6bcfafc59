package faults

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	for _, status = range []int{503, 500, 408} {
		reaches(time.Second)
		must(t, o.LetGo(harness.Limited(t, offerBar)))
	}
	status = 0
	reaches(7 * time.Second) // 4 s of silence are no reply; then at most 3 s
	e.Hangup()
	n.Over(e.Call, byeBar)
	e.Result = "answered"
	l.Balance(booksBar)
}

// laptop is an operator's computer, a process of its own; SIGSTOP puts it to sleep, and SIGCONT wakes it.
type laptop struct {
	*os.Process
	said string // the file with what it printed
}

func openLaptop(t *testing.T, n *harness.Node, who, answer string) laptop {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), "operator", "--url", n.URL, "--sign-in", who, "--password", harness.Password, "--answer", answer, "--seconds", "600") //nolint:noctx // ended below, asleep or not
	out, err := os.Create(filepath.Join(t.TempDir(), "laptop"))
	must(t, err)
	cmd.Stdout, cmd.Stderr = out, out
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
	})
	l := laptop{cmd.Process, out.Name()}
	l.says(t, operator.Available, 30*time.Second)
	return l
}

// says waits until the laptop has printed an event.
func (l laptop) says(t *testing.T, event string, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "the laptop says "+event, func() bool {
		said, err := os.ReadFile(l.said)
		return err == nil && bytes.Contains(said, []byte(`"`+event+`"`))
	})
}

// standing is what the API says of an operator: "available", "paused connection_lost".
func standing(api *harness.Client, email string) string {
	var all struct {
		Items []struct {
			Email, State, Why string
		} `json:"items"`
	}
	api.Get("/operators", &all)
	for _, o := range all.Items {
		if o.Email == email {
			return strings.TrimSpace(o.State + " " + o.Why)
		}
	}
	return ""
}

// A laptop falls asleep: its kernel still says yes to everything, and nobody is there. It wakes up, and still nobody is
// there who asked for calls.
func TestAnOperatorWhoseComputerSleepsIsPassedOver(t *testing.T) {
	t.Parallel()
	const awayBar = 6 * time.Second
	n := harness.Start(t)
	l := n.Ledger()
	api := n.SignIn(admin)
	asleep := openLaptop(t, n, ada, "never")
	o := n.Operator(ben)
	must(t, asleep.Signal(syscall.SIGSTOP))
	slept := time.Now()
	e := l.Call(prairie) // ada has been idle longest
	l.Answered(e, answerBar)
	harness.Event(t, o, operator.Offer, awayBar+offerBar)
	if took := time.Since(slept); took > awayBar+time.Second {
		t.Errorf("the next operator was asked %v after the first fell asleep", took)
	}
	served(t, n, e, o)

	const away = "paused connection_lost"
	harness.Eventually(t, duty.RejoinFor+awayBar, "the sleeping operator is no longer waited for", func() bool { return standing(api, ada) == away })
	must(t, asleep.Signal(syscall.SIGCONT))
	asleep.says(t, operator.Resumed, 15*time.Second)
	if now := standing(api, ada); now != away {
		t.Errorf("the operator whose computer woke up is %q", now)
	}
	again := l.Call(prairie)
	l.Answered(again, answerBar)
	harness.Event(t, o, operator.Offer, offerBar)
	served(t, n, again, o)
	if now := standing(api, ada); now != away {
		t.Errorf("the operator whose computer woke up is %q after a call", now)
	}
	l.Balance(booksBar)
}

// The same in a call: two seconds without a packet are a loss, and a second later the caller hears music.
func TestACallerWhoseOperatorsComputerSleepsHearsMusic(t *testing.T) {
	t.Parallel()
	const (
		seenBar = 2 * time.Second
		holdBar = time.Second
	)
	n := harness.Start(t)
	l := n.Ledger()
	asleep := openLaptop(t, n, ada, "0")
	e := l.Call(prairie)
	l.Answered(e, answerBar)
	harness.Eventually(t, offerBar+joinBar, "the caller hears the operator", func() bool { return e.Heard(operatorHz) })
	must(t, asleep.Signal(syscall.SIGSTOP))
	slept := time.Now()
	harness.Instead(t, e.Call, operatorHz, seenBar+holdBar)
	t.Logf("music after %v", time.Since(slept))
	must(t, asleep.Signal(syscall.SIGCONT))
	harness.Eventually(t, duty.RejoinFor, "the operator is back", func() bool { return e.Heard(operatorHz) })
	e.Hangup()
	n.Over(e.Call, byeBar)
	e.Result = "answered"
	l.Balance(booksBar)
}
