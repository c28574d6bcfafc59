package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// Schedules keeps what a form edits of schedules, and their feeds; the routing copy has it when a method returns. Errors are
// oncall.ErrNotFound, *oncall.Changed, joined *people.Problems, ErrAway.
type Schedules interface {
	CreateSchedule(ctx context.Context, actor tenants.Actor, s roster.Schedule) error
	ChangeSchedule(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, tag string, change func(*roster.Schedule) error) (roster.Schedule, error)
	DeleteSchedule(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, tag string) error
	ListFeeds(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.ScheduleID) ([]oncall.Feed, error)
	AddFeed(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, f oncall.Feed, hash string) error
	RemoveFeed(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, feed string) error
}

// schedule finds a schedule of the actor's tenant in the routing copy.
func (h *handlers) schedule(ctx context.Context, account, id string) (*routing.Copy, *roster.Schedule, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	s := find(c, account, id)
	if s == nil {
		return nil, nil, notFound()
	}
	return c, s, nil
}

func find(c *routing.Copy, account, id string) *roster.Schedule {
	all := c.SchedulesOf(tenants.AccountID(account))
	i := slices.IndexFunc(all, func(s roster.Schedule) bool { return string(s.ID) == id })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// ListSchedules lists an account's schedules, from the routing copy.
func (h *handlers) ListSchedules(ctx context.Context, r ListSchedulesRequestObject) (ListSchedulesResponseObject, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	if c.Account(tenants.AccountID(r.ID)) == nil {
		return nil, notFound()
	}
	out := ListSchedules200JSONResponse{Items: []Schedule{}, CheckedAt: h.checkedAt(c)}
	for _, s := range c.SchedulesOf(tenants.AccountID(r.ID)) {
		out.Items = append(out.Items, h.scheduleShown(c, &s))
	}
	return out, nil
}

// GetSchedule finds one.
func (h *handlers) GetSchedule(ctx context.Context, r GetScheduleRequestObject) (GetScheduleResponseObject, error) {
	c, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	shown := h.scheduleShown(c, s)
	return GetSchedule200JSONResponse{Body: shown, Headers: GetSchedule200ResponseHeaders{ETag: tagged(shown.Etag)}}, nil
}

// PostSchedule makes one.
func (h *handlers) PostSchedule(ctx context.Context, r PostScheduleRequestObject) (PostScheduleResponseObject, error) {
	actor := traceOf(ctx).actor
	c := h.copyOf(actor.Tenant)
	account := c.Account(tenants.AccountID(r.ID))
	switch {
	case account == nil:
		return nil, notFound()
	case h.Schedules == nil:
		return nil, ErrAway
	}
	s := roster.Schedule{
		ID: tenants.ScheduleID(tenants.NewID()), Account: account.ID, Name: r.Body.Name, Position: value(r.Body.Position),
		Zone: cmp.Or(value(r.Body.Zone), account.Zone), CatchAll: tenants.PersonID(r.Body.CatchAll),
	}
	var err error
	if s.Layers, err = layersOf(value(r.Body.Layers)); err != nil {
		return nil, err
	}
	if err := h.Schedules.CreateSchedule(ctx, actor, s); err != nil {
		return nil, named(c, s.Account, err)
	}
	shown := h.scheduleShown(h.copyOf(actor.Tenant), &s)
	return PostSchedule201JSONResponse{Body: shown, Headers: PostSchedule201ResponseHeaders{ETag: tagged(shown.Etag)}}, nil
}

// PatchSchedule changes one that is still what the editor saw.
func (h *handlers) PatchSchedule(ctx context.Context, r PatchScheduleRequestObject) (PatchScheduleResponseObject, error) {
	actor := traceOf(ctx).actor
	c, _, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	tag, err := h.tagOf(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	s, err := h.Schedules.ChangeSchedule(ctx, actor, tenants.AccountID(r.ID), tenants.ScheduleID(r.Schedule), tag,
		func(s *roster.Schedule) error { return edit(s, *r.Body) })
	if err != nil {
		return nil, h.changedSchedule(c, tenants.AccountID(r.ID), err)
	}
	c = h.copyOf(actor.Tenant)
	if fresh := find(c, r.ID, r.Schedule); fresh != nil {
		s.Overrides = fresh.Overrides
	}
	shown := h.scheduleShown(c, &s)
	return PatchSchedule200JSONResponse{Body: shown, Headers: PatchSchedule200ResponseHeaders{ETag: tagged(shown.Etag)}}, nil
}

// DeleteSchedule removes one that is still what the editor saw.
func (h *handlers) DeleteSchedule(ctx context.Context, r DeleteScheduleRequestObject) (DeleteScheduleResponseObject, error) {
	c, _, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	tag, err := h.tagOf(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.Schedules.DeleteSchedule(ctx, traceOf(ctx).actor, tenants.AccountID(r.ID), tenants.ScheduleID(r.Schedule), tag); err != nil {
		return nil, h.changedSchedule(c, tenants.AccountID(r.ID), err)
	}
	return DeleteSchedule204Response{}, nil
}

// tagOf reads If-Match as seen does: a schedule's tag is no number.
func (h *handlers) tagOf(header *IfMatch) (string, error) {
	if h.Schedules == nil {
		return "", ErrAway
	}
	tag := strings.TrimSpace(value(header))
	if tag == "" {
		_, err := seen(nil)
		return "", err
	}
	return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), nil
}

// changedSchedule answers an edit of something that somebody else changed meanwhile with what is there now.
func (h *handlers) changedSchedule(c *routing.Copy, account tenants.AccountID, err error) error {
	var other *oncall.Changed
	if !errors.As(err, &other) {
		return named(c, account, err)
	}
	shown := h.scheduleShown(c, &other.Now)
	f := changed(shown, 0, other.Last.By, other.Last.At, err)
	f.now.tag = *tagged(shown.Etag)
	return f
}

// named tells by name whom a problem is about: whoever has just left the directory still stands in the copy that was read before.
func named(c *routing.Copy, account tenants.AccountID, err error) error {
	var many interface{ Unwrap() []error }
	var one *people.Problem
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			_ = named(c, account, e)
		}
	} else if errors.As(err, &one) && one.About != "" {
		one.About = oncall.NameOf(c, account, tenants.PersonID(one.About))
	}
	return err
}

