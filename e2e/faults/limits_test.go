package faults

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
)

// begun waits until every call is answered or refused, and counts both.
func begun(t *testing.T, l *harness.Ledger, all []*harness.Entry) (answered, refused int) {
	t.Helper()
	for _, e := range all {
		select {
		case <-e.Answered():
			answered++
			continue
		case <-e.Done():
		}
		switch r := e.Call.Result(); {
		case r.Answered():
			answered++
		case r.SIPStatus == http.StatusServiceUnavailable:
			refused++
		default:
			t.Errorf("the call from %s was neither answered nor refused with 503: %+v", e.From, r)
		}
	}
	return answered, refused
}

func TestAtTheLimitOfFilesAndPortsNewCallsGoElsewhere(t *testing.T) {
	t.Parallel()
	for _, is := range []struct {
		name        string
		o           harness.Options
		least, most int
	}{
		{"files", harness.Options{Through: []string{"prlimit", "--nofile=200:200"}}, 30, 80},
		{"ports", harness.Options{Env: []string{"HOLDFAST_RTP_PORTS=16384-16443"}}, 23, 25}, // of 29 pairs beside the browsers' port
	} {
		t.Run(is.name, func(t *testing.T) {
			t.Parallel()
			n := harness.Start(t, is.o)
			l := n.Ledger()
			var all []*harness.Entry
			for i := range 100 {
				all = append(all, l.Call([]string{redRock, kovacs, prairie}[i%3]))
			}
			answered, refused := begun(t, l, all)
			if answered < is.least || answered > is.most || refused != len(all)-answered {
				t.Errorf("%d calls answered, %d refused", answered, refused)
			}
			api := n.SignIn(noc) // pages and sockets still find files
			raised(t, api, "calls_refused", byeBar)
			for _, e := range all {
				e.Hangup()
			}
			for _, e := range all {
				n.Over(e.Call, byeBar)
			}
			harness.Eventually(t, 10*time.Second, "calls are answered again", func() bool {
				e := l.Call(redRock, func(o *carrier.Options) { o.Seconds = 1 })
				<-e.Done()
				return e.Call.Result().Answered()
			})
			t.Log(answered, "calls answered,", refused, "refused")
			l.Balance(booksBar)
		})
	}
}

// Something beside the node eats the machine's memory. Who talks talks on, and who calls is sent elsewhere before the kernel ends
// the process, and everybody's call with it.
func TestWhenMemoryRunsOutNewCallsGoElsewhereAndLiveOnesGoOn(t *testing.T) {
	t.Parallel()
	harness.NeedsRoot(t, "mounts files")
	meminfo := filepath.Join(t.TempDir(), "meminfo")
	available := func(mb int) {
		t.Helper()
		must(t, os.WriteFile(meminfo, fmt.Appendf(nil, "MemTotal: 8000000 kB\nMemAvailable: %d kB\n", mb*1000), 0o600))
	}
	available(4000)
	n := harness.Start(t, harness.Options{
		Through: []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /proc/meminfo && exec "$@"`, meminfo},
	})
	l := n.Ledger()
	o := n.Operator(ada)
	e := l.Call(prairie)
	joined(t, l, e, o)
	phone, err := load.NewPhone(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort(n.SIP))
	must(t, err)
	defer phone.Close()
	try := func() *load.Call {
		c := phone.Invite(redRock, netip.MustParseAddrPort("127.0.0.1:9"))
		must(t, phone.Settled([]*load.Call{c}))
		if c.Answered() {
			l.Others(c.From(), 1)
			phone.Bye(c)
			must(t, phone.Settled([]*load.Call{c}))
		}
		return c
	}
	if c := try(); !c.Answered() {
		t.Errorf("with memory enough: %+v", c)
	}

	available(8)
	harness.Eventually(t, 10*time.Second, "a call is sent elsewhere", func() bool { return !try().Answered() })
	if c := try(); c.Status != http.StatusServiceUnavailable || !c.Later || c.EndedAt.Sub(c.InvitedAt) > answerBar {
		t.Errorf("without memory: %+v", c)
	}
	if text := raised(t, n.SignIn(noc), "calls_refused", byeBar); !strings.Contains(text, "MB of memory") {
		t.Errorf("the alarm says %q", text)
	}
	hear(t, e, o)

	available(4000)
	harness.Eventually(t, 10*time.Second, "calls are answered again", func() bool { return try().Answered() })
	hear(t, e, o)
	e.Hangup()
	if r := n.Over(e.Call, byeBar); r.EndedBy != carrier.ByCaller {
		t.Errorf("the call that was up: %+v", r)
	}
	e.Result = "answered"
	l.Balance(booksBar)
}

func TestANodeThatIsToldToStopLetsItsCallsEnd(t *testing.T) {
	t.Parallel()
	const deadline = 4 * time.Second
	n := harness.Start(t, harness.Options{Env: []string{fmt.Sprint("HOLDFAST_DRAIN=", deadline)}})
	l := n.Ledger()
	gone := func(bar time.Duration) time.Duration {
		began := time.Now()
		limit := time.NewTimer(bar)
		defer limit.Stop()
		select {
		case <-n.Ended():
		case <-limit.C:
			t.Fatalf("the node does not end within %v", bar)
		}
		return time.Since(began)
	}
	up := func() *harness.Entry {
		e := l.Call(redRock)
		e.Result = "voicemail"
		l.Leave(e, time.Second)
		return e
	}

	e := up()
	n.Signal(syscall.SIGTERM)
	harness.Eventually(t, answerBar, "readyz says 503", func() bool {
		status, _, err := n.Anybody().Try(http.MethodGet, "/readyz", nil)
		return err == nil && status == http.StatusServiceUnavailable
	})
	for _, transport := range []string{"udp", "tcp"} { // another node takes them at once
		late := l.Call(prairie, func(o *carrier.Options) { o.Transport = transport })
		if r := n.Over(late.Call, answerBar); r.SIPStatus != http.StatusServiceUnavailable {
			t.Errorf("a call while the node drains: %+v", r)
		}
	}
	e.Hangup()
	if r := n.Over(e.Call, byeBar); r.EndedBy != carrier.ByCaller {
		t.Errorf("the call that was to end by itself: %+v", r)
	}
	gone(deadline)

	n.Run()
	n.Ready()
	e = up()
	n.Signal(syscall.SIGTERM)
	if took := gone(deadline + byeBar); took < deadline-time.Second {
		t.Errorf("the node ended after %v, with a call up", took)
	}
	if r := n.Over(e.Call, byeBar); r.EndedBy != carrier.ByServer {
		t.Errorf("the call at the deadline: %+v", r)
	}

	n.Run()
	n.Ready()
	e = up()
	n.Signal(syscall.SIGTERM)
	n.Signal(syscall.SIGINT)
	if took := gone(byeBar); took > byeBar {
		t.Errorf("a second signal took %v", took)
	}
	n.Over(e.Call, byeBar)

	n.Run()
	n.Ready()
	l.Balance(booksBar)
}
