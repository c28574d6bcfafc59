package api

import (
	"context"
	"errors"
	"fmt"

	"holdfast/services/activation"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// GetActivation says whether operators answer, and how far the last activation has come.
func (h *handlers) GetActivation(ctx context.Context, _ GetActivationRequestObject) (GetActivationResponseObject, error) {
	if h.Activator == nil {
		return nil, ErrAway
	}
	return GetActivation200JSONResponse(activationOf(h.Activator.View(traceOf(ctx).actor.Tenant))), nil
}

// PostActivation goes live or back to standby.
func (h *handlers) PostActivation(ctx context.Context, r PostActivationRequestObject) (PostActivationResponseObject, error) {
	if h.Activator == nil {
		return nil, ErrAway
	}
	v, err := h.Activator.Activate(ctx, traceOf(ctx).actor, routing.State(r.Body.State), r.Body.Cause)
	if err != nil {
		return nil, activating(err)
	}
	return PostActivation200JSONResponse(activationOf(v)), nil
}

// activating gives the service's errors the API's names.
func activating(err error) error {
	switch {
	case errors.Is(err, activation.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, activation.ErrNotKept):
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	default:
		return err
	}
}

func activationOf(v activation.View) Activation {
	s := v.State
	out := Activation{
		State: ActivationState(s.Standing().State), Since: s.Since, Cause: s.Cause, By: s.ByName,
		Clocks: ActivationClocks{
			Declared: moment(s.Clocks.Declared), Switched: moment(s.Clocks.Switched), Paged: moment(s.Clocks.Paged),
			Ready: moment(s.Clocks.Ready), Called: moment(s.Clocks.Called), Answered: moment(s.Clocks.Answered),
		},
		Pages: make([]OperatorPage, 0, len(v.Pages)),
		Paged: v.Paged, Opened: v.Opened, Ready: v.Ready, Numbers: v.Numbers, Proven: v.Proven,
	}
	for _, p := range v.Pages {
		out.Pages = append(out.Pages, OperatorPage{
			Operator: string(p.Operator), Name: p.Name, At: moment(p.At), OpenedAt: moment(p.OpenedAt), ReadyAt: moment(p.ReadyAt), Why: p.Why,
		})
	}
	return out
}

// GetForwarding is the sheet of what is to be dialled.
func (h *handlers) GetForwarding(ctx context.Context, _ GetForwardingRequestObject) (GetForwardingResponseObject, error) {
	if h.Activator == nil {
		return nil, ErrAway
	}
	return GetForwarding200JSONResponse(h.sheet(traceOf(ctx).actor.Tenant)), nil
}

// PostForwarding notes what somebody did about one number.
func (h *handlers) PostForwarding(ctx context.Context, r PostForwardingRequestObject) (PostForwardingResponseObject, error) {
	if h.Activator == nil {
		return nil, ErrAway
	}
	actor := traceOf(ctx).actor
	if err := h.Activator.Mark(ctx, actor, r.Body.Number, activation.Mark(r.Body.State), value(r.Body.Why)); err != nil {
		return nil, activating(err)
	}
	return PostForwarding200JSONResponse(h.sheet(actor.Tenant)), nil
}

func (h *handlers) sheet(t tenants.TenantID) ForwardingSheet {
	s := h.Activator.Sheet(t)
	out := ForwardingSheet{Items: make([]ForwardingRow, 0, len(s.Rows)), Proven: s.Done, Dialled: s.Dialed, LeftSeconds: int(s.Left.Seconds())}
	for _, r := range s.Rows {
		row := ForwardingRow{
			Number: r.Number, Published: r.Published, Account: string(r.Account), AccountName: r.AccountName, Priority: r.Priority,
			Medical: r.Medical, ForwardTo: r.ForwardTo, Codes: make([]ForwardingCode, 0, len(r.Codes)),
			State: ForwardingState(r.Progress.Mark), At: moment(r.Progress.At), By: r.Progress.ByName, Why: r.Progress.Why,
			CallID: string(r.Progress.Call),
		}
		for _, c := range r.Codes {
			row.Codes = append(row.Codes, ForwardingCode{
				Carrier: c.Carrier, Name: c.Name, Note: c.Note, On: c.On, OnLink: c.OnLink, Off: c.Off, OffLink: c.OffLink,
			})
		}
		out.Items = append(out.Items, row)
	}
	return out
}

// Enter signs in whoever shows a link that was mailed.
func (h *handlers) Enter(ctx context.Context, r EnterRequestObject) (EnterResponseObject, error) {
	if ok, retry := h.signIns.take(traceOf(ctx).address); !ok {
		return nil, tooMany(retry)
	}
	if h.Entrance == nil {
		return nil, ErrAway
	}
	s, err := h.Entrance.Enter(ctx, r.Body.Token)
	if err != nil {
		return nil, err
	}
	return Enter201JSONResponse(s), nil
}
