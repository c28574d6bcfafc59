package switchboard

import (
	"context"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/services/acd"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
)

// waits says that the caller has not been sent away.
func (h *house) waits(c *caller, when string) {
	h.t.Helper()
	if s := h.story(c); s.Phase != call.Ringing && s.Phase != call.Queued {
		h.t.Errorf("%s: the caller is %s", when, s.Phase)
	}
}

// sentAway says that the caller waits for nobody.
func (h *house) sentAway(c *caller, when string) {
	h.t.Helper()
	if s := h.story(c); s.Phase != call.Announcing && s.Phase != call.Recording {
		h.t.Errorf("%s: the caller is %s", when, s.Phase)
	}
}

// stall lets a duty that writes an event of this type wait until release is called.
func (h *house) stall(e duty.Type) (release func()) {
	until := make(chan struct{})
	set := func(e duty.Type) { h.ledger.mu.Lock(); h.ledger.turn, h.ledger.until = e, until; h.ledger.mu.Unlock() }
	set(e)
	return func() { set(""); close(until) }
}

// hungUpOn puts ada, at her desk, into the minute after a call in which no call is offered.
func (h *house) hungUpOn() *desk {
	h.t.Helper()
	h.home.Accounts[0].WrapUp = time.Minute
	ada := h.ready("ada")
	c := h.dial(lakeside)
	ada.accept()
	h.pass(time.Second)
	c.leg.Leave()
	h.pass(0)
	ada.want(duty.WrapUp)
	return ada
}

// A second is longer than any handover to a telephone takes; the queue looks ten times in it.
func TestCallersKeepTheirPlaceWhileTheirOnlyOperatorChangesFromOnePlaceToTheOther(t *testing.T) {
	t.Run("from a desk that died to the telephone", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			h.ready("ada").seat.Leave()
			h.pass(duty.RejoinFor / 2)
			c := h.dial(lakeside)
			release := h.stall(duty.Relieved)
			h.pass(duty.RejoinFor/2 + time.Second)
			h.waits(c, "nobody has the place")
			late := h.dial(lakeside)
			release()
			if h.pass(0); h.rung() != 1 {
				t.Fatal("the telephone does not ring")
			}
			if _, _, to := h.rings(); to.Call != c.id {
				t.Error("it rings for another")
			}
			h.waits(c, "it rings")
			h.waits(late, "who came in between")
		})
	})
	t.Run("from the desk that she closes to the telephone", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ada := h.hungUpOn()
			c := h.dial(lakeside)
			release := ada.keep()
			go func() { _ = ada.seat.Ask(h.t.Context(), duty.Event{Type: duty.HomeAsked}) }()
			h.pass(time.Second)
			h.waits(c, "nobody has the place")
			release()
			if h.pass(0); h.rung() != 1 {
				t.Fatal("the telephone does not ring")
			}
			h.waits(c, "it rings")
		})
	})
	t.Run("from the telephone to the desk that is back", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			c := h.dial(lakeside)
			ada := h.signsOn("an earlier duty")
			h.pass(3 * time.Second) // until it has its audio
			h.waits(c, "the desk connects")
			if h.rung() != 1 {
				t.Error("the telephone rings on")
			}
			ada.connects()
			h.pass(5 * time.Second) // for as long the queue spares whose telephone did not take the call
			ada.want(duty.Offered)
			h.waits(c, "the desk is offered the call")
		})
	})
}

// signsOn is ada's page that has no audio yet.
func (h *house) signsOn(resume tenants.DutyID) *desk {
	h.t.Helper()
	d := &desk{h: h}
	actor := tenants.Actor{Tenant: "harbor", User: "ada", Name: "Ada Novak", Role: tenants.RoleOperator}
	seat, err := h.board.SignOn(actor, resume, func(s duty.State) { d.mu.Lock(); d.last = s; d.mu.Unlock() }, func(string) {})
	if err != nil {
		h.t.Fatal(err)
	}
	d.seat = seat
	return d
}

