package call

import "holdfast/tenants"

func (m *move) inQueue() error {
	switch m.e.Type {
	case Accepted:
		if !m.current() {
			return ErrStale
		}
		m.accept()
		m.join()
	case Unstaffed:
		if m.s.JoinAfter || m.s.Given {
			return ErrStale
		}
		m.announce(Unavailable)
	case Ordered:
		return m.ordered()
	case Digit:
		if m.e.Digit != "*" || m.s.JoinAfter {
			return ErrStale
		}
		m.announce(Leave)
	case Played:
		return m.playedInQueue()
	case TimerFired:
		return m.timerInQueue()
	case OperatorEnded, OperatorLost:
		return m.lostBeforeJoin()
	default:
		return m.offers()
	}
	return nil
}

func (m *move) playedInQueue() error {
	if m.e.Token != m.s.Token || m.s.Phase == Ringing { // ringback has no end
		return ErrStale
	}
	m.s.Greeting = false
	if m.s.JoinAfter {
		m.join()
		return nil
	}
	m.comfort()
	return nil
}

func (m *move) timerInQueue() error {
	switch {
	case m.s.JoinAfter && m.e.Timer == TimerWatchdog: // the greeting does not end: the parties have waited long enough
		m.s.Greeting = false
		m.join()
	case m.s.JoinAfter:
		return ErrStale
	case m.e.Timer == TimerRing && m.s.Phase == Ringing:
		m.enter(Queued)
		m.greet()
	case m.e.Timer == TimerWait:
		m.announce(TooLong)
	case m.e.Timer == TimerPosition && m.s.Phase == Queued:
		m.do(SetTimer{TimerPosition, PositionEvery})
		if !m.s.Greeting {
			m.play(false, Position)
		}
	default:
		return ErrStale
	}
	return nil
}

// lostBeforeJoin: the operator accepted, the greeting still runs to its end, and now the operator is gone.
func (m *move) lostBeforeJoin() error {
	if !m.s.JoinAfter || m.e.Operator != m.s.Operator {
		return ErrStale
	}
	if m.e.Type == OperatorLost { // who comes back comes back to no call
		m.free("lost_before_join")
	}
	m.s.JoinAfter, m.s.Front = false, true
	m.s.Operator, m.s.OperatorName = "", ""
	m.do(ClearTimer{TimerWatchdog}, Enqueue{Front: true}, SetTimer{TimerWait, m.s.Plan.LongestWait})
	return nil
}

// offers handles what concerns offers, alike in every phase in which the call is in the queue.
func (m *move) offers() error {
	switch m.e.Type {
	case Picked:
		if m.s.Offer != "" || m.s.JoinAfter || m.s.Plan.Kind != ForQueue {
			return ErrStale
		}
		m.offer(m.again(m.e.Operator), m.e.Name)
	case OfferRefused, OfferEnded:
		if !m.current() {
			return ErrStale
		}
		outcome := m.e.Reason
		if m.e.Type == OfferRefused {
			outcome = "refused"
		}
		given := m.s.Given
		m.closeOffer(outcome)
		if given {
			m.do(Enqueue{Front: m.s.Front})
		}
		m.do(Miss{m.e.Operator, m.e.Reason})
	default:
		return m.refuse("not while the call is in the queue")
	}
	return nil
}

func (m *move) offer(o Offer, name string) {
	m.s.Epoch++
	o.Epoch = m.s.Epoch
	m.s.Offer = o.Operator
	m.s.Offered = append(m.s.Offered, Offering{Operator: o.Operator, Name: name, Epoch: o.Epoch, At: m.e.At})
	m.do(o)
}

// again is an offer by the queue, or by a supervisor.
func (m *move) again(o tenants.OperatorID) Offer {
	return Offer{Operator: o, AfterLoss: !m.s.ConnectedAt.IsZero()}
}

func (m *move) current() bool {
	return m.s.Offer != "" && m.e.Operator == m.s.Offer && m.e.Epoch == m.s.Epoch
}

