package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/tenants"
)

// Link makes a token that is shown once, in place of a password: good until then, and signed with this installation's key,
// so that it can be judged while the database is away. id comes back from Linked. Whoever gives links out keeps count of
// which were used: services/activation does.
func (s *Service) Link(actor tenants.Actor, id string, until time.Time) (string, error) {
	now := s.cfg.Now()
	if id == "" || !until.After(now) {
		return "", fmt.Errorf("a link needs an id and some time: %w", ErrRefused)
	}
	actor.Session = id
	return s.cfg.Keys.sign(actor, "", audienceLink, now, until.Sub(now))
}

// Linked judges a link's token. Every failure is ErrRefused.
func (s *Service) Linked(token string) (actor tenants.Actor, id string, err error) {
	actor, _, err = s.judgeToken(token, audienceLink)
	return actor, actor.Session, err
}

// Enter signs in an actor whose link was used up: a family of its own, as after a password. With the database away the access
// token is good for longer, and the refresh token once the database has it. Errors: ErrRefused when there is no such user.
func (s *Service) Enter(ctx context.Context, actor tenants.Actor) (Tokens, error) {
	now := s.cfg.Now()
	session, secret := fresh(actor.User, tenants.NewID(), now)
	user, err := s.cfg.Sessions.Begin(ctx, actor.Tenant, session)
	switch {
	case err == nil:
		return s.tokens(actor.Tenant, user, session, secret, now)
	case errors.Is(err, ErrAway), errors.Is(err, context.DeadlineExceeded):
		s.late.add(lateSession{actor.Tenant, session})
		return s.pair(actor, session, secret, now, awayFor)
	default:
		return Tokens{}, fmt.Errorf("begin the session: %w", err)
	}
}

// mostLate bounds what waits for the database; whoever is beyond it signs in again when the access token ends.
const mostLate = 10_000

type lateSession struct {
	tenant  tenants.TenantID
	session Session
}

// lateSessions are sessions that the database does not have yet.
type lateSessions struct {
	mu   sync.Mutex
	list []lateSession
}

func (l *lateSessions) add(one lateSession) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < mostLate {
		l.list = append(l.list, one)
	}
}

// admit brings late sessions to the database.
func (s *Service) admit(ctx context.Context) {
	s.late.mu.Lock()
	list := s.late.list
	s.late.list = nil
	s.late.mu.Unlock()
	for i, one := range list {
		_, err := s.cfg.Sessions.Begin(ctx, one.tenant, one.session)
		if errors.Is(err, ErrAway) {
			for _, rest := range list[i:] {
				s.late.add(rest)
			}
			return
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			s.cfg.Log.Warn("a session that began without the database is not kept", "tenant", one.tenant, "error", err)
		}
	}
}
