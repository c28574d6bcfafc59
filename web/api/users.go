package api

import (
	"context"
	"errors"
	"net/http"

	"holdfast/services/identity"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// ListUsers lists everybody who works for the tenant.
func (h *handlers) ListUsers(ctx context.Context, _ ListUsersRequestObject) (ListUsersResponseObject, error) {
	if h.Staff == nil {
		return nil, ErrAway
	}
	all, err := h.Staff.List(ctx, traceOf(ctx).actor)
	if err != nil {
		return nil, err
	}
	out := ListUsers200JSONResponse{Items: make([]User, len(all))}
	for i, m := range all {
		out.Items[i] = userOf(m)
	}
	return out, nil
}

// GetUser reads one, with the tag.
func (h *handlers) GetUser(ctx context.Context, r GetUserRequestObject) (GetUserResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	m, err := h.Staff.Get(ctx, traceOf(ctx).actor, id)
	if err != nil {
		return nil, err
	}
	return GetUser200JSONResponse{Body: userOf(m), Headers: GetUser200ResponseHeaders{ETag: quoted(m.Tag())}}, nil
}

// PostUser invites somebody.
func (h *handlers) PostUser(ctx context.Context, r PostUserRequestObject) (PostUserResponseObject, error) {
	if h.Staff == nil {
		return nil, ErrAway
	}
	m, err := h.Staff.Invite(ctx, traceOf(ctx).actor, userChange(*r.Body)(identity.Member{}))
	if err != nil {
		return nil, err
	}
	return PostUser201JSONResponse{Body: userOf(m), Headers: PostUser201ResponseHeaders{ETag: quoted(m.Tag())}}, nil
}

// PatchUser changes somebody who is still as they were read.
func (h *handlers) PatchUser(ctx context.Context, r PatchUserRequestObject) (PatchUserResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	tag, err := matched(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	m, err := h.Staff.Change(ctx, traceOf(ctx).actor, id, tag, userChange(*r.Body))
	if err != nil {
		return nil, err
	}
	return PatchUser200JSONResponse{Body: userOf(m), Headers: PatchUser200ResponseHeaders{ETag: quoted(m.Tag())}}, nil
}

// PostInvitation sends a new link.
func (h *handlers) PostInvitation(ctx context.Context, r PostInvitationRequestObject) (PostInvitationResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	m, err := h.Staff.Again(ctx, traceOf(ctx).actor, id)
	if err != nil {
		return nil, err
	}
	return PostInvitation200JSONResponse(userOf(m)), nil
}

// DeleteInvitation makes the link worth nothing.
func (h *handlers) DeleteInvitation(ctx context.Context, r DeleteInvitationRequestObject) (DeleteInvitationResponseObject, error) {
	id, err := h.user(r.ID)
	if err != nil {
		return nil, err
	}
	if err := h.Staff.Withdraw(ctx, traceOf(ctx).actor, id); err != nil {
		return nil, err
	}
	return DeleteInvitation204Response{}, nil
}

// ForgotPassword sends a link to whoever has the e-mail, and says the same to everybody.
func (h *handlers) ForgotPassword(ctx context.Context, r ForgotPasswordRequestObject) (ForgotPasswordResponseObject, error) {
	address := traceOf(ctx).address
	if ok, retry := h.signIns.take(address); !ok {
		return nil, tooMany(retry)
	}
	if h.Staff == nil {
		return nil, ErrAway
	}
	if err := h.Staff.Forgot(ctx, r.Body.Email, address, value(r.Body.Language)); err != nil {
		return nil, judge(err)
	}
	return ForgotPassword202Response{}, nil
}

// EnterByLink lets somebody in by a link and keeps the password that they chose.
func (h *handlers) EnterByLink(ctx context.Context, r EnterByLinkRequestObject) (EnterByLinkResponseObject, error) {
	if ok, retry := h.signIns.take(traceOf(ctx).address); !ok {
		return nil, tooMany(retry)
	}
	if h.Staff == nil {
		return nil, ErrAway
	}
	t, err := h.Staff.Enter(ctx, r.Body.Token, r.Body.Password)
	if errors.Is(err, identity.ErrRefused) {
		return nil, &fault{
			status: http.StatusGone, code: "link_gone", title: "This link is not good any more.",
			detail: "It was used, replaced or withdrawn, or it is too old. Ask for a new one.", cause: err,
		}
	}
	if err != nil {
		return nil, judge(err)
	}
	return EnterByLink201JSONResponse(sessionOf(t)), nil
}

// user reads the address of a user; one of another form names nobody.
func (h *handlers) user(raw string) (tenants.OperatorID, error) {
	if h.Staff == nil {
		return "", ErrAway
	}
	id, err := tenants.ParseUUID(raw)
	if err != nil {
		return "", notFound()
	}
	return tenants.OperatorID(id), nil
}

func userOf(m identity.Member) User {
	out := User{
		ID: string(m.ID), Name: m.Name, Email: m.Email, Role: Role(m.Role), Languages: map[string]int{}, Rights: []string{},
		Disabled: m.Disabled, Invited: m.Invited, InvitedUntil: moment(m.Until),
	}
	for code, grade := range m.Languages {
		out.Languages[code] = int(grade)
	}
	if m.Accounts != nil {
		accounts := make([]string, len(m.Accounts))
		for i, a := range m.Accounts {
			accounts[i] = string(a)
		}
		out.Accounts = &accounts
	}
	for _, r := range m.Rights {
		out.Rights = append(out.Rights, string(r))
	}
	return out
}

// userChange is what a form changes of a user.
func userChange(c UserChange) func(identity.Member) identity.Member {
	return func(m identity.Member) identity.Member {
		if c.Name != nil {
			m.Name = *c.Name
		}
		if c.Email != nil {
			m.Email = *c.Email
		}
		if c.Role != nil {
			m.Role = tenants.Role(*c.Role)
		}
		if c.Disabled != nil {
			m.Disabled = *c.Disabled
		}
		if c.Languages != nil {
			m.Languages = make(map[string]routing.Grade, len(*c.Languages))
			for code, grade := range *c.Languages {
				m.Languages[code] = routing.Grade(grade)
			}
		}
		if c.Accounts != nil {
			m.Accounts = []tenants.AccountID{}
			for _, a := range *c.Accounts {
				m.Accounts = append(m.Accounts, tenants.AccountID(a))
			}
		}
		if value(c.AllAccounts) {
			m.Accounts = nil
		}
		if c.Rights != nil {
			m.Rights = nil
			for _, r := range *c.Rights {
				m.Rights = append(m.Rights, tenants.Right(r))
			}
		}
		return m
	}
}

// staffFault answers the refusals of whoever keeps users; nil: it is none of them.
func staffFault(err error) *fault {
	var old *identity.ChangedError
	conflict := func(code, title, detail string) *fault {
		return &fault{status: http.StatusConflict, code: code, title: title, detail: detail, cause: err}
	}
	switch {
	case errors.Is(err, identity.ErrNoMember):
		return notFound()
	case errors.Is(err, identity.ErrAway):
		return away(err)
	case errors.As(err, &old):
		f := changed(userOf(old.Now), 0, old.Last.By, old.Last.At, err)
		f.now.tag = quoted(old.Now.Tag())
		return f
	case errors.Is(err, identity.ErrTaken):
		return conflict("taken", "Somebody signs in with this e-mail already.", "An e-mail belongs to one person of one service. Use another one.")
	case errors.Is(err, identity.ErrLastAdmin):
		return conflict("last_admin", "Nobody would be left to administer.", "Make somebody else an administrator first, and see that they can sign in.")
	case errors.Is(err, identity.ErrJoined):
		return conflict("conflict", "This user has a password already.", "An invitation is for somebody who has none. Who has forgotten a password asks for a link at the sign-in.")
	case errors.Is(err, identity.ErrDisabled):
		return conflict("conflict", "This user is disabled.", "Enable the user first.")
	}
	return nil
}
