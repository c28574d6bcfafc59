package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/services/spend"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// liveCall is one call and its goroutine. Everything below mail belongs to that goroutine alone.
type liveCall struct {
	board   *Switchboard
	id      tenants.CallID
	tenant  tenants.TenantID
	in      media.Incoming
	began   time.Time        // what this call counts its time from
	account *routing.Account // frozen when the call came; nil for a number of nobody
	log     *slog.Logger
	mail    *mailbox[any] // call.Event, timerDue, takeOver, hangup, asked

	state    call.State
	seq      uint64
	leg      media.Leg
	timers   *timers
	preroll  *preroll                          // of a message that may follow what is playing; nil: none
	playing  func()                            // stops what the caller hears; nil: nothing
	part     func()                            // parts the bridge; nil: not joined
	thirds   map[int]media.Leg                 // third parties outside who are there, by number
	costs    map[int]*spend.Call               // what they cost
	soothing func()                            // stops what a waiting third party hears; nil: nothing
	told     map[tenants.OperatorID]*duty.Line // who hears whom, as operators of this call were told
	takes    map[int]Take                      // by number
	stopped  map[int]bool                      // those of takes that were told to end
	panics   int
	settled  chan struct{} // closed once the INVITE is answered or the call is over
	settle   sync.Once
}

// What a call's mailbox takes besides call.Events.
type (
	timerDue struct {
		name       string
		generation uint64
	}
	takeOver struct {
		n   int
		why string
	}
	hangup struct{ reason string }
)

func newCall(b *Switchboard, tenant tenants.TenantID, in media.Incoming, account *routing.Account) *liveCall {
	id := tenants.CallID(tenants.NewID())
	c := &liveCall{
		board: b, id: id, tenant: tenant, in: in, account: account, began: b.cfg.Now(),
		log:    b.log.With("call", string(id)),
		mail:   newMailbox[any](),
		thirds: map[int]media.Leg{}, costs: map[int]*spend.Call{}, told: map[tenants.OperatorID]*duty.Line{},
		takes: map[int]Take{}, stopped: map[int]bool{}, settled: make(chan struct{}),
	}
	c.timers = newTimers(func(name string, generation uint64) { c.mail.post(timerDue{name, generation}) })
	return c
}

// post hands the call a fact; its time is now unless it says another. It reports whether the call still takes facts.
func (c *liveCall) post(e call.Event) bool {
	if e.At.IsZero() {
		e.At = c.now()
	}
	return c.mail.post(e)
}

// now is the time by the call's own clock, which nobody sets while the call lasts: its lengths are true though the machine's
// clock was put right in the middle of it (RELIABILITY FT-7).
func (c *liveCall) now() time.Time { return c.began.Add(c.board.cfg.since(c.began)) }

func (c *liveCall) watchCancel() {
	select {
	case <-c.in.Gone():
		c.post(call.Event{Type: call.CallerEnded, Reason: "cancel"})
	case <-c.settled: // answered or over: from now on the leg tells its own end
	}
}

// run is the call's goroutine.
func (c *liveCall) run() {
	defer c.board.owners.Done()
	defer c.release()
	for c.state.Phase != call.Ended {
		items, ok := c.mail.take()
		if !ok {
			return
		}
		for _, item := range items {
			if c.state.Phase == call.Ended {
				refuseLate(item)
				continue
			}
			c.guarded(item)
		}
	}
}

// refuseLate answers a wish that came after the call was over.
func refuseLate(item any) {
	if it, ok := item.(asked); ok {
		it.answer(errNoCall)
	}
}

// guarded handles one item; a panic takes the caller back to the queue, then to voicemail, and only this caller.
func (c *liveCall) guarded(item any) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		c.panics++
		if it, ok := item.(asked); ok {
			it.answer(errBroken)
		}
		c.log.Error("a call panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()), "phase", string(c.state.Phase))
		if c.panics > mostPanics { // voicemail panics too: end it rather than spin
			c.giveUp()
			return
		}
		broken := call.Event{Type: call.Panicked, Reason: "panic"}
		c.board.safely(func() { broken.Staffed = c.staffed() })
		c.post(broken)
	}()
	c.handle(item)
}

// mostPanics is how many panics a call survives.
const mostPanics = 3

// giveUp ends a call whose every step panics, with what the caller has said so far as the message.
func (c *liveCall) giveUp() {
	b := c.board
	end := call.Event{Type: call.NodeLost, At: c.now(), Reason: "panic"}
	b.safely(func() { end.Take = c.rescued() })
	b.safely(func() {
		next, effects, err := call.Step(c.state, end)
		if err != nil {
			return
		}
		c.state = next
		c.write(end)
		for _, e := range effects {
			if w, ok := e.(call.Withdraw); ok { // the operator at least is told
				c.perform(w)
			}
		}
	})
	c.state.Phase = call.Ended
	if c.leg != nil {
		b.safely(func() { c.leg.Hangup(media.Ending{By: media.ByError, Reason: "panic"}) })
	}
}

