package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ada    = "0192f0c4-0000-7000-8000-0000000000a1"
	ben    = "0192f0c4-0000-7000-8000-0000000000a2"
	dutyID = "0192f0c4-0000-7000-8000-0000000000d1"
	callID = "0192f0c4-0000-7000-8000-0000000000c1"
)

// limit is how long a test waits for anything.
const limit = 10 * time.Second

type book struct{}

func (book) Copy(t tenants.TenantID) *routing.Copy {
	if t != "harbor" {
		return nil
	}
	return &routing.Copy{
		Tenant: t, Name: "Harbor Answering", State: routing.Live,
		Numbers: []routing.Number{{E164: "+16085550101"}, {E164: "+16085550151", Published: true}},
		Operators: []routing.Operator{
			{ID: ada, Name: "Ada", Role: tenants.RoleOperator, Languages: map[string]routing.Grade{"en": routing.Native}},
			{ID: ben, Name: "Ben", Role: tenants.RoleOperator, Languages: map[string]routing.Grade{"en": routing.Native}},
			{ID: "admin", Name: "Admin", Role: tenants.RoleAdmin},
		},
	}
}

// feed is a journal's subscription in the hands of a test.
type feed struct {
	mu   sync.Mutex
	subs []chan journal.Event
}

func (f *feed) subscribe(buffer int) (<-chan journal.Event, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := make(chan journal.Event, buffer)
	f.subs = append(f.subs, ch)
	return ch, func() {}
}

func (f *feed) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.subs[len(f.subs)-1])
}

func event(kind journal.Kind, id string, seq uint64, name string, data any) journal.Event {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return journal.Event{Tenant: "harbor", Kind: kind, ID: id, Seq: seq, At: time.Now(), Type: name, Data: raw}
}

func invited(id string) journal.Event {
	return event(journal.Call, id, 1, string(call.Invited), call.Event{
		Type: call.Invited, At: time.Now(), Call: tenants.CallID(id),
		Plan: &call.Plan{Tenant: "harbor", Kind: call.ForQueue, OnDuty: 1, Languages: []string{"en"}, Caller: "+16085550177"},
	})
}

// switchboard is a desk and a supervisor that do as the test says.
type switchboard struct {
	mu    sync.Mutex
	show  func(duty.State)
	tell  func(string)
	done  chan live.Command
	left  chan struct{}
	err   error
	reply live.Reply
	actor tenants.Actor
	held  bool // another page has the duty
}

func newSwitchboard() *switchboard {
	return &switchboard{done: make(chan live.Command, 100), left: make(chan struct{}, 10)}
}

func (s *switchboard) SignOn(_ context.Context, a tenants.Actor, resume tenants.DutyID, show func(duty.State), tell func(string)) (live.Seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.show, s.tell, s.actor = show, tell, a
	state := duty.State{Duty: dutyID, Tenant: a.Tenant, Operator: a.User, Phase: duty.Checking, Checked: resume != "", Socket: s.held}
	show(state)
	if state.Socket = true; s.held {
		show(state) // and the new page has it
	}
	return s, nil
}

func (s *switchboard) Do(_ context.Context, c live.Command) (live.Reply, error) {
	s.done <- c
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reply, s.err
}

func (s *switchboard) Leave() { s.left <- struct{}{} }

func (s *switchboard) Order(_ context.Context, a tenants.Actor, c live.Command) error {
	s.mu.Lock()
	s.actor = a
	s.mu.Unlock()
	s.done <- c
	return s.err
}

// tickets: "harbor/role" opens whatever the role may; each once.
type tickets struct {
	mu   sync.Mutex
	used map[string]bool
}

func (k *tickets) Redeem(ticket, purpose string) (tenants.Actor, tenants.DutyID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	parts := strings.Split(ticket, "/")
	if len(parts) < 3 || parts[0] != purpose || k.used[ticket] {
		return tenants.Actor{}, "", errors.New("no such ticket")
	}
	k.used[ticket] = true
	a := tenants.Actor{Tenant: "harbor", User: ada, Name: "Ada", Role: tenants.Role(parts[1]), Session: "s1"}
	if parts[2] == "resume" {
		return a, dutyID, nil
	}
	return a, "", nil
}

func (k *tickets) DutySecret(_ tenants.Actor, d tenants.DutyID) string {
	return "secret of " + string(d)
}

type bench struct {
	t      *testing.T
	server *live.Server
	boards *live.Boards
	feed   *feed
	board  *switchboard
	url    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchWith(t, func(*live.Config) {})
}

// newBenchWith lets the test say what else its server has.
func newBenchWith(t *testing.T, also func(*live.Config)) *bench {
	t.Helper()
	b := &bench{t: t, feed: &feed{}, board: newSwitchboard()}
	log := slog.New(slog.DiscardHandler)
	b.boards = live.NewBoards(live.BoardsConfig{Book: book{}, Subscribe: b.feed.subscribe, Log: log})
	b.boards.Start()
	cfg := live.Config{
		Origins: []string{"https://answer.example"}, Tickets: &tickets{used: map[string]bool{}}, Desk: b.board, Supervisor: b.board,
		Boards: b.boards, Log: log,
	}
	also(&cfg)
	b.server = live.NewServer(cfg)
	mux := http.NewServeMux()
	mux.Handle("/desk/socket", b.server.DeskSocket())
	mux.Handle("/portal/socket", b.server.PortalSocket())
	s := httptest.NewServer(mux)
	b.url = s.URL
	t.Cleanup(func() {
		if err := b.server.Stop(); err != nil {
			t.Error(err)
		}
		s.Close()
		b.boards.Stop()
	})
	return b
}

// page is one side of a socket.
type page struct {
	t    *testing.T
	conn *websocket.Conn
	seq  uint64
}

func (b *bench) dial(path, origin string) (*websocket.Conn, int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	defer cancel()
	head := http.Header{}
	if origin != "" {
		head.Set("Origin", origin)
	}
	conn, res, err := websocket.Dial(ctx, b.url+path, &websocket.DialOptions{HTTPHeader: head})
	if err != nil {
		if res == nil {
			b.t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	conn.SetReadLimit(1 << 20)
	b.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, http.StatusSwitchingProtocols
}

func (b *bench) open(path string) *page {
	b.t.Helper()
	conn, status := b.dial(path, "https://answer.example")
	if conn == nil {
		b.t.Fatalf("%s: %d", path, status)
	}
	return &page{t: b.t, conn: conn}
}

func (p *page) send(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// next reads on until a message fits.
func (p *page) next(fits func(live.Message) bool) live.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	for {
		_, data, err := p.conn.Read(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		var m live.Message
		if err := json.Unmarshal(data, &m); err != nil {
			p.t.Fatal(err)
		}
		if m.Seq != p.seq+1 {
			p.t.Fatalf("message %d after %d", m.Seq, p.seq)
		}
		p.seq = m.Seq
		if fits(m) {
			return m
		}
	}
}

func kind(name string) func(live.Message) bool {
	return func(m live.Message) bool { return m.Type == name }
}

func answerTo(id string) func(live.Message) bool {
	return func(m live.Message) bool { return m.ID == id }
}

// closed reads until the server closes.
func (p *page) closed() error {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	for {
		if _, _, err := p.conn.Read(ctx); err != nil {
			if ctx.Err() != nil {
				p.t.Fatal("the server did not close the socket")
			}
			return err
		}
	}
}
