package main

import (
	"context"
	"errors"
	"time"
)

// weigh finds what a call takes of memory and goroutines, and what is left of that once all calls are over.
func (b *bench) weigh(ctx context.Context, c contest, run int) error {
	s, err := b.stage(ctx, c.ours, 1)
	if err != nil {
		return err
	}
	defer s.close()
	n := weighed
	if b.quick {
		n = 20
	}
	if _, err := s.measure(ctx, n, b.window()); err != nil {
		return err
	}
	full, err := s.kibPerCall()
	goroutines, err2 := s.goroutines(ctx)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	b.out.add(c.name, "kib_per_call", "KiB", full)
	b.out.add(c.name, "goroutines_per_call", "goroutines", float64(goroutines-s.idle)/float64(n))
	if b.quick || run > 0 { // to wait until all are forgotten takes long
		return nil
	}
	after, err := s.leave(ctx)
	note("%s: %d calls take %.0f KiB each, %.0f KiB each are left when all are over", c.name, n, full, after)
	b.out.add(c.name, "kib_after", "KiB", after)
	return err
}

// leave ends all calls and returns how much more memory than before them is in use once they are forgotten, in KiB a call.
func (s *stage) leave(ctx context.Context) (float64, error) {
	s.studio.Talk(0)
	if _, err := s.ask(ctx, "/empty/0", "all"); err != nil {
		return 0, err
	}
	time.Sleep(givenBackIn)
	for range 3 { // as a server without work does every two minutes; what is pooled goes with the second
		if _, err := s.ask(ctx, "/debug/pprof/heap?gc=1", ""); err != nil {
			return 0, err
		}
	}
	time.Sleep(10 * settleFor) // Go gives back a little at a time
	return s.kibPerCall()
}

// kibPerCall is how much more memory than before the first call is in use, in KiB a call.
func (s *stage) kibPerCall() (float64, error) {
	now, err := s.resident()
	return (now - s.empty) / 1024 / float64(s.calls), err
}

// givenBackIn is how long after the last call SIP has forgotten it (RFC 3261: 32 s).
const givenBackIn = 35 * time.Second
