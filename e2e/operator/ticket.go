package operator

import (
	"context"
	"fmt"

	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/web/live"
)

// Ticket waits until the desk shows the message of a call as wanted, and returns it.
func (o *Operator) Ticket(ctx context.Context, call tenants.CallID, wanted func(ticket.State) bool) (ticket.State, error) {
	for {
		o.mu.Lock()
		s, shown := o.tickets[call]
		changed := o.changed
		o.mu.Unlock()
		if shown && wanted(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, fmt.Errorf("the message of the call is %+v (shown: %v): %w", s, shown, ctx.Err())
		}
	}
}

// Write types one field of a call's message, as a page does after a pause, and returns its revision once it is safe.
func (o *Operator) Write(ctx context.Context, call tenants.CallID, field, value string) (uint64, error) {
	o.mu.Lock()
	base := o.tickets[call].Fields[field].Revision
	o.mu.Unlock()
	m, err := o.write(ctx, live.Command{Do: live.DoDraft, Call: call, Field: field, Value: value, Revision: base})
	return m.Revision, err
}

// Save saves a call's message and returns its number.
func (o *Operator) Save(ctx context.Context, call tenants.CallID) (uint64, error) {
	m, err := o.write(ctx, live.Command{Do: live.DoSaveTicket, Call: call})
	if err != nil {
		return 0, err
	}
	return m.Ticket.Number, nil
}

// write sends a command about a message; its answer is what the desk shows from now on.
func (o *Operator) write(ctx context.Context, c live.Command) (live.Message, error) {
	o.mu.Lock()
	s := o.socket
	o.mu.Unlock()
	if s == nil {
		return live.Message{}, errSocket
	}
	m, err := s.ask(ctx, c, replyIn)
	if err == nil && m.Ticket == nil {
		err = fmt.Errorf("%w nothing of the message", ErrProblem)
	}
	if err == nil {
		o.showTicket(*m.Ticket)
	}
	return m, err
}

func (o *Operator) showTicket(s ticket.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tickets == nil {
		o.tickets = map[tenants.CallID]ticket.State{}
	}
	if old, there := o.tickets[s.Call]; there && old.ID == s.ID && old.Seq > s.Seq {
		return
	}
	o.tickets[s.Call] = s
	o.wakeUp()
}
