package api

import (
	"context"
	"errors"
	"slices"

	"holdfast/services/call"
	"holdfast/services/intake"
	"holdfast/tenants"
)

// ListCalls lists calls: those in progress from the board, others from the call log.
func (h *handlers) ListCalls(ctx context.Context, r ListCallsRequestObject) (ListCallsResponseObject, error) {
	actor, p := traceOf(ctx).actor, r.Params
	f := CallFilter{Number: value(p.Number), Since: value(p.Since), Only: h.only(actor), Cursor: value(p.Cursor), Limit: size(p.Limit)}
	if value(p.State) == ListCallsParamsStateLive {
		return ListCalls200JSONResponse{Items: h.liveCalls(actor, f)}, nil
	}
	if h.Calls == nil {
		return nil, ErrAway
	}
	f.Ended = value(p.State) == ListCallsParamsStateEnded
	found, err := h.Calls.ListCalls(ctx, actor.Tenant, f)
	if err != nil {
		return nil, err
	}
	found.Items = list(found.Items)
	return ListCalls200JSONResponse(found), nil
}

func (h *handlers) liveCalls(actor tenants.Actor, f CallFilter) []Call {
	out := []Call{}
	for _, s := range h.Boards.Live(actor.Tenant) {
		if !h.answers(actor, s.Plan.Account) || f.Number != "" && s.Plan.Caller != f.Number && s.Plan.Called != f.Number || s.InvitedAt.Before(f.Since) {
			continue
		}
		out = append(out, CallOf(s))
	}
	return out
}

// GetCall finds a call on the board or in the call log.
func (h *handlers) GetCall(ctx context.Context, r GetCallRequestObject) (GetCallResponseObject, error) {
	actor := traceOf(ctx).actor
	c, err := h.call(ctx, actor.Tenant, r.ID)
	if err != nil {
		return nil, err
	}
	if !h.answers(actor, tenants.AccountID(c.Account)) {
		return nil, notFound()
	}
	return GetCall200JSONResponse(c), nil
}

// call prefers the board, which is never behind.
func (h *handlers) call(ctx context.Context, tenant tenants.TenantID, raw string) (Call, error) {
	id, err := tenants.ParseUUID(raw)
	if err != nil {
		return Call{}, notFound()
	}
	if s, ok := h.Boards.Call(tenant, tenants.CallID(id)); ok {
		return CallOf(s), nil
	}
	if h.Calls == nil {
		return Call{}, ErrAway
	}
	return h.Calls.GetCall(ctx, tenant, tenants.CallID(id))
}

// ListCallEvents tells a call's story.
func (h *handlers) ListCallEvents(ctx context.Context, r ListCallEventsRequestObject) (ListCallEventsResponseObject, error) {
	tenant := traceOf(ctx).actor.Tenant
	id, err := tenants.ParseUUID(r.ID)
	if err != nil {
		return nil, notFound()
	}
	if h.Calls == nil {
		return nil, ErrAway
	}
	events, err := h.Calls.CallEvents(ctx, tenant, tenants.CallID(id))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if len(events) == 0 {
		// A call that began a moment ago has its story on this node only.
		if _, known := h.Boards.Call(tenant, tenants.CallID(id)); !known {
			return nil, notFound()
		}
	}
	return ListCallEvents200JSONResponse{Items: list(events)}, nil
}

// StateEnded is the state of every call that is over, whatever phase it ended in.
const StateEnded = string(call.Ended)

// CallOf shows a call as the API does.
func CallOf(s call.State) Call {
	c := Call{
		ID: string(s.ID), Tenant: string(s.Plan.Tenant), Account: string(s.Plan.Account), AccountName: s.Plan.AccountName,
		Called: s.Plan.Called, Caller: s.Plan.Caller, CallerName: s.Plan.CallerName, Candidates: CandidatesOf(s.Plan.Tenant, s.Plan.Candidates),
		State: string(s.Phase), Reason: s.Reason, InvitedAt: s.InvitedAt, AnsweredAt: moment(s.AnsweredAt), ConnectedAt: moment(s.ConnectedAt),
		Offered: OfferedOf(s.Offered), Operator: string(s.Operator), OperatorName: s.OperatorName, Language: s.Plan.Language(), MediaEncrypted: encryptedMedia(s.Media),
		EndedAt: moment(s.EndedAt),
	}
	if s.Result != "" {
		result := string(s.Result)
		c.Result = &result
	}
	return c
}

// OfferedOf shows to whom a call was offered.
func OfferedOf(offers []call.Offering) []Offered {
	out := make([]Offered, 0, len(offers))
	for _, o := range offers {
		out = append(out, Offered{Operator: string(o.Operator), Name: o.Name, At: o.At, Outcome: o.Outcome})
	}
	return out
}

// CandidatesOf shows the numbers that a call named. One that belongs to another tenant looks like anybody's.
func CandidatesOf(tenant tenants.TenantID, candidates []call.Candidate) []Candidate {
	out := make([]Candidate, 0, len(candidates))
	for _, c := range slices.Clone(candidates) {
		if c.Tenant != "" && c.Tenant != tenant {
			c.Account, c.Chosen, c.Why = "", false, intake.NotYours
		}
		out = append(out, Candidate{
			Source: c.Source, Raw: c.Raw, Number: c.Number, Account: string(c.Account), Chosen: c.Chosen, Why: c.Why,
		})
	}
	return out
}

// encryptedMedia is what is known of a call's encryption; nil where nobody asked for any.
func encryptedMedia(s call.Secrecy) *bool {
	if s == "" {
		return nil
	}
	is := s == call.Encrypted
	return &is
}
