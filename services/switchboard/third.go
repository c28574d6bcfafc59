package switchboard

import (
	"reflect"
	"sync"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
)

// callOut rings a third party outside.
func (c *liveCall) callOut(n int) {
	t := c.state.Thirds[n-1]
	leg, err := c.board.cfg.Dialer.Dial(media.Destination{
		To: t.Number, From: t.From, FromName: c.state.Plan.AccountName, Call: string(c.id),
	})
	if err != nil {
		c.log.Warn("no outbound call could be made", "err", err)
		c.post(call.Event{Type: call.ThirdEnded, N: n, Reason: media.EndedUnreachable})
		return
	}
	c.thirds[n] = leg
	leg.Listen(func(e media.Event) { c.heardThird(n, e) })
}

// heardThird takes the events of a third party's leg; it is called on media goroutines and only posts.
func (c *liveCall) heardThird(n int, e media.Event) {
	switch e.Kind {
	case media.Ringing:
		c.post(call.Event{Type: call.ThirdRinging, N: n})
	case media.Connected:
		c.post(call.Event{Type: call.ThirdAnswered, N: n})
	case media.Ended:
		c.post(call.Event{Type: call.ThirdEnded, N: n, Reason: e.Ending.Reason})
	case media.Digit, media.Held, media.Resumed, media.Silent, media.Audible, media.Unreachable:
	}
}

// seats finds the legs of operators of this call. One whose audio is not there is lost, which the call is told.
func (c *liveCall) seats(operators ...tenants.OperatorID) (legs []*openLeg, ok bool) {
	for _, id := range operators {
		d := c.board.duty(id)
		var leg *openLeg
		if d != nil {
			leg = d.leg.Load()
		}
		if leg == nil {
			c.post(call.Event{Type: call.OperatorLost, Operator: id})
			return nil, false
		}
		legs = append(legs, leg)
	}
	return legs, true
}

// connect joins parties, among them these operators, in place of whoever was connected in this call.
func (c *liveCall) connect(operators []*openLeg, join func() (part func())) {
	for _, l := range operators {
		l.free()
	}
	c.part = sync.OnceFunc(join())
	for _, l := range operators {
		l.hold(c.part)
	}
}

// consult connects the operator with a third party, or lets the operator hear how it rings.
func (c *liveCall) consult(e call.Consult) {
	c.unjoin()
	t := c.state.Thirds[e.N-1]
	wanted := []tenants.OperatorID{e.Operator}
	if t.Up() && t.Inside() {
		wanted = append(wanted, t.Operator)
	}
	legs, ok := c.seats(wanted...)
	if !ok {
		return
	}
	if t.Up() {
		c.unsoothe()
		other := c.outsideLeg(e.N)
		if t.Inside() {
			other = legs[1]
			legs[1].duty.post(duty.Event{Type: duty.Joined, Call: c.id})
		}
		if other != nil {
			c.connect(legs, func() func() { return c.board.cfg.Bridge(legs[0].Leg, plain(other)) })
		}
		return
	}
	c.connect(legs, func() func() { return c.ring(legs[0].Leg, t) })
}

// plain is the leg itself, without the wrapping that a duty gives it.
func plain(l media.Leg) media.Leg {
	if o, ok := l.(*openLeg); ok {
		return o.Leg
	}
	return l
}

// ring lets the operator hear the way to a third party who has not answered: what comes from there, and a ringing tone
// until something does.
func (c *liveCall) ring(operator media.Leg, t call.Third) (stop func()) {
	quiet := func() {}
	if t.Inside() || !t.RangAt.IsZero() {
		tone := c.board.cfg.Prompts.Ringback(c.state.Plan.Country)
		quiet = sync.OnceFunc(c.board.cfg.Player.Play(operator, [][]byte{tone}, true, nil))
	}
	far := c.outsideLeg(t.N)
	if far == nil {
		return quiet
	}
	far.Receive(&early{to: operator, first: quiet})
	return func() { far.Receive(nil); quiet() }
}

// early is audio that comes before the answer: with it, the ringing tone of ours ends.
type early struct {
	to    media.Sink
	first func()
	begun bool
}

// Audio passes a frame on.
func (e *early) Audio(f media.Frame) {
	if !e.begun {
		e.begun, f.Marker = true, true
		e.first()
	}
	e.to.Audio(f)
}

