package switchboard

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lakeside = "+16085550101"

func TestACallReachesAnOperatorAndBothHearEachOther(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.want(duty.Offered)
		if p := ada.state().Card.Phrase; p != "Lakeside Cardiology, this is Ada." {
			t.Errorf("phrase %q", p)
		}
		if !strings.HasPrefix(h.player.heard(), "ringback") {
			t.Errorf("the caller hears %q", h.player.heard())
		}
		ada.accept()
		ada.want(duty.Talking)
		c.leg.SayTone(media.PCMU, 440, time.Second)
		ada.leg.SayTone(media.PCMU, 1000, time.Second)
		if !ada.leg.Heard.Hears(440) || !c.leg.Heard.Hears(1000) {
			t.Error("they do not hear each other")
		}
		c.leg.Leave()
		h.pass(0)
		ada.want(duty.WrapUp)
		if s := h.story(c); s.Result != call.Answered || s.Reason != "caller_hangup" || s.Operator != "ada" {
			t.Errorf("%s %s %s", s.Result, s.Reason, s.Operator)
		}
		h.pass(5 * time.Second)
		ada.want(duty.Available)
	})
}

func TestADeclinedCallGoesToTheNextOperatorAndKeepsItsPlace(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		h.pass(time.Second)
		ben := h.ready("ben")
		c := h.dial(lakeside)
		ada.want(duty.Offered)
		s := ada.state()
		if err := ada.ask(duty.Event{Type: duty.Decline, Call: s.Card.Call, Epoch: s.Epoch}); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		ben.want(duty.Offered)
		ben.accept()
		if got := h.story(c); got.Operator != "ben" || len(got.Offered) != 2 || got.Offered[0].Outcome != "declined" {
			t.Errorf("%+v", got.Offered)
		}
	})
}

func TestACallThatIsNotEncryptedIsMarked(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		h.pass(time.Second)
		ben := h.ready("ben")
		c := h.dial(lakeside)
		ada.want(duty.Offered)
		c.leg.Emit(media.Event{Kind: media.InClear})
		s := ada.state()
		if err := ada.ask(duty.Event{Type: duty.Decline, Call: s.Card.Call, Epoch: s.Epoch}); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		ben.want(duty.Offered)
		if !ben.state().Card.InClear || h.story(c).Media != call.InClear {
			t.Errorf("the card says %v, the story %q", ben.state().Card.InClear, h.story(c).Media)
		}
		c.leg.Emit(media.Event{Kind: media.Encrypted})
		h.pass(time.Second)
		if got := h.story(c).Media; got != call.Encrypted {
			t.Errorf("then encrypted, and the story says %q", got)
		}
	})
}

func TestACallerWhoIsNotHeardIsToldOfToWhoShouldHear(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		for _, is := range []struct {
			kind media.EventKind
			want call.Unheard
		}{{media.Unheard, call.NoPackets}, {media.Silent, call.NoPackets}, {media.Audible, ""}, {media.Hushed, call.NoSound}, {media.Audible, ""}} {
			c.leg.Emit(media.Event{Kind: is.kind})
			h.pass(0)
			if got := ada.line().Unheard; got != string(is.want) || h.story(c).Unheard != is.want {
				t.Errorf("event %d: the operator is told %q, the story says %q, want %q", is.kind, got, h.story(c).Unheard, is.want)
			}
		}
		if ada.state().Line != nil {
			t.Errorf("all is well again, and the operator is told %+v", ada.line())
		}
	})
}

func TestAMissedOfferPausesTheOperatorForHalfAMinuteAndTheCallGoesOn(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		h.pass(13 * time.Second)
		if s := ada.state(); s.Phase != duty.Paused || s.Why != "missed" {
			t.Fatalf("%s %s", s.Phase, s.Why)
		}
		if s := h.story(c); s.Phase != call.Queued {
			t.Fatalf("the call is %s", s.Phase)
		}
		h.pass(30 * time.Second)
		ada.want(duty.Offered)
	})
}

func TestWithNobodyOnDutyTheCallerLeavesAMessageAndHearsThatItIsSaved(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		c.leg.SayTone(media.PCMU, 440, 3*time.Second)
		c.leg.Press("#")
		h.pass(0)
		c.leg.Press("5")
		h.pass(0)
		c.leg.Press("1")
		h.pass(2 * clipTime)
		s := h.story(c)
		if s.Result != call.Voicemail || s.Message == nil || s.Message.DurationMS != 3000 || !s.Urgent {
			t.Fatalf("%s %+v urgent %v", s.Result, s.Message, s.Urgent)
		}
		if want := "unavailable+beep | menu | marked+menu | saved"; h.player.heard() != want {
			t.Errorf("heard %q\nwant  %q", h.player.heard(), want)
		}
		if h.tapes.newest().discarded {
			t.Error("the kept recording was deleted")
		}
	})
}

