package trunk

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
	"holdfast/tenants/routing"
)

const (
	maxUser = 32  // characters of a number that we call; E.164 has 16
	keyTime = 100 // milliseconds for which a key is pressed
)

// outgoing is a call that we place. It is a dialog from the start, though one without a peer until somebody answers: who
// has the leg may set its receiver, listen, and hang up, which before the answer withdraws the call.
//
// The trunks are tried one after another (attempt); only what the trunk could not do goes on to the next, and what the
// called party said is the end. One goroutine runs it all. An attempt that was given up may still be answered: it is looked
// after until it is over for certain, and such an answer is acknowledged and hung up on.
type outgoing struct {
	*dialog
	to        media.Destination
	carriers  []routing.Trunk
	withdrawn context.Context // done: somebody hung up before the answer
	withdraw  context.CancelFunc
	loose     sync.WaitGroup // attempts that were given up
	settled   chan struct{}  // no attempt is left

	answered bool // under dialog.mu: the peer picked up, and dialog is a dialog
	early    bool // of the run goroutine: media was agreed before the answer
	rang     bool // of the run goroutine: Ringing was told
}

var (
	_ media.Dialer = (*Server)(nil)
	_ media.Keypad = (*dialog)(nil)
)

// Dial implements media.Dialer over the trunks that take calls from us, in the order of their names.
func (s *Server) Dial(to media.Destination) (media.Leg, error) {
	if !fit(to) {
		return nil, fmt.Errorf("call out: %w", media.ErrNumber)
	}
	o := &outgoing{to: to, settled: make(chan struct{})}
	o.withdrawn, o.withdraw = context.WithCancel(context.Background())
	var phone *binding
	if to.Registered {
		phone, o.carriers = s.reach(to.To)
	} else {
		o.carriers = s.carriers(to.Trunk)
	}
	if len(o.carriers) == 0 {
		return nil, fmt.Errorf("call out: %w", media.ErrNoRoute)
	}
	session, err := s.cfg.Media.Open(nil)
	if err != nil {
		return nil, fmt.Errorf("call out: %w", err)
	}
	o.dialog = &dialog{
		s: s, callID: cmp.Or(to.Call, sip.GenerateTagN(16)), transport: "UDP", session: session, phone: phone,
		sdpID: uint64(s.cfg.Now().UnixMicro()), version: 1, //nolint:gosec // after 1970
	}
	o.prepare()
	o.leave = o.part
	s.mu.Lock()
	if s.stopped || !s.started {
		s.mu.Unlock()
		session.Close()
		return nil, fmt.Errorf("call out: %w", errStopped)
	}
	s.placed[o] = struct{}{}
	s.mu.Unlock()
	session.Listen(o.fromMedia)
	s.spawn(o.run)
	return o, nil
}

// carriers are the trunks that take calls from us, or the one of a name.
func (s *Server) carriers(name string) (all []routing.Trunk) {
	for _, t := range *s.trunks.Load() {
		if t.Out != nil && (name == "" || name == t.Name) {
			all = append(all, t)
		}
	}
	return all
}

// over is the transport by which a trunk is called.
func (o *outgoing) over(t routing.Trunk) string {
	if o.phone != nil {
		return o.phone.transport
	}
	return transportOf(t)
}

// fit says whether a destination can be written into an INVITE; its name is made fit (shown).
func fit(to media.Destination) bool {
	return (to.Registered || callable(to.To)) && (to.From == "" || callable(to.From)) && !strings.ContainsFunc(to.Call, unfit) && len(to.Call) <= maxText
}

// callable says whether a text may be the user of a URI as it is: a number, or the name of a line.
func callable(user string) bool {
	return user != "" && len(user) <= maxUser && !strings.ContainsFunc(strings.TrimPrefix(user, "+"), unfit)
}

// run tries the trunks.
func (o *outgoing) run() {
	defer o.s.recovered("outbound call", func() { o.finish(media.Ending{By: media.ByError, Reason: "panic"}, true) })
	defer o.settle()
	ring := time.NewTimer(o.s.timing.ring)
	defer ring.Stop()
	last := media.Ending{By: media.ByServer, Reason: "shutdown"}
	if !o.s.listening() {
		o.carriers = nil
	}
	for _, t := range o.carriers {
		ending, v := o.try(t, ring.C)
		if v == settled {
			return
		}
		if last = ending; v == final {
			break
		}
	}
	o.finish(last, false)
}

