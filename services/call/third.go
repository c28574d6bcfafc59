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

func (m *move) inTalking() error {
	switch m.e.Type {
	case Ordered, Unstaffed:
		return m.refuse("the caller talks with an operator")
	case Accepted, OfferRefused, OfferEnded:
		return m.colleague()
	case ThirdRinging, ThirdAnswered, ThirdEnded:
		return m.thirdTold()
	case OperatorBack:
		return m.guestBack()
	case TimerFired:
		if t := m.s.third(); m.e.Timer == TimerGuest && t.Up() && !t.Here() {
			m.do(Withdraw{t.Operator, t.Epoch, "consult_lost"})
			m.thirdGone("lost")
			return nil
		}
		if m.e.Timer != TimerHold || !waits(m.s.With) {
			return ErrStale
		}
		m.s.Reminders++
		m.do(SetTimer{TimerHold, RemindEvery})
		return nil
	case OperatorLost, OperatorEnded:
		return m.operatorGone()
	default:
		return m.wish()
	}
}

// operatorGone: an operator of this call has lost the connection, or hung up.
func (m *move) operatorGone() error {
	t := m.s.third()
	if t.Up() && t.Operator == m.e.Operator {
		return m.guestGone(t)
	}
	if m.e.Operator != m.s.Operator {
		return ErrStale
	}
	if t.Up() && !t.Here() { // nobody is left to wait for a guest who is away
		why := "call_ended" // by the operator's hanging up, below
		if m.e.Type == OperatorLost {
			why = "consult_lost"
		}
		m.do(Withdraw{t.Operator, t.Epoch, why})
		m.close("lost")
		if waits(m.s.With) {
			m.s.With = Nobody
		} else {
			m.s.With = Caller
		}
		t = nil
	}
	switch {
	case t.Inside() && t.Up():
		m.promote(m.e.Type == OperatorLost)
	case m.s.With == Passing:
		m.passOn()
	case m.e.Type == OperatorLost:
		m.lost()
	case t.Up(): // whoever hangs up ends nothing but the own part: the two talk
		m.patch()
	default:
		m.do(Part{})
		m.end(Answered, "operator_hangup")
	}
	return nil
}

// guestGone: an operator who was asked in has hung up, or has lost the connection. Caller and operator go on either way; who
// was lost has a moment to come back to the same place.
func (m *move) guestGone(t *Third) error {
	switch {
	case m.e.Type == OperatorEnded:
		m.thirdGone(cmp.Or(m.e.Reason, "lost"))
		return nil
	case !t.Here():
		return ErrStale
	}
	t.LostAt = m.e.At
	m.do(SetTimer{TimerGuest, RejoinFor})
	if m.s.With == All || m.s.With == Aside {
		m.connect()
	}
	return nil
}

// guestBack puts an operator who was asked in, and lost, back into the place they had.
func (m *move) guestBack() error {
	t := m.s.third()
	if !t.Up() || t.Here() || t.Operator != m.e.Operator {
		return ErrStale
	}
	t.LostAt = time.Time{}
	m.do(ClearTimer{TimerGuest})
	if m.s.With == All || m.s.With == Aside {
		m.connect()
	} else {
		m.do(Soothe{t.N})
	}
	return nil
}

// lost: the operator may be back in a moment. Two who hear each other go on.
func (m *move) lost() {
	m.enter(Rejoining)
	m.do(SetTimer{TimerRejoin, RejoinFor})
	t := m.s.third()
	if m.s.With == All {
		m.do(Patch{t.N})
		return
	}
	m.do(Part{})
	if waits(m.s.With) {
		m.do(ClearTimer{TimerHold})
	} else {
		m.play(true, Reconnecting, Music)
	}
	if t.Up() {
		m.do(Soothe{t.N})
	}
}