func (m *move) closeOffer(outcome string) {
	if m.s.Offer == "" {
		return
	}
	last := &m.s.Offered[len(m.s.Offered)-1]
	last.EndedAt, last.Outcome = m.e.At, outcome
	m.s.Offer, m.s.Given = "", false
}

func (m *move) accept() {
	m.s.Operator = m.s.Offer
	m.s.OperatorName = m.s.Offered[len(m.s.Offered)-1].Name
	m.s.Seat = m.s.Epoch
	m.closeOffer("accepted")
	m.do(Dequeue{}, ClearTimer{TimerWait}, ClearTimer{TimerRing}, ClearTimer{TimerPosition})
}

// join connects caller and operator, after the greeting where the account wants it heard in full.
func (m *move) join() {
	if m.s.Plan.GreetingInFull && (m.s.Greeting || !m.s.Greeted) {
		m.s.JoinAfter = true
		if !m.s.Greeting {
			m.enter(Queued)
			m.greet()
		}
		m.do(SetTimer{TimerWatchdog, AnnounceLimit})
		return
	}
	if m.s.JoinAfter {
		m.s.JoinAfter = false
		m.do(ClearTimer{TimerWatchdog})
	}
	if m.s.ConnectedAt.IsZero() {
		m.s.ConnectedAt = m.e.At
	}
	m.enter(Talking)
	m.do(Silence{}, Join{m.s.Operator})
}

// requeue puts a caller who lost the operator first in the queue.
func (m *move) requeue() {
	m.first("operator_lost")
	m.comfort()
}

// first puts the caller, with nobody else in the call, before everybody who waits.
func (m *move) first(why string) {
	m.alone(why)
	m.enter(Queued)
	m.s.Front = true
	m.do(ClearTimer{TimerRejoin}, Enqueue{Front: true}, SetTimer{TimerWait, m.s.Plan.LongestWait})
}

func (m *move) ordered() error {
	switch {
	case m.s.JoinAfter:
		return ErrStale
	case m.e.Order == OrderVoicemail:
		m.announce(Leave)
	case m.e.Order == OrderGive && m.e.Operator != "":
		if m.s.Offer == m.e.Operator {
			return ErrStale
		}
		m.withdraw("given_to_another")
		m.do(Dequeue{}) // the queue must not promise it to anybody else meanwhile
		m.offer(m.again(m.e.Operator), m.e.Name)
		m.s.Given = true
	default:
		return m.refuse("there is no such order")
	}
	return nil
}

// orderedEarly: a caller is answered a moment before the call has heard of that, and a supervisor may be that quick.
func (m *move) orderedEarly() error {
	switch {
	case m.s.Plan.Kind != ForQueue:
		return m.refuse("nobody waits for an operator")
	case m.e.Order != OrderVoicemail || m.s.JoinAfter:
		return m.ordered()
	}
	m.s.Plan.OnDuty = 0 // once it is answered, the message is announced
	m.leaveQueue("voicemail")
	return nil
}

func (m *move) greet() {
	m.s.Greeted, m.s.Greeting = true, true
	m.play(false, Greeting)
	if m.s.Plan.AnnouncePosition && !m.s.JoinAfter {
		m.do(SetTimer{TimerPosition, PositionEvery})
	}
}

func (m *move) comfort() { m.play(true, Music, Comfort) }

func (m *move) withdraw(why string) {
	if m.s.Offer == "" {
		return
	}
	m.do(Withdraw{m.s.Offer, m.s.Epoch, why})
	m.closeOffer("withdrawn")
}

// free tells an operator who accepted and was not joined yet that nothing comes of it.
func (m *move) free(why string) {
	if !m.s.JoinAfter {
		return
	}
	m.s.JoinAfter = false
	m.do(Withdraw{m.s.Operator, m.s.Seat, why})
}

// leaveQueue withdraws what is out and takes the call from the queue.
func (m *move) leaveQueue(why string) {
	m.withdraw(why)
	m.do(Dequeue{}, ClearTimer{TimerWait}, ClearTimer{TimerRing}, ClearTimer{TimerPosition})
}
