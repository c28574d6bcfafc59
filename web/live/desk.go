package live

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/interim"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/people"
)

const (
	// mailbox is how many commands may wait for the duty; a person sends one at a time.
	mailbox = 16
	// signOnLimit, doLimit and checkLimit bound how long the switchboard may take. A check records and judges 3 s.
	signOnLimit = 3 * time.Second
	doLimit     = 5 * time.Second
	checkLimit  = 15 * time.Second
	// offersASecond bounds what costs most: a new peer connection.
	offersASecond = 5
	// queueEvery is the least time between two queue messages.
	queueEvery = 250 * time.Millisecond
)

// desk is one operator's socket: a duty's states out, its commands in.
type desk struct {
	server *Server
	socket *socket
	actor  tenants.Actor

	mu       sync.Mutex
	state    duty.State
	began    bool
	took     bool // another page had this duty when this one came
	shown    bool // a state was
	sent     bool // the secret was
	leaving  bool // the sign-in is over
	provenAt time.Time

	touched   map[tenants.TicketID]bool // messages that are shown here
	rehearsed ticket.State              // the message of a practice call, which nobody keeps

	offers *allowance
	checks chan Command
	orders chan Command
	calls  chan tenants.CallID // a call came into this operator's hands: has it a message already?
	notes  chan Command        // about messages: typing waits for no call, and no call for a disk
}

func (s *Server) desk(ctx context.Context, c *socket, actor tenants.Actor, resume tenants.DutyID) {
	d := &desk{
		server: s, socket: c, actor: actor, offers: newAllowance(offersASecond, offersASecond, s.cfg.Now()),
		checks: make(chan Command, 1), orders: make(chan Command, mailbox),
		calls: make(chan tenants.CallID, mailbox), notes: make(chan Command, mailbox), touched: map[tenants.TicketID]bool{},
	}
	c.mu.Lock()
	c.over = d.over
	c.mu.Unlock()
	signing, cancel := context.WithTimeout(ctx, signOnLimit)
	seat, err := s.cfg.Desk.SignOn(signing, actor, resume, d.show, c.bye)
	cancel()
	if err != nil {
		p := problemOf(err)
		level := slog.LevelError
		if p.Code == "on_phone" { // nothing is wrong
			level = slog.LevelInfo
		}
		c.log.Log(ctx, level, "sign-on failed", "error", err)
		c.refuse("", p.Code, p.Text)
		c.bye("refused")
		<-ctx.Done()
		return
	}
	defer d.leave(ctx, seat)
	// Everything below has ended before the seat is left: no command follows Leave.
	var wait sync.WaitGroup
	defer wait.Wait()
	defer c.end(nil)
	for _, part := range []func(context.Context){
		func(ctx context.Context) { d.perform(ctx, seat, d.orders, doLimit) },
		func(ctx context.Context) { d.perform(ctx, seat, d.checks, checkLimit) },
		d.showQueue, d.write, d.showTickets,
		func(ctx context.Context) { s.showPlan(ctx, c, actor.Tenant) },
	} {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer c.recover()
			part(ctx)
		}()
	}
	c.read(ctx, deskCommands, d.take)
}

// take puts a command into its mailbox without waiting: checks have their own, so that a pause is heard during one.
func (d *desk) take(c Command) {
	box := d.orders
	switch c.Do {
	case DoBeat: // answered already; the duty takes it as a sign of life, and one that finds no room is no loss
		d.prove()
		select {
		case d.orders <- c:
		default:
		}
		return
	case DoOffer:
		if !d.offers.take(d.server.cfg.Now()) {
			d.socket.refuse(c.ID, "too_many", "The audio line is renewed too often. Wait a second.")
			return
		}
	case DoCheck:
		box = d.checks
	case DoDraft, DoSaveTicket, DoAppendTicket, DoDeliverTicket, DoMailTicket, DoTakeTicket, DoSetOverride, DoEndOverride, DoSetNote, DoEndNote:
		box = d.notes
	}
	select {
	case box <- c:
	default:
		d.socket.refuse(c.ID, "too_many", "The commands before this one are not done yet. Wait a second.")
	}
}

// perform hands the mailbox's commands to the duty, one after another, and answers each.
func (d *desk) perform(ctx context.Context, seat Seat, box <-chan Command, limit time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-box:
			doing, cancel := context.WithTimeout(ctx, limit)
			reply, err := seat.Do(doing, c)
			cancel()
			d.reply(c, reply, err)
		}
	}
}

func (d *desk) reply(c Command, r Reply, err error) {
	switch {
	case c.Do == DoBeat:
	case err != nil:
		p := problemOf(err)
		if p.Code == "away" {
			d.socket.log.Error("command failed", "do", c.Do, "error", err)
		}
		d.socket.answer(Message{Type: "error", ID: c.ID, Error: p})
	case r.SDP != "":
		d.socket.answer(Message{Type: "answer", ID: c.ID, SDP: r.SDP})
	case r.Check != nil:
		d.socket.answer(Message{Type: "check", ID: c.ID, Check: r.Check})
	default:
		d.socket.answer(Message{Type: "done", ID: c.ID})
	}
}

// show is called with every new state, from the duty's goroutine.
func (d *desk) show(s duty.State) {
	d.mu.Lock()
	if s.Card != nil && (d.state.Card == nil || d.state.Card.Call != s.Card.Call) {
		select {
		case d.calls <- s.Card.Call:
		default: // an older one was not looked at yet: its message is told of with its next change
		}
	}
	if !d.began {
		d.took = s.Socket // ours is not counted in the first state
	}
	d.state, d.began = s, true
	rehearsal := d.rehearsal(s)
	leaves := d.leaving && !busy(s)
	d.mu.Unlock()
	if leaves {
		d.socket.bye("signed_out")
		return
	}
	d.prove()
	if rehearsal != nil {
		d.socket.answer(Message{Type: "ticket", Ticket: rehearsal})
	}
}

