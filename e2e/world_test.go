package e2e

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
	"holdfast/web/live"
)

// More of the demonstration data.
const (
	shelter   = demo.Shelter           // Dane County Shelter of harbor
	budai     = demo.Budai             // Budai Gyorsszerviz of duna, in standby
	redRock   = demo.RedRock           // Red Rock Dental of mesa
	unknown   = "+16085559998"         // of nobody
	published = demo.LakesidePublished // the number that Lakeside Cardiology prints on its cards
	zoe       = demo.Zoe
)

const (
	longestWait  = 60 * time.Second // in the queue
	silenceEnds  = 10 * time.Second // a recording
	greetingBar  = 8 * time.Second  // of the first greeting, until somebody who waits hears something else
	messageBar   = 30 * time.Second // from the end of a message until Holdfast hangs up by itself
	scenarioBar  = 10 * time.Second // from the last cue until a scenario is at its end
	offerSeenBar = 5 * time.Second
)

// world is one node for many stories: somebody talks all the while, and somebody waits in the queue.
type world struct {
	n       *harness.Node
	witness *carrier.Call      // talks with zoe from the first story to the last
	zoe     *operator.Operator // of mesa
	early   *carrier.Call      // called mesa before zoe was there
	waiter  *carrier.Call      // waits for zoe
	beeped  <-chan time.Time   // when the waiter heard the beep

	greeted <-chan time.Time // when the early one did

	mu  sync.Mutex
	ids []string // of calls that got a 200
}

// build starts a world.
func build(t *testing.T) *world {
	t.Helper()
	w := &world{n: harness.Start(t)}
	w.early = w.n.Call(redRock, func(o *carrier.Options) { o.Tone = 0 })
	w.known(w.n.Answered(w.early, offerSeenBar))
	w.greeted = whenHeard(w.early, beepHz, 2*beepBar)
	w.zoe = w.n.Operator(zoe)
	w.witness = w.n.Call(redRock)
	w.known(joined(t, w.n, w.witness, w.zoe))
	w.waiter = w.n.Call(redRock) // who speaks after the beep: a message of silence is ended soon
	w.known(w.n.Answered(w.waiter, offerSeenBar))
	w.beeped = whenHeard(w.waiter, beepHz, longestWait+2*beepBar)
	return w
}

// whenHeard tells when a caller hears a tone, or nothing when that takes too long.
func whenHeard(c *carrier.Call, hz float64, bar time.Duration) <-chan time.Time {
	heard := make(chan time.Time, 1)
	go func() {
		defer close(heard)
		limit := time.NewTimer(bar)
		defer limit.Stop()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				if c.Heard(hz) {
					heard <- now
					return
				}
			case <-c.Done():
				return
			case <-limit.C:
				return
			}
		}
	}()
	return heard
}

// known keeps the id of a call that got a 200.
func (w *world) known(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = append(w.ids, id)
	return id
}

// calm says that whatever just happened, the process lives and the others' call has kept its sound both ways, every packet of it.
func (w *world) calm(t *testing.T) {
	t.Helper()
	w.n.Healthy()
	hear(t, w.witness, w.zoe)
	if lost := w.zoe.Count().Lost; lost != 0 { // the caller's count comes at its end
		t.Errorf("the others' call lost %d packets to the operator", lost)
	}
}

// joins lets an operator accept the call of another make, and waits until both hear each other.
func joins(t *testing.T, w *world, f *foreign, h *handset, o *operator.Operator) string {
	t.Helper()
	id := w.known(f.answered())
	for string(harness.Event(t, o, operator.Offer, offerSeenBar).CallID) != id { // one of a caller who was gone at once
	}
	t.Cleanup(func() {
		if t.Failed() { // the next story must not be at this one's mercy
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), byeBar)
			defer cancel()
			_ = o.HangUp(ctx)
			_ = o.Available(ctx)
		}
	})
	must(t, o.Accept(harness.Limited(t, joinBar)))
	hears(t, h, o)
	return id
}

