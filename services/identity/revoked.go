package identity

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/tenants"
)

const (
	// revokedEvery is how often the database is asked: a revocation anywhere holds everywhere within 5 s.
	revokedEvery = 2 * time.Second
	// revokedLimit bounds one question.
	revokedLimit = 2 * time.Second
	// overlap re-reads a little, because rows become visible after the time they carry.
	overlap = 30 * time.Second
)

// Revocation ends a family of tokens.
type Revocation struct {
	Tenant tenants.TenantID `json:"tenant"`
	Family string           `json:"family"`
	At     time.Time        `json:"at"`
}

// revoked is what is known of ended families, until no token of theirs can be good any more.
type revoked struct {
	mu       sync.RWMutex
	families map[string]time.Time // when it was revoked
	owed     []Revocation         // not yet in the database
}

func (r *revoked) has(family string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.families[family]
	return ok
}

func (r *revoked) owe(one Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed = append(r.owed, one)
}

// Revoke takes note of a revocation from anywhere: it holds on this node from now on.
func (s *Service) Revoke(one Revocation) {
	if s.revoked.add(one) && s.cfg.Ended != nil {
		s.cfg.Ended(one.Family)
	}
}

// add reports whether the revocation is news.
func (r *revoked) add(one Revocation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.families == nil {
		r.families = make(map[string]time.Time)
	}
	_, known := r.families[one.Family]
	r.families[one.Family] = one.At
	return !known
}

// Start begins to follow revocations in the database. Stop ends it. Both may be repeated.
func (s *Service) Start() {
	s.starting.Do(func() { go s.follow() })
}

// Stop ends what Start began and waits for it.
func (s *Service) Stop() {
	s.starting.Do(func() { close(s.stopped) }) // never started
	s.stopping.Do(func() { close(s.stop) })
	<-s.stopped
}

// follow asks again and again; while the database is away it knows what it knew.
func (s *Service) follow() {
	defer close(s.stopped)
	tick := time.NewTicker(revokedEvery)
	defer tick.Stop()
	since := s.cfg.Now().Add(-dutyFor)
	for {
		since = s.ask(since)
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
	}
}

// ask pays what is owed, reads what is new, forgets what is too old to matter, and returns where to read from next time.
func (s *Service) ask(since time.Time) (next time.Time) {
	next = since
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("reading revocations failed", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), revokedLimit)
	defer cancel()
	now := s.cfg.Now()
	s.pay(ctx)
	s.admit(ctx)
	found, err := s.cfg.Sessions.Revoked(ctx, since)
	if err != nil {
		if !errors.Is(err, ErrAway) {
			s.cfg.Log.Warn("revocations not read", "error", err)
		}
		return since
	}
	for _, one := range found {
		s.Revoke(one)
	}
	s.forget(now.Add(-dutyFor))
	return now.Add(-overlap)
}

// pay writes the revocations that could not be written when they were made.
func (s *Service) pay(ctx context.Context) {
	r := &s.revoked
	r.mu.Lock()
	owed := r.owed
	r.owed = nil
	r.mu.Unlock()
	for _, one := range owed {
		if err := s.cfg.Sessions.Revoke(ctx, one); err != nil {
			r.owe(one)
		}
	}
}

func (s *Service) forget(before time.Time) {
	r := &s.revoked
	r.mu.Lock()
	defer r.mu.Unlock()
	for family, at := range r.families {
		if at.Before(before) {
			delete(r.families, family)
		}
	}
}
