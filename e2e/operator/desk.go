package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/web/live"
)

// Events tells what the desk shows, oldest first. Who does not read loses the newest; Close closes it.
func (o *Operator) Events() <-chan Event { return o.events }

// View is the newest state that the server has shown.
func (o *Operator) View() live.DutyView {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.view
}

// Heard says whether a tone of hz is most of what was heard in the last 200 ms.
func (o *Operator) Heard(hz float64) bool { return o.ear.Heard(hz) }

// Cue tells when the first frame comes that is mostly a tone of hz, from now on.
func (o *Operator) Cue(hz float64) <-chan time.Time { return o.ear.Cue(hz) }

// Say says a tone of hz from now on; 0 is silence.
func (o *Operator) Say(hz float64) { o.mouth.Say(nil, hz) }

// Count is how many packets of audio went each way in the present or newest call.
func (o *Operator) Count() Count {
	o.mu.Lock()
	p := o.phone
	o.mu.Unlock()
	if p == nil {
		return Count{}
	}
	return p.counted()
}

// Accept answers the offer that is shown now.
func (o *Operator) Accept(ctx context.Context) error { return o.answer(ctx, live.DoAccept) }

// Decline refuses the offer that is shown now.
func (o *Operator) Decline(ctx context.Context) error { return o.answer(ctx, live.DoDecline) }

func (o *Operator) answer(ctx context.Context, do string) error {
	v := o.View()
	if v.State != duty.Offered || v.Call == nil {
		return fmt.Errorf("%w: no call is offered", ErrProblem)
	}
	return o.do(ctx, live.Command{Do: do, Call: v.Call.Call, Epoch: v.Epoch})
}

// HangUp ends the present call.
func (o *Operator) HangUp(ctx context.Context) error {
	v := o.View()
	if v.Call == nil {
		return fmt.Errorf("%w: there is no call", ErrProblem)
	}
	return o.do(ctx, live.Command{Do: live.DoHangUp, Call: v.Call.Call})
}

// Pause asks for no more offers; in a call, after it.
func (o *Operator) Pause(ctx context.Context, why string) error {
	return o.do(ctx, live.Command{Do: live.DoPause, Why: why})
}

// Available asks for calls, and waits until the duty shows it. In wrap-up it ends that.
func (o *Operator) Available(ctx context.Context) error {
	if err := o.do(ctx, live.Command{Do: live.DoAvailable}); err != nil {
		return err
	}
	return o.Wait(ctx, func(v live.DutyView) bool {
		return v.State == duty.Available || v.State == duty.Offered || v.State == duty.Talking
	})
}

// GoHome ends the duty, in a call after it, and waits for that.
func (o *Operator) GoHome(ctx context.Context) error {
	if err := o.do(ctx, live.Command{Do: live.DoGoHome}); err != nil && !errors.Is(err, errSocket) {
		return err
	}
	return o.Wait(ctx, func(v live.DutyView) bool { return v.State == duty.Away })
}

// Wait returns once the duty is as wanted, and ctx's error when that ends before.
func (o *Operator) Wait(ctx context.Context, wanted func(live.DutyView) bool) error {
	for {
		o.mu.Lock()
		view, changed := o.view, o.changed
		o.mu.Unlock()
		if wanted(view) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the duty is %q: %w", view.State, ctx.Err())
		}
	}
}

func (o *Operator) do(ctx context.Context, c live.Command) error {
	o.mu.Lock()
	s := o.socket
	o.mu.Unlock()
	if s == nil {
		return errSocket
	}
	_, err := s.ask(ctx, c, replyIn)
	return err
}

// take reads one message of the server.
func (o *Operator) take(m live.Message) {
	if m.Duty != nil {
		o.show(*m.Duty)
	}
	if m.Ticket != nil {
		o.showTicket(*m.Ticket)
	}
	if m.Bye != "" {
		again := m.Bye == "shutdown" || m.Bye == "refused" // by a server that restarts, or cannot seat us yet: as the page does
		o.mu.Lock()
		o.over = !again
		if o.over {
			o.view.State, o.view.Why = duty.Away, m.Bye
			o.wakeUp()
		}
		o.mu.Unlock()
		if !again && m.Bye != "went_home" {
			o.tell(Event{Event: Away, Why: m.Bye})
		}
	}
}

