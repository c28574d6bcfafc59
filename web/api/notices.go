package api

import (
	"context"

	"holdfast/services/notify"
)

// ListNotices lists who was told of what.
func (h *handlers) ListNotices(ctx context.Context, r ListNoticesRequestObject) (ListNoticesResponseObject, error) {
	if h.Notices == nil {
		return nil, ErrAway
	}
	p := r.Params
	found, cursor, err := h.Notices.ListNotices(ctx, traceOf(ctx).actor.Tenant, notify.Filter{
		About: value(p.About), State: notify.State(value(p.State)), Cursor: value(p.Cursor), Limit: size(p.Limit),
	})
	if err != nil {
		return nil, Translate(err)
	}
	out := ListNotices200JSONResponse{Items: make([]NoticeRecord, len(found)), Next: next(cursor)}
	for i, n := range found {
		out.Items[i] = NoticeRecord{
			ID: n.ID, Kind: string(n.Kind), About: n.About, To: n.To, Urgent: n.Urgent, State: NoticeState(n.State), Tries: n.Tries,
			Error: n.Error, Reply: n.Reply, ToldAt: n.ToldAt, NextAt: n.NextAt, SettledAt: n.SettledAt,
		}
	}
	return out, nil
}
