package numbers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

const (
	// checkEvery is how often the counters are read: a change reaches the answering of calls within about a second.
	checkEvery = time.Second
	// checkLimit bounds one reading of everything that changed.
	checkLimit = 30 * time.Second
)

// Source is where the plan is kept: the database, read across tenants.
type Source interface {
	// Versions returns each tenant's counter of changes. A tenant that is gone keeps its counter.
	Versions(ctx context.Context) (map[tenants.TenantID]int64, error)
	// Compile reads one tenant as it is at one moment, with the counter of that moment; nil when the tenant is gone.
	Compile(ctx context.Context, tenant tenants.TenantID) (c *routing.Copy, version int64, err error)
	// Recording reads a greeting that a copy names, by the hash of its samples.
	Recording(ctx context.Context, tenant tenants.TenantID, hash string) ([]byte, error)
	// Trunks reads all trunks.
	Trunks(ctx context.Context) ([]routing.Trunk, error)
}

// Alarms tells people about copies that cannot be read or written. services/journal keeps them.
type Alarms interface {
	Raise(tenant tenants.TenantID, key, text string)
	Clear(tenant tenants.TenantID, key string)
}

// Config is what a compiler works with.
type Config struct {
	Source Source
	Shelf  Shelf
	Clips  *Clips // nil: this node plays nothing
	Book   *routing.Book
	// Prepare is given every new copy once callers are answered by it, for whoever makes something of it. nil: nobody does.
	Prepare func(*routing.Copy)
	// Trunks is told the trunks when they are first known and when they change.
	Trunks func([]routing.Trunk)
	Alarms Alarms // nil: only the log is told
	Log    *slog.Logger
	Now    func() time.Time
}

// Compiler keeps book and shelf up to date with the source.
type Compiler struct {
	cfg Config

	saving   sync.Mutex                 // one writer of the shelf; held before mu
	mu       sync.Mutex                 // one update at a time, and what is below
	seen     map[tenants.TenantID]int64 // counters that the book is up to
	unsaved  map[tenants.TenantID]bool  // in the book, not on the shelf; true: somebody was told
	unheard  map[tenants.TenantID]bool  // some of its recordings are not on this node
	trunked  bool                       // trunks were read from the source
	away     bool                       // the last check failed
	wake     chan struct{}              // something waits to be written
	starting sync.Once
	stopping sync.Once
	stop     chan struct{}
	stopped  chan struct{}
}

// New makes a compiler. Restore fills the book from the shelf, Start follows the source.
func New(cfg Config) *Compiler {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Compiler{
		cfg: cfg, seen: make(map[tenants.TenantID]int64), unsaved: make(map[tenants.TenantID]bool), unheard: make(map[tenants.TenantID]bool),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Restore fills the book with what the shelf holds and returns the number of tenants. It needs nothing but the disk, and
// never fails: what cannot be read is reported.
func (c *Compiler) Restore() int {
	stock := c.cfg.Shelf.Load()
	for _, p := range stock.Problems {
		c.raise(tenants.Platform, "routing_copy:"+p.Name, fmt.Sprintf("%s (%s)", p.Text, p.Name), p.Err)
	}
	c.cfg.Book.Put(stock.Copies...)
	if c.cfg.Clips != nil && len(stock.Problems) == 0 {
		c.cfg.Clips.Sweep(recorded(stock.Copies...), c.cfg.Now())
	}
	if stock.Trunks != nil {
		c.setTrunks(stock.Trunks)
	}
	return len(stock.Copies)
}

// Start follows the source until Stop. Both may be repeated.
func (c *Compiler) Start() {
	c.starting.Do(func() { go c.follow() })
}

// Stop ends what Start began and waits for it.
func (c *Compiler) Stop() {
	c.starting.Do(func() { close(c.stopped) }) // never started
	c.stopping.Do(func() { close(c.stop) })
	<-c.stopped
}

func (c *Compiler) follow() {
	defer close(c.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a check under way ends with Stop
		<-c.stop
		cancel()
	}()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		err := c.guarded(func() error { return c.Check(ctx) })
		if away := err != nil; away != c.away && ctx.Err() == nil {
			c.away = away
			if away {
				c.cfg.Log.Warn("routing is answered from what this node holds", "error", err)
			} else {
				c.cfg.Log.Info("routing is up to date with the database")
			}
		}
		for waiting := true; waiting; {
			select {
			case <-c.stop:
				_ = c.guarded(func() error { c.keep(); return nil })
				return
			case <-tick.C:
				waiting = false
			case <-c.wake:
				_ = c.guarded(func() error { c.keep(); return nil }) // it has logged what was wrong
			}
		}
	}
}

// guarded survives a bug: a node whose routing no longer changes still answers.
func (c *Compiler) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.cfg.Log.Error("compiling failed", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("compiling failed: %v", p)
		}
	}()
	return do()
}

