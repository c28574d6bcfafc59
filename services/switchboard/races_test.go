package switchboard

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

var sue = tenants.Actor{Tenant: "harbor", User: "sue", Name: "Sue", Role: tenants.RoleSupervisor}

func TestAnOperatorLostDuringTheGreetingIsFreeAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.home.Accounts[0].GreetingInFull = true
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ada.seat.Leave()
		h.pass(time.Second)
		if s := h.story(c); s.Phase != call.Queued || s.JoinAfter {
			t.Fatalf("the caller is %s, to be joined %v", s.Phase, s.JoinAfter)
		}
		again := h.open("ada", ada.state().Duty)
		h.pass(time.Second)
		again.want(duty.Offered)
		again.accept()
		h.pass(2 * clipTime)
		again.want(duty.Talking)
		if s := h.story(c); s.Phase != call.Talking {
			t.Errorf("the caller is %s", s.Phase)
		}
	})
}

func TestAGreetingThatNeverEndsDoesNotKeepThePartiesApart(t *testing.T) {
	inHouse(t, func(h *house) {
		h.home.Accounts[0].GreetingInFull = true
		ada := h.ready("ada")
		h.player.stuck = true
		c := h.dial(lakeside)
		ada.accept()
		h.pass(time.Minute)
		if s := h.story(c); s.Phase != call.Talking {
			t.Errorf("the caller is %s", s.Phase)
		}
	})
}

func TestACallerWhoHangsUpDuringAReloadLeavesTheOperatorInWrapUp(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ada.seat.Leave()
		h.pass(time.Second)
		c.leg.Leave()
		h.pass(time.Second)
		again := h.open("ada", ada.state().Duty)
		again.want(duty.WrapUp)
		h.pass(5 * time.Second)
		again.want(duty.Available)
	})
}

func TestAnOfferThatMeetsADutyJustOverGoesToTheNextOperator(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		h.pass(time.Second)
		ben := h.ready("ben")
		release := ada.keep()
		d := h.board.duty("ada")
		d.mail.post(glance{ada.seat})
		h.pass(0)
		d.post(duty.Event{Type: duty.HomeAsked})
		h.dial(lakeside) // its offer comes behind the wish to go home
		release()
		h.pass(time.Second)
		ben.want(duty.Offered)
	})
}

func TestWhoSignsOnWhileTheDutyClosesBeginsANewOne(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		h.pass(time.Second)
		ben := h.ready("ben")
		hold := make(chan struct{}) // the duty is over, and stays in its farewell
		ada.seat.bye = func(string) { <-hold }
		d := h.board.duty("ada")
		if !d.post(duty.Event{Type: duty.HomeAsked}) {
			t.Fatal("not taken")
		}
		h.pass(0)
		next := &desk{h: h}
		seat, err := h.board.SignOn(tenants.Actor{Tenant: "harbor", User: "ada", Role: tenants.RoleOperator}, "",
			func(s duty.State) { next.mu.Lock(); next.last = s; next.mu.Unlock() }, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		h.dial(lakeside)
		close(hold)
		h.pass(time.Second)
		ben.want(duty.Offered)
		if s, err := seat.State(h.t.Context()); err != nil || s.Phase != duty.Checking {
			t.Errorf("who signs on during the farewell has a duty that is %s, %v", s.Phase, err)
		}
		next.want(duty.Checking)
	})
}

