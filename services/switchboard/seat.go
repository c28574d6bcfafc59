package switchboard

import (
	"context"
	"errors"
	"strings"
	"sync"

	"holdfast/media"
	"holdfast/services/duty"
	"holdfast/tenants"
)

// Seat is one page connected to a duty. A newer page of the same operator takes the duty over; the older is told.
type Seat struct {
	duty *liveDuty
	show func(duty.State)
	bye  func(why string)

	sitting sync.Once // the first sign of life says whether the page brings media of its own
	leaving sync.Once
}

// SignOn opens the operator's duty, or takes it over, for a page. resume is the duty of an earlier connection, by its
// secret: the line was checked then. A node that shuts down begins no duty, but whoever has one here may come back to it.
// show is told every new state and bye why the server lets go of the page; both are
// called on the duty's goroutine and must not block. A duty with a telephone ends for the page, but not in a call: ErrOnPhone.
func (b *Switchboard) SignOn(actor tenants.Actor, resume tenants.DutyID, show func(duty.State), bye func(string)) (*Seat, error) {
	who, err := b.who(actor)
	if err != nil {
		return nil, err
	}
	defer b.keepPlace(who)()
	if err := b.handOver(who.Operator); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.duties[who.Operator]; d != nil {
		seat := &Seat{duty: d, show: show, bye: bye}
		if d.mail.post(glance{seat}) {
			return seat, nil
		} // else the duty is over and in its farewell: a new one begins
	}
	if b.draining {
		return nil, ErrDraining
	}
	d := newDuty(b, who)
	b.duties[who.Operator] = d
	b.owners.Add(1)
	d.post(duty.Event{Type: duty.Began, Who: &d.who, Resumed: resume != ""})
	seat := &Seat{duty: d, show: show, bye: bye}
	d.mail.post(glance{seat})
	go d.run()
	return seat, nil
}

// ErrNoOperator says that the routing copy does not know the actor: not an operator, or removed.
var ErrNoOperator = errors.New("this user cannot take calls")

func (b *Switchboard) who(actor tenants.Actor) (duty.Who, error) {
	if home := b.cfg.Book.Copy(actor.Tenant); home != nil {
		for _, o := range home.Operators {
			if o.ID == actor.User {
				return duty.Who{
					Duty: tenants.DutyID(tenants.NewID()), Tenant: actor.Tenant, Operator: o.ID, Name: o.Name,
					Email: o.Email, Languages: o.Languages, Accounts: o.Accounts,
				}, nil
			}
		}
	}
	return duty.Who{}, ErrNoOperator
}

// Alive takes the page's first sign of life on this connection: a page that kept its media begins with a heartbeat, one
// that was just loaded begins with a fresh one, or with its SDP offer. Until then the operator is not counted as back.
func (s *Seat) Alive(fresh bool) {
	s.sitting.Do(func() {
		if !s.duty.mail.post(seated{s, fresh}) {
			s.close("connection_lost") // the place has gone to the telephone in this moment: a page that comes again has it
		}
	})
}

// Leave tells that the page's socket is gone. It may be repeated.
func (s *Seat) Leave() {
	s.leaving.Do(func() { s.duty.mail.post(unseated{s}) })
}

func (s *Seat) close(why string) {
	s.leaving.Do(func() {})
	s.bye(why)
}

