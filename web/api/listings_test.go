package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"holdfast/services/directory"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/people/sheet"
	"holdfast/web/api"
)

const (
	harborPerson = "0192f0c4-0000-7000-8000-0000000000a1"
	neededPerson = "0192f0c4-0000-7000-8000-0000000000a2"
)

// listings is one account of harbor's with one person, who stays as "as-read" names them, and one who has turns.
type listings struct{}

func (listings) find(actor tenants.Actor, account tenants.AccountID) error {
	if actor.Tenant != "harbor" || account != "lakeside-cardiology" {
		return directory.ErrNoAccount
	}
	return nil
}

func (l listings) Person(_ context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID) (people.Person, error) {
	if l.find(actor, account) != nil || id != harborPerson && id != neededPerson {
		return people.Person{}, directory.ErrNoPerson
	}
	return people.Person{ID: id, Account: account, Kind: people.Human, Name: "Dr. Lakeside"}, nil
}

func (l listings) Add(_ context.Context, actor tenants.Actor, p people.Person) (people.Person, error) {
	p.ID, p.Kind = neededPerson, people.Human
	if err := p.Check(); err != nil {
		return p, err
	}
	return p, l.find(actor, p.Account)
}

func (l listings) Change(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID, tag string, edit func(people.Person) people.Person) (people.Person, error) {
	p, err := l.Person(ctx, actor, account, id)
	if err == nil && tag != "as-read" {
		err = &directory.StaleError{Now: p, Last: tenants.Mark{By: "Anna", At: noon}}
	}
	if err != nil {
		return p, err
	}
	p = edit(p)
	return p, p.Check()
}

func (l listings) Remove(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID, tag string, heir tenants.PersonID) error {
	p, err := l.Person(ctx, actor, account, id)
	switch {
	case err != nil:
		return err
	case tag != "as-read":
		return &directory.StaleError{Now: p, Last: tenants.Mark{By: "Anna", At: noon}}
	case id == neededPerson && heir == "":
		return &directory.NeededError{Uses: []directory.Use{{Schedule: "s", Name: "Cardiologist on call", Turns: true, CatchAll: true}}, Others: []people.Person{p}}
	}
	return nil
}

func (l listings) Import(_ context.Context, actor tenants.Actor, account tenants.AccountID, file io.Reader, _ bool, _ string) (directory.Import, error) {
	if err := l.find(actor, account); err != nil {
		return directory.Import{}, err
	}
	s, err := sheet.Read(file, "US")
	if err != nil {
		return directory.Import{}, err
	}
	lines, problems := s.Compare(account, []people.Person{{
		ID: harborPerson, Account: account, Kind: people.Human, Name: "Dr. Number 4999",
		Methods: []people.ContactMethod{{Kind: people.Mobile, Value: "+16085554999"}, {Kind: people.Pager, Value: "5550113"}},
	}})
	return directory.Import{Lines: lines, Problems: problems, Added: len(lines)}, nil
}

func (l listings) Export(_ context.Context, actor tenants.Actor, account tenants.AccountID, to io.Writer) error {
	if err := l.find(actor, account); err != nil {
		return err
	}
	return sheet.Write(to, []people.Person{{ID: harborPerson, Kind: people.Human, Name: "Dr. Lakeside"}})
}

func TestAnEditOfAListingSaysWhyItIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := "/api/v1/accounts/lakeside-cardiology/people/"+harborPerson, "/api/v1/accounts/lakeside-cardiology/people/"+neededPerson
	got := w.do("GET", one, "harbor/supervisor", "")
	if got.Code != 200 || len(got.Header().Get("ETag")) < 10 {
		t.Fatalf("%d %q", got.Code, got.Header().Get("ETag"))
	}
	for _, c := range []struct {
		method, url, body, match string
		status                   int
		says                     []string
	}{
		{"PATCH", one, `{"role":"x"}`, "", 428, []string{"revision_needed"}},
		{"PATCH", one, `{"role":"x"}`, `"something-else"`, 412, []string{`"code":"changed"`, `"current":{`, "Dr. Lakeside", `"changed_by":"Anna"`, `"changed_at":"`}},
		{"PATCH", one, `{"name":"","methods":[{"kind":"mobile","value":"12"}]}`, `"as-read"`, 422, []string{`"field":"name"`, `"field":"methods[0].value"`}},
		{"PATCH", one, `{"methods":[{"kind":"mobile","value":"+16085550161","hours":[{"days":["mon"],"from":"08:00","to":"9"}]}]}`, `"as-read"`, 422, []string{`"field":"methods[0].hours"`}},
		{"PATCH", one, `{"tenant_id":"mesa"}`, `"as-read"`, 400, nil},
		{"DELETE", one, "", "", 428, nil},
		{"DELETE", other, "", `"as-read"`, 409, []string{`"code":"needed"`, "Cardiologist on call", `"catch_all":true`, `"others":[{"id":"` + neededPerson}},
		{"DELETE", other + "?heir=" + harborPerson, "", `W/"as-read"`, 204, nil},
		{"DELETE", one[:len(one)-1] + "f", "", `"as-read"`, 404, nil},
		{"POST", "/api/v1/accounts/lakeside-cardiology/people", `{}`, "", 422, []string{`"field":"name"`}},
	} {
		got := w.do(c.method, c.url, "harbor/admin", c.body, c.match)
		if got.Code != c.status {
			t.Errorf("%s %s %s: %d %s", c.method, c.url, c.body, got.Code, got.Body)
		}
		for _, s := range c.says {
			if !strings.Contains(got.Body.String(), s) {
				t.Errorf("%s %s does not say %s: %s", c.method, c.url, s, got.Body)
			}
		}
	}
}

func TestAFileBeyondTheOrdinaryLimitIsReadAndAGiantIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := "/api/v1/accounts/lakeside-cardiology/people/import"
	var file strings.Builder
	file.WriteString("name,mobile\n")
	for i := range 5000 {
		fmt.Fprintf(&file, "Dr. Number %d,+1608555%04d\n", i, i)
	}
	got := w.do("POST", url, "harbor/admin", file.String(), "", "application/octet-stream")
	var out api.PeopleImport
	if err := json.Unmarshal(got.Body.Bytes(), &out); err != nil || got.Code != 200 || out.Added != 5000 || len(out.Lines) != 500 {
		t.Errorf("%d: %v: %d added, %d lines", got.Code, err, out.Added, len(out.Lines))
	}
	// What is taken away is told, however far down it stands.
	if l := out.Lines[len(out.Lines)-1]; l.Line != 5001 || len(l.Removes) != 1 || l.Removes[0] != (api.ImportRemoval{Kind: "pager", Value: "5550113"}) || out.Losing != 1 || out.Removed != 1 {
		t.Errorf("the line that removes: %+v of %d, %d", l, out.Losing, out.Removed)
	}
	if got := w.do("POST", url, "harbor/admin", strings.Repeat("x", sheet.MostBytes+2), "", "application/octet-stream"); got.Code != 413 {
		t.Errorf("a giant: %d %s", got.Code, got.Body)
	}
	if got := w.do("POST", url, "harbor/admin", strings.Repeat("name\n", sheet.MostLines+5), "", "application/octet-stream"); got.Code != 413 {
		t.Errorf("too many lines: %d %s", got.Code, got.Body)
	}
}
