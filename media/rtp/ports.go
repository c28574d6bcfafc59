package rtp

import (
	"sync"
	"time"
)

// ports is the pool of even ports. The one that has rested longest is given first, so that late packets of a call find
// nobody for as long as possible.
type ports struct {
	mu    sync.Mutex
	quiet time.Duration
	free  []resting // longest-rested first
	all   int       // in use and resting too
}

type resting struct {
	port  uint16
	since time.Time // zero: never used
}

func newPorts(low, high uint16, quiet time.Duration) *ports {
	p := &ports{quiet: quiet}
	for n := (int(low) + 1) &^ 1; n+1 <= int(high); n += 2 {
		p.free = append(p.free, resting{port: uint16(n)})
	}
	p.all = len(p.free)
	return p
}

// take returns the longest-rested port, if it has rested enough.
func (p *ports) take(now time.Time) (port uint16, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return 0, false
	}
	first := p.free[0]
	if !first.since.IsZero() && now.Sub(first.since) < p.quiet {
		return 0, false
	}
	p.free = p.free[1:] // give appends, and moves the rest only when the array has run out: once in thousands of calls
	return first.port, true
}

// give returns a port, which rests from now on.
func (p *ports) give(port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, resting{port: port, since: now})
}
