package main

import (
	"cmp"
	"context"
	"time"

	"holdfast/services/ticket"
	"holdfast/tenants"
)

// newTickets makes the desk on which messages are written, with what an earlier process of this node left open. It needs
// this node's disk only; the stores, made later, know what was delivered long ago.
func newTickets(n *node) *ticket.Desk {
	return ticket.NewDesk(ticket.DeskConfig{
		Node: n.settings.Node, Journal: n.journal, Dir: n.settings.dir("tickets"), Stories: n.journal.OpenStories(),
		Archive: delivered{n}, Zone: n.zone, Moved: func(t tenants.TenantID) { n.site.boards.Touch(t) }, Log: n.log,
		Link:   func(id tenants.TicketID) string { return n.settings.PublicURL + "/portal#/messages/" + string(id) },
		Teller: n.outbox, Book: n.book, Alarms: warnings{n.journal},
	})
}

// zone is where an account's day ends: its own, else its tenant's.
func (n *node) zone(t tenants.TenantID, account tenants.AccountID) *time.Location {
	c := n.book.Copy(t)
	if c == nil {
		return nil
	}
	name := c.Zone
	for i := range c.Accounts {
		if c.Accounts[i].ID == account {
			name = cmp.Or(c.Accounts[i].Zone, name)
		}
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return zone
}

// delivered finds tickets that left the desk.
type delivered struct{ n *node }

func (d delivered) GetTicket(ctx context.Context, t tenants.TenantID, id tenants.TicketID) (ticket.State, error) {
	return d.n.stores.tickets.GetTicket(ctx, t, id)
}

func (d delivered) LastNumber(ctx context.Context, t tenants.TenantID) (uint64, error) {
	return d.n.stores.tickets.LastNumber(ctx, t)
}