func (m *move) inRejoining() error {
	talks := m.s.With == All // the caller with the third party
	switch {
	case m.e.Type == ThirdRinging, m.e.Type == ThirdAnswered, m.e.Type == ThirdEnded:
		return m.thirdTold()
	case m.e.Type == Accepted, m.e.Type == OfferRefused, m.e.Type == OfferEnded:
		return m.colleague()
	case m.e.Type == OperatorBack && m.e.Operator == m.s.Operator:
		m.back()
	case m.e.Type == OperatorEnded && m.e.Operator == m.s.Operator:
		if talks {
			m.do(ClearTimer{TimerRejoin})
			m.patched()
			return nil
		}
		m.requeue()
	case m.e.Type == TimerFired && m.e.Timer == TimerRejoin:
		m.do(Withdraw{m.s.Operator, m.s.Seat, "rejoin_over"})
		if talks {
			m.patched()
			return nil
		}
		m.requeue()
	case talks:
		return ErrStale
	case m.e.Type == Digit && m.e.Digit == "*", m.e.Type == Ordered && m.e.Order == OrderVoicemail:
		m.do(Withdraw{m.s.Operator, m.s.Seat, "voicemail"}, ClearTimer{TimerRejoin})
		m.announce(Leave)
	default:
		return ErrStale
	}
	return nil
}

// back: the operator finds the call as it was left.
func (m *move) back() {
	m.enter(Talking)
	m.do(ClearTimer{TimerRejoin})
	if waits(m.s.With) {
		m.do(SetTimer{TimerHold, RemindEvery})
	} else {
		m.do(Silence{})
	}
	m.connect()
}

// patch lets the operator out and the two others go on.
func (m *move) patch() {
	if waits(m.s.With) {
		m.do(ClearTimer{TimerHold})
	}
	m.do(Silence{}, Patch{m.s.third().N})
	m.patched()
}

func (m *move) patched() {
	m.s.With, m.s.HeldAt, m.s.Reminders = Caller, time.Time{}, 0
	m.enter(Patched)
	m.do(SetTimer{TimerWatchdog, PatchLimit})
}

func (m *move) inPatched() error {
	switch {
	case m.e.Type == ThirdEnded && m.e.N == m.s.third().N:
		m.close(cmp.Or(m.e.Reason, "bye"))
		m.do(Part{})
		m.end(Answered, "third_hangup")
	case m.e.Type == TimerFired && m.e.Timer == TimerWatchdog:
		m.do(Part{})
		m.end(Answered, "too_long")
	default:
		return ErrStale
	}
	return nil
}

// promote makes the other operator, who has answered, the operator of the call. The former is told unless it is they who
// ended their part.
func (m *move) promote(tell bool) {
	t := m.s.third()
	if waits(m.s.With) {
		m.do(ClearTimer{TimerHold})
	}
	if m.s.Phase == Rejoining {
		m.do(ClearTimer{TimerRejoin})
	}
	if tell {
		m.do(Withdraw{m.s.Operator, m.s.Seat, "transferred"})
	}
	m.s.Operator, m.s.OperatorName, m.s.Seat = t.Operator, t.Name, t.Epoch
	m.close("took_over")
	m.s.With, m.s.HeldAt, m.s.Reminders = Caller, time.Time{}, 0
	m.enter(Talking)
	m.do(Silence{}, Join{m.s.Operator})
}

// passOn: the operator who gives the caller away is gone before the other has answered. The offer stands; if it fails,
// the caller is the first in the queue.
func (m *move) passOn() {
	if m.e.Type == OperatorLost {
		m.do(Withdraw{m.s.Operator, m.s.Seat, "transferred"})
	}
	m.close("passed_on")
	m.do(ClearTimer{TimerHold}, SetTimer{TimerWait, m.s.Plan.LongestWait})
	m.s.With, m.s.HeldAt, m.s.Reminders = Caller, time.Time{}, 0
	m.s.Front, m.s.Given = true, true
	m.enter(Queued)
	m.comfort()
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
