package api

import (
	"context"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// GetActivation says whether operators answer, from the routing copy: that is what callers meet.
func (h *handlers) GetActivation(ctx context.Context, _ GetActivationRequestObject) (GetActivationResponseObject, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	return GetActivation200JSONResponse{State: ActivationState(c.State), Since: c.Since, Cause: c.Cause}, nil
}

// PostActivation goes live or back to standby.
func (h *handlers) PostActivation(ctx context.Context, r PostActivationRequestObject) (PostActivationResponseObject, error) {
	if h.Activator == nil {
		return nil, ErrAway
	}
	a, err := h.Activator.Activate(ctx, traceOf(ctx).actor, routing.State(r.Body.State), r.Body.Cause)
	if err != nil {
		return nil, err
	}
	return PostActivation200JSONResponse(a), nil
}

// GetRoute explains which account a call would reach. Whatever is not the actor's looks like nobody's; the platform sees all.
func (h *handlers) GetRoute(ctx context.Context, r GetRouteRequestObject) (GetRouteResponseObject, error) {
	if h.Explainer == nil {
		return nil, ErrAway
	}
	at := value(r.Params.At)
	if at.IsZero() {
		at = h.now()
	}
	e, err := h.Explainer.Explain(r.Params.To, value(r.Params.Diversion), value(r.Params.HistoryInfo), at)
	if err != nil {
		return nil, err
	}
	actor := traceOf(ctx).actor
	out := GetRoute200JSONResponse{At: at, Called: e.Called, Why: e.Why}
	if e.Refused != "" {
		out.Refused = &e.Refused
	}
	switch {
	case e.Tenant == actor.Tenant || actor.May(tenants.RolePlatform):
		out.Tenant, out.Account, out.AccountName = string(e.Tenant), string(e.Account), e.AccountName
		out.State, out.Candidates = string(h.copyOf(e.Tenant).State), CandidatesOf(e.Tenant, e.Candidates)
	default:
		out.Called, out.Why = r.Params.To, "No number of yours would be reached."
		out.Candidates = CandidatesOf(actor.Tenant, e.Candidates)
	}
	return out, nil
}
