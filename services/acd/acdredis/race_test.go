package acdredis_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/services/acd"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// The race: two nodes in one process, each with its queue and its index; calls and duties owned by one goroutine each,
// which follow the real Steps and talk only by posted events. A checker looks at the owners' states, not at the queue's,
// and judges: one operator a call, one call an operator, and nobody waits beside somebody idle.

// owner is a goroutine with a mailbox.
type owner[E any] struct {
	mu     sync.Mutex
	box    []E
	wake   chan struct{}
	handle func(E)
}

func newOwner[E any](handle func(E)) *owner[E] {
	return &owner[E]{wake: make(chan struct{}, 1), handle: handle}
}

func (o *owner[E]) post(e E) {
	o.mu.Lock()
	o.box = append(o.box, e)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *owner[E]) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-o.wake:
		}
		o.mu.Lock()
		box := o.box
		o.box = nil
		o.mu.Unlock()
		for _, e := range box {
			o.handle(e)
		}
	}
}

// raceNode is one node: the calls' side of its queue.
type raceNode struct {
	name  string
	r     *race
	queue *acd.Queue
	index *up
}

func (n *raceNode) Offer(m acd.Match) {
	n.r.offers.Add(1)
	if c := n.r.call(m.Call); c != nil {
		c.post(call.Event{Type: call.Picked, At: time.Now(), Operator: m.Operator, Name: m.Name})
	}
}

// Unstaffed is ignored: every call here waits until somebody comes.
func (n *raceNode) Unstaffed(tenants.CallID) {}

// race is the whole.
type race struct {
	t        *testing.T
	nodes    [2]*raceNode
	duties   map[tenants.OperatorID]*raceDuty
	offers   atomic.Int64
	ended    atomic.Int64
	answered atomic.Int64
	bad      atomic.Int64
	worst    atomic.Int64 // longest time that a free pair stood unproposed, ns
	done     chan struct{}
	running  sync.WaitGroup

	mu    sync.Mutex
	calls map[tenants.CallID]*raceCall
	// talk is the checker's own book: who is joined with whom, by both ends.
	byCall map[tenants.CallID]tenants.OperatorID
	byDesk map[tenants.OperatorID]tenants.CallID
}

func (r *race) call(id tenants.CallID) *raceCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[id]
}

func (r *race) violate(format string, args ...any) {
	if r.bad.Add(1) <= 10 {
		r.t.Errorf(format, args...)
	}
}

// desk books that an operator's desk took a call; nobody else may have it, and the desk nothing else.
func (r *race) desk(o tenants.OperatorID, c tenants.CallID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, taken := r.byCall[c]; taken {
		r.violate("call %s was taken by %s and by %s", c, other, o)
	}
	if other, taken := r.byDesk[o]; taken {
		r.violate("operator %s took call %s and call %s", o, other, c)
	}
	r.byCall[c], r.byDesk[o] = o, c
}

func (r *race) free(o tenants.OperatorID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byCall, r.byDesk[o])
	delete(r.byDesk, o)
}

// raceCall owns a call.
type raceCall struct {
	*owner[call.Event]
	node  *raceNode
	state call.State // the goroutine's own
	w     acd.Waiting

	look    sync.Mutex
	waiting time.Time // since when it waits without an offer; zero: it does not
}

func (c *raceCall) step(e call.Event) {
	e.At = time.Now()
	next, effects, err := call.Step(c.state, e)
	if err != nil {
		return // late, which is no fault
	}
	c.state = next
	for _, effect := range effects {
		c.perform(effect)
	}
	c.look.Lock()
	defer c.look.Unlock()
	free := c.state.Waiting() && c.state.Offer == "" && !c.state.JoinAfter
	switch {
	case !free:
		c.waiting = time.Time{}
	case c.waiting.IsZero():
		c.waiting = e.At
	}
}

func (c *raceCall) perform(effect call.Effect) {
	r := c.node.r
	switch e := effect.(type) {
	case call.Answer:
		c.post(call.Event{Type: call.Answering})
	case call.Enqueue:
		c.node.queue.Wait(c.w)
	case call.Dequeue:
		c.node.queue.Leave(c.w.Call)
	case call.Miss:
		rest := 200 * time.Millisecond
		switch e.Why {
		case acd.WhyMissed:
			rest = 30 * time.Second
		case acd.WhyDeclined:
			rest = 5 * time.Second
		}
		c.node.queue.Missed(c.w.Call, e.Operator, e.Why)
		r.duties[e.Operator].rests(c.node, rest)
	case call.Offer:
		card := duty.Card{Call: c.w.Call, OfferFor: time.Second}
		r.duties[e.Operator].post(duty.Event{Type: duty.Offering, Card: &card, Epoch: e.Epoch})
	case call.Withdraw:
		r.duties[e.Operator].post(duty.Event{Type: duty.Withdrawn, Call: c.w.Call, Epoch: e.Epoch, Reason: e.Why})
	case call.Join:
		if got := r.duties[e.Operator]; got != nil {
			got.post(duty.Event{Type: duty.Joined, Call: c.w.Call})
		}
	case call.Finish:
		r.finish(c)
	}
}

