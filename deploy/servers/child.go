package servers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	firstBackoff  = 100 * time.Millisecond // a crashed server is wanted back at once
	longestPause  = 5 * time.Second        // a server that cannot start must not burn the machine
	steadyAfter   = 10 * time.Second       // ran this long: the next death starts from the first back-off again
	readyPoll     = 10 * time.Millisecond  // how often a starting server is asked
	pingLimit     = 2 * time.Second        // for one question
	stopLimit     = 20 * time.Second       // a checkpoint on a slow disk; then harder
	failsAtStart  = 5                      // deaths before the first answer that mean "it does not start"
	pipeAfterExit = 2 * time.Second        // how long a grandchild may hold the log pipe
)

// child is one supervised server. One goroutine, locked to its thread, starts and awaits it: the kernel sends the
// parent-death signal when the starting thread ends, not the process.
type child struct {
	name       string
	log        *slog.Logger
	pidFile    string
	command    func() *exec.Cmd            // a fresh command for each start
	before     func()                      // clears what an earlier run left behind
	ping       func(context.Context) error // nil: answers
	stopSignal syscall.Signal              // orderly
	hardSignal syscall.Signal              // after stopLimit

	tail tail // its last lines

	mu      sync.Mutex
	process *os.Process // while it runs
	fails   int         // deaths so far
	held    bool        // kept down by hold
	stopped bool
	changed chan struct{} // closed and replaced when held or stopped change
	done    chan struct{} // closed when the goroutine has ended
}

func (c *child) start() {
	c.changed = make(chan struct{})
	c.done = make(chan struct{})
	c.tail.log = c.log.With("server", c.name)
	go c.supervise()
}

// supervise keeps the server running until stop. It never unlocks its thread, so the thread ends with it.
func (c *child) supervise() {
	runtime.LockOSThread()
	defer close(c.done)
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("supervisor failed", "server", c.name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	pause := firstBackoff
	for c.wanted() {
		began := time.Now()
		err := c.once()
		if time.Since(began) > steadyAfter {
			pause = firstBackoff
		}
		if !c.again(err, pause) {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// wanted waits while the server is held down and reports whether it should run.
func (c *child) wanted() bool {
	for {
		c.mu.Lock()
		held, stopped, changed := c.held, c.stopped, c.changed
		c.mu.Unlock()
		if stopped {
			return false
		}
		if !held {
			return true
		}
		<-changed
	}
}

// again notes a death and waits for the back-off; false when the server was meant to stop.
func (c *child) again(err error, pause time.Duration) bool {
	c.mu.Lock()
	stopped, held, changed := c.stopped, c.held, c.changed
	c.fails++
	c.mu.Unlock()
	if stopped {
		return false
	}
	if held {
		return true
	}
	c.log.Warn("private server died, starting it again", "server", c.name, "error", err, "pause", pause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	}
	return true
}

// once runs the server to its end.
func (c *child) once() error {
	if c.before != nil {
		c.before()
	}
	cmd := c.command()
	cmd.Stdout, cmd.Stderr = &c.tail, &c.tail
	cmd.WaitDelay = pipeAfterExit
	c.mu.Lock()
	if c.stopped || c.held {
		c.mu.Unlock()
		return nil
	}
	err := cmd.Start()
	if err == nil {
		c.process = cmd.Process
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	if err := os.WriteFile(c.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		c.log.Warn("process id not written", "server", c.name, "error", err)
	}
	err = cmd.Wait()
	c.mu.Lock()
	c.process = nil
	c.mu.Unlock()
	if removed := os.Remove(c.pidFile); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		c.log.Warn("process id not removed", "server", c.name, "error", removed)
	}
	if err == nil {
		err = errors.New("ended by itself")
	}
	return err
}

// waitReady returns when the server answers, or with its last lines when it dies again and again or ctx ends.
func (c *child) waitReady(ctx context.Context) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(ctx, pingLimit)
		err := c.ping(ask)
		cancel()
		if err == nil {
			return nil
		}
		c.mu.Lock()
		fails := c.fails
		c.mu.Unlock()
		if fails >= failsAtStart {
			return fmt.Errorf("%w: %s: %s", ErrFailed, c.name, c.tail.last())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w (%s)", ErrFailed, c.name, err, c.tail.last())
		}
	}
}

func (c *child) hold(held bool) {
	c.mu.Lock()
	c.held = held
	c.change()
	process := c.process
	c.mu.Unlock()
	if held && process != nil {
		_ = process.Kill() // already gone is as good
	}
}

// stop ends the server in order, then hard, and waits. It may be repeated.
func (c *child) stop() {
	if c.done == nil {
		return
	}
	c.mu.Lock()
	c.stopped = true
	c.change()
	process := c.process
	c.mu.Unlock()
	for _, signal := range []syscall.Signal{c.stopSignal, c.hardSignal, syscall.SIGKILL} {
		if process != nil {
			_ = process.Signal(signal) // already gone is as good
		}
		timer := time.NewTimer(stopLimit)
		select {
		case <-c.done:
			timer.Stop()
			return
		case <-timer.C:
			c.log.Error("private server does not stop", "server", c.name, "signal", signal.String())
		}
	}
	<-c.done // SIGKILL cannot be refused
}

// change wakes whoever waits for held or stopped. The caller holds mu.
func (c *child) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// attributes make a child its own process group (ctrl-C reaches us, not it) that dies with us, as user u.
func attributes(u account, deathSignal syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: deathSignal}
	if u.other {
		attr.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid}
	}
	return attr
}
