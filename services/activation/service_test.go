package activation_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/services/activation"
	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	eszter tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000001"
	gabor  tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000002"
	reka   tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000003"
	zoe    tenants.OperatorID = "0190b5a0-0000-7000-8000-000000000004"
)

// past is when duna was put on standby.
var past = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func duna() *routing.Copy {
	c := &routing.Copy{
		Tenant: "duna", Name: "Duna Hívásközpont", Zone: "Europe/Budapest", Country: "HU", Language: "hu", State: routing.Standby, Since: past,
		Accounts: []routing.Account{
			{ID: "budai-gyorsszerviz", Name: "Budai Gyorsszerviz", Country: "HU"},
			{ID: "kovacs-fogaszat", Name: "Kovács Fogászat", Country: "HU", Priority: 10, Medical: true},
		},
		Numbers: []routing.Number{
			{E164: "+3615550201", Account: "kovacs-fogaszat"},
			{E164: "+3615550202", Account: "budai-gyorsszerviz"},
			{E164: "+3615550251", Account: "kovacs-fogaszat", Published: true},
			{E164: "+3615550252", Account: "kovacs-fogaszat", Published: true},
		},
		Operators: []routing.Operator{
			{ID: eszter, Name: "Eszter", Email: "eszter@duna.example", Role: tenants.RoleOperator},
			{ID: gabor, Name: "Gábor", Email: "gabor@duna.example", Role: tenants.RoleOperator},
			{ID: reka, Name: "Réka", Email: "admin@duna.example", Role: tenants.RoleAdmin},
		},
	}
	c.Sort()
	return c
}

// node is one node with its disk.
type node struct {
	t       *testing.T
	dir     string
	journal *journal.Journal
	book    *routing.Book
	s       *activation.Service
	moved   chan struct{}

	mu    sync.Mutex
	ready []tenants.OperatorID
	mails []notify.Notice
	burnt map[string]bool // nil: the database is away
}

// Tell takes mails.
func (n *node) Tell(_ context.Context, m notify.Notice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mails = append(n.mails, m)
	return nil
}

// Link and Linked make tokens anybody could: what they are worth is tested where they are made.
func (n *node) Link(a tenants.Actor, id string, _ time.Time) (string, error) {
	return string(a.Tenant) + "|" + string(a.User) + "|" + id, nil
}

func (n *node) Linked(token string) (tenants.Actor, string, error) {
	f := strings.Split(token, "|")
	if len(f) != 3 {
		return tenants.Actor{}, "", errors.New("no")
	}
	return tenants.Actor{Tenant: tenants.TenantID(f[0]), User: tenants.OperatorID(f[1])}, f[2], nil
}

func (n *node) Burn(_ context.Context, t tenants.TenantID, link string, o tenants.OperatorID, _ time.Time) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.burnt == nil {
		return false, errors.New("away")
	}
	key := string(t) + link + string(o)
	fresh := !n.burnt[key]
	n.burnt[key] = true
	return fresh, nil
}

