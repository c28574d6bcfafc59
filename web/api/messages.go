package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

// ListMessages lists what is being written and what is owed from the desk, everything else from the archive.
func (h *handlers) ListMessages(ctx context.Context, r ListMessagesRequestObject) (ListMessagesResponseObject, error) {
	actor, p := traceOf(ctx).actor, r.Params
	f := ticket.Filter{
		State: ticket.Phase(value(p.State)), Account: tenants.AccountID(value(p.Account)), Only: h.only(actor), Call: tenants.CallID(value(p.Call)),
		Number: uint64(value(p.Number)), Cursor: value(p.Cursor), Limit: size(p.Limit),
	}
	var found []ticket.State
	var cursor string
	var err error
	switch {
	case f.State == ticket.Draft || f.State == ticket.Owed:
		found, cursor, err = h.onDesk(ctx, actor, f)
	case h.Archive == nil:
		return nil, ErrAway
	default:
		found, cursor, err = h.Archive.ListTickets(ctx, actor.Tenant, f)
	}
	if err != nil {
		return nil, Translate(err)
	}
	out := ListMessages200JSONResponse{Items: make([]Message, 0, len(found)), Next: next(cursor)}
	for _, s := range found {
		out.Items = append(out.Items, ticketOf(s))
	}
	return out, nil
}

// onDesk lists a page of open messages in the desk's order.
func (h *handlers) onDesk(ctx context.Context, actor tenants.Actor, f ticket.Filter) ([]ticket.State, string, error) {
	if h.Desk == nil {
		return nil, "", ErrAway
	}
	var after place
	if f.Cursor != "" {
		var err error
		if after, err = parsePlace(f.Cursor); err != nil {
			return nil, "", err
		}
	}
	var open []ticket.State
	var err error
	if f.State == ticket.Owed {
		open, err = h.Desk.Owed(ctx, actor.Tenant)
	} else {
		open, err = h.Desk.Drafts(ctx, actor.Tenant, f.Call)
	}
	if err != nil {
		return nil, "", err
	}
	open = slices.DeleteFunc(open, func(s ticket.State) bool {
		return !h.answers(actor, s.Account) || f.Account != "" && s.Account != f.Account || f.Call != "" && s.Call != f.Call || f.Number != 0 && s.Number != f.Number ||
			f.Cursor != "" && placeOf(s).compare(after) <= 0
	})
	if len(open) <= f.Limit {
		return open, "", nil
	}
	open = open[:f.Limit]
	return open, placeOf(open[f.Limit-1]).String(), nil
}

// place is where a message stands in the desk's order: a page begins after one, whatever came and went meanwhile.
type place struct {
	calm bool // not urgent
	at   time.Time
	id   string
}

func placeOf(s ticket.State) place {
	if s.Phase == ticket.Draft {
		return place{true, s.BegunAt, string(s.ID)}
	}
	return place{!s.Urgent(), s.OwedSince(), string(s.ID)}
}

func (p place) compare(q place) int {
	if p.calm != q.calm {
		if q.calm {
			return -1
		}
		return 1
	}
	return cmp.Or(p.at.Compare(q.at), cmp.Compare(p.id, q.id))
}

// String is the place as a cursor.
func (p place) String() string {
	if p.calm {
		return "calm." + store.Cursor(p.at, p.id)
	}
	return "urgent." + store.Cursor(p.at, p.id)
}

func parsePlace(cursor string) (place, error) {
	kind, rest, ok := strings.Cut(cursor, ".")
	if !ok || kind != "calm" && kind != "urgent" {
		return place{}, store.ErrBadCursor
	}
	at, id, err := store.ParseCursor(rest)
	return place{kind == "calm", at, id}, err
}

// ticketID reads an address; one of another form names nothing.
func (h *handlers) ticketID(raw string) (tenants.TicketID, error) {
	id, err := tenants.ParseUUID(raw)
	if err != nil {
		return "", notFound()
	}
	if h.Desk == nil {
		return "", ErrAway
	}
	return tenants.TicketID(id), nil
}

// GetMessage finds one, on the desk or in the archive.
func (h *handlers) GetMessage(ctx context.Context, r GetMessageRequestObject) (GetMessageResponseObject, error) {
	id, err := h.ticketID(r.ID)
	if err != nil {
		return nil, err
	}
	s, err := h.Desk.Get(ctx, traceOf(ctx).actor.Tenant, id)
	if err != nil {
		return nil, Translate(err)
	}
	if !h.answers(traceOf(ctx).actor, s.Account) {
		return nil, notFound()
	}
	return GetMessage200JSONResponse(ticketOf(s)), nil
}

