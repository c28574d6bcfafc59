package live_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants/routing"
	"holdfast/web/live"
)

// robots is a practice call as the duty tells it.
func robots(joined bool) duty.State {
	s := duty.State{
		Duty: dutyID, Tenant: "harbor", Operator: ada, Phase: duty.Talking, Socket: true, Media: true,
		Card: &duty.Card{Call: callID, Practice: true, Account: "Practice Clinic", AccountID: routing.PracticeAccount, Caller: "anonymous"},
	}
	if joined {
		s.JoinedAt = time.Now()
	}
	return s
}

func TestAPracticeCallsMessageIsWrittenLikeAnyAndKeptNowhere(t *testing.T) {
	t.Parallel()
	b, d := typing(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	p.next(kind("duty"))
	b.board.show(robots(false))
	b.board.show(robots(true))
	m := p.next(kind("ticket")).Ticket
	if m.Phase != ticket.Draft || m.Account != routing.PracticeAccount || m.Holder().Operator != ada {
		t.Fatalf("%+v", m)
	}
	for i, c := range []string{
		fmt.Sprintf(`"do":"draft","call_id":%q,"field":"text","value":"call me back"`, callID),
		fmt.Sprintf(`"do":"save-ticket","ticket":%q`, m.ID),
		fmt.Sprintf(`"do":"deliver-ticket","ticket":%q,"to":"Dr. Sample","how":"phone"`, m.ID),
	} {
		p.send(fmt.Sprintf(`{"id":"p%d",%s}`, i, c))
		got := p.next(answerTo(fmt.Sprint("p", i)))
		if want := []ticket.Phase{ticket.Draft, ticket.Owed, ticket.Delivered}[i]; got.Type != "done" || got.Ticket.Phase != want || got.Ticket.Value("text") != "call me back" {
			t.Fatalf("%s: %+v %+v", c, got.Ticket, got.Error)
		}
		owed, err := d.Owed(t.Context(), "harbor")
		drafts, err2 := d.Drafts(t.Context(), "harbor", "")
		if err != nil || err2 != nil || len(owed)+len(drafts) != 0 || d.Count("harbor", nil) != (ticket.Count{}) {
			t.Fatalf("practice is owed: %v %v %v %v", owed, drafts, err, err2)
		}
	}
	p.send(fmt.Sprintf(`{"id":"m","do":"mail-ticket","ticket":%q}`, m.ID))
	if got := p.next(answerTo("m")); got.Error == nil || got.Error.Code != "practice" {
		t.Errorf("practice is mailed: %+v", got)
	}
	b.board.show(duty.State{Duty: dutyID, Tenant: "harbor", Operator: ada, Phase: duty.Available, Socket: true, Media: true})
	p.send(fmt.Sprintf(`{"id":"late","do":"draft","call_id":%q,"field":"text","value":"late"}`, callID))
	if got := p.next(answerTo("late")); got.Error == nil || got.Error.Code != "not_found" {
		t.Errorf("after the practice: %+v", got)
	}
}

func TestTheBoardShowsWhoPractisesAsReadyForCallers(t *testing.T) {
	t.Parallel()
	b := live.NewBoards(live.BoardsConfig{Book: book{}, Log: slog.New(slog.DiscardHandler)})
	b.Fold(began(dutyID, "Ada"))
	for i, what := range []duty.Type{duty.SocketUp, duty.MediaUp, duty.Ready} {
		b.Fold(step(dutyID, uint64(i+2), what))
	}
	for i, e := range []duty.Event{
		{Type: duty.Offering, Epoch: 1, Card: robots(false).Card},
		{Type: duty.Accept, Call: callID, Epoch: 1},
		{Type: duty.Joined, Call: callID},
	} {
		e.At = time.Now()
		b.Fold(event(journal.Duty, dutyID, uint64(i+5), string(e.Type), e))
		board := b.Snapshot("harbor")
		if o := board.Operators[0]; o.State != live.Practising || o.Call != "" || !o.Reachable || o.Calls != 0 {
			t.Errorf("after %s: %+v", e.Type, o)
		}
		if q := board.Queue; q.Ready != 1 || q.Talking != 0 || board.CallersHear != live.HearOperator {
			t.Errorf("after %s: %+v, callers hear %s", e.Type, q, board.CallersHear)
		}
	}
	b.Fold(step(dutyID, 8, duty.MediaDown))
	if board := b.Snapshot("harbor"); board.Queue.Ready != 0 || board.CallersHear == live.HearOperator {
		t.Errorf("without a line: %+v, callers hear %s", board.Queue, board.CallersHear)
	}
}
