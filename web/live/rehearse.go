package live

import (
	"cmp"
	"errors"
	"time"

	"holdfast/services/duty"
	"holdfast/services/ticket"
	"holdfast/tenants"
)

// rehearsal begins the message of a practice call, once the robot is heard, and returns it; it is forgotten with the call. It
// goes by the same rules as any message and is in no journal, list or count. Under mu.
func (d *desk) rehearsal(s duty.State) *ticket.State {
	if s.Card == nil || !s.Card.Practice {
		d.rehearsed = ticket.State{}
		return nil
	}
	if d.rehearsed.Call == s.Card.Call || s.JoinedAt.IsZero() {
		return nil
	}
	begun, err := ticket.Step(ticket.State{}, ticket.Event{
		Type: ticket.Begun, At: d.server.cfg.Now(), By: d.actor.User, Name: cmp.Or(d.actor.Name, d.actor.Email),
		Origin: &ticket.Origin{
			ID: tenants.TicketID(tenants.NewID()), Tenant: d.actor.Tenant, Call: s.Card.Call, Account: s.Card.AccountID,
			AccountName: s.Card.Account, Caller: s.Card.Caller,
		},
	})
	if err != nil {
		return nil
	}
	d.rehearsed = begun
	return &begun
}

// rehearse performs a command about the message of the practice call; practice is false when it is about another.
func (d *desk) rehearse(c Command) (s ticket.State, practice bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	card, is := d.state.Card, d.rehearsed
	ofCall := card != nil && card.Practice && c.Call == card.Call
	if !ofCall && (is.ID == "" || c.Ticket != is.ID) {
		return ticket.State{}, false, nil
	}
	if is.ID == "" {
		return ticket.State{}, true, &Problem{Code: "away", Text: "The practice message is not open yet. Try again."}
	}
	now := d.server.cfg.Now()
	e := ticket.Event{At: now, By: d.actor.User, Name: cmp.Or(d.actor.Name, d.actor.Email)}
	switch c.Do {
	case DoDraft:
		e.Type, e.Field, e.Value, e.Base = ticket.Changed, c.Field, c.Value, c.Revision
	case DoSaveTicket:
		e.Type, e.Number, e.DayEnds = ticket.Saved, 1, now.Add(24*time.Hour)
	case DoAppendTicket:
		e.Type, e.Text = ticket.Appended, c.Text
	case DoDeliverTicket:
		e.Type, e.To, e.How = ticket.HandedOver, c.To, c.How
	case DoTakeTicket:
		e.Type = ticket.Taken
	default:
		return ticket.State{}, true, &Problem{Code: "practice", Text: "This is practice: nothing is mailed."}
	}
	next, err := ticket.Step(is, e)
	if err != nil && !errors.Is(err, ticket.ErrStale) {
		return ticket.State{}, true, err
	}
	d.rehearsed = next
	return next, true, nil
}
