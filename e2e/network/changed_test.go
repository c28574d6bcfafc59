package network_test

import (
	"sync"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

const (
	healBar    = 4 * time.Second         // from a network that works again until both hear each other
	awayBar    = 20 * time.Second        // until they do at all
	noteBar    = 200 * time.Millisecond  // music has notes of any pitch, but not for so long
	silenceBar = 3 * time.Second         // until the caller hears music, where nothing comes from the operator
	breakBar   = 1500 * time.Millisecond // until a break has come to notice
)

// TestACallOutlivesAChangedNetwork: everything that happens to the network of somebody who works at home, in one call.
func TestACallOutlivesAChangedNetwork(t *testing.T) {
	t.Parallel()
	net, _ := start(t)
	d, ctx := browser(t, net), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	c := call(t, net)
	_, err := d.Offer(ctx)
	must(t, err)
	must(t, d.Verb(ctx, "answer"))
	both(t, d, c, "answered")
	must(t, d.Follow(ctx, callerHz))

	for _, change := range []struct {
		name string
		away time.Duration // how long there is no network at all
		do   func()
	}{
		{"the Wi-Fi gives another address", 0, net.Renumber},
		{"the router forgets what it translated", 0, net.Rebind},
		{"from the Wi-Fi to the telephone's network", 0, func() { net.Join("phone") }},
		{"back to the Wi-Fi", 0, func() { net.Join("wifi") }},
		{"the Wi-Fi is away for 5 s", 5 * time.Second, func() {
			net.Leave("wifi")
			harness.Pass(t, 5*time.Second)
			net.Join("wifi")
		}},
		{"packets vanish for 5 s", 5 * time.Second, func() {
			net.Drop("")
			harness.Pass(t, 5*time.Second)
			net.Pass()
		}},
	} {
		gap := followed(c, operatorHz)
		_, err := d.Gap(ctx)
		must(t, err)
		change.do()
		harness.Pass(t, breakBar) // what was heard before the break is not the proof
		must(t, d.State(ctx, "talking"))
		healed(t, d, c, change.name)
		harness.Pass(t, breakBar)
		healed(t, d, c, change.name+", a moment later")
		caller := max(0, gap()-noteBar)
		operator, err := d.Gap(ctx)
		must(t, err)
		t.Logf("%s: the caller was without the operator for %v, the operator without the caller for %v", change.name, caller, operator)
		if bar := change.away + healBar; caller > bar || operator > bar {
			t.Errorf("%s: that is more than %v", change.name, bar)
		}
	}
	c.Hangup()
	<-c.Done()
	t.Logf("the longest time without any sound for the caller: %d ms", c.Result().MaxGapMS)
	if gap := time.Duration(c.Result().MaxGapMS) * time.Millisecond; gap > silenceBar {
		t.Errorf("the caller got no sound at all, no music either, for %v", gap)
	}
}

// healed waits until both hear each other again.
func healed(t *testing.T, d *desk.Desk, c *carrier.Call, when string) {
	t.Helper()
	if err := d.Hears(t.Context(), callerHz, awayBar); err != nil {
		t.Fatalf("%s: the browser does not hear the caller any more (%v)", when, err)
	}
	harness.Eventually(t, awayBar, when+": the caller hears the browser again", func() bool { return c.Heard(operatorHz) })
}

// followed begins to notice how long a caller does not hear a tone; what it returns ends that, and says the longest time.
func followed(c *carrier.Call, hz float64) (longest func() time.Duration) {
	stop, gone := make(chan struct{}), make(chan struct{})
	var most time.Duration
	go func() {
		defer close(gone)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		last, since, heard := time.Now(), time.Time{}, false
		for {
			select {
			case now := <-tick.C:
				if is := c.Heard(hz); is != heard {
					heard, since = is, now
				}
				if heard && now.Sub(since) >= noteBar {
					last = now
				}
				most = max(most, now.Sub(last))
			case <-stop:
				return
			}
		}
	}()
	return sync.OnceValue(func() time.Duration {
		close(stop)
		<-gone
		return most.Round(10 * time.Millisecond)
	})
}
