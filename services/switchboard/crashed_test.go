package switchboard

import (
	"encoding/json"
	"testing"
	"time"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// crash closes a call of which these events were journaled, and returns how it ended.
func (h *house) crash(saved map[tenants.VoicemailID]Summary, events ...call.Event) call.State {
	h.t.Helper()
	story := journal.Story{Tenant: "harbor", Kind: journal.Call, ID: "c1"}
	var all []call.Event
	for i, e := range events {
		e.At = time.Now()
		data, err := json.Marshal(e)
		if err != nil {
			h.t.Fatal(err)
		}
		story.Events = append(story.Events, journal.Event{Seq: uint64(i + 1), Data: data})
		all = append(all, e)
	}
	h.board.CloseCrashed([]journal.Story{story}, onDisk(saved))
	var last call.Event
	written := h.ledger.all()
	if err := json.Unmarshal(written[len(written)-1].Data, &last); err != nil {
		h.t.Fatal(err)
	}
	s, err := call.Fold(append(all, last))
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

var (
	wasInvited = call.Event{Type: call.Invited, Call: "c1", Plan: &call.Plan{Tenant: "harbor", Kind: call.ForStandby}}
	wasBegun   = []call.Event{
		wasInvited,
		{Type: call.Answering},
		{Type: call.Played, Token: 1},
		{Type: call.TakeStarted, Take: &call.Take{N: 1, Voicemail: "v1"}},
	}
)

func TestARecordingStoredWholeBeforeTheCrashIsNotCalledCutShort(t *testing.T) {
	inHouse(t, func(h *house) {
		s := h.crash(map[tenants.VoicemailID]Summary{"v1": {Duration: 3 * time.Second, SHA256: "abc"}}, wasBegun...)
		if s.Result != call.Voicemail || s.Message.CutShort || s.Message.DurationMS != 3000 {
			t.Errorf("%s %+v", s.Result, s.Message)
		}
	})
}

func TestACrashDuringAnEmptySecondTakeKeepsTheFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		s := h.crash(map[tenants.VoicemailID]Summary{"v2": {Empty: true, CutShort: true}}, append(wasBegun[:4:4],
			call.Event{Type: call.TakeEnded, Reason: "key", Take: &call.Take{N: 1, Voicemail: "v1", Stopped: true, DurationMS: 4000}},
			call.Event{Type: call.Digit, Digit: "3"},
			call.Event{Type: call.Played, Token: 3},
			call.Event{Type: call.TakeStarted, Take: &call.Take{N: 2, Voicemail: "v2"}},
		)...)
		if s.Result != call.Voicemail || s.Message.Voicemail != "v1" {
			t.Errorf("%s %+v", s.Result, s.Message)
		}
	})
}

func TestACrashWithoutAnyAudioLeavesNoMessage(t *testing.T) {
	inHouse(t, func(h *house) {
		if s := h.crash(nil, wasBegun...); s.Result != call.Failed || s.Reason != "node_lost" || s.Message != nil {
			t.Errorf("%s %s %+v", s.Result, s.Reason, s.Message)
		}
	})
}

func TestARecordingThatIsStoredTooLateIsTold(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.dial(lakeside)
		h.pass(2 * clipTime)
		h.tapes.newest().broken = errDisk
		c.leg.Leave()
		h.pass(time.Second)
		var id tenants.VoicemailID
		for _, e := range h.ledger.all() {
			var begun call.Event
			if e.Type == string(call.TakeStarted) && json.Unmarshal(e.Data, &begun) == nil {
				id = begun.Take.Voicemail
			}
		}
		h.tapes.newest().ended("late") // long after the call
		if !h.ledger.raised("harbor recording_late:" + string(id)) {
			t.Errorf("alarms %v", h.ledger.alarms)
		}
	})
}

func TestTheAlarmAboutMessagesEndsWithTheNextThatIsKept(t *testing.T) {
	inHouse(t, func(h *house) {
		for _, broken := range []error{errDisk, nil} {
			h.tapes.broken = broken
			c := h.dial(lakeside)
			h.pass(2 * clipTime)
			c.leg.Leave()
			h.pass(time.Second)
			if open := h.ledger.raised("harbor recording_disk"); open != (broken != nil) {
				t.Errorf("with the disk's error %v the alarm is open: %v", broken, open)
			}
		}
	})
}
