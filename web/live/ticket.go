package live

import (
	"context"
	"errors"

	"holdfast/services/ticket"
	"holdfast/tenants"
)

// write performs the commands about messages, one after another, apart from those of calls.
func (d *desk) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-d.notes:
			if interimCommands[c.Do] {
				d.setInForce(ctx, c)
				continue
			}
			doing, cancel := context.WithTimeout(ctx, doLimit)
			s, err := d.note(doing, c)
			cancel()
			if err != nil {
				if p := problemOf(err); p.Code == "away" || p.Code == "not_kept" {
					d.socket.log.Error("command failed", "do", c.Do, "ticket", string(c.Ticket), "error", err)
				}
				d.socket.answer(Message{Type: "error", ID: c.ID, Error: problemOf(err), Mail: planOf(err)})
				continue
			}
			d.answerNote(c, s)
		}
	}
}

// planOf is what has to be agreed to before a message is mailed; nil: nothing.
func planOf(err error) *MailPlan {
	var u *ticket.Unasked
	if !errors.As(err, &u) {
		return nil
	}
	return &MailPlan{To: u.To, Link: u.Link}
}

func (d *desk) answerNote(c Command, s ticket.State) {
	m := Message{Type: "done", ID: c.ID, Ticket: &s}
	if c.Do == DoDraft {
		m.Revision = s.Fields[c.Field].Revision
	}
	d.socket.answer(m)
}

// note performs one command about a message. Its errors are those of ticket.Desk, or a *Problem.
func (d *desk) note(ctx context.Context, c Command) (ticket.State, error) {
	if s, practice, err := d.rehearse(c); practice {
		return s, err
	}
	m := d.server.cfg.Messages
	if m == nil {
		return ticket.State{}, &Problem{Code: "forbidden", Text: "This server takes no messages."}
	}
	id := c.Ticket
	if id == "" {
		s, err := m.ForCall(ctx, d.actor.Tenant, c.Call)
		if err != nil {
			return ticket.State{}, d.notOpen(c.Call, err)
		}
		id = s.ID
	}
	if err := d.mine(ctx, m, id); err != nil {
		return ticket.State{}, err
	}
	s, err := d.change(ctx, m, id, c)
	if err == nil {
		d.touch(id)
	}
	return s, err
}

// mine refuses a message of an account that this operator does not answer, as if it did not exist. What the operator holds
// stays theirs: it was theirs when it was begun.
func (d *desk) mine(ctx context.Context, m Messages, id tenants.TicketID) error {
	c := d.server.cfg.Boards.copyOf(d.actor.Tenant)
	if _, all := c.Scope(d.actor); all {
		return nil
	}
	s, err := m.Get(ctx, d.actor.Tenant, id)
	if err != nil {
		return err
	}
	if !c.Sees(d.actor, s.Account) && s.Holder().Operator != d.actor.User {
		return ticket.ErrNotFound
	}
	return nil
}

func (d *desk) change(ctx context.Context, m Messages, id tenants.TicketID, c Command) (ticket.State, error) {
	switch c.Do {
	case DoDraft:
		return m.Change(ctx, d.actor, id, c.Field, c.Value, c.Revision)
	case DoSaveTicket:
		return m.Save(ctx, d.actor, id)
	case DoAppendTicket:
		return m.Append(ctx, d.actor, id, c.Text)
	case DoDeliverTicket:
		return m.Deliver(ctx, d.actor, id, c.To, c.How)
	case DoMailTicket:
		return m.Mail(ctx, d.actor, id, c.To)
	default:
		return m.Take(ctx, d.actor, id)
	}
}

// notOpen says why a call has no message: the one of the call in hand is opened in this moment.
func (d *desk) notOpen(call tenants.CallID, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errors.Is(err, ticket.ErrNotFound) && d.state.Card != nil && d.state.Card.Call == call {
		return &Problem{Code: "away", Text: "The message of this call is not open yet. Try again."}
	}
	return err
}

// touch has a message shown here from now on, whoever changes it.
func (d *desk) touch(id tenants.TicketID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.touched[id] = true
}

// shows reports whether a message is shown here: it is this operator's, or was.
func (d *desk) shows(s ticket.State) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.Holder().Operator == d.actor.User {
		d.touched[s.ID] = true
	}
	return d.touched[s.ID]
}

// showTickets sends the drafts that this operator holds, and then every change of what is shown here.
func (d *desk) showTickets(ctx context.Context) {
	m := d.server.cfg.Messages
	if m == nil {
		return
	}
	w := m.Watch(d.actor.Tenant, d.shows)
	defer w.Close()
	shown, err := m.Drafts(ctx, d.actor.Tenant, "")
	if err != nil {
		d.socket.log.Error("drafts cannot be shown", "error", err)
	}
	for {
		for _, s := range shown {
			if d.shows(s) && d.socket.room(ctx) { // whoever holds hundreds of drafts has them one after another
				d.socket.answer(Message{Type: "ticket", Ticket: &s})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-w.Ready():
			shown = w.Take()
		case call := <-d.calls:
			shown = nil
			// After a reload: what was saved in this call is no draft any more, and is still on the desk.
			if s, err := m.ForCall(ctx, d.actor.Tenant, call); err == nil {
				shown = []ticket.State{s}
			}
		}
	}
}
