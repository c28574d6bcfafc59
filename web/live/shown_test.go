package live

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

const manyDesks = 200

// centre is a tenant with many operators on duty.
type centre struct {
	boards *Boards
	made   atomic.Int32  // how often a queue was made
	looked chan struct{} // a queue was made
	calls  int
}

type staffBook struct{ copied *routing.Copy }

func (b staffBook) Copy(tenants.TenantID) *routing.Copy { return b.copied }

func newCentre(operators int) *centre {
	c, plan := &centre{looked: make(chan struct{}, manyDesks)}, &routing.Copy{Tenant: "harbor", State: routing.Live}
	for i := range operators {
		plan.Operators = append(plan.Operators, routing.Operator{
			ID: operatorID(i), Name: fmt.Sprint("Operator ", i), Role: tenants.RoleOperator, Languages: map[string]routing.Grade{"en": routing.Native},
		})
	}
	plan.Sort()
	c.boards = NewBoards(BoardsConfig{Book: staffBook{plan}, Log: slog.New(slog.DiscardHandler), Owed: func(tenants.TenantID, func(tenants.AccountID) bool) ticket.Count {
		c.made.Add(1)
		select {
		case c.looked <- struct{}{}:
		default:
		}
		return ticket.Count{}
	}})
	for i, o := range plan.Operators {
		id := fmt.Sprint("duty", i)
		for seq, e := range []duty.Event{
			{Type: duty.Began, Who: &duty.Who{Duty: tenants.DutyID(id), Tenant: "harbor", Operator: o.ID, Name: o.Name, Languages: o.Languages}, Resumed: true},
			{Type: duty.SocketUp},
			{Type: duty.MediaUp},
			{Type: duty.Ready},
		} {
			c.fold(journal.Duty, id, uint64(seq+1), string(e.Type), e)
		}
	}
	return c
}

func operatorID(i int) tenants.OperatorID { return tenants.OperatorID(fmt.Sprint("operator", i)) }

func (c *centre) fold(kind journal.Kind, id string, seq uint64, name string, e any) {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	c.boards.Fold(journal.Event{Tenant: "harbor", Kind: kind, ID: id, Seq: seq, At: c.boards.cfg.Now(), Type: name, Data: data})
}

// ring lets one more caller in.
func (c *centre) ring() {
	c.calls++
	id := fmt.Sprint("call", c.calls)
	c.fold(journal.Call, id, 1, string(call.Invited), call.Event{
		Type: call.Invited, At: c.boards.cfg.Now(), Call: tenants.CallID(id),
		Plan: &call.Plan{Tenant: "harbor", Account: "prairie", Kind: call.ForQueue, OnDuty: 1, Languages: []string{"en"}},
	})
	c.fold(journal.Call, id, 2, string(call.Answering), call.Event{Type: call.Answering, At: c.boards.cfg.Now()})
}

func TestAChangeIsComputedAndEncodedOnceForAllDesks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCentre(manyDesks)
		server := NewServer(Config{Boards: c.boards})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		desks := make([]*desk, manyDesks)
		for i := range desks {
			d := &desk{server: server, actor: tenants.Actor{Tenant: "harbor", User: operatorID(i)}}
			d.socket = newSocket(nil, d.actor, time.Now, slog.New(slog.DiscardHandler), func(error) {})
			desks[i] = d
			running.Go(func() { d.showQueue(ctx) })
		}
		// sent is what the desks' sockets would write now, and in how many copies.
		sent := func() (messages int, copies map[*byte]bool) {
			synctest.Wait()
			copies = map[*byte]bool{}
			for _, d := range desks {
				for _, say := range d.socket.collect() {
					messages++
					copies[&say().shared[0]] = true
				}
			}
			return messages, copies
		}
		if n, copies := sent(); n != manyDesks || len(copies) != 1 || c.made.Load() != 1 {
			t.Errorf("at first: %d messages of %d queues, made %d times", n, len(copies), c.made.Load())
		}
		<-c.looked
		c.ring()
		<-c.looked // the desks look again when their pause is over
		if n, copies := sent(); n != manyDesks || len(copies) != 1 || c.made.Load() != 2 {
			t.Errorf("a caller: %d messages of %d queues, made %d times", n, len(copies), c.made.Load())
		}
		c.boards.Touch("harbor") // nothing that a desk shows
		<-c.looked
		if n, _ := sent(); n != 0 || c.made.Load() != 3 {
			t.Errorf("nothing changed: %d messages, made %d times", n, c.made.Load())
		}
		stop()
		running.Wait()
	})
}

