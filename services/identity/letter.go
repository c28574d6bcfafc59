package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/tenants"
	"holdfast/tenants/people"
)

// Link is how somebody gets in once without a password.
type Link struct {
	ID        string // UUID
	User      tenants.OperatorID
	Purpose   string
	Hash      [sha256.Size]byte // of the link's secret
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Letter is a link on its way to somebody.
type Letter struct {
	Tenant   tenants.TenantID
	Link     string // names it; the same letter has the same
	Member   Member
	Token    string // TENANT.LINK.SECRET, for the part of an address that no server is sent
	By       string // who invites; "": somebody asked for it
	Until    time.Time
	Language string // that the reader was seen to read; "": not known
}

// Forgot sends a link to whoever signs in with that e-mail. Nobody learns whether anybody does: the answer is the same, and it is
// given before anything is looked up. Errors: ErrLocked, ErrAway.
func (s *Staff) Forgot(ctx context.Context, email, address, language string) error {
	email = strings.ToLower(strings.TrimSpace(email))
	if email == "" || len(email) > longestEmail {
		return nil
	}
	now := s.cfg.Now()
	credentials := s.cfg.Service.cfg.Credentials
	until, err := credentials.Attempt(ctx, []Count{
		{Key: sha256.Sum256([]byte("forgot " + email)), Most: mostForgotten},
		{Key: sha256.Sum256([]byte("forgot from " + address)), Most: mostOfAddress},
	}, lockFor, now)
	if err != nil {
		return fmt.Errorf("count the attempt: %w", err)
	}
	if until.After(now) {
		return &LockedError{Until: until}
	}
	select {
	case s.mails <- struct{}{}:
	default:
		return ErrBusy
	}
	s.wait.Go(func() {
		defer func() { <-s.mails }()
		defer func() {
			if p := recover(); p != nil {
				s.cfg.Log.Error("a link for a forgotten password was not sent", "panic", p)
			}
		}()
		ctx, cancel := context.WithTimeout(s.ending, mailLimit)
		defer cancel()
		if err := s.remind(ctx, credentials, email, language); err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrDisabled) {
			s.cfg.Log.Error("a link for a forgotten password was not sent", "err", err)
		}
	})
	return nil
}

func (s *Staff) remind(ctx context.Context, credentials Credentials, email, language string) error {
	c, err := credentials.Credential(ctx, email)
	if err != nil {
		return fmt.Errorf("find the e-mail: %w", err)
	}
	link, token := s.link(c.Tenant, c.User, forPassword, passwordFor)
	m, err := s.cfg.Members.PutLink(ctx, c.Tenant, link, func(m Member) error {
		if m.Disabled {
			return ErrDisabled
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.cfg.Send(ctx, Letter{Tenant: c.Tenant, Link: link.ID, Member: m, Token: token, Until: link.ExpiresAt, Language: language})
}

// Enter takes a link and the password that its holder chose, and signs them in. Every link that is not good (used, replaced, withdrawn,
// too old, never made) is ErrRefused. Errors too: a *people.Problem of the password, ErrBusy, ErrAway.
func (s *Staff) Enter(ctx context.Context, token, password string) (Tokens, error) {
	tenant, id, secret, err := splitRefresh(token) // of the same form
	if err != nil {
		return Tokens{}, err
	}
	if err := checkChosen(password); err != nil {
		return Tokens{}, err
	}
	now := s.cfg.Now()
	hash, err := s.cfg.Service.hash(ctx, password)
	if err != nil {
		return Tokens{}, err
	}
	session, sessionSecret := fresh("", tenants.NewID(), now)
	m, ended, err := s.cfg.Members.Follow(ctx, tenant, id, func(l Link, m Member) error {
		sum := sha256.Sum256([]byte(secret))
		if subtle.ConstantTimeCompare(sum[:], l.Hash[:]) != 1 || !now.Before(l.ExpiresAt) || m.Disabled {
			return ErrRefused
		}
		return nil
	}, hash, session)
	if err != nil {
		return Tokens{}, err
	}
	for _, r := range ended {
		s.cfg.Service.remember(r)
	}
	session.User = m.ID
	tokens, err := s.cfg.Service.tokens(tenant, User{ID: m.ID, Name: m.Name, Email: m.Email, Role: m.Role}, session, sessionSecret, now)
	if err != nil {
		return tokens, err
	}
	// The password is chosen: what follows may be late, and must not make it look as if it were not.
	if err := s.cfg.Done(ctx, tokens.Actor, "user.password", map[string]any{"user": m.ID, "by": m.ID, "by_name": m.Name}); err != nil {
		s.cfg.Log.Error("a chosen password is not in the journal", "user", m.ID, "err", err)
	}
	return tokens, nil
}

func checkChosen(password string) error {
	switch {
	case !utf8.ValidString(password) || utf8.RuneCountInString(password) < ShortestPassword:
		return &people.Problem{Field: "password", Text: fmt.Sprintf("has fewer than %d characters", ShortestPassword)}
	case len(password) > longestPassword:
		return &people.Problem{Field: "password", Text: fmt.Sprintf("is longer than %d bytes", longestPassword)}
	case strings.Count(password, password[:1]) == len(password):
		return &people.Problem{Field: "password", Text: "is one character again and again"}
	}
	return nil
}

func (s *Staff) link(tenant tenants.TenantID, user tenants.OperatorID, purpose string, good time.Duration) (Link, string) {
	secret, now := random(), s.cfg.Now()
	l := Link{ID: tenants.NewID(), User: user, Purpose: purpose, Hash: sha256.Sum256([]byte(secret)), CreatedAt: now, ExpiresAt: now.Add(good)}
	return l, string(tenant) + "." + l.ID + "." + secret
}
