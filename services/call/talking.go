package call

import (
	"cmp"
	"time"
)

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
