package acdredis

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/tenants"
)

const (
	// backlog is how many messages wait for Redis; a longer queue would be old news.
	backlog = 4096
	// batch is how many go out in one round trip.
	batch = 128
	// apart is the least time between two round trips: what comes in between goes together. A busy node would otherwise make
	// thousands a second, and nobody looks at a board so closely.
	apart = 5 * time.Millisecond
	// proveEvery is how often a silent subscription is asked whether it still lives.
	proveEvery = time.Second
)

// Handler takes what other nodes publish. Its functions run on the bus's goroutine, one at a time, and must not block.
type Handler struct {
	// Message is one message of another node, in the order that node published.
	Message func(topic Topic, tenant tenants.TenantID, payload []byte)
	// Gap says that messages may have been lost: Redis was away. Whoever shows a picture draws it anew.
	Gap func()
}

// BusConfig says what a bus connects.
type BusConfig struct {
	Node    string // this node's name: unique, without a line break
	Client  redis.UniversalClient
	Handler Handler
	Log     *slog.Logger // default slog.Default()
}

// Bus carries messages between nodes, each at most once: while Redis is away they are lost, which Gap reports. What must
// arrive goes another way (the journal does). A node does not hear itself.
type Bus struct {
	cfg     BusConfig
	out     chan message
	dropped atomic.Uint64

	start, stop sync.Once
	quit        chan struct{}
	running     sync.WaitGroup
}

type message struct {
	channel string
	payload []byte
}

// NewBus returns a bus that carries from Start on.
func NewBus(cfg BusConfig) *Bus {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	return &Bus{cfg: cfg, out: make(chan message, backlog), quit: make(chan struct{})}
}

// Publish sends a message to the other nodes. It never blocks; what does not fit is dropped and counted.
func (b *Bus) Publish(topic Topic, tenant tenants.TenantID, payload []byte) {
	m := message{channel(tenant, topic), append([]byte(b.cfg.Node+"\n"), payload...)}
	select {
	case b.out <- m:
	default:
		b.dropped.Add(1)
	}
}

// Dropped counts the messages that Redis never got.
func (b *Bus) Dropped() uint64 { return b.dropped.Load() }

// Start begins to carry. It may be repeated; a stopped bus does not start again.
func (b *Bus) Start() {
	b.start.Do(func() {
		b.running.Go(b.publish)
		b.running.Go(b.listen)
	})
}

// Stop ends carrying and waits for it. It may be repeated.
func (b *Bus) Stop() {
	b.stop.Do(func() { close(b.quit) })
	b.start.Do(func() {})
	b.running.Wait()
}

func (b *Bus) publish() {
	for {
		select {
		case <-b.quit:
			return
		case m := <-b.out:
			messages := b.gather(m)
			b.send(messages)
			if len(messages) < batch {
				b.pause(apart)
			}
		}
	}
}

// pause waits for d, or until the bus is stopped.
func (b *Bus) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.quit:
	}
}

// gather takes what waits already.
func (b *Bus) gather(first message) []message {
	messages := []message{first}
	for len(messages) < batch {
		select {
		case m := <-b.out:
			messages = append(messages, m)
		default:
			return messages
		}
	}
	return messages
}

func (b *Bus) send(messages []message) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	_, err := b.cfg.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, m := range messages {
			p.Publish(ctx, m.channel, m.payload)
		}
		return nil
	})
	if err != nil {
		b.dropped.Add(uint64(len(messages)))
		b.cfg.Log.Debug("messages to other nodes were lost", "count", len(messages), "error", err)
	}
}

func (b *Bus) listen() {
	s := b.cfg.Client.PSubscribe(context.Background(), pattern(Events), pattern(Revocations))
	defer func() { _ = s.Close() }() // nothing is lost that was not lost already
	heard := s.ChannelWithSubscriptions(redis.WithChannelSize(backlog), redis.WithChannelHealthCheckInterval(proveEvery))
	confirmed := 0
	for {
		select {
		case <-b.quit:
			return
		case m, open := <-heard:
			if !open {
				return
			}
			switch m := m.(type) {
			case *redis.Subscription:
				// One a topic at the start; any further says that the connection was lost in between.
				if confirmed++; confirmed > 2 && confirmed%2 == 0 {
					b.gap()
				}
			case *redis.Message:
				b.deliver(m)
			}
		}
	}
}

func (b *Bus) deliver(m *redis.Message) {
	defer b.rescue()
	tenant, topic, ok := parseChannel(m.Channel)
	node, payload, found := bytes.Cut([]byte(m.Payload), []byte("\n"))
	if !ok || !found || string(node) == b.cfg.Node || b.cfg.Handler.Message == nil {
		return
	}
	b.cfg.Handler.Message(topic, tenant, payload)
}

func (b *Bus) gap() {
	defer b.rescue()
	if b.cfg.Handler.Gap != nil {
		b.cfg.Handler.Gap()
	}
}

func (b *Bus) rescue() {
	if r := recover(); r != nil {
		b.cfg.Log.Error("a listener to other nodes panicked", "panic", r)
	}
}
