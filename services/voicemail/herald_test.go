package voicemail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crier is an outbox that knows whom it was told of, once each; ill, it takes nothing.
type crier struct {
	mu    sync.Mutex
	ill   bool
	seen  map[string]bool
	heard chan notify.Notice
}

func newCrier() *crier { return &crier{seen: map[string]bool{}, heard: make(chan notify.Notice, 100)} }

func (c *crier) Tell(_ context.Context, n notify.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ill {
		return errors.New("the disk is full")
	}
	if key := n.Key + n.To; !c.seen[key] {
		c.seen[key] = true
		c.heard <- n
	}
	return nil
}

func (c *crier) next(t *testing.T) notify.Notice {
	t.Helper()
	select {
	case n := <-c.heard:
		return n
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
		return notify.Notice{}
	}
}

func theBook() *routing.Book {
	b := &routing.Book{}
	b.Put(&routing.Copy{
		Tenant: "duna", Zone: "Europe/Budapest", Language: "en", Notify: []string{"admin@duna.example", "Office@kovacs.example"},
		Accounts: []routing.Account{
			{ID: "kovacs", Name: "Kovács Fogászat", Languages: []string{"hu"}, Notify: []string{"office@kovacs.example"}, MailAudio: true},
		},
	})
	b.Put(&routing.Copy{Tenant: "quiet", Zone: "UTC", Notify: []string{"all@quiet.example"}})
	b.Put(&routing.Copy{Tenant: "mute", Zone: "UTC", Accounts: []routing.Account{{ID: "silent"}}})
	return b
}

// left is the events of a call that left a message and whose node died then or closed it in order.
func left(tenant tenants.TenantID, account tenants.AccountID, id string, at time.Time) []journal.Event {
	facts := []call.Event{
		{Type: call.Invited, Call: tenants.CallID(id), Plan: &call.Plan{
			Tenant: tenant, Account: account, AccountName: string(account), Caller: "+3615550199", Called: "+3615550201", Kind: call.ForStandby, Languages: []string{"hu"},
		}},
		{Type: call.NodeLost, Take: &call.Take{N: 1, Voicemail: tenants.VoicemailID("v-" + id), StartedAt: at, Stopped: true, DurationMS: 62_400}},
	}
	var out []journal.Event
	for i, f := range facts {
		f.At = at.Add(time.Duration(i) * time.Second)
		data, _ := json.Marshal(f)
		out = append(out, journal.Event{
			Tenant: tenant, Kind: journal.Call, ID: id, Seq: uint64(i + 1), At: f.At, Type: string(f.Type), Final: i == len(facts)-1, Data: data,
		})
	}
	return out
}

func TestEveryoneWhoWantsToKnowIsToldOfAMessageOnceAndAfterACrashToo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	open := func() *journal.Journal {
		j, err := journal.Open(journal.Config{Dir: dir, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := open()
	at := time.Now().Add(-time.Minute)
	for _, e := range left("duna", "kovacs", "c1", at) { // and nobody hears it: the process dies
		j.Append(e)
	}
	for _, e := range left("duna", "kovacs", "c-old", at.Add(-2*newsFor)) {
		j.Append(e)
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}

	j = open()
	defer func() { _ = j.Stop() }()
	c := newCrier()
	h := NewHerald(HeraldConfig{Journal: j, Book: theBook(), Teller: c, PublicURL: "https://answer.example"})
	h.Start()
	defer h.Stop()
	office, admin := c.next(t), c.next(t)
	if office.To != "office@kovacs.example" || office.Language != "hu" || admin.To != "admin@duna.example" || admin.Language != "en" {
		t.Errorf("told were %+v and %+v", office, admin)
	}
	budapest, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"account_name": "kovacs", "caller": "+3615550199", "duration": "1:02", "link": "https://answer.example/portal#/voicemail/v-c1", "audio": "v-c1",
		"at": at.In(budapest).Format(time.RFC3339),
	}
	for name, value := range want {
		if office.Data[name] != value {
			t.Errorf("the mail's %s is %q, want %q", name, office.Data[name], value)
		}
	}
	for _, e := range left("mute", "silent", "c3", at) {
		j.Append(e)
	}
	for _, e := range left("duna", "kovacs", "c2", at) { // while it listens
		j.Append(e)
	}
	if n := c.next(t); n.Key != "v-c2" {
		t.Errorf("told was %+v", n)
	}
	if open := j.Alarms("mute"); len(open) != 1 || open[0].Key != AlarmUntold+"silent" {
		t.Errorf("of an account that has no address the alarms are %+v", open)
	}
	if n := c.next(t); n.Key != "v-c2" || len(c.heard) != 0 {
		t.Errorf("told was %+v, and %d more", n, len(c.heard))
	}
}

// A disk that keeps notices more slowly than callers leave messages, while what is shipped leaves it as soon as it may.
func TestEveryoneIsToldHoweverFarTheOutboxIsBehind(t *testing.T) {
	t.Parallel()
	const batch, more, last = 400, 2500, 2 // of two events each, some fifty to a segment
	dir, stored := filepath.Join(t.TempDir(), "spool"), make(depot, 2*(1+batch+more+last))
	disk := stuck{asked: make(chan string, 2+1+batch+more+last), goesOn: make(chan struct{})}
	j, h := heralded(t, dir, disk)
	leave := func(name string, messages int) {
		for n := range messages {
			for _, e := range left("quiet", "", fmt.Sprint(name, n), time.Now()) {
				j.Append(e)
			}
		}
	}
	told := make([]string, 2)
	leave("one", 1)
	told[0] = <-disk.asked
	leave("batch", batch)
	disk.goesOn <- struct{}{}
	told[1] = <-disk.asked // the herald has read all of the batch, and tells of its first
	leave("more", more)
	s := journal.NewShipper(journal.ShipperConfig{Journal: j, Store: stored})
	s.Start()
	distinct(t, "are shipped", 1+batch+more, stored)
	h.cancel()
	disk.goesOn <- struct{}{}
	h.Stop()              // and the next start tells the others
	for n := range last { // what may go is gone when the second is shipped
		leave(fmt.Sprint("last", n), 1)
		distinct(t, "are shipped", 1, stored)
	}
	s.Stop()
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}

	heralded(t, dir, disk)
	close(disk.goesOn)
	disk.asked <- told[0]
	disk.asked <- told[1]
	distinct(t, "were told", 1+batch+more+last, disk.asked)
}

