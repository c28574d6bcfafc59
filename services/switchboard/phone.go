package switchboard

import (
	"errors"
	"maps"
	"strings"
	"time"

	"holdfast/media"
	"holdfast/services/duty"
	"holdfast/tenants"
)

// Phone is an operator who has a telephone instead of a page: it rings when a call is offered, picking it up accepts the
// call, and hanging it up ends the call. Who answers from it is on duty until UnseatPhone, or as long as this node is. No message is
// written there, so none is opened for its callers.
type Phone struct {
	Who        duty.Who // Duty is chosen here
	To         string   // the user to be dialled
	Trunk      string   // through which it is dialled; "": whichever takes calls from us
	Registered bool     // To has registered with us and is dialled where it is; Trunk is not looked at
}

// Seat opens the duty of an operator with a telephone, who is available at once. It wants a Dialer. ErrDraining when this
// node shuts down; ErrTaken when the operator is on duty already.
func (b *Switchboard) Seat(p Phone) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seatPhone(p)
}

// seatPhone is Seat; the caller holds mu.
func (b *Switchboard) seatPhone(p Phone) error {
	if b.draining {
		return ErrDraining
	}
	if b.duties[p.Who.Operator] != nil || b.desks[p.Who.Operator] > 0 {
		return ErrTaken
	}
	p.Who.Duty = tenants.DutyID(tenants.NewID())
	d := newDuty(b, p.Who)
	d.phone = &telephone{Phone: p, duty: d}
	b.duties[p.Who.Operator] = d
	b.owners.Add(1)
	d.post(duty.Event{Type: duty.Began, Who: &d.who})
	for _, e := range []duty.Type{duty.SocketUp, duty.MediaUp, duty.Checked, duty.Ready} { // a telephone is proven by ringing it
		d.post(duty.Event{Type: e})
	}
	go d.run()
	return nil
}

// SeatOperator is Seat for an operator of the routing copies, whose telephone has registered as user. Who is on duty already (ErrTaken)
// gets the telephone's turn when that duty ends, unless UnseatPhone comes first; it ends at once if its page is not awaited any
// more. ErrNoOperator when there is no such operator.
func (b *Switchboard) SeatOperator(tenant tenants.TenantID, id tenants.OperatorID, user string) error {
	who, err := b.who(tenants.Actor{Tenant: tenant, User: id})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phones[id] = user
	err = b.seatPhone(Phone{Who: who, To: user, Registered: true})
	if d := b.duties[id]; d != nil && errors.Is(err, ErrTaken) {
		d.post(duty.Event{Type: duty.Relieved})
	}
	return err
}

// relieve lets the telephone that an operator has registered take the place of a page that is not awaited any more. On a node that
// shuts down the page may come back to it.
func (b *Switchboard) relieve(d *liveDuty) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, registered := b.phones[d.who.Operator]; registered && !b.draining {
		d.post(duty.Event{Type: duty.Relieved})
	}
}

// follows says whether another duty of the operator is about to begin where one ends: with a page that asks for the place, or with the
// telephone that has registered. It may come to nothing still: the queue keeps the place for a short time only.
func (b *Switchboard) follows(who duty.Who) bool {
	if _, err := b.who(tenants.Actor{Tenant: who.Tenant, User: who.Operator}); err != nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, registered := b.phones[who.Operator]
	return !b.draining && (registered || b.desks[who.Operator] > 0)
}

// phoneTurn seats an operator's telephone that is registered, now that nobody else has the place; not for a page that is about to begin,
// nor for somebody whom the routing copy does not name any more.
func (b *Switchboard) phoneTurn(tenant tenants.TenantID, id tenants.OperatorID) {
	who, err := b.who(tenants.Actor{Tenant: tenant, User: id})
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if user, ok := b.phones[id]; ok {
		_ = b.seatPhone(Phone{Who: who, To: user, Registered: true}) // somebody else has the place, or nobody is to have it
	}
}

// UnseatPhone ends the duty that somebody has with the telephone that registered as user, and that is gone: at once, or after the
// call that goes on. Whoever is on duty with a page stays.
func (b *Switchboard) UnseatPhone(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.phones, func(_ tenants.OperatorID, is string) bool { return is == user })
	for _, d := range b.duties {
		if d.phone != nil && d.phone.Registered && d.phone.To == user {
			d.post(duty.Event{Type: duty.HomeAsked})
		}
	}
}

var (
	// ErrTaken says that an operator is on duty already.
	ErrTaken = errors.New("this operator is on duty already")
	// ErrOnPhone says that an operator has a call at the telephone, and cannot begin with a page before it is over.
	ErrOnPhone = errors.New("this operator is in a call at the telephone")
)

// putDown is how long a telephone that is not in a call may take to go off duty.
const putDown = time.Second

