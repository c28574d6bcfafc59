package api

import (
	"time"

	"holdfast/services/directory"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web/live"
)

// handlers answers the operations of the contract. It keeps nothing but its ports, limits, and what the directory was made into for searching.
type handlers struct {
	Ports
	signIns   *limiter // attempts to sign in, by address
	others    *limiter // other requests without a token, by address
	directory *directory.Directory
	publicURL string // origin, without a slash at its end
	now       func() time.Time
}

var _ StrictServerInterface = (*handlers)(nil)

// Ports is whatever the handlers ask. A port that is nil belongs to a part this process does not run: its operations
// answer 503.
type Ports struct {
	Sessions   Sessions
	Tickets    Tickets
	Boards     *live.Boards
	Book       Book
	Calls      Calls
	Voicemails Voicemails
	Desk       Desk
	Archive    Archive
	Listings   Listings
	Notices    Notices
	Staff      Staff
	Telephones Telephones
	Recordings Recordings
	Alarms     EndedAlarms
	Explainer  Explainer
	Activator  Activator
	Entrance   Entrance
	Trunks     Trunks
	Accounts   Accounts
	Greetings  Greetings
	Schedules  Schedules
	Interim    Interim
	// Directory searches listings; nil: one of the handler's own. Whoever compiles routing copies prepares them in it.
	Directory *directory.Directory
	// SignedOut is told of a session that is over, so that its sockets close; nil: nobody is.
	SignedOut func(session string)
}

// copyOf returns the actor's routing copy, or an empty one in its name (the platform has none).
func (h *handlers) copyOf(t tenants.TenantID) *routing.Copy {
	if c := h.Book.Copy(t); c != nil {
		return c
	}
	return &routing.Copy{Tenant: t, Name: string(t), State: routing.Standby}
}

// answers reports whether somebody sees an account: an operator who may answer some accounts only sees no other.
func (h *handlers) answers(actor tenants.Actor, account tenants.AccountID) bool {
	return account == routing.PracticeAccount || h.copyOf(actor.Tenant).Sees(actor, account)
}

// inHand is the copy in which a desk finds an account: the tenant's, or for a practice call the one made for that.
func (h *handlers) inHand(actor tenants.Actor, account tenants.AccountID) *routing.Copy {
	c := h.copyOf(actor.Tenant)
	if account == routing.PracticeAccount {
		return routing.Practice(c.Language, c.Zone, h.now())
	}
	return c
}

// only is the accounts whose calls and messages somebody sees; nil: all.
func (h *handlers) only(actor tenants.Actor) []tenants.AccountID {
	accounts, _ := h.copyOf(actor.Tenant).Scope(actor)
	return accounts
}

// pageSize is how many items a list has when nobody says, and at most.
const (
	pageSize    = 50
	pageSizeMax = 200
)

func size(limit *Limit) int {
	if limit == nil {
		return pageSize
	}
	return min(max(*limit, 1), pageSizeMax)
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// moment is a time that may not have come: nil, and null in JSON, when zero.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// list is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
