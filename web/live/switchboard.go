package live

import (
	"context"
	"errors"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/switchboard"
	"holdfast/tenants"
)

// Switchboard is Desk and Supervisor over this node's switchboard: commands become events of the duty's or the call's
// mailbox, and nothing else.
type Switchboard struct{ Board *switchboard.Switchboard }

var (
	_ Desk       = Switchboard{}
	_ Supervisor = Switchboard{}
)

// SignOn begins or takes over the actor's duty.
func (s Switchboard) SignOn(_ context.Context, actor tenants.Actor, resume tenants.DutyID, show func(duty.State), tell func(string)) (Seat, error) {
	seat, err := s.Board.SignOn(actor, resume, show, tell)
	switch {
	case errors.Is(err, switchboard.ErrDraining):
		return nil, &Problem{Code: "away", Text: "This server is shutting down. The page reconnects by itself in a moment."}
	case errors.Is(err, switchboard.ErrNoOperator):
		return nil, &Problem{Code: "forbidden", Text: "This user cannot take calls. Ask an administrator to make you an operator."}
	case errors.Is(err, switchboard.ErrOnPhone):
		return nil, &Problem{Code: "on_phone", Text: "You are in a call at your telephone. The page connects by itself when it is over."}
	case err != nil:
		return nil, err
	}
	return deskSeat{seat}, nil
}

type deskSeat struct{ seat *switchboard.Seat }

// Leave tells the duty that the socket is gone.
func (d deskSeat) Leave() { d.seat.Leave() }

// Do performs one command of the operator.
func (d deskSeat) Do(ctx context.Context, c Command) (Reply, error) {
	switch c.Do {
	case DoBeat:
		d.seat.Alive(c.Fresh)
		return Reply{}, nil
	case DoOffer:
		answer, err := d.seat.Open(c.SDP)
		if err != nil {
			return Reply{}, &Problem{Code: "no_media", Text: "The audio connection could not be opened: " + err.Error() + ". Reload the page; if it stays so, use another browser."}
		}
		return Reply{SDP: answer}, nil
	case DoPractice:
		err := d.seat.Practice(ctx)
		switch {
		case errors.Is(err, switchboard.ErrCallersWait):
			return Reply{}, &Problem{Code: "callers_wait", Text: "Callers wait: practise when nobody does."}
		case errors.Is(err, switchboard.ErrDraining):
			return Reply{}, &Problem{Code: "away", Text: "This server is shutting down."}
		}
		return Reply{}, err
	case DoCheck:
		k, err := d.seat.Check(ctx)
		if err != nil {
			return Reply{}, err
		}
		return Reply{Check: &Check{
			OK: k.OK, HeardMS: int(k.Heard.Milliseconds()), LevelDB: k.LevelDB, LostPct: k.LostPct, Playing: k.Playing, Why: k.Why,
		}}, nil
	}
	if do, ok := wishes[c.Do]; ok {
		return Reply{}, d.wish(ctx, do, c)
	}
	event, ok := dutyEvent(c)
	if !ok {
		return Reply{}, &Problem{Code: "bad_command", Text: "This server does not know that command. Reload the page."}
	}
	err := d.seat.Ask(ctx, event)
	if errors.Is(err, duty.ErrStale) {
		if c.Do == DoAccept || c.Do == DoDecline {
			return Reply{}, &Problem{Code: "offer_gone", Text: "The call has gone: the caller hung up, or another operator answers it."}
		}
		err = nil // what was asked for is so already
	}
	return Reply{}, err
}

// wishes are the commands that are for the call, not for the duty.
var wishes = map[string]call.Type{
	DoHold: call.Hold, DoResume: call.Resume, DoDial: call.Dial, DoCancelDial: call.Drop, DoSwap: call.Swap, DoJoin: call.JoinAll,
	DoLeave: call.LeaveTwo, DoDrop: call.Drop, DoTransfer: call.Transfer, DoDigits: call.Keyed,
}

func (d deskSeat) wish(ctx context.Context, do call.Type, c Command) error {
	err := d.seat.Wish(ctx, switchboard.Wish{
		Do: do, Call: c.Call, Number: c.Number, Person: c.Person, Operator: c.Operator, Digits: c.Digits,
	})
	if errors.Is(err, call.ErrStale) {
		return nil // what was asked for is so already
	}
	return err
}

func dutyEvent(c Command) (duty.Event, bool) {
	switch c.Do {
	case DoHeard:
		return duty.Event{Type: duty.Checked}, true
	case DoAvailable:
		return duty.Event{Type: duty.Ready}, true
	case DoPause:
		return duty.Event{Type: duty.PauseAsked, Reason: c.Why}, true
	case DoGoHome:
		return duty.Event{Type: duty.HomeAsked}, true
	case DoAccept:
		return duty.Event{Type: duty.Accept, Call: c.Call, Epoch: c.Epoch}, true
	case DoDecline:
		return duty.Event{Type: duty.Decline, Call: c.Call, Epoch: c.Epoch}, true
	case DoHangUp:
		return duty.Event{Type: duty.HangUp, Call: c.Call}, true
	default:
		return duty.Event{}, false
	}
}

// Order performs a portal's command within the actor's own tenant.
func (s Switchboard) Order(_ context.Context, actor tenants.Actor, c Command) error {
	err := s.Board.Order(actor, switchboard.Order{Do: c.Do, Call: c.Call, Operator: c.Operator, Key: c.Key})
	switch {
	case errors.Is(err, switchboard.ErrForbidden):
		return &Problem{Code: "forbidden", Text: "Only a supervisor may do this."}
	case errors.Is(err, switchboard.ErrNotHere):
		return &Problem{Code: "not_now", Text: "That call or operator is no longer there. The board shows what is true now."}
	default:
		return err
	}
}