// confer connects all three.
func (c *liveCall) confer(e call.Confer) {
	c.unjoin()
	c.unsoothe()
	t := c.state.Thirds[e.N-1]
	wanted := []tenants.OperatorID{e.Operator}
	if t.Inside() {
		wanted = append(wanted, t.Operator)
	}
	legs, ok := c.seats(wanted...)
	if !ok {
		return
	}
	parties := []media.Leg{c.leg, legs[0].Leg}
	if t.Inside() {
		parties = append(parties, legs[1].Leg)
	} else if far := c.outsideLeg(e.N); far != nil {
		parties = append(parties, far)
	}
	c.connect(legs, func() func() { return c.board.cfg.Confer(parties...) })
}

// patch connects the caller and a third party outside.
func (c *liveCall) patch(n int) {
	c.unjoin()
	c.unsoothe()
	if far := c.outsideLeg(n); far != nil {
		c.connect(nil, func() func() { return c.board.cfg.Bridge(c.leg, far) })
	}
}

// soothe plays comfort audio to a third party who waits.
func (c *liveCall) soothe(n int) {
	if c.soothing != nil {
		return
	}
	leg := c.outsideLeg(n)
	if t := c.state.Thirds[n-1]; t.Inside() {
		legs, ok := c.seats(t.Operator)
		if !ok {
			return
		}
		leg = legs[0].Leg
	}
	if leg != nil {
		c.soothing = c.board.cfg.Player.Play(leg, c.clips([]call.Prompt{call.Music}), true, nil)
	}
}

func (c *liveCall) unsoothe() {
	if c.soothing != nil {
		c.soothing()
		c.soothing = nil
	}
}

// hangupThird ends a third party's leg.
func (c *liveCall) hangupThird(n int, reason string) {
	if far := c.outsideLeg(n); far != nil {
		far.Hangup(media.Ending{By: media.ByServer, Reason: reason})
	}
}

// settleThirds frees what belongs to third parties who are gone, and counts what those who talk cost.
func (c *liveCall) settleThirds() {
	for i := range c.state.Thirds {
		t := &c.state.Thirds[i]
		cost := c.costs[t.N]
		switch {
		case t.Up() && cost != nil:
			cost.Answered(t.AnsweredAt)
		case !t.EndedAt.IsZero():
			cost.End(t.EndedAt)
			delete(c.costs, t.N)
			delete(c.thirds, t.N)
		}
	}
	if t, ok := c.state.Present(); !ok || !t.Here() {
		c.unsoothe()
	}
}

// tellLines tells the operators of this call who hears whom, where that changed. What is usual is told to nobody who was
// not told otherwise before.
func (c *liveCall) tellLines() {
	now := map[tenants.OperatorID]*duty.Line{}
	if c.state.Phase == call.Talking || c.state.Phase == call.Rejoining {
		now[c.state.Operator] = lineOf(c.state)
		if t, ok := c.state.Present(); ok && t.Up() && t.Inside() {
			now[t.Operator] = &duty.Line{
				With: string(c.state.With), HeldSince: c.state.HeldAt, Guest: true, Host: c.state.OperatorName, Unheard: string(c.state.Unheard),
			}
		}
	}
	for id, line := range now {
		before, told := c.told[id]
		if !told && line == nil || told && reflect.DeepEqual(before, line) {
			continue
		}
		c.told[id] = line
		if d := c.board.duty(id); d != nil {
			d.post(duty.Event{Type: duty.LineTold, Call: c.id, Line: line})
		}
	}
	for id := range c.told {
		if _, here := now[id]; !here {
			delete(c.told, id)
		}
	}
}

// lineOf is the call as its operator sees it; nil when nothing about it is unusual.
func lineOf(s call.State) *duty.Line {
	if s.With == call.Caller && len(s.Thirds) == 0 && s.Unheard == "" {
		return nil
	}
	l := &duty.Line{With: string(s.With), HeldSince: s.HeldAt, Reminders: s.Reminders, Unheard: string(s.Unheard)}
	if n := len(s.Thirds); n > 0 && s.Thirds[n-1].Operator != s.Operator {
		l.Third = thirdOf(s.Thirds[n-1])
	}
	return l
}

func thirdOf(t call.Third) *duty.Third {
	out := &duty.Third{
		N: t.N, Name: t.Name, Number: t.Number, Operator: t.Operator, Blind: t.Blind,
		State: duty.ThirdCalling, Since: t.At, Reason: t.Outcome,
	}
	switch {
	case !t.EndedAt.IsZero():
		out.State, out.Since = duty.ThirdOver, t.EndedAt
	case t.Up() && !t.Here():
		out.State, out.Since = duty.ThirdLost, t.LostAt
	case t.Up():
		out.State, out.Since = duty.ThirdUp, t.AnsweredAt
	case !t.RangAt.IsZero():
		out.State, out.Since = duty.ThirdRinging, t.RangAt
	case t.Inside():
		out.State = duty.ThirdRinging
	}
	return out
}
