package acdredis_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"holdfast/deploy/servers"
	"holdfast/services/acd"
	"holdfast/services/acd/acdredis"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bar bounds every wait of these tests; what the product promises is checked where it is promised.
const bar = 30 * time.Second

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// store is a real Redis that a test may take away.
type store struct {
	t *testing.T
	s *servers.Servers
}

func newStore(t *testing.T) *store {
	t.Helper()
	dir, err := os.MkdirTemp("", "hf-acd-") // not t.TempDir: the unprivileged user must be able to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bar)
	defer cancel()
	s, err := servers.Start(ctx, servers.Config{Data: dir, SkipPostgres: true, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &store{t, s}
}

func (s *store) url() string { return s.s.RedisURL }

func (s *store) away() {
	s.t.Helper()
	if err := s.s.Down(servers.Redis); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) back() {
	s.t.Helper()
	if err := s.s.Up(servers.Redis); err != nil {
		s.t.Fatal(err)
	}
}

func open(t *testing.T, address string) *redis.Client {
	t.Helper()
	c, err := acdredis.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// up is a running index.
type up = acdredis.Index

func connect(t *testing.T, node, address string, q acdredis.Queue) *up {
	t.Helper()
	x := acdredis.NewIndex(acdredis.Config{Node: node, Client: open(t, address), Queue: q, Log: quiet()})
	x.Start()
	t.Cleanup(x.Stop)
	return x
}

// silent takes nothing from a queue.
type silent struct{}

func (silent) Offer(acd.Match)          {}
func (silent) Unstaffed(tenants.CallID) {}

func newQueue(t *testing.T, node string) *acd.Queue {
	t.Helper()
	return acd.New(acd.Config{Node: node, Offers: silent{}, Log: quiet()})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(bar)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

func sees(q *acd.Queue, waiting, operators int) func() bool {
	return func() bool {
		w, o := q.Snapshot("harbor")
		return len(w) == waiting && len(o) == operators
	}
}

var english = map[string]routing.Grade{"en": 3}

func TestNodesSeeEachOtherUntilTheyStop(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a, b := newQueue(t, "a"), newQueue(t, "b")
	connect(t, "a", s.url(), a)
	x := connect(t, "b", s.url(), b)
	since := time.Now().Add(-time.Minute)
	b.Present(acd.Operator{ID: "ben", Tenant: "harbor", Name: "Ben", Languages: english, IdleSince: since}, true)
	b.Wait(acd.Waiting{Call: "1", Tenant: "harbor", Languages: []string{"en"}, Since: since, Priority: 3})
	a.Present(acd.Operator{ID: "zoe", Tenant: "mesa", Name: "Zoe", Languages: english}, true)
	eventually(t, "a sees b's people", sees(a, 1, 1))
	waiting, operators := a.Snapshot("harbor")
	if w := waiting[0]; w.Node != "b" || !w.Since.Equal(since) || w.Priority != 3 {
		t.Errorf("a sees %+v", w)
	}
	if o := operators[0]; o.Node != "b" || !o.Idle || o.Name != "Ben" || !o.IdleSince.Equal(since) {
		t.Errorf("a sees %+v", o)
	}
	b.Leave("1")
	eventually(t, "a sees the call leave", sees(a, 0, 1))
	x.Stop()
	eventually(t, "b's people are gone with b", sees(a, 0, 0))
}

func TestADeadNodeDisappearsWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a, b := newQueue(t, "a"), newQueue(t, "b")
	connect(t, "a", s.url(), a)
	client := open(t, s.url())
	x := acdredis.NewIndex(acdredis.Config{Node: "b", Client: client, Queue: b, Log: quiet()})
	x.Start()
	t.Cleanup(x.Stop)
	b.Present(acd.Operator{ID: "ben", Tenant: "harbor", Languages: english}, true)
	eventually(t, "a sees ben", sees(a, 0, 1))
	if err := client.Close(); err != nil { // b is cut off without a word
		t.Fatal(err)
	}
	cut := time.Now()
	eventually(t, "a sees ben no more", sees(a, 0, 0))
	if took := time.Since(cut); took > acdredis.Lease+2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestANodeGoesOnAloneAndAnnouncesAgainWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a, b := newQueue(t, "a"), newQueue(t, "b")
	x := connect(t, "a", s.url(), a)
	connect(t, "b", s.url(), b)
	a.Present(acd.Operator{ID: "ada", Tenant: "harbor", Languages: english}, true)
	b.Present(acd.Operator{ID: "ben", Tenant: "harbor", Languages: english}, true)
	eventually(t, "both see both", func() bool { return sees(a, 0, 2)() && sees(b, 0, 2)() })
	s.away()
	eventually(t, "a knows that it is alone", func() bool { return !x.Up() && sees(a, 0, 1)() && sees(b, 0, 1)() })
	a.Wait(acd.Waiting{Call: "1", Tenant: "harbor", Languages: []string{"en"}, Since: time.Now()})
	s.back() // empty: it keeps nothing
	eventually(t, "both see everything again", func() bool { return sees(a, 1, 2)() && sees(b, 1, 2)() })
}

func TestPartsOfAnotherTenantNodeOrFormAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := newQueue(t, "a")
	client := open(t, s.url())
	ctx, cancel := context.WithTimeout(t.Context(), bar)
	defer cancel()
	far := float64(time.Now().Add(time.Hour).UnixMilli())
	for node, part := range map[string]string{
		"liar":   "1\n" + `{"operators":[{"id":"x","tenant":"mesa","node":"liar"},{"id":"y","tenant":"harbor","node":"other"},{"id":"z","tenant":"harbor","node":"liar"}]}`,
		"newer":  "1\n" + `{"operators":{"a":1}}`,
		"broken": "1\n" + `{`,
	} {
		if err := client.HSet(ctx, "t:harbor:{main}:parts", node, part).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.ZAdd(ctx, "t:harbor:{main}:leases", redis.Z{Score: far, Member: node}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ZAdd(ctx, "t:platform:{acd}:tenants", redis.Z{Score: far, Member: "harbor"}, redis.Z{Score: far, Member: "no tenant"}).Err(); err != nil {
		t.Fatal(err)
	}
	connect(t, "a", s.url(), a)
	eventually(t, "the one true entry", sees(a, 0, 1))
	if _, operators := a.Snapshot("harbor"); operators[0].ID != "z" {
		t.Errorf("believed %+v", operators[0])
	}
	if _, operators := a.Snapshot("mesa"); len(operators) != 0 {
		t.Error("another tenant's operator came through this tenant's key")
	}
}

func TestMessagesReachTheOtherNodesAndAnOutageIsAGap(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var mu sync.Mutex
	var heard []string
	gaps := 0
	b := acdredis.NewBus(acdredis.BusConfig{Node: "b", Client: open(t, s.url()), Log: quiet(), Handler: acdredis.Handler{
		Message: func(topic acdredis.Topic, tenant tenants.TenantID, payload []byte) {
			mu.Lock()
			defer mu.Unlock()
			if heard = append(heard, string(topic)+" "+string(tenant)+" "+string(payload)); string(payload) == "panic" {
				panic("a listener")
			}
		},
		Gap: func() {
			mu.Lock()
			defer mu.Unlock()
			gaps++
		},
	}})
	a := acdredis.NewBus(acdredis.BusConfig{Node: "a", Client: open(t, s.url()), Log: quiet(), Handler: acdredis.Handler{
		Message: func(acdredis.Topic, tenants.TenantID, []byte) { t.Error("a node hears itself") },
	}})
	a.Start()
	b.Start()
	t.Cleanup(a.Stop)
	t.Cleanup(b.Stop)
	said := func(text string) func() bool {
		return func() bool {
			a.Publish(acdredis.Events, "harbor", []byte(text))
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(heard, "events harbor "+text)
		}
	}
	eventually(t, "b hears a", said("hello\nworld"))
	a.Publish(acdredis.Revocations, "mesa", []byte("panic"))
	eventually(t, "b hears of a revocation", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(heard, "revocations mesa panic")
	})
	s.away()
	eventually(t, "a loses messages and counts them", func() bool {
		a.Publish(acdredis.Events, "harbor", nil)
		return a.Dropped() > 0
	})
	s.back()
	eventually(t, "b hears a again", said("again"))
	eventually(t, "b knows that it missed something", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return gaps > 0
	})
}

// The promise of the queue, over two nodes that race for the same callers and operators.
func TestTenThousandRacingOffers(t *testing.T) {
	s := newStore(t)
	const (
		operators = 60
		offers    = 10_000
		atOnce    = 120 // calls in the house: twice as many as can be answered
		promised  = time.Second
	)
	r := newRace(t, s.url(), operators)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.Now().Add(4 * time.Minute)
	var together time.Time
	calls, outage := 0, 0
	for r.offers.Load() < offers || int(r.ended.Load()) < calls {
		now := <-tick.C
		if now.After(limit) {
			t.Fatalf("%d offers, %d of %d calls ended: the queue stands still", r.offers.Load(), r.ended.Load(), calls)
		}
		for r.offers.Load() < offers && calls-int(r.ended.Load()) < atOnce {
			r.invite(calls)
			calls++
		}
		switch done := r.offers.Load(); {
		case outage == 0 && done > offers/4:
			s.away()
			outage++
		case outage == 1 && done > offers/2:
			s.back()
			outage++
		}
		switch up := r.nodes[0].index.Up() && r.nodes[1].index.Up(); {
		case !up:
			together = time.Time{}
		case together.IsZero():
			together = now
		}
		r.check(together, now)
	}
	if n := r.answered.Load(); int(n) != calls {
		t.Errorf("%d of %d calls were answered", n, calls)
	}
	if worst := time.Duration(r.worst.Load()); worst > promised {
		t.Errorf("a call waited %v beside an eligible idle operator", worst)
	} else {
		t.Logf("%d offers for %d calls; the longest wait beside an eligible idle operator was %v", r.offers.Load(), calls, worst)
	}
	if outage != 2 {
		t.Errorf("the outage came to stage %d", outage)
	}
}
