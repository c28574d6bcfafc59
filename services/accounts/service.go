package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/phone"
	"holdfast/tenants/routing"
)

// Store keeps the plan: accountsql, in PostgreSQL.
type Store interface {
	// Account reads an account that is answered for. ErrNotFound.
	Account(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID) (Account, error)
	// Create keeps a new account, under the next id that is free. Errors: what change returns, *Claimed.
	Create(ctx context.Context, tenant tenants.TenantID, make func(others []routing.Account) (Account, error)) (Account, error)
	// Change replaces an account by what change makes of it, with a recording that it names or names no more, unless it is at
	// another revision. Errors: ErrNotFound, *Stale, *Claimed, and what change returns.
	Change(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID, revision int64, r *Recording,
		change func(now Account, others []routing.Account) (Account, error)) (Account, error)
	// Archive ends the answering for an account. Errors: ErrNotFound, *Stale.
	Archive(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID, revision int64, by string, at time.Time) error
	// Archived lists the accounts that are answered for no more, the last one first.
	Archived(ctx context.Context, tenant tenants.TenantID) ([]Archived, error)
	// Restore takes an account out of the archive, as change makes it. Errors: ErrNotFound where it is not in it, what change returns.
	Restore(ctx context.Context, tenant tenants.TenantID, id tenants.AccountID, change func(now Account, others []routing.Account) (Account, error)) (Account, error)
	// Greeting reads a recording by its hash. ErrNotFound.
	Greeting(ctx context.Context, tenant tenants.TenantID, hash string) ([]byte, error)
	// ChangeSettings replaces the tenant's settings. Errors: ErrNotFound, *StaleSettings, what change returns.
	ChangeSettings(ctx context.Context, tenant tenants.TenantID, revision int64, change func(Settings) (Settings, error)) (Settings, error)
	// Numbers lists all emergency numbers, PutNumber adds one (*Claimed, ErrNotFound for the account), DeleteNumber takes one away.
	Numbers(ctx context.Context) ([]Number, error)
	PutNumber(ctx context.Context, n Number) (Number, error)
	DeleteNumber(ctx context.Context, e164 string) (Number, error)
}

// Archived is an account that is answered for no more.
type Archived struct {
	ID      tenants.AccountID
	Name    string
	At      time.Time
	By      string   // who ended it
	Numbers []string // emergency numbers that still wait for it
}

// Recording is what callers hear first in one language.
type Recording struct {
	Language string
	Hash     string // SHA-256 of Clip, hexadecimal
	Clip     []byte // µ-law, 8 kHz; nil: there is none any more
}

// Book is the routing copies of this node.
type Book interface {
	Copy(tenant tenants.TenantID) *routing.Copy
}

// Config is what the service works with.
type Config struct {
	Store Store
	Book  Book
	// Done journals who did what, and returns when it is kept and the routing copies follow it.
	Done func(ctx context.Context, actor tenants.Actor, what string, data any) error
	// Live reports whether a call of the account is going on.
	Live func(tenant tenants.TenantID, account tenants.AccountID) bool
	Now  func() time.Time
}

// Service changes accounts, numbers and settings for people.
type Service struct{ cfg Config }

// New makes a service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Live == nil {
		cfg.Live = func(tenants.TenantID, tenants.AccountID) bool { return false }
	}
	return &Service{cfg}
}

// deed is what the journal says of a change.
type deed struct {
	By     tenants.OperatorID `json:"by"`
	ByName string             `json:"by_name"`
	Name   string             `json:"name,omitempty"` // of the account
	What   any                `json:"what,omitempty"`

	Account tenants.AccountID `json:"account,omitempty"`
}

// Create makes an account, proposing what the change leaves out. Errors: joined [*Problem]s, *Claimed.
func (s *Service) Create(ctx context.Context, actor tenants.Actor, c Change) (Account, error) {
	home := s.cfg.Book.Copy(actor.Tenant)
	if home == nil {
		return Account{}, ErrNotFound
	}
	made, err := s.cfg.Store.Create(ctx, actor.Tenant, func(others []routing.Account) (Account, error) {
		known := *home
		known.Accounts = others
		a := Propose(&known, c)
		a.ChangedBy, a.ChangedAt = actor.Name, s.cfg.Now()
		a.Published = sorted(a.Published)
		return a, a.Check(others)
	})
	if err != nil {
		return Account{}, err
	}
	return made, s.done(ctx, actor, "account.create", made, c)
}

// Change changes an account. Errors: ErrNotFound, joined [*Problem]s, *Stale, *Claimed.
func (s *Service) Change(ctx context.Context, actor tenants.Actor, id tenants.AccountID, revision int64, c Change) (Account, error) {
	made, err := s.change(ctx, actor, id, revision, nil, func(a Account) Account { return a.With(c) })
	if err != nil {
		return Account{}, err
	}
	return made, s.done(ctx, actor, "account.change", made, c)
}

func (s *Service) change(ctx context.Context, actor tenants.Actor, id tenants.AccountID, revision int64, r *Recording, change func(Account) Account) (Account, error) {
	return s.cfg.Store.Change(ctx, actor.Tenant, id, revision, r, func(now Account, others []routing.Account) (Account, error) {
		next := change(now)
		if err := next.Check(others); err != nil {
			return Account{}, err
		}
		next.Published = sorted(next.Published)
		next.ChangedBy, next.ChangedAt = actor.Name, s.cfg.Now()
		return next, nil
	})
}