// hears waits until a handset and an operator hear each other.
func hears(t *testing.T, h *handset, o *operator.Operator) {
	t.Helper()
	harness.Eventually(t, joinBar, "the operator hears the caller", func() bool { return o.Heard(callerHz) })
	harness.Eventually(t, joinBar, "the caller hears the operator", func() bool { return h.ear.Heard(operatorHz) })
}

// next ends an operator's wrap-up.
func next(t *testing.T, o *operator.Operator) {
	t.Helper()
	if becomes(t, o, duty.WrapUp, duty.Available) == duty.WrapUp {
		must(t, o.Available(harness.Limited(t, byeBar)))
	}
	becomes(t, o, duty.Available)
}

// becomes waits until an operator's duty is in one of the phases.
func becomes(t *testing.T, o *operator.Operator, phases ...duty.Phase) (last duty.Phase) {
	t.Helper()
	if err := o.Wait(harness.Limited(t, byeBar), func(v live.DutyView) bool {
		last = v.State
		return slices.Contains(phases, last)
	}); err != nil {
		t.Fatalf("the duty is not %v within %v: %v", phases, byeBar, err)
	}
	return last
}

// phase waits until the API shows a live call in a phase.
func phase(t *testing.T, api *harness.Client, id, wanted string, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "call "+id+" is "+wanted, func() bool {
		var c call
		status, raw, err := api.Try("GET", "/api/v1/calls/"+id, nil)
		return err == nil && status == 200 && decode(raw, &c) && c.State == wanted
	})
}

// result waits for a call's end and compares how it ended.
func result(t *testing.T, api *harness.Client, id, wanted string) call {
	t.Helper()
	c := ended(t, api, id)
	if c.Result != wanted {
		t.Errorf("call %s ended as %q (%s), not %q", id, c.Result, c.Reason, wanted)
	}
	return c
}

// TestCallersOfAnotherMake runs SIPp's callers, and some who mean no good, against one node, and at the end holds all that
// it kept against what happened.
func TestCallersOfAnotherMake(t *testing.T) {
	t.Parallel()
	w := build(t)
	t.Run("nobody on duty", func(t *testing.T) {
		var callers sync.WaitGroup // at once: most of it is waiting, and none of it need wait for other stories
		defer callers.Wait()
		for name, story := range map[string]func(*testing.T, *world){
			"sound from a file of SIPp":              streams,
			"nothing but A-law":                      leavesALaw,
			"keys of RFC 4733 on payload type 96":    keepsByEvents,
			"a star by RFC 4733 on payload type 127": leavesByEvent,
			"a star by INFO":                         leavesByInfo,
			"keys by INFO":                           keepsByInfo,
			"the limits of time":                     limits,
			"an unknown number":                      nobodys,
		} {
			callers.Go(func() { t.Run(name, func(t *testing.T) { story(t, w) }) })
		}
	})
	var patience sync.WaitGroup // of the one who waits meanwhile
	defer patience.Wait()
	patience.Go(func() { t.Run("the longest wait", func(t *testing.T) { waits(t, w) }) })
	w.calm(t)
	o := w.n.Operator(ada)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *world, *operator.Operator)
	}{
		{"hold and back", holds},
		{"a late offer", offersLate},
		{"over TCP", overTCP},
		{"the INVITE again and the ACK lost", again},
		{"twelve proxies", proxies},
		{"video too", video},
		{"taken back at once", takenBack},
		{"nothing but SRTP", nothingButSRTP},
		{"forwarded", forwarded},
		{"odd requests and packets", odd},
		{"broken offers", broken},
		{"mesa looks at harbor's call", apart},
	} {
		t.Run(story.name, func(t *testing.T) {
			story.tell(t, w, o)
			w.calm(t)
		})
	}
	patience.Wait()
	t.Run("nothing of another tenant", func(t *testing.T) { isolated(t, w) })
	t.Run("everything again from the journal", func(t *testing.T) { reconcile(t, w) })
}
