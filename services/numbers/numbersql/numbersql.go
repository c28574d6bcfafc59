// Package numbersql reads tenants, accounts, numbers, operators and trunks out of PostgreSQL for compiling, and keeps the few
// changes that people make to them.
package numbersql

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/numbers"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
)

// ErrNotFound says that there is no such tenant or trunk.
var ErrNotFound = errors.New("not found")

// ErrTaken says that there is a trunk of this name already.
var ErrTaken = errors.New("the name is taken")

// ErrChanged says that a trunk is not any more what somebody saw who replaces it.
var ErrChanged = errors.New("changed meanwhile")

// ErrNoPassword says that a trunk's calls must prove to know a password, and that there is none: it was not typed, and none that was
// there is for the same user and realm.
var ErrNoPassword = errors.New("no password to prove")

// trunkColumns are what readTrunk reads.
const trunkColumns = `name, signal, media, options, out_target, out_domain, out_user, out_realm, out_sealed,
	in_user, in_realm, in_sealed, in_md5, rate, tls, tls_ca, tls_name, tls_mutual, encryption, clear_keys, register_only,
	ignore_asserted`

// Store implements numbers.Source. It remembers the people it read last: they are most of a large tenant, and most changes are
// of something else.
type Store struct {
	db *store.DB

	mu     sync.Mutex
	people map[tenants.TenantID]known
}

var _ numbers.Source = (*Store)(nil)

// New reads from db.
func New(db *store.DB) *Store { return &Store{db: db, people: make(map[tenants.TenantID]known)} }

// Versions implements numbers.Source.
func (s *Store) Versions(ctx context.Context) (map[tenants.TenantID]int64, error) {
	versions := make(map[tenants.TenantID]int64)
	err := s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT tenant_id, version FROM changes")
		if err != nil {
			return err
		}
		var id tenants.TenantID
		var version int64
		_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error {
			versions[id] = version
			return nil
		})
		return err
	})
	return versions, err
}

