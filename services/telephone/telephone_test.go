package telephone_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/services/telephone"
	"holdfast/tenants"
)

// drawer keeps the last secret.
type drawer struct {
	telephone.Store
	user, sealed string
	changed      error
}

func (d *drawer) Put(_ context.Context, _ tenants.TenantID, t telephone.Telephone, sealed []byte, _ string) (telephone.Telephone, error) {
	d.user, d.sealed = t.User, string(sealed)
	return t, d.changed
}

func (d *drawer) Remove(context.Context, tenants.TenantID, tenants.OperatorID, int64) error {
	return d.changed
}

func TestWhatIsKeptOfATelephoneIsWhatDigestNeeds(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	d, told := &drawer{}, ""
	s := telephone.New(telephone.Config{
		Store: d, Where: func(string) telephone.Where { return telephone.Where{} },
		Seal: func(name string, secret []byte) []byte { return []byte(name + " " + string(secret)) },
		Done: func(_ context.Context, _ tenants.Actor, what string, data map[string]any) error {
			for k, v := range data {
				told += what + " " + k + "="
				if text, ok := v.(string); ok {
					told += text
				}
			}
			return nil
		},
	})
	put := func(user, email, password string, md5 bool) error {
		_, err := s.Put(t.Context(), tenants.Actor{Tenant: "harbor"}, telephone.Telephone{Operator: "o", Email: email, User: user, MD5: md5}, password)
		return err
	}
	// By openssl dgst, of "ada-b.harbor:holdfast:correct horse battery".
	for _, c := range []struct {
		md5  bool
		want string
	}{
		{false, "065ec3955277950a5d92cffb33eb9a515cb1cdfa9d10e5185e472d40fb12fd95"},
		{true, "7519be87ee6599d35a6b5cacc9616b9f"},
	} {
		if err := put("", "Ada.B@harbor.example", password, c.md5); err != nil || d.user != "ada-b" || d.sealed != "ada-b.harbor "+c.want {
			t.Errorf("%v: %q keeps %q", err, d.user, d.sealed)
		}
	}
	if strings.Contains(told, "horse") || strings.Contains(told, d.sealed[len("ada-b.harbor "):]) {
		t.Errorf("the secret is told: %s", told)
	}
	for _, wrong := range [][2]string{{"desk.1", password}, {"Desk", password}, {strings.Repeat("a", 33), password}, {"", "eleven char"}, {"", strings.Repeat("a", 65)}, {"", "twelve\ncharacters"}} {
		d.user = ""
		if err := put(wrong[0], "ada@harbor.example", wrong[1], false); err == nil || d.user != "" || strings.Contains(err.Error(), wrong[1]) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if !errors.Is(&telephone.ChangedError{}, telephone.ErrChanged) {
		t.Error("it is no ErrChanged")
	}
}

func TestWhoComesSecondIsShownAWholeTelephone(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	d := &drawer{}
	s := telephone.New(telephone.Config{
		Store: d, Seal: func(string, []byte) []byte { return nil },
		Where: func(signIn string) telephone.Where {
			if signIn != "desk-1.harbor" {
				t.Errorf("asked of %q", signIn)
			}
			return telephone.Where{Until: until}
		},
	})
	actor := tenants.Actor{Tenant: "harbor"}
	for what, do := range map[string]func() error{
		"put": func() error {
			_, err := s.Put(t.Context(), actor, telephone.Telephone{Operator: "o", User: "desk-2", Revision: 1}, "correct horse battery")
			return err
		},
		"remove": func() error { return s.Remove(t.Context(), actor, "o", 1) },
	} {
		d.changed = &telephone.ChangedError{Now: telephone.Telephone{Operator: "o", User: "desk-1", Revision: 2}}
		var old *telephone.ChangedError
		if err := do(); !errors.As(err, &old) || old.Now.SignIn != "desk-1.harbor" || !old.Now.Where.Until.Equal(until) {
			t.Errorf("%s: %v %+v", what, err, old)
		}
	}
}
