package oncall

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// Book is this node's routing copies: *routing.Book.
type Book interface {
	Tenants() []tenants.TenantID
	Copy(tenants.TenantID) *routing.Copy
}

// Alarms tells a tenant's people. services/journal keeps them.
type Alarms interface {
	Raise(tenant tenants.TenantID, key, text string)
	Clear(tenant tenants.TenantID, key string)
}

// GuardConfig is what a Guard needs; Book and Alarms have no default.
type GuardConfig struct {
	Book   Book
	Alarms Alarms
	Log    *slog.Logger
	Now    func() time.Time
}

// guardEvery is how soon somebody learns that the person on call has left the directory.
const guardEvery = 5 * time.Second

// Guard raises an alarm while a schedule has somebody on call who has left the directory: callers are sent to the catch-all
// person, and whoever planned the schedule must know.
type Guard struct {
	cfg    GuardConfig
	open   map[alarm]string // what is said
	looked bool
	once   sync.Once
	ending sync.Once
	stop   chan struct{}
	done   sync.WaitGroup
}

type alarm struct {
	tenant tenants.TenantID
	key    string
}

// NewGuard makes a guard; Start begins to look.
func NewGuard(cfg GuardConfig) *Guard {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Guard{cfg: cfg, open: map[alarm]string{}, stop: make(chan struct{})}
}

// Start looks every few seconds until Stop. Both may be repeated.
func (g *Guard) Start() {
	g.once.Do(func() {
		g.done.Go(func() {
			tick := time.NewTicker(guardEvery)
			defer tick.Stop()
			for {
				g.guarded()
				select {
				case <-g.stop:
					return
				case <-tick.C:
				}
			}
		})
	})
}

// Stop ends what Start began and waits for it.
func (g *Guard) Stop() {
	g.ending.Do(func() { close(g.stop) })
	g.done.Wait()
}

func (g *Guard) guarded() {
	defer func() {
		if p := recover(); p != nil {
			g.cfg.Log.Error("oncall: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	g.Look()
}

// Look compares the alarms with what is true now. It is for the guard's own goroutine, and for tests without one.
func (g *Guard) Look() {
	now, found := g.cfg.Now(), map[alarm]string{}
	for _, tenant := range g.cfg.Book.Tenants() {
		c := g.cfg.Book.Copy(tenant)
		if c == nil {
			continue
		}
		for i := range c.Schedules {
			key := alarm{tenant, "oncall_left:" + string(c.Schedules[i].ID)}
			if text := leaves(c, &c.Schedules[i], now); text != "" {
				found[key] = text
			} else if !g.looked {
				g.cfg.Alarms.Clear(key.tenant, key.key) // it may be open since before this process began
			}
		}
	}
	for a, text := range found {
		if g.open[a] != text {
			g.cfg.Alarms.Raise(a.tenant, a.key, text)
		}
	}
	for a := range g.open {
		if found[a] == "" {
			g.cfg.Alarms.Clear(a.tenant, a.key)
		}
	}
	g.open, g.looked = found, true
}

// leaves says what is wrong with who is on call now; "" when all of them are in the directory.
func leaves(c *routing.Copy, s *roster.Schedule, now time.Time) string {
	plan := Plan(c, s, now, now.Add(time.Second))
	if len(plan) == 0 || len(plan[0].Left) == 0 {
		return ""
	}
	business := string(s.Account)
	if a := c.Account(s.Account); a != nil {
		business = a.Name
	}
	if len(plan[0].On) == 0 {
		return fmt.Sprintf("%s, %s: who is on call has left the directory, and so has the catch-all person. Nobody can be called. Change the schedule.", business, s.Name)
	}
	instead := directoryOf(c, s.Account).name(plan[0].On[0].Person)
	return fmt.Sprintf("%s, %s: who is on call has left the directory. %s is called instead. Change the schedule, or set an override.", business, s.Name, instead)
}
