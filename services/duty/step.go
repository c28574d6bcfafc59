package duty

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// ErrStale says that an event came too late to matter: an answer to an old offer, a cleared timer, a flag that is
// already so. The state is unchanged.
var ErrStale = errors.New("the event is no longer current")

// Refusal says that an event makes no sense in a phase. Code is stable: pages explain it.
type Refusal struct {
	Phase  Phase
	Event  Type
	Code   string // "not_now", "not_checked", "no_media"
	Reason string
}

// Error names phase, event and reason.
func (r *Refusal) Error() string {
	return fmt.Sprintf("duty in phase %q refuses %q: %s", r.Phase, r.Event, r.Reason)
}

// Step gives the state after e and what has to be done, in order. It returns the state unchanged with ErrStale or a
// *Refusal when e has no effect. An Offering that cannot be shown is no error: its effect is Refuse and the state stays.
func Step(s State, e Event) (State, []Effect, error) {
	m := move{s: s, e: e}
	var err error
	switch {
	case e.Type == Began:
		err = m.began()
	case s.Phase == None || s.Phase == Away:
		err = m.refuse("not_now", "the duty is not running")
		if e.Type == Offering && e.Card != nil {
			return s, []Effect{Refuse{e.Card.Call, e.Epoch, "away"}}, nil
		}
	default:
		err = m.running()
	}
	if err != nil {
		return s, nil, err
	}
	return m.s, m.out, nil
}

// Fold gives the state after all of a duty's events, as they were journaled.
func Fold(events []Event) (State, error) {
	var s State
	for i, e := range events {
		next, _, err := Step(s, e)
		if err != nil {
			return s, fmt.Errorf("event %d: %w", i+1, err)
		}
		s = next
	}
	return s, nil
}

type move struct {
	s   State
	e   Event
	out []Effect
}

func (m *move) do(effects ...Effect) { m.out = append(m.out, effects...) }

func (m *move) refuse(code, reason string) error {
	return &Refusal{Phase: m.s.Phase, Event: m.e.Type, Code: code, Reason: reason}
}

func (m *move) enter(p Phase, why string, until time.Time) {
	m.s.Phase, m.s.Since, m.s.Why, m.s.Until, m.s.Resume, m.s.Deserted = p, m.e.At, why, until, None, false
	if p != Talking && p != Lost { // Lost keeps it: the operator comes back to the same
		m.s.Line = nil
	}
}

func (m *move) began() error {
	if m.s.Phase != None || m.e.Who == nil {
		return m.refuse("not_now", "a duty begins once, with its operator")
	}
	w := m.e.Who
	m.s = State{
		Duty: w.Duty, Tenant: w.Tenant, Operator: w.Operator, Name: w.Name, Email: w.Email,
		Languages: w.Languages, Accounts: w.Accounts, Checked: m.e.Resumed,
	}
	m.enter(Checking, "", time.Time{})
	m.do(SetTimer{TimerGone, LostDuty}, SetTimer{TimerRejoin, RejoinFor}) // for a page that connects and never shows life
	return nil
}

func (m *move) running() error {
	switch m.e.Type {
	case SocketUp, MediaUp:
		return m.up()
	case SocketDown, MediaDown:
		return m.down()
	case Checked:
		m.s.Checked = true
	case Ready:
		return m.ready()
	case PauseAsked:
		return m.pause()
	case HomeAsked:
		return m.home()
	case Offering:
		return m.offering()
	case Accept, Decline:
		return m.answer()
	case Withdrawn:
		return m.withdrawn()
	case Joined:
		if m.s.Phase != Talking || m.s.Card.Call != m.e.Call || !m.s.JoinedAt.IsZero() {
			return ErrStale
		}
		m.s.JoinedAt = m.e.At
	case LineTold:
		if m.s.Card == nil || m.s.Card.Call != m.e.Call || m.s.Phase != Talking && m.s.Resume != Talking {
			return ErrStale
		}
		m.s.Line = m.e.Line
	case HangUp:
		lost := m.s.Phase == Lost && m.s.Resume == Talking // the page may speak while its audio is away
		if !lost && m.s.Phase != Talking || m.s.Card.Call != m.e.Call {
			return ErrStale
		}
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsHungUp, "hang_up"})
		if lost {
			m.do(ClearTimer{TimerRejoin})
		}
		m.afterCall()
	case TimerFired:
		return m.timer()
	case Relieved:
		if !m.s.Deserted {
			return ErrStale
		}
		m.over("connection_lost")
	case Closed:
		m.leaveCall("lost")
		m.over(m.e.Reason)
	default:
		return m.refuse("not_now", "there is no such event")
	}
	return nil
}

func (m *move) reachable() bool { return m.s.Socket && m.s.Media }

