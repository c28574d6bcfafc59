package switchboard

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

const ortiz = "+16085550111"

func (d *desk) try(w Wish) error {
	d.h.t.Helper()
	if c := d.state().Card; c != nil {
		w.Call = c.Call
	}
	err := d.seat.Wish(d.h.t.Context(), w)
	d.h.pass(0)
	return err
}

func (d *desk) wish(w Wish) {
	d.h.t.Helper()
	if err := d.try(w); err != nil {
		d.h.t.Fatalf("%s: %v", w.Do, err)
	}
}

func (d *desk) line() duty.Line {
	if l := d.state().Line; l != nil {
		return *l
	}
	return duty.Line{}
}

// denied wants a wish to be refused with a code.
func (d *desk) denied(code string, w Wish) {
	d.h.t.Helper()
	var of *call.Refusal
	if err := d.try(w); !errors.As(err, &of) || of.Code != code || of.Reason == "" {
		d.h.t.Errorf("%s %s: %v, want %s", w.Do, w.Number, err, code)
	}
}

// party is somebody whose voice is a tone.
type party struct {
	name string
	hz   float64
	leg  *mediatest.Leg
}

// hears wants each party to hear exactly the named others: "caller: ada third" and so on.
func (h *house) hears(want map[string]string, parties ...party) {
	h.t.Helper()
	for _, p := range parties {
		for _, q := range parties {
			q.leg.Heard.Forget()
		}
		p.leg.SayTone(media.PCMU, p.hz, time.Second)
		for _, q := range parties {
			should := strings.Contains(" "+want[q.name]+" ", " "+p.name+" ")
			if got := q.leg.Heard.Hears(p.hz); got != should {
				h.t.Errorf("%s hears %s: %v, want %v", q.name, p.name, got, should)
			}
		}
	}
}

// talk is a call in which Ada has asked Dr. Ortiz in; the caller waits.
type talk struct {
	ada    *desk
	caller *caller
	third  *handset
	all    []party
}

func (h *house) consulted() talk {
	h.t.Helper()
	k := talk{ada: h.ready("ada")}
	k.caller = h.dial(lakeside)
	k.ada.accept()
	k.ada.wish(Wish{Do: call.Dial, Number: "(608) 555-0111", Person: "ortiz"})
	k.third = h.line.newest()
	k.third.Emit(media.Event{Kind: media.Ringing})
	h.pass(0)
	k.third.Emit(media.Event{Kind: media.Connected})
	h.pass(0)
	k.all = []party{{"caller", 440, k.caller.leg}, {"ada", 1000, k.ada.leg}, {"third", 700, k.third.Leg}}
	return k
}

func TestACallerOnHoldHearsComfortAudioAndNobodyElseHearsAnything(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ada.wish(Wish{Do: call.Hold})
		if !strings.HasSuffix(h.player.heard(), "| music") {
			t.Errorf("the caller hears %q", h.player.heard())
		}
		both := []party{{"caller", 440, c.leg}, {"ada", 1000, ada.leg}}
		h.hears(nil, both...)
		h.pass(61 * time.Second)
		if l := ada.line(); l.With != string(call.Nobody) || l.Reminders != 1 || time.Since(l.HeldSince) < time.Minute {
			t.Errorf("after a minute: %+v", l)
		}
		ada.wish(Wish{Do: call.Resume})
		h.hears(map[string]string{"caller": "ada", "ada": "caller"}, both...)
		if ada.state().Line != nil {
			t.Errorf("after the hold: %+v", ada.line())
		}
		ada.wish(Wish{Do: call.Hold})
		c.leg.Leave()
		h.pass(0)
		ada.want(duty.WrapUp)
		if s := h.story(c); s.Result != call.Answered || s.Reason != "caller_hangup" {
			t.Errorf("%s %s", s.Result, s.Reason)
		}
	})
}

