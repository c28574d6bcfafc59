// Package spend bounds what calls to the outside cost a tenant: how many at once, and how long in a day of the tenant's
// zone. Stolen sign-ins are turned into money by calling expensive numbers; whatever else fails, these bounds hold.
//
// What was talked today is kept in one small file a tenant, replaced whole with every call that ends, so that a restart
// forgets nothing. A file that cannot be read counts as a day that is spent: somebody must look at it before money flows.
package spend

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// What stands in the way of one more call.
var (
	ErrAtOnce = errors.New("as many calls to the outside as are allowed go on now")
	ErrSpent  = errors.New("what may be talked to the outside today is used up")
	ErrNone   = errors.New("the tenant may make no calls to the outside")
)

// Config says where a meter keeps its files.
type Config struct {
	Dir string // made when missing; "": in memory only
	Log *slog.Logger
}

// Meter counts the calls to the outside of all tenants on this node. All methods are safe from any goroutine.
type Meter struct {
	cfg Config

	mu      sync.Mutex
	tenants map[tenants.TenantID]*account
}

// account is what one tenant has talked.
type account struct {
	day    day
	broken bool // the file could not be read
	now    map[*Call]struct{}
}

// day is what the file holds.
type day struct {
	Zone   string        `json:"zone"` // IANA, the tenant's when it called last
	Date   string        `json:"date"` // in that zone
	Talked time.Duration `json:"talked"`
}

// Call is one call to the outside, from its dialling to its end.
type Call struct {
	meter    *Meter
	tenant   tenants.TenantID
	answered time.Time
	over     bool
}

// New returns a meter that knows what its files say.
func New(cfg Config) *Meter {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	return &Meter{cfg: cfg, tenants: map[tenants.TenantID]*account{}}
}

// Begin counts one more call, or says why there may be none. zone is the tenant's, IANA. The call must be ended.
func (m *Meter) Begin(tenant tenants.TenantID, limits routing.Outbound, zone string, at time.Time) (*Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.account(tenant)
	m.move(tenant, zone)
	switch {
	case limits.AtOnce <= 0 || limits.PerDay <= 0:
		return nil, ErrNone
	case len(a.now) >= limits.AtOnce:
		return nil, ErrAtOnce
	case a.broken || a.talked(at) >= limits.PerDay:
		return nil, ErrSpent
	}
	c := &Call{meter: m, tenant: tenant}
	a.now[c] = struct{}{}
	return c, nil
}

// Talked is what the tenant has talked today, the calls that go on now included.
func (m *Meter) Talked(tenant tenants.TenantID, at time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.account(tenant).talked(at)
}

// Add counts a call that was begun by a process that died.
func (m *Meter) Add(tenant tenants.TenantID, at time.Time, talked time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(tenant, at, talked)
}

// Answered says since when the call costs.
func (c *Call) Answered(at time.Time) {
	c.meter.mu.Lock()
	defer c.meter.mu.Unlock()
	if c.answered.IsZero() {
		c.answered = at
	}
}

// End counts what was talked. Only the first counts; a call that was never answered cost nothing. nil is a call that was
// not counted.
func (c *Call) End(at time.Time) {
	if c == nil {
		return
	}
	m := c.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	delete(m.account(c.tenant).now, c)
	if !c.answered.IsZero() {
		m.add(c.tenant, at, at.Sub(c.answered))
	}
}

func location(zone string) *time.Location {
	where, err := time.LoadLocation(zone)
	if err != nil {
		return time.UTC
	}
	return where
}

// account returns a tenant's, read from its file the first time. Under mu, as all below.
func (m *Meter) account(tenant tenants.TenantID) *account {
	if a := m.tenants[tenant]; a != nil {
		return a
	}
	a := &account{now: map[*Call]struct{}{}}
	m.tenants[tenant] = a
	if m.cfg.Dir == "" {
		return a
	}
	raw, err := os.ReadFile(m.file(tenant))
	if errors.Is(err, fs.ErrNotExist) {
		return a
	}
	if err == nil {
		err = json.Unmarshal(raw, &a.day)
	}
	if err != nil {
		a.broken = true
		m.cfg.Log.Error("what was talked today cannot be read: no calls to the outside until the file is mended or removed",
			"file", m.file(tenant), "err", err)
	}
	return a
}

func (m *Meter) file(tenant tenants.TenantID) string {
	return filepath.Join(m.cfg.Dir, string(tenant)+".json")
}

// move notes the tenant's zone; what was talked today stays talked.
func (m *Meter) move(tenant tenants.TenantID, zone string) {
	if a := m.account(tenant); a.day.Zone != zone {
		a.day.Zone = zone
		m.keep(tenant, a)
	}
}

func (a *account) date(at time.Time) string { return at.In(location(a.day.Zone)).Format(time.DateOnly) }

func (a *account) talked(at time.Time) time.Duration {
	sum := time.Duration(0)
	if a.day.Date >= a.date(at) { // a later date was counted before the tenant moved west, say: rather too much than too little
		sum = a.day.Talked
	}
	for c := range a.now {
		if !c.answered.IsZero() {
			sum += max(0, at.Sub(c.answered))
		}
	}
	return sum
}

func (m *Meter) add(tenant tenants.TenantID, at time.Time, talked time.Duration) {
	a := m.account(tenant)
	if date := a.date(at); date > a.day.Date {
		a.day.Date, a.day.Talked = date, 0
	}
	a.day.Talked += max(0, talked)
	m.keep(tenant, a)
}

// keep writes what is known to the tenant's file.
func (m *Meter) keep(tenant tenants.TenantID, a *account) {
	if m.cfg.Dir == "" || a.broken {
		return
	}
	if err := m.save(tenant, a.day); err != nil {
		m.cfg.Log.Error("what was talked today cannot be kept", "tenant", tenant, "err", err)
	}
}

// save replaces the tenant's file whole.
func (m *Meter) save(tenant tenants.TenantID, d day) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err := os.MkdirAll(m.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	part := m.file(tenant) + ".part"
	if err := os.WriteFile(part, raw, 0o600); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := os.Rename(part, m.file(tenant)); err != nil {
		return fmt.Errorf("put in place: %w", err)
	}
	return nil
}