// Archive ends the answering for an account. Errors: ErrNotFound, ErrBusy, *Stale.
func (s *Service) Archive(ctx context.Context, actor tenants.Actor, id tenants.AccountID, revision int64) error {
	if s.cfg.Live(actor.Tenant, id) {
		return ErrBusy
	}
	if err := s.cfg.Store.Archive(ctx, actor.Tenant, id, revision, actor.Name, s.cfg.Now()); err != nil {
		return err
	}
	return s.cfg.Done(ctx, actor, "account.archive", deed{By: actor.User, ByName: actor.Name, Account: id})
}

// Archived lists the accounts that are answered for no more, the last one first.
func (s *Service) Archived(ctx context.Context, actor tenants.Actor) ([]Archived, error) {
	return s.cfg.Store.Archived(ctx, actor.Tenant)
}

// Restore answers for an account again, as it was. Its emergency numbers lead to it again, where nobody else has got them; published
// numbers, and a look that another account has by now, are not taken from anybody. Errors: ErrNotFound where it is not archived,
// joined [*Problem]s.
func (s *Service) Restore(ctx context.Context, actor tenants.Actor, id tenants.AccountID) (Account, error) {
	made, err := s.cfg.Store.Restore(ctx, actor.Tenant, id, func(now Account, others []routing.Account) (Account, error) {
		if !slices.Contains(now.Numbers, now.CallerID) {
			now.CallerID = ""
		}
		if now.Check(others) != nil {
			now.Shape, now.Colour = "", ""
			now.look(others)
		}
		now.ChangedBy, now.ChangedAt = actor.Name, s.cfg.Now()
		return now, now.Check(others)
	})
	if err != nil {
		return Account{}, err
	}
	return made, s.cfg.Done(ctx, actor, "account.restore", deed{By: actor.User, ByName: actor.Name, Account: made.ID, Name: made.Name})
}

func (s *Service) done(ctx context.Context, actor tenants.Actor, what string, a Account, c any) error {
	return s.cfg.Done(ctx, actor, what, deed{By: actor.User, ByName: actor.Name, Account: a.ID, Name: a.Name, What: c})
}

// Record keeps what callers hear first in a language: µ-law of 8 kHz. nil goes back to the general greeting. Errors as Change.
func (s *Service) Record(ctx context.Context, actor tenants.Actor, id tenants.AccountID, language string, revision int64, clip []byte) (Account, error) {
	if !tongue.MatchString(language) {
		return Account{}, ErrNotFound
	}
	sum := sha256.Sum256(clip)
	hash := hex.EncodeToString(sum[:])
	r := &Recording{Language: language, Hash: hash, Clip: clip}
	made, err := s.change(ctx, actor, id, revision, r, func(a Account) Account {
		greetings := map[string]string{}
		for l, name := range a.Greetings {
			greetings[l] = name
		}
		delete(greetings, language)
		if clip != nil {
			greetings[language] = routing.Recorded + hash
		}
		a.Greetings = greetings
		return a
	})
	if err != nil {
		return Account{}, err
	}
	return made, s.done(ctx, actor, "account.greeting", made, map[string]any{"language": language, "seconds": len(clip) / 8000})
}

// ChangeSettings changes the tenant's settings. Errors: ErrNotFound, joined [*Problem]s, *StaleSettings.
func (s *Service) ChangeSettings(ctx context.Context, actor tenants.Actor, revision int64, c SettingsChange) (Settings, error) {
	made, err := s.cfg.Store.ChangeSettings(ctx, actor.Tenant, revision, func(now Settings) (Settings, error) {
		next := now.With(c)
		next.ChangedBy, next.ChangedAt = actor.Name, s.cfg.Now()
		return next, next.Check()
	})
	if err != nil {
		return Settings{}, err
	}
	return made, s.cfg.Done(ctx, actor, "tenant.change", deed{By: actor.User, ByName: actor.Name, What: c})
}

// Numbers lists the emergency numbers of all tenants.
func (s *Service) Numbers(ctx context.Context) ([]Number, error) { return s.cfg.Store.Numbers(ctx) }

// PutNumber leads an emergency number, as it is written in the tenant's country, to an account. Errors: *Problem, ErrNotFound, *Claimed.
func (s *Service) PutNumber(ctx context.Context, actor tenants.Actor, n Number) (Number, error) {
	home := s.cfg.Book.Copy(n.Tenant)
	if home == nil || n.Account != "" && home.Account(n.Account) == nil {
		return Number{}, ErrNotFound
	}
	parsed, err := phone.Parse(n.E164, home.Country)
	if err != nil {
		return Number{}, &Problem{Field: "e164", Code: "not_a_number", Text: fmt.Sprintf("%q is not a telephone number", n.E164)}
	}
	n.E164 = parsed.String()
	made, err := s.cfg.Store.PutNumber(ctx, n)
	if err != nil {
		return Number{}, err
	}
	return made, s.numberDone(ctx, actor, "number.put", made)
}

// DeleteNumber leads an emergency number nowhere. ErrNotFound.
func (s *Service) DeleteNumber(ctx context.Context, actor tenants.Actor, e164 string) error {
	gone, err := s.cfg.Store.DeleteNumber(ctx, e164)
	if err != nil {
		return err
	}
	return s.numberDone(ctx, actor, "number.delete", gone)
}

// numberDone is journaled with the tenant that it happened to.
func (s *Service) numberDone(ctx context.Context, actor tenants.Actor, what string, n Number) error {
	actor.Tenant = n.Tenant
	return s.cfg.Done(ctx, actor, what, deed{By: actor.User, ByName: actor.Name, Account: n.Account, What: map[string]any{"number": n.E164}})
}
