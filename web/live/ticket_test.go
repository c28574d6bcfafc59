package live_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/web/live"
)

// typing is a bench whose desk writes messages over a journal on disk.
func typing(t *testing.T) (*bench, *ticket.Desk) {
	t.Helper()
	return typingWith(t, func(*live.Config) {})
}

// typingWith lets the test say what else its server has.
func typingWith(t *testing.T, also func(*live.Config)) (*bench, *ticket.Desk) {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	d := ticket.NewDesk(ticket.DeskConfig{Journal: j, Dir: t.TempDir()})
	d.Start()
	b := newBenchWith(t, func(c *live.Config) {
		c.Messages = d
		also(c)
	})
	t.Cleanup(func() {
		d.Stop()
		if err := j.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b, d
}

func ticketWhere(fits func(ticket.State) bool) func(live.Message) bool {
	return func(m live.Message) bool { return m.Type == "ticket" && fits(*m.Ticket) }
}

func joined(d *ticket.Desk, operator tenants.OperatorID, name string) {
	d.Joined(ticket.Origin{Tenant: "harbor", Call: callID, Account: "lakeside", AccountName: "Lakeside Cardiology", Caller: "+16085550177"}, operator, name)
}

func TestWhatIsTypedIsSavedFieldByFieldAndTheMessageGetsItsNumber(t *testing.T) {
	t.Parallel()
	b, d := typing(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	joined(d, ada, "Ada")
	m := p.next(kind("ticket"))
	if m.Ticket.Value(ticket.FieldCallback) != "+16085550177" || m.Ticket.Phase != ticket.Draft {
		t.Fatalf("%+v", m.Ticket)
	}
	for revision := range 3 {
		p.send(fmt.Sprintf(`{"do":"draft","id":"d%d","call_id":%q,"field":"text","value":"typed %d","revision":%d}`, revision, callID, revision, revision))
		done := p.next(answerTo(fmt.Sprint("d", revision)))
		if done.Type != "done" || done.Revision != uint64(revision+1) || done.Ticket.Fields["text"].Replaced != nil {
			t.Fatalf("%+v %+v", done, done.Error)
		}
	}
	id := string(m.Ticket.ID)
	p.send(fmt.Sprintf(`{"do":"append-ticket","id":"a0","ticket":%q,"text":"too early"}`, id))
	if got := p.next(answerTo("a0")); got.Error == nil || got.Error.Code != "not_now" {
		t.Fatalf("%+v", got)
	}
	p.send(fmt.Sprintf(`{"do":"save-ticket","id":"s1","ticket":%q}`, id))
	if got := p.next(answerTo("s1")); got.Type != "done" || got.Ticket.Number != 1 || got.Ticket.Phase != ticket.Owed {
		t.Fatalf("%+v", got)
	}
	p.send(fmt.Sprintf(`{"do":"draft","id":"d9","ticket":%q,"field":"text","value":"late","revision":3}`, id))
	if got := p.next(answerTo("d9")); got.Error == nil || got.Error.Code != "locked" {
		t.Fatalf("%+v", got)
	}
	for i, command := range []string{
		fmt.Sprintf(`{"do":"append-ticket","id":"c0","ticket":%q,"text":"rang again"}`, id),
		fmt.Sprintf(`{"do":"deliver-ticket","id":"c1","call_id":%q,"to":"Dr. Lee","how":"phone"}`, callID),
	} {
		p.send(command)
		got := p.next(answerTo(fmt.Sprint("c", i)))
		if got.Type != "done" || len(got.Ticket.Notes) != 1 || (got.Ticket.Phase == ticket.Delivered) != (i == 1) {
			t.Fatalf("%s: %+v %+v", command, got.Ticket, got.Error)
		}
	}
}

func TestAReloadedPageIsShownItsDraftAndWhoWasRelievedSeesWhoHasIt(t *testing.T) {
	t.Parallel()
	b, d := typing(t)
	joined(d, ada, "Ada")
	first := b.open("/desk/socket?ticket=desk/operator/1")
	shown := first.next(kind("ticket"))
	first.send(fmt.Sprintf(`{"do":"draft","id":"1","call_id":%q,"field":"name","value":"Mrs. Keller"}`, callID))
	first.next(answerTo("1"))
	_ = first.conn.CloseNow()
	again := b.open("/desk/socket?ticket=desk/operator/2")
	if m := again.next(kind("ticket")); m.Ticket.ID != shown.Ticket.ID || m.Ticket.Value("name") != "Mrs. Keller" {
		t.Fatalf("%+v", m.Ticket)
	}
	joined(d, "ben", "Ben")
	again.next(ticketWhere(func(s ticket.State) bool { return s.Holder().Name == "Ben" }))
	again.send(fmt.Sprintf(`{"do":"draft","id":"2","call_id":%q,"field":"name","value":"late","revision":1}`, callID))
	if got := again.next(answerTo("2")); got.Error == nil || got.Error.Code != "not_yours" {
		t.Fatalf("%+v", got)
	}
	again.send(fmt.Sprintf(`{"do":"take-ticket","id":"3","call_id":%q}`, callID))
	if got := again.next(answerTo("3")); got.Type != "done" || len(got.Ticket.Holders) != 3 {
		t.Fatalf("%+v", got)
	}
}

// Every answered call begins a message, and those of ten minutes of short calls are more than a socket lets wait.
func TestWhoHoldsHundredsOfDraftsComesBack(t *testing.T) {
	t.Parallel()
	b, d := typing(t)
	const drafts = 1000
	for i := range drafts {
		id := tenants.CallID(fmt.Sprintf("01920000-0000-7000-8000-%012d", i))
		d.Joined(ticket.Origin{Tenant: "harbor", Call: id, Account: "lakeside", AccountName: "Lakeside Cardiology"}, ada, "Ada")
	}
	p := b.open("/desk/socket?ticket=desk/operator/1")
	for shown := map[tenants.TicketID]bool{}; len(shown) < drafts; {
		shown[p.next(kind("ticket")).Ticket.ID] = true
	}
}

func TestOtherPeoplesMessagesAreNotShownUntilTheyAreTouched(t *testing.T) {
	t.Parallel()
	b, d := typing(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	p.next(kind("duty"))
	joined(d, "ben", "Ben")
	ben := tenants.Actor{Tenant: "harbor", User: "ben", Name: "Ben", Role: tenants.RoleOperator}
	s, err := d.ForCall(t.Context(), "harbor", callID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Change(t.Context(), ben, s.ID, "text", "Ben's", 0); err != nil {
		t.Fatal(err)
	}
	d.Joined(ticket.Origin{Tenant: "harbor", Call: "another", Account: "lakeside"}, ada, "Ada")
	if m := p.next(kind("ticket")); m.Ticket.ID == s.ID {
		t.Fatal("Ben's message was shown to Ada")
	}
}

func TestCommandsAboutNoMessageAreRefusedInWords(t *testing.T) {
	t.Parallel()
	b, _ := typing(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	for id, want := range map[string]string{"a": "not_found", "b": "bad_command", "c": "bad_command"} {
		command := map[string]any{"do": "draft", "id": id, "field": "text", "value": "x"}
		switch id {
		case "a":
			command["call_id"] = callID
		case "c":
			command["ticket"] = "../../etc"
		}
		text, _ := json.Marshal(command)
		p.send(string(text))
		if got := p.next(kind("error")); got.Error.Code != want {
			t.Errorf("%s: %+v, want %s", text, got.Error, want)
		}
	}
	plain := newBench(t)
	q := plain.open("/desk/socket?ticket=desk/operator/1")
	q.send(fmt.Sprintf(`{"do":"save-ticket","id":"1","call_id":%q}`, callID))
	if got := q.next(answerTo("1")); got.Error == nil || got.Error.Code != "forbidden" {
		t.Fatalf("%+v", got)
	}
}

func TestTheQueueSaysWhatIsOwed(t *testing.T) {
	t.Parallel()
	oldest := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	boards := live.NewBoards(live.BoardsConfig{Book: book{}, Owed: func(tenants.TenantID, func(tenants.AccountID) bool) ticket.Count {
		return ticket.Count{Owed: 2, Urgent: 1, Oldest: oldest}
	}})
	for _, q := range []live.Queue{boards.Queue("harbor"), boards.Snapshot("harbor").Queue} {
		if q.Owed != 2 || q.OwedUrgent != 1 || !q.OldestOwed.Equal(oldest) {
			t.Errorf("%+v", q)
		}
	}
}
