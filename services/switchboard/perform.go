package switchboard

import (
	"errors"
	"slices"
	"strings"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/ticket"
	"holdfast/tenants"
)

// perform does one effect. Nothing here waits: what takes time runs apart and posts its outcome.
func (c *liveCall) perform(effect call.Effect) {
	b := c.board
	switch e := effect.(type) {
	case call.Answer:
		c.answer()
	case call.Refuse:
		c.in.Refuse(e.Status, "Loop Detected")
	case call.Play:
		c.play(e)
	case call.PlayTake:
		c.sound([][]byte{c.takes[e.N].Heard()}, false, c.played(e.Token))
	case call.Silence:
		c.quiet()
	case call.Echo:
		c.leg.Receive(c.leg)
	case call.Enqueue:
		b.cfg.Queue.Wait(waiting(c.id, c.state.Plan, c.state.InvitedAt, e.Front))
	case call.Dequeue:
		b.cfg.Queue.Leave(c.id)
	case call.Miss:
		b.cfg.Queue.Missed(c.id, e.Operator, e.Why)
	case call.Offer:
		c.offer(e)
	case call.Withdraw:
		if d := b.duty(e.Operator); d != nil {
			d.post(duty.Event{Type: duty.Withdrawn, Call: c.id, Epoch: e.Epoch, Reason: e.Why})
		}
	case call.Join:
		c.join(e.Operator)
	case call.Part:
		c.unjoin()
	case call.Call:
		c.callOut(e.N)
	case call.Consult:
		c.consult(e)
	case call.Confer:
		c.confer(e)
	case call.Patch:
		c.patch(e.N)
	case call.Soothe:
		c.soothe(e.N)
	case call.Release:
		c.hangupThird(e.N, e.Reason)
	case call.Press:
		c.press(e)
	case call.Record:
		c.record(e)
	case call.StopTake:
		c.stopTake(e.N, e.Why)
	case call.Keep:
		c.keep(e.N)
	case call.Discard:
		c.discard(e.N)
	case call.SetTimer:
		c.timers.set(e.Name, e.After)
	case call.ClearTimer:
		c.timers.clear(e.Name)
	case call.Raise:
		b.alarm(c.state.Plan.Tenant, e.Key, e.Text)
	case call.Calm:
		b.cfg.Journal.Clear(c.state.Plan.Tenant, e.Key)
	case call.Hangup:
		c.hangup(media.Ending{By: media.ByServer, Reason: e.Reason})
	case call.Finish:
		c.log.Info("call ended", "result", string(c.state.Result), "reason", c.state.Reason)
	}
}

func (c *liveCall) answer() {
	leg, err := c.in.Answer(string(c.id))
	if errors.Is(err, media.ErrGone) {
		c.post(call.Event{Type: call.CallerEnded, Reason: "cancel"})
		return
	}
	if err != nil {
		c.log.Info("call could not be answered", "err", err)
		reason := err.Error()
		switch {
		case errors.Is(err, media.ErrNoCodec):
			reason = call.NoCodec
		case errors.Is(err, media.ErrInClear):
			reason = call.NotEncrypted
		}
		c.post(call.Event{Type: call.AnswerFailed, Reason: reason})
		return
	}
	c.leg = leg
	c.settle.Do(func() { close(c.settled) })
	leg.Listen(c.heard)
	c.post(call.Event{Type: call.Answering})
}

// offer shows the call to an operator's duty, which answers by an event.
func (c *liveCall) offer(e call.Offer) {
	d := c.board.duty(e.Operator)
	if d == nil || !d.post(duty.Event{Type: duty.Offering, Card: c.card(d, e), Epoch: e.Epoch}) {
		c.post(call.Event{Type: call.OfferRefused, Operator: e.Operator, Epoch: e.Epoch, Reason: "away"})
	}
}

// card is the call as the operator will see it.
func (c *liveCall) card(d *liveDuty, e call.Offer) *duty.Card {
	p := c.state.Plan
	card := &duty.Card{
		Call: c.id, Account: p.AccountName, AccountID: p.Account, Language: p.Language(),
		Caller: p.Caller, CallerName: p.CallerName, Called: p.Called, InvitedAt: c.state.InvitedAt,
		OfferFor: p.OfferFor, AfterLoss: e.AfterLoss, From: e.From, Blind: e.Blind, InClear: c.state.Media == call.InClear,
	}
	if a := c.account; a != nil {
		card.Initials, card.Colour, card.Shape, card.WrapUp = a.Initials, a.Colour, a.Shape, a.WrapUp
		first, _, _ := strings.Cut(d.who.Name, " ")
		card.Phrase = strings.ReplaceAll(phrase(a.Phrases, p.Languages), "{operator}", first)
	}
	return card
}

