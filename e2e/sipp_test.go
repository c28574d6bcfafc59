package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

// sippLimit is how long one SIPp may run; it ends by itself then, and the story fails.
const sippLimit = 60 * time.Second

// callers counts the SIPp processes, for addresses and Call-IDs of their own.
var callers atomic.Int64

// foreign is a caller of another make: one call of SIPp, told by a scenario of the folder sipp. Where the scenario waits
// for a cue, the story decides when it goes on.
type foreign struct {
	t      *testing.T
	dir    string // its files
	callID string // of SIP
	addr   *net.UDPAddr
	tcp    bool
	cues   int // given
	ended  chan struct{}
	err    error // how it ended, after ended
}

// with is one thing that differs from the usual caller: a keyword of the scenario, or an option of SIPp.
type with func(*setup)

type setup struct {
	keys    map[string]string
	options []string
	phone   *handset
	dir     string
}

func key(name, value string) with { return func(s *setup) { s.keys[name] = value } }

func option(options ...string) with {
	return func(s *setup) { s.options = append(s.options, options...) }
}

// in runs SIPp in a folder that has the files its scenario names.
func in(dir string) with { return func(s *setup) { s.dir = dir } }

// phone lets the caller's sound come from and go to a handset.
func phone(h *handset) with {
	return func(s *setup) {
		s.phone = h
		s.keys["port"] = strconv.Itoa(h.addr().Port)
		s.keys["payload"] = strconv.Itoa(int(h.codec))
		s.keys["codec"] = h.codec.String()
	}
}

// host is a loopback address of the demonstration trunk that nobody else here uses.
func host() string {
	n := callers.Add(1)
	return fmt.Sprintf("127.0.%d.%d", 100+os.Getpid()%100, 1+n%250)
}

// free finds a port of an address.
func free(t *testing.T, host string) *net.UDPAddr {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	must(t, err)
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr)
}

// sipp starts a caller. It is ended with the test.
func sipp(t *testing.T, n *harness.Node, scenario, to string, changes ...with) *foreign {
	t.Helper()
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("sipp is not installed: apt-get install sip-tester")
	}
	file, err := filepath.Abs(filepath.Join("sipp", scenario+".xml"))
	must(t, err)
	s := setup{keys: map[string]string{"port": "9", "payload": "0", "codec": "PCMU", "event": "101"}} // port 9: discard
	for _, change := range changes {
		change(&s)
	}
	from := host()
	if s.phone != nil {
		from = s.phone.addr().IP.String()
	}
	f := &foreign{t: t, dir: cmp.Or(s.dir, t.TempDir()), addr: free(t, from), ended: make(chan struct{})}
	f.callID = fmt.Sprintf("%s-%d-%d", scenario, os.Getpid(), callers.Add(1))
	args := []string{
		n.SIP, "-sf", file, "-s", to, "-i", from, "-p", strconv.Itoa(f.addr.Port), "-m", "1", "-nostdin", "-cid_str", f.callID,
		"-timeout", strconv.Itoa(int(sippLimit.Seconds())), "-timeout_error", "-trace_logs", "-log_file", f.file("log"),
		"-trace_err", "-error_file", f.file("err"), "-trace_msg", "-message_file", f.file("messages"),
	}
	for name, value := range s.keys {
		args = append(args, "-key", name, value)
	}
	args = append(args, s.options...)
	f.tcp = strings.Contains(strings.Join(s.options, " "), "-t t1")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), sippLimit+5*time.Second)
	cmd := exec.CommandContext(ctx, program, args...) // a foreign program is the point
	cmd.Dir = f.dir
	var screen bytes.Buffer
	cmd.Stdout, cmd.Stderr = &screen, &screen
	must(t, cmd.Start())
	go func() {
		defer close(f.ended)
		f.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-f.ended
		if t.Failed() {
			t.Logf("SIPp %s: %v\n%s%s", scenario, f.err, f.read("err"), tail(f.read("messages"), 6000))
		}
	})
	return f
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

func (f *foreign) file(name string) string { return filepath.Join(f.dir, name) }

func (f *foreign) read(name string) string {
	raw, err := os.ReadFile(f.file(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
	return string(raw)
}

// logged waits until the scenario has logged a line that begins with a word, and returns the rest.
func (f *foreign) logged(word string, bar time.Duration) (rest string) {
	f.t.Helper()
	harness.Eventually(f.t, bar, "SIPp says "+word, func() bool {
		for line := range strings.Lines(f.read("log")) {
			var whole bool
			if rest, whole = strings.CutPrefix(strings.TrimSuffix(line, "\n"), word); whole && strings.HasSuffix(line, "\n") {
				rest = strings.TrimSpace(rest)
				return true
			}
		}
		return f.over()
	})
	if f.over() && !strings.Contains(f.read("log"), word) {
		f.t.Fatalf("SIPp ended (%v) without %q", f.err, word)
	}
	return rest
}

// answered waits for the 200 and returns the call's id.
func (f *foreign) answered() string {
	f.t.Helper()
	return f.logged("answered", 5*time.Second)
}

// cue lets the scenario go on from where it waits, once it waits there: a SIP request of our own making, from the side.
func (f *foreign) cue() {
	f.t.Helper()
	f.cues++
	harness.Eventually(f.t, scenarioBar, "SIPp waits for its cue", func() bool {
		return strings.Count(f.read("log"), "waits\n") >= f.cues || f.over()
	})
	network := "udp"
	if f.tcp {
		network = "tcp"
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(f.t.Context(), network, f.addr.String())
	must(f.t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "CUE sip:sipp@%s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKcue%d\r\nFrom: <sip:story@story>\r\nTo: <sip:sipp@%s>\r\n"+
		"Call-ID: %s\r\nCSeq: 1 CUE\r\nContent-Length: 0\r\n\r\n", f.addr, strings.ToUpper(network), conn.LocalAddr(), callers.Add(1), f.addr, f.callID)
	must(f.t, err)
}

func (f *foreign) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// finished waits until the scenario has been played to its end, with every message that it demands.
func (f *foreign) finished(bar time.Duration) {
	f.t.Helper()
	limit := time.NewTimer(bar)
	defer limit.Stop()
	select {
	case <-f.ended:
	case <-limit.C:
		f.t.Fatalf("SIPp is not at its end within %v", bar)
	}
	if f.err != nil {
		f.t.Fatalf("SIPp: %v", f.err)
	}
}
