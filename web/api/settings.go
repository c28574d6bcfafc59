package api

import (
	"context"
	"time"

	"holdfast/services/accounts"
	"holdfast/tenants"
)

// GetTenant shows what holds for all accounts, from the routing copy.
func (h *handlers) GetTenant(ctx context.Context, _ GetTenantRequestObject) (GetTenantResponseObject, error) {
	c := h.Book.Copy(traceOf(ctx).actor.Tenant)
	if c == nil {
		return nil, notFound()
	}
	tag := etag(c.Revision)
	return GetTenant200JSONResponse{Body: settingsOf(accounts.SettingsOf(c)), Headers: GetTenant200ResponseHeaders{ETag: &tag}}, nil
}

func settingsOf(s accounts.Settings) TenantSettings {
	return TenantSettings{
		ID: string(s.Tenant), Name: s.Name, Zone: s.Zone, Country: s.Country, Language: s.Language, Notify: list(s.Notify),
		OutboundCountries: list(s.Outbound.Countries), OutboundMinutes: int(s.Outbound.PerDay / time.Minute), OutboundAtOnce: s.Outbound.AtOnce,
	}
}

// PatchTenant changes it.
func (h *handlers) PatchTenant(ctx context.Context, r PatchTenantRequestObject) (PatchTenantResponseObject, error) {
	revision, err := seen(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if h.Accounts == nil {
		return nil, ErrAway
	}
	b := r.Body
	s, err := h.Accounts.ChangeSettings(ctx, traceOf(ctx).actor, revision, accounts.SettingsChange{
		Name: b.Name, Zone: b.Zone, Country: b.Country, Language: b.Language, Notify: b.Notify,
		Countries: b.OutboundCountries, Minutes: b.OutboundMinutes, AtOnce: b.OutboundAtOnce,
	})
	if err != nil {
		return nil, h.refused(ctx, err)
	}
	tag := etag(s.Revision)
	return PatchTenant200JSONResponse{Body: settingsOf(s), Headers: PatchTenant200ResponseHeaders{ETag: &tag}}, nil
}

// ListNumbers lists the emergency numbers of all tenants.
func (h *handlers) ListNumbers(ctx context.Context, _ ListNumbersRequestObject) (ListNumbersResponseObject, error) {
	if h.Accounts == nil {
		return nil, ErrAway
	}
	found, err := h.Accounts.Numbers(ctx)
	if err != nil {
		return nil, Translate(err)
	}
	out := ListNumbers200JSONResponse{Items: make([]Number, 0, len(found))}
	for _, n := range found {
		out.Items = append(out.Items, numberOf(n))
	}
	return out, nil
}

func numberOf(n accounts.Number) Number {
	return Number{E164: n.E164, Tenant: string(n.Tenant), Account: string(n.Account), AccountName: n.AccountName, Shared: n.Account == ""}
}

// PostNumber leads an emergency number to an account.
func (h *handlers) PostNumber(ctx context.Context, r PostNumberRequestObject) (PostNumberResponseObject, error) {
	if h.Accounts == nil {
		return nil, ErrAway
	}
	n, err := h.Accounts.PutNumber(ctx, traceOf(ctx).actor, accounts.Number{
		E164: r.Body.E164, Tenant: tenants.TenantID(r.Body.Tenant), Account: tenants.AccountID(value(r.Body.Account)),
	})
	if err != nil {
		return nil, h.refused(ctx, err)
	}
	return PostNumber201JSONResponse(numberOf(n)), nil
}

// DeleteNumber leads one nowhere.
func (h *handlers) DeleteNumber(ctx context.Context, r DeleteNumberRequestObject) (DeleteNumberResponseObject, error) {
	if h.Accounts == nil {
		return nil, ErrAway
	}
	if err := h.Accounts.DeleteNumber(ctx, traceOf(ctx).actor, r.E164); err != nil {
		return nil, h.refused(ctx, err)
	}
	return DeleteNumber204Response{}, nil
}