func TestADutyWhosePageNeverSpeaksEnds(t *testing.T) {
	inHouse(t, func(h *house) {
		seat, err := h.board.SignOn(tenants.Actor{Tenant: "harbor", User: "ada", Role: tenants.RoleOperator}, "",
			func(duty.State) {}, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		seat.Leave()
		h.pass(duty.LostDuty + time.Second)
		if h.board.duty("ada") != nil {
			t.Error("the duty goes on for ever")
		}
	})
}

func TestAnOperatorMayReloadMidCallWhileTheNodeDrains(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
		defer cancel()
		drained := make(chan struct{})
		go func() { h.board.Drain(ctx); close(drained) }()
		h.pass(0)
		ada.seat.Leave()
		h.pass(time.Second)
		again := h.open("ada", ada.state().Duty)
		again.want(duty.Talking)
		actor := tenants.Actor{Tenant: "harbor", User: "ben", Role: tenants.RoleOperator}
		if _, err := h.board.SignOn(actor, "", func(duty.State) {}, func(string) {}); err == nil {
			t.Error("a new duty began on a node that stops")
		}
		c.leg.Leave()
		<-drained
	})
}

func TestAGivenCallHoldsNobodyElse(t *testing.T) {
	inHouse(t, func(h *house) {
		h.home.Operators[1].Languages = map[string]routing.Grade{"hu": routing.Native}
		ada := h.ready("ada")
		ben := h.ready("ben")
		first := h.dial(lakeside)
		ada.accept()
		given := h.dial(lakeside)
		if err := h.board.Order(sue, Order{Do: OrderGive, Call: tenants.CallID(given.id), Operator: "ben"}); err != nil {
			t.Fatal(err)
		}
		h.pass(0)
		ben.want(duty.Offered)
		third := h.dial(lakeside)
		first.leg.Leave()
		h.pass(5*time.Second + 900*time.Millisecond) // wrap-up, and the second within which an offer is due
		ada.want(duty.Offered)
		if card := ada.state().Card; string(card.Call) != third.id {
			t.Errorf("Ada is offered %s", card.Call)
		}
		ada.accept()
		s := ben.state()
		if err := ben.ask(duty.Event{Type: duty.Decline, Call: s.Card.Call, Epoch: s.Epoch}); err != nil {
			t.Fatal(err)
		}
		third.leg.Leave()
		h.pass(6 * time.Second)
		if card := ada.state().Card; card == nil || string(card.Call) != given.id {
			t.Errorf("the call that Ben declined does not wait any more: %+v", card)
		}
	})
}

func TestALatePartDoesNotSilenceTheOperatorsNextCall(t *testing.T) {
	inHouse(t, func(h *house) {
		h.home.Accounts[0].WrapUp = 0
		ada := h.ready("ada")
		first := h.dial(lakeside)
		ada.accept()
		h.ledger.slow, h.ledger.until = call.OperatorEnded, make(chan struct{})
		if err := ada.ask(duty.Event{Type: duty.HangUp, Call: tenants.CallID(first.id)}); err != nil {
			t.Fatal(err)
		}
		second := h.dial(lakeside) // while the first call's goroutine waits for its disk
		ada.accept()
		close(h.ledger.until)
		h.pass(0)
		second.leg.SayTone(media.PCMU, 440, time.Second)
		ada.leg.SayTone(media.PCMU, 1000, time.Second)
		if !ada.leg.Heard.Hears(440) || !second.leg.Heard.Hears(1000) {
			t.Error("the end of the first call cut the second")
		}
		if first.leg.Heard.Hears(1000) {
			t.Error("the first caller hears the second call")
		}
	})
}

func TestAMessageThatWasNotStoredInTimeIsNotDeleted(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		h.tapes.newest().broken = errDisk
		c.leg.SayTone(media.PCMU, 440, 2*time.Second)
		c.leg.Leave()
		h.pass(time.Second)
		if s := h.story(c); s.Result != call.Failed || s.Reason != "recording_failed" {
			t.Fatalf("%s %s", s.Result, s.Reason)
		}
		if h.tapes.newest().discarded {
			t.Error("what a disk may yet take was deleted")
		}
	})
}

func TestARecorderThatPanicsIsToldToTheCaller(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		h.tapes.newest().panics = true
		c.leg.Press("#")
		h.pass(2 * clipTime)
		if s := h.story(c); s.Result != call.Failed || s.Reason != "recording_failed" {
			t.Fatalf("%s %s %s", s.Phase, s.Result, s.Reason)
		}
	})
}

