package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	firstPause    = 100 * time.Millisecond // callers wait
	longestPause  = 5 * time.Second        // what cannot start must not burn the machine
	steadyAfter   = 10 * time.Second       // ran this long: not "dies at once"
	sameDeaths    = 5                      // deaths at once with the same words, after which trying again is no use
	stopNowLimit  = 15 * time.Second       // from "now" to SIGKILL
	orphanLimit   = 10 * time.Second       // for a service that outlived its supervisor
	orphanPoll    = 100 * time.Millisecond // how often it is told, and looked for
	lastWords     = "holdfast: "           // how main says why it ends
	dataVariable  = "HOLDFAST_DATA="       // by which a process is known to serve a data folder
	longestLogged = 1 << 20                // bytes of one line of the log
)

// service is "holdfast serve" as a child process: started again when it dies, ended in order.
type service struct {
	program string
	args    []string
	env     []string
	pidFile string
	drain   time.Duration // how long live calls may go on at the end
	log     *slog.Logger
}

// death is one end of the service.
type death struct {
	words  string // what it said last, "" when nothing
	status string // "exit status 1", "signal: killed"
	atOnce bool   // it had not run for long
}

// run keeps the service running until a signal comes, or until it dies at once again and again for the same reason,
// which is then the error.
func (v *service) run(signals <-chan os.Signal) error {
	pause, same, words := firstPause, 0, ""
	for {
		life, err := v.start()
		if err != nil {
			return err
		}
		select {
		case <-signals:
			life.end(signals, v.drain, v.log)
			return nil
		case <-life.over:
		}
		d := life.death
		if d.words == words && d.atOnce {
			same++
		} else {
			same = 1
		}
		words = d.words
		if !d.atOnce {
			pause = firstPause
		}
		if same >= sameDeaths && words != "" {
			return errors.New(words)
		}
		if words == "" || same == 1 { // the same words again are no news
			v.log.Warn("the service died, starting it again", "how", d.status, "said", d.words, "pause", pause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-signals:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, longestPause)
	}
}

// life is one process of the service.
type life struct {
	process *os.Process
	over    chan struct{} // closed when it is gone
	death   death         // to be read after over
}

// start starts the service. The goroutine that does so keeps its thread until the service is gone: the kernel sends the
// parent-death signal when the starting thread ends.
func (v *service) start() (*life, error) {
	l := &life{over: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		v.live(l, started)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	return l, nil
}

func (v *service) live(l *life, started chan<- error) {
	cmd := exec.Command(v.program, v.args...) //nolint:noctx,gosec // ended by signals in order; this very program
	cmd.Env = v.env
	cmd.Stdout = os.Stdout
	// A group of its own: ctrl-C reaches us, and we say when. SIGTERM when we die: live calls may end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		started <- err
		return
	}
	began := time.Now()
	l.process = cmd.Process
	if err := os.WriteFile(v.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil { //nolint:gosec // no secret
		v.log.Warn("process id not written", "err", err)
	}
	started <- nil
	words := passOn(stderr, os.Stderr)
	_ = cmd.Wait() //nolint:errcheck // how it ended stands in the state
	if err := os.Remove(v.pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		v.log.Warn("process id not removed", "err", err)
	}
	l.death = death{words: words, status: cmd.ProcessState.String(), atOnce: time.Since(began) < steadyAfter}
	close(l.over)
}

// passOn copies log lines as they come, all but the last words, which it returns: they are said once.
func passOn(from io.Reader, to io.Writer) (words string) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, longestLogged)
	for lines.Scan() {
		if said, ok := strings.CutPrefix(lines.Text(), lastWords); ok {
			words = said
			continue
		}
		_, _ = fmt.Fprintln(to, lines.Text()) // nobody reads: no reason to stop
	}
	_, _ = io.Copy(to, from) // a line beyond all measure; the service must not block on it
	return words
}

// end asks the service to end when its calls are over, with a second signal now, and waits.
func (l *life) end(signals <-chan os.Signal, drain time.Duration, log *slog.Logger) {
	_ = l.process.Signal(syscall.SIGTERM) // already gone is as good
	timer := time.NewTimer(drain + stopNowLimit)
	defer timer.Stop()
	for {
		select {
		case <-l.over:
			return
		case <-signals:
			_ = l.process.Signal(syscall.SIGTERM)
			timer.Reset(stopNowLimit)
		case <-timer.C:
			log.Error("the service does not end, killing it")
			_ = l.process.Kill()
			<-l.over
			return
		}
	}
}

// endOrphan ends a service that outlived its supervisor on this data folder and would keep the ports. We hold the
// folder's lock, so no living supervisor owns it.
func (v *service) endOrphan(data string) {
	raw, err := os.ReadFile(v.pidFile)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 || !serves(pid, data) {
		return
	}
	v.log.Warn("ending a service that outlived its supervisor", "pid", pid)
	tick := time.NewTicker(orphanPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(orphanLimit); serves(pid, data); <-tick.C {
		signal := syscall.SIGTERM // the first lets calls end, the next does not
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		_ = syscall.Kill(pid, signal) // gone in between is as good
	}
}

// serves reports whether a process is the service on a data folder.
func serves(pid int, data string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	args, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || !slices.Contains(strings.Split(string(args), "\x00"), "serve") {
		return false
	}
	env, err := os.ReadFile(filepath.Join(proc, "environ"))
	return err == nil && slices.Contains(strings.Split(string(env), "\x00"), dataVariable+data)
}
