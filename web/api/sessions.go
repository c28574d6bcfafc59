package api

import (
	"context"
	"time"

	"holdfast/tenants"
	"holdfast/web/live"
)

// SignIn exchanges e-mail and password for tokens.
func (h *handlers) SignIn(ctx context.Context, r SignInRequestObject) (SignInResponseObject, error) {
	address := traceOf(ctx).address
	if ok, retry := h.signIns.take(address); !ok {
		return nil, tooMany(retry)
	}
	s, err := h.Sessions.SignIn(ctx, r.Body.Email, r.Body.Password, address)
	if err != nil {
		return nil, err
	}
	return SignIn201JSONResponse(s), nil
}

// Refresh exchanges a refresh token for new tokens.
func (h *handlers) Refresh(ctx context.Context, r RefreshRequestObject) (RefreshResponseObject, error) {
	if ok, retry := h.others.take(traceOf(ctx).address); !ok {
		return nil, tooMany(retry)
	}
	s, err := h.Sessions.Refresh(ctx, r.Body.RefreshToken)
	if err != nil {
		return nil, err
	}
	return Refresh200JSONResponse(s), nil
}

// SignOut ends the session and its sockets.
func (h *handlers) SignOut(ctx context.Context, _ SignOutRequestObject) (SignOutResponseObject, error) {
	actor := traceOf(ctx).actor
	if err := h.Sessions.SignOut(ctx, actor); err != nil {
		return nil, err
	}
	if h.SignedOut != nil {
		h.SignedOut(actor.Session)
	}
	return SignOut204Response{}, nil
}

// GetMe says who is signed in.
func (h *handlers) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	a := traceOf(ctx).actor
	return GetMe200JSONResponse{
		ID: string(a.User), Name: a.Name, Email: a.Email, Role: Role(a.Role), Tenant: string(a.Tenant), TenantName: h.copyOf(a.Tenant).Name,
	}, nil
}

// PostTicket makes a ticket for a socket, for whoever is signed in or has the secret of a duty.
func (h *handlers) PostTicket(ctx context.Context, r PostTicketRequestObject) (PostTicketResponseObject, error) {
	t := traceOf(ctx)
	if ok, retry := h.others.take(t.address); !ok {
		return nil, tooMany(retry)
	}
	purpose, secret := string(r.Body.Purpose), value(r.Body.DutySecret)
	actor := t.actor
	var duty tenants.DutyID
	if secret != "" {
		if purpose != live.ForDesk {
			return nil, badRequest("A duty's secret opens the desk only.", nil)
		}
		holder, held, err := h.Tickets.DutyActor(secret)
		switch {
		case err != nil && actor.Tenant == "":
			return nil, notSignedIn(err)
		case err == nil && actor.Tenant == "":
			actor, duty = holder, held
		case err == nil && holder.User == actor.User && holder.Tenant == actor.Tenant:
			duty = held
		}
		// A secret that is not valid, or of somebody else, next to a valid token: a new duty begins.
	}
	if actor.Tenant == "" {
		return nil, notSignedIn(nil)
	}
	t.actor = actor
	if purpose == live.ForPortal && !actor.May(tenants.RoleSupervisor) {
		return nil, forbidden()
	}
	ticket, life, err := h.Tickets.Ticket(actor, duty, purpose)
	if err != nil {
		return nil, err
	}
	return PostTicket201JSONResponse{Ticket: ticket, ExpiresIn: int(life / time.Second)}, nil
}
