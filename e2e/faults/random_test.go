package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
)

const (
	// longFor is how long faults go on with HOLDFAST_LONG, unless HOLDFAST_LONG_FOR says otherwise.
	longFor = 30 * time.Minute
	// refusedBar is the share of callers that may be told to come again while the node is there: it is never full in this story, and
	// only a machine that is short of time can make it say so.
	refusedBar = 0.05
	// drainBar is how long calls may go on after SIGTERM; the callers of this story are done before.
	drainBar = 40 * time.Second
	// backBar is how long an operator whose connection was lost may take to be on duty again, on a busy machine.
	backBar = 30 * time.Second
)

// faults are what goes wrong, and how it ends; each is over when it returns.
func (d *day) faults(r *rand.Rand) map[string]func(long time.Duration) {
	return map[string]func(time.Duration){
		"kill -9": func(time.Duration) {
			defer d.l.Trouble("kill -9", true)()
			d.l.Kill()
			d.n.Run()
			d.n.Healthy()
		},
		"stopped and started": func(time.Duration) {
			defer d.l.Trouble("stopped and started", true)()
			d.drained()
			d.n.Run()
			d.n.Healthy()
		},
		"stores killed": func(long time.Duration) {
			defer d.l.Trouble("stores killed", false)()
			d.n.StoresDown()
			d.pass(long)
			d.n.StoresUp()
		},
		"stores silent": func(long time.Duration) {
			defer d.l.Trouble("stores silent", false)()
			d.n.Database.Silence()
			d.n.Redis.Silence()
			d.pass(long)
			d.n.Database.Heal()
			d.n.Redis.Heal()
		},
		"Redis silent": func(long time.Duration) {
			defer d.l.Trouble("Redis silent", false)()
			d.n.Redis.Silence()
			d.pass(long)
			d.n.Redis.Heal()
		},
		"operator gone": func(long time.Duration) {
			defer d.l.Trouble("operator gone", false)()
			o := d.desk[r.IntN(len(d.desk))]
			o.Drop()
			d.pass(long)
			d.back(o)
		},
		"database slow": func(long time.Duration) {
			defer d.l.Trouble("database slow", false)()
			d.n.Database.Slow(slowQuery, 0.05)
			d.pass(long)
			d.n.Database.Heal()
		},
		"disk full": func(long time.Duration) {
			defer d.l.Trouble("disk full", false)()
			d.n.Fill("recordings", 100)
			d.pass(long)
			d.n.Fill("recordings", 0)
		},
	}
}

// drained tells the node to stop and waits until the live calls have ended, and it with them.
func (d *day) drained() {
	d.t.Helper()
	d.n.Signal(syscall.SIGTERM)
	limit := time.NewTimer(drainBar)
	defer limit.Stop()
	select {
	case <-d.n.Ended():
	case <-limit.C:
		d.t.Errorf("the node does not end %v after SIGTERM, and its callers have long hung up", drainBar)
		d.n.Stop()
	}
}

// back lets an operator come back on duty, as a page does: again and again.
func (d *day) back(o *operator.Operator) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, backBar)
	defer cancel()
	var all []error // each try's, and when: the last alone says little
	for began := time.Now(); ; {
		err := o.Resume(ctx)
		if err == nil {
			return
		}
		all = append(all, fmt.Errorf("after %v: %w", time.Since(began).Round(time.Millisecond), err))
		if errors.Is(err, operator.ErrRefused) || ctx.Err() != nil {
			d.t.Errorf("an operator whose connection was lost cannot come back: %v\nthe node said:\n%s", errors.Join(all...), d.closings())
			return
		}
		d.pass(500 * time.Millisecond)
	}
}

// closings is what the node said of the sockets that it closed last: a story's end may be half an hour and 100,000 lines away.
func (d *day) closings() string {
	lines := slices.DeleteFunc(strings.Split(d.n.Log(), "\n"), func(line string) bool { return !strings.Contains(line, "socket closed") })
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

func TestWhateverHappensTheBooksAreRight(t *testing.T) {
	seed, length, long := uint64(time.Now().UnixNano()), time.Duration(0), os.Getenv("HOLDFAST_LONG") != ""
	o := harness.Options{Env: []string{fmt.Sprint("HOLDFAST_DRAIN=", 2*drainBar)}, Wires: true, Disks: map[string]int{"recordings": 64}}
	if long { // and not beside any other story: this one takes the machine
		length = longFor
		if said, err := time.ParseDuration(os.Getenv("HOLDFAST_LONG_FOR")); err == nil {
			length = said
		}
		o.Through, o.Disks["recordings"] = harness.Apart(t), 768
		o.Env = append(o.Env, "HOLDFAST_RTP_PORTS=16384-32767")
	} else {
		t.Parallel()
	}
	n := harness.Start(t, o)
	d := dawn(t, n, seed)
	closing := func() string { return "" }
	if long {
		closing = d.crowd(seed).close
	}
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a story, not a secret
	faults := d.faults(r)
	names := slices.Sorted(maps.Keys(faults)) // in one order, so that a seed tells the same story
	count := 0
	for began := time.Now(); count == 0 || time.Since(began) < length; {
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			d.pass(time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
			t.Log(time.Since(began).Round(time.Second), name)
			faults[name](2*time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
			count++
		}
		ready(t, n, booksBar) // whatever it was, it is over
	}
	d.pass(3 * time.Second)
	load := closing()
	d.stop()
	d.work.Wait()
	ready(t, n, booksBar)
	d.l.Balance(2*booksBar + length/10) // so many calls take a while to read
	calls, refused := len(d.l.Entries()), d.l.Refused()
	if float64(refused) > refusedBar*float64(calls) {
		t.Errorf("%d of %d callers were told to come again, and the node was never full", refused, calls)
	}
	t.Log(count, "faults,", calls, "calls,", refused, "told to come again", load)
}