func (d *desk) connects() {
	d.h.t.Helper()
	if _, err := d.seat.Open("v=0\r\no=- ada 1 IN IP4 0.0.0.0\r\n"); err != nil {
		d.h.t.Fatal(err)
	}
	d.h.pass(0)
	d.leg = d.h.windows.newest()
	d.leg.Emit(media.Event{Kind: media.Connected, At: time.Now()})
	d.h.pass(0)
}

func TestAPlaceThatNobodyTakesIsKeptForSecondsOnly(t *testing.T) {
	t.Run("by a page that never connects", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			c := h.dial(lakeside)
			h.signsOn("an earlier duty")
			h.pass(acd.VacantFor - time.Second)
			h.waits(c, "it may still connect")
			h.pass(2 * time.Second)
			h.sentAway(c, "it has not")
		})
	})
	t.Run("by a telephone that goes in the very moment", func(t *testing.T) {
		inHouse(t, func(h *house) {
			_, c, release := h.dies(duty.Relieved)
			h.board.UnseatPhone("ada.harbor")
			release()
			h.pass(acd.VacantFor)
			h.sentAway(c, "the telephone is gone")
		})
	})
	t.Run("and not at all when nobody is to take it", func(t *testing.T) {
		for name, before := range map[string]func(h *house){
			"no telephone":      func(h *house) { h.board.UnseatPhone("ada.harbor") },
			"no operator":       func(h *house) { h.home.Operators = h.home.Operators[1:] },
			"a node that stops": func(h *house) { h.drains() },
		} {
			t.Run(name, func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.registered()
					ada := h.hungUpOn()
					c := h.dial(lakeside)
					before(h)
					if err := ada.ask(duty.Event{Type: duty.HomeAsked}); err != nil {
						t.Fatal(err)
					}
					h.sentAway(c, "she has gone home")
				})
			})
		}
	})
}

// dies takes ada's desk away for good, with a caller who comes meanwhile; her duty waits where it writes e, until release.
func (h *house) dies(e duty.Type) (was tenants.DutyID, c *caller, release func()) {
	h.t.Helper()
	h.registered()
	ada := h.ready("ada")
	was = ada.state().Duty
	ada.seat.Leave()
	h.pass(duty.RejoinFor / 2)
	c, release = h.dial(lakeside), h.stall(e)
	h.pass(duty.RejoinFor/2 + time.Second)
	return was, c, release
}

// drains lets this node take nothing new, with the calls that it has.
func (h *house) drains() {
	ctx, cancel := context.WithCancel(h.t.Context())
	cancel()
	h.board.Drain(ctx)
}

func TestAPageThatComesWhileTheTelephoneTakesThePlaceCostsNoCallerTheirs(t *testing.T) {
	t.Run("before it is the telephone's turn", func(t *testing.T) {
		inHouse(t, func(h *house) {
			was, c, release := h.dies(duty.TimerFired)
			ada := h.signsOn(was)
			ada.seat.Alive(false) // its audio was there all the while
			release()
			h.pass(time.Second)
			ada.want(duty.Paused)
			h.waits(c, "she is about to ask for calls")
			if err := ada.ask(duty.Event{Type: duty.Ready}); err != nil {
				t.Fatal(err)
			}
			if ada.want(duty.Offered); h.rung() != 0 {
				t.Error("the telephone rings too")
			}
			if err := ada.ask(duty.Event{Type: duty.PauseAsked}); err != nil {
				t.Fatal(err)
			}
			h.sentAway(c, "and then for a pause")
		})
	})
	t.Run("after it", func(t *testing.T) {
		inHouse(t, func(h *house) {
			was, c, release := h.dies(duty.Relieved)
			h.signsOn(was) // is told to come again
			release()
			h.pass(0)
			if h.waits(c, "the telephone has it"); h.rung() != 1 {
				t.Fatal("the telephone does not ring")
			}
			ada := h.signsOn(was)
			h.pass(time.Second)
			ada.connects()
			h.pass(5 * time.Second)
			ada.want(duty.Offered)
			h.waits(c, "the page has it")
		})
	})
}
