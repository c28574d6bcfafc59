package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/services/identity"
	"holdfast/services/intake"
	"holdfast/tenants"
	"holdfast/web/live"
)

// People is Sessions, Tickets and the sockets' tickets over services/identity.
type People struct{ *identity.Service }

var (
	_ Sessions     = People{}
	_ Tickets      = People{}
	_ live.Tickets = People{}
)

// ticketLife is how long identity's tickets are good for.
const ticketLife = 30 * time.Second

func judge(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, identity.ErrAway), errors.Is(err, identity.ErrBusy):
		return fmt.Errorf("%w: %w", ErrAway, err)
	case errors.Is(err, identity.ErrLocked):
		return fmt.Errorf("%w: %w", ErrLockedOut, err)
	case errors.Is(err, identity.ErrRefused):
		return fmt.Errorf("%w: %w", ErrExpired, err)
	default:
		return err
	}
}

func sessionOf(t identity.Tokens) Session {
	return Session{AccessToken: t.Access, RefreshToken: t.Refresh, ExpiresIn: int(t.ExpiresIn / time.Second)}
}

// SignIn checks e-mail and password.
func (p People) SignIn(ctx context.Context, email, password, address string) (Session, error) {
	t, err := p.Service.SignIn(ctx, email, password, address)
	if errors.Is(err, identity.ErrRefused) {
		return Session{}, fmt.Errorf("%w: %w", ErrBadSignIn, err)
	}
	return sessionOf(t), judge(err)
}

// Refresh exchanges a refresh token.
func (p People) Refresh(ctx context.Context, token string) (Session, error) {
	t, err := p.Service.Refresh(ctx, token)
	return sessionOf(t), judge(err)
}

// SignOut ends the actor's session.
func (p People) SignOut(ctx context.Context, actor tenants.Actor) error {
	return judge(p.Service.SignOut(ctx, actor))
}

// Actor checks an access token.
func (p People) Actor(token string) (tenants.Actor, error) {
	a, err := p.Service.Actor(token)
	return a, judge(err)
}

// DutyActor checks the secret of a duty.
func (p People) DutyActor(secret string) (tenants.Actor, tenants.DutyID, error) {
	a, d, err := p.Service.DutyActor(secret)
	return a, d, judge(err)
}

// Ticket makes a one-time ticket for a socket.
func (p People) Ticket(actor tenants.Actor, duty tenants.DutyID, purpose string) (string, time.Duration, error) {
	t, err := p.Service.Ticket(actor, duty, identity.Purpose(purpose))
	return t, ticketLife, judge(err)
}

// Redeem takes a ticket, once.
func (p People) Redeem(ticket, purpose string) (tenants.Actor, tenants.DutyID, error) {
	return p.Service.Redeem(ticket, identity.Purpose(purpose))
}

// DutySecret is what a page keeps to come back to its duty; "" when the key cannot sign, and a reload then signs in anew.
func (p People) DutySecret(actor tenants.Actor, duty tenants.DutyID) string {
	secret, err := p.Service.DutySecret(actor, duty)
	if err != nil {
		return ""
	}
	return secret
}

// Doors is Entrance over services/activation, which keeps count of links, and services/identity, which signs in.
type Doors struct {
	Links interface {
		Open(ctx context.Context, token string) (tenants.Actor, error)
	}
	People *identity.Service
}

// Enter uses a link up and signs its holder in.
func (d Doors) Enter(ctx context.Context, token string) (Session, error) {
	actor, err := d.Links.Open(ctx, token)
	if err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrExpired, err)
	}
	t, err := d.People.Enter(ctx, actor)
	return sessionOf(t), judge(err)
}

// Routes is Explainer over services/intake and the routing copies.
type Routes struct {
	Book interface {
		Book
		intake.Directory
	}
}

// Explain chooses the account as for a real call.
func (r Routes) Explain(to, diversion, historyInfo string, _ time.Time) (Explained, error) {
	d := intake.Decide(intake.Route(to, diversion, historyInfo), r.Book)
	e := Explained{Tenant: d.Tenant, Account: d.Account, Called: d.Called, Why: d.Why, Candidates: d.Candidates}
	if d.Refuse != nil {
		e.Refused = d.Refuse.Reason
	}
	if home := r.Book.Copy(d.Tenant); home != nil {
		for _, a := range home.Accounts {
			if a.ID == d.Account {
				e.AccountName = a.Name
			}
		}
	}
	return e, nil
}
