package switchboard

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// phones puts operators with telephones on duty: a01 and so on, who are free the moment a call ends.
func (h *house) phones(n int) {
	h.t.Helper()
	h.home.Accounts[0].WrapUp = 0
	for i := range n {
		user := fmt.Sprintf("a%02d", i+1)
		if err := h.board.Seat(Phone{
			Who: duty.Who{
				Tenant: "harbor", Operator: tenants.OperatorID(user), Name: user, Languages: map[string]routing.Grade{"en": routing.Native},
			},
			To: user, Trunk: "bench",
		}); err != nil {
			h.t.Fatal(err)
		}
	}
	h.pass(0)
}

// rings is how many calls were placed, the newest of them, and to whom it went.
func (h *house) rings() (n int, newest *handset, to media.Destination) {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	if n = len(h.line.legs); n == 0 {
		h.t.Fatal("no telephone rings")
	}
	return n, h.line.legs[n-1], h.line.to[n-1]
}

func over(l *handset) bool {
	select {
	case <-l.Done():
		return true
	default:
		return false
	}
}

func TestACallRingsATelephoneAndThoseWhoTalkHearEachOtherUntilOneHangsUp(t *testing.T) {
	inHouse(t, func(h *house) {
		h.phones(1)
		for i, ends := range []func(c *caller, far *handset){
			func(c *caller, _ *handset) { c.leg.Leave() },
			func(_ *caller, far *handset) { far.Leave() },
		} {
			c := h.dial("+16085550101")
			n, far, to := h.rings()
			if n != i+1 || to.To != "a01" || to.Trunk != "bench" || to.From != "+16085550177" || to.Call != c.id {
				t.Fatalf("call %d: %d calls placed, the last to %+v", i+1, n, to)
			}
			far.Emit(media.Event{Kind: media.Ringing})
			far.Emit(media.Event{Kind: media.Connected})
			h.pass(0)
			h.hears(map[string]string{"caller": "a01", "a01": "caller"}, party{"caller", 440, c.leg}, party{"a01", 700, far.Leg})
			h.pass(time.Minute)
			ends(c, far)
			h.pass(0)
			if s := h.story(c); s.Result != call.Answered || s.OperatorName != "a01" || !over(far) {
				t.Errorf("call %d: %s by %q, the telephone is free: %v", i+1, s.Result, s.OperatorName, over(far))
			}
			if !h.isOver(c) {
				t.Errorf("call %d goes on for the caller", i+1)
			}
		}
	})
}

func (h *house) isOver(c *caller) bool {
	select {
	case <-c.leg.Done():
		return true
	default:
		return false
	}
}

func TestATelephoneThatIsBusyOrRingsInVainLeavesTheCallToTheNext(t *testing.T) {
	inHouse(t, func(h *house) {
		h.phones(4)
		c := h.dial("+16085550101")
		for i, refuses := range []func(far *handset){
			func(far *handset) { far.Hangup(media.Ending{By: media.ByPeer, Reason: media.EndedBusy}) },
			func(far *handset) { far.Hangup(media.Ending{By: media.ByPeer, Reason: media.EndedNoAnswer}) },
			func(*handset) { h.pass(12 * time.Second) },
		} {
			n, far, to := h.rings()
			if n != i+1 || to.To != fmt.Sprintf("a%02d", i+1) {
				t.Fatalf("%d calls placed, the last to %+v", n, to)
			}
			refuses(far)
			h.pass(0)
			if !over(far) {
				t.Errorf("%s still rings", to.To)
			}
		}
		_, far, to := h.rings()
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(0)
		s := h.story(c)
		outcomes := ""
		for _, o := range s.Offered {
			outcomes += " " + o.Name + ":" + o.Outcome
		}
		if want := " a01:declined a02:missed a03:missed a04:accepted"; to.To != "a04" || s.Phase != call.Talking || outcomes != want {
			t.Errorf("%s, %s; want%s, got%s", to.To, s.Phase, want, outcomes)
		}
	})
}