func TestAThirdPartyIsSpokenWithAsideThenJoinedThenLeftWithTheCaller(t *testing.T) {
	inHouse(t, func(h *house) {
		k := h.consulted()
		if to := h.line.to[0]; to.To != ortiz || to.From != lakeside || to.FromName != "Lakeside Cardiology" {
			t.Errorf("dialled %+v", to)
		}
		if l := k.ada.line(); l.Third.State != duty.ThirdUp || l.Third.Name != "Dr. Maria Ortiz" {
			t.Errorf("%+v", l.Third)
		}
		h.hears(map[string]string{"ada": "third", "third": "ada"}, k.all...)
		k.ada.wish(Wish{Do: call.Keyed, Digits: "12#"})
		k.ada.wish(Wish{Do: call.Swap})
		h.hears(map[string]string{"ada": "caller", "caller": "ada"}, k.all...)
		k.ada.wish(Wish{Do: call.JoinAll})
		h.hears(map[string]string{"ada": "caller third", "caller": "ada third", "third": "ada caller"}, k.all...)
		k.ada.wish(Wish{Do: call.LeaveTwo})
		k.ada.want(duty.WrapUp)
		h.hears(map[string]string{"caller": "third", "third": "caller"}, k.all...)
		if s := h.story(k.caller); s.Phase != call.Patched {
			t.Errorf("%s", s.Phase)
		}
		if k.third.keys != "12#" {
			t.Errorf("keys %q", k.third.keys)
		}
		for _, e := range h.ledger.all() {
			if strings.Contains(string(e.Data), "12#") {
				t.Errorf("the keys are written: %s", e.Data)
			}
		}
		h.pass(10 * time.Minute)
		k.third.Leave()
		h.pass(0)
		if s := h.story(k.caller); s.Result != call.Answered || s.Reason != "third_hangup" || s.Thirds[0].Talked(time.Now()) < 10*time.Minute {
			t.Errorf("%s %s %+v", s.Result, s.Reason, s.Thirds)
		}
		if k.caller.leg.Ending().Reason != "third_hangup" {
			t.Errorf("the caller's leg: %+v", k.caller.leg.Ending())
		}
		if got := h.spend.Talked("harbor", time.Now()); got < 10*time.Minute || got > 11*time.Minute {
			t.Errorf("counted %v", got)
		}
	})
}

func TestBeforeTheAnswerTheOperatorHearsHowItRings(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ada.wish(Wish{Do: call.Dial, Number: ortiz})
		third := h.line.newest()
		third.Emit(media.Event{Kind: media.Ringing})
		h.pass(0)
		if !strings.HasSuffix(h.player.heard(), "music | ringback") || ada.line().Third.State != duty.ThirdRinging {
			t.Errorf("heard %q, %+v", h.player.heard(), ada.line().Third)
		}
		h.hears(map[string]string{"ada": "third"}, party{"caller", 440, c.leg}, party{"ada", 1000, ada.leg}, party{"third", 700, third.Leg})
		third.Hangup(media.Ending{By: media.ByPeer, Reason: media.EndedBusy})
		h.pass(0)
		if l := ada.line(); l.With != string(call.Nobody) || l.Third.State != duty.ThirdOver || l.Third.Reason != media.EndedBusy {
			t.Errorf("%+v %+v", l, l.Third)
		}
		ada.wish(Wish{Do: call.Dial, Number: ortiz})
		second := h.line.newest()
		ada.wish(Wish{Do: call.Drop})
		if second.Ending().By != media.ByServer || ada.line().With != string(call.Caller) {
			t.Errorf("%+v %+v", second.Ending(), ada.line())
		}
		h.line.broken = media.ErrNoRoute
		ada.wish(Wish{Do: call.Dial, Number: ortiz})
		if l := ada.line(); l.Third.Reason != media.EndedUnreachable {
			t.Errorf("%+v", l.Third)
		}
	})
}