// wakeUp tells those in Wait that there is news; o.mu is held.
func (o *Operator) wakeUp() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// show compares a new state with the one before, moves the microphone accordingly, and tells what happened between.
// States between the two may have been left out: only the newest is sure to come.
func (o *Operator) show(v live.DutyView) {
	o.mu.Lock()
	before := o.view
	o.view = v
	if v.Secret != "" {
		o.secret = v.Secret
	}
	p := o.phone
	over := o.talksOf(v)
	begun := v.State == duty.Talking && v.Call != nil && (before.State != duty.Talking || o.call == nil || o.call.Call != v.Call.Call)
	former := o.call
	if over {
		o.call = nil
	}
	again := begun && o.call != nil
	if begun {
		o.call = v.Call
	}
	o.wakeUp()
	o.mu.Unlock()

	withdrawn := before.State == duty.Offered && before.Call != nil && v.State != duty.Offered && v.State != duty.Lost &&
		(v.State != duty.Talking || v.Call == nil || v.Call.Call != before.Call.Call)
	if withdrawn {
		o.tell(Event{Event: Withdrawn, CallID: before.Call.Call})
	}
	if over {
		o.leave(p, former.Call)
	}
	if begun {
		o.enter(p, v.Call.Call, again)
	}
	if v.State != before.State || v.Epoch != before.Epoch {
		o.phase(v)
	}
}

// talksOf says whether the call that was talked in is over; o.mu is held.
func (o *Operator) talksOf(v live.DutyView) (over bool) {
	if o.call == nil {
		return false
	}
	if v.State == duty.Talking || v.State == duty.Lost && v.Resume == duty.Talking {
		return v.Call == nil || v.Call.Call != o.call.Call
	}
	return true
}

func (o *Operator) enter(p *phone, id tenants.CallID, again bool) {
	if !again {
		o.ear.Forget()
		o.ear.Record(o.options.Record != "")
		o.mouth.Say(o.clip, o.options.Tone)
	}
	if p != nil {
		if !again {
			p.fresh()
		}
		p.microphone(true)
	}
	o.tell(Event{Event: Connected, CallID: id})
}

func (o *Operator) leave(p *phone, id tenants.CallID) {
	o.ear.Record(false)
	if p != nil {
		p.microphone(false)
		count := p.counted()
		o.tell(Event{Event: Media, CallID: id, Count: &count})
	}
	o.tell(Event{Event: Ended, CallID: id})
}

// phase tells a new phase.
func (o *Operator) phase(v live.DutyView) {
	e := Event{Why: v.Why}
	if v.Call != nil {
		e.CallID = v.Call.Call
	}
	switch v.State {
	case duty.Available:
		e = Event{Event: Available}
	case duty.Offered:
		e.Event = Offer
		if c := v.Call; c != nil {
			waited := time.Since(c.InvitedAt).Milliseconds()
			e.Account, e.Phrase, e.Caller, e.Language, e.WaitedMS = c.Account, c.Phrase, c.Caller, c.Language, &waited
		}
	case duty.WrapUp:
		e.Event = WrapUp
	case duty.Paused:
		e.Event = Paused
	case duty.Lost:
		e.Event = Lost
	case duty.Away:
		e.Event = Away
	default:
		return // Checking is told by Checked, Talking by Connected
	}
	o.tell(e)
}

// tell leaves an event for whoever reads Events, until Close.
func (o *Operator) tell(e Event) {
	e.At = time.Now()
	o.telling.Lock()
	defer o.telling.Unlock()
	if o.told {
		return
	}
	select {
	case o.events <- e:
	default:
		o.options.Log.Warn("nobody reads the operator's events", "lost", e.Event)
	}
}
