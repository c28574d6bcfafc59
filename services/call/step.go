package call

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"holdfast/tenants"
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
	case p.Idle > 0 || m.s.Offer != "":
		m.enter(Ringing)
		m.play(true, Ringback)
		m.do(SetTimer{TimerRing, p.RingFor})
	default:
		m.enter(Queued)
		m.greet()
	}
}

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
	m.alone("operator_lost")
	m.enter(Queued)
	m.s.Front = true
	m.do(ClearTimer{TimerRejoin}, Enqueue{Front: true}, SetTimer{TimerWait, m.s.Plan.LongestWait})
	m.comfort()
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

func (m *move) play(loop bool, prompts ...Prompt) {
	m.s.Token++
	m.do(Play{Token: m.s.Token, Prompts: prompts, Loop: loop})
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
