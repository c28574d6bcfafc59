package live

import (
	"context"

	"holdfast/services/duty"
	"holdfast/services/ticket"
	"holdfast/tenants"
)

// Purposes of a ticket.
const (
	ForDesk   = "desk"
	ForPortal = "portal"
)

// Tickets knows who opens a socket.
type Tickets interface {
	// Redeem takes a ticket, once, and says whose it is, and which duty it resumes ("": none). Any error refuses.
	Redeem(ticket, purpose string) (tenants.Actor, tenants.DutyID, error)
	// DutySecret is what a page keeps to come back to its duty after a reload.
	DutySecret(actor tenants.Actor, duty tenants.DutyID) string
}

// Desk is where operators sign on: the switchboard.
type Desk interface {
	// SignOn begins a duty for the actor, or goes on with resume when that still runs. Until the seat is left, show is
	// called with every new state of the duty, and tell once when the desk is closed from the other side, with the Bye of
	// the last message ("replaced", "went_home", "shutdown"). Both are called from the duty's goroutine, also before
	// SignOn returns, and never block.
	SignOn(ctx context.Context, actor tenants.Actor, resume tenants.DutyID, show func(duty.State), tell func(bye string)) (Seat, error)
}

// Seat is one socket's hold on a duty.
type Seat interface {
	// Do performs one command of the operator. Its error, when it is a [*Problem] or a [*duty.Refusal], is shown.
	Do(ctx context.Context, c Command) (Reply, error)
	// Leave says that the socket is closed. It is called once, and has no effect on a seat that was replaced.
	Leave()
}

// Reply is the answer to a command, where it has one.
type Reply struct {
	SDP   string // to DoOffer
	Check *Check // to DoCheck
}

// Supervisor performs the commands of a portal.
type Supervisor interface {
	// Order performs c for the actor's own tenant; what belongs to another does not exist.
	Order(ctx context.Context, actor tenants.Actor, c Command) error
}

// Messages is the desk on which messages are written: ticket.Desk.
type Messages interface {
	ForCall(ctx context.Context, tenant tenants.TenantID, call tenants.CallID) (ticket.State, error)
	Get(ctx context.Context, tenant tenants.TenantID, id tenants.TicketID) (ticket.State, error)
	Drafts(ctx context.Context, tenant tenants.TenantID, call tenants.CallID) ([]ticket.State, error)
	Change(ctx context.Context, actor tenants.Actor, id tenants.TicketID, field, value string, base uint64) (ticket.State, error)
	Save(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (ticket.State, error)
	Append(ctx context.Context, actor tenants.Actor, id tenants.TicketID, text string) (ticket.State, error)
	Deliver(ctx context.Context, actor tenants.Actor, id tenants.TicketID, to, how string) (ticket.State, error)
	Mail(ctx context.Context, actor tenants.Actor, id tenants.TicketID, to string) (ticket.State, error)
	Take(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (ticket.State, error)
	Watch(tenant tenants.TenantID, wants func(ticket.State) bool) *ticket.Watcher
}

// Error makes a problem an error, so that whoever refuses a command says why in the words that are shown.
func (p *Problem) Error() string { return p.Code + ": " + p.Text }