// phrase picks the answer phrase of the first wanted language that has one.
func phrase(phrases map[string]string, languages []string) string {
	for _, l := range languages {
		if p := phrases[l]; p != "" {
			return p
		}
	}
	return phrases["en"]
}

// join connects caller and operator; an operator whose audio is not there is lost.
func (c *liveCall) join(operator tenants.OperatorID) {
	c.unjoin()
	legs, ok := c.seats(operator)
	if !ok {
		return
	}
	c.connect(legs, func() func() { return c.board.cfg.Bridge(c.leg, legs[0].Leg) })
	legs[0].duty.post(duty.Event{Type: duty.Joined, Call: c.id})
	if legs[0].duty.phone == nil {
		c.openTicket(legs[0].duty.who)
	}
}

// openTicket gives the operator the caller's message: a new one, or what another operator began in this call.
func (c *liveCall) openTicket(who duty.Who) {
	if c.board.cfg.Tickets == nil {
		return
	}
	p := c.state.Plan
	c.board.cfg.Tickets.Joined(ticket.Origin{
		Tenant: p.Tenant, Call: c.id, Account: p.Account, AccountName: p.AccountName,
		Caller: p.Caller, CallerName: p.CallerName, Called: p.Called,
	}, who.Operator, who.Name)
}

func (c *liveCall) unjoin() {
	if c.part != nil {
		c.part()
		c.part = nil
	}
}

// quiet stops what the caller hears.
func (c *liveCall) quiet() {
	if c.playing != nil {
		c.playing()
		c.playing = nil
	}
}

// play plays prompts; a beep only where what follows it can be kept.
func (c *liveCall) play(e call.Play) {
	if slices.Contains(e.Prompts, call.Beep) && !c.board.cfg.Recorder.Room() {
		c.post(call.Event{Type: call.DiskFull, Staffed: c.staffed()})
		return
	}
	over := c.played(e.Token)
	if n := len(e.Prompts); n == 0 || e.Prompts[n-1] != call.Beep {
		c.sound(c.clips(e.Prompts), e.Loop, over)
		return
	}
	p := &preroll{}
	c.sound(c.clips(e.Prompts), false, func() { p.roll(); over() })
	c.preroll = p
	c.leg.Receive(p)
}

// played tells the call that something was heard to its end.
func (c *liveCall) played(token uint64) func() {
	return func() { c.post(call.Event{Type: call.Played, Token: token}) }
}

// staffed says whether somebody who may take the call is on duty, busy or not.
func (c *liveCall) staffed() bool {
	if c.state.Plan.Kind != call.ForQueue {
		return false
	}
	onDuty, _ := c.board.cfg.Queue.Staff(waiting(c.id, c.state.Plan, c.state.InvitedAt, c.state.Front))
	return onDuty > 0
}

// sound plays clips instead of whatever is playing. What cannot be played counts as heard: a missing prompt must not
// hold a caller up.
func (c *liveCall) sound(clips [][]byte, loop bool, over func()) {
	c.quiet()
	if c.preroll != nil { // no message followed
		c.leg.Receive(nil)
		c.preroll = nil
	}
	if len(clips) == 0 {
		if !loop {
			over()
		}
		return
	}
	if loop {
		over = nil
	}
	c.playing = c.board.cfg.Player.Play(c.leg, clips, loop, over)
}

// clips finds the audio of prompts in the caller's languages.
func (c *liveCall) clips(prompts []call.Prompt) [][]byte {
	p, lib := c.state.Plan, c.board.cfg.Prompts
	var clips [][]byte
	for _, prompt := range prompts {
		switch prompt {
		case call.Ringback:
			clips = append(clips, lib.Ringback(p.Country))
		case call.Music:
			clips = append(clips, lib.Music())
		case call.Beep:
			clips = append(clips, lib.Beep())
		case call.Greeting:
			clips = append(clips, lib.Greet(c.ownGreeting(), p.Languages...)...)
		case call.Named:
			clips = append(clips, lib.Named(c.ownGreeting(), p.Languages...)...)
		case call.Position:
			clips = append(clips, lib.Place(c.board.cfg.Queue.Place(c.id), p.Languages...)...)
		case call.Emergency:
			clips = append(clips, lib.Clips([]string{lib.Emergency(p.Country)}, p.Languages...)...)
		default:
			clips = append(clips, lib.Clips([]string{string(prompt)}, p.Languages...)...)
		}
	}
	return clips
}

func (c *liveCall) ownGreeting() string {
	if c.account == nil {
		return ""
	}
	return c.account.Greetings[c.state.Plan.Language()]
}
