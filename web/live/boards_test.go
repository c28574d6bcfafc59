package live_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/web/live"
)

func began(id, name string) journal.Event {
	return event(journal.Duty, id, 1, string(duty.Began), duty.Event{
		Type: duty.Began, At: time.Now(), Resumed: true,
		Who: &duty.Who{Duty: dutyID, Tenant: "harbor", Operator: ada, Name: name},
	})
}

func step(id string, seq uint64, t duty.Type) journal.Event {
	return event(journal.Duty, id, seq, string(t), duty.Event{Type: t, At: time.Now()})
}

func TestABoardFollowsCallsDutiesAndAlarms(t *testing.T) {
	t.Parallel()
	var ended atomic.Int32
	b := live.NewBoards(live.BoardsConfig{Book: book{}, Log: slog.New(slog.DiscardHandler), Ended: func(s call.State) {
		if s.Result == call.Abandoned {
			ended.Add(1)
		}
	}})
	b.Fold(began(dutyID, "Ada"))
	b.Fold(step(dutyID, 2, duty.SocketUp))
	b.Fold(step(dutyID, 3, duty.MediaUp))
	b.Fold(step(dutyID, 4, duty.Ready))
	board := b.Snapshot("harbor")
	if board.CallersHear != live.HearOperator || board.Queue.Ready != 1 || !board.Operators[0].Reachable || board.Operators[1].State != duty.Away {
		t.Errorf("ada is ready: %+v", board)
	}
	b.Fold(step(dutyID, 5, duty.MediaDown))
	if board := b.Snapshot("harbor"); board.CallersHear != live.HearQueue || board.Queue.Ready != 0 {
		t.Errorf("ada lost her line: %+v", board)
	}

	b.Fold(invited(callID))
	b.Fold(invited(callID)) // twice is once
	b.Fold(event(journal.Call, callID, 2, string(call.Answering), call.Event{Type: call.Answering, At: time.Now()}))
	if q := b.Queue("harbor"); q.Waiting != 1 || q.OldestSince.IsZero() || q.VoicemailOK {
		t.Errorf("queue: %+v", q)
	}
	if n := b.Phases(); n[call.Queued]+n[call.Ringing] != 1 {
		t.Errorf("phases: %v", n)
	}
	if _, ok := b.Call("mesa", callID); ok {
		t.Error("mesa finds harbor's call")
	}
	last := event(journal.Call, callID, 3, string(call.CallerEnded), call.Event{Type: call.CallerEnded, At: time.Now(), Reason: "hangup"})
	last.Final = true
	b.Fold(last)
	b.Fold(invited(callID)) // an echo of the past opens nothing
	s, ok := b.Call("harbor", callID)
	if len(b.Live("harbor")) != 0 || !ok || s.Phase != call.Ended || ended.Load() != 1 {
		t.Errorf("ended: %+v, told %d times", s, ended.Load())
	}

	raised := event(journal.Alarm, "calls_while_standby", 1, journal.TypeRaised, journal.AlarmData{Text: "calls are arriving", Severity: journal.Warning, Count: 3})
	b.Fold(raised)
	if a := b.Snapshot("harbor").Alarms; len(a) != 1 || a[0].Count != 3 || b.Alarms()["warning"] != 1 {
		t.Errorf("alarms: %+v", a)
	}
	cleared := event(journal.Alarm, "calls_while_standby", 2, journal.TypeCleared, journal.AlarmData{})
	cleared.Final = true
	b.Fold(cleared)
	if a := b.Snapshot("harbor").Alarms; len(a) != 0 {
		t.Errorf("alarms: %+v", a)
	}

	home := step(dutyID, 6, duty.Closed)
	home.Final = true
	b.Fold(home)
	if board := b.Snapshot("harbor"); board.CallersHear != live.HearVoicemail || board.Operators[0].State != duty.Away {
		t.Errorf("ada went home: %+v", board)
	}
}

func TestEventsThatDoNotFitChangeNothing(t *testing.T) {
	t.Parallel()
	b := live.NewBoards(live.BoardsConfig{Book: book{}, Log: slog.New(slog.DiscardHandler)})
	for _, e := range []journal.Event{
		event(journal.Call, "x", 7, string(call.Accepted), call.Event{Type: call.Accepted}),
		event(journal.Call, "x", 1, string(call.Invited), "no event"),
		event(journal.Call, "x", 1, string(call.Invited), call.Event{Type: call.Invited}),
		event(journal.Duty, "x", 1, string(duty.Began), call.Event{}),
		event(journal.Duty, "x", 1, string(duty.Began), 7),
		event(journal.Alarm, "x", 1, journal.TypeRaised, 7),
		event("other", "x", 1, "y", nil),
	} {
		b.Fold(e)
	}
	if board := b.Snapshot("harbor"); len(board.Calls)+len(board.Alarms) != 0 || board.Queue.Ready != 0 {
		t.Errorf("%+v", board)
	}
}