func TestWhatIsSharedReadsLikeAnyMessage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 30, 0, 123456789, time.UTC)
	c := newCentre(3)
	c.ring()
	q, b := c.boards.Queue("harbor"), c.boards.Snapshot("harbor")
	for what, pair := range map[string][2]Message{
		"queue": {c.boards.queueShown(tenants.Actor{Tenant: "harbor", User: operatorID(0)}).message(queueMessage), {Type: "queue", Queue: &q}},
		"board": {c.boards.boardShown("harbor").message(boardMessage), {Type: "board", Board: &b}},
	} {
		var texts [2]string
		for i, m := range pair {
			m.Seq, m.At = 18446744073709551615, at
			raw, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = string(raw)
		}
		if texts[0] != texts[1] {
			t.Errorf("%s:\n%s\n%s", what, texts[0], texts[1])
		}
	}
	if q.Operators != 3 || q.Ready != 3 || q.Waiting != 1 || len(b.Operators) != q.Operators {
		t.Errorf("%+v", q)
	}
}

func TestWhoSeesSomeAccountsOnlySharesTheQueueWithTheirLikeOnly(t *testing.T) {
	t.Parallel()
	c := newCentre(4)
	plan := c.boards.cfg.Book.Copy("harbor")
	plan.Operators[1].Accounts = []tenants.AccountID{"lakeside"}
	plan.Operators[2].Accounts = []tenants.AccountID{"lakeside"}
	plan.Operators[3].Accounts = []tenants.AccountID{"prairie"}
	c.ring() // for prairie
	var seen [4]*shown[Queue]
	for i := range seen {
		seen[i] = c.boards.queueShown(tenants.Actor{Tenant: "harbor", User: operatorID(i), Role: tenants.RoleOperator})
	}
	for i, waiting := range []int{1, 0, 0, 1} {
		if got := seen[i].value.Waiting; got != waiting {
			t.Errorf("operator %d sees %d callers, not %d", i, got, waiting)
		}
	}
	if seen[1] != seen[2] || c.made.Load() != 3 {
		t.Errorf("three kinds of people: made %d times", c.made.Load())
	}
}

// BenchmarkAChange is what one more caller costs before many desks: all of it but the writing.
func BenchmarkAChange(b *testing.B) {
	for _, desks := range []int{1, manyDesks} {
		b.Run(fmt.Sprintf("desks=%d", desks), func(b *testing.B) {
			c := newCentre(manyDesks)
			b.ReportAllocs()
			for b.Loop() {
				c.boards.Touch("harbor")
				for range desks {
					if m := c.boards.queueShown(tenants.Actor{Tenant: "harbor", User: operatorID(0)}).message(queueMessage); len(m.shared) == 0 {
						b.Fatal("nothing is shown")
					}
				}
			}
		})
	}
}

// TestAnOperatorsNewestDutyIsShown: a page that took over has the newer one, whatever the older one still says; when it ends, the
// older one is what is left.
func TestAnOperatorsNewestDutyIsShown(t *testing.T) {
	t.Parallel()
	c := newCentre(3)
	began := duty.Event{Type: duty.Began, Who: &duty.Who{Duty: "duty1b", Tenant: "harbor", Operator: operatorID(1), Name: "Operator 1"}}
	shows := func(when string, want tenants.DutyID) {
		t.Helper()
		for id, d := range c.boards.pictures["harbor"].current {
			if id == operatorID(1) && d.state.Duty != want || d.state.Operator != id {
				t.Errorf("%s: %s shows duty %s of %s", when, id, d.state.Duty, d.state.Operator)
			}
		}
		if n := len(c.boards.pictures["harbor"].current); n != 3 {
			t.Errorf("%s: %d operators are on duty", when, n)
		}
	}
	c.fold(journal.Duty, "duty1b", 1, string(duty.Began), began)
	shows("a newer one began", "duty1b")
	c.fold(journal.Duty, "duty1", 5, string(duty.PauseAsked), duty.Event{Type: duty.PauseAsked})
	shows("the older one says something", "duty1b")
	c.fold(journal.Duty, "duty1b", 2, string(duty.Closed), duty.Event{Type: duty.Closed, Reason: "replaced"})
	shows("the newer one ended", "duty1")
	c.fold(journal.Duty, "duty1b", 1, string(duty.Began), began)
	c.fold(journal.Duty, "duty1", 6, string(duty.Closed), duty.Event{Type: duty.Closed, Reason: "replaced"})
	shows("the older one ended", "duty1b")
}
