package api

import (
	"context"

	"holdfast/services/call"
	"holdfast/web/live"
)

// ListOperators shows operators and what they do, from the board.
func (h *handlers) ListOperators(ctx context.Context, _ ListOperatorsRequestObject) (ListOperatorsResponseObject, error) {
	board := h.Boards.Snapshot(traceOf(ctx).actor.Tenant)
	out := make([]Operator, 0, len(board.Operators))
	for _, o := range board.Operators {
		item := Operator{
			ID: string(o.ID), Name: o.Name, Email: o.Email, Languages: o.Languages, State: string(o.State), Since: moment(o.Since),
			Until: moment(o.Until), Why: o.Why, Reachable: o.Reachable, Calls: o.Calls,
		}
		if o.Call != "" {
			id := string(o.Call)
			item.CallID = &id
		}
		out = append(out, item)
	}
	return ListOperators200JSONResponse{Items: out}, nil
}

// GetQueue shows who waits, from the board.
func (h *handlers) GetQueue(ctx context.Context, _ GetQueueRequestObject) (GetQueueResponseObject, error) {
	actor := traceOf(ctx).actor
	board := h.Boards.Snapshot(actor.Tenant)
	q := h.Boards.QueueOf(actor)
	out := GetQueue200JSONResponse{
		Waiting: q.Waiting, OldestSince: moment(q.OldestSince), Talking: q.Talking, Ready: q.Ready, Operators: q.Operators,
		NewVoicemail: q.NewVoicemail, OldestVoicemail: moment(q.OldestVoice), VoicemailKnown: q.VoicemailOK, Items: []LiveCall{},
	}
	for _, c := range board.Calls {
		if (c.State == string(call.Ringing) || c.State == string(call.Queued)) && h.answers(actor, c.Account) {
			out.Items = append(out.Items, liveCallOf(c))
		}
	}
	return out, nil
}

func liveCallOf(c live.Call) LiveCall {
	return LiveCall{
		ID: string(c.ID), Account: string(c.Account), AccountName: c.AccountName, Caller: c.Caller, CallerName: c.CallerName,
		Called: c.Called, Language: c.Language, State: c.State, InvitedAt: c.InvitedAt, Since: c.Since, Operator: string(c.Operator),
		OperatorName: c.OperatorName,
	}
}

// ListAlarms shows open alarms from the board, ended ones from the database.
func (h *handlers) ListAlarms(ctx context.Context, r ListAlarmsRequestObject) (ListAlarmsResponseObject, error) {
	tenant := traceOf(ctx).actor.Tenant
	if value(r.Params.State) == ListAlarmsParamsStateEnded {
		if h.Alarms == nil {
			return nil, ErrAway
		}
		found, err := h.Alarms.ListEndedAlarms(ctx, tenant, value(r.Params.Cursor), size(r.Params.Limit))
		if err != nil {
			return nil, err
		}
		found.Items = list(found.Items)
		return ListAlarms200JSONResponse(found), nil
	}
	out := ListAlarms200JSONResponse{Items: []Alarm{}}
	for _, a := range h.Boards.Snapshot(tenant).Alarms {
		out.Items = append(out.Items, Alarm{
			Key: a.Key, Text: a.Text, Severity: a.Severity, Since: a.Since, Until: moment(a.Until), Count: a.Count,
		})
	}
	return out, nil
}
