package faults

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const (
	// longFor is how long faults go on with HOLDFAST_LONG, unless HOLDFAST_LONG_FOR says otherwise.
	longFor = 30 * time.Minute
	// refusedBar is the share of callers that may be told to come again while the node is there: it is never full in this story, and
	// only a machine that is short of time can make it say so.
	refusedBar = 0.05
)

// faults are what goes wrong, and how it ends; each is over when it returns.
func (d *day) faults() map[string]func(long time.Duration) {
	return map[string]func(time.Duration){
		"kill -9": func(time.Duration) {
			defer d.l.Trouble("kill -9", true)()
			d.l.Kill()
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

func TestWhateverHappensTheBooksAreRight(t *testing.T) {
	t.Parallel()
	length, seed := time.Duration(0), uint64(time.Now().UnixNano())
	if os.Getenv("HOLDFAST_LONG") != "" {
		length = longFor
		if said, err := time.ParseDuration(os.Getenv("HOLDFAST_LONG_FOR")); err == nil {
			length = said
		}
	}
	n := harness.Start(t, harness.Options{Wires: true, Disks: map[string]int{"recordings": 64}})
	d := dawn(t, n, seed)
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a story, not a secret
	faults := d.faults()
	var names []string
	for name := range faults {
		names = append(names, name)
	}
	count := 0
	for began := time.Now(); count == 0 || time.Since(began) < length; {
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			d.pass(time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
			t.Log(time.Since(began).Round(time.Second), name)
			faults[name](2*time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
			count++
		}
	}
	d.pass(3 * time.Second)
	d.stop()
	d.work.Wait()
	ready(t, n, booksBar)
	d.l.Balance(2 * booksBar)
	calls, refused := len(d.l.Entries()), d.l.Refused()
	if float64(refused) > refusedBar*float64(calls) {
		t.Errorf("%d of %d callers were told to come again, and the node was never full", refused, calls)
	}
	t.Log(count, "faults,", calls, "calls,", refused, "told to come again")
}
