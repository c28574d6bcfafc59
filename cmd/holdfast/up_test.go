package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/servers"
)

// upBar is how long a start, a restart or an end may take on a busy machine.
const upBar = 60 * time.Second

var upAddresses atomic.Int64

// machine is one data folder and one loopback address, on which "holdfast up" runs.
type machine struct {
	t    *testing.T
	host string
	data string
	env  []string
}

func newMachine(t *testing.T, env ...string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "hf-up-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m := &machine{t: t, host: fmt.Sprintf("127.22.%d.%d", os.Getpid()%250, 1+upAddresses.Add(1)), data: filepath.Join(dir, "data")}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HOLDFAST_") {
			m.env = append(m.env, v)
		}
	}
	m.env = append(m.env, beMain+"=1", "HOLDFAST_DATA="+m.data, "HOLDFAST_HTTP="+m.host+":8080", "HOLDFAST_SIP="+m.host+":5060",
		"HOLDFAST_RTP_PORTS=16384-16483")
	m.env = append(m.env, env...)
	return m
}

// running is one "holdfast up".
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of stdout
	ended chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.Write(p)
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

func (m *machine) up() *running {
	m.t.Helper()
	r := &running{t: m.t, cmd: exec.Command(os.Args[0], "up"), lines: make(chan string, 1000), ended: make(chan struct{})}
	r.cmd.Env = m.env
	r.cmd.Stderr = r
	out, in, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	r.cmd.Stdout = in
	if err := r.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	_ = in.Close()
	go func() {
		defer close(r.lines)
		text, kept := make([]byte, 4096), ""
		for {
			n, err := out.Read(text)
			kept += string(text[:n])
			for {
				line, rest, whole := strings.Cut(kept, "\n")
				if !whole {
					break
				}
				r.lines <- line
				kept = rest
			}
			if err != nil {
				_ = out.Close()
				return
			}
		}
	}()
	go func() {
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	m.t.Cleanup(func() { r.end() })
	return r
}

// ready waits for the ready line.
func (r *running) ready() string {
	r.t.Helper()
	limit := time.NewTimer(upBar)
	defer limit.Stop()
	for {
		select {
		case line, open := <-r.lines:
			if !open {
				r.t.Fatalf("holdfast up ended: %s", r.said())
			}
			if strings.HasPrefix(line, "holdfast ready ") {
				return line
			}
		case <-limit.C:
			r.t.Fatalf("no ready line in %v: %s", upBar, r.said())
		}
	}
}

// over waits until the process has ended and returns its exit status.
func (r *running) over() int {
	r.t.Helper()
	limit := time.NewTimer(upBar)
	defer limit.Stop()
	select {
	case <-r.ended:
	case <-limit.C:
		_ = r.cmd.Process.Kill()
		<-r.ended
		r.t.Fatalf("holdfast up does not end in %v: %s", upBar, r.said())
	}
	return r.cmd.ProcessState.ExitCode()
}

// end stops it as ctrl-C does and returns its exit status.
func (r *running) end() int {
	_ = r.cmd.Process.Signal(os.Interrupt)
	return r.over()
}

func (m *machine) pid(name string) int {
	m.t.Helper()
	var pid int
	m.eventually(name+".pid is there", func() bool {
		raw, err := os.ReadFile(filepath.Join(m.data, "run", name+".pid"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(raw)))
		return err == nil && pid > 1
	})
	return pid
}

func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(state, []byte(") Z ")) // a zombie has ended
}

func (m *machine) eventually(what string, ok func() bool) {
	m.t.Helper()
	limit := time.NewTimer(upBar)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			m.t.Fatalf("not within %v: %s", upBar, what)
		}
	}
}

// refused starts "holdfast up" and demands that it ends with status 1 and one line that says all of words.
func (m *machine) refused(words ...string) {
	m.t.Helper()
	r := m.up()
	if code := r.over(); code != 1 {
		m.t.Errorf("exit status %d, want 1", code)
	}
	var last []string
	for line := range strings.Lines(r.said()) {
		if !strings.HasPrefix(line, "time=") { // the log is beside the matter
			last = append(last, line)
		}
	}
	if len(last) != 1 || !strings.HasPrefix(last[0], "holdfast: ") {
		m.t.Errorf("want one line, got %q", r.said())
	}
	for _, w := range words {
		if !strings.Contains(strings.Join(last, ""), w) {
			m.t.Errorf("%q does not say %q", last, w)
		}
	}
}

func TestUpRunsEverythingOnceAndLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.up()
	want := fmt.Sprintf("holdfast ready http=http://%s:8080 sip=%s:5060 data=%s", m.host, m.host, m.data)
	if got := r.ready(); got != want {
		t.Errorf("ready line %q, want %q", got, want)
	}
	pids := []int{m.pid("holdfast"), m.pid("postgres"), m.pid("redis")}
	m.refused("in use", m.data, strconv.Itoa(r.cmd.Process.Pid))
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d was hurt by the second start", pid)
		}
	}
	if code := r.end(); code != 0 {
		t.Errorf("exit status %d after ctrl-C: %s", code, r.said())
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is left running", pid)
		}
	}
	for _, name := range []string{"holdfast", "postgres", "redis"} {
		if _, err := os.Stat(filepath.Join(m.data, "run", name+".pid")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s.pid is left: %v", name, err)
		}
	}
	if door, err := net.Listen("tcp", m.host+":8080"); err != nil {
		t.Error(err)
	} else {
		_ = door.Close()
	}
}

func TestWhatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.up()
	r.ready()
	for _, name := range []string{"holdfast", "redis", "postgres"} {
		before := m.pid(name)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		m.eventually(name+" is back", func() bool { pid := m.pid(name); return pid != before && alive(pid) })
		if name == "holdfast" {
			r.ready()
		}
	}
	if code := r.end(); code != 0 {
		t.Errorf("exit status %d: %s", code, r.said())
	}
}

func TestNothingOutlivesAKilledSupervisorAndTheNextStartIsOrdinary(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.up()
	r.ready()
	pids := []int{m.pid("holdfast"), m.pid("postgres"), m.pid("redis")}
	_ = r.cmd.Process.Kill()
	<-r.ended
	next := m.up()
	next.ready()
	for _, pid := range pids {
		m.eventually(fmt.Sprintf("process %d has ended", pid), func() bool { return !alive(pid) })
	}
	if code := next.end(); code != 0 {
		t.Errorf("exit status %d: %s", code, next.said())
	}
}

func TestABusyPortIsOneLine(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	door, err := net.Listen("tcp", m.host+":8080")
	if err != nil {
		t.Fatal(err)
	}
	m.refused("HOLDFAST_HTTP", "tcp port "+m.host+":8080")
	_ = door.Close()
	socket, err := net.ListenPacket("udp", m.host+":5060")
	if err != nil {
		t.Fatal(err)
	}
	m.refused("HOLDFAST_SIP", "udp port "+m.host+":5060")
	_ = socket.Close()
	r := m.up() // nothing was damaged
	r.ready()
}

func TestAServiceThatCannotStartEndsUpWithItsOwnWords(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "HOLDFAST_TLS_CERT=/nowhere/cert.pem", "HOLDFAST_TLS_KEY=/nowhere/key.pem")
	m.refused("HOLDFAST_TLS_CERT", "/nowhere/")
}

func TestAWrongSettingIsOneLineAndTouchesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "HOLDFAST_SIP=everywhere")
	m.refused("HOLDFAST_SIP")
	if _, err := os.Stat(m.data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder was made: %v", err)
	}
}

func TestDataOfANewerPostgresIsRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file := filepath.Join(m.data, "postgres", "PG_VERSION")
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.refused("PostgreSQL 99", "nothing was changed")
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("the cluster was touched: %v, %v", left, err)
	}
}

func TestADatabaseOfANewerHoldfastIsRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.up()
	r.ready()
	r.end()
	alone := func(what func(*pgx.Conn) error) {
		t.Helper()
		s, err := servers.Start(t.Context(), servers.Config{Data: m.data, SkipRedis: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
		if err == nil {
			err = what(conn)
			_ = conn.Close(t.Context())
		}
		if err := errors.Join(err, s.Stop()); err != nil {
			t.Fatal(err)
		}
	}
	alone(func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
		return err
	})
	m.refused("newer Holdfast", "9999", "nothing was changed")
	alone(func(conn *pgx.Conn) error {
		var count int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM tenants").Scan(&count); err != nil {
			return err
		}
		if count < 4 {
			return fmt.Errorf("%d tenants are left", count)
		}
		return nil
	})
}

func TestAFolderThatTheDatabaseUserCannotEnterIsNamed(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if os.Geteuid() != 0 {
		return // only root runs the database as somebody else
	}
	if err := os.Chmod(filepath.Dir(m.data), 0o700); err != nil {
		t.Fatal(err)
	}
	m.refused("cannot enter", filepath.Dir(m.data))
}
