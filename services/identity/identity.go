package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"holdfast/tenants"
)

var (
	// ErrRefused says that e-mail, password or token is not accepted, without saying which or why.
	ErrRefused = errors.New("not accepted")
	// ErrLocked says that there were too many failures; a LockedError tells until when.
	ErrLocked = errors.New("too many failed sign-ins")
	// ErrBusy says that too many people sign in at this moment.
	ErrBusy = errors.New("too many sign-ins at once")
	// ErrAway says that the database is away: nobody can sign in or refresh now, tokens go on being accepted.
	ErrAway = errors.New("sign-in is not possible while the database is away")
)

// LockedError is an ErrLocked with its end.
type LockedError struct{ Until time.Time }

func (e *LockedError) Error() string {
	return ErrLocked.Error() + " until " + e.Until.UTC().Format(time.RFC3339)
}

// Is makes a LockedError an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

const (
	// lockFor is how long a lock lasts and over how long failures are counted.
	lockFor = 15 * time.Minute
	// mostOfEmail is how many failures one e-mail has before it is locked.
	mostOfEmail = 5
	// mostOfAddress is higher: a whole call centre signs in from behind one address at the change of a shift.
	mostOfAddress = 50
	// refreshFor is a long shift, as dutyFor: a page that worked all night is still signed in in the morning.
	refreshFor = 16 * time.Hour
	// longestEmail is RFC 5321's limit for a path.
	longestEmail = 254
	// busyWait is how long a sign-in waits for its turn to hash.
	busyWait = 5 * time.Second
)

// Credential is what sign-in may know of an e-mail before the tenant is known.
type Credential struct {
	Tenant   tenants.TenantID
	User     tenants.OperatorID
	Hash     string
	Disabled bool
}

// User is a person of a tenant.
type User struct {
	ID          tenants.OperatorID
	Name, Email string
	Role        tenants.Role
	Disabled    bool
}

// Session is one refresh token: good for one use.
type Session struct {
	ID        string // UUID
	Family    string // UUID of the sign-in
	User      tenants.OperatorID
	Hash      [sha256.Size]byte // of the token's secret
	CreatedAt time.Time
	ExpiresAt time.Time
	RotatedAt time.Time // zero: not used yet
}

// Verdict is what to do with a refresh token that was shown.
type Verdict struct {
	Next   *Session  // to be kept in exchange; nil: none
	Revoke bool      // the whole family
	At     time.Time // of the verdict
	Err    error     // what the caller is told
}

// Count is one counter of failures.
type Count struct {
	Key  [sha256.Size]byte // hashed, because guessed e-mails may be anybody's
	Most int
}

// Credentials is what is known before a tenant is. Errors: ErrAway; ErrRefused for an unknown e-mail.
type Credentials interface {
	// Attempt counts one try on each counter and returns when the latest lock ends; zero: not locked.
	Attempt(ctx context.Context, counts []Count, lockFor time.Duration, now time.Time) (time.Time, error)
	// Forgive clears the first counter and takes one try off the others.
	Forgive(ctx context.Context, counts []Count) error
	// Credential finds an e-mail.
	Credential(ctx context.Context, email string) (Credential, error)
}

// Sessions keeps refresh tokens and revocations. Errors: ErrAway; ErrRefused when there is no such user or session.
type Sessions interface {
	// Begin keeps the first session of a family and returns its user.
	Begin(ctx context.Context, tenant tenants.TenantID, s Session) (User, error)
	// Use locks a session, asks judge, and performs the verdict in the same transaction, also when it holds an error.
	Use(ctx context.Context, tenant tenants.TenantID, id string, judge func(s Session, u User, revoked bool) Verdict) error
	// Revoke ends a family; a repetition is no error.
	Revoke(ctx context.Context, r Revocation) error
	// Revoked lists what was revoked since then, in all tenants.
	Revoked(ctx context.Context, since time.Time) ([]Revocation, error)
}

// Tokens are what a sign-in or a refresh gives.
type Tokens struct {
	Access    string
	Refresh   string
	ExpiresIn time.Duration // of Access
	Actor     tenants.Actor
}

