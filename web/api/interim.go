package api

import (
	"context"
	"slices"

	"holdfast/services/interim"
	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// Interim sets overrides and notes, also while PostgreSQL is away: *interim.Board, with its errors.
type Interim interface {
	SetOverride(ctx context.Context, actor tenants.Actor, w interim.OverrideWish) (interim.Item, error)
	SetNote(ctx context.Context, actor tenants.Actor, w interim.NoteWish) (interim.Item, error)
	End(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id string) (interim.Item, error)
	May(actor tenants.Actor, account tenants.AccountID) bool
}

func overrideShown(o oncall.Standing) Override {
	return Override{
		ID: o.ID, Schedule: string(o.Schedule), ScheduleName: o.ScheduleName, From: o.From, To: o.To, Replaces: string(o.Replaces),
		Replaced: o.Replaced, ReplacedName: o.ReplacedName, Person: string(o.Person), PersonName: o.PersonName, Note: o.Note,
		By: o.By, At: moment(o.At),
	}
}

// PostOverride has somebody else on call for a while.
func (h *handlers) PostOverride(ctx context.Context, r PostOverrideRequestObject) (PostOverrideResponseObject, error) {
	_, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	if h.Interim == nil {
		return nil, ErrAway
	}
	actor, w := traceOf(ctx).actor, wishOf(*r.Body)
	w.Account, w.Schedule = s.Account, s.ID
	i, err := h.Interim.SetOverride(ctx, actor, w)
	if err != nil {
		return nil, err
	}
	return PostOverride201JSONResponse(overrideShown(oncall.StandingOf(h.copyOf(actor.Tenant), s, *i.Override))), nil
}

func wishOf(o OverrideNew) interim.OverrideWish {
	return interim.OverrideWish{
		From: value(o.From), To: o.To, Replaces: roster.What(value(o.Replaces)), Replaced: value(o.Replaced),
		Person: tenants.PersonID(o.Person), Note: value(o.Note),
	}
}

// DeleteOverride ends one.
func (h *handlers) DeleteOverride(ctx context.Context, r DeleteOverrideRequestObject) (DeleteOverrideResponseObject, error) {
	_, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.Overrides, func(o roster.Override) bool { return o.ID == r.Override }) {
		return nil, notFound()
	}
	return DeleteOverride204Response{}, h.end(ctx, r.ID, r.Override)
}

func (h *handlers) end(ctx context.Context, account, id string) error {
	if h.Interim == nil {
		return ErrAway
	}
	_, err := h.Interim.End(ctx, traceOf(ctx).actor, tenants.AccountID(account), id)
	return err
}

// ListNotes lists an account's notes, from the routing copy.
func (h *handlers) ListNotes(ctx context.Context, r ListNotesRequestObject) (ListNotesResponseObject, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	if c.Account(tenants.AccountID(r.ID)) == nil {
		return nil, notFound()
	}
	return ListNotes200JSONResponse{Items: notesShown(c.NotesOf(tenants.AccountID(r.ID)))}, nil
}

func notesShown(all []routing.Note) []Note {
	out := make([]Note, len(all))
	for i, n := range all {
		out[i] = Note{ID: n.ID, Text: n.Text, From: n.From, Until: n.Until, By: n.By, At: n.At}
	}
	return out
}

// PostNote writes one.
func (h *handlers) PostNote(ctx context.Context, r PostNoteRequestObject) (PostNoteResponseObject, error) {
	if h.Interim == nil {
		return nil, ErrAway
	}
	i, err := h.Interim.SetNote(ctx, traceOf(ctx).actor, interim.NoteWish{
		Account: tenants.AccountID(r.ID), Text: r.Body.Text, From: value(r.Body.From), Until: r.Body.Until,
	})
	if err != nil {
		return nil, err
	}
	return PostNote201JSONResponse(notesShown([]routing.Note{*i.Note})[0]), nil
}

// DeleteNote ends one.
func (h *handlers) DeleteNote(ctx context.Context, r DeleteNoteRequestObject) (DeleteNoteResponseObject, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	if !slices.ContainsFunc(c.NotesOf(tenants.AccountID(r.ID)), func(n routing.Note) bool { return n.ID == r.Note }) {
		return nil, notFound()
	}
	return DeleteNote204Response{}, h.end(ctx, r.ID, r.Note)
}
