package call

// callerEnded handles the caller's hang-up, or the loss of the caller's leg, in any phase.
func (m *move) callerEnded() error {
	if m.s.CallerGone {
		return ErrStale
	}
	m.s.CallerGone = true
	switch m.s.Phase {
	case Talking, Rejoining:
		m.do(Part{}, Withdraw{m.s.Operator, m.s.Seat, "caller_hung_up"})
		m.end(Answered, m.leg("caller_hangup"))
	case Patched:
		m.do(Part{})
		m.end(Answered, m.leg("caller_hangup"))
	case Recording:
		m.closeRecording("hangup")
	case Reviewing:
		m.keep()
	case Closing:
		m.do(SetTimer{TimerWatchdog, m.closeLimit()})
	case Farewell:
		m.end(m.s.Result, m.s.Reason)
	case Announcing:
		if t := m.s.take(); t != nil && t.Stopped {
			m.keep() // asked to record again, then hung up: the earlier take stands
			return nil
		}
		m.end(m.gone("hung_up_before_beep"))
	case Kept:
		m.end(Answered, m.leg("caller_hangup"))
	case Arriving:
		m.end(m.gone("cancelled"))
	default:
		m.free("caller_hung_up")
		m.end(m.gone("hung_up_in_queue"))
	}
	return nil
}

// closeRecording ends a recording whatever became of it: the caller hung up, or the recorder forgot to end it.
func (m *move) closeRecording(why string) {
	m.enter(Closing)
	m.do(SetTimer{TimerWatchdog, m.closeLimit()})
	if t := m.s.take(); t != nil && !t.Stopped {
		m.do(StopTake{t.N, why})
	}
}

// leg prefers the leg's own reason where it is more than a hang-up.
func (m *move) leg(usual string) string {
	switch m.e.Reason {
	case "", "bye", "cancel", "hangup":
		return usual
	default:
		return m.e.Reason
	}
}

// gone is the result of a caller who left before anything was kept.
func (m *move) gone(usual string) (Result, string) {
	reason := m.leg(usual)
	switch {
	case !m.s.ConnectedAt.IsZero():
		return Answered, reason
	case reason != usual && reason != "media_timeout" && reason != "session_expired":
		return Failed, reason
	default:
		return Abandoned, reason
	}
}

// panicked takes the caller of a broken call to the next safe step. The first time that is an operator, where somebody is
// on duty for a caller who waits or talks; the second time, for whatever breaks the call may break it again, a message; then
// the call is over. A take that is on disk stays a message either way.
func (m *move) panicked() {
	m.do(Raise{"call_panic", "a call met a defect and was taken to the next safe step"})
	m.s.Panics++
	t, joining := m.s.take(), m.s.JoinAfter
	m.free("panic")
	inTalk := m.s.Phase == Talking || m.s.Phase == Rejoining
	if inTalk {
		m.do(Part{}, Withdraw{m.s.Operator, m.s.Seat, "panic"})
	}
	operators := inTalk || m.s.Phase == Ringing || m.s.Phase == Queued // are the safe step before a message
	switch again := m.s.Panics > 1; {
	case (m.s.Phase == Recording || m.s.Phase == Closing) && t != nil && !t.Stopped:
		m.closeRecording("hangup") // the second time too: what was said must be stored
	case m.s.AnsweredAt.IsZero():
		m.endPanicked(t)
	case operators && !again && m.e.Staffed && m.s.Plan.Kind == ForQueue:
		m.rescue(joining)
	case operators && m.s.Panics <= 2:
		m.announce(Unavailable)
	case again:
		m.endPanicked(t)
	case m.s.Phase == Patched: // the two talk: nothing of theirs is broken
		m.do(Patch{m.s.third().N})
	case (m.s.Phase == Reviewing || m.s.Phase == Closing || m.s.Phase == Announcing) && t != nil && t.Stopped:
		m.keep()
	default:
		m.endPanicked(t)
	}
}

// rescue puts the caller of a broken call first in the queue, like one who lost the operator, and says so. joining: an
// operator had accepted and was not joined yet, so has nothing to do with the call any more.
func (m *move) rescue(joining bool) {
	m.withdraw("panic")
	if joining {
		m.s.Operator, m.s.OperatorName = "", ""
	}
	m.s.Greeted, m.s.Greeting = m.s.Greeted && !m.s.Greeting, false // one that broke off is heard again
	m.do(ClearTimer{TimerWatchdog}, ClearTimer{TimerRing}, ClearTimer{TimerPosition})
	m.first("panic")
	switch {
	case !m.s.ConnectedAt.IsZero():
		m.play(false, Reconnecting)
	case !m.s.Greeted:
		m.greet()
	default:
		m.comfort()
	}
}

func (m *move) endPanicked(t *Take) {
	r := Failed
	switch {
	case m.s.Message != nil:
		r = Voicemail
	case t != nil && t.Stopped:
		kept := *t
		m.s.Message, r = &kept, Voicemail
	case !m.s.ConnectedAt.IsZero():
		r = Answered
	}
	m.end(r, "panic")
}

// nodeLost writes the end of a call whose node died: nothing is performed, the leg went with the process.
func (m *move) nodeLost() {
	m.s.CallerGone = true
	m.closeOffer("lost")
	r := Failed
	switch {
	case m.e.Take != nil:
		t := *m.e.Take
		m.s.Message = &t
		r = Voicemail
	case m.s.Message != nil:
		r = Voicemail
	case !m.s.ConnectedAt.IsZero():
		r = Answered
	}
	m.end(r, "node_lost")
}

// end is the one way out.
func (m *move) end(r Result, reason string) {
	m.alone("call_ended")
	m.withdraw("call_ended")
	m.free("call_ended")
	m.enter(Ended)
	m.s.EndedAt, m.s.Result, m.s.Reason = m.e.At, r, reason
	if !m.s.CallerGone {
		m.do(Hangup{reason})
	}
	m.do(Dequeue{}, Finish{})
}
