package switchboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"holdfast/media"
	"holdfast/services/acd"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// liveDuty is one operator's duty and its goroutine. Everything below mail belongs to that goroutine alone, but for leg,
// which calls read when they join.
type liveDuty struct {
	board *Switchboard
	who   duty.Who
	log   *slog.Logger
	mail  *mailbox[any] // duty.Event, timerDue, rung, seated, unseated, opened, request, wished

	state  duty.State
	seq    uint64
	timers *timers
	seat   *Seat
	phone  *telephone    // in place of a seat; nil: the operator has a page. Set before the duty is known
	over   chan struct{} // closed when another duty of the operator may begin
	leg    atomic.Pointer[openLeg]
	known  bool   // to the queue, as it is
	was    bool   // answerable, as the queue was told
	leaves bool   // the place to another duty of the operator, by the step that is being done
	replay func() // stops the playback of a line check; nil: none was begun
}

// openLeg is the leg of the page that is connected now.
type openLeg struct {
	media.Leg
	session string // of the page's SDP
	duty    *liveDuty

	mu   sync.Mutex
	part func() // parts the call that was joined last
}

// free parts whatever joined the leg before. Should the call before not have parted yet, it is parted now: done later,
// that would silence the next one.
func (l *openLeg) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.part != nil {
		l.part()
		l.part = nil
	}
}

// hold remembers what parts the call that has joined the leg.
func (l *openLeg) hold(part func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = part
}

// What a duty's mailbox takes besides duty.Events.
type (
	// seated: a page has connected. fresh: it holds no media of an earlier connection.
	seated struct {
		seat  *Seat
		fresh bool
	}
	// glance: a page that is not seated yet wants to see how the duty stands.
	glance struct{ seat *Seat }
	// unseated: a page's socket is gone.
	unseated struct{ seat *Seat }
	// opened: a page's media was answered.
	opened struct {
		seat    *Seat
		leg     media.Leg
		session string
	}
	// legEvent is something that happened on a leg.
	legEvent struct {
		leg   media.Leg
		event media.Event
	}
	// request is an operator's own wish, which wants an answer.
	request struct {
		event duty.Event
		reply chan error
	}
	// peek asks for the state.
	peek struct{ reply chan duty.State }
)

func newDuty(b *Switchboard, who duty.Who) *liveDuty {
	d := &liveDuty{
		board: b, who: who,
		log:  b.log.With("duty", string(who.Duty), "operator", string(who.Operator)),
		mail: newMailbox[any](), over: make(chan struct{}),
	}
	d.timers = newTimers(func(name string, generation uint64) { d.mail.post(timerDue{name, generation}) })
	return d
}

// post hands the duty a fact and reports whether it still takes facts.
func (d *liveDuty) post(e duty.Event) bool {
	if e.At.IsZero() {
		e.At = d.board.cfg.Now()
	}
	return d.mail.post(e)
}

// audio is the leg that can be joined now, or nil.
func (d *liveDuty) audio() media.Leg {
	if l := d.leg.Load(); l != nil {
		return l.Leg
	}
	return nil
}

func (d *liveDuty) run() {
	defer d.board.owners.Done()
	defer d.release()
	for d.state.Phase != duty.Away {
		items, ok := d.mail.take()
		if !ok {
			return
		}
		for _, item := range items {
			if d.state.Phase == duty.Away {
				d.refuseLate(item)
				continue
			}
			d.guarded(item)
		}
	}
}

// refuseLate answers what came after the duty was over: nobody may wait for a duty that has gone, least of all a caller.
func (d *liveDuty) refuseLate(item any) {
	switch it := item.(type) {
	case duty.Event:
		if it.Type == duty.Offering && it.Card != nil {
			d.tell(it.Card.Call, call.Event{Type: call.OfferRefused, Epoch: it.Epoch, Reason: string(duty.Away)})
		}
	case request:
		it.reply <- &duty.Refusal{Phase: duty.Away, Event: it.event.Type, Code: "not_now", Reason: "the duty is over"}
	case wished:
		it.answer(errNoCall)
	case peek:
		it.reply <- duty.State{Phase: duty.Away}
	case checkWish:
		it.reply <- Checked{Why: "no_media"}
	case checkOver:
		it.reply <- Checked{Why: "no_media"}
	case glance:
		it.seat.close(d.farewell())
	case seated:
		it.seat.close(d.farewell())
	case opened:
		it.leg.Hangup(media.Ending{By: media.ByServer, Reason: "duty_over"})
	}
}