func TestATelephoneFallsSilentWhenTheCallerGivesUpAndRingsForTheNext(t *testing.T) {
	inHouse(t, func(h *house) {
		h.phones(1)
		c := h.dial("+16085550101")
		_, far, _ := h.rings()
		c.leg.Leave()
		h.pass(0)
		if !over(far) {
			t.Fatal("it rings for nobody")
		}
		far.Emit(media.Event{Kind: media.Connected}) // picked up in the same moment
		h.pass(time.Second)
		h.line.mu.Lock()
		h.line.broken = errDisk
		h.line.mu.Unlock()
		next := h.dial("+16085550101") // no line just now
		h.pass(0)
		h.line.mu.Lock()
		h.line.broken = nil
		h.line.mu.Unlock()
		h.pass(6 * time.Second)
		n, far, to := h.rings()
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(0)
		if s := h.story(next); n != 2 || to.Call != next.id || s.Phase != call.Talking {
			t.Errorf("%d calls placed; the second caller is %s", n, s.Phase)
		}
	})
}

func TestAHundredCallersAreAnsweredByFiftyTelephonesInTheOrderTheyCame(t *testing.T) {
	inHouse(t, func(h *house) {
		h.phones(50)
		var callers []*caller
		for range 100 {
			callers = append(callers, h.dial("+16085550101"))
			h.pass(time.Millisecond)
		}
		if n, _, _ := h.rings(); n != 50 {
			t.Fatalf("%d telephones ring", n)
		}
		used := map[string]bool{}
		for i, c := range callers {
			n, _, _ := h.rings()
			if i >= n {
				t.Fatalf("caller %d is not offered to anybody", i+1)
			}
			h.line.mu.Lock()
			far, to := h.line.legs[i], h.line.to[i]
			h.line.mu.Unlock()
			if to.Call != c.id {
				t.Fatalf("caller %d was passed over", i+1)
			}
			used[to.To] = true
			far.Emit(media.Event{Kind: media.Connected})
			h.pass(time.Millisecond)
			far.Leave()
			h.pass(time.Millisecond)
		}
		if len(used) != 50 {
			t.Errorf("%d telephones were of use", len(used))
		}
		if err := h.board.Seat(Phone{Who: duty.Who{Tenant: "harbor", Operator: "a01"}, To: "a01"}); !errors.Is(err, ErrTaken) {
			t.Errorf("twice on duty: %v", err)
		}
	})
}

// registered puts ada on duty with a telephone that has registered.
func (h *house) registered() {
	h.t.Helper()
	if err := h.board.SeatOperator("harbor", "ada", "ada.harbor"); err != nil {
		h.t.Fatal(err)
	}
	h.pass(0)
}

func TestATelephoneThatRegisteredRingsForWhomItAnswersAndNoLongerOnceItIsGone(t *testing.T) {
	inHouse(t, func(h *house) {
		h.home.Accounts[0].WrapUp = 0
		h.registered()
		c := h.dial("+16085550101")
		_, far, to := h.rings()
		if to.To != "ada.harbor" || !to.Registered || to.FromName != "Lakeside Cardiology" || to.From != "+16085550177" {
			t.Errorf("rings %+v", to)
		}
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(time.Second)
		h.board.UnseatPhone("ada.harbor") // its registration is over, and the call goes on
		h.pass(time.Second)
		if s := h.story(c); s.Phase != call.Talking || s.OperatorName != "Ada Novak" || over(far) {
			t.Fatalf("%s with %q", s.Phase, s.OperatorName)
		}
		c.leg.Leave()
		h.pass(time.Second)
		next := h.dial("+16085550101")
		h.pass(0)
		if n, _, _ := h.rings(); n != 1 || h.story(next).Phase == call.Talking {
			t.Errorf("%d calls were placed: a telephone that is gone is counted on", n)
		}
		if err := h.board.SeatOperator("harbor", "nobody", "nobody.harbor"); !errors.Is(err, ErrNoOperator) {
			t.Errorf("somebody whom the plan does not name: %v", err)
		}
	})
}