// Check brings book and shelf up to date now. Its errors are the source's; a copy that cannot be written to the shelf is used and
// reported, and written at a later check.
func (c *Compiler) Check(ctx context.Context) error {
	err := c.Update(ctx)
	c.keep()
	return err
}

// Update brings the book up to date, for whoever has just changed something: when it returns the next caller is answered by the
// change. What Start began writes it to the shelf at once. Errors as Check.
func (c *Compiler) Update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	began := c.cfg.Now()
	defer func() {
		if len(c.unsaved) > 0 {
			select {
			case c.wake <- struct{}{}:
			default: // it is awake
			}
		}
	}()
	versions, err := c.cfg.Source.Versions(ctx)
	if err != nil {
		return fmt.Errorf("read what changed: %w", err)
	}
	var failed error
	platform := !c.trunked || versions[tenants.Platform] != c.seen[tenants.Platform]
	if platform {
		failed = c.readTrunks(ctx)
	}
	for tenant, version := range versions {
		if have, ok := c.seen[tenant]; ok && have == version {
			continue
		}
		if err := c.compile(ctx, tenant); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for tenant := range c.unheard {
		if known := c.cfg.Book.Compiled(tenant); known != nil {
			c.fetch(ctx, known)
		} else {
			delete(c.unheard, tenant)
		}
	}
	// A tenant on the shelf that the source has never heard of belongs to another database; its calls are still
	// answered, because deleting on a doubt is worse.
	if failed == nil {
		c.cfg.Book.SetChecked(began)
	}
	return failed
}

func (c *Compiler) compile(ctx context.Context, tenant tenants.TenantID) error {
	fresh, version, err := c.cfg.Source.Compile(ctx, tenant)
	if err != nil {
		return fmt.Errorf("compile %s: %w", tenant, err)
	}
	if fresh == nil {
		c.cfg.Book.Remove(tenant)
		c.remove(tenant)
		c.seen[tenant] = version
		return nil
	}
	fresh.Sort()
	fresh.CompiledAt = c.cfg.Now().UTC()
	c.fetch(ctx, fresh)
	// The copy that the shelf had is usually the same; later every change of the counter is one of the content.
	_, before := c.seen[tenant]
	if known := c.cfg.Book.Compiled(tenant); before || known == nil || known.Hash() != fresh.Hash() {
		c.cfg.Book.Put(fresh)
		if _, waits := c.unsaved[tenant]; !waits { // to be saved; of one that waits already, whether somebody was told stays
			c.unsaved[tenant] = false
		}
		c.cfg.Log.Info("routing copy compiled", "tenant", tenant, "version", version,
			"accounts", len(fresh.Accounts), "numbers", len(fresh.Numbers), "operators", len(fresh.Operators))
	}
	c.seen[tenant] = version
	return nil
}

// fetch brings the recordings that a copy names to this node, before a caller needs them. One that cannot be had is an alarm, and
// its callers hear the general greeting until a later check has it.
func (c *Compiler) fetch(ctx context.Context, fresh *routing.Copy) {
	if c.cfg.Clips == nil {
		return
	}
	key := "greetings:" + string(fresh.Tenant)
	var failed error
	for hash := range recorded(fresh) {
		if _, err := c.cfg.Clips.Read(hash); err == nil {
			continue
		}
		clip, err := c.cfg.Source.Recording(ctx, fresh.Tenant, hash)
		if err == nil {
			err = c.cfg.Clips.Save(hash, clip)
		}
		failed = errors.Join(failed, err)
	}
	switch {
	case failed == nil && c.unheard[fresh.Tenant]:
		delete(c.unheard, fresh.Tenant)
		if c.cfg.Alarms != nil {
			c.cfg.Alarms.Clear(fresh.Tenant, key)
		}
	case failed != nil && !c.unheard[fresh.Tenant]:
		c.unheard[fresh.Tenant] = true
		c.raise(fresh.Tenant, key, "a recorded greeting is not on this node: its callers hear the general one", failed)
	}
}

