package call

import (
	"cmp"
	"time"

	"holdfast/tenants"
)

// With is whom the operator of a call hears.
type With string

// Whom the operator hears.
const (
	Caller  With = ""        // the caller; a third party who is there hears comfort audio
	Nobody  With = "nobody"  // the caller is on hold
	Aside   With = "third"   // the third party, or how it rings; the caller hears comfort audio
	All     With = "all"     // caller and third party, all three hear each other
	Passing With = "passing" // nobody: the caller, who hears comfort audio, is being given to another operator
)

// Third is somebody who was asked into a call: a person outside, or another operator.
type Third struct {
	N          int                `json:"n"`                  // 1, 2 ...
	Name       string             `json:"name,omitempty"`     // who it is, where that is known
	Number     string             `json:"number,omitempty"`   // E.164, of a person outside
	From       string             `json:"from,omitempty"`     // E.164: the caller id that is shown there
	Operator   tenants.OperatorID `json:"operator,omitempty"` // another operator
	Blind      bool               `json:"blind,omitempty"`    // that operator is to take the caller without a word before
	Epoch      uint64             `json:"epoch,omitempty"`    // of the offer to that operator
	At         time.Time          `json:"at"`
	RangAt     time.Time          `json:"rang_at,omitzero"`
	AnsweredAt time.Time          `json:"answered_at,omitzero"`
	LostAt     time.Time          `json:"lost_at,omitzero"` // of an operator: the connection is away since then, and the others go on
	EndedAt    time.Time          `json:"ended_at,omitzero"`
	Outcome    string             `json:"outcome,omitempty"` // stable; a leg's reason, "cancelled", "dropped", "took_over", "call_ended" ...
}

// Inside reports whether the third party is another operator.
func (t *Third) Inside() bool { return t != nil && t.Operator != "" }

// Up reports whether the third party has answered and is still in the call.
func (t *Third) Up() bool { return t != nil && !t.AnsweredAt.IsZero() && t.EndedAt.IsZero() }

// Here reports whether the third party is in the call and can hear: not so an operator whose connection is away.
func (t *Third) Here() bool { return t.Up() && t.LostAt.IsZero() }

// Talked is how long the third party was connected, until now where it still is.
func (t *Third) Talked(now time.Time) time.Duration {
	if t.AnsweredAt.IsZero() {
		return 0
	}
	if !t.EndedAt.IsZero() {
		now = t.EndedAt
	}
	return max(0, now.Sub(t.AnsweredAt))
}

// third returns the third party who is being asked or is there, or nil.
func (s *State) third() *Third {
	if n := len(s.Thirds); n > 0 && s.Thirds[n-1].EndedAt.IsZero() {
		return &s.Thirds[n-1]
	}
	return nil
}

// Present returns the third party who is being asked into the call or is in it; ok is false when there is none.
func (s State) Present() (t Third, ok bool) {
	if p := s.third(); p != nil {
		return *p, true
	}
	return Third{}, false
}

// deny refuses a wish of the operator, with a code that pages explain.
func (m *move) deny(code, reason string) error {
	return &Refusal{Phase: m.s.Phase, Event: m.e.Type, Code: code, Reason: reason}
}

// set moves the operator to with, and lets everybody hear what follows from it.
func (m *move) set(with With) {
	was := m.s.With
	m.s.With = with
	if !waits(with) && waits(was) {
		m.s.HeldAt, m.s.Reminders = time.Time{}, 0
		m.do(ClearTimer{TimerHold}, Silence{})
	}
	m.connect()
	if waits(with) && !waits(was) {
		m.s.HeldAt, m.s.Reminders = m.e.At, 0
		m.play(true, Music)
		m.do(SetTimer{TimerHold, RemindEvery})
	}
}

// waits reports whether the caller hears comfort audio.
func waits(w With) bool { return w == Nobody || w == Aside || w == Passing }

