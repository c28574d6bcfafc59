package acdredis

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/services/acd"
	"holdfast/tenants"
)

// Timings of the index.
const (
	// Lease is how long a node counts as present after its last sign of life, for others and, of the others, for itself.
	Lease = 3 * time.Second
	// lookEvery bounds the age of what a node knows of the others.
	lookEvery = 200 * time.Millisecond
	// gather joins changes that come together: a part is announced whole.
	gather = 50 * time.Millisecond
	// lookLimit bounds one look as a whole.
	lookLimit = time.Second
)

// errBadReply says that Redis answered something that no script of ours returns.
var errBadReply = errors.New("unexpected reply")

// Queue is what the index connects: services/acd has it.
type Queue interface {
	Local() ([]acd.Waiting, []*acd.Operator)
	Remote(waiting []acd.Waiting, operators []acd.Operator)
	Changed() <-chan struct{}
}

// Config says what an index connects.
type Config struct {
	Node   string // this node's name: unique, without a line break
	Client redis.UniversalClient
	Queue  Queue
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // default slog.Default()
}

// Index announces a queue to the other nodes and tells it what they announce.
type Index struct {
	cfg Config
	up  atomic.Bool

	// The rest belongs to the index's goroutine.
	boot    string // tells our versions from those of an earlier process
	serial  uint64
	ours    map[tenants.TenantID]announced
	written map[*acd.Operator][]byte                // at the last look: of a thousand operators few change between two
	theirs  map[tenants.TenantID]map[string]foreign // by node
	success time.Time

	start, stop sync.Once
	quit, gone  chan struct{}
}

// announced is what Redis was told last; an empty version: nothing.
type announced struct {
	version string
	part    []byte
}

// foreign is another node's part.
type foreign struct {
	version string
	part    part
}

// part is what one node announces of one tenant.
type part struct {
	Waiting   []acd.Waiting  `json:"waiting,omitempty"`
	Operators []acd.Operator `json:"operators,omitempty"`
}

// NewIndex returns an index that works from Start on.
func NewIndex(cfg Config) *Index {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Index{
		cfg: cfg, boot: tenants.NewID(),
		ours:   map[tenants.TenantID]announced{},
		theirs: map[tenants.TenantID]map[string]foreign{},
		quit:   make(chan struct{}), gone: make(chan struct{}),
	}
}

// Up reports whether the last look succeeded.
func (x *Index) Up() bool { return x.up.Load() }

// Start begins to look. It may be repeated; a stopped index does not start again.
func (x *Index) Start() { x.start.Do(func() { go x.run() }) }

// Stop takes this node's parts back, as far as Redis is there, and waits until that is done. It may be repeated.
func (x *Index) Stop() {
	x.stop.Do(func() { close(x.quit) })
	x.start.Do(func() { close(x.gone) })
	<-x.gone
}