func TestWhoeverGoesTheOthersAreCaredFor(t *testing.T) {
	for _, story := range []struct {
		name string
		do   func(h *house, k talk)
	}{
		{"the third hangs up", func(h *house, k talk) {
			k.third.Leave()
			h.pass(0)
			h.hears(map[string]string{"caller": "ada", "ada": "caller"}, k.all...)
		}},
		{"the third is dropped out of three", func(h *house, k talk) {
			k.ada.wish(Wish{Do: call.JoinAll})
			k.ada.wish(Wish{Do: call.Drop})
			h.hears(map[string]string{"caller": "ada", "ada": "caller"}, k.all...)
			if k.third.Ending().By != media.ByServer {
				t.Errorf("%+v", k.third.Ending())
			}
		}},
		{"the caller hangs up", func(h *house, k talk) {
			k.caller.leg.Leave()
			h.pass(0)
			k.ada.want(duty.WrapUp)
			if k.third.Ending().By != media.ByServer {
				t.Errorf("the third party is left: %+v", k.third.Ending())
			}
		}},
		{"hanging up aside brings the operator back to the caller", func(h *house, k talk) {
			if err := k.ada.ask(duty.Event{Type: duty.HangUp, Call: k.ada.state().Card.Call}); err != nil {
				t.Fatal(err)
			}
			h.hears(map[string]string{"caller": "ada", "ada": "caller"}, k.all...)
		}},
		{"hanging up in three leaves the two", func(h *house, k talk) {
			k.ada.wish(Wish{Do: call.JoinAll})
			if err := k.ada.ask(duty.Event{Type: duty.HangUp, Call: k.ada.state().Card.Call}); err != nil {
				t.Fatal(err)
			}
			k.ada.want(duty.WrapUp)
			h.hears(map[string]string{"caller": "third", "third": "caller"}, k.all...)
		}},
		{"the operator is lost in three, and comes back", func(h *house, k talk) {
			k.ada.wish(Wish{Do: call.JoinAll})
			k.ada.seat.Leave()
			h.pass(5 * time.Second)
			h.hears(map[string]string{"caller": "third", "third": "caller"}, k.all...)
			again := h.open("ada", k.ada.state().Duty)
			again.want(duty.Talking)
			k.all[1].leg = again.leg
			h.hears(map[string]string{"ada": "caller third", "caller": "ada third", "third": "ada caller"}, k.all...)
		}},
		{"the operator is lost in three, for good", func(h *house, k talk) {
			k.ada.wish(Wish{Do: call.JoinAll})
			k.ada.seat.Leave()
			h.pass(30 * time.Second)
			h.hears(map[string]string{"caller": "third", "third": "caller"}, k.all...)
			if s := h.story(k.caller); s.Phase != call.Patched {
				t.Errorf("%s", s.Phase)
			}
			k.caller.leg.Leave()
			h.pass(0)
			if k.third.Ending().By != media.ByServer {
				t.Errorf("the third party is left: %+v", k.third.Ending())
			}
		}},
		{"the operator is lost aside, and comes back", func(h *house, k talk) {
			k.ada.seat.Leave()
			h.pass(5 * time.Second)
			h.hears(nil, k.all...)
			again := h.open("ada", k.ada.state().Duty)
			k.all[1].leg = again.leg
			h.hears(map[string]string{"ada": "third", "third": "ada"}, k.all...)
		}},
		{"the operator is lost aside, for good", func(h *house, k talk) {
			k.ada.seat.Leave()
			h.pass(9 * time.Second)
			ben := h.ready("ben")
			h.pass(2 * time.Second)
			if k.third.Ending().By != media.ByServer {
				t.Errorf("the third party is left: %+v", k.third.Ending())
			}
			if card := ben.state().Card; card == nil || string(card.Call) != k.caller.id || !card.AfterLoss {
				t.Errorf("Ben is offered %+v", card)
			}
		}},
	} {
		t.Run(story.name, func(t *testing.T) { inHouse(t, func(h *house) { story.do(h, h.consulted()) }) })
	}
}

// given is a call in which Ada gives the caller to Ben, or asks him first.
func (h *house) given(do call.Type) (ada, ben *desk, c *caller, both []party) {
	h.t.Helper()
	ada = h.ready("ada")
	c = h.dial(lakeside)
	ada.accept()
	ben = h.ready("ben")
	ada.wish(Wish{Do: do, Operator: "ben"})
	ben.want(duty.Offered)
	return ada, ben, c, []party{{"caller", 440, c.leg}, {"ada", 1000, ada.leg}, {"ben", 1300, ben.leg}}
}

func (d *desk) decline() {
	d.h.t.Helper()
	s := d.state()
	if err := d.ask(duty.Event{Type: duty.Decline, Call: s.Card.Call, Epoch: s.Epoch}); err != nil {
		d.h.t.Fatal(err)
	}
}

func TestATransferIsTakenOrComesBack(t *testing.T) {
	inHouse(t, func(h *house) {
		ada, ben, c, all := h.given(call.Transfer)
		if card := ben.state().Card; card.From != "Ada Novak" || !card.Blind {
			t.Errorf("%+v", card)
		}
		h.hears(nil, all...)
		ben.decline()
		h.hears(map[string]string{"ada": "caller", "caller": "ada"}, all...)
		if l := ada.line(); l.Third.Reason != "declined" || l.Third.Name != "Ben Ito" {
			t.Errorf("%+v", l.Third)
		}
		ada.wish(Wish{Do: call.Transfer, Operator: "ben"})
		ben.accept()
		ada.want(duty.WrapUp)
		ben.want(duty.Talking)
		h.hears(map[string]string{"ben": "caller", "caller": "ben"}, all...)
		if s := h.story(c); s.Operator != "ben" || s.Phase != call.Talking {
			t.Errorf("%s %s", s.Phase, s.Operator)
		}
		ben.seat.Leave()
		h.pass(time.Second)
		if s := h.story(c); s.Phase != call.Rejoining {
			t.Errorf("%s", s.Phase)
		}
	})
}