func TestACallerWhoJustHangsUpHasLeftTheMessage(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		c.leg.SayTone(media.PCMU, 440, 2*time.Second)
		c.leg.Leave()
		h.pass(0)
		if s := h.story(c); s.Result != call.Voicemail || s.Message.DurationMS != 2000 {
			t.Fatalf("%s %+v", s.Result, s.Message)
		}
	})
}

// A node that has just been started has no time to spare, and the caller begins to speak when the beep is over.
func TestWhatIsSaidAfterTheBeepIsInTheMessageHoweverLateTheRecorderIs(t *testing.T) {
	inHouse(t, func(h *house) {
		h.tapes.late = make(chan struct{})
		c := h.dial(lakeside)
		c.leg.SayTone(media.PCMU, 440, time.Second) // into the announcement
		h.pass(2 * clipTime)
		c.leg.SayTone(media.PCMU, 440, 2*time.Second)
		c.leg.Leave()
		close(h.tapes.late)
		h.pass(0)
		if s := h.story(c); s.Result != call.Voicemail || s.Message.DurationMS != 2000 {
			t.Fatalf("%s %+v", s.Result, s.Message)
		}
	})
}

func TestADiskThatTakesNothingIsToldToTheCaller(t *testing.T) {
	inHouse(t, func(h *house) {
		h.tapes.broken = errDisk
		c := h.dial(lakeside)
		h.pass(5 * clipTime)
		if s := h.story(c); s.Result != call.Failed || s.Reason != "recording_failed" {
			t.Fatalf("%s %s", s.Result, s.Reason)
		}
		if !strings.HasSuffix(h.player.heard(), "not-saved") || !h.ledger.raised("harbor recording_disk") {
			t.Errorf("heard %q, alarms %v", h.player.heard(), h.ledger.alarms)
		}
	})
}

// A caller who cannot leave a message learns it before the beep, and hears a human where there is one.
func TestWithAFullDiskNobodySpeaksIntoTheVoid(t *testing.T) {
	inHouse(t, func(h *house) {
		h.tapes.full = true
		alone := h.dial(lakeside)
		h.pass(5 * clipTime)
		if s := h.story(alone); s.Result != call.Failed || s.Reason != "no_room" {
			t.Errorf("with nobody on duty: %s %s", s.Result, s.Reason)
		}
		if heard := h.player.heard(); !strings.HasSuffix(heard, "no-room") || strings.Contains(heard, "beep") || !h.ledger.raised("harbor recording_disk") {
			t.Errorf("heard %q, alarms %v", heard, h.ledger.alarms)
		}
		ada := h.ready("ada")
		h.dial(lakeside)
		ada.accept()
		starred := h.dial(lakeside)
		h.pass(0)
		starred.leg.Press("*")
		h.pass(5 * clipTime)
		if s := h.story(starred); s.Phase != call.Queued || strings.Contains(h.player.heard(), "beep") {
			t.Errorf("with ada on duty: %s, heard %q", s.Phase, h.player.heard())
		}
		h.tapes.full = false
		starred.leg.Press("*")
		h.pass(2 * clipTime)
		if s := h.story(starred); s.Phase != call.Recording {
			t.Errorf("with room again: %s", s.Phase)
		}
	})
}

func TestAStarLeavesTheQueueForVoicemail(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		c.leg.Press("*")
		h.pass(0)
		ada.want(duty.Available)
		if s := h.story(c); s.Phase != call.Announcing {
			t.Fatalf("%s", s.Phase)
		}
	})
}

func TestAWaitingCallerIsNotHeldWhenTheLastOperatorGoesHome(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		first := h.dial(lakeside)
		ada.accept()
		second := h.dial(lakeside)
		if err := ada.ask(duty.Event{Type: duty.HomeAsked}); err != nil {
			t.Fatal(err)
		}
		first.leg.Leave()
		h.pass(time.Second)
		if s := h.story(second); s.Phase != call.Announcing {
			t.Fatalf("the waiting caller is %s", s.Phase)
		}
	})
}

func TestAReloadMidCallBringsTheSameOperatorBack(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ada.seat.Leave()
		h.pass(2 * time.Second)
		if s := h.story(c); s.Phase != call.Rejoining {
			t.Fatalf("%s", s.Phase)
		}
		again := h.open("ada", ada.state().Duty)
		again.want(duty.Talking)
		c.leg.SayTone(media.PCMU, 440, time.Second)
		if !again.leg.Heard.Hears(440) {
			t.Error("the new page hears nothing")
		}
		if s := h.story(c); s.Phase != call.Talking {
			t.Errorf("%s", s.Phase)
		}
	})
}

