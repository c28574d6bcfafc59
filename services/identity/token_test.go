package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"holdfast/tenants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nothing is a database that is away.
type nothing struct{}

func (nothing) Attempt(context.Context, []Count, time.Duration, time.Time) (time.Time, error) {
	return time.Time{}, ErrAway
}
func (nothing) Forgive(context.Context, []Count) error { return ErrAway }
func (nothing) Credential(context.Context, string) (Credential, error) {
	return Credential{}, ErrAway
}

func (nothing) Begin(context.Context, tenants.TenantID, Session) (User, error) {
	return User{}, ErrAway
}

func (nothing) Use(context.Context, tenants.TenantID, string, func(Session, User, bool) Verdict) error {
	return ErrAway
}
func (nothing) Revoke(context.Context, Revocation) error                 { return ErrAway }
func (nothing) Revoked(context.Context, time.Time) ([]Revocation, error) { return nil, ErrAway }

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func offline(t *testing.T) (*Service, *clock) {
	t.Helper()
	keys, err := OpenKeys(filepath.Join(t.TempDir(), "keys", "token"))
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{at: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	s, err := New(Config{Credentials: nothing{}, Sessions: nothing{}, Keys: keys, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

var ada = tenants.Actor{
	Tenant: "harbor", User: "0190b5a0-0000-7000-8000-000000000001", Name: "Ada", Email: "ada@harbor.example",
	Role: tenants.RoleOperator, Session: "0190b5a0-0000-7000-8000-0000000000ff",
}

func access(t *testing.T, s *Service, a tenants.Actor) string {
	t.Helper()
	token, err := s.cfg.Keys.sign(a, "", audienceAPI, s.cfg.Now(), accessFor)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokensAreJudgedWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s, c := offline(t)
	token := access(t, s, ada)
	if got, err := s.Actor(token); err != nil || got != ada {
		t.Fatalf("%+v, %v", got, err)
	}
	secret, err := s.DutySecret(ada, "duty-1")
	if err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(accessFor + leeway)
	if _, err := s.Actor(token); !errors.Is(err, ErrRefused) {
		t.Errorf("an old access token: %v", err)
	}
	if got, duty, err := s.DutyActor(secret); err != nil || got != ada || duty != "duty-1" {
		t.Errorf("duty secret after ten minutes: %+v, %q, %v", got, duty, err)
	}
	c.at = c.at.Add(dutyFor)
	if _, _, err := s.DutyActor(secret); !errors.Is(err, ErrRefused) {
		t.Errorf("a duty secret after the shift: %v", err)
	}
	if _, err := s.SignIn(t.Context(), "ada@harbor.example", "x", "127.0.0.1"); !errors.Is(err, ErrAway) {
		t.Errorf("sign in: %v", err)
	}
	if _, err := s.Refresh(t.Context(), "harbor.0190b5a0-0000-7000-8000-000000000001.secret"); !errors.Is(err, ErrAway) {
		t.Errorf("refresh: %v", err)
	}
}

func TestATokenOfOneKindIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	s, _ := offline(t)
	secret, err := s.DutySecret(ada, "duty-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Actor(secret); !errors.Is(err, ErrRefused) {
		t.Errorf("duty secret as access token: %v", err)
	}
	if _, _, err := s.DutyActor(access(t, s, ada)); !errors.Is(err, ErrRefused) {
		t.Errorf("access token as duty secret: %v", err)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	s, c := offline(t)
	good := access(t, s, ada)
	newest := s.cfg.Keys.newest()
	public, _ := newest.private.Public().(ed25519.PublicKey)
	_, stranger, _ := ed25519.GenerateKey(nil)
	body := func() claims {
		return claims{
			RegisteredClaims: jwt.RegisteredClaims{Issuer: issuer, Subject: string(ada.User), Audience: jwt.ClaimStrings{audienceAPI}, ExpiresAt: jwt.NewNumericDate(c.at.Add(time.Hour))},
			Tenant:           ada.Tenant, Role: tenants.RolePlatform, Session: ada.Session,
		}
	}
	named := func(kid any, method jwt.SigningMethod, key any, change func(*claims)) string {
		content := body()
		change(&content)
		token := jwt.NewWithClaims(method, content)
		if token.Header["kid"] = kid; kid == nil {
			delete(token.Header, "kid")
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	make := func(method jwt.SigningMethod, key any, change func(*claims)) string {
		return named(newest.name, method, key, change)
	}
	same := func(*claims) {}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty": "", "noise": "a.b.c", "long": strings.Repeat("x", 10_000),
		"none":                make(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same),
		"public key as HMAC":  make(jwt.SigningMethodHS256, []byte(public), same),
		"another key":         make(jwt.SigningMethodEdDSA, stranger, same),
		"no end":              make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.ExpiresAt = nil }),
		"another issuer":      make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Issuer = "else" }),
		"no audience":         make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Audience = nil }),
		"another audience":    make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Audience = jwt.ClaimStrings{"else"} }),
		"a duty's audience":   make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Audience = jwt.ClaimStrings{audienceDuty, audienceLink} }),
		"key by path":         named("../../x", jwt.SigningMethodEdDSA, newest.private, same),
		"key by injection":    named("' OR 1", jwt.SigningMethodEdDSA, newest.private, same),
		"key of no name":      named("", jwt.SigningMethodEdDSA, newest.private, same),
		"key that is no text": named([]string{newest.name}, jwt.SigningMethodEdDSA, newest.private, same),
		"no key":              named(nil, jwt.SigningMethodEdDSA, newest.private, same),
		"unknown role":        make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Role = "god" }),
		"bad tenant":          make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Tenant = "../x" }),
		"no session":          make(jwt.SigningMethodEdDSA, newest.private, func(x *claims) { x.Session = "" }),
		"changed content":     parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"role":"platform"}`)) + "." + parts[2],
		"without a signature": parts[0] + "." + parts[1] + ".",
	} {
		if _, err := s.Actor(token); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Actor(make(jwt.SigningMethodEdDSA, newest.private, same)); err != nil {
		t.Errorf("the same content signed by us: %v", err)
	}
}

func TestKeysRotateAndOutliveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "token")
	keys, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	now := time.Now
	first, _ := keys.sign(ada, "", audienceAPI, now(), accessFor)
	if err := keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.verify(first, audienceAPI, now); err != nil {
		t.Errorf("after one rotation and a restart: %v", err)
	}
	if err := again.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := again.verify(first, audienceAPI, now); err == nil {
		t.Error("a token outlived two rotations")
	}
	if err := os.WriteFile(path, []byte("ed25519 torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(path); err == nil {
		t.Error("a torn key file was taken or replaced")
	}
}

func TestATicketOpensOneSocketOnceAndSoon(t *testing.T) {
	t.Parallel()
	s, c := offline(t)
	ticket := func() string {
		text, err := s.Ticket(ada, "duty-1", DeskSocket)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text := ticket()
	if got, duty, err := s.Redeem(text, DeskSocket); err != nil || got != ada || duty != "duty-1" {
		t.Fatalf("%+v, %q, %v", got, duty, err)
	}
	if _, _, err := s.Redeem(text, DeskSocket); !errors.Is(err, ErrRefused) {
		t.Errorf("a second time: %v", err)
	}
	if _, _, err := s.Redeem(ticket(), PortalSocket); !errors.Is(err, ErrRefused) {
		t.Errorf("for another purpose: %v", err)
	}
	text = ticket()
	c.at = c.at.Add(ticketFor)
	if _, _, err := s.Redeem(text, DeskSocket); !errors.Is(err, ErrRefused) {
		t.Errorf("late: %v", err)
	}
	text = ticket()
	s.Revoke(Revocation{Tenant: ada.Tenant, Family: ada.Session, At: c.at})
	if _, _, err := s.Redeem(text, DeskSocket); !errors.Is(err, ErrRefused) {
		t.Errorf("after the sign-in ended: %v", err)
	}
}

func TestSigningOutHoldsHereAtOnceEvenWithTheDatabaseAway(t *testing.T) {
	t.Parallel()
	s, c := offline(t)
	var told []Revocation
	s.cfg.Announce = func(r Revocation) { told = append(told, r) }
	token := access(t, s, ada)
	secret, err := s.DutySecret(ada, "duty-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SignOut(t.Context(), ada); !errors.Is(err, ErrAway) {
		t.Errorf("sign out: %v; the others do not know", err)
	}
	if _, err := s.Actor(token); !errors.Is(err, ErrRefused) {
		t.Errorf("access token: %v", err)
	}
	if _, _, err := s.DutyActor(secret); !errors.Is(err, ErrRefused) {
		t.Errorf("duty secret: %v", err)
	}
	if len(told) != 1 || len(s.revoked.owed) != 1 {
		t.Errorf("told %v, owed %v", told, s.revoked.owed)
	}
	c.at = c.at.Add(dutyFor + time.Minute)
	s.forget(c.at.Add(-dutyFor))
	if s.revoked.has(ada.Session) {
		t.Error("a revocation is kept for ever")
	}
}

func TestPasswordsAreHashedAndOddHashesHaveNone(t *testing.T) {
	t.Parallel()
	hash, err := HashPassword("holdfast-demo")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=32768,t=2,p=1$") {
		t.Fatalf("%s, %v", hash, err)
	}
	if !checkPassword(hash, "holdfast-demo") || checkPassword(hash, "holdfast-Demo") {
		t.Error("wrong verdict")
	}
	for _, odd := range []string{"", "x", "$argon2id$v=19$m=99999999,t=2,p=1$AAAA$AAAA", "$argon2id$v=19$m=32768,t=2,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$2a$10$abc"} {
		if checkPassword(odd, "holdfast-demo") {
			t.Errorf("%q has a password", odd)
		}
	}
	if _, err := HashPassword(""); err == nil {
		t.Error("an empty password was hashed")
	}
}

func TestStartAndStopMayBeRepeatedAndMissing(t *testing.T) {
	t.Parallel()
	s, _ := offline(t)
	s.Start()
	s.Start()
	s.Stop()
	s.Stop()
	other, _ := offline(t)
	other.Stop()
}

func FuzzJudgeToken(f *testing.F) {
	keys, err := OpenKeys(filepath.Join(f.TempDir(), "token"))
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Config{Credentials: nothing{}, Sessions: nothing{}, Keys: keys})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c", "$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA")
	f.Add("eyJhbGciOiJub25lIn0.e30.", "harbor.0190b5a0-0000-7000-8000-000000000001.x")
	f.Fuzz(func(t *testing.T, token, other string) {
		if _, err := s.Actor(token); err == nil {
			t.Fatal("accepted")
		}
		if _, err := parseHash(other); err == nil && !strings.HasPrefix(other, "$argon2id$") {
			t.Fatal("read")
		}
		if _, id, _, err := splitRefresh(other); err == nil && len(id) != 36 {
			t.Fatal("split")
		}
	})
}
