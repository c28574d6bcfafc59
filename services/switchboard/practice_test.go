package switchboard

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/services/duty"
	"holdfast/services/journal"
)

func TestARobotCallsWhoAsksForItAndCountsForNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		ada := h.open("ada", "")
		var refused *duty.Refusal
		if err := ada.seat.Practice(h.t.Context()); !errors.As(err, &refused) {
			t.Errorf("before the line was checked: %v", err)
		}
		ada = h.ready("ada")
		ben := h.ready("ben")
		practise := func() {
			t.Helper()
			if err := ada.seat.Practice(h.t.Context()); err != nil {
				t.Fatal(err)
			}
			h.pass(0)
			ada.want(duty.Offered)
			if c := ada.state().Card; !c.Practice || !strings.Contains(c.Phrase, "Practice") {
				t.Errorf("the card %+v", c)
			}
		}
		practise()
		ben.want(duty.Available) // it is for who asked
		ada.accept()
		ada.want(duty.Talking)
		if !strings.HasSuffix(h.player.heard(), "practice") {
			t.Errorf("the robot says %q", h.player.heard())
		}
		if err := ada.ask(duty.Event{Type: duty.HangUp, Call: ada.state().Card.Call}); err != nil {
			t.Fatal(err)
		}
		h.pass(duty.DefaultWrapUp)
		ada.want(duty.Available)

		practise() // and it ends by itself
		ada.accept()
		h.pass(practiceFor)
		h.pass(duty.DefaultWrapUp)
		ada.want(duty.Available)

		ben.ask(duty.Event{Type: duty.HomeAsked}) //nolint:errcheck // nobody else is there from now on
		practise()
		ada.accept()
		c := h.dial(lakeside) // somebody real calls, and nobody else is there
		h.pass(practiceLook)
		h.pass(duty.DefaultWrapUp)
		ada.want(duty.Offered)
		if ada.state().Card.Practice {
			t.Error("the robot goes on while a caller waits")
		}
		if err := ada.seat.Practice(h.t.Context()); err == nil {
			t.Error("another robot while a caller waits")
		}
		ada.accept()
		if s := ada.state(); s.Calls != 1 || s.Missed != 0 {
			t.Errorf("counted: %d calls, %d missed", s.Calls, s.Missed)
		}
		c.leg.Leave()
		h.pass(time.Second)
		calls := map[string]bool{}
		for _, e := range h.ledger.all() {
			if e.Kind == journal.Call {
				calls[e.ID] = true
			}
		}
		if len(calls) != 1 {
			t.Errorf("%d calls in the journal", len(calls))
		}
	})
}
