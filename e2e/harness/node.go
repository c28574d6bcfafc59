package harness

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/deploy/servers"
	"holdfast/deploy/servers/serverstest"
)

const (
	httpPort   = "8080"
	sipPort    = "5060"
	sipTLSPort = "5061"
	rtpPorts   = "16384-16783" // 199 calls at a time

	// StartBar is how long a start may take, stores and all, on a busy machine.
	StartBar = 60 * time.Second
	// StopBar is how long a second SIGTERM may take.
	StopBar = 20 * time.Second
	// storesBar bounds the start of PostgreSQL and Redis.
	storesBar = 60 * time.Second
	// tick is how often Eventually asks.
	tick = 20 * time.Millisecond
	// loglines is how much of the log a failed story shows.
	loglines = 150
)

// Options says how a node is to run.
type Options struct {
	Env []string // more of HOLDFAST_..., "NAME=value"
	Up  bool     // "holdfast up" with stores of its own, instead of "serve" with the harness's
	// Beside is a node whose stores this one shares.
	Beside *Node
	Panics bool           // the story breaks something on purpose
	Wires  bool           // PostgreSQL and Redis are reached by wires that may be slowed down and cut
	Disks  map[string]int // folders of the data folder ("." for itself) that are disks of their own, of so many MiB
	Away   bool           // the stores are down from the beginning; Start does not wait for the ready line
	// Through is what its command line begins with, to run it in another network namespace; Host is its address there, and
	// Public, of form https://HOST:PORT, where the world finds it.
	Through      []string
	Host, Public string
}

// Node is one Holdfast and its stores.
type Node struct {
	URL string // http://127.x.y.1:8080
	SIP string // 127.x.y.1:5060
	// SIPTLS is where it takes SIP over TLS, with a certificate of its own making in Data/keys/sip-self-signed.crt.
	SIPTLS string
	Host   string // 127.x.y.1
	Data   string // HOLDFAST_DATA

	Database, Redis *Wire // with Options.Wires

	t       testing.TB
	options Options
	stores  *serverstest.Stores // nil with Up
	lines   lines
	urls    []string // of the stores, as the node is told

	mu      sync.Mutex
	log     bytes.Buffer // by lines
	process *os.Process
	ended   chan struct{} // closed when the process is gone
	ready   chan struct{} // closed at the ready line
	state   *os.ProcessState
	spent   time.Duration // CPU time of the processes before this one
}

// starting lets nodes start one after another: a start takes all the cores for a moment, and beside it other stories are measuring.
var starting sync.Mutex

// Start runs a node, waits until it is ready, and ends it after the test. A failed test shows the end of its log.
func Start(t testing.TB, options ...Options) *Node {
	t.Helper()
	starting.Lock()
	defer starting.Unlock()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	host := o.Host
	if host == "" {
		host = address(t)
	}
	n := &Node{URL: cmp.Or(o.Public, "http://"+host+":"+httpPort), SIP: host + ":" + sipPort, SIPTLS: host + ":" + sipTLSPort, Host: host, t: t, options: o}
	n.lines.node = n
	n.Data = filepath.Join(Folder(t), "data")
	t.Cleanup(n.show)
	if o.Beside != nil {
		n.stores = o.Beside.stores
	}
	if !o.Up && o.Beside == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), storesBar)
		defer cancel()
		var err error
		n.stores, err = serverstest.Migrated(ctx, Folder(t), slog.New(slog.NewTextHandler(&n.lines, nil)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.stores.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if n.stores != nil {
		database, redis := n.stores.DatabaseURL, n.stores.RedisURL
		if o.Wires {
			n.Database, database = wire(t, database)
			n.Redis, redis = wire(t, redis)
		}
		n.urls = []string{"HOLDFAST_DATABASE_URL=" + database, "HOLDFAST_REDIS_URL=" + redis}
	}
	for folder, size := range o.Disks {
		mount(t, filepath.Join(n.Data, folder), size)
	}
	t.Cleanup(n.Stop)
	if o.Away {
		n.StoresDown()
	}
	n.Run()
	if !o.Away {
		n.Ready()
	}
	return n
}

// env is the node's whole environment.
func (n *Node) env() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOLDFAST_") })
	env = append(env,
		"HOLDFAST_HTTP="+n.Host+":"+httpPort, "HOLDFAST_SIP="+n.SIP, "HOLDFAST_SIP_TLS="+n.SIPTLS, "HOLDFAST_DATA="+n.Data, "HOLDFAST_RTP_PORTS="+rtpPorts,
		"HOLDFAST_DEMO=1")
	if n.options.Public != "" {
		env = append(env, "HOLDFAST_PUBLIC_URL="+n.options.Public)
	}
	return append(append(env, n.urls...), n.options.Env...)
}

// Run starts the process and returns at once.
func (n *Node) Run() {
	n.t.Helper()
	verb := "serve"
	if n.options.Up {
		verb = "up"
	}
	line := append(slices.Clone(n.options.Through), Binary(n.t), verb)
	cmd := exec.Command(line[0], line[1:]...) //nolint:noctx // ended by Stop; our own binary
	cmd.Env = n.env()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &n.lines
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	ended, ready := make(chan struct{}), make(chan struct{})
	n.mu.Lock()
	n.process, n.ended, n.ready = cmd.Process, ended, ready
	n.mu.Unlock()
	go func() {
		defer close(ended)
		n.read(out, ready)
		_ = cmd.Wait() // how it ended stands in the state
		n.mu.Lock()
		n.state = cmd.ProcessState
		n.spent += n.state.UserTime() + n.state.SystemTime()
		n.mu.Unlock()
	}()
}

