package call

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// ErrStale says that an event came too late to matter: an answer to an old offer, the end of a prompt that was already
// replaced, a timer that was cleared. The state is unchanged and nothing is to be done.
var ErrStale = errors.New("the event is no longer current")

// Refusal says that an event makes no sense in a phase: somebody's bug, worth a log line, never a changed state.
type Refusal struct {
	Phase  Phase
	Event  Type
	Code   string // stable, of a refused wish of the operator: pages explain it; else ""
	Reason string
}

// Error names phase, event and reason.
func (r *Refusal) Error() string {
	return fmt.Sprintf("call in phase %q refuses %q: %s", r.Phase, r.Event, r.Reason)
}

// Step gives the state after e and what has to be done, in order. It returns the state unchanged with ErrStale or a
// *Refusal when e has no effect. It never changes what s refers to.
//
// Reasons of an ended call: caller_hangup, operator_hangup, third_hangup, too_long, hung_up_in_queue, hung_up_before_beep, cancelled, message,
// message_empty, recording_failed, keep_failed, no_ack, no_codec, not_encrypted, media_timeout, session_expired, answer_failed, loop, fraud, panic, node_lost,
// and whatever other reason the caller's leg gave for its end.
func Step(s State, e Event) (State, []Effect, error) {
	m := move{s: s.clone(), e: e}
	var err error
	switch {
	case e.Type == NodeLost && s.Phase != Ended && s.Phase != New:
		m.nodeLost()
	case e.Type == CallerEnded && s.Phase != Ended && s.Phase != New:
		err = m.callerEnded()
	case e.Type == MediaKnown && s.Phase != Ended && s.Phase != New:
		m.s.Media = e.Media
	case e.Type == Hearing && s.Phase != Ended && s.Phase != New:
		if s.Unheard == e.Unheard {
			return s, nil, ErrStale
		}
		m.s.Unheard = e.Unheard
	case e.Type == Panicked && s.Phase != Ended && s.Phase != New:
		m.panicked()
	default:
		err = m.byPhase()
	}
	if err != nil {
		return s, nil, err
	}
	return m.s, m.out, nil
}

// Fold gives the state after all of a call's events, as they were journaled.
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

// move is one step being made.
type move struct {
	s   State
	e   Event
	out []Effect
}

func (m *move) do(effects ...Effect) { m.out = append(m.out, effects...) }

func (m *move) refuse(reason string) error {
	return &Refusal{Phase: m.s.Phase, Event: m.e.Type, Reason: reason}
}

func (m *move) enter(p Phase) {
	m.s.Phase = p
	m.s.Since = m.e.At
}

func (m *move) byPhase() error {
	switch m.s.Phase {
	case New:
		return m.inNew()
	case Arriving:
		return m.inArriving()
	case Ringing, Queued:
		return m.inQueue()
	case Talking:
		return m.inTalking()
	case Rejoining:
		return m.inRejoining()
	case Patched:
		return m.inPatched()
	case Announcing:
		return m.inAnnouncing()
	case Recording:
		return m.inRecording()
	case Reviewing:
		return m.inReviewing()
	case Closing:
		return m.inClosing()
	case Farewell:
		return m.inFarewell()
	case Kept, Ended:
		return ErrStale
	}
	return m.refuse("there is no such phase")
}

func (m *move) inNew() error {
	if m.e.Plan == nil || (m.e.Type != Invited && m.e.Type != Turned) {
		return m.refuse("a call begins with its INVITE and its plan")
	}
	m.s.ID, m.s.Plan, m.s.InvitedAt = m.e.Call, *m.e.Plan, m.e.At
	m.enter(Arriving)
	if m.e.Type == Turned {
		m.do(Refuse{Status: 482})
		m.s.CallerGone = true
		m.end(Refused, m.e.Reason)
		return nil
	}
	if m.s.Plan.Kind == ForBridge {
		m.s.Thirds = []Third{{N: 1, Number: BridgeTo, From: m.s.Plan.Caller, At: m.e.At}}
		m.do(Call{1})
		return nil
	}
	m.do(Answer{})
	switch p := m.s.Plan; p.Kind {
	case ForQueue:
		if p.OnDuty > 0 {
			m.do(Enqueue{}, SetTimer{TimerWait, p.LongestWait})
		}
	case ForStandby:
		m.do(Raise{"calls_while_standby", "calls are arriving for " + cmp.Or(p.TenantName, string(p.Tenant)) + ", which is not activated"})
	case ForNobody:
		m.do(Raise{"unknown_number:" + p.Called, "a call came for " + p.Called + ", which belongs to nobody"})
	case ForBench, ForEcho, ForRecord, ForBridge:
	}
	return nil
}

