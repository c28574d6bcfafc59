package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const (
	restShare  = 0.05 // of the core: a node without calls uses less
	restWindow = 500 * time.Millisecond
	restIn     = 30 * time.Second
	// forgotten is how long SIP remembers a call that is over (RFC 3261, timers H and J: 32 s).
	forgotten = 33 * time.Second
	// peerRest is what a server is given into which nobody can look.
	peerRest = 3 * time.Second
)

// rest waits until the node has nothing left to do of the calls before: none is in progress, PostgreSQL has all of their events,
// and the core is idle. A node that does not come to rest is measured as it is, and that is said.
func (n *node) rest(ctx context.Context) error {
	if n.cmd == nil {
		return pause(ctx, peerRest)
	}
	for deadline := time.Now().Add(restIn); ; {
		core, err := n.load(func() error { return pause(ctx, restWindow) })
		if err != nil {
			return err
		}
		left, err := n.left(ctx)
		switch {
		case err != nil:
			return err
		case left == (remains{}) && core.server < restShare:
			return nil
		case time.Now().After(deadline):
			note("the node is not at rest after %v: %d calls, %d events to ship, %v", restIn, left.calls, left.events, core)
			return nil
		}
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remains is what a node has to do yet.
type remains struct {
	calls  int // in progress
	events int // on its disk that PostgreSQL lacks
}

// left asks the node's metrics.
func (n *node) left(ctx context.Context) (remains, error) {
	text, err := n.ask(ctx, "/metrics", "")
	if err != nil {
		return remains{}, err
	}
	return readRemains(strings.NewReader(text))
}

// readRemains reads metrics in Prometheus's text. What it looks for must be there: else a node that is busy would pass for one at rest.
func readRemains(metrics io.Reader) (r remains, err error) {
	lines, calls, events := bufio.NewScanner(metrics), false, false
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		var to *int
		switch {
		case strings.HasPrefix(name, "holdfast_calls{"):
			to, calls = &r.calls, true
		case name == "holdfast_spool_events":
			to, events = &r.events, true
		default:
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return r, fmt.Errorf("the node's metrics: %s: %w", name, err)
		}
		*to += int(n)
	}
	if err = lines.Err(); err == nil && (!calls || !events) {
		err = fmt.Errorf("the node's metrics tell of calls: %t, of events: %t", calls, events)
	}
	return r, err
}
