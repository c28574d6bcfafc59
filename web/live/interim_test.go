package live_test

import (
	"fmt"
	"strings"
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
	const (
		ortiz, lee, kim = "0190b5a0-0000-7000-8000-000000000011", "0190b5a0-0000-7000-8000-000000000012", "0190b5a0-0000-7000-8000-000000000013"
		first, second   = "0190b5a0-0000-7000-8000-0000000000aa", "0190b5a0-0000-7000-8000-0000000000bb"
		account         = "lakeside"
	)
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
		People: []people.Person{
			{ID: ortiz, Account: account, Kind: people.Human, Name: "Dr. Ortiz"},
			{ID: lee, Account: account, Kind: people.Human, Name: "Dr. Lee"},
			{ID: kim, Account: account, Kind: people.Human, Name: "Dr. Kim"},
		},
		Schedules: []roster.Schedule{
			{ID: first, Account: account, Zone: "UTC", CatchAll: ortiz},
			{ID: second, Account: account, Position: 1, Zone: "UTC", CatchAll: lee, Layers: []roster.Layer{{
				ID: "l", Rotation: roster.Daily, From: roster.On(2024, 1, 1), Participants: [][]tenants.PersonID{{ortiz, lee}},
			}}},
		},
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
	p.send(fmt.Sprintf(`{"do":"set-override","id":"one","account":%q,"schedule":%q,"person":%q,"until":%q,"replaces":"person","replaced":%q}`, account, second, kim, until, ortiz))
	if done := p.next(answerTo("one")); done.Type != "done" {
		t.Fatalf("%+v", done.Error)
	}
	all, _ := oncall.At(book.Copy("harbor"), account, time.Now())
	if who := named(all[0]); who != "Dr. Lee" {
		t.Errorf("everybody of the first schedule is replaced: %s answers", who)
	}
	if who := named(all[1]); who != "Dr. Kim, Dr. Lee" {
		t.Errorf("Dr. Ortiz alone is replaced, on the second schedule: %s answer", who)
	}
	p.send(fmt.Sprintf(`{"do":"set-note","id":"2","account":%q,"text":"swap","until":%q}`, account, until))
	done := p.next(answerTo("2"))
	p.send(fmt.Sprintf(`{"do":"end-note","id":"3","account":%q,"item":%q}`, account, done.Item))
	if done := p.next(answerTo("3")); done.Type != "done" {
		t.Errorf("%+v", done.Error)
	}
	for _, c := range []struct{ code, command string }{
		{"bad_value to ends_first", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":"2020-01-01T00:00:00Z"`, account, lee)},
		{"bad_value person same_person", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q,"replaces":"person","replaced":%q`, account, lee, until, lee)},
		// The database takes no such row: what it refuses must not be journaled, it would hold up all that comes after.
		{"bad_value replaced not_replaced", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q,"replaced":%q`, account, lee, until, ortiz)},
		{"bad_value replaced not_replaced", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q,"replaces":"person"`, account, lee, until)},
		{"bad_value replaced not_replaced", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q,"replaces":"layer","replaced":"of another"`, account, lee, until)},
		{"bad_value replaces not_replaces", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q,"replaces":"the moon"`, account, lee, until)},
		{"bad_value person not_person", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q`, account, first, until)},
		{"bad_value until over", fmt.Sprintf(`"do":"set-note","account":%q,"text":"x","until":"2020-01-01T00:00:00Z"`, account)},
		{"bad_value text empty", fmt.Sprintf(`"do":"set-note","account":%q,"text":" ","until":%q`, account, until)},
		{"not_found", fmt.Sprintf(`"do":"set-override","account":%q,"person":%q,"until":%q,"schedule":"of another"`, account, lee, until)},
		{"not_found", fmt.Sprintf(`"do":"end-note","account":%q,"item":"x"`, account)},
	} {
		p.send(fmt.Sprintf(`{"id":"refused",%s}`, c.command))
		if got := refusal(p.next(answerTo("refused")).Error); got != c.code {
			t.Errorf("%s: %q, want %q", c.command, got, c.code)
		}
	}
}

// refusal is a problem's code, and the fields and codes of what is wrong with a command's values.
func refusal(p *live.Problem) string {
	if p == nil {
		return ""
	}
	words := []string{p.Code}
	for _, e := range p.Errors {
		words = append(words, e.Field, e.Code)
	}
	return strings.Join(words, " ")
}

func named(a oncall.Answer) string {
	names := make([]string, len(a.Now))
	for i, s := range a.Now {
		names[i] = s.Person.Name
	}
	return strings.Join(names, ", ")
}