// Ask gives the duty an operator's wish and returns its answer: nil, duty.ErrStale, a *duty.Refusal, or ctx's error.
func (s *Seat) Ask(ctx context.Context, e duty.Event) error {
	s.Alive(false)
	if e.At.IsZero() {
		e.At = s.duty.board.cfg.Now()
	}
	r := request{e, make(chan error, 1)}
	if !s.duty.mail.post(r) {
		return &duty.Refusal{Phase: duty.Away, Event: e.Type, Code: "not_now", Reason: "the duty is over"}
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// State returns the duty as it stands.
func (s *Seat) State(ctx context.Context) (duty.State, error) {
	p := peek{make(chan duty.State, 1)}
	if !s.duty.mail.post(p) {
		return duty.State{Phase: duty.Away}, nil
	}
	select {
	case st := <-p.reply:
		return st, nil
	case <-ctx.Done():
		return duty.State{}, ctx.Err()
	}
}

// Open answers the page's SDP offer. An offer of the same session as the present leg's (RFC 8866 section 5.2: the o= line)
// restarts that leg's ICE, since the page's network changed; any other opens a new leg in place of the old.
func (s *Seat) Open(offer string) (answer string, err error) {
	if l := s.duty.leg.Load(); l != nil && l.session != "" && l.session == session(offer) {
		if r, ok := l.Leg.(restarter); ok {
			s.Alive(false)
			return r.Restart(offer)
		}
	}
	s.Alive(true)
	answer, leg, err := s.duty.board.cfg.Browsers.Answer(offer)
	if err != nil {
		return "", err
	}
	if !s.duty.mail.post(opened{s, leg, session(offer)}) {
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "duty_over"})
		return "", ErrNoOperator
	}
	return answer, nil
}

// session is the user name and session id of an SDP's o= line; "" when there is none.
func session(sdp string) string {
	for line := range strings.Lines(sdp) {
		if origin, ok := strings.CutPrefix(line, "o="); ok {
			if f := strings.Fields(origin); len(f) > 1 {
				return f[0] + " " + f[1]
			}
		}
	}
	return ""
}

// sit puts a page in the seat; on the duty's goroutine.
func (d *liveDuty) sit(it seated) {
	if d.seat != nil && d.seat != it.seat {
		d.seat.close("replaced")
	}
	if it.fresh { // the media of the earlier page is of no use to this one; a page that only lost its socket still has its own
		d.dropLeg("replaced")
	}
	d.seat = it.seat
	_ = d.step(duty.Event{Type: duty.SocketUp, At: d.board.cfg.Now()})
}

// open takes the new page's leg in place of the old.
func (d *liveDuty) open(it opened) {
	if it.seat != d.seat {
		it.leg.Hangup(media.Ending{By: media.ByServer, Reason: "replaced"})
		return
	}
	d.dropLeg("replaced")
	d.leg.Store(&openLeg{Leg: it.leg, session: it.session, duty: d})
	it.leg.Listen(func(e media.Event) { d.mail.post(legEvent{it.leg, e}) })
}

// dropLeg ends the present leg, if any, and says so.
func (d *liveDuty) dropLeg(why string) {
	l := d.leg.Swap(nil)
	if l == nil {
		return
	}
	l.Hangup(media.Ending{By: media.ByServer, Reason: why})
	_ = d.step(duty.Event{Type: duty.MediaDown, At: d.board.cfg.Now()})
}

// heard follows the leg's path. Silence counts only while the leg is told to watch it: in a call.
func (d *liveDuty) heard(it legEvent) {
	l := d.leg.Load()
	if l == nil || l.Leg != it.leg {
		return // of a leg that was replaced
	}
	now := d.board.cfg.Now()
	switch it.event.Kind {
	case media.Connected, media.Audible:
		_ = d.step(duty.Event{Type: duty.MediaUp, At: now})
	case media.Unreachable, media.Silent:
		_ = d.step(duty.Event{Type: duty.MediaDown, At: now})
	case media.Ended:
		d.leg.Store(nil)
		_ = d.step(duty.Event{Type: duty.MediaDown, At: now})
	case media.Digit, media.Held, media.Resumed:
	}
}

// watch tells the leg whether the operator's silence matters: while talking, audio must flow.
func (d *liveDuty) watch(on bool) {
	if l := d.leg.Load(); l != nil {
		if w, ok := l.Leg.(watcher); ok {
			w.WatchSilence(on)
		}
	}
}