// heralded is a journal of small segments with a herald.
func heralded(t *testing.T, dir string, teller notify.Teller) (*journal.Journal, *Herald) {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: dir, Node: "n1", SegmentBytes: 40_000})
	if err != nil {
		t.Fatal(err)
	}
	h := NewHerald(HeraldConfig{Journal: j, Book: theBook(), Teller: teller})
	h.Start()
	t.Cleanup(func() { h.Stop(); _ = j.Stop() })
	return j, h
}

// depot is a store that says which calls it has to their ends.
type depot chan string

func (d depot) Ship(ctx context.Context, events []journal.Event) error {
	for _, e := range events {
		if e.Kind != journal.Call || !e.Final {
			continue
		}
		select {
		case d <- e.ID:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// distinct waits until so many different ones have come: what is shipped or told again counts once.
func distinct(t *testing.T, what string, want int, from <-chan string) {
	t.Helper()
	limit := time.After(time.Minute)
	for seen := map[string]bool{}; len(seen) < want; {
		select {
		case one := <-from:
			seen[one] = true
		case <-limit:
			t.Fatalf("within a minute %d of %d %s", len(seen), want, what)
		}
	}
}

// stuck is an outbox whose disk stands still.
type stuck struct {
	asked  chan string // keys of the notices
	goesOn chan struct{}
}

func (s stuck) Tell(_ context.Context, n notify.Notice) error {
	s.asked <- n.Key
	<-s.goesOn
	return nil
}

// A call that was carried on has older events behind newer ones on the disk, when its node dies.
func TestAMessageOfACallThatWasCarriedOnIsTold(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	events := left("duna", "kovacs", "c1", time.Now())
	begin, end := events[0], events[1]
	later := begin // one that says nothing new
	later.Seq, later.Type, later.Data, end.Seq = 2, "hint", []byte(`{"type":"hint"}`), 3
	for _, run := range [][]journal.Event{{later, begin}, {end}} {
		j, err := journal.Open(journal.Config{Dir: dir, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range run {
			j.Append(e)
		}
		if len(run) == 1 {
			c := newCrier()
			h := NewHerald(HeraldConfig{Journal: j, Book: theBook(), Teller: c, PublicURL: "https://answer.example"})
			h.Start()
			if n := c.next(t); n.Key != "v-c1" {
				t.Errorf("told was %+v", n)
			}
			h.Stop()
		}
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatTheOutboxDoesNotTakeIsOfferedAgain(t *testing.T) {
	t.Parallel()
	c := newCrier()
	c.ill = true
	h := NewHerald(HeraldConfig{Journal: nobodys{}, Book: theBook(), Teller: c})
	for _, e := range left("duna", "kovacs", "c1", time.Now()) {
		h.hear(e)
	}
	h.retell()
	c.mu.Lock()
	c.ill = false
	c.mu.Unlock()
	h.retell()
	if n := c.next(t); n.Key != "v-c1" || len(h.untold) != 0 {
		t.Errorf("told was %+v, untold are %+v", n, h.untold)
	}
}

// nobodys is a journal without alarms.
type nobodys struct{ Tape }

func (nobodys) Raise(tenants.TenantID, string, string, journal.Severity) {}
func (nobodys) Clear(tenants.TenantID, string)                           {}

// always has one tenant to remind.
type always struct{ Unhandled }

func (a always) Remind(_ context.Context, _ time.Time, _, _ time.Duration, told func(tenants.TenantID, Unhandled) error) error {
	return told("duna", a.Unhandled)
}

func TestAReminderSaysHowManyWaitAndSinceWhen(t *testing.T) {
	t.Parallel()
	c := newCrier()
	at := time.Date(2026, 11, 22, 13, 2, 0, 0, time.UTC)
	r := NewReminder(ReminderConfig{
		Waiting: always{Unhandled{Count: 3, Urgent: 1, Oldest: &at}}, Book: theBook(), Teller: c, PublicURL: "https://answer.example",
		Now: func() time.Time { return at.Add(time.Hour) },
	})
	if err := r.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := c.next(t)
	if n.To != "admin@duna.example" || n.Kind != notify.Reminder || n.Data["count"] != "3" || n.Data["oldest"] != "2026-11-22T14:02:00+01:00" || n.Data["link"] != "https://answer.example/portal#/voicemail" || n.Data["urgent"] != "yes" {
		t.Errorf("%+v", n)
	}
}
