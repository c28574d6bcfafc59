package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

var (
	// ErrNoMember says that the tenant has no such user.
	ErrNoMember = errors.New("no such user")
	// ErrTaken says that somebody signs in with that e-mail already, here or in another tenant.
	ErrTaken = errors.New("the e-mail is taken")
	// ErrLastAdmin says that a tenant would be left without anybody who may administer it.
	ErrLastAdmin = errors.New("nobody would be left to administer")
	// ErrJoined says that a user needs no invitation any more.
	ErrJoined = errors.New("the user has a password already")
	// ErrDisabled says that there is nobody to invite.
	ErrDisabled = errors.New("the user is disabled")
	// ErrChanged says that the user is not as it was read; a ChangedError holds what is there.
	ErrChanged = errors.New("somebody else has changed the user")
)

// ChangedError is an ErrChanged with the user as it is now.
type ChangedError struct {
	Now  Member
	Last tenants.Mark // Members fills it in
}

func (e *ChangedError) Error() string { return ErrChanged.Error() }

// Is makes a ChangedError an ErrChanged.
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// Member is somebody who works for a tenant, as an administrator sees them.
type Member struct {
	ID        tenants.OperatorID
	Name      string
	Email     string
	Role      tenants.Role
	Languages map[string]routing.Grade
	Accounts  []tenants.AccountID // that this operator may answer; nil: all
	Rights    []tenants.Right
	Disabled  bool
	Invited   bool      // has no password yet
	Until     time.Time // of the open invitation; zero: there is none
}