func TestATelephoneThatRegisteredAndIsNotThereRests(t *testing.T) {
	inHouse(t, func(h *house) {
		h.registered()
		h.dial("+16085550101")
		_, far, _ := h.rings()
		far.Hangup(media.Ending{By: media.ByError, Reason: media.EndedUnreachable})
		h.pass(duty.MissPause - time.Second)
		if n, _, _ := h.rings(); n != 1 {
			t.Errorf("it was dialled %d times: callers wait for it one after the other", n)
		}
		h.pass(2 * time.Second)
		if n, _, _ := h.rings(); n != 2 {
			t.Errorf("it was dialled %d times: one that is there again is not counted on", n)
		}
	})
}

func TestWhoeverOpensADeskIsNotRungAtTheTelephone(t *testing.T) {
	inHouse(t, func(h *house) {
		h.registered()
		ada := h.ready("ada") // the page takes over from a telephone that is not in a call
		if err := h.board.SeatOperator("harbor", "ada", "ada.harbor"); !errors.Is(err, ErrTaken) {
			t.Errorf("seated twice: %v", err)
		}
		h.board.UnseatPhone("ada.harbor")
		h.pass(0)
		h.dial("+16085550101")
		ada.want(duty.Offered)
		if len(h.line.legs) != 0 {
			t.Error("the telephone rings too")
		}
	})
	inHouse(t, func(h *house) {
		h.home.Accounts[0].WrapUp = 0
		h.registered()
		c := h.dial("+16085550101")
		_, far, _ := h.rings()
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(time.Second)
		actor := tenants.Actor{Tenant: "harbor", User: "ada", Role: tenants.RoleOperator}
		if _, err := h.board.SignOn(actor, "", func(duty.State) {}, func(string) {}); !errors.Is(err, ErrOnPhone) {
			t.Errorf("a page in the middle of a call: %v", err)
		}
		if s := h.story(c); s.Phase != call.Talking {
			t.Fatalf("the caller is %s", s.Phase)
		}
		far.Leave()
		h.pass(time.Second)
		h.ready("ada").want(duty.Available)
	})
}

// rung is how many telephones ring or rang.
func (h *house) rung() int { h.line.mu.Lock(); defer h.line.mu.Unlock(); return len(h.line.legs) }

// registersAgain is a telephone of somebody who is on duty.
func (h *house) registersAgain() {
	h.t.Helper()
	if err := h.board.SeatOperator("harbor", "ada", "ada.harbor"); !errors.Is(err, ErrTaken) {
		h.t.Fatalf("seated twice: %v", err)
	}
}

func TestWhenTheDeskClosesTheTelephoneThatIsRegisteredIsRungAtOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		first func(h *house) // before the desk closes
		rings int
	}{
		{"registered before the desk opened", func(*house) {}, 1},
		{"registered anew during the duty", (*house).registersAgain, 1},
		{"gone", func(h *house) { h.board.UnseatPhone("ada.harbor") }, 0},
		{"of an operator who was disabled", func(h *house) { h.home.Operators = h.home.Operators[1:] }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.registered()
				ada := h.ready("ada")
				c.first(h)
				if err := ada.ask(duty.Event{Type: duty.HomeAsked}); err != nil {
					t.Fatal(err)
				}
				h.dial(lakeside)
				if n := h.rung(); n != c.rings {
					t.Errorf("%d telephones ring, want %d", n, c.rings)
				}
			})
		})
	}
	inHouse(t, func(h *house) { // a node that shuts down: no page takes the place of a telephone for nothing
		h.registered()
		h.board.Drain(t.Context())
		actor := tenants.Actor{Tenant: "harbor", User: "ada", Role: tenants.RoleOperator}
		_, err := h.board.SignOn(actor, "", func(duty.State) {}, func(string) {})
		if h.pass(0); !errors.Is(err, ErrDraining) || h.board.duty("ada") == nil {
			t.Errorf("a page: %v, and the telephone is there: %v", err, h.board.duty("ada") != nil)
		}
	})
	inHouse(t, func(h *house) {
		h.registered()
		ada := h.ready("ada")
		h.board.Drain(t.Context())
		if err := ada.ask(duty.Event{Type: duty.HomeAsked}); err != nil {
			t.Fatal(err)
		}
		if h.board.duty("ada") != nil {
			t.Error("a telephone was seated")
		}
	})
}