// Config is what the service needs.
type Config struct {
	Credentials Credentials
	Sessions    Sessions
	Keys        *Keys
	// Announce tells other nodes of a revocation; nil: they find it in the database within [revokedEvery].
	Announce func(Revocation)
	// Ended is told once of every sign-in that is over, wherever it was ended: its sockets close. nil: nobody is.
	Ended func(family string)
	Log   *slog.Logger
	Now   func() time.Time
}

// Service signs people in and judges their tokens. It is safe for concurrent use. Start feeds it revocations.
type Service struct {
	cfg      Config
	decoy    string        // a hash that no password has: unknown e-mails take as long as known ones
	hashing  chan struct{} // a place for each password being hashed
	tickets  tickets
	revoked  revoked
	late     lateSessions
	starting sync.Once
	stopping sync.Once
	stop     chan struct{}
	stopped  chan struct{}
}

// New makes a service. It needs no database.
func New(cfg Config) (*Service, error) {
	if cfg.Credentials == nil || cfg.Sessions == nil || cfg.Keys == nil {
		return nil, errors.New("identity: credentials, sessions and keys are needed")
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	decoy, err := HashPassword(random())
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, decoy: decoy, hashing: make(chan struct{}, hashesAtOnce),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}, nil
}

// SignIn checks an e-mail's password. address is where the try comes from, for counting. Errors: ErrRefused, ErrLocked,
// ErrBusy, ErrAway.
func (s *Service) SignIn(ctx context.Context, email, password, address string) (Tokens, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if email == "" || len(email) > longestEmail || password == "" || len(password) > longestPassword {
		return Tokens{}, ErrRefused
	}
	now := s.cfg.Now()
	counts := []Count{
		{Key: sha256.Sum256([]byte("email " + email)), Most: mostOfEmail},
		{Key: sha256.Sum256([]byte("address " + address)), Most: mostOfAddress},
	}
	until, err := s.cfg.Credentials.Attempt(ctx, counts, lockFor, now)
	if err != nil {
		return Tokens{}, fmt.Errorf("count the attempt: %w", err)
	}
	if until.After(now) {
		return Tokens{}, &LockedError{Until: until}
	}
	found, err := s.cfg.Credentials.Credential(ctx, email)
	if err != nil && !errors.Is(err, ErrRefused) {
		return Tokens{}, fmt.Errorf("find the e-mail: %w", err)
	}
	known := err == nil && !found.Disabled
	right, err := s.check(ctx, cmp.Or(found.Hash, s.decoy), password)
	if err != nil {
		return Tokens{}, err
	}
	if !known || !right {
		return Tokens{}, ErrRefused
	}
	if err := s.cfg.Credentials.Forgive(ctx, counts); err != nil {
		return Tokens{}, fmt.Errorf("clear the count: %w", err)
	}
	session, secret := fresh(found.User, tenants.NewID(), now)
	user, err := s.cfg.Sessions.Begin(ctx, found.Tenant, session)
	if err != nil {
		return Tokens{}, fmt.Errorf("begin the session: %w", err)
	}
	return s.tokens(found.Tenant, user, session, secret, now)
}

// check compares a password when it has a turn to.
func (s *Service) check(ctx context.Context, hash, password string) (right bool, err error) {
	if hash == NoPassword { // takes as long as any other
		hash = s.decoy
	}
	return right, s.turn(ctx, func() { right = checkPassword(hash, password) })
}

// hash hashes a password when it has a turn to.
func (s *Service) hash(ctx context.Context, password string) (hash string, err error) {
	var bad error
	err = s.turn(ctx, func() { hash, bad = HashPassword(password) })
	return hash, errors.Join(err, bad)
}

// turn does what costs much memory and time, few at once.
func (s *Service) turn(ctx context.Context, do func()) error {
	wait := time.NewTimer(busyWait)
	defer wait.Stop()
	select {
	case s.hashing <- struct{}{}:
	case <-wait.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("wait to sign in: %w", ctx.Err())
	}
	defer func() { <-s.hashing }()
	do()
	return nil
}

