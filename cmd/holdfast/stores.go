package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/deploy/schema"
	"holdfast/services/acd"
	"holdfast/services/acd/acdredis"
	"holdfast/services/activation/activationsql"
	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/services/interim/interimsql"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/notify/notifysql"
	"holdfast/services/numbers/numbersql"
	"holdfast/services/ticket/ticketsql"
	"holdfast/services/voicemail/voicemailsql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// stores is what this node keeps elsewhere: PostgreSQL, Redis, and what works on them. All of it may be away, at start
// too; then it is tried again and again, and calls are answered meanwhile.
type stores struct {
	settings *settings
	log      *slog.Logger
	db       *store.DB
	secret   []byte
	redis    *redis.Client
	index    *acdredis.Index
	bus      *acdredis.Bus
	numbers  *numbersql.Store
	history  journalsql.Queries
	messages voicemailsql.Queries
	tickets  ticketsql.Queries
	notices  notifysql.Queries
	shipper  *journal.Shipper
	people   *identity.Service
	journal  *journal.Journal
	show     atomic.Pointer[func(journal.Event)] // takes other nodes' events; nil: nobody looks
	close    atomic.Pointer[func(string)]        // closes the sockets of a sign-in that is over
	act      atomic.Pointer[func(journal.Event)] // is told of other nodes' activations; nil: nobody is

	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// fanOutBuffer is how far telling other nodes may fall behind: seconds of a busy node.
const fanOutBuffer = 4096

// retryEvery is the pause between two attempts to bring the database up to this build.
const retryEvery = time.Second

func newStores(s *settings, log *slog.Logger, j *journal.Journal, queue *acd.Queue) (*stores, error) {
	st := &stores{settings: s, log: log, journal: j}
	var err error
	if st.secret, err = schema.Secret(s.DatabaseURL, s.dir("keys")); err != nil {
		return nil, err
	}
	urls, err := schema.RoleURLs(s.DatabaseURL, st.secret)
	if err != nil {
		return nil, err
	}
	if st.db, err = store.Open(context.Background(), store.Config{
		App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Log: log,
	}); err != nil {
		return nil, err
	}
	if st.redis, err = acdredis.Open(s.RedisURL); err != nil {
		st.db.Close()
		return nil, errors.New("HOLDFAST_REDIS_URL must look like redis://:PASSWORD@HOST:PORT/NUMBER") // the cause may quote the password
	}
	keys, err := identity.OpenKeys(s.dir("keys") + "/token")
	if err != nil {
		return nil, err
	}
	credentials := identitysql.New(st.db)
	if st.people, err = identity.New(identity.Config{
		Credentials: credentials, Sessions: credentials, Keys: keys, Announce: st.announce, Ended: st.ended, Log: log,
	}); err != nil {
		return nil, err
	}
	st.index = acdredis.NewIndex(acdredis.Config{Node: s.Node, Client: st.redis, Queue: queue, Log: log})
	st.bus = acdredis.NewBus(acdredis.BusConfig{
		Node: s.Node, Client: st.redis, Log: log, Handler: acdredis.Handler{Message: st.hear, Gap: func() {}},
	})
	st.numbers = numbersql.New(st.db)
	st.history = journalsql.Queries{DB: st.db}
	st.messages = voicemailsql.Queries{DB: st.db}
	st.tickets = ticketsql.Queries{DB: st.db}
	st.notices = notifysql.Queries{DB: st.db}
	st.shipper = journal.NewShipper(journal.ShipperConfig{
		Journal: j, Store: journalsql.New(st.db, log, voicemailsql.Project, ticketsql.Project, notifysql.Project, activationsql.Project, interimsql.Project), Log: log,
	})
	return st, nil
}

// ended closes the sockets of a sign-in that ended anywhere.
func (st *stores) ended(family string) {
	if do := st.close.Load(); do != nil {
		(*do)(family)
	}
}

// announce tells other nodes of a sign-out; hear takes theirs.
func (st *stores) announce(r identity.Revocation) {
	payload, err := json.Marshal(r)
	if err != nil { // cannot be: plain values
		return
	}
	st.bus.Publish(acdredis.Revocations, r.Tenant, payload)
}

func (st *stores) hear(topic acdredis.Topic, tenant tenants.TenantID, payload []byte) {
	switch topic {
	case acdredis.Revocations:
		var r identity.Revocation
		if json.Unmarshal(payload, &r) == nil && r.Tenant == tenant {
			st.people.Revoke(r)
		}
	case acdredis.Events:
		var e journal.Event
		if json.Unmarshal(payload, &e) != nil || e.Tenant != tenant {
			return
		}
		if act := st.act.Load(); act != nil {
			(*act)(e)
		}
		if show := st.show.Load(); show != nil {
			(*show)(e)
		}
	}
}

// fanOut tells the other nodes what this node writes down, for their live views. It is at most once: Redis may be away,
// and what must arrive is shipped.
func (st *stores) fanOut(ctx context.Context, j *journal.Journal) {
	for ctx.Err() == nil {
		events, cancel := j.Subscribe(fanOutBuffer)
		st.publish(ctx, events)
		cancel()
	}
}

func (st *stores) publish(ctx context.Context, events <-chan journal.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok { // cut off for being slow: what was missed is old news
				return
			}
			if payload, err := json.Marshal(e); err == nil {
				st.bus.Publish(acdredis.Events, e.Tenant, payload)
			}
		}
	}
}

// start begins to look for the stores; prepare is called until it succeeds, and then the journal is shipped.
func (st *stores) start(prepare func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	st.cancel = cancel
	st.index.Start()
	st.bus.Start()
	st.people.Start()
	st.wait.Add(2)
	go func() {
		defer st.wait.Done()
		st.fanOut(ctx, st.journal)
	}()
	go func() {
		defer st.wait.Done()
		if st.untilPrepared(ctx, prepare) {
			st.shipper.Start()
		}
	}()
}

func (st *stores) untilPrepared(ctx context.Context, prepare func(context.Context) error) bool {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for attempt := 1; ; attempt++ {
		err := safely(ctx, prepare)
		if err == nil {
			return true
		}
		if attempt == 1 || attempt%60 == 0 {
			st.log.Error("the database is not usable yet: calls are answered without it", "err", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// safely makes a panic an error: what prepares the database must not end the process that answers calls.
func safely(ctx context.Context, prepare func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v: %s", p, debug.Stack())
		}
	}()
	return prepare(ctx)
}

func (st *stores) migrate(ctx context.Context) error {
	return schema.Migrate(ctx, st.settings.DatabaseURL, st.secret)
}

func (st *stores) redisReady(ctx context.Context) error { return st.redis.Ping(ctx).Err() }

func (st *stores) stop() {
	if st.cancel != nil {
		st.cancel()
		st.wait.Wait()
	}
	st.shipper.Stop()
	st.people.Stop()
	st.bus.Stop()
	st.index.Stop()
	_ = st.redis.Close() // nothing is pending: index and bus have stopped
	st.db.Close()
}