// up: one half of the connection is there; with both, whoever was lost is back.
func (m *move) up() error {
	flag := &m.s.Socket
	if m.e.Type == MediaUp {
		flag = &m.s.Media
	} else {
		m.s.Deserted = false
		m.do(ClearTimer{TimerGone})
	}
	if *flag && m.e.Type == MediaUp {
		return ErrStale
	}
	*flag = true
	if !m.reachable() {
		return nil
	}
	switch {
	case m.s.Phase == Checking && m.s.Checked: // resumed after the node was lost
		m.available()
	case m.s.Phase == Lost && m.s.Resume == Talking:
		m.do(ClearTimer{TimerRejoin}, Tell{m.s.Card.Call, m.s.Epoch, NewsBack, ""})
		m.enter(Talking, "", time.Time{})
	case m.s.Phase == Lost:
		m.do(ClearTimer{TimerRejoin})
		m.available()
	}
	return nil
}

func (m *move) down() error {
	flag := &m.s.Socket
	if m.e.Type == MediaDown {
		flag = &m.s.Media
	}
	if !*flag {
		return ErrStale
	}
	*flag = false
	if m.e.Type == SocketDown {
		m.do(SetTimer{TimerGone, LostDuty})
	}
	switch m.s.Phase {
	case Available:
		m.lose(Available, RejoinFor)
	case Offered:
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsEnded, "lost"}, ClearTimer{TimerOffer})
		m.s.Card = nil
		m.lose(Available, RejoinFor)
	case Talking:
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsLost, ""})
		// The call decides when the wait is over and withdraws; this timer only guards against its silence.
		m.lose(Talking, RejoinFor+2*time.Second)
	default: // Checking, Paused, WrapUp, Lost go on as they are
		if m.e.Type == SocketDown {
			m.mayReturn()
		}
	}
	return nil
}

func (m *move) lose(resume Phase, limit time.Duration) {
	m.enter(Lost, "connection_lost", m.e.At.Add(limit))
	m.s.Resume = resume
	if resume != Talking {
		m.s.Line = nil
	}
	m.do(SetTimer{TimerRejoin, limit})
}

func (m *move) ready() error {
	switch m.s.Phase {
	case Checking, Paused, WrapUp:
	case Available:
		return ErrStale
	default:
		return m.refuse("not_now", "calls can be asked for while checking, paused or wrapping up")
	}
	if !m.s.Checked {
		return m.refuse("not_checked", "the line has not been checked yet")
	}
	if !m.reachable() {
		return m.refuse("no_media", "the audio connection is not up")
	}
	m.s.PauseNext = ""
	m.do(ClearTimer{TimerRest}, ClearTimer{TimerWrapUp})
	m.available()
	return nil
}

func (m *move) available() {
	m.s.Card = nil
	m.s.JoinedAt = time.Time{}
	m.enter(Available, "", time.Time{})
	if m.s.IdleSince.IsZero() {
		m.s.IdleSince = m.e.At
	}
}

func (m *move) pause() error {
	why := cmp.Or(m.e.Reason, "asked")
	switch m.s.Phase {
	case Talking, WrapUp, Lost:
		if m.s.Phase == Lost && m.s.Resume != Talking {
			break
		}
		m.s.PauseNext = why
		return nil
	case Offered:
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsEnded, "declined"}, ClearTimer{TimerOffer})
		m.s.Card = nil
	case Checking:
		return m.refuse("not_now", "no calls come while the line is being checked")
	}
	m.do(ClearTimer{TimerRest}, ClearTimer{TimerRejoin})
	m.enter(Paused, why, time.Time{})
	return nil
}

func (m *move) home() error {
	if m.s.Phase == Talking {
		m.s.HomeNext = true
		return nil
	}
	m.leaveCall("declined")
	m.over("went_home")
	return nil
}

func (m *move) over(reason string) {
	m.s.Card = nil
	m.s.Media, m.s.Socket = false, false
	m.enter(Away, cmp.Or(reason, "went_home"), time.Time{})
	m.do(Finish{m.s.Why})
}

func (m *move) timer() error {
	switch {
	case m.e.Timer == TimerOffer && m.s.Phase == Offered:
		if !m.s.Card.Practice {
			m.s.Missed++
		}
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsEnded, "missed"}, SetTimer{TimerRest, MissPause})
		m.s.Card = nil
		m.enter(Paused, "missed", m.e.At.Add(MissPause))
	case m.e.Timer == TimerRest && m.s.Phase == Paused && m.s.Why == "missed":
		m.next()
	case m.e.Timer == TimerWrapUp && m.s.Phase == WrapUp:
		m.next()
	case m.e.Timer == TimerRejoin && m.s.Phase == Lost:
		if m.s.Resume == Talking {
			m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsHungUp, "lost"})
		}
		m.gaveUp()
		m.vacate()
	case m.e.Timer == TimerRejoin && m.unmanned():
		m.vacate()
	case m.e.Timer == TimerGone && !m.s.Socket:
		m.leaveCall("lost")
		m.over("connection_lost")
	default:
		return ErrStale
	}
	return nil
}