func TestATransferThatFailsWhenItsOperatorHasGonePutsTheCallerFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		ada, ben, c, _ := h.given(call.Transfer)
		ada.seat.Leave()
		h.pass(time.Second)
		ben.want(duty.Offered)
		ben.decline()
		h.pass(6 * time.Second)
		if s := h.story(c); s.Phase != call.Queued || !s.Front || s.Offer != "ben" {
			t.Errorf("%s, first %v, offered to %q", s.Phase, s.Front, s.Offer)
		}
	})
}

func TestAnOperatorWhoWasAskedFirstTakesOverOrGoes(t *testing.T) {
	for name, end := range map[string]func(h *house, ada, ben *desk, c *caller, all []party){
		"taken over": func(h *house, ada, ben *desk, _ *caller, all []party) {
			h.hears(map[string]string{"ada": "ben", "ben": "ada"}, all...)
			if l := ben.line(); !l.Guest || l.Host != "Ada Novak" {
				t.Errorf("%+v", l)
			}
			ben.denied("not_yours", Wish{Do: call.Hold})
			ada.wish(Wish{Do: call.JoinAll})
			h.hears(map[string]string{"ada": "ben caller", "ben": "ada caller", "caller": "ada ben"}, all...)
			ada.wish(Wish{Do: call.LeaveTwo})
			ada.want(duty.WrapUp)
			h.hears(map[string]string{"ben": "caller", "caller": "ben"}, all...)
			ben.wish(Wish{Do: call.Hold})
		},
		"gone": func(h *house, ada, ben *desk, _ *caller, all []party) {
			if err := ben.ask(duty.Event{Type: duty.HangUp, Call: ben.state().Card.Call}); err != nil {
				t.Fatal(err)
			}
			ben.want(duty.WrapUp)
			h.hears(map[string]string{"ada": "caller", "caller": "ada"}, all...)
		},
		"the first is lost": func(h *house, ada, ben *desk, c *caller, all []party) {
			ada.seat.Leave()
			h.pass(time.Second)
			h.hears(map[string]string{"ben": "caller", "caller": "ben"}, all...)
			if s := h.story(c); s.Operator != "ben" {
				t.Errorf("%s", s.Operator)
			}
		},
		"the second is lost aside, and comes back": func(h *house, ada, ben *desk, _ *caller, all []party) {
			ben.seat.Leave()
			h.pass(time.Second)
			h.hears(nil, all...) // the caller waits as before; nobody is suddenly heard
			if l := ada.line(); l.Third.State != duty.ThirdLost || l.With != string(call.Aside) {
				t.Errorf("%+v %+v", l, l.Third)
			}
			all[2].leg = h.open("ben", ben.state().Duty).leg
			h.hears(map[string]string{"ada": "ben", "ben": "ada"}, all...)
			if l := ada.line(); l.Third.State != duty.ThirdUp {
				t.Errorf("%+v", l.Third)
			}
		},
		"the second is lost in three, and comes back": func(h *house, ada, ben *desk, _ *caller, all []party) {
			ada.wish(Wish{Do: call.JoinAll})
			ben.seat.Leave()
			h.pass(call.RejoinFor - time.Second)
			h.hears(map[string]string{"ada": "caller", "caller": "ada"}, all...)
			ada.denied("no_third", Wish{Do: call.LeaveTwo})
			all[2].leg = h.open("ben", ben.state().Duty).leg
			h.hears(map[string]string{"ada": "ben caller", "ben": "ada caller", "caller": "ada ben"}, all...)
		},
		"the second is lost in three, for good": func(h *house, ada, ben *desk, c *caller, all []party) {
			ada.wish(Wish{Do: call.JoinAll})
			ben.seat.Leave()
			h.pass(call.RejoinFor)
			h.hears(map[string]string{"ada": "caller", "caller": "ada"}, all...)
			if l := ada.line(); l.With != "" || l.Third.State != duty.ThirdOver || l.Third.Reason != "lost" {
				t.Errorf("%+v %+v", l, l.Third)
			}
			again := h.open("ben", ben.state().Duty)
			if s := again.state(); s.Phase != duty.Paused || s.Why != "cut_off" || s.Line.Host != "Ada Novak" || s.Card != nil {
				t.Errorf("told on return: %+v", s)
			}
			if err := again.ask(duty.Event{Type: duty.Ready}); err != nil {
				t.Fatal(err)
			}
			again.want(duty.Available)
			ada.want(duty.Talking)
		},
		"the second is lost in three, and the first hangs up": func(h *house, ada, ben *desk, c *caller, all []party) {
			ada.wish(Wish{Do: call.JoinAll})
			ben.seat.Leave()
			h.pass(time.Second)
			if err := ada.ask(duty.Event{Type: duty.HangUp, Call: ada.state().Card.Call}); err != nil {
				t.Fatal(err)
			}
			h.pass(0)
			if s := h.story(c); s.Phase != call.Ended || s.Reason != "operator_hangup" {
				t.Errorf("%s %s", s.Phase, s.Reason)
			}
			h.open("ben", ben.state().Duty).want(duty.WrapUp) // it did not go on without Ben
		},
		"the second is lost in three, and the caller hangs up": func(h *house, ada, ben *desk, c *caller, _ []party) {
			ada.wish(Wish{Do: call.JoinAll})
			ben.seat.Leave()
			h.pass(time.Second)
			c.leg.Leave()
			h.pass(0)
			h.open("ben", ben.state().Duty).want(duty.WrapUp)
		},
		"both are lost": func(h *house, ada, ben *desk, c *caller, all []party) {
			ada.wish(Wish{Do: call.JoinAll})
			ben.seat.Leave()
			h.pass(time.Second)
			ada.seat.Leave()
			h.pass(time.Second)
			if s := h.story(c); s.Phase != call.Rejoining || s.Operator != "ada" {
				t.Errorf("%s %s", s.Phase, s.Operator)
			}
			all[1].leg = h.open("ada", ada.state().Duty).leg
			h.hears(map[string]string{"ada": "caller", "caller": "ada"}, all...)
			h.open("ben", ben.state().Duty).want(duty.Paused)
		},
		"the caller goes": func(h *house, ada, ben *desk, c *caller, _ []party) {
			c.leg.Leave()
			h.pass(0)
			ada.want(duty.WrapUp)
			ben.want(duty.WrapUp)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				ada, ben, c, all := h.given(call.Dial)
				ben.accept()
				end(h, ada, ben, c, all)
			})
		})
	}
}