func (r *race) finish(c *raceCall) {
	r.mu.Lock()
	delete(r.calls, c.w.Call)
	r.mu.Unlock()
	if c.state.Result == call.Answered {
		r.answered.Add(1)
	}
	r.ended.Add(1)
}

// raceDuty owns a duty.
type raceDuty struct {
	*owner[duty.Event]
	node  *raceNode
	o     acd.Operator
	state duty.State
	rand  *rand.Rand

	look sync.Mutex
	idle time.Time            // since when it is answerable; zero: it is not
	rest map[string]time.Time // by node of the call: not expected before
}

// rests notes that a node's queue does not propose this operator for a while.
func (d *raceDuty) rests(n *raceNode, length time.Duration) {
	d.look.Lock()
	defer d.look.Unlock()
	if until := time.Now().Add(length); until.After(d.rest[n.name]) {
		d.rest[n.name] = until
	}
}

func (d *raceDuty) step(e duty.Event) {
	e.At = time.Now()
	before := d.state
	next, effects, err := duty.Step(d.state, e)
	if err != nil {
		return
	}
	d.state = next
	talked, talks := before.Phase == duty.Talking, next.Phase == duty.Talking
	switch {
	case talks && !talked:
		d.node.r.desk(d.o.ID, next.Card.Call)
	case talked && !talks:
		d.node.r.free(d.o.ID)
	}
	d.present(before.Answerable(), e.At)
	for _, effect := range effects {
		d.perform(effect)
	}
	if next.Phase == duty.Offered && before.Phase != duty.Offered {
		d.decide()
	}
	if talks && !before.JoinedAt.Equal(next.JoinedAt) {
		d.later(duty.Event{Type: duty.HangUp, Call: next.Card.Call}, 5*time.Millisecond)
	}
}

// present tells the queue what the owner of a duty would.
func (d *raceDuty) present(before bool, at time.Time) {
	answerable := d.state.Answerable()
	d.look.Lock()
	switch {
	case !answerable:
		d.idle = time.Time{}
	case d.idle.IsZero():
		d.idle = at
		if !before && d.rest[d.node.name].Sub(at) > 6*time.Second {
			delete(d.rest, d.node.name) // asked for calls after a miss
		}
	}
	d.look.Unlock()
	if answerable != before {
		o := d.o
		o.IdleSince = d.state.IdleSince
		d.node.queue.Present(o, answerable)
	}
}

// decide is the person: mostly accepts at once, sometimes declines, lets it ring out, or loses the line.
func (d *raceDuty) decide() {
	c, epoch := d.state.Card.Call, d.state.Epoch
	switch n := d.rand.IntN(1000); {
	case n < 10:
		d.later(duty.Event{Type: duty.Decline, Call: c, Epoch: epoch}, 3*time.Millisecond)
	case n < 15:
		d.post(duty.Event{Type: duty.TimerFired, Timer: duty.TimerOffer})
		d.later(duty.Event{Type: duty.Ready}, 50*time.Millisecond)
	case n < 25:
		d.post(duty.Event{Type: duty.MediaDown})
		d.later(duty.Event{Type: duty.MediaUp}, 20*time.Millisecond)
	default:
		d.later(duty.Event{Type: duty.Accept, Call: c, Epoch: epoch}, 2*time.Millisecond)
	}
}

// later posts after up to limit.
func (d *raceDuty) later(e duty.Event, limit time.Duration) {
	d.node.r.running.Add(1)
	time.AfterFunc(time.Duration(d.rand.Int64N(int64(limit))), func() {
		defer d.node.r.running.Done()
		d.post(e)
	})
}

func (d *raceDuty) perform(effect duty.Effect) {
	tell := func(id tenants.CallID, e call.Event) {
		e.Operator = d.o.ID
		if c := d.node.r.call(id); c != nil {
			c.post(e)
		} else if e.Type == call.Accepted {
			d.post(duty.Event{Type: duty.Withdrawn, Call: id, Epoch: e.Epoch, Reason: duty.CallEnded})
		}
	}
	switch e := effect.(type) {
	case duty.Refuse:
		tell(e.Call, call.Event{Type: call.OfferRefused, Epoch: e.Epoch, Reason: e.Reason})
	case duty.Tell:
		kinds := map[duty.News]call.Type{
			duty.NewsAccepted: call.Accepted, duty.NewsEnded: call.OfferEnded, duty.NewsLost: call.OperatorLost,
			duty.NewsBack: call.OperatorBack, duty.NewsHungUp: call.OperatorEnded,
		}
		tell(e.Call, call.Event{Type: kinds[e.News], Epoch: e.Epoch, Reason: e.Reason})
	}
}

