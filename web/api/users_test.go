package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"holdfast/services/identity"
	"holdfast/services/telephone"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web/api"
)

// staff is one user of harbor's, who stays as "as-read" names them.
type staff struct{}

func (staff) List(_ context.Context, actor tenants.Actor) ([]identity.Member, error) {
	m, err := staff{}.Get(context.Background(), actor, harborPerson)
	if err != nil {
		return nil, nil //nolint:nilerr // mesa has nobody
	}
	return []identity.Member{m}, nil
}

func (staff) Get(_ context.Context, actor tenants.Actor, id tenants.OperatorID) (identity.Member, error) {
	if actor.Tenant != "harbor" || id != harborPerson {
		return identity.Member{}, identity.ErrNoMember
	}
	return identity.Member{ID: id, Name: "Ada of Harbor", Email: "ada@harbor.example", Role: tenants.RoleAdmin}, nil
}

func (staff) Invite(_ context.Context, _ tenants.Actor, m identity.Member) (identity.Member, error) {
	if m.Email == "taken@harbor.example" {
		return m, identity.ErrTaken
	}
	m.ID, m.Invited = harborPerson, true
	return m, nil
}

func (s staff) Again(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (identity.Member, error) {
	return s.Get(ctx, actor, id)
}

func (s staff) Withdraw(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) error {
	_, err := s.Get(ctx, actor, id)
	return err
}

func (s staff) Change(ctx context.Context, actor tenants.Actor, id tenants.OperatorID, tag string, edit func(identity.Member) identity.Member) (identity.Member, error) {
	m, err := s.Get(ctx, actor, id)
	if err != nil {
		return m, err
	}
	if tag != "as-read" {
		return m, &identity.ChangedError{Now: m}
	}
	if m = edit(m); m.Role != tenants.RoleAdmin {
		return m, identity.ErrLastAdmin
	}
	return m, nil
}

func (staff) Forgot(context.Context, string, string, string) error { return nil }

func (staff) Enter(_ context.Context, token, _ string) (identity.Tokens, error) {
	if token != "harbor.x.y" {
		return identity.Tokens{}, identity.ErrRefused
	}
	return identity.Tokens{Access: "a", Refresh: "r"}, nil
}

// phones is the telephone of that user.
type phones struct{}

func (phones) List(_ context.Context, actor tenants.Actor) ([]telephone.Telephone, error) {
	t, err := phones{}.Get(context.Background(), actor, harborPerson)
	if err != nil {
		return nil, nil //nolint:nilerr // mesa has none
	}
	return []telephone.Telephone{t}, nil
}

func (phones) Ways() []telephone.Way { return []telephone.Way{{By: "UDP", Address: "192.0.2.1:5060"}} }

func (phones) Get(_ context.Context, actor tenants.Actor, id tenants.OperatorID) (telephone.Telephone, error) {
	if actor.Tenant != "harbor" || id != harborPerson {
		return telephone.Telephone{}, telephone.ErrNotFound
	}
	return telephone.Telephone{Operator: id, Name: "Ada of Harbor", Email: "ada@harbor.example", User: "ada", SignIn: "ada.harbor", Revision: 1}, nil
}

func (p phones) Put(ctx context.Context, actor tenants.Actor, t telephone.Telephone, _ string) (telephone.Telephone, error) {
	return p.Get(ctx, actor, t.Operator)
}

func (p phones) Remove(ctx context.Context, actor tenants.Actor, id tenants.OperatorID, _ int64) error {
	_, err := p.Get(ctx, actor, id)
	return err
}

func TestAnEditOfAUserSaysWhyItIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := "/api/v1/users/" + harborPerson
	for _, c := range []struct {
		method, url, body, match string
		status                   int
		says                     string
	}{
		{"PATCH", one, `{"name":"x"}`, "", 428, "revision_needed"},
		{"PATCH", one, `{"name":"x"}`, `"old"`, 412, "Ada of Harbor"},
		{"PATCH", one, `{"role":"operator"}`, `"as-read"`, 409, "last_admin"},
		{"PATCH", one, `{"role":"owner"}`, `"as-read"`, 400, ""},
		{"PATCH", one, `{"accounts":["a"],"languages":{"hu":3},"rights":["dial"]}`, `"as-read"`, 200, `"accounts":["a"]`},
		{"PATCH", one, `{"accounts":["a"],"all_accounts":true}`, `"as-read"`, 200, `"accounts":null`},
		{"POST", "/api/v1/users", `{"name":"x","email":"taken@harbor.example","role":"operator"}`, "", 409, `"code":"taken"`},
		{"POST", "/api/v1/sessions/welcome", `{"token":"harbor.used.link","password":"a long enough password"}`, "", 410, "link_gone"},
	} {
		got := w.do(c.method, c.url, "harbor/admin", c.body, c.match)
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.url, c.body, got.Code, got.Body)
		}
		if strings.Contains(w.log.String(), "used.link") || strings.Contains(got.Body.String(), "used.link") {
			t.Error("a link's secret is repeated")
		}
	}
}

// narrow is a book in which harbor's operator may answer one of two accounts.
type narrow struct{ book }

func (narrow) Copy(t tenants.TenantID) *routing.Copy {
	c := book{}.Copy(t)
	if t == "harbor" {
		c.Accounts = append(c.Accounts, routing.Account{ID: "prairie-plumbing", Name: "Prairie Plumbing"})
		c.Operators[0].Accounts = []tenants.AccountID{"prairie-plumbing"}
	}
	return c
}

func TestAnOperatorOfSomeAccountsSeesNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *api.Config) { c.Book = narrow{} })
	post := func(account string) int {
		return w.do("POST", "/api/v1/messages", "harbor/operator", `{"account":"`+account+`","text":"call me"}`).Code
	}
	if ours, other := post("prairie-plumbing"), post("lakeside-cardiology"); ours != 201 || other != 404 {
		t.Errorf("messages: %d, %d", ours, other)
	}
	if got := w.do("POST", "/api/v1/messages", "harbor/admin", `{"account":"lakeside-cardiology","text":"Lakeside rang"}`); got.Code != 201 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	for _, path := range []string{
		"/accounts", "/accounts/lakeside-cardiology", "/accounts/lakeside-cardiology/on-call", "/accounts/lakeside-cardiology/directory",
		"/accounts/prairie-plumbing/directory?wide=true", "/messages?state=owed",
	} {
		got := w.do("GET", "/api/v1"+path, "harbor/operator", "")
		if strings.Contains(strings.ToLower(got.Body.String()), "lakeside") || strings.Contains(path, "/lakeside") && got.Code != 404 {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
		if boss := w.do("GET", "/api/v1"+path, "harbor/supervisor", ""); boss.Code != 200 {
			t.Errorf("%s as a supervisor: %d", path, boss.Code)
		}
	}
	var list api.AccountList
	if err := json.Unmarshal(w.do("GET", "/api/v1/accounts", "harbor/operator", "").Body.Bytes(), &list); err != nil || len(list.Items) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}