func start(t *testing.T, dir string) *node {
	t.Helper()
	n := &node{t: t, dir: dir, book: &routing.Book{}, moved: make(chan struct{}, 1)}
	n.book.Put(duna(), &routing.Copy{Tenant: "mesa", Name: "Mesa", State: routing.Live, Since: past, Operators: []routing.Operator{{ID: zoe, Name: "Zoe", Role: tenants.RoleOperator}}})
	var err error
	if n.journal, err = journal.Open(journal.Config{Dir: dir + "/spool", Node: "n1", Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	n.s = activation.New(activation.Config{
		Node: "n1", Dir: dir + "/activation", Journal: n.journal, Book: n.book, Links: n, Burner: n, Teller: n, URL: "https://holdfast.example",
		Ready: func(tenant tenants.TenantID) []tenants.OperatorID {
			n.mu.Lock()
			defer n.mu.Unlock()
			if tenant != "duna" {
				return nil
			}
			return n.ready
		},
		Moved: func(tenants.TenantID) {
			select {
			case n.moved <- struct{}{}:
			default:
			}
		},
		Log: slog.New(slog.DiscardHandler),
	})
	n.s.Restore()
	n.s.Start()
	t.Cleanup(n.end)
	return n
}

func (n *node) end() {
	n.s.Stop()
	_ = n.journal.Stop()
}

// until waits for what the service tells, or the limit.
func (n *node) until(what string, ok func(activation.View) bool) activation.View {
	n.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		v := n.s.View("duna")
		if ok(v) {
			return v
		}
		select {
		case <-n.moved:
		case <-limit.C:
			n.t.Fatalf("%s: %+v", what, v)
		}
	}
}

var admin = tenants.Actor{Tenant: "duna", User: reka, Name: "Réka", Role: tenants.RoleAdmin}

func (n *node) activate(state routing.State, cause string) activation.View {
	n.t.Helper()
	v, err := n.s.Activate(n.t.Context(), admin, state, cause)
	if err != nil {
		n.t.Fatal(err)
	}
	return v
}

func (n *node) events() map[string]int {
	n.t.Helper()
	found := map[string]int{}
	if err := n.journal.Replay(journal.Cursor{}, func(e journal.Event) error {
		if e.Kind == journal.Activation {
			found[e.Type]++
		}
		return nil
	}); err != nil {
		n.t.Fatal(err)
	}
	return found
}

func TestTwoWhoPressTogetherHaveOneActivationAndItOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, dir)
	var both sync.WaitGroup
	for _, cause := range []string{"storm", "flood"} {
		both.Go(func() {
			if v, err := n.s.Activate(context.Background(), admin, routing.Live, cause); err != nil || !v.State.Live {
				t.Errorf("%+v, %v", v, err)
			}
			if n.book.Copy("duna").State != routing.Live {
				t.Error("who was told that it is live finds standby")
			}
		})
	}
	both.Wait()
	n.until("two operators are paged", func(v activation.View) bool { return v.Paged == 2 })
	if found := n.events(); found["declared"] != 1 || found["switched"] != 1 || found["paged"] != 1 {
		t.Errorf("the journal: %v", found)
	}
	before := n.s.View("duna")
	n.end()

	again := start(t, dir) // its routing copy is the old one: the database was away all the time
	v := again.s.View("duna")
	if !v.State.Live || v.State.Cause != before.State.Cause || v.Paged != 2 || again.book.Copy("duna").State != routing.Live {
		t.Errorf("after a restart: %+v", v)
	}
	late := duna() // the database comes back, and has not heard yet
	again.book.Put(late)
	if again.book.Copy("duna").State != routing.Live {
		t.Error("an old copy took back what was pressed")
	}
	told := duna()
	told.State, told.Since, told.Cause = routing.Live, v.State.Since, v.State.Cause
	again.book.Put(told)
	if got := again.s.View("duna"); !got.State.Live || got.Paged != 2 {
		t.Errorf("when the database had heard: %+v", got)
	}
	again.activate(routing.Standby, "over")
	if again.book.Copy("duna").State != routing.Standby || again.s.View("duna").State.Cause != "over" {
		t.Error("not stood down")
	}
	elsewhere := duna() // pressed on a node that we do not hear
	elsewhere.State, elsewhere.Since, elsewhere.Cause = routing.Live, time.Now().Add(time.Hour).UTC(), "elsewhere"
	again.book.Put(elsewhere)
	if got := again.s.View("duna"); !got.State.Live || got.State.Cause != "elsewhere" || got.Paged != 0 {
		t.Errorf("a later copy: %+v", got)
	}
}

func TestALinkSignsInOnceAndNobodyElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, dir)
	n.activate(routing.Live, "storm")
	v := n.until("paged", func(v activation.View) bool { return v.Paged == 2 })
	mail := n.mails[0]
	if len(n.mails) != 2 || mail.Kind != notify.Activation || mail.To != "eszter@duna.example" || mail.Language != "hu" || mail.Data["cause"] != "storm" || mail.Data["by"] != "Réka" {
		t.Fatalf("mails %+v", n.mails)
	}
	token, ok := strings.CutPrefix(mail.Data["link"], "https://holdfast.example/desk#/in/")
	if !ok {
		t.Fatalf("link %q", mail.Data["link"])
	}
	open := func(n *node, token string) (tenants.Actor, error) { return n.s.Open(t.Context(), token) }
	for _, wrong := range []string{"", "garbage", "mesa|" + string(zoe) + "|" + v.State.Activation, "duna|" + string(zoe) + "|" + v.State.Activation, "duna|" + string(eszter) + "|another"} {
		if a, err := open(n, wrong); !errors.Is(err, activation.ErrUsed) {
			t.Errorf("%q signs in %+v, %v", wrong, a, err)
		}
	}
	if a, err := open(n, token); err != nil || a.User != eszter || a.Name != "Eszter" || a.Tenant != "duna" || a.Role != tenants.RoleOperator {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := open(n, token); !errors.Is(err, activation.ErrUsed) {
		t.Errorf("a second use: %v", err)
	}
	n.mu.Lock()
	n.ready = []tenants.OperatorID{eszter}
	n.mu.Unlock()
	v = n.until("ready", func(v activation.View) bool { return v.Ready == 1 })
	if v.Paged != 2 || v.Opened != 1 || v.State.Clocks.Ready.IsZero() {
		t.Errorf("%+v", v)
	}
	n.end()
	again := start(t, dir)
	if _, err := open(again, token); !errors.Is(err, activation.ErrUsed) {
		t.Errorf("a use after a restart: %v", err)
	}
	again.burnt = map[string]bool{"duna" + v.State.Activation + string(gabor): true} // used on another node
	second := strings.Replace(token, string(eszter), string(gabor), 1)
	if _, err := open(again, second); !errors.Is(err, activation.ErrUsed) {
		t.Errorf("used on another node: %v", err)
	}
	again.activate(routing.Standby, "over")
	again.activate(routing.Live, "again")
	if _, err := open(again, token); !errors.Is(err, activation.ErrUsed) {
		t.Errorf("the link of an activation that is over: %v", err)
	}
}