// Tag names one state of a member, the invitation left out: another state has another tag.
func (m Member) Tag() string {
	m.Invited, m.Until = false, time.Time{}
	raw, err := json.Marshal(m)
	if err != nil { // cannot be: plain values
		raw = fmt.Appendf(nil, "%v", m)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// Purpose of a link.
const (
	forInvitation = "invitation"
	forPassword   = "password"
)

const (
	// invitationFor is a weekend and a day; passwordFor the time to find a mail.
	invitationFor = 72 * time.Hour
	passwordFor   = time.Hour
	// ShortestPassword is in characters. No other rule: length is what counts (NIST SP 800-63B section 3.1.1).
	ShortestPassword = 12
	// mostForgotten is how often one e-mail is sent a link in lockFor.
	mostForgotten = 3
	// mailLimit bounds what is done for somebody who has forgotten a password.
	mailLimit = 10 * time.Second
	// mailsAtOnce bounds how many of them.
	mailsAtOnce = 8
)

// Members keeps users. Errors: ErrAway, ErrNoMember, ErrTaken, and what the functions return, which rolls everything back.
type Members interface {
	Members(ctx context.Context, tenant tenants.TenantID) ([]Member, error)
	Member(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID) (Member, error)
	// AddMember keeps a new user, who has no password yet, and the link to one.
	AddMember(ctx context.Context, tenant tenants.TenantID, m Member, l Link) error
	// ChangeMember locks a user and the tenant's administrators, asks what the user becomes, keeps that, and where ends says so
	// ends every sign-in of the user. others is how many other administrators can sign in, by the name of who does it.
	ChangeMember(ctx context.Context, tenant tenants.TenantID, by string, id tenants.OperatorID, at time.Time,
		become func(now Member, others int) (is Member, ends bool, err error)) ([]Revocation, error)
	// PutLink replaces the user's link of its purpose.
	PutLink(ctx context.Context, tenant tenants.TenantID, l Link, judge func(Member) error) (Member, error)
	DropLink(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID, purpose string) error
	// Follow locks a link and asks judge; then hash is the user's password, all links are gone, all sign-ins of before have ended,
	// and s is kept. Unknown links are ErrRefused.
	Follow(ctx context.Context, tenant tenants.TenantID, link string, judge func(Link, Member) error, hash string, s Session) (Member, []Revocation, error)
}

// StaffConfig is what a Staff works with.
type StaffConfig struct {
	Service *Service
	Members Members
	// Send keeps a letter until it is delivered.
	Send func(ctx context.Context, l Letter) error
	// Done is told of every change, for the journal and the routing copies; nil: nobody is.
	Done func(ctx context.Context, actor tenants.Actor, what string, data map[string]any) error
	Log  *slog.Logger
	Now  func() time.Time
}

// Staff is the people of a tenant: who they are, what they may, and how they get in. It is safe for concurrent use.
type Staff struct {
	cfg    StaffConfig
	mails  chan struct{} // a place for each mail to somebody who has forgotten a password
	ending context.Context
	end    context.CancelFunc
	wait   sync.WaitGroup
}

// NewStaff makes a Staff. Stop ends it.
func NewStaff(cfg StaffConfig) *Staff {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Done == nil {
		cfg.Done = func(context.Context, tenants.Actor, string, map[string]any) error { return nil }
	}
	s := &Staff{cfg: cfg, mails: make(chan struct{}, mailsAtOnce)}
	s.ending, s.end = context.WithCancel(context.Background())
	return s
}

// Stop ends what goes on in the background and waits for it.
func (s *Staff) Stop() {
	s.end()
	s.wait.Wait()
}

// List lists a tenant's people by name.
func (s *Staff) List(ctx context.Context, actor tenants.Actor) ([]Member, error) {
	all, err := s.cfg.Members.Members(ctx, actor.Tenant)
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(cmp.Compare(people.Fold(a.Name), people.Fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return all, err
}

// Get reads one.
func (s *Staff) Get(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (Member, error) {
	return s.cfg.Members.Member(ctx, actor.Tenant, id)
}

// Invite keeps a new user and sends the link with which they choose a password. Errors: joined *people.Problem, ErrTaken.
func (s *Staff) Invite(ctx context.Context, actor tenants.Actor, m Member) (Member, error) {
	m = tidyMember(m)
	m.ID, m.Disabled, m.Invited = tenants.OperatorID(tenants.NewID()), false, true
	if err := m.check(actor.Tenant); err != nil {
		return m, err
	}
	link, token := s.link(actor.Tenant, m.ID, forInvitation, invitationFor)
	if err := s.cfg.Members.AddMember(ctx, actor.Tenant, m, link); err != nil {
		return m, err
	}
	m.Until = link.ExpiresAt
	if err := s.cfg.Done(ctx, actor, "user.invite", memberTold(actor, m)); err != nil {
		return m, err
	}
	return m, s.send(ctx, actor, m, link, token)
}

// Again sends a new link to somebody who was invited; the one before opens nothing any more. Errors: ErrNoMember, ErrJoined,
// ErrDisabled.
func (s *Staff) Again(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (Member, error) {
	link, token := s.link(actor.Tenant, id, forInvitation, invitationFor)
	m, err := s.cfg.Members.PutLink(ctx, actor.Tenant, link, func(m Member) error {
		switch {
		case !m.Invited:
			return ErrJoined
		case m.Disabled:
			return ErrDisabled
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	m.Until = link.ExpiresAt
	if err := s.cfg.Done(ctx, actor, "user.invite", memberTold(actor, m)); err != nil {
		return m, err
	}
	return m, s.send(ctx, actor, m, link, token)
}

// Withdraw makes an open invitation worth nothing.
func (s *Staff) Withdraw(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) error {
	if err := s.cfg.Members.DropLink(ctx, actor.Tenant, id, forInvitation); err != nil {
		return err
	}
	return s.cfg.Done(ctx, actor, "user.withdraw", map[string]any{"user": id, "by": actor.User, "by_name": actor.Name})
}

func (s *Staff) send(ctx context.Context, actor tenants.Actor, m Member, l Link, token string) error {
	return s.cfg.Send(ctx, Letter{Tenant: actor.Tenant, Link: l.ID, Member: m, Token: token, By: actor.Name, Until: l.ExpiresAt})
}

// Change makes of a user what edit returns, if it still is what tag names. Whoever is disabled, or gets another role or another
// e-mail, is signed out everywhere. Errors: ErrNoMember, ChangedError, ErrLastAdmin, ErrTaken, joined *people.Problem.
func (s *Staff) Change(ctx context.Context, actor tenants.Actor, id tenants.OperatorID, tag string, edit func(Member) Member) (Member, error) {
	var is Member
	moved := false
	ended, err := s.cfg.Members.ChangeMember(ctx, actor.Tenant, actor.Name, id, s.cfg.Now(), func(now Member, others int) (Member, bool, error) {
		if now.Tag() != tag {
			return now, false, &ChangedError{Now: now}
		}
		is = tidyMember(edit(now))
		is.ID, is.Invited, is.Until = now.ID, now.Invited, now.Until
		top := topRole(actor.Tenant)
		if now.Role == top && !now.Disabled && !now.Invited && (is.Role != top || is.Disabled) && others == 0 {
			return now, false, ErrLastAdmin
		}
		moved = is.Tag() != now.Tag()
		return is, is.Disabled && !now.Disabled || is.Role != now.Role || is.Email != now.Email, is.check(actor.Tenant)
	})
	if err != nil || !moved {
		return is, err
	}
	for _, r := range ended {
		s.cfg.Service.remember(r)
	}
	return is, s.cfg.Done(ctx, actor, "user.change", memberTold(actor, is))
}

// topRole is who administers a tenant.
func topRole(t tenants.TenantID) tenants.Role {
	if t == tenants.Platform {
		return tenants.RolePlatform
	}
	return tenants.RoleAdmin
}

func memberTold(actor tenants.Actor, m Member) map[string]any {
	return map[string]any{"user": m.ID, "name": m.Name, "email": m.Email, "role": m.Role, "disabled": m.Disabled, "by": actor.User, "by_name": actor.Name}
}

func tidyMember(m Member) Member {
	m.Name, m.Email = strings.TrimSpace(m.Name), strings.ToLower(strings.TrimSpace(m.Email))
	m.Rights = slices.Compact(slices.Sorted(slices.Values(m.Rights)))
	if m.Accounts != nil {
		m.Accounts = slices.Compact(slices.Sorted(slices.Values(m.Accounts)))
	}
	if len(m.Languages) == 0 {
		m.Languages = nil
	}
	if len(m.Rights) == 0 {
		m.Rights = nil
	}
	return m
}

// mostOf bounds the lists of a member.
const mostOf = 2000

func (m Member) check(tenant tenants.TenantID) error {
	var found []error
	add := func(field, text string) { found = append(found, &people.Problem{Field: field, Text: text}) }
	if m.Name == "" {
		add("name", "is empty")
	}
	if err := people.OneLine("name", m.Name); err != nil {
		found = append(found, err)
	}
	if a, err := mail.ParseAddress(m.Email); err != nil || a.Address != m.Email || len(m.Email) > longestEmail || !strings.Contains(m.Email, "@") {
		add("email", "is not an e-mail address")
	}
	if (tenant == tenants.Platform) != (m.Role == tenants.RolePlatform) || !m.Role.Valid() {
		add("role", "is operator, supervisor or admin")
	}
	if len(m.Languages) > 50 || len(m.Accounts) > mostOf {
		add("accounts", "are too many")
	}
	for code, grade := range m.Languages {
		if len(code) < 2 || len(code) > 20 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" || grade < routing.Basic || grade > routing.Native {
			add("languages", "are codes such as en or hu, each basic, fluent or native")
			break
		}
	}
	for _, r := range m.Rights {
		if r != tenants.RightOverride && r != tenants.RightDial {
			add("rights", "are override and dial")
			break
		}
	}
	for _, a := range m.Accounts {
		if _, err := tenants.ParseAccountID(string(a)); err != nil {
			add("accounts", "name something that is no account")
			break
		}
	}
	return errors.Join(found...)
}