func TestACallerWhoseOperatorStaysAwayGoesFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		other := h.dial(lakeside)
		_ = other
		ada.seat.Leave()
		h.pass(9 * time.Second)
		ben := h.ready("ben") // the older call waits only for Ada yet, so Ben gets the other
		ben.want(duty.Offered)
		h.pass(2 * time.Second)
		s := ben.state()
		if err := ben.ask(duty.Event{Type: duty.Decline, Call: s.Card.Call, Epoch: s.Epoch}); err != nil {
			t.Fatal(err)
		}
		h.pass(6 * time.Second)
		if card := ben.state().Card; card == nil || string(card.Call) != c.id || !card.AfterLoss {
			t.Fatalf("Ben is offered %+v, want the caller that Ada lost", card)
		}
	})
}

func TestANewerTabTakesTheDutyOver(t *testing.T) {
	inHouse(t, func(h *house) {
		old := h.ready("ada")
		h.open("ada", "")
		if old.bye != "replaced" {
			t.Errorf("the older tab is told %q", old.bye)
		}
		old.seat.Leave()
		h.pass(0)
		c := h.dial(lakeside)
		if s := h.story(c); s.Offer != "ada" {
			t.Errorf("the newer tab is not offered the call: %+v", s.Offered)
		}
	})
}

func TestAPanicInOneCallTakesThatCallerToTheHeadOfTheQueueThenToVoicemailAndNobodyElse(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.ready("ada")
		quiet := h.dial(lakeside)
		ada.accept()
		h.player.breaks()
		c := h.dial(lakeside)
		h.pass(0)
		if s := h.story(c); s.Phase != call.Queued || !s.Front || !strings.HasSuffix(h.player.heard(), "greeting | greeting") {
			t.Errorf("the broken call is %s, first %v, and heard %q", s.Phase, s.Front, h.player.heard())
		}
		if !h.ledger.raised("harbor call_panic") {
			t.Error("no alarm")
		}
		h.player.breaks() // once more, where the greeting ends
		h.pass(4 * clipTime)
		if s := h.story(c); s.Phase != call.Recording {
			t.Errorf("the call that broke twice is %s", s.Phase)
		}
		if s := h.story(quiet); s.Phase != call.Talking {
			t.Errorf("the other call is %s", s.Phase)
		}
	})
}

func TestAPanicInATalkGivesTheCallerToWhoeverIsFree(t *testing.T) {
	inHouse(t, func(h *house) {
		h.board.cfg.Sabotage = true
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		waits := h.dial(lakeside)
		h.home.Accounts[0].WrapUp = time.Hour // Ada's is over when she says so
		c.leg.Press("D")
		h.pass(0)
		ada.want(duty.WrapUp)
		if !strings.HasSuffix(h.player.heard(), "reconnecting") {
			t.Errorf("the caller is told %q", h.player.heard())
		}
		ben := h.ready("ben")
		ben.want(duty.Offered)
		if card := ben.state().Card; string(card.Call) != c.id || !card.AfterLoss {
			t.Fatalf("Ben is offered %+v, want the caller of the broken call", card)
		}
		ben.accept()
		if s := h.story(c); s.Phase != call.Talking || s.Operator != "ben" || h.story(waits).Phase != call.Queued {
			t.Errorf("the broken call is %s with %q, the other %s", s.Phase, s.Operator, h.story(waits).Phase)
		}
	})
}

func TestASupervisorGivesACallPausesAndSendsToVoicemailWithinTheOwnTenant(t *testing.T) {
	inHouse(t, func(h *house) {
		sue := tenants.Actor{Tenant: "harbor", User: "sue", Name: "Sue", Role: tenants.RoleSupervisor}
		ada := h.ready("ada")
		h.pass(time.Second)
		ben := h.ready("ben")
		c := h.dial(lakeside)
		ada.want(duty.Offered)
		id := tenants.CallID(c.id)
		if err := h.board.Order(sue, Order{Do: OrderGive, Call: id, Operator: "ben"}); err != nil {
			t.Fatal(err)
		}
		h.pass(0)
		ada.want(duty.Available)
		ben.want(duty.Offered)
		if err := h.board.Order(sue, Order{Do: OrderPause, Operator: "ada"}); err != nil {
			t.Fatal(err)
		}
		h.pass(0)
		ada.want(duty.Paused)
		stranger := tenants.Actor{Tenant: "mesa", User: "max", Role: tenants.RoleAdmin}
		if err := h.board.Order(stranger, Order{Do: OrderToVoicemail, Call: id}); err == nil {
			t.Error("another tenant moved the call")
		}
		if err := h.board.Order(tenants.Actor{Tenant: "harbor", Role: tenants.RoleOperator}, Order{Do: OrderToVoicemail}); err == nil {
			t.Error("an operator gave a supervisor's order")
		}
		if err := h.board.Order(sue, Order{Do: OrderToVoicemail}); err != nil {
			t.Fatal(err)
		}
		h.pass(0)
		if s := h.story(c); s.Phase != call.Announcing {
			t.Errorf("%s", s.Phase)
		}
	})
}