func TestACallerWhoseTelephoneDiesIsTakenToTheNextAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.registered()
		c := h.dial(lakeside)
		_, far, _ := h.rings()
		far.Emit(media.Event{Kind: media.Connected})
		ben := h.ready("ben")
		h.pass(time.Minute)
		h.board.UnseatPhone("ada.harbor") // as the registrar does when it learns that
		far.Hangup(media.Ending{By: media.ByError, Reason: "media_timeout"})
		h.pass(0)
		if h.isOver(c) || h.board.duty("ada") != nil {
			t.Fatalf("the caller is gone: %v; ada is on duty: %v", h.isOver(c), h.board.duty("ada") != nil)
		}
		ben.want(duty.Offered)
		c.leg.Leave()
	})
}

func TestATelephoneThatWasAwayDuringItsCallIsRungAgainAfterIt(t *testing.T) {
	inHouse(t, func(h *house) {
		h.registered()
		c := h.dial(lakeside)
		_, far, _ := h.rings()
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(time.Second)
		h.board.UnseatPhone("ada.harbor")
		h.registersAgain()
		h.pass(time.Second)
		if s := h.story(c); s.Phase != call.Talking || over(far) {
			t.Fatalf("the caller is %s", s.Phase)
		}
		c.leg.Leave()
		h.pass(0)
		h.dial(lakeside)
		if n := h.rung(); n != 2 {
			t.Errorf("%d calls were placed", n)
		}
	})
}

func TestADeskAndATelephoneThatComeWhenACallEndsMakeOneDutyTheDesks(t *testing.T) {
	inHouse(t, func(h *house) {
		h.registered()
		c := h.dial(lakeside)
		_, far, _ := h.rings()
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(time.Second)
		actor := tenants.Actor{Tenant: "harbor", User: "ada", Role: tenants.RoleOperator}
		signOn := func() error {
			_, err := h.board.SignOn(actor, "", func(duty.State) {}, func(string) {})
			return err
		}
		if err := signOn(); !errors.Is(err, ErrOnPhone) {
			t.Fatalf("a page in the middle of a call: %v", err)
		}
		began := make(chan error, 1)
		go func() { began <- signOn() }() // the page asks again, and waits a moment
		h.pass(putDown / 2)
		h.registersAgain()
		c.leg.Leave()
		if err := <-began; err != nil {
			t.Fatal(err)
		}
		h.pass(0)
		h.registersAgain()
		if d := h.board.duty("ada"); d == nil || d.phone != nil {
			t.Error("the telephone has taken the desk's place")
		}
		h.ready("ada")
		h.dial(lakeside)
		if n := h.rung(); n != 1 {
			t.Error("the telephone rings")
		}
	})
}