// settle notes when the last attempt is over.
func (o *outgoing) settle() {
	o.s.spawn(func() {
		o.loose.Wait()
		close(o.settled)
		o.s.mu.Lock()
		delete(o.s.placed, o)
		o.s.mu.Unlock()
	})
}

// part tells the peer that we are going: BYE, or before the answer CANCEL.
func (o *outgoing) part() {
	o.mu.Lock()
	answered := o.answered
	o.mu.Unlock()
	if answered {
		o.bye()
		return
	}
	o.withdraw()
	select {
	case <-o.settled:
	case <-o.s.quit:
	}
}

// fromMedia passes on what the media engine noticed. Before the answer nobody need send anything, and keys are nobody's.
func (o *outgoing) fromMedia(ev media.Event) {
	o.mu.Lock()
	answered := o.answered
	o.mu.Unlock()
	if answered || ev.Kind == media.Ended {
		o.dialog.fromMedia(ev)
	}
}

// verdict is what an attempt means for the call.
type verdict uint8

const (
	next    verdict = iota // the trunk could not: try another
	final                  // the called party, or we, have had enough
	settled                // answered, or the leg is over already
)

// try places the call through one trunk.
func (o *outgoing) try(t routing.Trunk, ring <-chan time.Time) (media.Ending, verdict) {
	unreachable := media.Ending{By: media.ByError, Reason: media.EndedUnreachable}
	if o.withdrawn.Err() != nil {
		return media.Ending{}, settled
	}
	to, err := o.s.locate(t)
	if err != nil {
		o.s.cfg.Log.Warn("a trunk takes no calls from us", "trunk", t.Name, "error", clean(err.Error()))
		return unreachable, next
	}
	from := t.Media
	if len(from) == 0 {
		from = t.Signal
	}
	o.mu.Lock()
	o.secure, o.trunk = secureOf(t, o.over(t)), t.Name
	impossible := o.secure.Policy == sdp.Require && o.secure.Keys == nil
	o.mu.Unlock()
	if impossible {
		o.s.cfg.Log.Warn("a trunk takes no calls from us", "trunk", t.Name, "error", "its keys may not be sent in clear")
		return unreachable, next
	}
	if o.phone != nil {
		o.session.Confine(o.s.mediaOf(o.phone, t))
	} else {
		o.session.Allow(from)
	}
	o.session.Await(t.Encryption != routing.EncryptionOff)
	o.early = false
	a := newAttempt(o, t, to)
	ending, v := a.run(ring)
	if v != settled {
		o.s.cfg.Log.Info("call out failed", "call", o.callID, "trunk", t.Name, "reason", ending.Reason, "status", ending.Status)
	}
	return ending, v
}

// domainOf is the host of whom we call and who we are, towards a trunk.
func domainOf(w *routing.WayOut) string {
	host, _, _ := net.SplitHostPort(w.Target)
	return cmp.Or(w.Domain, host)
}

// reasonOf is the stable reason of a final failure, and whether another trunk may do better. A 408 is the called party's once
// it rang there; before, it is the carrier that reached nobody.
func reasonOf(status int, rang bool) (media.Ending, verdict) {
	e, v := media.Ending{By: media.ByPeer, Status: status}, final
	switch {
	case status == 486, status == 600:
		e.Reason = media.EndedBusy
	case status == 480, status == 487, status == 408 && rang:
		e.Reason = media.EndedNoAnswer
	case status == 603:
		e.Reason = media.EndedDeclined
	case status == 404, status == 410, status == 484, status == 604:
		e.Reason = media.EndedNoNumber
	case status == 401, status == 403, status == 407:
		e.By, e.Reason, v = media.ByError, media.EndedForbidden, next
	default: // 3xx among them: no stranger says where our calls go
		e.By, e.Reason, v = media.ByError, media.EndedUnreachable, next
	}
	return e, v
}
