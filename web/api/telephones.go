package api

import (
	"context"
	"errors"
	"net/http"

	"holdfast/services/telephone"
)

// ListTelephones lists the tenant's telephones.
func (h *handlers) ListTelephones(ctx context.Context, _ ListTelephonesRequestObject) (ListTelephonesResponseObject, error) {
	if h.Telephones == nil {
		return nil, ErrAway
	}
	all, err := h.Telephones.List(ctx, traceOf(ctx).actor)
	if err != nil {
		return nil, err
	}
	out := ListTelephones200JSONResponse{Items: make([]Telephone, len(all)), Ways: []TelephoneWay{}}
	for _, w := range h.Telephones.Ways() {
		out.Ways = append(out.Ways, TelephoneWay{By: TelephoneWayBy(w.By), Address: w.Address})
	}
	for i, t := range all {
		out.Items[i] = telephoneOf(t)
	}
	return out, nil
}

// GetTelephone reads a user's.
func (h *handlers) GetTelephone(ctx context.Context, r GetTelephoneRequestObject) (GetTelephoneResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	if h.Telephones == nil {
		return nil, ErrAway
	}
	t, err := h.Telephones.Get(ctx, traceOf(ctx).actor, id)
	if err != nil {
		return nil, err
	}
	return GetTelephone200JSONResponse{Body: telephoneOf(t), Headers: GetTelephone200ResponseHeaders{ETag: etag(t.Revision)}}, nil
}

// PutTelephone gives a user one; the one that is there has to be named.
func (h *handlers) PutTelephone(ctx context.Context, r PutTelephoneRequestObject) (PutTelephoneResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	if h.Telephones == nil {
		return nil, ErrAway
	}
	actor := traceOf(ctx).actor
	m, err := h.Staff.Get(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	t := telephone.Telephone{Operator: id, Email: m.Email, User: value(r.Body.User), MD5: value(r.Body.Md5)}
	if r.Params.IfMatch != nil {
		if t.Revision, err = seen(r.Params.IfMatch); err != nil {
			return nil, err
		}
	}
	if t, err = h.Telephones.Put(ctx, actor, t, r.Body.Password); err != nil {
		return nil, err
	}
	return PutTelephone200JSONResponse{Body: telephoneOf(t), Headers: PutTelephone200ResponseHeaders{ETag: etag(t.Revision)}}, nil
}

// DeleteTelephone takes a user's away.
func (h *handlers) DeleteTelephone(ctx context.Context, r DeleteTelephoneRequestObject) (DeleteTelephoneResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	if h.Telephones == nil {
		return nil, ErrAway
	}
	revision, err := seen(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.Telephones.Remove(ctx, traceOf(ctx).actor, id, revision); err != nil {
		return nil, err
	}
	return DeleteTelephone204Response{}, nil
}

func telephoneOf(t telephone.Telephone) Telephone {
	out := Telephone{
		UserID: string(t.Operator), UserName: t.Name, Email: t.Email, User: t.User, Md5: t.MD5, RegisteredUntil: moment(t.Where.Until),
		SignIn: t.SignIn,
	}
	if from := t.Where.From; from.IsValid() {
		at := from.String()
		out.RegisteredFrom, out.RegisteredBy = &at, &t.Where.By
	}
	return out
}

// telephoneFault answers the refusals of whoever keeps telephones; nil: it is none of them.
func telephoneFault(err error) *fault {
	var old *telephone.ChangedError
	switch {
	case errors.Is(err, telephone.ErrNotFound):
		return notFound()
	case errors.Is(err, telephone.ErrNeeded):
		_, missing := seen(nil)
		return faultOf(missing)
	case errors.As(err, &old):
		return changed(telephoneOf(old.Now), old.Now.Revision, old.Now.Last.By, old.Now.Last.At, err)
	case errors.Is(err, telephone.ErrTaken):
		return &fault{
			status: http.StatusConflict, code: "taken", title: "Another telephone has this name.",
			detail: "Choose another name, or leave it out.", cause: err,
		}
	}
	return nil
}
