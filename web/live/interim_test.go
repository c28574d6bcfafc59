package live_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/services/interim"
	"holdfast/services/journal"
	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
	"holdfast/web/live"
)

func TestAnOverrideAndANoteAreSetFromTheDeskAndEveryPageHearsOfIt(t *testing.T) {
	t.Parallel()
	const lee, account = "0190b5a0-0000-7000-8000-000000000012", "lakeside"
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Stop() })
	book := &routing.Book{}
	board := interim.New(interim.Config{Node: "n1", Journal: j, Book: book})
	book.Put(&routing.Copy{
		Tenant: "harbor", Accounts: []routing.Account{{ID: account}},
		Operators: []routing.Operator{{ID: ada, Role: tenants.RoleOperator, Rights: []tenants.Right{tenants.RightOverride}}},
		People:    []people.Person{{ID: lee, Account: account, Kind: people.Human, Name: "Dr. Lee"}},
		Schedules: []roster.Schedule{{ID: "0190b5a0-0000-7000-8000-0000000000aa", Account: account, Zone: "UTC", CatchAll: lee}},
	})
	b := newBenchWith(t, func(c *live.Config) { c.Interim, c.Plans = board, book })
	p, portal := b.open("/desk/socket?ticket=desk/operator/1"), b.open("/portal/socket?ticket=portal/supervisor/2")
	p.next(kind("duty"))
	portal.next(kind("board"))
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	p.send(fmt.Sprintf(`{"do":"set-override","id":"1","account":%q,"person":%q,"until":%q}`, account, lee, until))
	if done := p.next(answerTo("1")); done.Type != "done" || done.Item == "" {
		t.Fatalf("%+v %+v", done, done.Error)
	}
	portal.next(kind("plan"))
	if all, _ := oncall.At(book.Copy("harbor"), account, time.Now()); all[0].Now[0].Why != roster.ByOverride {
		t.Errorf("%+v", all[0].Now)
	}
	p.send(fmt.Sprintf(`{"do":"set-note","id":"2","account":%q,"text":"swap","until":%q}`, account, until))
	done := p.next(answerTo("2"))
	p.send(fmt.Sprintf(`{"do":"end-note","id":"3","account":%q,"item":%q}`, account, done.Item))
	if done := p.next(answerTo("3")); done.Type != "done" {
		t.Errorf("%+v", done.Error)
	}
	for id, c := range map[string]string{
		"bad_value": fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":"2020-01-01T00:00:00Z"`, account, lee),
		"not_found": fmt.Sprintf(`"do":"end-note","account":%q,"item":"x"`, account),
	} {
		p.send(fmt.Sprintf(`{"id":%q,%s}`, id, c))
		if got := p.next(answerTo(id)); got.Error == nil || got.Error.Code != id {
			t.Errorf("%s: %+v", id, got)
		}
	}
}
