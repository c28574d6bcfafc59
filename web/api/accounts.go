package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"holdfast/services/accounts"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/phone"
	"holdfast/tenants/routing"
)

// ListAccounts lists the businesses that the tenant answers for, from the routing copy.
func (h *handlers) ListAccounts(ctx context.Context, _ ListAccountsRequestObject) (ListAccountsResponseObject, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	numbers, published := map[tenants.AccountID][]string{}, map[tenants.AccountID][]string{}
	for _, n := range c.Numbers {
		if n.Published {
			published[n.Account] = append(published[n.Account], n.E164)
		} else {
			numbers[n.Account] = append(numbers[n.Account], n.E164)
		}
	}
	out := make([]Account, 0, len(c.Accounts))
	for _, a := range c.Accounts {
		if !h.answers(traceOf(ctx).actor, a.ID) {
			continue
		}
		out = append(out, accountOf(accounts.Account{Account: a, Numbers: numbers[a.ID], Published: published[a.ID]}))
	}
	return ListAccounts200JSONResponse{Items: out}, nil
}

// GetAccount finds one, in the routing copy.
func (h *handlers) GetAccount(ctx context.Context, r GetAccountRequestObject) (GetAccountResponseObject, error) {
	a, err := h.account(traceOf(ctx).actor.Tenant, r.ID)
	if err != nil {
		return nil, err
	}
	tag := etag(a.Revision)
	return GetAccount200JSONResponse{Body: h.detailOf(traceOf(ctx).actor.Tenant, a), Headers: GetAccount200ResponseHeaders{ETag: &tag}}, nil
}

// account is one account with its numbers, by the routing copy.
func (h *handlers) account(tenant tenants.TenantID, id string) (accounts.Account, error) {
	c := h.copyOf(tenant)
	found := c.Account(tenants.AccountID(id))
	if found == nil {
		return accounts.Account{}, notFound()
	}
	a := accounts.Account{Account: *found}
	for _, n := range c.Numbers {
		switch {
		case n.Account != a.ID:
		case n.Published:
			a.Published = append(a.Published, n.E164)
		default:
			a.Numbers = append(a.Numbers, n.E164)
		}
	}
	return a, nil
}

func accountOf(a accounts.Account) Account {
	out := Account{
		ID: string(a.ID), Name: a.Name, Initials: a.Initials, Colour: a.Colour, Shape: a.Shape, Languages: list(a.Languages),
		Zone: a.Zone, Country: a.Country, Medical: a.Medical, Phrases: a.Phrases, Numbers: list(a.Numbers), Published: list(a.Published),
		RingSeconds: a.RingFor.Seconds(), OfferSeconds: a.OfferFor.Seconds(), LongestWaitSeconds: a.LongestWait.Seconds(),
		WrapUpSeconds: a.WrapUp.Seconds(), AnnouncePosition: a.AnnouncePosition, Priority: a.Priority,
	}
	if out.Phrases == nil {
		out.Phrases = map[string]string{}
	}
	return out
}

func (h *handlers) detailOf(tenant tenants.TenantID, a accounts.Account) AccountDetail {
	s := accountOf(a)
	out := AccountDetail{
		ID: s.ID, Name: s.Name, Initials: s.Initials, Colour: s.Colour, Shape: s.Shape, Languages: s.Languages, Zone: s.Zone, Country: s.Country,
		Medical: s.Medical, Phrases: s.Phrases, Numbers: s.Numbers, Published: s.Published, RingSeconds: s.RingSeconds, OfferSeconds: s.OfferSeconds,
		LongestWaitSeconds: s.LongestWaitSeconds, WrapUpSeconds: s.WrapUpSeconds, AnnouncePosition: s.AnnouncePosition, Priority: s.Priority,
		Instructions: a.Instructions, Hours: hoursOf(a.Hours), GreetingTexts: a.GreetingTexts, GreetingAudio: []string{}, GreetingInFull: a.GreetingInFull,
		CallerID: a.CallerID, Notify: list(a.Notify), MailAudio: a.MailAudio, Unsure: []string{},
	}
	if out.GreetingTexts == nil {
		out.GreetingTexts = map[string]string{}
	}
	for language := range a.Greetings {
		out.GreetingAudio = append(out.GreetingAudio, language)
	}
	slices.Sort(out.GreetingAudio)
	for _, n := range a.Published {
		if whose, found, ok := h.Book.Lookup(n); !ok || whose != tenant || found.Account != a.ID {
			out.Unsure = append(out.Unsure, n)
		}
	}
	return out
}

func hoursOf(all []people.Hours) []OpeningHours {
	out := make([]OpeningHours, 0, len(all))
	for _, h := range all {
		days := []OpeningHoursDays{}
		if text, _ := h.Days.MarshalText(); len(text) > 0 { // it has no error
			for d := range strings.SplitSeq(string(text), ",") {
				days = append(days, OpeningHoursDays(d))
			}
		}
		out = append(out, OpeningHours{Days: days, From: h.From.String(), To: h.To.String()})
	}
	return out
}