// farewell is what a page is told that comes in the moment in which the duty ends. One that was lost may come again at once.
func (d *liveDuty) farewell() string {
	if d.state.Why == "connection_lost" {
		return d.state.Why
	}
	return "went_home"
}

func (d *liveDuty) guarded(item any) {
	defer func() {
		if r := recover(); r != nil {
			d.log.Error("a duty panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()), "phase", string(d.state.Phase))
			if w, ok := item.(wished); ok {
				w.answer(errBroken)
			}
			if asked, ok := item.(request); ok {
				select {
				case asked.reply <- errBroken:
				default: // it was answered before
				}
			}
		}
	}()
	d.handle(item)
}

// errBroken answers a wish on whose way something of ours failed.
var errBroken = errors.New("the wish met a defect")

func (d *liveDuty) handle(item any) {
	switch it := item.(type) {
	case duty.Event:
		_ = d.step(it) // nobody waits for the answer
	case timerDue:
		if d.timers.due(it.name, it.generation) {
			_ = d.step(duty.Event{Type: duty.TimerFired, At: d.board.cfg.Now(), Timer: it.name})
		}
	case glance:
		it.seat.show(d.state)
	case seated:
		d.sit(it)
	case unseated:
		if d.seat == it.seat {
			d.seat = nil
			_ = d.step(duty.Event{Type: duty.SocketDown, At: d.board.cfg.Now()})
		}
	case opened:
		d.open(it)
	case legEvent:
		d.heard(it)
	case request:
		if w, ok := d.endPart(it.event); ok {
			d.pass(wished{w, it.reply})
			return
		}
		it.reply <- d.step(it.event)
	case wished:
		d.pass(it)
	case peek:
		it.reply <- d.state
	case rung:
		d.phone.heard(it)
	case checkWish:
		d.beginCheck(it)
	case checkOver:
		d.endCheck(it)
	}
}

// step asks duty.Step, journals what happened, performs what follows, then tells queue and page how it stands.
func (d *liveDuty) step(e duty.Event) error {
	next, effects, err := duty.Step(d.state, e)
	if err != nil {
		if errors.Is(err, duty.ErrStale) {
			return err
		}
		d.log.Debug("event refused", "why", err.Error())
		return err
	}
	if !declines(effects) { // a refused offer changes nothing and is the call's to tell
		before := d.state.Phase
		d.state = next
		d.write(e)
		if before != next.Phase {
			d.log.Info("duty", "phase", string(next.Phase), "event", string(e.Type), "why", next.Why)
		}
	}
	for _, effect := range effects {
		d.perform(effect)
	}
	if d.replay != nil && !d.mayCheck() {
		d.replay()
		d.replay = nil
	}
	d.announce()
	d.watch(d.state.Phase == duty.Talking && !d.state.JoinedAt.IsZero() || d.state.Resume == duty.Talking)
	d.show()
	return nil
}

func declines(effects []duty.Effect) bool {
	if len(effects) == 0 {
		return false
	}
	_, refused := effects[0].(duty.Refuse)
	return refused
}

func (d *liveDuty) write(e duty.Event) {
	data, err := json.Marshal(e)
	if err != nil { // cannot be: the type holds plain values only
		d.log.Error("event cannot be encoded", "type", string(e.Type), "err", err)
		return
	}
	d.seq++
	d.board.cfg.Journal.Append(journal.Event{
		Tenant: d.who.Tenant, Kind: journal.Duty, ID: string(d.who.Duty), Seq: d.seq, At: e.At,
		Node: d.board.cfg.Node, Type: string(e.Type), Final: d.state.Phase == duty.Away, Data: data, Fact: e,
	})
}

func (d *liveDuty) perform(effect duty.Effect) {
	switch e := effect.(type) {
	case duty.Grant: // the page is shown the offer by show
	case duty.Refuse:
		d.tell(e.Call, call.Event{Type: call.OfferRefused, Epoch: e.Epoch, Reason: e.Reason})
	case duty.Tell:
		d.news(e)
	case duty.SetTimer:
		d.timers.set(e.Name, e.After)
	case duty.ClearTimer:
		d.timers.clear(e.Name)
	case duty.Vacate:
		d.leaves = d.board.follows(d.who)
		d.board.relieve(d)
	case duty.Finish:
		d.leaves = d.board.follows(d.who)
		d.log.Info("duty over", "why", e.Reason)
	}
}

var newsTypes = map[duty.News]call.Type{
	duty.NewsAccepted: call.Accepted,
	duty.NewsEnded:    call.OfferEnded,
	duty.NewsLost:     call.OperatorLost,
	duty.NewsBack:     call.OperatorBack,
	duty.NewsHungUp:   call.OperatorEnded,
}

// news tells the call; a call that is over withdraws itself by that.
func (d *liveDuty) news(e duty.Tell) {
	if d.tell(e.Call, call.Event{Type: newsTypes[e.News], Epoch: e.Epoch, Reason: e.Reason}) {
		return
	}
	if e.News == duty.NewsAccepted || e.News == duty.NewsBack {
		d.post(duty.Event{Type: duty.Withdrawn, Call: e.Call, Epoch: e.Epoch, Reason: duty.CallEnded})
	}
}

func (d *liveDuty) tell(id tenants.CallID, e call.Event) bool {
	e.Operator, e.Name = d.who.Operator, d.who.Name
	if p := d.board.robot(id); p != nil {
		return p.post(e)
	}
	c := d.board.call(id)
	return c != nil && c.post(e)
}

// announce keeps the queue's picture of this operator true.
func (d *liveDuty) announce() {
	q := d.board.cfg.Queue
	leaves := d.leaves
	d.leaves = false
	if !d.state.OnDuty() {
		switch {
		case d.known && leaves:
			q.Vacant(d.who.Operator)
		case d.known:
			q.Gone(d.who.Operator)
		}
		d.known, d.was = false, false
		return
	}
	if now := d.state.Answerable(); !d.known || now != d.was {
		d.known, d.was = true, now
		q.Present(acd.Operator{
			ID: d.who.Operator, Tenant: d.who.Tenant, Duty: d.who.Duty, Name: d.who.Name,
			Languages: d.who.Languages, Accounts: d.who.Accounts, IdleSince: d.state.IdleSince,
		}, now)
	}
}

func (d *liveDuty) show() {
	if d.seat != nil {
		d.seat.show(d.state)
	}
	if d.phone != nil {
		d.phone.follow(d.state)
	}
}

// release frees all that the duty held. The queue forgets the operator first: a new duty may begin once the mailbox is
// closed.
func (d *liveDuty) release() {
	b := d.board
	d.timers.stop()
	if d.known {
		b.safely(func() { b.cfg.Queue.Gone(d.who.Operator) })
	}
	for _, item := range d.mail.close() {
		b.safely(func() { d.refuseLate(item) })
	}
	if d.replay != nil {
		b.safely(d.replay)
	}
	if d.phone != nil {
		b.safely(d.phone.hangup)
	}
	b.safely(func() { d.dropLeg("duty_over") })
	if d.seat != nil {
		b.safely(func() { d.seat.close(d.state.Why) })
	}
	b.mu.Lock()
	if b.duties[d.who.Operator] == d {
		delete(b.duties, d.who.Operator)
	}
	b.mu.Unlock()
	close(d.over)
	b.safely(func() { b.phoneTurn(d.who.Tenant, d.who.Operator) })
}
