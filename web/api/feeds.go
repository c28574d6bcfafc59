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
	"slices"
	"strings"

	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

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
