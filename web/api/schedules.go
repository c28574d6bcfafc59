package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/services/interim"
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

// Interim sets overrides and notes, also while PostgreSQL is away: *interim.Board, with its errors.
type Interim interface {
	SetOverride(ctx context.Context, actor tenants.Actor, w interim.OverrideWish) (interim.Item, error)
	SetNote(ctx context.Context, actor tenants.Actor, w interim.NoteWish) (interim.Item, error)
	End(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id string) (interim.Item, error)
	May(actor tenants.Actor, account tenants.AccountID) bool
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

func overrideShown(o oncall.Standing) Override {
	return Override{
		ID: o.ID, Schedule: string(o.Schedule), ScheduleName: o.ScheduleName, From: o.From, To: o.To, Replaces: string(o.Replaces),
		Replaced: o.Replaced, ReplacedName: o.ReplacedName, Person: string(o.Person), PersonName: o.PersonName, Note: o.Note,
		By: o.By, At: moment(o.At),
	}
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

// ListFeeds lists the calendar programs that may read a schedule.
func (h *handlers) ListFeeds(ctx context.Context, r ListFeedsRequestObject) (ListFeedsResponseObject, error) {
	_, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	if h.Schedules == nil {
		return nil, ErrAway
	}
	all, err := h.Schedules.ListFeeds(ctx, traceOf(ctx).actor.Tenant, s.Account, s.ID)
	if err != nil {
		return nil, err
	}
	out := ListFeeds200JSONResponse{Items: make([]Feed, len(all))}
	for i, f := range all {
		out.Items[i] = Feed{ID: f.ID, Name: f.Name, By: f.By, At: f.At}
	}
	return out, nil
}

// PostFeed makes an address with a token in it. The token names the tenant, so that the calendar is found without a sign-in.
func (h *handlers) PostFeed(ctx context.Context, r PostFeedRequestObject) (PostFeedResponseObject, error) {
	_, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	if h.Schedules == nil {
		return nil, ErrAway
	}
	actor := traceOf(ctx).actor
	var secret [24]byte
	_, _ = rand.Read(secret[:]) // it never fails
	token := string(actor.Tenant) + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	f := oncall.Feed{ID: tenants.NewID(), Name: strings.TrimSpace(r.Body.Name), By: cmp.Or(actor.Name, actor.Email), At: h.now().UTC()}
	if err := people.OneLine("name", f.Name); err != nil {
		return nil, err
	}
	if err := h.Schedules.AddFeed(ctx, actor, s.Account, s.ID, f, hashOf(token)); err != nil {
		return nil, err
	}
	return PostFeed201JSONResponse{
		ID: f.ID, Name: f.Name, By: f.By, At: f.At,
		URL: h.publicURL + base + "/accounts/" + r.ID + "/schedules/" + r.Schedule + "/calendar.ics?token=" + token,
	}, nil
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// DeleteFeed revokes an address.
func (h *handlers) DeleteFeed(ctx context.Context, r DeleteFeedRequestObject) (DeleteFeedResponseObject, error) {
	_, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	if h.Schedules == nil {
		return nil, ErrAway
	}
	return DeleteFeed204Response{}, h.Schedules.RemoveFeed(ctx, traceOf(ctx).actor, s.Account, s.ID, r.Feed)
}

// GetCalendar is for calendar programs, which can send no bearer token: whoever has the address may read this one schedule.
func (h *handlers) GetCalendar(ctx context.Context, r GetCalendarRequestObject) (GetCalendarResponseObject, error) {
	if ok, retry := h.others.take(traceOf(ctx).address); !ok {
		return nil, tooMany(retry)
	}
	tenant, _, _ := strings.Cut(r.Params.Token, ".")
	c := h.copyOf(tenants.TenantID(tenant))
	s, hash := find(c, r.ID, r.Schedule), []byte(hashOf(r.Params.Token))
	if s == nil || !slices.ContainsFunc(c.Feeds, func(f routing.Feed) bool {
		return f.Schedule == s.ID && f.Account == s.Account && subtle.ConstantTimeCompare([]byte(f.Hash), hash) == 1
	}) {
		return nil, notFound()
	}
	text := oncall.Calendar(c, s, h.now())
	tag, cache := tagged(hashOf(string(text))[:24]), "private, no-cache"
	if strings.Contains(value(r.Params.IfNoneMatch), *tag) {
		return GetCalendar304Response{Headers: GetCalendar304ResponseHeaders{ETag: tag, CacheControl: &cache}}, nil
	}
	return GetCalendar200TextCalendarResponse{
		Body: bytes.NewReader(text), ContentLength: int64(len(text)), Headers: GetCalendar200ResponseHeaders{ETag: tag, CacheControl: &cache},
	}, nil
}