// busy reports whether a caller is in the operator's hands.
func busy(s duty.State) bool {
	return s.Phase == duty.Talking || s.Phase == duty.Lost && s.Resume == duty.Talking
}

// over closes the desk because the sign-in is over: at once, or when the caller is gone.
func (d *desk) over() {
	d.mu.Lock()
	d.leaving = true
	stays := busy(d.state)
	d.mu.Unlock()
	if !stays {
		d.socket.bye("signed_out")
	}
}

// leave gives the seat up. Whoever may not come back is off duty at once.
func (d *desk) leave(ctx context.Context, seat Seat) {
	defer seat.Leave()
	d.mu.Lock()
	leaving := d.leaving && !busy(d.state)
	d.mu.Unlock()
	if !leaving {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), doLimit)
	defer cancel()
	if _, err := seat.Do(ctx, Command{Do: DoGoHome}); err != nil {
		d.socket.log.Info("a signed-out operator could not be sent home", "error", err)
	}
}

// prove notes that the line is proven now, where it is, and shows the duty: the page says when callers could last be put
// through, so it hears of it with every beat.
func (d *desk) prove() {
	d.mu.Lock()
	if !d.began {
		d.mu.Unlock()
		return
	}
	if d.state.Socket && d.state.Media {
		d.provenAt = d.server.cfg.Now()
	}
	d.mu.Unlock()
	d.socket.show(stateDuty, d.view)
}

// view is the duty as it stands when it is sent: the socket's writer asks, so that neither the duty nor a call waits for it.
func (d *desk) view() Message {
	d.mu.Lock()
	s, provenAt := d.state, d.provenAt
	took := d.took && !d.shown
	secret := s.Checked && !d.sent // it vouches for the check when another duty is begun with it
	d.shown, d.sent = true, d.sent || secret
	d.mu.Unlock()
	view := viewOf(s, d.server.cfg.Boards.copyOf(d.actor.Tenant), provenAt)
	view.MayDial = view.MayDial && d.server.cfg.Dials != nil && d.server.cfg.Dials()
	view.Colleagues = d.colleagues()
	view.TookOver = took
	if secret {
		view.Secret = d.server.cfg.Tickets.DutySecret(d.actor, s.Duty)
	}
	return Message{Type: "duty", Duty: view}
}

// colleagues is who could take the call that this operator talks in.
func (d *desk) colleagues() []Colleague {
	d.mu.Lock()
	s := d.state
	d.mu.Unlock()
	if s.Phase != duty.Talking || s.Card == nil {
		return nil
	}
	return d.server.cfg.Boards.Colleagues(d.actor.Tenant, s.Card.AccountID, s.Card.Language, s.Operator)
}

// showQueue sends the tenant's queue when it changed, and the duty when somebody else can take its call now.
func (d *desk) showQueue(ctx context.Context) {
	changes, cancel := d.server.cfg.Boards.Watch(d.actor.Tenant)
	defer cancel()
	var last Queue
	var free []Colleague
	for first := true; ; first = false {
		if now := d.colleagues(); !slices.Equal(now, free) {
			free = now
			d.prove()
		}
		if q := d.server.cfg.Boards.queueShown(d.actor); first || q.value != last {
			last = q.value
			d.socket.show(stateQueue, func() Message { return q.message(queueMessage) })
		}
		if !next(ctx, changes, queueEvery, queueAnyway) {
			return
		}
	}
}

// problemOf says an error in the words of the page.
func problemOf(err error) *Problem {
	var p *Problem
	var r *duty.Refusal
	var t *ticket.Refusal
	var u *ticket.Unasked
	var w *call.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &r):
		return &Problem{Code: r.Code, Text: r.Reason}
	case errors.As(err, &w):
		return &Problem{Code: cmp.Or(w.Code, "not_now"), Text: w.Reason}
	case errors.Is(err, interim.ErrForbidden):
		return &Problem{Code: "forbidden", Text: "You have not the right to set overrides and notes. A supervisor can do it."}
	case errors.Is(err, interim.ErrNotFound):
		return &Problem{Code: "not_found", Text: "There is no such account, person, override or note any more."}
	case errors.Is(err, interim.ErrNotKept):
		return &Problem{Code: "not_kept", Text: "The disk did not confirm it. Look whether it holds, and set it again if not."}
	case len(people.Problems(err)) > 0:
		return badValue(people.Problems(err))
	case errors.As(err, &u):
		return &Problem{Code: "confirm", Text: u.Error()}
	case errors.As(err, &t):
		return &Problem{Code: t.Code, Text: t.Reason}
	case errors.Is(err, ticket.ErrNotFound):
		return &Problem{Code: "not_found", Text: "There is no such message here."}
	case errors.Is(err, ticket.ErrNotKept):
		return &Problem{Code: "not_kept", Text: "The disk did not confirm it. What you typed is kept in this page; it is sent again."}
	case errors.Is(err, duty.ErrStale):
		return &Problem{Code: "offer_gone", Text: "This call is no longer offered to you."}
	default:
		return &Problem{Code: "away", Text: "This could not be done just now. Try again."}
	}
}

// badValue says which fields of a command hold what cannot be so.
func badValue(found []*people.Problem) *Problem {
	p := &Problem{Code: "bad_value", Text: found[0].Error()}
	for _, f := range found {
		p.Errors = append(p.Errors, Wrong{Field: f.Field, Code: f.Key(), Text: f.Text})
	}
	return p
}