// edit puts what was sent into a schedule.
func edit(s *roster.Schedule, change ScheduleChange) error {
	if change.Zone != nil {
		s.Zone = *change.Zone
	}
	if change.Name != nil {
		s.Name = *change.Name
	}
	if change.Position != nil {
		s.Position = *change.Position
	}
	if change.CatchAll != nil {
		s.CatchAll = tenants.PersonID(*change.CatchAll)
	}
	if change.Layers == nil {
		return nil
	}
	var err error
	s.Layers, err = layersOf(*change.Layers)
	return err
}

// layersOf reads layers: both forms have one shape in JSON.
func layersOf(sent []Layer) ([]roster.Layer, error) {
	out := make([]roster.Layer, len(sent))
	for i, l := range sent {
		if value(l.ID) == "" {
			id := tenants.NewID()
			l.ID = &id
		}
		raw, err := json.Marshal(l)
		if err == nil {
			err = json.Unmarshal(raw, &out[i])
		}
		if err != nil {
			return nil, layerProblem(i, err)
		}
	}
	return out, nil
}

// layerProblem says which of a layer's texts cannot be read.
func layerProblem(i int, err error) error {
	field := fmt.Sprintf("layers[%d]", i)
	switch {
	case errors.Is(err, people.ErrBadClock):
		return &people.Problem{Field: field + ".handover", Text: "is " + people.ErrBadClock.Error()}
	case errors.Is(err, roster.ErrBadDate):
		return &people.Problem{Field: field + ".from", Text: "is " + roster.ErrBadDate.Error()}
	default:
		return &people.Problem{Field: field, Text: "cannot be read: " + err.Error()}
	}
}

// scheduleShown is a schedule as the API shows it.
func (h *handlers) scheduleShown(c *routing.Copy, s *roster.Schedule) Schedule {
	now := h.now()
	answer := oncall.AnswerOf(c, s, now)
	out := Schedule{
		ID: string(s.ID), Account: string(s.Account), Name: s.Name, Position: s.Position, Zone: s.Zone, CatchAll: string(s.CatchAll),
		CatchAllName: oncall.NameOf(c, s.Account, s.CatchAll), Layers: []Layer{}, Overrides: []Override{},
		Sentence: OnCallSentence{En: answer.Sentence("en"), Hu: answer.Sentence("hu")}, Etag: oncall.Tag(s),
	}
	if raw, err := json.Marshal(s.Layers); err == nil && len(s.Layers) > 0 {
		_ = json.Unmarshal(raw, &out.Layers) // one shape in JSON
	}
	for _, o := range s.Overrides {
		if o.To.After(now) {
			out.Overrides = append(out.Overrides, overrideShown(oncall.StandingOf(c, s, o)))
		}
	}
	return out
}

func tagged(tag string) *string {
	tag = `"` + tag + `"`
	return &tag
}

// checkedAt is when a copy was last known to be what the database says.
func (h *handlers) checkedAt(c *routing.Copy) time.Time {
	at := c.CompiledAt
	if book, ok := h.Book.(interface{ CheckedAt() time.Time }); ok {
		if checked := book.CheckedAt(); checked.After(at) {
			return checked
		}
	}
	return at
}
