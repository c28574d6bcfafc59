package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"holdfast/tenants"
)

// shownFor is how long a view is good without an event: what changes without one, such as a routing copy, is seen by then
// wherever somebody looks.
const shownFor = time.Second

// forgotten is after how long a view that nobody has looked at is dropped: desks look every [queueAnyway].
const forgotten = time.Minute

// shown is a view that many sockets have in common: computed once, encoded once, changed never.
type shown[T any] struct {
	value   T
	version uint64 // of the picture that it was made from, or of one before
	at      time.Time

	once sync.Once
	raw  []byte
}

// message is the view as a message for any number of sockets; wrap puts it into one, and is asked once.
func (s *shown[T]) message(wrap func(T) common) Message {
	s.once.Do(func() { s.raw, _ = json.Marshal(wrap(s.value)) }) // plain values: they always encode
	return Message{shared: s.raw}
}

// common is the part of a Message that many sockets have in common.
type common struct {
	Type  string `json:"type"`
	Queue *Queue `json:"queue,omitempty"`
	Board *Board `json:"board,omitempty"`
}

func queueMessage(q Queue) common { return common{Type: "queue", Queue: &q} }

func boardMessage(b Board) common { return common{Type: "board", Board: &b} }

// encode makes the message's JSON. Of what is shared only the beginning is made for this socket.
func (m Message) encode() ([]byte, error) {
	if m.shared == nil {
		return json.Marshal(m)
	}
	out := make([]byte, 0, len(m.shared)+len(`{"seq":18446744073709551615,"at":"`)+len(time.RFC3339Nano)+2)
	out = append(out, `{"seq":`...)
	out = strconv.AppendUint(out, m.Seq, 10)
	out = append(out, `,"at":"`...)
	out = m.At.AppendFormat(out, time.RFC3339Nano)
	out = append(out, `",`...)
	return append(out, m.shared[1:]...), nil
}

// views is one view of a tenant, as each group of people is shown it: made by whoever of them looks first after a change, and
// the others get the same. Who looks meanwhile waits for it rather than making it too.
type views[T any] struct {
	mu sync.Mutex
	of map[string]*shown[T] // by who sees the same
}

func (v *views[T]) get(who string, version uint64, now time.Time, compute func() T) *shown[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if last := v.of[who]; last != nil && last.version >= version && now.Sub(last.at) < shownFor {
		return last
	}
	if v.of == nil {
		v.of = map[string]*shown[T]{}
	}
	maps.DeleteFunc(v.of, func(_ string, s *shown[T]) bool { return now.Sub(s.at) > forgotten })
	v.of[who] = &shown[T]{value: compute(), version: version, at: now}
	return v.of[who]
}

// look finds a tenant's picture and its version. The version is read before anything is computed from the picture: that
// may be newer than it says, never older.
func (b *Boards) look(t tenants.TenantID) (*picture, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.picture(t)
	return p, p.version
}

// everybody names those who see all accounts.
const everybody = ""

// queueShown is the queue as the desks of all who see the same accounts are shown it.
func (b *Boards) queueShown(actor tenants.Actor) *shown[Queue] {
	p, version := b.look(actor.Tenant)
	who := everybody
	if accounts, all := b.copyOf(actor.Tenant).Scope(actor); !all {
		who = fmt.Sprint("only ", accounts)
	}
	return p.queues.get(who, version, b.cfg.Now(), func() Queue { return b.QueueOf(actor) })
}

// boardShown is the board as every portal of the tenant is shown it.
func (b *Boards) boardShown(t tenants.TenantID) *shown[Board] {
	p, version := b.look(t)
	return p.boards.get(everybody, version, b.cfg.Now(), func() Board { return b.Snapshot(t) })
}

// freeShown is who of the tenant is free, by name.
func (b *Boards) freeShown(t tenants.TenantID) []freeOperator {
	p, version := b.look(t)
	return p.free.get(everybody, version, b.cfg.Now(), func() []freeOperator {
		b.mu.Lock()
		defer b.mu.Unlock()
		return p.freeOperators()
	}).value
}