// PostMessage writes and saves a message without a call.
func (h *handlers) PostMessage(ctx context.Context, r PostMessageRequestObject) (PostMessageResponseObject, error) {
	if h.Desk == nil {
		return nil, ErrAway
	}
	actor, c := traceOf(ctx).actor, r.Body
	accounts := h.copyOf(actor.Tenant).Accounts
	i := slices.IndexFunc(accounts, func(a routing.Account) bool { return string(a.ID) == c.Account })
	if i < 0 || !h.answers(actor, accounts[i].ID) {
		return nil, notFound()
	}
	s, err := h.Desk.Begin(ctx, actor, ticket.Origin{Account: accounts[i].ID, AccountName: accounts[i].Name})
	if err != nil {
		return nil, Translate(err)
	}
	urgent := ""
	if value(c.Urgent) {
		urgent = "yes"
	}
	for _, f := range []struct{ name, value string }{
		{ticket.FieldName, value(c.Name)},
		{ticket.FieldCallback, value(c.Callback)},
		{ticket.FieldFor, value(c.For)},
		{ticket.FieldText, c.Text},
		{ticket.FieldUrgent, urgent},
	} {
		if _, err = h.Desk.Change(ctx, actor, s.ID, f.name, f.value, 0); err != nil {
			return nil, Translate(err)
		}
	}
	if s, err = h.Desk.Save(ctx, actor, s.ID); err != nil {
		return nil, Translate(err)
	}
	return PostMessage201JSONResponse(ticketOf(s)), nil
}

// PatchMessage sets a message undelivered, adds to it, and sets it delivered, in this order, as far as asked.
func (h *handlers) PatchMessage(ctx context.Context, r PatchMessageRequestObject) (PatchMessageResponseObject, error) {
	id, err := h.ticketID(r.ID)
	if err != nil {
		return nil, err
	}
	actor, c := traceOf(ctx).actor, r.Body
	s, err := h.Desk.Get(ctx, actor.Tenant, id)
	if err == nil && !h.answers(actor, s.Account) {
		return nil, notFound()
	}
	if err == nil && value(c.State) == MessageChangeStateOwed {
		s, err = h.Desk.Undeliver(ctx, actor, id)
	}
	if err == nil && c.Append != nil {
		s, err = h.Desk.Append(ctx, actor, id, *c.Append)
	}
	if err == nil && value(c.State) == MessageChangeStateDelivered {
		s, err = h.Desk.Deliver(ctx, actor, id, value(c.To), value(c.How))
	}
	if err != nil {
		return nil, Translate(fmt.Errorf("change message %s: %w", id, err))
	}
	return PatchMessage200JSONResponse(ticketOf(s)), nil
}

func ticketOf(s ticket.State) Message {
	out := Message{
		ID: string(s.ID), CallID: string(s.Call), Account: string(s.Account), AccountName: s.AccountName, Caller: s.Caller,
		CallerName: s.CallerName, Called: s.Called, State: string(s.Phase), Urgent: s.Urgent(), Fields: map[string]MessageField{},
		Holders: make([]MessageAuthor, len(s.Holders)), Notes: make([]MessageNote, len(s.Notes)),
		Deliveries: make([]MessageDelivery, len(s.Deliveries)), BegunAt: s.BegunAt, ChangedAt: s.ChangedAt, Saved: authorOf(s.Saved),
		NextAt: moment(s.NextAt),
	}
	if m := s.Mailing; m != nil {
		out.Mailing = &MessageMailing{To: m.To, By: *authorOf(&m.By), Error: m.Error, Link: m.Link, SentAt: moment(m.SentAt)}
	}
	if s.Number > 0 {
		n := int64(s.Number)
		out.Number = &n
	}
	for name, f := range s.Fields {
		one := MessageField{Value: f.Value, Revision: int64(f.Revision)}
		if f.Revision > 0 {
			one.By = authorOf(&f.By)
		}
		out.Fields[name] = one
	}
	for i, w := range s.Holders {
		out.Holders[i] = *authorOf(&w)
	}
	for i, n := range s.Notes {
		out.Notes[i] = MessageNote{Text: n.Text, By: *authorOf(&n.By)}
	}
	for i, d := range s.Deliveries {
		out.Deliveries[i] = MessageDelivery{To: d.To, How: d.How, By: *authorOf(&d.By), Undone: authorOf(d.Undone)}
	}
	return out
}

func authorOf(w *ticket.Writer) *MessageAuthor {
	if w == nil {
		return nil
	}
	return &MessageAuthor{Operator: string(w.Operator), Name: w.Name, At: w.At}
}