// Compile implements numbers.Source.
func (s *Store) Compile(ctx context.Context, tenant tenants.TenantID) (*routing.Copy, int64, error) {
	c := &routing.Copy{Tenant: tenant}
	var version int64
	s.mu.Lock()
	listed := s.people[tenant]
	s.mu.Unlock()
	err := s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		// One moment for all the queries below.
		if _, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, "SELECT version FROM changes WHERE tenant_id = $1", tenant).Scan(&version)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT name, zone, country, language, state, since, cause, notify,
			outbound_countries, outbound_minutes * interval '1 minute', outbound_at_once, revision FROM tenants WHERE tenant_id = $1`, tenant).
			Scan(&c.Name, &c.Zone, &c.Country, &c.Language, &c.State, &c.Since, &c.Cause, &c.Notify,
				&c.Outbound.Countries, &c.Outbound.PerDay, &c.Outbound.AtOnce, &c.Revision)
		if errors.Is(err, pgx.ErrNoRows) {
			c = nil
			return nil
		}
		if err != nil {
			return err
		}
		c.Since = c.Since.UTC()
		if c.Accounts, err = accounts(ctx, tx, tenant); err != nil {
			return fmt.Errorf("accounts: %w", err)
		}
		if c.Numbers, err = numbersOf(ctx, tx, tenant); err != nil {
			return fmt.Errorf("numbers: %w", err)
		}
		if c.Operators, err = operators(ctx, tx, tenant); err != nil {
			return fmt.Errorf("operators: %w", err)
		}
		if c.People, listed, err = peopleOf(ctx, tx, tenant, listed); err != nil {
			return fmt.Errorf("people: %w", err)
		}
		if c.Schedules, err = schedules(ctx, tx, tenant); err != nil {
			return fmt.Errorf("schedules: %w", err)
		}
		if c.Notes, err = notesOf(ctx, tx, tenant); err != nil {
			return fmt.Errorf("notes: %w", err)
		}
		if c.Feeds, err = feedsOf(ctx, tx, tenant); err != nil {
			return fmt.Errorf("feeds: %w", err)
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && c == nil:
		delete(s.people, tenant)
	case err == nil:
		s.people[tenant] = listed
	}
	return c, version, err
}

func accounts(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]routing.Account, error) {
	rows, err := tx.Query(ctx, `SELECT account_id, name, initials, colour, shape, languages, zone, country, medical, phrases, greetings,
		ring_for_ms, offer_for_ms, longest_wait_ms, wrap_up_ms, announce_position, greeting_in_full, priority,
		instructions, hours::text, caller_id, notify, mail_audio, greeting_texts, revision
		FROM accounts WHERE tenant_id = $1 AND archived_at IS NULL ORDER BY account_id`, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (routing.Account, error) {
		var a routing.Account
		var ring, offer, wait, wrap int64 // milliseconds
		var hours string
		err := row.Scan(&a.ID, &a.Name, &a.Initials, &a.Colour, &a.Shape, &a.Languages, &a.Zone, &a.Country, &a.Medical, &a.Phrases, &a.Greetings,
			&ring, &offer, &wait, &wrap, &a.AnnouncePosition, &a.GreetingInFull, &a.Priority,
			&a.Instructions, &hours, &a.CallerID, &a.Notify, &a.MailAudio, &a.GreetingTexts, &a.Revision)
		if hours != "[]" && err == nil {
			a.Hours = unpack[[]people.Hours](hours, "hours of an account", tenant, string(a.ID))
		}
		a.RingFor, a.OfferFor = time.Duration(ring)*time.Millisecond, time.Duration(offer)*time.Millisecond
		a.LongestWait, a.WrapUp = time.Duration(wait)*time.Millisecond, time.Duration(wrap)*time.Millisecond
		return a, err
	})
}

func numbersOf(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]routing.Number, error) {
	rows, err := tx.Query(ctx, `SELECT e164, coalesce(account_id, ''), published, shared FROM numbers n WHERE tenant_id = $1 AND NOT EXISTS
		(SELECT FROM accounts a WHERE a.tenant_id = $1 AND a.account_id = n.account_id AND a.archived_at IS NOT NULL) ORDER BY e164`, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[routing.Number])
}

func operators(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID) ([]routing.Operator, error) {
	rows, err := tx.Query(ctx, `SELECT u.user_id::text, name, email, role, languages, accounts, rights, coalesce(t.sip_user, ''), coalesce(t.md5, false), t.sealed
		FROM users u LEFT JOIN telephones t USING (tenant_id, user_id)
		WHERE tenant_id = $1 AND NOT disabled AND NOT invited ORDER BY u.user_id`, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o routing.Operator, err error) {
		var p routing.Phone
		err = row.Scan(&o.ID, &o.Name, &o.Email, &o.Role, &o.Languages, &o.Accounts, &o.Rights, &p.User, &p.MD5, &p.Sealed)
		if p.User != "" {
			o.Phone = &p
		}
		return o, err
	})
}

// Recording implements numbers.Source.
func (s *Store) Recording(ctx context.Context, tenant tenants.TenantID, hash string) (clip []byte, err error) {
	err = s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT audio FROM greetings WHERE tenant_id = $1 AND sha256 = $2 LIMIT 1", tenant, hash).Scan(&clip)
		if errors.Is(err, pgx.ErrNoRows) {
			err = ErrNotFound
		}
		return err
	})
	return clip, err
}

// Trunks implements numbers.Source.
func (s *Store) Trunks(ctx context.Context) ([]routing.Trunk, error) {
	var trunks []routing.Trunk
	err := s.db.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+trunkColumns+" FROM trunks ORDER BY name")
		if err != nil {
			return err
		}
		trunks, err = pgx.CollectRows(rows, readTrunk)
		return err
	})
	return trunks, err
}

func readTrunk(row pgx.CollectableRow) (t routing.Trunk, err error) {
	var out routing.WayOut
	var ask routing.Challenge
	var secure bool
	var tls routing.TLS
	err = row.Scan(&t.Name, &t.Signal, &t.Media, &t.Options, &out.Target, &out.Domain, &out.User, &out.Realm, &out.Sealed,
		&ask.User, &ask.Realm, &ask.Sealed, &ask.MD5, &t.Rate, &secure, &tls.CA, &tls.Name, &tls.Mutual, &t.Encryption, &t.ClearKeys, &t.RegisterOnly, &t.IgnoreAsserted)
	if ask.User != "" {
		t.Ask = &ask
	}
	if out.Target != "" {
		t.Out = &out
	}
	if secure {
		t.TLS = &tls
	}
	return t, err
}

// PutTrunk adds a trunk or replaces the one of its name. Only the platform has trunks. seen is the [routing.Trunk.Revision] of
// the one that is replaced: ErrChanged when it is another by now, ErrNotFound when there is none; "" replaces whatever is there.
// A way out without a password keeps the one that was there, as long as all else of it is the same; so does what its calls must
// prove, for the same user and realm: a password is never shown, so nobody can type it again. ErrNoPassword when that leaves none to
// prove.
func (s *Store) PutTrunk(ctx context.Context, t routing.Trunk, seen string) error {
	return s.putTrunk(ctx, t, func(was *routing.Trunk) error {
		switch {
		case seen == "":
			return nil
		case was == nil:
			return ErrNotFound
		case was.Revision() != seen:
			return ErrChanged
		}
		return nil
	})
}

// AddTrunk adds a trunk. ErrTaken when there is one of its name, of which nothing is changed; ErrNoPassword as in PutTrunk.
func (s *Store) AddTrunk(ctx context.Context, t routing.Trunk) error {
	return s.putTrunk(ctx, t, func(was *routing.Trunk) error {
		if was != nil {
			return ErrTaken
		}
		return nil
	})
}

// putTrunk writes a trunk over what is there, if may does not mind; was is nil where nothing is.
func (s *Store) putTrunk(ctx context.Context, t routing.Trunk, may func(was *routing.Trunk) error) error {
	if t.Media == nil {
		t.Media = []netip.Prefix{}
	}
	var out routing.WayOut
	if t.Out != nil {
		out = *t.Out
	}
	var ask routing.Challenge
	if t.Ask != nil {
		ask = *t.Ask
	}
	var tls routing.TLS
	if t.TLS != nil {
		tls = *t.TLS
	}
	return s.db.InTenant(ctx, tenants.Platform, func(tx pgx.Tx) error {
		// Two who write a new one of the same name wait here for each other: there is no row yet that could be locked.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('trunks ' || $1))", t.Name); err != nil {
			return err
		}
		was, err := trunkNamed(ctx, tx, t.Name)
		if err == nil {
			err = may(was)
		}
		if err != nil {
			return err
		}
		keepPasswords(was, &out, &ask)
		if t.Ask != nil && len(ask.Sealed) == 0 {
			return ErrNoPassword
		}
		_, err = tx.Exec(ctx, `INSERT INTO trunks (`+trunkColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
			ON CONFLICT (tenant_id, name) DO UPDATE SET signal = excluded.signal, media = excluded.media, options = excluded.options,
			in_user = excluded.in_user, in_realm = excluded.in_realm, in_sealed = excluded.in_sealed, in_md5 = excluded.in_md5, rate = excluded.rate,
			out_target = excluded.out_target, out_domain = excluded.out_domain, out_user = excluded.out_user, out_realm = excluded.out_realm,
			out_sealed = excluded.out_sealed,
			tls = excluded.tls, tls_ca = excluded.tls_ca, tls_name = excluded.tls_name, tls_mutual = excluded.tls_mutual,
			encryption = excluded.encryption, clear_keys = excluded.clear_keys, register_only = excluded.register_only,
			ignore_asserted = excluded.ignore_asserted`,
			t.Name, t.Signal, t.Media, t.Options, out.Target, out.Domain, out.User, out.Realm, out.Sealed,
			ask.User, ask.Realm, ask.Sealed, ask.MD5, t.Rate,
			t.TLS != nil, tls.CA, tls.Name, tls.Mutual, t.Encryption, t.ClearKeys, t.RegisterOnly, t.IgnoreAsserted)
		return err
	})
}