func TestARecordingThatNobodyEndsIsEndedByTheClock(t *testing.T) {
	inHouse(t, func(h *house) { // the tapes of this house never notice silence
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		c.leg.SayTone(media.PCMU, 440, 2*time.Second)
		h.pass(5 * time.Minute)
		if s := h.story(c); s.Result != call.Voicemail {
			t.Fatalf("%s %s %s", s.Phase, s.Result, s.Reason)
		}
	})
}

func TestAnAcceptAndTheCallersHangUpMayCross(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		release := ada.keep()
		d := h.board.duty("ada")
		d.mail.post(glance{ada.seat})
		h.pass(0)
		s := ada.state()
		d.post(duty.Event{Type: duty.Accept, Call: s.Card.Call, Epoch: s.Epoch})
		c.leg.Leave() // its withdrawal comes behind the accept
		h.pass(0)
		release()
		h.pass(0)
		ada.want(duty.Available)
		if s := h.story(c); s.Result != call.Abandoned {
			t.Errorf("%s %s", s.Result, s.Reason)
		}
	})
}

func TestANodeThatIsFullSaysSo(t *testing.T) {
	inHouse(t, func(h *house) {
		h.board.cfg.MaxCalls = 1
		h.dial(lakeside)
		c := h.dial(lakeside)
		if c.refused != 503 || !h.ledger.raised("platform calls_refused") {
			t.Errorf("refused with %d, alarms %v", c.refused, h.ledger.alarms)
		}
	})
}

// One tenant's callers must not keep out another's.
func TestTheLastQuarterIsForOtherTenants(t *testing.T) {
	inHouse(t, func(h *house) {
		said := 0
		h.board.cfg.Most = func(int) (int, func() string) { return 8, func() string { said++; return "no port is left" } }
		var callers []*caller
		taken := func(number string, calls int) (n int) {
			for range calls {
				if c := h.dial(number); c.refused == 0 {
					callers = append(callers, c)
					n++
				}
			}
			return n
		}
		if n := taken(lakeside, 10); n != 6 {
			t.Errorf("of one tenant %d calls are taken, of 8 that may live", n)
		}
		if n := taken("+16085559999", 10); n != 2 {
			t.Errorf("of others %d", n)
		}
		if said != 8 {
			t.Errorf("why is said %d times, and 8 calls were refused because the node is full", said)
		}
		for _, c := range callers {
			c.leg.Leave()
		}
		h.pass(time.Hour)
		if n := taken(lakeside, 10); n != 6 || len(h.board.of) != 1 {
			t.Errorf("when all have gone, %d calls are taken, and calls of %d tenants are counted", n, len(h.board.of))
		}
	})
}

func TestALegThatNeverConnectsLeavesTheDutyAsItIs(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		dead := mediatest.NewLeg()
		h.board.duty("ada").mail.post(opened{&Seat{}, dead, "someone else's"})
		h.pass(0)
		select {
		case <-dead.Done():
		default:
			t.Error("a leg of a page that has no seat stays open")
		}
		ada.want(duty.Available)
	})
}

// The machine's clock is put right, an hour either way, while somebody speaks.
func TestAClockThatIsSetChangesNoLength(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		inHouse(t, func(h *house) {
			var set atomic.Int64
			h.board.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
			h.board.cfg.since = time.Since
			c := h.dial(lakeside)
			h.pass(5 * time.Second)
			set.Store(int64(jump))
			h.pass(5 * time.Second)
			c.leg.Hangup(media.Ending{By: media.ByPeer, Reason: "bye"})
			h.pass(time.Second)
			s := h.story(c)
			if long := s.EndedAt.Sub(s.AnsweredAt); s.Phase != call.Ended || (long-10*time.Second).Abs() > 100*time.Millisecond {
				t.Errorf("with a clock set by %v: %s, 10 s lasted %v", jump, s.Phase, long)
			}
		})
	}
}
