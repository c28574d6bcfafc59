package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"holdfast/deploy/servers"
	"holdfast/e2e/bench/serve"
)

const (
	readyIn  = 60 * time.Second
	stopIn   = 20 * time.Second
	askIn    = 15 * time.Second
	profileS = 5 // seconds
)

// process is a server on the server's core, or, without cmd, somebody else's of whom only the address is known.
type process struct {
	host  string
	cmd   *exec.Cmd
	stdin io.Closer
	log   *bytes.Buffer // complete once ended is closed
	ended chan struct{}
}

// host is a loopback address of this process's own; the end-to-end tests have 127.100 to 127.199.
func host(n int) string { return fmt.Sprintf("127.%d.%d.1", 210+n, 1+os.Getpid()%250) }

// start runs a program on the server's cores, so many of them, and waits for a line that begins with ready, where that is not "".
func start(ctx context.Context, cores int, host, ready string, env []string, program string, args ...string) (*process, error) {
	on := fmt.Sprintf("%d-%d", serverCore, serverCore+cores-1)
	cmd := exec.Command("taskset", append([]string{"-c", on, program}, args...)...) //nolint:noctx // ended by stop; our own
	cmd.Env = append(os.Environ(), append(env, "GOMAXPROCS="+strconv.Itoa(cores))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p := &process{host: host, cmd: cmd, log: &bytes.Buffer{}, ended: make(chan struct{})}
	cmd.Stderr = p.log
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	announced := make(chan struct{})
	if ready == "" {
		close(announced)
	}
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(out)
		for told := ready == ""; lines.Scan(); {
			if !told && strings.HasPrefix(lines.Text(), ready) {
				told = true
				close(announced)
			}
		}
		_ = cmd.Wait() // how it ended matters to nobody after this
	}()
	limit := time.NewTimer(readyIn)
	defer limit.Stop()
	select {
	case <-announced:
		return p, nil
	case <-p.ended:
		err = fmt.Errorf("%s %v ended at once", program, args)
	case <-limit.C:
		err = fmt.Errorf("%s %v is not ready in %v", program, args, readyIn)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
	return nil, fmt.Errorf("%w:\n%s", err, p.log)
}

// startRival runs one of our bench servers.
func startRival(ctx context.Context, kind string, cores int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address := host(0)
	return start(ctx, cores, address, "ready", nil, self, "serve", kind, address)
}

// stop ends the process: by the end of its input, by SIGTERM twice, by force.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.stdin.Close()
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL} {
		_ = p.cmd.Process.Signal(s) // it may be gone
		wait := time.NewTimer(stopIn / 4)
		select {
		case <-p.ended:
			wait.Stop()
			return
		case <-wait.C:
		}
	}
	<-p.ended
}

// ask sends a request to a server of ours.
func (p *process) ask(ctx context.Context, path, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askIn)
	defer cancel()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.host+":"+serve.ControlPort+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, raw)
	}
	return string(raw), err
}

// goroutines of a bench server.
func (p *process) goroutines(ctx context.Context) (int, error) {
	raw, err := p.ask(ctx, "/figures", "")
	if err != nil {
		return 0, err
	}
	var f serve.Figures
	err = json.Unmarshal([]byte(raw), &f)
	return f.Goroutines, err
}

// cpu is what the process has used so far, all threads.
func (p *process) cpu() (time.Duration, error) {
	running, err := procfs.NewProc(p.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("the server's processor time: %w", err)
	}
	stat, err := running.Stat()
	if err != nil {
		return 0, fmt.Errorf("the server's processor time: %w", err)
	}
	return seconds(stat.CPUTime()), nil
}

// resident is the process's memory in bytes, without the pages of its program.
func (p *process) resident() (float64, error) {
	running, err := procfs.NewProc(p.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("the server's memory: %w", err)
	}
	pages, err := running.Statm()
	if err != nil {
		return 0, fmt.Errorf("the server's memory: %w", err)
	}
	return float64(pages.Resident-pages.Shared) * float64(os.Getpagesize()), nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// share is who kept the server's core busy for a while, 1 being all of it.
type share struct {
	server  float64
	others  float64 // programs that are none of ours
	unknown bool    // the server is not ours to look into
}

func (s share) String() string {
	if s.unknown {
		return "server's core: unknown"
	}
	return fmt.Sprintf("server's core: %.0f %% server, %.0f %% others", 100*s.server, 100*s.others)
}

// load is what the server's core does while fn runs.
func (p *process) load(fn func() error) (share, error) {
	if p.cmd == nil {
		return share{unknown: true}, fn()
	}
	before, err := p.cpu()
	core, err2 := coreBusy()
	if err := errors.Join(err, err2); err != nil {
		return share{}, err
	}
	began := time.Now()
	if err := fn(); err != nil {
		return share{}, err
	}
	took := time.Since(began)
	after, err := p.cpu()
	core2, err2 := coreBusy()
	s := share{server: float64(after-before) / float64(took)}
	s.others = max(0, float64(core2-core)/float64(took)-s.server)
	return s, errors.Join(err, err2)
}

// coreBusy is how long the server's core has worked since the machine started, for whomever.
func coreBusy() (time.Duration, error) {
	machine, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, fmt.Errorf("the server's core: %w", err)
	}
	stat, err := machine.Stat()
	if err != nil {
		return 0, fmt.Errorf("the server's core: %w", err)
	}
	core, known := stat.CPU[serverCore]
	if !known {
		return 0, errors.New("the machine does not name the server's core")
	}
	return seconds(core.User + core.Nice + core.System + core.IRQ + core.SoftIRQ + core.Steal), nil
}