// hoursFrom reads opening hours; a time that is none is a problem with its field.
func hoursFrom(in []OpeningHours) ([]people.Hours, error) {
	out := make([]people.Hours, 0, len(in))
	var found []error
	for i, o := range in {
		var h people.Hours
		names := make([]string, 0, len(o.Days))
		for _, d := range o.Days {
			names = append(names, string(d))
		}
		err := h.Days.UnmarshalText([]byte(strings.Join(names, ",")))
		if err == nil {
			h.From, err = people.ParseClock(o.From)
		}
		if err == nil {
			h.To, err = people.ParseClock(o.To)
		}
		if err != nil {
			found = append(found, &accounts.Problem{Field: fmt.Sprintf("hours[%d]", i), Code: "not_hours", Text: "are no times of day such as 08:00 to 17:00"})
		}
		out = append(out, h)
	}
	return out, errors.Join(found...)
}

// seconds reads a length of time to the millisecond. What is far out of range is left for Check to refuse.
func seconds(s *float64) *time.Duration {
	if s == nil {
		return nil
	}
	const far = 1e6
	d := time.Duration(min(max(*s, -far), far)*1000) * time.Millisecond
	return &d
}

func changeFrom(b AccountChange) (accounts.Change, error) {
	c := accounts.Change{
		Name: b.Name, Initials: b.Initials, Colour: b.Colour, Shape: b.Shape, Zone: b.Zone, Country: b.Country, Languages: b.Languages,
		Medical: b.Medical, Priority: b.Priority, Phrases: b.Phrases, GreetingTexts: b.GreetingTexts, Instructions: b.Instructions,
		RingFor: seconds(b.RingSeconds), OfferFor: seconds(b.OfferSeconds), LongestWait: seconds(b.LongestWaitSeconds), WrapUp: seconds(b.WrapUpSeconds),
		AnnouncePosition: b.AnnouncePosition, GreetingInFull: b.GreetingInFull, Published: b.Published, CallerID: b.CallerID,
		Notify: b.Notify, MailAudio: b.MailAudio,
	}
	if b.Hours != nil {
		hours, err := hoursFrom(*b.Hours)
		if err != nil {
			return c, err
		}
		c.Hours = &hours
	}
	return c, nil
}

// PostAccount answers for one more business.
func (h *handlers) PostAccount(ctx context.Context, r PostAccountRequestObject) (PostAccountResponseObject, error) {
	c, err := changeFrom(*r.Body)
	if err != nil {
		return nil, err
	}
	if h.Accounts == nil {
		return nil, ErrAway
	}
	a, err := h.Accounts.Create(ctx, traceOf(ctx).actor, c)
	if err != nil {
		return nil, h.refused(ctx, err)
	}
	tag := etag(a.Revision)
	return PostAccount201JSONResponse{Body: h.detailOf(traceOf(ctx).actor.Tenant, a), Headers: PostAccount201ResponseHeaders{ETag: &tag}}, nil
}

