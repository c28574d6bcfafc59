package identitysql_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/tenants"
	"holdfast/tenants/people"
)

const chosen = "a long enough password"

var admin = tenants.Actor{Tenant: "harbor", User: adaID, Name: "Ada", Role: tenants.RoleAdmin}

// mailbox keeps the letters that were sent.
type mailbox struct {
	mu      sync.Mutex
	letters []identity.Letter
	came    chan struct{}
}

func (m *mailbox) send(_ context.Context, l identity.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, l)
	m.came <- struct{}{}
	return nil
}

func (m *mailbox) wait(t *testing.T) identity.Letter {
	t.Helper()
	select {
	case <-m.came:
	case <-time.After(20 * time.Second):
		t.Fatal("no letter came")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.letters[len(m.letters)-1]
}

func staff(t *testing.T, b bundle) (*identity.Staff, *mailbox) {
	t.Helper()
	box := &mailbox{came: make(chan struct{}, 100)}
	s := identity.NewStaff(identity.StaffConfig{Service: b.service, Members: identitysql.New(b.db), Send: box.send, Now: b.clock.now})
	t.Cleanup(s.Stop)
	return s, box
}

func invite(t *testing.T, s *identity.Staff, box *mailbox, email string, role tenants.Role) (identity.Member, string) {
	t.Helper()
	m, err := s.Invite(t.Context(), admin, identity.Member{Name: "New " + email, Email: email, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return m, box.wait(t).Token
}

func TestAnInvitationIsGoodOnceForAWhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, box := staff(t, b)
	ctx := t.Context()
	m, token := invite(t, s, box, "New@Harbor.example", tenants.RoleOperator)
	if !m.Invited || m.Email != "new@harbor.example" || m.Until.IsZero() {
		t.Errorf("%+v", m)
	}
	if _, err := b.service.SignIn(ctx, "new@harbor.example", identity.NoPassword, "192.0.2.7"); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("signed in without a password: %v", err)
	}
	for _, bad := range []string{"", "x", token[:len(token)-1] + "A", strings.Replace(token, "harbor", "mesa", 1), token + ".x"} {
		if bad == token {
			continue
		}
		if _, err := s.Enter(ctx, bad, chosen); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	var wrong *people.Problem
	if _, err := s.Enter(ctx, token, "short"); !errors.As(err, &wrong) {
		t.Errorf("a short password: %v", err)
	}
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wait.Go(func() { _, errs[i] = s.Enter(ctx, token, chosen) })
	}
	wait.Wait()
	if n := len(slices.DeleteFunc(slices.Clone(errs), func(e error) bool { return e != nil })); n != 1 {
		t.Errorf("one link let %d in: %v", n, errs)
	}
	if got, err := b.service.SignIn(ctx, "new@harbor.example", chosen, "192.0.2.7"); err != nil || got.Actor.User != m.ID {
		t.Errorf("%+v, %v", got.Actor, err)
	}
	if _, err := s.Again(ctx, admin, m.ID); !errors.Is(err, identity.ErrJoined) {
		t.Errorf("invited again: %v", err)
	}
}

func TestALinkThatIsOldReplacedOrWithdrawnOpensNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, box := staff(t, b)
	ctx := t.Context()
	m, first := invite(t, s, box, "one@harbor.example", tenants.RoleOperator)
	if _, err := s.Again(ctx, admin, m.ID); err != nil {
		t.Fatal(err)
	}
	second := box.wait(t).Token
	if _, err := s.Enter(ctx, first, chosen); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("replaced: %v", err)
	}
	if err := s.Withdraw(ctx, admin, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enter(ctx, second, chosen); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("withdrawn: %v", err)
	}
	_, old := invite(t, s, box, "two@harbor.example", tenants.RoleOperator)
	b.clock.move(72*time.Hour - time.Second)
	b.clock.move(time.Second)
	if _, err := s.Enter(ctx, old, chosen); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("after 72 hours: %v", err)
	}
}