// connect puts the parties together as With says.
func (m *move) connect() {
	t := m.s.third()
	switch m.s.With {
	case Caller:
		m.do(Join{m.s.Operator})
	case Aside:
		if t.Up() && !t.Here() {
			m.do(Part{})
			return
		}
		m.do(Consult{m.s.Operator, t.N})
		return
	case All:
		if !t.Here() {
			m.do(Join{m.s.Operator})
			return
		}
		m.do(Confer{m.s.Operator, t.N})
		return
	case Nobody, Passing:
		m.do(Part{})
	}
	if t.Here() {
		m.do(Soothe{t.N})
	}
}

// close takes note that the third party is gone.
func (m *move) close(outcome string) {
	t := m.s.third()
	if t.Up() && !t.Here() {
		m.do(ClearTimer{TimerGuest})
	}
	t.EndedAt, t.Outcome = m.e.At, outcome
}

// release lets the third party go, wherever it is, and takes note of that.
func (m *move) release(why string) {
	switch t := m.s.third(); {
	case t == nil:
		return
	case t.Up() && t.Inside():
		m.do(Withdraw{t.Operator, t.Epoch, why})
	case t.Inside():
		m.withdraw(why)
	default:
		m.do(Release{t.N, why})
	}
	m.close(why)
}

// alone leaves nobody in the call but the caller, and whoever is operator.
func (m *move) alone(why string) {
	m.release(why)
	if waits(m.s.With) {
		m.do(ClearTimer{TimerHold})
	}
	m.s.With, m.s.HeldAt, m.s.Reminders = Caller, time.Time{}, 0
}

// colleague: another operator, to whom the call was offered by this one, has answered in some way.
func (m *move) colleague() error {
	t := m.s.third()
	if !m.current() || !t.Inside() {
		return ErrStale
	}
	if m.e.Type != Accepted {
		outcome := cmp.Or(m.e.Reason, "refused")
		m.closeOffer(outcome)
		m.thirdGone(outcome)
		return nil
	}
	m.closeOffer("accepted")
	t.AnsweredAt = m.e.At
	if t.Blind {
		m.promote(true)
		return nil
	}
	m.thirdUp()
	return nil
}

// thirdTold takes what the leg of a third party tells.
func (m *move) thirdTold() error {
	t := m.s.third()
	if t == nil || t.N != m.e.N || t.Inside() {
		return ErrStale
	}
	switch m.e.Type {
	case ThirdRinging:
		if t.Up() || !t.RangAt.IsZero() {
			return ErrStale
		}
		t.RangAt = m.e.At
		if m.s.Phase == Talking && m.s.With == Aside {
			m.connect()
		}
	case ThirdAnswered:
		if t.Up() {
			return ErrStale
		}
		t.AnsweredAt = m.e.At
		m.thirdUp()
	default:
		m.thirdGone(cmp.Or(m.e.Reason, "bye"))
	}
	return nil
}

// thirdUp connects a third party who has just answered.
func (m *move) thirdUp() {
	t := m.s.third()
	switch {
	case m.s.Phase == Rejoining && t.Inside():
		m.promote(true)
	case m.s.Phase == Rejoining, m.s.With != Aside:
		m.do(Soothe{t.N})
	default:
		m.connect()
	}
}

// thirdGone: the third party has gone by itself. Whoever talked with it is with the caller again; who called in vain
// decides whether to try another, and the caller waits.
func (m *move) thirdGone(why string) {
	talked := m.s.third().Up()
	m.close(why)
	switch {
	case m.s.Phase == Rejoining && m.s.With == All: // the caller is alone until the operator is back
		m.s.With = Caller
		m.do(Part{})
		m.play(true, Reconnecting, Music)
	case m.s.Phase == Rejoining && talked && m.s.With == Aside:
		m.s.With, m.s.HeldAt, m.s.Reminders = Caller, time.Time{}, 0
	case m.s.With == Passing, talked && m.s.With != Nobody && m.s.With != Caller:
		m.set(Caller)
	case m.s.With == Aside:
		m.s.With = Nobody
		if m.s.Phase == Talking {
			m.do(Part{})
		}
	}
}