// PatchAccount changes one.
func (h *handlers) PatchAccount(ctx context.Context, r PatchAccountRequestObject) (PatchAccountResponseObject, error) {
	revision, err := h.editing(ctx, r.ID, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	c, err := changeFrom(*r.Body)
	if err != nil {
		return nil, err
	}
	a, err := h.Accounts.Change(ctx, traceOf(ctx).actor, tenants.AccountID(r.ID), revision, c)
	if err != nil {
		return nil, h.refused(ctx, err)
	}
	tag := etag(a.Revision)
	return PatchAccount200JSONResponse{Body: h.detailOf(traceOf(ctx).actor.Tenant, a), Headers: PatchAccount200ResponseHeaders{ETag: &tag}}, nil
}

// editing says which revision an edit means. What does not exist is not found, whatever else is wrong with the request.
func (h *handlers) editing(ctx context.Context, id string, ifMatch *string) (int64, error) {
	if _, err := h.account(traceOf(ctx).actor.Tenant, id); err != nil {
		return 0, err
	}
	if h.Accounts == nil {
		return 0, ErrAway
	}
	return seen(ifMatch)
}

// DeleteAccount archives one.
func (h *handlers) DeleteAccount(ctx context.Context, r DeleteAccountRequestObject) (DeleteAccountResponseObject, error) {
	revision, err := h.editing(ctx, r.ID, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.Accounts.Archive(ctx, traceOf(ctx).actor, tenants.AccountID(r.ID), revision); err != nil {
		return nil, h.refused(ctx, err)
	}
	return DeleteAccount204Response{}, nil
}

// ListArchived lists the accounts that are answered for no more.
func (h *handlers) ListArchived(ctx context.Context, _ ListArchivedRequestObject) (ListArchivedResponseObject, error) {
	if h.Accounts == nil {
		return nil, ErrAway
	}
	found, err := h.Accounts.Archived(ctx, traceOf(ctx).actor)
	if err != nil {
		return nil, err
	}
	out := ListArchived200JSONResponse{Items: make([]ArchivedAccount, len(found))}
	for i, a := range found {
		out.Items[i] = ArchivedAccount{ID: string(a.ID), Name: a.Name, At: a.At.UTC(), By: a.By, Numbers: list(a.Numbers)}
	}
	return out, nil
}

// RestoreAccount answers for one again.
func (h *handlers) RestoreAccount(ctx context.Context, r RestoreAccountRequestObject) (RestoreAccountResponseObject, error) {
	if h.Accounts == nil {
		return nil, ErrAway
	}
	actor := traceOf(ctx).actor
	a, err := h.Accounts.Restore(ctx, actor, tenants.AccountID(r.ID))
	if err != nil {
		return nil, h.refused(ctx, err)
	}
	tag := etag(a.Revision)
	return RestoreAccount200JSONResponse{Body: h.detailOf(actor.Tenant, a), Headers: RestoreAccount200ResponseHeaders{ETag: &tag}}, nil
}

// refused gives the errors of accounts their answers.
func (h *handlers) refused(ctx context.Context, err error) error {
	var stale *accounts.Stale
	var settings *accounts.StaleSettings
	var claimed *accounts.Claimed
	switch {
	case errors.As(err, &stale):
		now := stale.Current
		return changed(h.detailOf(traceOf(ctx).actor.Tenant, now), now.Revision, now.ChangedBy, now.ChangedAt, err)
	case errors.As(err, &settings):
		now := settings.Current
		return changed(settingsOf(now), now.Revision, now.ChangedBy, now.ChangedAt, err)
	case errors.As(err, &claimed):
		return claimedBy(claimed)
	case errors.Is(err, accounts.ErrBusy):
		return &fault{
			status: http.StatusConflict, code: "conflict", title: "One of its callers is on the line.",
			detail: "Try again when the call is over. The board shows it.", cause: err,
		}
	}
	return Translate(err)
}

func claimedBy(c *accounts.Claimed) *fault {
	number := phone.Number(c.Number).Pretty()
	whose, field := c.AccountName, "published"
	switch {
	case c.Tenant != "":
		field = "e164"
		if whose == "" {
			whose = string(c.Tenant)
		} else {
			whose += " (" + string(c.Tenant) + ")"
		}
	case whose == "":
		whose = "all accounts together"
	}
	return &fault{
		status: http.StatusConflict, code: "claimed", title: number + " already leads to " + whose + ".",
		detail: "A number leads to one account. Take it away there first.", cause: c,
		errors: []FieldError{{Field: field, Code: "claimed", Text: number + " already leads to " + whose, About: &whose}},
	}
}

// GetGreeting plays what callers hear first.
func (h *handlers) GetGreeting(ctx context.Context, r GetGreetingRequestObject) (GetGreetingResponseObject, error) {
	tenant := traceOf(ctx).actor.Tenant
	a, err := h.account(tenant, r.ID)
	if err != nil {
		return nil, err
	}
	name := a.Greetings[r.Language]
	if name == "" {
		return nil, notFound()
	}
	if h.Greetings == nil {
		return nil, ErrAway
	}
	wav, err := h.Greetings.Open(ctx, tenant, name, r.Language)
	if err != nil {
		return nil, Translate(err)
	}
	return GetGreeting200AudioWavResponse{Body: bytes.NewReader(wav), ContentLength: int64(len(wav))}, nil
}

// PutGreeting takes a recording in.
func (h *handlers) PutGreeting(ctx context.Context, r PutGreetingRequestObject) (PutGreetingResponseObject, error) {
	a, err := h.record(ctx, r.ID, r.Language, r.Params.IfMatch, r.Body)
	if err != nil {
		return nil, err
	}
	tag := etag(a.Revision)
	return PutGreeting200JSONResponse{Body: h.detailOf(traceOf(ctx).actor.Tenant, a), Headers: PutGreeting200ResponseHeaders{ETag: &tag}}, nil
}

// DeleteGreeting goes back to the general one.
func (h *handlers) DeleteGreeting(ctx context.Context, r DeleteGreetingRequestObject) (DeleteGreetingResponseObject, error) {
	a, err := h.record(ctx, r.ID, r.Language, r.Params.IfMatch, nil)
	if err != nil {
		return nil, err
	}
	tag := etag(a.Revision)
	return DeleteGreeting200JSONResponse{Body: h.detailOf(traceOf(ctx).actor.Tenant, a), Headers: DeleteGreeting200ResponseHeaders{ETag: &tag}}, nil
}

func (h *handlers) record(ctx context.Context, id, language string, ifMatch *string, wav io.Reader) (accounts.Account, error) {
	revision, err := h.editing(ctx, id, ifMatch)
	if err != nil {
		return accounts.Account{}, err
	}
	var clip []byte
	if wav != nil {
		if h.Greetings == nil {
			return accounts.Account{}, ErrAway
		}
		if clip, err = h.Greetings.Read(wav); err != nil {
			return accounts.Account{}, err
		}
	}
	a, err := h.Accounts.Record(ctx, traceOf(ctx).actor, tenants.AccountID(id), language, revision, clip)
	if err != nil {
		return a, h.refused(ctx, err)
	}
	return a, nil
}

var _ Book = (*routing.Book)(nil)