func (x *Index) run() {
	defer close(x.gone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	soon := false // a change does not put off the look that an earlier one asked for
	for {
		select {
		case <-x.quit:
			x.leave()
			return
		case <-x.cfg.Queue.Changed():
			if !soon {
				soon = true
				timer.Reset(gather)
			}
		case <-timer.C:
			x.look()
			soon = false
			timer.Reset(lookEvery)
		}
	}
}

// look announces and reads once, and judges whether the others can still be believed.
func (x *Index) look() {
	defer func() {
		if r := recover(); r != nil {
			x.cfg.Log.Error("the queue's index panicked", "panic", r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	asked := x.cfg.Now()
	local, err := x.local()
	if err == nil {
		err = x.exchange(ctx, local)
	}
	if err == nil {
		x.success = asked
		if !x.up.Swap(true) {
			x.cfg.Log.Info("the queue's index is there")
		}
		x.tell()
		return
	}
	if x.up.Swap(false) {
		x.cfg.Log.Warn("the queue's index is away: this node goes on with what it holds", "error", err)
	}
	if x.cfg.Now().Sub(x.success) >= Lease && len(x.theirs) > 0 {
		clear(x.theirs)
		x.tell()
	}
}

// local is what this node announces, a part a tenant.
func (x *Index) local() (map[tenants.TenantID][]byte, error) {
	waiting, operators := x.cfg.Queue.Local()
	callers, staff := map[tenants.TenantID][]acd.Waiting{}, map[tenants.TenantID][][]byte{}
	for _, w := range waiting {
		callers[w.Tenant] = append(callers[w.Tenant], w)
		staff[w.Tenant] = nil
	}
	written := make(map[*acd.Operator][]byte, len(operators))
	for _, o := range operators {
		text, ok := x.written[o]
		if !ok {
			var err error
			if text, err = json.Marshal(o); err != nil {
				return nil, fmt.Errorf("encode an operator: %w", err)
			}
		}
		written[o] = text
		staff[o.Tenant] = append(staff[o.Tenant], text)
	}
	x.written = written
	parts := map[tenants.TenantID][]byte{}
	for t, texts := range staff { // by hand: encoding everybody again takes a node with 1,000 operators milliseconds
		text, err := json.Marshal(callers[t])
		if err != nil {
			return nil, fmt.Errorf("encode the callers: %w", err)
		}
		parts[t] = slices.Concat([]byte(`{"waiting":`), text, []byte(`,"operators":[`), bytes.Join(texts, []byte(",")), []byte("]}"))
	}
	return parts, nil
}

// leave takes this node's parts back when it stops in good order.
func (x *Index) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	if err := x.exchange(ctx, nil); err != nil {
		x.cfg.Log.Info("the queue's index was not told that this node stops; the lease will end", "error", err)
	}
	x.up.Store(false)
	x.cfg.Queue.Remote(nil, nil)
}

// exchange announces our parts and updates theirs.
func (x *Index) exchange(ctx context.Context, local map[tenants.TenantID][]byte) error {
	all, err := x.tenants(ctx, local)
	if err != nil {
		return err
	}
	theirs := map[tenants.TenantID]map[string]foreign{}
	for _, t := range all {
		nodes, err := x.announce(ctx, t, local[t])
		if err != nil {
			return err
		}
		if len(nodes) > 0 {
			theirs[t] = nodes
		}
	}
	x.theirs = theirs
	return nil
}

// tenants are all that any node has a part of, and those of which we announced one before.
func (x *Index) tenants(ctx context.Context, local map[tenants.TenantID][]byte) ([]tenants.TenantID, error) {
	args := []any{Lease.Milliseconds()}
	set := map[tenants.TenantID]bool{}
	for t := range local {
		set[t] = true
		args = append(args, string(t))
	}
	names, err := register.Run(ctx, x.cfg.Client, []string{tenantsKey()}, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("register tenants: %w", err)
	}
	for _, name := range names {
		if t, err := tenants.ParseTenantID(name); err == nil {
			set[t] = true
		}
	}
	for t := range x.ours {
		set[t] = true
	}
	all := make([]tenants.TenantID, 0, len(set))
	for t := range set {
		all = append(all, t)
	}
	slices.Sort(all)
	return all, nil
}

// announce exchanges one tenant; a part that Redis has lost is put again. No part: it is taken back.
func (x *Index) announce(ctx context.Context, t tenants.TenantID, body []byte) (map[string]foreign, error) {
	mode := "none"
	if body != nil {
		mode = "keep"
		if old, ok := x.ours[t]; !ok || !bytes.Equal(old.part, body) {
			mode = "put"
			x.serial++
			x.ours[t] = announced{x.boot + "." + strconv.FormatUint(x.serial, 10), body}
		}
	}
	missing, nodes, err := x.send(ctx, t, mode, body)
	if err == nil && missing {
		_, nodes, err = x.send(ctx, t, "put", body)
	}
	if err != nil {
		delete(x.ours, t) // whether Redis has it is not known
		if mode == "none" {
			x.ours[t] = announced{} // still to be taken back
		}
		return nil, err
	}
	if mode == "none" {
		delete(x.ours, t)
	}
	return nodes, nil
}

func (x *Index) send(ctx context.Context, t tenants.TenantID, mode string, body []byte) (missing bool, nodes map[string]foreign, err error) {
	args := []any{x.cfg.Node, Lease.Milliseconds(), mode, x.ours[t].version, ""}
	if mode == "put" {
		args[4] = body
	}
	for node, f := range x.theirs[t] {
		args = append(args, node, f.version)
	}
	reply, err := announce.Run(ctx, x.cfg.Client, []string{leasesKey(t), partsKey(t)}, args...).Slice()
	if err != nil {
		return false, nil, fmt.Errorf("announce: %w", err)
	}
	if len(reply)%3 != 1 {
		return false, nil, fmt.Errorf("announce: %w", errBadReply)
	}
	nodes = map[string]foreign{}
	for triple := range slices.Chunk(reply[1:], 3) {
		node, _ := triple[0].(string)
		version, _ := triple[1].(string)
		text, _ := triple[2].(string)
		if text == "" {
			nodes[node] = x.theirs[t][node]
			continue
		}
		f := foreign{version: version}
		if err := json.Unmarshal([]byte(text), &f.part); err != nil {
			// A newer build may write what we cannot read: that node is not seen, the others are.
			x.cfg.Log.Warn("another node's part of the queue cannot be read", "node", node, "error", err)
			f.part = part{}
		}
		f.part.belongsTo(t, node)
		nodes[node] = f
	}
	return reply[0] == int64(1), nodes, nil
}

// belongsTo makes sure that a part speaks of its own tenant and node only, whatever it says.
func (p *part) belongsTo(t tenants.TenantID, node string) {
	p.Waiting = slices.DeleteFunc(p.Waiting, func(w acd.Waiting) bool { return w.Tenant != t || w.Node != node })
	p.Operators = slices.DeleteFunc(p.Operators, func(o acd.Operator) bool { return o.Tenant != t || o.Node != node })
}

// tell gives the queue all that the others announce.
func (x *Index) tell() {
	var waiting []acd.Waiting
	var operators []acd.Operator
	for _, nodes := range x.theirs {
		for _, f := range nodes {
			waiting = append(waiting, f.part.Waiting...)
			operators = append(operators, f.part.Operators...)
		}
	}
	x.cfg.Queue.Remote(waiting, operators)
}