func TestWhatHappensBeforeTheStartIsShownAfterIt(t *testing.T) {
	t.Parallel()
	f := &feed{}
	b := live.NewBoards(live.BoardsConfig{
		Book: book{}, Subscribe: f.subscribe, Log: slog.New(slog.DiscardHandler),
		Alarms: []journal.OpenAlarm{{Tenant: "platform", Key: "journal_damaged", AlarmData: journal.AlarmData{Text: "a segment was set aside"}}},
	})
	if a := b.Snapshot("platform").Alarms; len(a) != 1 || a[0].Key != "journal_damaged" {
		t.Errorf("alarms: %+v", a)
	}
	changes, cancel := b.Watch("harbor")
	defer cancel()
	f.subs[0] <- invited(callID) // calls are answered before the pages are served
	b.Start()
	defer b.Stop()
	within(t, changes)
	if len(b.Live("harbor")) != 1 {
		t.Error("the call is missing")
	}
}

func TestBoardsGoOnAfterBeingCutOff(t *testing.T) {
	t.Parallel()
	f := &feed{}
	b := live.NewBoards(live.BoardsConfig{Book: book{}, Subscribe: f.subscribe, Log: slog.New(slog.DiscardHandler)})
	b.Start()
	defer b.Stop()
	changes, cancel := b.Watch("harbor")
	defer cancel()
	f.cut()
	again := time.After(limit)
	for {
		f.mu.Lock()
		n := len(f.subs)
		if n == 2 {
			f.subs[1] <- invited(callID)
			f.mu.Unlock()
			break
		}
		f.mu.Unlock()
		select {
		case <-again:
			t.Fatal("never subscribed again")
		case <-time.After(10 * time.Millisecond):
		}
	}
	within(t, changes)
	if len(b.Live("harbor")) != 1 {
		t.Error("the event after the cut is missing")
	}
}

type counter struct{ away atomic.Bool }

func (c *counter) Unhandled(context.Context, tenants.TenantID) ([]live.Count, error) {
	if c.away.Load() {
		return nil, errors.New("away")
	}
	return []live.Count{{Account: "lakeside", Unhandled: 3, Oldest: time.Unix(200, 0)}, {Account: "prairie", Unhandled: 1, Oldest: time.Unix(100, 0)}}, nil
}

func TestTheVoicemailCountIsKnownOrSaidToBeUnknown(t *testing.T) {
	t.Parallel()
	f, c := &feed{}, &counter{}
	b := live.NewBoards(live.BoardsConfig{Book: book{}, Subscribe: f.subscribe, Counter: c, Log: slog.New(slog.DiscardHandler)})
	changes, cancel := b.Watch("harbor")
	defer cancel()
	b.Start()
	defer b.Stop()
	for !b.Queue("harbor").VoicemailOK {
		within(t, changes)
	}
	if q := b.Queue("harbor"); q.NewVoicemail != 4 || !q.OldestVoice.Equal(time.Unix(100, 0)) {
		t.Errorf("%+v", q)
	}
	c.away.Store(true)
	b.Fold(event(journal.Command, "c1", 1, "voicemail.marked", nil)) // a reason to count again
	for b.Queue("harbor").VoicemailOK {
		within(t, changes)
	}
	if q := b.Queue("harbor"); q.NewVoicemail != 0 {
		t.Errorf("an old figure is shown: %+v", q)
	}
}

func TestABoardRemembersTheCallsThatEndedLast(t *testing.T) {
	t.Parallel()
	b := live.NewBoards(live.BoardsConfig{Book: book{}, Log: slog.New(slog.DiscardHandler)})
	const calls, remembered = 1200, 500
	for n := range calls {
		id := fmt.Sprintf("c-%04d", n)
		b.Fold(invited(id))
		last := event(journal.Call, id, 2, string(call.CallerEnded), call.Event{Type: call.CallerEnded, At: time.Now(), Reason: "hangup"})
		last.Final = true
		b.Fold(last)
	}
	for n := range calls {
		id := tenants.CallID(fmt.Sprintf("c-%04d", n))
		if s, ok := b.Call("harbor", id); ok != (n >= calls-remembered) || ok && (s.ID != id || s.Phase != call.Ended) {
			t.Fatalf("call %d: %v %+v", n, ok, s)
		}
	}
}