// rescued is the newest take that is, or can still be made, durable; nil for none.
func (c *liveCall) rescued() *call.Take {
	for i := len(c.state.Takes) - 1; i >= 0; i-- {
		t := c.state.Takes[i]
		take := c.takes[t.N]
		if t.Stopped {
			return &t
		}
		if take == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
		defer cancel()
		c.stopped[t.N] = true
		if whole, err := c.durable(ctx, take, t); err == nil {
			return whole
		}
	}
	return nil
}

func (c *liveCall) handle(item any) {
	switch it := item.(type) {
	case call.Event:
		if c.board.cfg.Sabotage && it.Type == call.Digit && it.Digit == "D" {
			panic("the key D, in a test")
		}
		_ = c.step(it) // nobody waits for the answer
	case asked:
		c.grant(it)
	case timerDue:
		if !c.timers.due(it.name, it.generation) {
			return
		}
		_ = c.step(call.Event{Type: call.TimerFired, At: c.now(), Timer: it.name})
	case takeOver:
		c.stopTake(it.n, it.why)
	case hangup:
		c.hangup(media.Ending{By: media.ByServer, Reason: it.reason})
	}
}

// step asks call.Step, journals what happened, and performs what follows, in that order. Its error is Step's.
func (c *liveCall) step(e call.Event) error {
	next, effects, err := call.Step(c.state, e)
	if err != nil {
		if !errors.Is(err, call.ErrStale) {
			c.log.Debug("event refused", "why", err.Error())
		}
		return err
	}
	before := c.state.Phase
	c.state = next
	c.write(e)
	if before != next.Phase {
		c.log.Debug("call", "phase", string(next.Phase), "event", string(e.Type), "result", string(next.Result), "reason", next.Reason)
	}
	for _, effect := range effects {
		c.perform(effect)
	}
	c.settleThirds()
	c.tellLines()
	return nil
}

// write journals the event before its effects.
func (c *liveCall) write(e call.Event) {
	data, err := json.Marshal(e)
	if err != nil { // cannot be: the type holds plain values only
		c.log.Error("event cannot be encoded", "type", string(e.Type), "err", err)
		return
	}
	e.Digits = "" // written nowhere, and not for others to see
	c.seq++
	c.board.cfg.Journal.Append(journal.Event{
		Tenant: c.state.Plan.Tenant, Kind: journal.Call, ID: string(c.id), Seq: c.seq, At: e.At,
		Node: c.board.cfg.Node, Type: string(e.Type), Final: c.state.Phase == call.Ended, Data: data, Fact: e,
	})
}

// heard takes the leg's events; it is called on media goroutines and only posts.
func (c *liveCall) heard(e media.Event) {
	switch e.Kind {
	case media.Digit:
		c.post(call.Event{Type: call.Digit, Digit: string(rune(e.Digit))})
	case media.Ended:
		c.post(call.Event{Type: call.CallerEnded, Reason: e.Ending.Reason})
	case media.Encrypted:
		c.post(call.Event{Type: call.MediaKnown, Media: call.Encrypted})
	case media.InClear:
		c.post(call.Event{Type: call.MediaKnown, Media: call.InClear})
	case media.Held, media.Resumed, media.Connected, media.Unreachable:
	case media.Unheard: // whether who is not heard is gone, the trunk finds out
		c.post(call.Event{Type: call.Hearing, Unheard: call.NoPackets})
	case media.Hushed:
		c.post(call.Event{Type: call.Hearing, Unheard: call.NoSound})
	case media.Audible:
		c.post(call.Event{Type: call.Hearing})
	case media.Silent: // Unheard came before
	}
}

func (c *liveCall) hangup(e media.Ending) {
	if c.leg != nil {
		c.leg.Hangup(e)
		return
	}
	c.in.Refuse(retryLater, "Service Unavailable")
	c.post(call.Event{Type: call.CallerEnded, Reason: e.Reason})
}

// release frees all that the call held.
func (c *liveCall) release() {
	b := c.board
	c.settle.Do(func() { close(c.settled) })
	for _, item := range c.mail.close() {
		refuseLate(item)
	}
	c.timers.stop()
	b.safely(c.quiet)
	b.safely(c.unsoothe)
	b.safely(c.unjoin)
	for n, far := range c.thirds { // of a call that gave up: else they are gone
		b.safely(func() { far.Hangup(media.Ending{By: media.ByServer, Reason: "call_ended"}) })
		delete(c.thirds, n)
	}
	for _, cost := range c.costs {
		cost.End(c.now())
	}
	for n, t := range c.takes {
		// What was stopped is a message, or may yet become one on a slow disk: only the call's own Discard deletes it.
		if !c.stopped[n] {
			b.safely(t.Discard)
		}
	}
	b.mu.Lock()
	delete(b.calls, c.id)
	if b.of[c.tenant]--; b.of[c.tenant] == 0 {
		delete(b.of, c.tenant)
	}
	b.mu.Unlock()
	b.safely(func() { b.cfg.Queue.Leave(c.id) })
	if b.cfg.Tickets != nil {
		b.safely(func() { b.cfg.Tickets.Over(c.id) })
	}
}