// keepPlace keeps an operator's place for a page that is about to begin, until release tells that it has begun, or cannot.
func (b *Switchboard) keepPlace(who duty.Who) (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desks[who.Operator]++
	return func() {
		b.mu.Lock()
		if b.desks[who.Operator]--; b.desks[who.Operator] == 0 {
			delete(b.desks, who.Operator)
		}
		b.mu.Unlock()
		b.phoneTurn(who.Tenant, who.Operator)
	}
}

// handOver ends the duty that an operator has with a telephone, so that one with a page may begin.
func (b *Switchboard) handOver(id tenants.OperatorID) error {
	d := b.duty(id)
	if d == nil || d.phone == nil {
		return nil
	}
	b.mu.Lock()
	draining := b.draining
	b.mu.Unlock()
	if draining { // no page begins here: the telephone stays
		return ErrDraining
	}
	d.post(duty.Event{Type: duty.HomeAsked})
	limit := time.NewTimer(putDown)
	defer limit.Stop()
	select {
	case <-d.over:
		return nil
	case <-limit.C:
		return ErrOnPhone
	}
}

// telephone plays the part of the page for its duty. All of it belongs to the duty's goroutine.
type telephone struct {
	Phone
	duty *liveDuty

	leg   media.Leg      // of the call that rings or talks there; nil: none does
	call  tenants.CallID // for which it was dialled last, and by which offer
	epoch uint64
}

// rung is an event of a telephone's leg.
type rung struct {
	leg   media.Leg
	event media.Event
}

// follow makes the telephone do what the duty's state says: ring with an offer, and fall silent when that is over.
func (t *telephone) follow(s duty.State) {
	busy := s.Phase == duty.Offered || s.Phase == duty.Talking
	same := busy && s.Card.Call == t.call && s.Epoch == t.epoch
	if !same {
		t.hangup()
	}
	if s.Phase == duty.Offered && !same {
		t.ring(s)
	}
}

func (t *telephone) ring(s duty.State) {
	t.call, t.epoch = s.Card.Call, s.Epoch
	leg, err := t.dial(s.Card)
	if err != nil {
		t.duty.log.Warn("an operator's telephone could not be dialled", "err", err)
		t.duty.post(duty.Event{Type: duty.Decline, Call: t.call, Epoch: t.epoch})
		return
	}
	t.leg = leg
	leg.Listen(func(e media.Event) { t.duty.mail.post(rung{leg, e}) })
}

// dial shows the caller's number, where a telephone can show it.
func (t *telephone) dial(c *duty.Card) (media.Leg, error) {
	dialer := t.duty.board.cfg.Dialer
	if dialer == nil {
		return nil, media.ErrNoRoute
	}
	to := media.Destination{To: t.To, Trunk: t.Trunk, Registered: t.Registered, From: c.Caller, FromName: c.CallerName, Call: string(c.Call)}
	if t.Registered { // its display is all that tells whom to answer for
		to.FromName = strings.TrimSuffix(c.Account+": "+c.CallerName, ": ")
	}
	leg, err := dialer.Dial(to)
	if errors.Is(err, media.ErrNumber) {
		to.From = ""
		leg, err = dialer.Dial(to)
	}
	return leg, err
}

// heard takes what happened at the telephone.
func (t *telephone) heard(it rung) {
	if it.leg != t.leg {
		return // of a call that is over
	}
	now := t.duty.board.cfg.Now()
	switch it.event.Kind {
	case media.Connected:
		t.duty.leg.Store(&openLeg{Leg: t.leg, duty: t.duty})
		_ = t.duty.step(duty.Event{Type: duty.Accept, At: now, Call: t.call, Epoch: t.epoch})
	case media.Ended:
		t.leg = nil
		t.duty.leg.Store(nil)
		if t.Registered && t.duty.state.Phase == duty.Talking && it.event.Ending.By == media.ByError {
			// The telephone is gone, nobody has put it down: its caller goes on to the next, before everybody else.
			_ = t.duty.step(duty.Event{Type: duty.MediaDown, At: now})
			_ = t.duty.step(duty.Event{Type: duty.HomeAsked, At: now})
			return
		}
		e := duty.Event{Type: duty.HangUp, At: now, Call: t.call}
		if t.duty.state.Phase == duty.Offered {
			e = duty.Event{Type: duty.Decline, At: now, Call: t.call, Epoch: t.epoch}
			if why := it.event.Ending.Reason; why == media.EndedNoAnswer || t.Registered && why == media.EndedUnreachable {
				// It rang in vain, as its exchange says; or it has registered and is not there: it rests, so that callers do
				// not wait for it one after the other.
				t.duty.timers.clear(duty.TimerOffer)
				e = duty.Event{Type: duty.TimerFired, At: now, Timer: duty.TimerOffer}
			}
		}
		_ = t.duty.step(e)
	case media.Ringing, media.Digit, media.Held, media.Resumed, media.Silent, media.Audible, media.Unreachable:
	}
}

// hangup ends what rings or talks.
func (t *telephone) hangup() {
	if t.leg == nil {
		return
	}
	leg := t.leg
	t.leg = nil
	t.duty.leg.Store(nil)
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "call_over"})
}