func TestAForgottenPasswordIsReplacedByMailAndNobodyLearnsWhoIsHere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, box := staff(t, b)
	ctx := t.Context()
	before, err := b.signIn(t, "right")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forgot(ctx, "nobody@harbor.example", "192.0.2.9", "en"); err != nil {
		t.Errorf("an e-mail that nobody has: %v", err)
	}
	if err := s.Forgot(ctx, "ADA@harbor.example", "192.0.2.9", "hu"); err != nil {
		t.Fatal(err)
	}
	letter := box.wait(t)
	if letter.Member.Email != "ada@harbor.example" || letter.By != "" || letter.Language != "hu" {
		t.Errorf("%+v", letter)
	}
	if _, err := s.Enter(ctx, letter.Token, chosen); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Actor(before.Access); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("a sign-in from before is still good: %v", err)
	}
	if _, err := b.signIn(t, "right"); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := b.signIn(t, chosen); err != nil {
		t.Errorf("the new password: %v", err)
	}
	var told [2]int
	for i, email := range []string{"ada@harbor.example", "nobody@harbor.example"} {
		for range 6 {
			if err := s.Forgot(ctx, email, "192.0.2.9", "en"); errors.Is(err, identity.ErrLocked) {
				told[i]++
			}
		}
	}
	if told[0] != told[1] || told[0] == 0 {
		t.Errorf("locked %d times for somebody, %d for nobody", told[0], told[1])
	}
}

func TestWhoIsDisabledIsOutEverywhereAtOnceAndSomebodyAlwaysAdministers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, box := staff(t, b)
	ctx := t.Context()
	m, token := invite(t, s, box, "boss@harbor.example", tenants.RoleAdmin)
	demote := func(m identity.Member) identity.Member {
		m.Role = tenants.RoleOperator
		return m
	}
	disable := func(m identity.Member) identity.Member {
		m.Disabled = true
		return m
	}
	tokens, err := s.Enter(ctx, token, chosen)
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Get(ctx, admin, m.ID)
	if err != nil || now.Invited {
		t.Fatalf("%+v, %v", now, err)
	}
	for _, edit := range []func(identity.Member) identity.Member{demote, disable} {
		if _, err := s.Change(ctx, admin, m.ID, now.Tag(), edit); !errors.Is(err, identity.ErrLastAdmin) {
			t.Errorf("the last administrator: %v", err)
		}
	}
	// Two administrators remove each other at the same moment: one stays.
	_, token2 := invite(t, s, box, "boss2@harbor.example", tenants.RoleAdmin)
	second, err := s.Enter(ctx, token2, chosen)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Get(ctx, admin, second.Actor.User)
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 2)
	var wait sync.WaitGroup
	for i, who := range []identity.Member{now, other} {
		wait.Go(func() { _, errs[i] = s.Change(ctx, admin, who.ID, who.Tag(), disable) })
	}
	wait.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), identity.ErrLastAdmin) {
		t.Fatalf("%v", errs)
	}
	gone, left := tokens, second
	if errs[0] != nil {
		gone, left = second, tokens
	}
	if _, err := b.service.Actor(gone.Access); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("disabled, and the token is still good: %v", err)
	}
	if _, err := b.service.Refresh(ctx, gone.Refresh); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("disabled, and refreshed: %v", err)
	}
	if _, err := b.service.Actor(left.Access); err != nil {
		t.Errorf("the other one: %v", err)
	}
	var old *identity.ChangedError
	if _, err := s.Change(ctx, admin, gone.Actor.User, "another tag", demote); !errors.As(err, &old) || old.Last.By != admin.Name || old.Last.At.IsZero() {
		t.Errorf("%v %+v", err, old)
	}
}

func TestWhatAnAdministratorMayNotGive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, _ := staff(t, b)
	for name, m := range map[string]identity.Member{
		"role":   {Name: "X", Email: "x@harbor.example", Role: tenants.RolePlatform},
		"email":  {Name: "X", Email: "Ada <x@harbor.example>", Role: tenants.RoleOperator},
		"name":   {Name: "X\u202eY", Email: "x@harbor.example", Role: tenants.RoleOperator},
		"rights": {Name: "X", Email: "x@harbor.example", Role: tenants.RoleOperator, Rights: []tenants.Right{"everything"}},
	} {
		var wrong *people.Problem
		if _, err := s.Invite(t.Context(), admin, m); !errors.As(err, &wrong) || wrong.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Invite(t.Context(), admin, identity.Member{Name: "X", Email: "ada@harbor.example", Role: tenants.RoleOperator}); !errors.Is(err, identity.ErrTaken) {
		t.Errorf("an e-mail that is taken: %v", err)
	}
	mesa := tenants.Actor{Tenant: "mesa", User: "z", Role: tenants.RoleAdmin}
	if _, err := s.Get(t.Context(), mesa, adaID); !errors.Is(err, identity.ErrNoMember) {
		t.Errorf("another tenant reads: %v", err)
	}
	if _, err := s.Again(t.Context(), mesa, adaID); !errors.Is(err, identity.ErrNoMember) {
		t.Errorf("another tenant invites: %v", err)
	}
	if err := s.Withdraw(t.Context(), mesa, adaID); !errors.Is(err, identity.ErrNoMember) {
		t.Errorf("another tenant withdraws: %v", err)
	}
}