func TestCallsToTheOutsideAreDeniedUnlessEverythingAllowsThem(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		h.dial(lakeside)
		ada.accept()
		ada.denied("emergency", Wish{Do: call.Dial, Number: "911"})
		ada.denied("bad_number", Wish{Do: call.Dial, Number: "my doctor"})
		ada.denied("country", Wish{Do: call.Dial, Number: "+3615550201"})
		ada.denied("country", Wish{Do: call.Dial, Number: "+19005550111"})
		ada.denied("no_operator", Wish{Do: call.Transfer, Operator: "ben"})
		ada.denied("no_operator", Wish{Do: call.Transfer, Operator: "ada"})
		ada.denied("no_third", Wish{Do: call.JoinAll})
		ada.wish(Wish{Do: call.Dial, Number: ortiz})
		ada.denied("not_now", Wish{Do: call.Dial, Number: ortiz})

		ben := h.ready("ben")
		h.dial(lakeside)
		ben.accept()
		ben.denied("no_right", Wish{Do: call.Dial, Number: ortiz})
		h.home.Operators[1].Rights = []tenants.Right{tenants.RightDial}
		h.home.Outbound.AtOnce = 1
		ben.denied("too_many_calls", Wish{Do: call.Dial, Number: ortiz})
		ada.wish(Wish{Do: call.Drop})
		ben.wish(Wish{Do: call.Dial, Number: ortiz})
		h.line.newest().Emit(media.Event{Kind: media.Connected})
		h.pass(time.Hour)
		ben.wish(Wish{Do: call.JoinAll}) // who talks is not cut
		h.home.Outbound.AtOnce = 2
		ada.denied("minutes_spent", Wish{Do: call.Dial, Number: ortiz})
		h.home.Outbound = routing.Outbound{}
		ada.denied("country", Wish{Do: call.Dial, Number: ortiz})
		if len(h.line.to) != 2 {
			t.Errorf("%d calls were made", len(h.line.to))
		}
	})
}

func TestKeysForTheCallerGoToTheCallersLeg(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		h.dial(lakeside)
		ada.accept()
		ada.wish(Wish{Do: call.Keyed, Digits: "5"}) // this caller's leg has no keypad: nothing breaks
		ada.wish(Wish{Do: call.Hold})
		ada.denied("not_now", Wish{Do: call.Keyed, Digits: "5"})
		var of *duty.Refusal
		if err := ada.seat.Wish(h.t.Context(), Wish{Do: call.Hold, Call: "another"}); !errors.As(err, &of) || of.Code != "not_now" {
			t.Errorf("a wish for another call: %v", err)
		}
	})
}
