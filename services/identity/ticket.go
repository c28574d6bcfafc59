package identity

import (
	"sync"
	"time"

	"holdfast/tenants"
)

const (
	ticketFor   = 30 * time.Second // between asking for a ticket and opening the socket
	mostTickets = 10_000           // waiting at once on one node; more is somebody's loop
)

// Purpose says what a ticket opens; one made for another purpose is refused.
type Purpose string

// The purposes.
const (
	DeskSocket   Purpose = "desk"   // an operator's duty
	PortalSocket Purpose = "portal" // live views
)

type ticket struct {
	actor   tenants.Actor
	duty    tenants.DutyID
	purpose Purpose
	until   time.Time
}

// tickets waits for sockets to be opened, in memory: a ticket is good on the node that gave it, and once.
type tickets struct {
	mu   sync.Mutex
	open map[string]ticket
}

// Ticket gives a one-time text that opens one socket within 30 seconds, so that no token stands in an address. duty is the
// duty to come back to, "" for none. ErrBusy when too many wait.
func (s *Service) Ticket(actor tenants.Actor, duty tenants.DutyID, purpose Purpose) (string, error) {
	now := s.cfg.Now()
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	if s.tickets.open == nil {
		s.tickets.open = make(map[string]ticket)
	}
	if len(s.tickets.open) >= mostTickets {
		for text, t := range s.tickets.open {
			if !now.Before(t.until) {
				delete(s.tickets.open, text)
			}
		}
		if len(s.tickets.open) >= mostTickets {
			return "", ErrBusy
		}
	}
	text := random()
	s.tickets.open[text] = ticket{actor: actor, duty: duty, purpose: purpose, until: now.Add(ticketFor)}
	return text, nil
}

// Redeem uses a ticket up. ErrRefused: unknown, used, late, made for another purpose, or its sign-in was ended meanwhile.
func (s *Service) Redeem(text string, purpose Purpose) (tenants.Actor, tenants.DutyID, error) {
	s.tickets.mu.Lock()
	t, ok := s.tickets.open[text]
	delete(s.tickets.open, text)
	s.tickets.mu.Unlock()
	if !ok || t.purpose != purpose || !s.cfg.Now().Before(t.until) || s.revoked.has(t.actor.Session) {
		return tenants.Actor{}, "", ErrRefused
	}
	return t.actor, t.duty, nil
}
