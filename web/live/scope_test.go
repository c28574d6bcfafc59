package live_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/services/call"
	"holdfast/services/interim"
	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web/live"
)

// TestADeskReachesNothingOfAnAccountThatIsNotItsOperators tries every command that names a message, a call's message or an account.
func TestADeskReachesNothingOfAnAccountThatIsNotItsOperators(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	d := ticket.NewDesk(ticket.DeskConfig{Journal: j, Dir: t.TempDir()})
	d.Start()
	book := &routing.Book{}
	book.Put(&routing.Copy{
		Tenant: "harbor", Accounts: []routing.Account{{ID: "lakeside"}, {ID: "prairie"}},
		Operators: []routing.Operator{{
			ID: ada, Role: tenants.RoleOperator, Accounts: []tenants.AccountID{"prairie"}, Rights: []tenants.Right{tenants.RightOverride},
		}},
	})
	boards := live.NewBoards(live.BoardsConfig{Book: book, Owed: d.Count})
	boards.Fold(invited(callID)) // a caller of Lakeside's waits
	boards.Fold(event(journal.Call, callID, 2, string(call.Answering), call.Event{Type: call.Answering, At: time.Now()}))
	b := newBenchWith(t, func(c *live.Config) {
		c.Messages, c.Boards = d, boards
		c.Interim = interim.New(interim.Config{Node: "n1", Journal: j, Book: book})
	})
	t.Cleanup(func() {
		d.Stop()
		if err := j.Stop(); err != nil {
			t.Error(err)
		}
	})
	joined(d, "ben", "Ben")
	s, err := d.ForCall(t.Context(), "harbor", callID)
	if err != nil {
		t.Fatal(err)
	}
	p := b.open("/desk/socket?ticket=desk/operator/1")
	if q := p.next(kind("queue")).Queue; q.Waiting != 0 || !q.OldestSince.IsZero() {
		t.Errorf("callers of other accounts are counted: %+v", q)
	}
	foreign := []string{`"do":"set-override","person":"x"`, `"do":"set-note","text":"x"`, `"do":"end-override","item":"x"`, `"do":"end-note","item":"x"`}
	for i, c := range foreign {
		foreign[i] = c + `,"account":"lakeside"`
	}
	for _, c := range []string{
		`"do":"draft","field":"text","value":"x"`, `"do":"take-ticket"`, `"do":"save-ticket"`, `"do":"append-ticket","text":"x"`,
		`"do":"deliver-ticket","to":"x","how":"x"`, `"do":"mail-ticket"`,
	} {
		foreign = append(foreign, fmt.Sprintf(`%s,"ticket":%q`, c, s.ID), fmt.Sprintf(`%s,"call_id":%q`, c, callID))
	}
	for i, c := range foreign {
		p.send(fmt.Sprintf(`{"id":"f%d",%s}`, i, c))
		if got := p.next(answerTo(fmt.Sprint("f", i))); got.Error == nil || got.Error.Code != "not_found" {
			t.Errorf("%s: %+v %+v", c, got, got.Error)
		}
	}
	d.Joined(ticket.Origin{Tenant: "harbor", Call: "0190b5a0-0000-7000-8000-0000000000cc", Account: "prairie"}, ada, "Ada")
	own := p.next(kind("ticket"))
	p.send(fmt.Sprintf(`{"do":"draft","id":"own","ticket":%q,"field":"text","value":"a leak"}`, own.Ticket.ID))
	if got := p.next(answerTo("own")); got.Type != "done" || own.Ticket.Account != "prairie" {
		t.Errorf("her own: %+v %+v", got, got.Error)
	}
}

// TestADeskOfAnOperatorWhomTheCopyDoesNotHaveIsShownNothing: she was disabled, or the copy is away.
func TestADeskOfAnOperatorWhomTheCopyDoesNotHaveIsShownNothing(t *testing.T) {
	t.Parallel()
	for name, copies := range map[string][]*routing.Copy{
		"unknown": {{Tenant: "harbor", Accounts: []routing.Account{{ID: "lakeside"}}}},
		"no copy": nil,
	} {
		t.Run(name, func(t *testing.T) {
			known := &routing.Book{}
			known.Put(copies...)
			boards := live.NewBoards(live.BoardsConfig{Book: known, Owed: func(_ tenants.TenantID, sees func(tenants.AccountID) bool) ticket.Count {
				if sees == nil || sees("lakeside") {
					return ticket.Count{Owed: 1}
				}
				return ticket.Count{}
			}})
			boards.Fold(invited(callID))
			boards.Fold(event(journal.Call, callID, 2, string(call.Answering), call.Event{Type: call.Answering, At: time.Now()}))
			b, d := typingWith(t, func(c *live.Config) { c.Boards = boards })
			joined(d, ben, "Ben")
			p := b.open("/desk/socket?ticket=desk/operator/1")
			if q := p.next(kind("queue")).Queue; q.Waiting != 0 || !q.OldestSince.IsZero() || q.Owed != 0 {
				t.Errorf("she is shown callers: %+v", q)
			}
			p.send(fmt.Sprintf(`{"id":"t","do":"take-ticket","call_id":%q}`, callID))
			if got := p.next(answerTo("t")); got.Error == nil || got.Error.Code != "not_found" {
				t.Errorf("she takes Ben's message: %+v", got)
			}
		})
	}
}