func TestAnUnknownNumberIsAnsweredWithAnAlarm(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial("+16085559999")
		h.pass(3 * clipTime)
		if s := h.story(c); s.Phase != call.Recording || s.Plan.Tenant != tenants.Platform {
			t.Fatalf("%s of %s", s.Phase, s.Plan.Tenant)
		}
		if !h.ledger.raised("platform unknown_number:+16085559999") {
			t.Errorf("alarms %v", h.ledger.alarms)
		}
	})
}

func TestACancelledCallIsAbandoned(t *testing.T) {
	inHouse(t, func(h *house) {
		c := &caller{gone: make(chan struct{}), broken: media.ErrGone}
		c.invite = media.Invite{At: time.Now(), RequestURI: media.Identity{User: lakeside}, MaxForwards: 70}
		close(c.gone)
		h.board.Arrive(c)
		h.pass(time.Minute)
		c.id = h.ledger.all()[0].ID
		if s := h.story(c); s.Phase != call.Ended || s.Result != call.Abandoned || s.Reason != "cancelled" {
			t.Errorf("%s %s %s", s.Phase, s.Result, s.Reason)
		}
	})
}

func TestTheLineCheckPlaysBackWhatItHeard(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.open("ada", "")
		done := make(chan Checked, 1)
		go func() {
			c, err := ada.seat.Check(h.t.Context())
			if err != nil {
				t.Error(err)
			}
			done <- c
		}()
		h.pass(0)
		ada.leg.SayTone(media.PCMA, 1000, 2*time.Second)
		h.pass(checkTime)
		if c := <-done; !c.OK || c.Heard != 2*time.Second || !c.Playing {
			t.Errorf("%+v", c)
		}
		go func() {
			c, _ := ada.seat.Check(h.t.Context())
			done <- c
		}()
		h.pass(checkTime)
		if c := <-done; c.OK || c.Why != "nothing_heard" {
			t.Errorf("a dead microphone: %+v", c)
		}
	})
}

// onDisk is what a dead process left of its recordings.
func onDisk(all map[tenants.VoicemailID]Summary) Saved {
	return func(_ tenants.TenantID, id tenants.VoicemailID) (Summary, bool) {
		s, ok := all[id]
		return s, ok
	}
}

func TestCallsOfADeadProcessEndWithWhatWasSaved(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		c.leg.SayTone(media.PCMU, 440, time.Second)
		var open []journal.Event
		for _, e := range h.ledger.all() {
			if e.Kind == journal.Call {
				open = append(open, e)
			}
		}
		var begun call.Event
		if err := json.Unmarshal(open[len(open)-1].Data, &begun); err != nil || begun.Take == nil {
			t.Fatalf("%+v %v", begun, err)
		}
		saved := map[tenants.VoicemailID]Summary{begun.Take.Voicemail: {Duration: 900 * time.Millisecond, Empty: true, SHA256: "def", CutShort: true}}
		h.board.CloseCrashed([]journal.Story{{Tenant: "harbor", Kind: journal.Call, ID: c.id, Events: open}}, onDisk(saved))
		last := h.ledger.all()[len(h.ledger.all())-1]
		if last.Seq != open[len(open)-1].Seq+1 || !last.Final {
			t.Errorf("seq %d final %v", last.Seq, last.Final)
		}
		s := h.story(c)
		if s.Result != call.Voicemail || s.Reason != "node_lost" || !s.Message.CutShort || s.Message.SHA256 != "def" {
			t.Errorf("%s %s %+v", s.Result, s.Reason, s.Message)
		}
		h.ledger.mu.Lock()
		h.ledger.events = nil // the live goroutine of this process goes on in its own story
		h.ledger.mu.Unlock()
	})
}

func TestAMessageOfACallerWhoHasGoneWaitsForASlowDisk(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		c.leg.SayTone(media.PCMU, 440, 2*time.Second)
		h.tapes.newest().slow = 2 * time.Minute
		c.leg.Leave()
		h.pass(time.Minute)
		if s := h.story(c); s.Phase != call.Closing {
			t.Fatalf("after a minute the call is %s (%s)", s.Phase, s.Reason)
		}
		h.pass(time.Minute)
		if s := h.story(c); s.Result != call.Voicemail || s.Message == nil {
			t.Fatalf("%s %s: the message is lost", s.Result, s.Reason)
		}
	})
}