// recorded are the hashes of the recordings that copies name.
func recorded(copies ...*routing.Copy) map[string]bool {
	all := make(map[string]bool)
	for _, c := range copies {
		for i := range c.Accounts {
			for _, name := range c.Accounts[i].Greetings {
				if hash, ok := strings.CutPrefix(name, routing.Recorded); ok {
					all[hash] = true
				}
			}
		}
	}
	return all
}

// keep writes what is in the book and not on the shelf. Callers are answered from the book meanwhile.
func (c *Compiler) keep() {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	waiting := slices.Collect(maps.Keys(c.unsaved))
	c.mu.Unlock()
	for _, tenant := range waiting {
		if known := c.cfg.Book.Compiled(tenant); known != nil {
			c.save(known)
			if c.cfg.Prepare != nil {
				c.cfg.Prepare(cmp.Or(c.cfg.Book.Copy(tenant), known))
			}
		}
		if c.cfg.Book.Compiled(tenant) == nil { // gone, perhaps while it was written
			c.mu.Lock()
			delete(c.unsaved, tenant)
			c.remove(tenant)
			c.mu.Unlock()
		}
	}
}

// save writes to the shelf. Callers are answered from the book, so a full disk is an alarm and no reason to stop.
func (c *Compiler) save(fresh *routing.Copy) {
	err := c.cfg.Shelf.Save(fresh)
	c.mu.Lock()
	defer c.mu.Unlock()
	key := "routing_copy:" + string(fresh.Tenant)
	if err != nil {
		if !c.unsaved[fresh.Tenant] {
			c.raise(tenants.Platform, key, "the routing copy of "+string(fresh.Tenant)+" cannot be kept on this node's disk", err)
		}
		c.unsaved[fresh.Tenant] = true
		return
	}
	if c.cfg.Book.Compiled(fresh.Tenant) == fresh {
		delete(c.unsaved, fresh.Tenant)
	} else {
		c.unsaved[fresh.Tenant] = false // there is a newer one already
	}
	if c.cfg.Alarms != nil {
		c.cfg.Alarms.Clear(tenants.Platform, key)
	}
}

func (c *Compiler) remove(tenant tenants.TenantID) {
	if err := c.cfg.Shelf.Remove(tenant); err != nil {
		c.raise(tenant, "routing_copy:"+string(tenant), "the routing copy of a tenant that is gone cannot be removed", err)
	}
}

func (c *Compiler) readTrunks(ctx context.Context) error {
	trunks, err := c.cfg.Source.Trunks(ctx)
	if err != nil {
		return fmt.Errorf("read trunks: %w", err)
	}
	if !c.trunked || !reflect.DeepEqual(trunks, c.cfg.Book.Trunks()) {
		c.setTrunks(trunks)
		if err := c.cfg.Shelf.SaveTrunks(trunks); err != nil {
			c.raise(tenants.Platform, "routing_copy:"+trunksName, "the list of trunks cannot be kept on this node's disk", err)
			return nil // known and used; written with the next change
		}
		if c.cfg.Alarms != nil {
			c.cfg.Alarms.Clear(tenants.Platform, "routing_copy:"+trunksName)
		}
	}
	c.trunked = true
	return nil
}

func (c *Compiler) setTrunks(t []routing.Trunk) {
	c.cfg.Book.SetTrunks(t)
	if c.cfg.Trunks != nil {
		c.cfg.Trunks(t)
	}
}

func (c *Compiler) raise(tenant tenants.TenantID, key, text string, err error) {
	c.cfg.Log.Error(text, "tenant", tenant, "error", err)
	if c.cfg.Alarms != nil {
		c.cfg.Alarms.Raise(tenant, key, text)
	}
}
