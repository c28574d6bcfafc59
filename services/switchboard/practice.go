package switchboard

import (
	"context"
	"errors"
	"strings"
	"time"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

const (
	// practiceFor ends a practice call that the operator does not end.
	practiceFor = 3 * time.Minute
	// practiceLook is how soon a caller who waits ends it.
	practiceLook = 250 * time.Millisecond
	// practiceEpoch: a robot offers itself once.
	practiceEpoch = 1
	// practicePrompt is what the robot says; media/prompt has it.
	practicePrompt = "practice"
)

// ErrCallersWait says that real callers go first.
var ErrCallersWait = errors.New("callers wait: no practice now")

// practice is a robot's call to one operator: an offer like any other, a voice that asks for something to be written down,
// and no call at all to the journal, the queue or the counts. Real callers go first: one who waits ends it.
type practice struct {
	id     tenants.CallID
	duty   *liveDuty
	events chan call.Event
	over   chan struct{} // closed once no event is taken any more
}

// Practice offers the operator a robot's call, in standby as when live. ErrCallersWait while somebody waits; a *duty.Refusal
// where the operator could not be offered any call.
func (s *Seat) Practice(ctx context.Context) error {
	s.Alive(false)
	st, err := s.State(ctx)
	if err != nil {
		return err
	}
	b, d := s.duty.board, s.duty
	if !st.Answerable() {
		return &duty.Refusal{Phase: st.Phase, Event: duty.Offering, Code: "not_now", Reason: "a practice call is for who is available"}
	}
	if b.waits(d.who.Tenant) {
		return ErrCallersWait
	}
	p := &practice{id: tenants.CallID(tenants.NewID()), duty: d, events: make(chan call.Event, 8), over: make(chan struct{})}
	b.mu.Lock()
	if b.draining {
		b.mu.Unlock()
		return ErrDraining
	}
	b.robots[p.id] = p
	b.owners.Add(1)
	b.mu.Unlock()
	go p.run(p.card(st))
	return nil
}

// waits reports whether a caller of the tenant waits for an operator.
func (b *Switchboard) waits(t tenants.TenantID) bool {
	for _, c := range b.callsOf(t) {
		if b.cfg.Queue.Place(c.id) > 0 {
			return true
		}
	}
	return false
}

func (b *Switchboard) robot(id tenants.CallID) *practice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.robots[id]
}

// language is the operator's: the tenant's first, so that the exercise is in the tongue of most calls.
func (p *practice) language() string {
	if home := p.duty.board.cfg.Book.Copy(p.duty.who.Tenant); home != nil && home.Language != "" {
		return home.Language
	}
	return "en"
}

func (p *practice) card(st duty.State) *duty.Card {
	now := p.duty.board.cfg.Now()
	c := routing.Practice(p.language(), "", now)
	a, first := c.Accounts[0], ""
	first, _, _ = strings.Cut(st.Name, " ")
	return &duty.Card{
		Call: p.id, Practice: true, Account: a.Name, AccountID: a.ID, Initials: a.Initials, Colour: a.Colour, Shape: a.Shape,
		Language: c.Language, Phrase: strings.ReplaceAll(a.Phrases[c.Language], "{operator}", first), Caller: "anonymous", InvitedAt: now,
	}
}

// post hands the robot what the duty tells; it reports whether it was taken.
func (p *practice) post(e call.Event) bool {
	select {
	case <-p.over:
		return false
	default:
	}
	select {
	case p.events <- e:
		return true
	default: // it has more to read than ever comes
		return false
	}
}

func (p *practice) run(card *duty.Card) {
	b := p.duty.board
	defer b.owners.Done()
	why := "practice_over"
	var quiet func()
	defer func() {
		b.mu.Lock()
		delete(b.robots, p.id)
		b.mu.Unlock()
		close(p.over)
		if quiet != nil {
			b.safely(quiet)
		}
		p.duty.post(duty.Event{Type: duty.Withdrawn, Call: p.id, Epoch: practiceEpoch, Reason: why})
	}()
	if !p.duty.post(duty.Event{Type: duty.Offering, Card: card, Epoch: practiceEpoch}) {
		return
	}
	look := time.NewTicker(practiceLook)
	defer look.Stop()
	limit := time.NewTimer(practiceFor + duty.DefaultOffer)
	defer limit.Stop()
	for {
		select {
		case <-limit.C:
			return
		case <-look.C:
			if b.duty(p.duty.who.Operator) != p.duty {
				return
			}
			if b.waits(p.duty.who.Tenant) {
				why = "caller_waits"
				return
			}
		case e := <-p.events:
			if e.Type != call.Accepted && e.Type != call.OperatorBack {
				return // refused, missed, declined, hung up or lost: a robot waits for nobody
			}
			b.safely(func() { quiet = p.speak(quiet) })
			limit.Reset(practiceFor)
		}
	}
}

// speak plays the robot's part into the operator's ear.
func (p *practice) speak(before func()) (quiet func()) {
	if before != nil {
		before()
	}
	leg := p.duty.audio()
	if leg == nil {
		return nil
	}
	p.duty.post(duty.Event{Type: duty.Joined, Call: p.id})
	b := p.duty.board
	return b.cfg.Player.Play(leg, b.cfg.Prompts.Clips([]string{practicePrompt}, p.language()), false, nil)
}