func (n *node) calls(id, kind string, account tenants.AccountID, diverted string) {
	e := call.Event{Type: call.Type(kind), At: time.Now(), Call: tenants.CallID(id), Operator: eszter}
	if kind == string(call.Invited) {
		e.Plan = &call.Plan{Tenant: "duna", Account: account, Kind: call.ForQueue, Candidates: []call.Candidate{{Source: "diversion", Number: diverted}}}
	}
	data, _ := json.Marshal(e)
	n.journal.Append(journal.Event{Tenant: "duna", Kind: journal.Call, ID: id, Seq: 1, At: e.At, Type: kind, Data: data})
}

func TestTheSheetIsWorkedOffByTwoAndProvenByCalls(t *testing.T) {
	t.Parallel()
	n := start(t, t.TempDir())
	rows := n.s.Sheet("duna").Rows
	if len(rows) != 3 || rows[0].Number != "+3615550251" || rows[2].Number != "+3615550202" || rows[2].Published || rows[0].ForwardTo != "+3615550201" {
		t.Fatalf("rows %+v", rows)
	}
	var fixed, mobile activation.Code
	for _, c := range rows[0].Codes {
		switch c.Carrier {
		case "hu-telekom":
			fixed = c
		case "hu-mobile":
			mobile = c
		}
	}
	if fixed.On != "*21*0615550201#" || fixed.OnLink != "tel:*21*0615550201%23" || fixed.Off != "#21#" || mobile.On != "**21*+3615550201#" {
		t.Errorf("codes %+v %+v", fixed, mobile)
	}
	n.activate(routing.Live, "storm")
	mark := func(number string, m activation.Mark, why string) error {
		return n.s.Mark(t.Context(), admin, number, m, why)
	}
	if err := mark("+3615550251", activation.MarkDialled, ""); err != nil {
		t.Fatal(err)
	}
	if err := mark("+3615550252", activation.MarkFailed, "busy tone"); err != nil {
		t.Fatal(err)
	}
	if err := mark("+16085550101", activation.MarkDialled, ""); !errors.Is(err, activation.ErrNotFound) {
		t.Errorf("another's number: %v", err)
	}
	if err := mark("+3615550251", activation.MarkProven, ""); !errors.Is(err, activation.ErrNotFound) {
		t.Errorf("proof by hand: %v", err)
	}
	sheet := n.s.Sheet("duna")
	if sheet.Dialed != 1 || sheet.Done != 0 || sheet.Left != 2*90*time.Second || sheet.Rows[1].Progress.Why != "busy tone" || sheet.Rows[0].Progress.ByName != "Réka" {
		t.Errorf("%+v", sheet)
	}
	n.calls("c1", string(call.Invited), "kovacs-fogaszat", "+3615550252")
	n.calls("c2", string(call.Invited), "kovacs-fogaszat", "+3670999999") // names neither: proves nothing, there are two
	n.calls("c3", string(call.Invited), "budai-gyorsszerviz", "")         // the only number of that account
	n.calls("c1", string(call.Accepted), "", "")
	v := n.until("two numbers are proven and a call is answered", func(v activation.View) bool { return v.Proven == 2 && !v.State.Clocks.Answered.IsZero() })
	if v.State.Clocks.Called.IsZero() || v.Numbers != 3 {
		t.Errorf("%+v", v)
	}
	if got := n.s.Sheet("duna").Rows[1].Progress; got.Mark != activation.MarkProven || got.Call != "c1" {
		t.Errorf("%+v", got)
	}
	if err := mark("+3615550252", activation.MarkNone, ""); err != nil {
		t.Fatal(err)
	}
	if n.s.Sheet("duna").Rows[1].Progress.Mark != activation.MarkProven {
		t.Error("a proof was taken back by hand")
	}
	if n.s.View("mesa").State.Version != 0 || len(n.s.Sheet("mesa").Rows) != 0 {
		t.Error("mesa has something of duna's")
	}
}

func TestNodesThatHearOfEachOtherAgree(t *testing.T) {
	t.Parallel()
	a, b := start(t, t.TempDir()), start(t, t.TempDir())
	first := a.activate(routing.Live, "storm")
	b.activate(routing.Live, "flood")
	tell := func(from, to *node) {
		if err := from.journal.Replay(journal.Cursor{}, func(e journal.Event) error { to.s.Hear(e); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	tell(a, b)
	tell(b, a)
	for _, n := range []*node{a, b} {
		if v := n.s.View("duna"); v.State.Cause != "storm" || v.State.Activation != first.State.Activation {
			t.Errorf("%+v", v.State)
		}
	}
	b.activate(routing.Standby, "over")
	tell(b, a)
	if a.book.Copy("duna").State != routing.Standby {
		t.Error("the other node goes on")
	}
}