// newRace makes the nodes and their operators and starts everything.
func newRace(t *testing.T, address string, operators int) *race {
	t.Helper()
	r := &race{
		t: t, duties: map[tenants.OperatorID]*raceDuty{}, calls: map[tenants.CallID]*raceCall{}, done: make(chan struct{}),
		byCall: map[tenants.CallID]tenants.OperatorID{}, byDesk: map[tenants.OperatorID]tenants.CallID{},
	}
	for i := range r.nodes {
		n := &raceNode{name: string(rune('a' + i)), r: r}
		n.queue = acd.New(acd.Config{Node: n.name, Offers: n})
		n.index = connect(t, n.name, address, n.queue)
		n.queue.Start()
		t.Cleanup(n.queue.Stop)
		r.nodes[i] = n
	}
	languages := []map[string]routing.Grade{{"en": 3}, {"en": 2, "es": 3}, {"en": 3, "es": 1}}
	for i := range operators {
		id := tenants.OperatorID(fmt.Sprintf("op-%03d", i))
		d := &raceDuty{node: r.nodes[i%2], rand: rand.New(rand.NewPCG(7, uint64(i))), rest: map[string]time.Time{}}
		d.o = acd.Operator{ID: id, Tenant: "harbor", Name: string(id), Node: d.node.name, Languages: languages[i%3]}
		d.owner = newOwner(d.step)
		r.duties[id] = d
		r.running.Go(func() { d.run(r.done) })
		d.post(duty.Event{Type: duty.Began, Resumed: true, Who: &duty.Who{Tenant: "harbor", Operator: id, Languages: d.o.Languages}})
		d.post(duty.Event{Type: duty.SocketUp})
		d.post(duty.Event{Type: duty.MediaUp})
	}
	t.Cleanup(func() {
		close(r.done)
		r.running.Wait()
	})
	return r
}

// invite lets a call come.
func (r *race) invite(i int) {
	id := tenants.CallID(fmt.Sprintf("call-%06d", i))
	n := r.nodes[i/3%2]
	c := &raceCall{node: n}
	languages := [][]string{{"en"}, {"es", "en"}, {"en", "es"}, {"es"}}[i%4]
	c.w = acd.Waiting{Call: id, Tenant: "harbor", Account: "lakeside", Languages: languages, Since: time.Now(), Priority: i % 11 / 10}
	c.owner = newOwner(c.step)
	r.mu.Lock()
	r.calls[id] = c
	r.mu.Unlock()
	over := make(chan struct{})
	handle := c.handle
	c.handle = func(e call.Event) {
		handle(e)
		if c.state.Phase == call.Ended {
			select {
			case <-over:
			default:
				close(over)
			}
		}
	}
	r.running.Go(func() { c.run(either(r.done, over)) })
	c.post(call.Event{Type: call.Invited, Call: id, Plan: &call.Plan{
		Tenant: "harbor", Account: "lakeside", Languages: languages, Kind: call.ForQueue, OnDuty: 1, Answerable: true,
		RingFor: time.Second, LongestWait: time.Hour,
	}})
}

func either(a, b <-chan struct{}) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		select {
		case <-a:
		case <-b:
		}
	}()
	return c
}

// check looks for pairs that stand free beside each other. Over two nodes that counts only while both see the index.
func (r *race) check(together time.Time, now time.Time) {
	type waiting struct {
		c     *raceCall
		since time.Time
	}
	var free []waiting
	r.mu.Lock()
	for _, c := range r.calls {
		c.look.Lock()
		if !c.waiting.IsZero() {
			free = append(free, waiting{c, c.waiting})
		}
		c.look.Unlock()
	}
	r.mu.Unlock()
	for _, d := range r.duties {
		d.look.Lock()
		for _, w := range free {
			if d.idle.IsZero() || !acd.Eligible(&w.c.w, &d.o) {
				continue
			}
			since := latest(w.since, d.idle, d.rest[w.c.node.name], d.rest[d.node.name])
			if d.node != w.c.node {
				if together.IsZero() {
					continue
				}
				since = latest(since, together)
			}
			r.worst.Store(max(r.worst.Load(), int64(now.Sub(since))))
		}
		d.look.Unlock()
	}
}

func latest(times ...time.Time) (t time.Time) {
	for _, x := range times {
		if x.After(t) {
			t = x
		}
	}
	return t
}
