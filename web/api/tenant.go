package api

import (
	"context"

	"holdfast/services/intake"
	"holdfast/tenants"
)

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
		out.Called, out.Why = r.Params.To, intake.NotYours
		out.Candidates = CandidatesOf(actor.Tenant, e.Candidates)
	}
	return out, nil
}