// record takes a profile of the process into the folder for profiles; wait ends it.
func (b *bench) record(p *process, name string) (wait func()) {
	if b.profile == "" {
		return func() {}
	}
	path := filepath.Join(b.profile, name+".perf")
	cmd := exec.Command("perf", "record", "-q", "-g", "-F", "999", "-o", path, "-p", strconv.Itoa(p.cmd.Process.Pid), //nolint:noctx // ends by itself
		"--", "sleep", strconv.Itoa(profileS))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		note("no profile: %v", err)
		return func() {}
	}
	return func() {
		if err := cmd.Wait(); err != nil {
			note("no profile: %v", err)
			return
		}
		note("a profile of %s is in %s", name, path)
	}
}

// recordHeap puts what lives in a bench server's memory beside the profile.
func (b *bench) recordHeap(ctx context.Context, p *process, name string) {
	if b.profile == "" {
		return
	}
	heap, err := p.ask(ctx, "/debug/pprof/heap?gc=1", "")
	path := filepath.Join(b.profile, name+".heap")
	if err == nil {
		err = os.WriteFile(path, []byte(heap), 0o600)
	}
	if err != nil {
		note("no profile of memory: %v", err)
		return
	}
	note("what lives in memory is in %s", path)
}

// node is a whole Holdfast with stores.
type node struct {
	*process
	sip    netip.AddrPort
	stores *servers.Servers
	folder string
	data   string
	keep   bool // the folder, for somebody to look into
}

// startNode runs "holdfast serve" with the bench users, and stores of its own on the generator's core; or it takes the peer for
// that, where one is given.
func (b *bench) startNode(ctx context.Context, settings ...string) (n *node, err error) {
	if b.peer.IsValid() {
		return &node{sip: b.peer, process: &process{log: &bytes.Buffer{}}}, nil
	}
	n = &node{}
	defer func() {
		if err != nil {
			n.stopNode()
		}
	}()
	if n.folder, err = os.MkdirTemp("", "hf-bench-"); err != nil {
		return n, err
	}
	if err = os.Chmod(n.folder, 0o711); err != nil { // the stores' user must pass
		return n, err
	}
	n.data = filepath.Join(n.folder, "data")
	if n.stores, err = servers.Start(ctx, servers.Config{
		Data: filepath.Join(n.folder, "stores"), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}); err != nil {
		return n, err
	}
	address := host(1)
	n.sip = netip.MustParseAddrPort(address + ":5060")
	n.process, err = start(ctx, 1, address, "holdfast ready", append([]string{
		"HOLDFAST_HTTP=" + address + ":8080", "HOLDFAST_SIP=" + address + ":5060", "HOLDFAST_DATA=" + n.data,
		"HOLDFAST_DATABASE_URL=" + n.stores.DatabaseURL, "HOLDFAST_REDIS_URL=" + n.stores.RedisURL,
		"HOLDFAST_DEMO=1", "HOLDFAST_BENCH=1", "HOLDFAST_RTP_PORTS=16384-32767",
	}, settings...), b.holdfast, "serve")
	return n, err
}

func (n *node) stopNode() {
	if n.process != nil {
		n.stop()
	}
	if n.stores != nil {
		if err := n.stores.Stop(); err != nil {
			note("stop the stores: %v", err)
		}
	}
	switch {
	case n.keep:
		if err := os.WriteFile(filepath.Join(n.folder, "log"), n.log.Bytes(), 0o600); err != nil {
			note("keep the node's log: %v", err)
		}
		note("what the node wrote is kept in %s", n.folder)
	case n.folder != "":
		_ = os.RemoveAll(n.folder)
	}
}