// read keeps what the process prints, and closes ready at the ready line.
func (n *Node) read(out io.Reader, ready chan struct{}) {
	announce := sync.OnceFunc(func() { close(ready) })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		_, _ = n.lines.Write(append(lines.Bytes(), '\n'))
		if strings.HasPrefix(lines.Text(), "holdfast ready ") {
			announce()
		}
	}
}

// Ready waits for the ready line.
func (n *Node) Ready() {
	n.t.Helper()
	n.mu.Lock()
	ready, ended := n.ready, n.ended
	n.mu.Unlock()
	limit := time.NewTimer(StartBar)
	defer limit.Stop()
	select {
	case <-ready:
	case <-ended:
		n.t.Fatalf("holdfast ended before it was ready: %v", n.state)
	case <-limit.C:
		n.t.Fatalf("holdfast is not ready in %v", StartBar)
	}
}

// Healthy waits until /healthz answers: the process serves, whatever its stores do.
func (n *Node) Healthy() {
	n.t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	Eventually(n.t, StartBar, "healthz answers", func() bool {
		request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.URL+"/healthz", nil)
		if err != nil {
			return false
		}
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// Kill ends the node as a crash would, and waits until it is gone. With Up it kills the service only; the supervisor
// starts it again.
func (n *Node) Kill() {
	n.t.Helper()
	if n.options.Up {
		n.KillByFile("holdfast")
		return
	}
	n.mu.Lock()
	process, ended := n.process, n.ended
	n.mu.Unlock()
	_ = process.Kill()
	<-ended
}

// KillByFile sends SIGKILL to the process that HOLDFAST_DATA/run/NAME.pid names.
func (n *Node) KillByFile(name string) {
	n.t.Helper()
	raw, err := os.ReadFile(filepath.Join(n.Data, "run", name+".pid"))
	if err != nil {
		n.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid < 2 {
		n.t.Fatalf("%s.pid is %q", name, raw)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		n.t.Fatalf("kill %s: %v", name, err)
	}
}

// Signal sends a signal to the node.
func (n *Node) Signal(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.process.Signal(s)
}

// Ended is closed when the process is gone.
func (n *Node) Ended() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended
}

// Stop ends the node with two SIGTERMs: now, not after the calls. It may be repeated.
func (n *Node) Stop() {
	n.t.Helper()
	n.mu.Lock()
	process, ended := n.process, n.ended
	n.mu.Unlock()
	if process == nil {
		return
	}
	limit := time.NewTimer(StopBar)
	defer limit.Stop()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	_ = process.Signal(syscall.SIGTERM)
	for {
		select {
		case <-ended:
			return
		case <-again.C:
			_ = process.Signal(syscall.SIGTERM)
		case <-limit.C:
			n.t.Errorf("holdfast does not stop in %v", StopBar)
			_ = process.Kill()
			<-ended
			return
		}
	}
}

// StoresDown kills PostgreSQL and Redis as a crash would and keeps them down until StoresUp.
func (n *Node) StoresDown() {
	n.t.Helper()
	for _, name := range []string{servers.Postgres, servers.Redis} {
		if err := n.stores.Down(name); err != nil {
			n.t.Fatal(err)
		}
	}
}

// StoresUp lets PostgreSQL and Redis run again.
func (n *Node) StoresUp() {
	n.t.Helper()
	for _, name := range []string{servers.Postgres, servers.Redis} {
		if err := n.stores.Up(name); err != nil {
			n.t.Fatal(err)
		}
	}
}

// lines is the node's log as a writer.
type lines struct{ node *Node }

// Write keeps what was written.
func (l *lines) Write(p []byte) (int, error) {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	return l.node.log.Write(p)
}

// Log returns all that the node has written so far.
func (n *Node) Log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// show prints the end of the log of a failed story, and fails one whose node panicked.
func (n *Node) show() {
	log := n.Log()
	if strings.Contains(log, "panic") && !n.options.Panics {
		n.t.Error("the node panicked")
	}
	if !n.t.Failed() {
		return
	}
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool {
		return strings.Contains(line, "msg=http ") && strings.Contains(line, " status=2") // what a story polls
	})
	n.t.Logf("the end of the node's log:\n%s", strings.Join(lines[max(0, len(lines)-loglines):], "\n"))
}

// Metric reads one of the node's metrics, named with its labels as the node prints them. It reports false when it is not
// there.
func (n *Node) Metric(name string) (float64, bool) {
	c := n.Anybody()
	defer c.http.CloseIdleConnections() // asked again and again, or else the node would hold one for each answer
	status, raw, err := c.Try(http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK {
		return 0, false
	}
	for line := range bytes.Lines(raw) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			v, err := strconv.ParseFloat(string(bytes.TrimSpace(rest)), 64)
			return v, err == nil
		}
	}
	return 0, false
}