// trunkNamed reads and holds the trunk of a name, or nil.
func trunkNamed(ctx context.Context, tx pgx.Tx, name string) (*routing.Trunk, error) {
	rows, err := tx.Query(ctx, "SELECT "+trunkColumns+" FROM trunks WHERE name = $1 FOR UPDATE", name)
	if err != nil {
		return nil, err
	}
	was, err := pgx.CollectExactlyOneRow(rows, readTrunk)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &was, err
}

// keepPasswords gives out and ask the passwords of what they replace, where they are for the same and none was typed.
func keepPasswords(was *routing.Trunk, out *routing.WayOut, ask *routing.Challenge) {
	if was == nil {
		return
	}
	if o := was.Out; o != nil && len(out.Sealed) == 0 && out.User != "" &&
		o.Target == out.Target && o.Domain == out.Domain && o.User == out.User && o.Realm == out.Realm {
		out.Sealed = o.Sealed
	}
	if a := was.Ask; a != nil && len(ask.Sealed) == 0 && a.User == ask.User && a.Realm == ask.Realm {
		ask.Sealed = a.Sealed
	}
}

// DeleteTrunk removes a trunk whose revision is seen: ErrChanged when it is another by now, ErrNotFound when there is none of that
// name.
func (s *Store) DeleteTrunk(ctx context.Context, name, seen string) error {
	return s.db.InTenant(ctx, tenants.Platform, func(tx pgx.Tx) error {
		was, err := trunkNamed(ctx, tx, name)
		switch {
		case err != nil:
			return err
		case was == nil:
			return ErrNotFound
		case was.Revision() != seen:
			return ErrChanged
		}
		_, err = tx.Exec(ctx, "DELETE FROM trunks WHERE name = $1", name)
		return err
	})
}
