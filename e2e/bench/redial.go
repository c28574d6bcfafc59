package main

import (
	"context"
	"time"

	"holdfast/e2e/bench/load"
)

// redials is how often a caller who is refused tries again.
const redials = 5

// callers call at a pace, and call again when they are told to come later, as a carrier does.
type callers struct {
	phone *load.Phone
	place func() *load.Call
	rate  int // calls a second
}

// reached is what became of callers.
type reached struct {
	answered  []*load.Call
	refused   int // callers who were not answered at once, but told when to come again
	redialled int // calls that were placed again
	never     int // callers who were never answered

	after time.Duration // the longest that any was told to wait, which says who refused: a crowd 2 s, a node that is full 5 s
}

// reach lets count callers call. Those who are told when to come again do so then, redials times at most.
func (c callers) reach(ctx context.Context, count int) (r reached, err error) {
	tick := time.NewTicker(time.Second / time.Duration(c.rate))
	defer tick.Stop()
	for due, try := count, 0; ; try++ {
		calls := make([]*load.Call, 0, due)
		for range due {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return r, ctx.Err()
			}
			calls = append(calls, c.place())
		}
		if err := c.phone.Settled(calls); err != nil {
			return r, err
		}
		if try > 0 {
			r.redialled += len(calls)
		}
		due = 0
		after := time.Duration(0)
		for _, call := range calls {
			switch {
			case call.Answered():
				r.answered = append(r.answered, call)
			case call.Later:
				due++
				after = max(after, call.After)
			}
		}
		r.after = max(r.after, after)
		if r.never = count - len(r.answered); try == 0 {
			r.refused = due
		}
		if due == 0 || try == redials {
			return r, nil
		}
		if err := pause(ctx, after); err != nil {
			return r, err
		}
	}
}
