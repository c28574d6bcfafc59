// Package demo is the demonstration data: three call centres with their clients, numbers and people, so that a fresh
// start can be tried with a telephone in hand, and the users that load generators dial. Everything in it is made up; the
// telephone numbers are those that numbering plans keep for fiction.
package demo

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/jackc/pgx/v5"

	"holdfast/services/identity"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// Password is that of every demonstration user.
const Password = "holdfast-demo"

// TrunkName is the trunk that test callers come through.
const TrunkName = "demo"

// usualMS are an account's timings where it names none, in milliseconds.
const (
	usualRing  = 12_000
	usualOffer = 12_000
	usualWait  = 60_000
	usualWrap  = 5_000
)

// medicalPriority puts a medical account's callers before others who wait.
const medicalPriority = 10

// lock is the advisory lock that keeps two nodes from loading at once.
const lock = 0x64656d6f // "demo" in ASCII

// SignIn is one demonstration user, for whoever prints them.
type SignIn struct {
	Tenant tenants.TenantID
	Email  string
	Role   tenants.Role
}

// SignIns lists the demonstration users.
func SignIns() []SignIn {
	var all []SignIn
	for _, h := range homes {
		for _, p := range h.people {
			all = append(all, SignIn{h.id, p.email, p.role})
		}
	}
	return append(all, SignIn{tenants.Platform, noc.email, noc.role})
}

// Load fills an empty database (no tenant but the platform) and reports whether it did. Where the demonstration trunk is
// there already, its addresses become trunk.
func Load(ctx context.Context, db *store.DB, trunk netip.Prefix) (loaded bool, err error) {
	hash, err := identity.HashPassword(Password)
	if err != nil {
		return false, fmt.Errorf("demonstration password: %w", err)
	}
	err = db.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(lock)); err != nil {
			return err
		}
		var empty bool
		// Load generators' users are no reason to go without the rest.
		if err := tx.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM tenants WHERE tenant_id NOT IN ($1, $2))", tenants.Platform, bench.id).Scan(&empty); err != nil {
			return err
		}
		if !empty {
			_, err := tx.Exec(ctx, "UPDATE trunks SET signal = $2 WHERE name = $1 AND signal <> $2", TrunkName, []netip.Prefix{trunk.Masked()})
			return err
		}
		loaded = true
		return fill(ctx, tx, hash, trunk)
	})
	if err != nil {
		return false, fmt.Errorf("load demonstration data: %w", err)
	}
	return loaded, nil
}

func fill(ctx context.Context, tx pgx.Tx, hash string, trunk netip.Prefix) error {
	for _, h := range homes {
		if err := addHome(ctx, tx, h, hash); err != nil {
			return fmt.Errorf("%s: %w", h.id, err)
		}
	}
	if err := addPerson(ctx, tx, tenants.Platform, noc, hash); err != nil {
		return fmt.Errorf("%s: %w", noc.email, err)
	}
	_, err := tx.Exec(ctx, "INSERT INTO trunks (name, signal) VALUES ($1, $2) ON CONFLICT DO NOTHING", TrunkName, []netip.Prefix{trunk.Masked()})
	return err
}

// Bench makes the tenant of load generators' users exist, or not: they answer whoever dials them.
func Bench(ctx context.Context, db *store.DB, wanted bool) error {
	err := db.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(lock)); err != nil {
			return err
		}
		if !wanted {
			if _, err := tx.Exec(ctx, "DELETE FROM trunks WHERE name = $1 AND out_target = $2", BenchTrunk, BenchTarget); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "DELETE FROM tenants WHERE tenant_id = $1", bench.id)
			return err
		}
		if err := addBench(ctx, tx); err != nil {
			return err
		}
		agents := netip.MustParseAddrPort(BenchTarget).Addr()
		// The user "bridge" is dialled on through it, and the telephones of "queue" are reached by it.
		_, err := tx.Exec(ctx, "INSERT INTO trunks (name, signal, out_target) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			BenchTrunk, []netip.Prefix{netip.PrefixFrom(agents, agents.BitLen())}, BenchTarget)
		return err
	})
	if err != nil {
		return fmt.Errorf("users for load generators: %w", err)
	}
	return nil
}

// addBench adds what is missing: an earlier build may have had fewer users.
func addBench(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, "SELECT account_id FROM accounts WHERE tenant_id = $1", bench.id)
	if err != nil {
		return err
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[tenants.AccountID])
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return addHome(ctx, tx, bench, "")
	}
	for _, a := range bench.accounts {
		if slices.Contains(there, a.id) {
			continue
		}
		if err := addAccount(ctx, tx, bench, a); err != nil {
			return fmt.Errorf("%s: %w", a.id, err)
		}
	}
	return nil
}

func addHome(ctx context.Context, tx pgx.Tx, h home, hash string) error {
	_, err := tx.Exec(ctx, `INSERT INTO tenants (tenant_id, name, zone, country, language, state, cause, notify, outbound_countries)
		VALUES ($1, $2, $3, $4, $5, $6, 'demonstration', $7, $8)`,
		h.id, h.name, h.zone, h.country, h.language, h.state, []string{"admin@" + string(h.id) + ".example"}, []string{h.country})
	if err != nil {
		return err
	}
	for _, a := range h.accounts {
		if err := addAccount(ctx, tx, h, a); err != nil {
			return fmt.Errorf("%s: %w", a.id, err)
		}
		if err := addDirectory(ctx, tx, h, a); err != nil {
			return fmt.Errorf("%s: directory: %w", a.id, err)
		}
	}
	for _, p := range h.people {
		if err := addPerson(ctx, tx, h.id, p, hash); err != nil {
			return fmt.Errorf("%s: %w", p.email, err)
		}
	}
	return nil
}

func addAccount(ctx context.Context, tx pgx.Tx, h home, a account) error {
	priority := 0
	if a.medical {
		priority = medicalPriority
	}
	wrap := usualWrap
	if a.noWrap {
		wrap = 0
	}
	if a.phrases == nil {
		a.phrases = map[string]string{}
	}
	if a.greetings == nil {
		a.greetings = map[string]string{}
	}
	_, err := tx.Exec(ctx, `INSERT INTO accounts (tenant_id, account_id, name, initials, colour, shape, languages, zone, country, medical,
		phrases, greetings, ring_for_ms, offer_for_ms, longest_wait_ms, wrap_up_ms, priority,
		instructions, hours, notify)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::text::jsonb, $20)`,
		h.id, a.id, a.name, a.initials, a.colour, a.shape, a.languages, h.zone, h.country, a.medical,
		a.phrases, a.greetings, usualRing, usualOffer, usualWait, wrap, priority,
		a.instructions, cmp.Or(a.hours, "[]"), []string{"office@" + string(a.id) + ".example"})
	if err != nil {
		return err
	}
	const number = "INSERT INTO numbers (tenant_id, e164, account_id, published) VALUES ($1, $2, $3, $4)"
	if _, err := tx.Exec(ctx, number, h.id, a.did, a.id, false); err != nil {
		return err
	}
	if a.published == "" {
		return nil
	}
	_, err = tx.Exec(ctx, number, h.id, a.published, a.id, true)
	return err
}

func addPerson(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, p person, hash string) error {
	id := tenants.NewID()
	_, err := tx.Exec(ctx, "INSERT INTO users (tenant_id, user_id, email, name, role, languages, rights) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		tenant, id, p.email, p.name, p.role, p.languages, []tenants.Right{tenants.RightOverride, tenants.RightDial})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO credentials (email, tenant_id, user_id, hash) VALUES ($1, $2, $3, $4)", p.email, tenant, id, hash)
	return err
}