func (m *move) inArriving() error {
	switch m.e.Type {
	case Answering:
		if m.s.Plan.Kind == ForBridge && !m.s.third().Up() {
			return m.refuse("the far end has not answered")
		}
		m.s.AnsweredAt = m.e.At
		m.answered()
	case AnswerFailed:
		m.s.CallerGone = true
		if m.e.Reason == NoCodec || m.e.Reason == NotEncrypted { // the caller's own: no sound that we could, or may, exchange
			m.end(Refused, m.e.Reason)
			return nil
		}
		m.end(Failed, "answer_failed")
	case Unstaffed:
		m.s.Plan.OnDuty = 0
		m.leaveQueue("unstaffed")
	case Ordered:
		return m.orderedEarly()
	case Accepted:
		if !m.current() {
			return ErrStale
		}
		m.accept()
		m.s.JoinAfter = true
	case OperatorEnded, OperatorLost:
		return m.lostBeforeJoin()
	case ThirdRinging, ThirdAnswered, ThirdEnded:
		return m.dialledOn()
	default:
		return m.offers()
	}
	return nil
}

// dialledOn: whom a call of ForBridge was dialled on to answers, or does not.
func (m *move) dialledOn() error {
	t := m.s.third()
	switch {
	case t == nil || t.N != m.e.N || m.e.Type == ThirdRinging || m.e.Type == ThirdAnswered && t.Up():
		return ErrStale
	case m.e.Type == ThirdAnswered:
		t.AnsweredAt = m.e.At
		m.do(Answer{})
	default:
		reason := cmp.Or(m.e.Reason, "bye")
		m.close(reason)
		m.end(Failed, reason)
	}
	return nil
}

// answered decides what the caller hears first.
func (m *move) answered() {
	p := m.s.Plan
	switch {
	case p.Kind == ForStandby:
		m.announce(Standby)
	case p.Kind == ForNobody:
		m.announce(Unknown)
	case p.Kind == ForBench:
		m.enter(Kept)
	case p.Kind == ForEcho:
		m.enter(Kept)
		m.do(Echo{})
	case p.Kind == ForRecord:
		m.record()
	case p.Kind == ForBridge:
		m.patch()
	case m.s.JoinAfter:
		m.join()
	case p.OnDuty == 0:
		m.announce(Unavailable)
	case p.Answerable || p.Idle > 0 || m.s.Offer != "":
		m.enter(Ringing)
		m.play(true, Ringback)
		m.do(SetTimer{TimerRing, p.RingFor})
	default:
		m.enter(Queued)
		m.greet()
	}
}

func (m *move) play(loop bool, prompts ...Prompt) {
	m.s.Token++
	m.do(Play{Token: m.s.Token, Prompts: prompts, Loop: loop})
}

// clone copies what a step may change in place.
func (s State) clone() State {
	s.Offered = append([]Offering(nil), s.Offered...)
	s.Takes = append([]Take(nil), s.Takes...)
	s.Thirds = append([]Third(nil), s.Thirds...)
	return s
}

// Waited is how long the caller waited for the first operator, or for the end of the queue.
func (s State) Waited(now time.Time) time.Duration {
	switch {
	case !s.ConnectedAt.IsZero():
		return s.ConnectedAt.Sub(s.InvitedAt)
	case !s.EndedAt.IsZero():
		return s.EndedAt.Sub(s.InvitedAt)
	default:
		return now.Sub(s.InvitedAt)
	}
}