func TestAnOperatorWhoseDeskIsLostIsRungAtTheTelephone(t *testing.T) {
	atPhone := func(h *house) bool { d := h.board.duty("ada"); return d != nil && d.phone != nil }
	t.Run("and the desk that comes back wins", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ada := h.ready("ada")
			was := ada.state().Duty
			ada.seat.Leave() // its machine has no power any more
			if h.pass(duty.RejoinFor - time.Second); atPhone(h) {
				t.Error("the telephone has the place while the desk may come back")
			}
			h.pass(2 * time.Second)
			c := h.dial(lakeside)
			if h.rung() != 1 {
				t.Fatal("the telephone does not ring")
			}
			c.leg.Leave()
			h.pass(0)
			ada = h.open("ada", was)
			ada.want(duty.Available)
			h.dial(lakeside)
			if ada.want(duty.Offered); h.rung() != 1 {
				t.Error("both ring")
			}
		})
	})
	t.Run("with the caller whom it had", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ben := h.ready("ben") // for whom the caller may wait
			h.dial(lakeside)
			_, other, _ := h.rings()
			other.Hangup(media.Ending{By: media.ByPeer, Reason: media.EndedBusy})
			h.pass(0)
			ben.accept()
			h.pass(time.Minute)
			ada := h.ready("ada")
			c := h.dial(lakeside)
			ada.accept()
			h.pass(time.Minute)
			ada.seat.Leave()
			h.pass(duty.RejoinFor + time.Second)
			if n, far, to := h.rings(); n != 2 || to.Call != c.id || h.isOver(c) || over(far) {
				t.Errorf("%d calls were placed, the caller is gone: %v", n, h.isOver(c))
			}
		})
	})
	t.Run("that registers later", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.ready("ada").seat.Leave()
			if h.pass(time.Minute); h.board.duty("ada") == nil {
				t.Fatal("without a telephone the desk is awaited for longer")
			}
			h.registersAgain()
			if h.pass(0); !atPhone(h) {
				t.Error("it is not its turn")
			}
		})
	})
	t.Run("but not in a pause that was asked for", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ada := h.ready("ada")
			if err := ada.ask(duty.Event{Type: duty.PauseAsked}); err != nil {
				t.Fatal(err)
			}
			ada.seat.Leave()
			h.pass(time.Minute)
			h.registersAgain()
			if h.pass(0); atPhone(h) {
				t.Error("who wants no calls is rung")
			}
		})
	})
	t.Run("in the middle of its check", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ada := h.open("ada", "")
			h.pass(time.Minute) // the page is there, and she looks for her headset
			if h.registersAgain(); atPhone(h) {
				t.Fatal("a page that checks its line has lost its place")
			}
			was := ada.state().Duty
			ada.seat.Leave() // it is loaded anew
			h.registersAgain()
			h.pass(duty.RejoinFor - time.Second)
			ada = h.open("ada", "")
			h.pass(time.Minute)
			if s := ada.state(); s.Phase != duty.Checking || s.Duty != was {
				t.Fatalf("the page that came back is %s, not in its check", s.Phase)
			}
			ada.seat.Leave() // and closed
			if h.pass(duty.RejoinFor - time.Second); atPhone(h) {
				t.Error("the telephone has the place while the page may come back")
			}
			h.pass(2 * time.Second)
			h.dial(lakeside)
			if h.rung() != 1 {
				t.Fatal("the telephone does not ring")
			}
		})
	})
	t.Run("whose page never showed life", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			h.signsOn("").seat.Leave()
			if h.pass(duty.RejoinFor + time.Second); !atPhone(h) {
				t.Error("it keeps the place")
			}
		})
	})
	t.Run("but not when she asked for a pause after the call in which it was", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ada := h.ready("ada")
			h.dial(lakeside)
			ada.accept()
			if err := ada.ask(duty.Event{Type: duty.PauseAsked}); err != nil {
				t.Fatal(err)
			}
			ada.seat.Leave()
			if h.pass(time.Minute); atPhone(h) {
				t.Error("who wants no calls is rung")
			}
		})
	})
	t.Run("when its page goes too after its audio", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.registered()
			ada := h.ready("ada")
			ada.leg.Emit(media.Event{Kind: media.Unreachable})
			h.pass(time.Minute)
			ada.seat.Leave()
			h.registersAgain()
			if h.pass(duty.RejoinFor - time.Second); atPhone(h) {
				t.Error("a page that is there, or loaded anew, has lost its place")
			}
			if h.pass(2 * time.Second); !atPhone(h) {
				t.Error("the page is gone, and it is not the telephone's turn")
			}
		})
	})
}