// Refresh exchanges a refresh token for a new pair. Errors: ErrRefused (also after a second use), ErrAway.
func (s *Service) Refresh(ctx context.Context, token string) (Tokens, error) {
	tenant, id, secret, err := splitRefresh(token)
	if err != nil {
		return Tokens{}, err
	}
	now := s.cfg.Now()
	var user User
	var next Session
	var nextSecret, family string
	var verdict Verdict
	err = s.cfg.Sessions.Use(ctx, tenant, id, func(shown Session, u User, revoked bool) Verdict {
		user, family = u, shown.Family
		next, nextSecret = fresh(shown.User, shown.Family, now)
		verdict = judge(shown, u, revoked, secret, now)
		if verdict.Err == nil {
			verdict.Next = &next
		}
		return verdict
	})
	if verdict.Revoke {
		s.cfg.Log.Warn("a refresh token was used twice; its sign-in is ended", "tenant", tenant, "user", user.ID)
		r := Revocation{Tenant: tenant, Family: family, At: now}
		s.remember(r)
		if err != nil {
			s.revoked.owe(r)
		}
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("use the refresh token: %w", err)
	}
	if verdict.Err != nil {
		return Tokens{}, verdict.Err
	}
	return s.tokens(tenant, user, next, nextSecret, now)
}

// judge decides about a refresh token that was shown with secret.
func judge(shown Session, user User, revoked bool, secret string, now time.Time) Verdict {
	sum := sha256.Sum256([]byte(secret))
	switch {
	case subtle.ConstantTimeCompare(sum[:], shown.Hash[:]) != 1, revoked, user.Disabled, !now.Before(shown.ExpiresAt):
		return Verdict{At: now, Err: ErrRefused}
	case !shown.RotatedAt.IsZero():
		return Verdict{Revoke: true, At: now, Err: ErrRefused}
	default:
		return Verdict{At: now}
	}
}

// SignOut ends the actor's sign-in on every device that shares it. This node refuses its tokens at once, whatever is away;
// ErrAway says that the others do not know yet and will be told when the database is back.
func (s *Service) SignOut(ctx context.Context, actor tenants.Actor) error {
	if actor.Session == "" {
		return nil
	}
	r := Revocation{Tenant: actor.Tenant, Family: actor.Session, At: s.cfg.Now()}
	s.remember(r)
	if err := s.cfg.Sessions.Revoke(ctx, r); err != nil {
		s.revoked.owe(r)
		return fmt.Errorf("end the session: %w", err)
	}
	return nil
}

// remember keeps a revocation of our own and tells the other nodes.
func (s *Service) remember(r Revocation) {
	s.Revoke(r)
	if s.cfg.Announce != nil {
		s.cfg.Announce(r)
	}
}

// tokens makes the pair that the page gets.
func (s *Service) tokens(tenant tenants.TenantID, u User, session Session, secret string, now time.Time) (Tokens, error) {
	return s.pair(tenants.Actor{Tenant: tenant, User: u.ID, Name: u.Name, Email: u.Email, Role: u.Role}, session, secret, now, accessFor)
}

func (s *Service) pair(actor tenants.Actor, session Session, secret string, now time.Time, good time.Duration) (Tokens, error) {
	actor.Session = session.Family
	access, err := s.cfg.Keys.sign(actor, "", audienceAPI, now, good)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{
		Access: access, Refresh: string(actor.Tenant) + "." + session.ID + "." + secret, ExpiresIn: good, Actor: actor,
	}, nil
}

// fresh makes a session and the secret that its token shows.
func fresh(user tenants.OperatorID, family string, now time.Time) (Session, string) {
	secret := random()
	return Session{
		ID: tenants.NewID(), Family: family, User: user, Hash: sha256.Sum256([]byte(secret)),
		CreatedAt: now, ExpiresAt: now.Add(refreshFor),
	}, secret
}

// splitRefresh takes TENANT.SESSION.SECRET apart; anything else is ErrRefused.
func splitRefresh(token string) (tenant tenants.TenantID, id, secret string, err error) {
	if len(token) > longestToken {
		return "", "", "", ErrRefused
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return "", "", "", ErrRefused
	}
	tenant, badTenant := tenants.ParseTenantID(parts[0])
	id, badID := tenants.ParseUUID(parts[1])
	if badTenant != nil || badID != nil {
		return "", "", "", ErrRefused
	}
	return tenant, id, parts[2], nil
}

// random is 256 bits that nobody guesses, as text.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
