package duty

import (
	"cmp"
	"time"
)

// leaveCall tells the call, if any, that this operator is not to be counted on.
func (m *move) leaveCall(why string) {
	switch {
	case m.s.Phase == Offered:
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsEnded, why})
	case m.s.Phase == Talking:
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsLost, ""})
	case m.s.Phase == Lost && m.s.Resume == Talking: // nobody comes back: the caller need not wait
		m.do(Tell{m.s.Card.Call, m.s.Epoch, NewsHungUp, why})
	}
}

func (m *move) offering() error {
	if m.e.Card == nil {
		return m.refuse("not_now", "an offer without its card")
	}
	if !m.s.Answerable() {
		m.do(Refuse{m.e.Card.Call, m.e.Epoch, string(m.s.Phase)})
		return nil
	}
	c := *m.e.Card
	c.OfferFor = cmp.Or(c.OfferFor, DefaultOffer)
	m.s.Card, m.s.Epoch = &c, m.e.Epoch
	m.enter(Offered, "", m.e.At.Add(c.OfferFor))
	m.do(Grant{c.Call, m.e.Epoch}, SetTimer{TimerOffer, c.OfferFor})
	return nil
}

func (m *move) answer() error {
	if m.s.Phase != Offered || m.s.Card.Call != m.e.Call || m.s.Epoch != m.e.Epoch {
		return ErrStale
	}
	m.do(ClearTimer{TimerOffer})
	if m.e.Type == Accept {
		if !m.s.Card.Practice {
			m.s.Calls++
		}
		m.enter(Talking, "", time.Time{})
		m.do(Tell{m.e.Call, m.e.Epoch, NewsAccepted, ""})
		return nil
	}
	m.do(Tell{m.e.Call, m.e.Epoch, NewsEnded, "declined"})
	m.available()
	return nil
}

// withdrawn: the call takes its offer back, or ends, or has waited long enough for a lost operator.
func (m *move) withdrawn() error {
	if m.s.Card == nil || m.s.Card.Call != m.e.Call || m.s.Epoch != m.e.Epoch {
		return ErrStale
	}
	switch m.s.Phase {
	case Offered:
		m.do(ClearTimer{TimerOffer})
		m.available()
	case Talking:
		m.callGone()
	case Lost:
		m.do(ClearTimer{TimerRejoin})
		ended := m.e.Reason == CallEnded || m.e.Reason == CallerHungUp
		if l := m.s.Line; l != nil && l.Guest && !ended {
			m.cutOff(l.Host)
			return nil
		}
		if m.e.Reason == RejoinOver {
			m.gaveUp()
			m.vacate()
			return nil
		}
		m.callGone()
	default:
		return ErrStale
	}
	return nil
}

// callGone: the call has left an operator who accepted it, and who may still be on the way back.
func (m *move) callGone() {
	if m.s.JoinedAt.IsZero() { // accepted in the very moment the call went away
		m.next()
		return
	}
	m.afterCall()
}

// gaveUp: a lost operator did not come back in time. A wish to go home or for a pause is fulfilled.
func (m *move) gaveUp() {
	why := cmp.Or(m.s.PauseNext, "connection_lost")
	m.s.Card, m.s.PauseNext = nil, ""
	m.s.JoinedAt = time.Time{}
	if m.s.HomeNext {
		m.over("went_home")
		return
	}
	m.enter(Paused, why, time.Time{})
}

// unmanned: the page is gone, in the middle of its check or from a pause that its operator has not asked for.
func (m *move) unmanned() bool {
	return !m.s.Socket && (m.s.Phase == Checking || m.s.Phase == Paused && (m.s.Why == "connection_lost" || m.s.Why == "cut_off"))
}

// vacate: the time in which the page may come back to its place is over.
func (m *move) vacate() {
	if m.unmanned() {
		m.s.Deserted = true
		m.do(Vacate{})
	}
}

// cutOff: a lost operator was a guest in the call of another, and it went on without them. They are told so when they are back,
// and say themselves when they are ready. Who asked for a pause has that.
func (m *move) cutOff(host string) {
	m.gaveUp()
	if m.s.Phase == Paused && m.s.Why == "connection_lost" {
		m.s.Why, m.s.Line = "cut_off", &Line{Guest: true, Host: host}
		m.mayReturn()
	}
}

// mayReturn gives a page that is gone the time to be loaded anew, before a telephone has its place.
func (m *move) mayReturn() {
	if m.unmanned() {
		m.do(SetTimer{TimerRejoin, RejoinFor})
	}
}

func (m *move) afterCall() {
	m.s.IdleSince = m.e.At
	if w := m.s.Card.WrapUp; w > 0 && !m.s.HomeNext {
		m.enter(WrapUp, "", m.e.At.Add(w))
		m.do(SetTimer{TimerWrapUp, w})
		return
	}
	m.next()
}

// next is what comes after a call and its wrap-up.
func (m *move) next() {
	pause := m.s.PauseNext
	m.s.PauseNext = ""
	switch {
	case m.s.HomeNext:
		m.over("went_home")
	case pause != "":
		m.s.Card = nil
		m.enter(Paused, pause, time.Time{})
	case !m.reachable():
		m.s.Card = nil
		m.lose(Available, RejoinFor)
	default:
		m.available()
	}
}
