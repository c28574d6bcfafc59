// Package telephone gives operators SIP telephones: a desk telephone or softphone that registers with a node, and puts its
// operator on duty as long as it does.
//
// An administrator chooses a password for it, which is typed into the telephone. What is kept is the hash that digest needs (RFC
// 7616 section 3.4.2), and that is sealed too, for whoever has it could register. The routing copies carry it to every node, so that
// telephones register while the database is away. Where a telephone is, media/trunk knows; who is on duty, the switchboard.
package telephone

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // for telephones that know nothing better
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

var (
	// ErrNotFound says that the tenant has no such user, or the user no telephone.
	ErrNotFound = errors.New("no such telephone")
	// ErrNeeded says that there is a telephone, and that whoever replaces it has to name the revision that they saw.
	ErrNeeded = errors.New("the revision is needed")
	// ErrChanged says that the telephone is not as it was seen; a ChangedError holds what is there.
	ErrChanged = errors.New("somebody else has changed the telephone")
	// ErrTaken says that another telephone of the tenant has this name.
	ErrTaken = errors.New("another telephone has this name")
)

// ChangedError is an ErrChanged with the telephone as it is now.
type ChangedError struct{ Now Telephone }

func (e *ChangedError) Error() string { return ErrChanged.Error() }

// Is makes a ChangedError an ErrChanged.
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// Telephone is an operator's telephone, without its secret.
type Telephone struct {
	Operator tenants.OperatorID
	Name     string // of the operator
	Email    string
	User     string // its own name
	SignIn   string // what it signs in as: routing.PhoneUser of it
	MD5      bool
	Revision int64
	Last     tenants.Mark
	Where    Where
}

// Where is where a telephone is registered on this node; the zero Where: nowhere.
type Where struct {
	Until time.Time
	From  netip.AddrPort
	By    string // UDP, TCP or TLS
}

// Way is how a telephone reaches this node, as somebody types it in there.
type Way struct {
	By      string // UDP, TCP or TLS
	Address string // HOST:PORT
}

// Store keeps telephones. Errors: store.ErrAway and those above.
type Store interface {
	Telephones(ctx context.Context, tenant tenants.TenantID) ([]Telephone, error)
	Telephone(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID) (Telephone, error)
	// Put adds a user's telephone, or replaces the one of a revision.
	Put(ctx context.Context, tenant tenants.TenantID, t Telephone, sealed []byte, by string) (Telephone, error)
	Remove(ctx context.Context, tenant tenants.TenantID, id tenants.OperatorID, revision int64) error
}

// Config is what a Service works with; all of it is needed.
type Config struct {
	Store Store
	// Seal seals a telephone's secret, by what it signs in as.
	Seal func(signIn string, secret []byte) []byte
	// Where is where the telephone that signs in so is registered.
	Where func(signIn string) Where
	// Ways are all ways in which a telephone reaches this node.
	Ways []Way
	// Done is told of every change, for the journal and the routing copies.
	Done func(ctx context.Context, actor tenants.Actor, what string, data map[string]any) error
}

// Service is a tenant's telephones. It is safe for concurrent use.
type Service struct{ cfg Config }

// New makes a Service.
func New(cfg Config) *Service { return &Service{cfg} }

// List lists a tenant's telephones by what they sign in as.
func (s *Service) List(ctx context.Context, actor tenants.Actor) ([]Telephone, error) {
	all, err := s.cfg.Store.Telephones(ctx, actor.Tenant)
	for i := range all {
		s.found(actor, &all[i])
	}
	return all, err
}

// Ways are the ways in which a telephone reaches this node.
func (s *Service) Ways() []Way { return s.cfg.Ways }

// Get reads the telephone of a user. ErrNotFound.
func (s *Service) Get(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (Telephone, error) {
	t, err := s.cfg.Store.Telephone(ctx, actor.Tenant, id)
	s.found(actor, &t)
	return t, err
}

func (s *Service) found(actor tenants.Actor, t *Telephone) {
	t.SignIn = routing.PhoneUser(actor.Tenant, t.User)
	t.Where = s.cfg.Where(t.SignIn)
}

// refused makes whole what a ChangedError shows.
func (s *Service) refused(actor tenants.Actor, err error) error {
	var old *ChangedError
	if errors.As(err, &old) {
		s.found(actor, &old.Now)
	}
	return err
}

// Put gives a user a telephone: User (empty: made of Email, which is the user's), MD5, and of the one that is there its Revision. A
// telephone that is registered has to register anew. Errors: ErrNotFound, ErrNeeded, ChangedError, ErrTaken, joined *people.Problem.
func (s *Service) Put(ctx context.Context, actor tenants.Actor, t Telephone, password string) (Telephone, error) {
	t.User = cmp.Or(strings.TrimSpace(t.User), nameOf(t.Email))
	if err := check(t, password); err != nil {
		return t, err
	}
	signIn := routing.PhoneUser(actor.Tenant, t.User)
	is, err := s.cfg.Store.Put(ctx, actor.Tenant, t, s.cfg.Seal(signIn, HA1(signIn, password, t.MD5)), actor.Name)
	if err != nil {
		return is, s.refused(actor, err)
	}
	s.found(actor, &is)
	return is, s.cfg.Done(ctx, actor, "telephone.put", map[string]any{
		"user": t.Operator, "sign_in": signIn, "md5": t.MD5, "by": actor.User, "by_name": actor.Name,
	})
}

// Remove takes a user's telephone away: it rings no more, and a call that goes on is finished. Errors: ErrNotFound, ChangedError.
func (s *Service) Remove(ctx context.Context, actor tenants.Actor, id tenants.OperatorID, revision int64) error {
	if err := s.cfg.Store.Remove(ctx, actor.Tenant, id, revision); err != nil {
		return s.refused(actor, err)
	}
	return s.cfg.Done(ctx, actor, "telephone.remove", map[string]any{"user": id, "by": actor.User, "by_name": actor.Name})
}

// HA1 is the hash of user, realm and password, hexadecimal.
func HA1(signIn, password string, weak bool) []byte {
	text := []byte(signIn + ":" + routing.PhoneRealm + ":" + password)
	if weak {
		sum := md5.Sum(text) //nolint:gosec // as above
		return []byte(hex.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256(text)
	return []byte(hex.EncodeToString(sum[:]))
}

const (
	// In characters: nobody has to remember a password, and some telephones hold no more.
	shortestPassword, longestPassword = 12, 64
	longestName                       = 32
)

// form is what a telephone may be called: no dot, which is what the tenant follows.
var form = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// nameOf makes a name of an e-mail.
func nameOf(email string) string {
	name, _, _ := strings.Cut(strings.ToLower(email), "@")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
	return strings.Trim(name[:min(len(name), longestName)], "-")
}

func check(t Telephone, password string) error {
	var found []error
	if !form.MatchString(t.User) {
		found = append(found, &people.Problem{Field: "user", Text: "is up to 32 small letters, digits, - and _, beginning with a letter or a digit"})
	}
	n := utf8.RuneCountInString(password)
	if n < shortestPassword || n > longestPassword || !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		found = append(found, &people.Problem{Field: "password", Text: "is 12 to 64 characters long, without control characters"})
	}
	return errors.Join(found...)
}
