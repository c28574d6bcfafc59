package isolation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/services/accounts"
	"holdfast/services/accounts/accountsql"
	"holdfast/services/activation"
	"holdfast/services/call"
	"holdfast/services/directory"
	"holdfast/services/directory/directorysql"
	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/services/interim"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/notify"
	"holdfast/services/notify/notifysql"
	"holdfast/services/numbers"
	"holdfast/services/numbers/numbersql"
	"holdfast/services/telephone"
	"holdfast/services/telephone/telephonesql"
	"holdfast/services/ticket"
	"holdfast/services/ticket/ticketsql"
	"holdfast/services/voicemail/voicemailsql"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
	"holdfast/web/api"
	"holdfast/web/live"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

const (
	harborCall  = "0192f0c4-0000-7000-8000-000000000001"
	harborLive  = "0192f0c4-0000-7000-8000-000000000002"
	harborVoice = "0192f0c4-0000-7000-8000-000000000003"
	mesaCall    = "0192f0c4-0000-7000-8000-000000000004"
	mesaVoice   = "0192f0c4-0000-7000-8000-000000000005"

	harborTicket = "0192f0c4-0000-7000-8000-000000000006"
	mesaTicket   = "0192f0c4-0000-7000-8000-000000000007"

	prairieCall   = "0192f0c4-0000-7000-8000-000000000008"
	prairieLive   = "0192f0c4-0000-7000-8000-000000000009"
	prairieVoice  = "0192f0c4-0000-7000-8000-00000000000a"
	prairieTicket = "0192f0c4-0000-7000-8000-00000000000b"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// origin is the pages' in these tests.
const origin = "http://127.0.0.1:8080"

// nobody takes no orders.
type nobody struct{}

func (nobody) Order(context.Context, tenants.Actor, live.Command) error { return nil }

type house struct {
	t       *testing.T
	handler http.Handler
	book    *routing.Book
	compile func() error
	tokens  map[string]string // by e-mail
	person  string            // one of harbor's
	user    string            // Ada's
}

func newHouse(t *testing.T) *house {
	t.Helper()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := demo.Load(t.Context(), db, netip.MustParsePrefix("127.0.0.0/16")); err != nil {
		t.Fatal(err)
	}
	book := &routing.Book{}
	compiler := numbers.New(numbers.Config{Source: numbersql.New(db), Shelf: numbers.Shelf{Dir: t.TempDir()}, Book: book})
	if err := compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := identity.OpenKeys(filepath.Join(t.TempDir(), "token"))
	if err != nil {
		t.Fatal(err)
	}
	rows := identitysql.New(db)
	people, err := identity.New(identity.Config{Credentials: rows, Sessions: rows, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Stop() })
	boards := live.NewBoards(live.BoardsConfig{Book: book})
	sockets := live.NewServer(live.Config{
		Origins: []string{origin}, Tickets: api.People{Service: people}, Supervisor: nobody{}, Boards: boards,
	})
	t.Cleanup(func() { _ = sockets.Stop() })
	ship(t, journalsql.New(db, nil, voicemailsql.Project, ticketsql.Project, notifysql.Project), boards)
	archive := ticketsql.Queries{DB: db}
	activations := activation.New(activation.Config{Node: "n1", Dir: t.TempDir(), Journal: j, Book: book, Links: people})
	desk := ticket.NewDesk(ticket.DeskConfig{Journal: j, Dir: t.TempDir(), Archive: archive})
	desk.Start()
	t.Cleanup(desk.Stop)
	ledger := api.Ledger{
		History: journalsql.Queries{DB: db}, Messages: voicemailsql.Queries{DB: db}, Writer: j, Node: "n1", Now: time.Now,
	}
	plan := accounts.New(accounts.Config{
		Store: accountsql.Store{DB: db}, Book: book,
		Done: func(ctx context.Context, _ tenants.Actor, _ string, _ any) error { return compiler.Check(ctx) },
	})
	handler, err := api.Handler(api.Config{
		Ports: api.Ports{
			Sessions: api.People{Service: people}, Tickets: api.People{Service: people}, Boards: boards, Book: book, Calls: ledger,
			Voicemails: ledger, Alarms: ledger, Desk: desk, Archive: archive, Notices: notifysql.Queries{DB: db}, Explainer: api.Routes{Book: book}, Accounts: plan,
			Listings: directory.NewEditor(directorysql.New(db), nil, nil), Interim: interim.New(interim.Config{Node: "n1", Journal: j, Book: book}), SignedOut: sockets.SignedOut,
			Staff: identity.NewStaff(identity.StaffConfig{Service: people, Members: rows}),
			Telephones: telephone.New(telephone.Config{
				Store: telephonesql.Store{DB: db}, Where: func(string) telephone.Where { return telephone.Where{} },
				Seal: func(_ string, secret []byte) []byte { return secret },
				Done: func(ctx context.Context, _ tenants.Actor, _ string, _ map[string]any) error {
					return compiler.Check(ctx)
				},
			}),
			Activator: activations, Entrance: api.Doors{Links: activations, People: people},
		},
		PublicURL: origin, PortalSocket: sockets.PortalSocket(),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, handler: handler, book: book, compile: func() error { return compiler.Check(t.Context()) }, user: string(book.Copy("harbor").Operators[0].ID), tokens: map[string]string{}, person: string(book.Copy("harbor").PeopleOf("lakeside-cardiology")[0].ID)}
	for _, email := range []string{"ada@harbor.example", "ben@harbor.example", "admin@harbor.example", "zoe@mesa.example", "admin@mesa.example", "noc@holdfast.example"} {
		var s api.Session
		got := h.do("POST", "/api/v1/sessions", "", `{"email":"`+email+`","password":"`+demo.Password+`"}`)
		if err := json.Unmarshal(got.Body.Bytes(), &s); err != nil || got.Code != 201 {
			t.Fatalf("%s: %d %s", email, got.Code, got.Body)
		}
		h.tokens[email] = s.AccessToken
	}
	return h
}

// ship writes one call with a message for each of harbor and mesa, an alarm of harbor's, and a live call of harbor's.
func ship(t *testing.T, s *journalsql.Store, boards *live.Boards) {
	t.Helper()
	for _, c := range []struct {
		tenant    tenants.TenantID
		account   tenants.AccountID
		id, voice string
		caller    string
	}{
		{"harbor", "lakeside-cardiology", harborCall, harborVoice, "+16085550177"},
		{"harbor", "prairie-plumbing", prairieCall, prairieVoice, "+16085550166"},
		{"mesa", "red-rock-dental", mesaCall, mesaVoice, "+16085550188"},
	} {
		events := told(c.tenant, c.id,
			call.Event{Type: call.Invited, Call: tenants.CallID(c.id), Plan: &call.Plan{
				Tenant: c.tenant, Account: c.account, AccountName: string(c.account), Caller: c.caller, Called: "+16085550101",
				CallerName: "caller of " + string(c.tenant), Kind: call.ForQueue, Languages: []string{"en"},
			}},
			call.Event{Type: call.NodeLost, Take: &call.Take{N: 1, Voicemail: tenants.VoicemailID(c.voice), StartedAt: noon, DurationMS: 4200, CutShort: true}},
		)
		if err := s.Ship(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	shipTickets(t, s)
	shipNotices(t, s)
	data, _ := json.Marshal(journal.AlarmData{Text: "something of harbor's", Severity: journal.Warning, Since: noon, Count: 1})
	alarm := journal.Event{Tenant: "harbor", Kind: journal.Alarm, ID: "harbor-alarm", Seq: 1, At: noon, Node: "n1", Type: journal.TypeRaised, Data: data}
	ended := alarm
	ended.Seq, ended.Type, ended.Final = 2, journal.TypeCleared, true
	if err := s.Ship(t.Context(), []journal.Event{alarm, ended}); err != nil {
		t.Fatal(err)
	}
	boards.Fold(alarm)
	for _, l := range []struct {
		id      string
		account tenants.AccountID
		caller  string
	}{{harborLive, "lakeside-cardiology", "+16085550177"}, {prairieLive, "prairie-plumbing", "+16085550166"}} {
		for _, e := range told("harbor", l.id, call.Event{Type: call.Invited, Call: tenants.CallID(l.id), Plan: &call.Plan{
			Tenant: "harbor", Account: l.account, AccountName: string(l.account), Caller: l.caller, Kind: call.ForQueue, OnDuty: 1,
		}}, call.Event{Type: call.Answering}) {
			boards.Fold(e)
		}
	}
}

// shipTickets writes one delivered message for each of harbor and mesa.
func shipTickets(t *testing.T, s *journalsql.Store) {
	t.Helper()
	for _, k := range []struct {
		tenant   tenants.TenantID
		account  tenants.AccountID
		id, call string
		caller   string
	}{
		{"harbor", "lakeside-cardiology", harborTicket, harborCall, "+16085550177"},
		{"harbor", "prairie-plumbing", prairieTicket, prairieCall, "+16085550166"},
		{"mesa", "red-rock-dental", mesaTicket, mesaCall, "+16085550188"},
	} {
		for i, e := range []ticket.Event{
			{Type: ticket.Begun, By: "u", Name: "somebody of " + string(k.tenant), Origin: &ticket.Origin{
				ID: tenants.TicketID(k.id), Tenant: k.tenant, Call: tenants.CallID(k.call), Account: k.account, Caller: k.caller,
			}},
			{Type: ticket.Changed, By: "u", Field: ticket.FieldText, Value: "for " + string(k.account)},
			{Type: ticket.Saved, By: "u", Number: 1},
			{Type: ticket.HandedOver, By: "u", To: "the owner of " + string(k.account)},
		} {
			e.At = noon.Add(time.Duration(i) * time.Second)
			data, _ := json.Marshal(e)
			if err := s.Ship(t.Context(), []journal.Event{{
				Tenant: k.tenant, Kind: journal.Ticket, ID: k.id, Seq: uint64(i + 1), At: e.At, Node: "n1", Type: string(e.Type), Data: data,
			}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// shipNotices writes whom harbor and mesa told of a voicemail.
func shipNotices(t *testing.T, s *journalsql.Store) {
	t.Helper()
	for tenant, voice := range map[tenants.TenantID]string{"harbor": harborVoice, "mesa": mesaVoice} {
		data, _ := json.Marshal(notify.Event{Kind: notify.Voicemail, Key: voice, To: "office@" + string(tenant) + ".example", ToldAt: noon})
		if err := s.Ship(t.Context(), []journal.Event{{
			Tenant: tenant, Kind: journal.Notice, ID: "notice-of-" + string(tenant), Seq: 1, At: noon, Node: "n1", Type: notify.TypeTold, Data: data,
		}}); err != nil {
			t.Fatal(err)
		}
	}
}

func told(tenant tenants.TenantID, id string, facts ...call.Event) []journal.Event {
	var out []journal.Event
	for i, f := range facts {
		f.At = noon.Add(time.Duration(i) * time.Second)
		data, _ := json.Marshal(f)
		out = append(out, journal.Event{Tenant: tenant, Kind: journal.Call, ID: id, Seq: uint64(i + 1), At: f.At, Node: "n1", Type: string(f.Type), Data: data})
	}
	return out
}

func (h *house) do(method, path, token, body string, match ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, m := range match {
		r.Header.Set("If-Match", m)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	return rec
}

// asked is how a path of the contract is asked for something of harbor's; "" is not asked here.
var asked = map[string][]string{
	"/calls":                              {"/calls", "/calls?state=live", "/calls?state=ended", "/calls?number=%2B16085550177", "/calls?limit=1"},
	"/calls/{id}":                         {"/calls/" + harborCall, "/calls/" + harborLive},
	"/calls/{id}/events":                  {"/calls/" + harborCall + "/events", "/calls/" + harborLive + "/events"},
	"/voicemails":                         {"/voicemails", "/voicemails?state=new"},
	"/voicemails/{id}":                    {"/voicemails/" + harborVoice},
	"/voicemails/{id}/audio":              {"/voicemails/" + harborVoice + "/audio"},
	"/messages":                           {"/messages", "/messages?state=owed", "/messages?state=draft", "/messages?state=delivered", "/messages?call=" + harborCall},
	"/messages/{id}":                      {"/messages/" + harborTicket},
	"/archived-accounts":                  {"/archived-accounts"},
	"/accounts/{id}":                      {"/accounts/lakeside-cardiology"},
	"/accounts/{id}/greetings/{language}": {"/accounts/lakeside-cardiology/greetings/en"},
	"/accounts/{id}/on-call":              {"/accounts/lakeside-cardiology/on-call", "/accounts/lakeside-cardiology/on-call?at=2026-07-15T12:00:00Z"},
	"/accounts/{id}/directory": {
		"/accounts/lakeside-cardiology/directory", "/accounts/lakeside-cardiology/directory?q=ortiz", "/accounts/lakeside-cardiology/directory?q=r&wide=true",
	},
	"/users/{id}":                    {"/users/USER"},
	"/users/{id}/telephone":          {"/users/USER/telephone"},
	"/accounts/{id}/people":          {"/accounts/lakeside-cardiology/people", "/accounts/lakeside-cardiology/people?q=lee"},
	"/accounts/{id}/people.csv":      {"/accounts/lakeside-cardiology/people.csv"},
	"/accounts/{id}/people/{person}": {"/accounts/lakeside-cardiology/people/PERSON"},
	"/notices":                       {"/notices", "/notices?about=" + harborVoice, "/notices?state=waiting"},
	"/alarms":                        {"/alarms", "/alarms?state=ended"},
	"/route":                         {"/route?to=%2B16085550101", "/route?to=%2B16085550301&diversion=%3Csip:%2B16085550101@x%3E"},
}

// secrets are words that only harbor's data has.
var secrets = []string{"lakeside", "Lakeside", "prairie", "Prairie", "Harbor", "harbor", "+16085550177", harborCall, harborLive, harborVoice, harborTicket, "Ada", "Ben"}

func TestMesaSeesNothingOfHarborsOnAnyRoute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	spec, err := api.Contract()
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for path, item := range spec.Paths.Map() {
		if item.Get == nil || strings.HasPrefix(path, "/tenants") || strings.HasPrefix(path, "/trunks") || strings.HasPrefix(path, "/numbers") {
			continue
		}
		urls := asked[path]
		if urls == nil {
			urls = []string{path}
		}
		for _, url := range urls {
			url = "/api/v1" + strings.NewReplacer("PERSON", h.person, "USER", h.user).Replace(url)
			url = strings.Replace(url, "SCHEDULE", string(h.book.Copy("harbor").SchedulesOf("lakeside-cardiology")[0].ID), 1)
			if got := h.do("GET", url, "", ""); got.Code != 401 {
				t.Errorf("%s without a token: %d", url, got.Code)
			}
			own := h.do("GET", url, h.tokens["admin@harbor.example"], "")
			if own.Code == 200 && containsAny(own.Body.String(), secrets) {
				shown++
			}
			for _, email := range []string{"zoe@mesa.example", "admin@mesa.example"} {
				got := h.do("GET", url, h.tokens[email], "")
				if got.Code >= 500 || (strings.Contains(path, "{id}") && got.Code != 404 && got.Code != 403) {
					t.Errorf("%s as %s: %d %s", url, email, got.Code, got.Body)
				}
				if containsAny(strings.ReplaceAll(got.Body.String(), "@harbor", ""), secrets) {
					t.Errorf("%s as %s shows harbor's: %s", url, email, got.Body)
				}
			}
		}
	}
	if shown < 16 {
		t.Errorf("harbor itself sees its own on %d addresses only: the test proves nothing", shown)
	}
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func TestMesaChangesNothingOfHarbors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	url := "/api/v1/voicemails/" + harborVoice
	body := `{"state":"handled","note":"mesa was here"}`
	for _, email := range []string{"zoe@mesa.example", "admin@mesa.example", "noc@holdfast.example"} {
		if got := h.do("PATCH", url, h.tokens[email], body); got.Code != 404 {
			t.Errorf("%s: %d %s", email, got.Code, got.Body)
		}
	}
	var v api.Voicemail
	got := h.do("GET", url, h.tokens["ada@harbor.example"], "")
	if err := json.Unmarshal(got.Body.Bytes(), &v); err != nil || v.State != api.VoicemailStateNew || v.Note != "" || !v.CutShort {
		t.Errorf("%+v %v", v, err)
	}
	if got := h.do("PATCH", url, h.tokens["ada@harbor.example"], `{"state":"heard"}`); got.Code != 200 {
		t.Errorf("ada: %d %s", got.Code, got.Body)
	}
	url, body = "/api/v1/messages/"+harborTicket, `{"state":"owed","append":"mesa was here"}`
	for _, email := range []string{"zoe@mesa.example", "admin@mesa.example", "noc@holdfast.example"} {
		if got := h.do("PATCH", url, h.tokens[email], body); got.Code != 404 {
			t.Errorf("%s: %d %s", email, got.Code, got.Body)
		}
	}
	if got := h.do("PATCH", url, h.tokens["ada@harbor.example"], `{"state":"owed"}`); got.Code != 200 || strings.Contains(got.Body.String(), "mesa was here") {
		t.Errorf("ada: %d %s", got.Code, got.Body)
	}
}

func TestMesaChangesNoAccountOfHarborsAndTheirNumbersStayTheirs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	own := h.do("GET", "/api/v1/accounts/lakeside-cardiology", h.tokens["admin@harbor.example"], "").Body.String()
	for _, email := range []string{"zoe@mesa.example", "admin@mesa.example", "noc@holdfast.example"} {
		for _, r := range []struct{ method, path, body string }{
			{"PATCH", "/accounts/lakeside-cardiology", `{"name":"Mesa was here"}`},
			{"DELETE", "/accounts/lakeside-cardiology", ""},
			{"POST", "/archived-accounts/lakeside-cardiology/restore", ""},
			{"PUT", "/accounts/lakeside-cardiology/greetings/en", "RIFF"},
			{"DELETE", "/accounts/lakeside-cardiology/greetings/en", ""},
		} {
			if got := h.do(r.method, "/api/v1"+r.path, h.tokens[email], r.body, `"1"`); got.Code != 404 && got.Code != 403 {
				t.Errorf("%s %s as %s: %d", r.method, r.path, email, got.Code)
			}
		}
	}
	// An account of the same name is another account, and harbor's published number is not taken away by naming it too.
	got := h.do("POST", "/api/v1/accounts", h.tokens["admin@mesa.example"], `{"name":"Lakeside Cardiology","published":["608-555-0151","+16085550101"]}`)
	if got.Code != 201 || !strings.Contains(got.Body.String(), `"unsure":["+16085550101","+16085550151"]`) {
		t.Errorf("mesa's own account: %d %s", got.Code, got.Body)
	}
	now := h.do("GET", "/api/v1/accounts/lakeside-cardiology", h.tokens["admin@harbor.example"], "").Body.String()
	if strings.ReplaceAll(now, `"unsure":["+16085550151"]`, `"unsure":[]`) != own {
		t.Errorf("harbor's account was %s and is %s", own, now)
	}
	if got := h.do("GET", "/api/v1/route?to=%2B16085550101", h.tokens["admin@harbor.example"], ""); !strings.Contains(got.Body.String(), `"account":"lakeside-cardiology"`) {
		t.Errorf("harbor's emergency number leads elsewhere: %s", got.Body)
	}
}

func TestAnAdministratorGivesTelephonesToOwnOperatorsOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/api/v1/users/" + h.user + "/telephone"
	const chosen, other = `{"user":"desk-1","password":"a long enough secret"}`, `{"user":"desk-2","password":"another long secret","md5":true}`
	for _, email := range []string{"admin@mesa.example", "noc@holdfast.example"} {
		if got := h.do("PUT", path, h.tokens[email], chosen); got.Code != 404 {
			t.Errorf("%s: %d %s", email, got.Code, got.Body)
		}
	}
	boss := h.tokens["admin@harbor.example"]
	for _, c := range []struct {
		method, body, match string
		status              int
		says                string
	}{
		{"DELETE", "", `"1"`, 404, ""},
		{"PUT", `{"user":"desk.1","password":"short"}`, "", 422, "12 to 64"},
		{"PUT", chosen, "", 200, `"sign_in":"desk-1.harbor"`},
		{"PUT", other, "", 428, "revision_needed"},
		{"PUT", other, `"7"`, 412, `"registered_until":null,"sign_in":"desk-1.harbor"`},
		{"PUT", other, `"1"`, 200, `"md5":true`},
		{"GET", "", "", 200, `"registered_until":null`},
	} {
		var match []string
		if c.match != "" {
			match = append(match, c.match)
		}
		got := h.do(c.method, path, boss, c.body, match...)
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.says) || strings.Contains(got.Body.String(), "secret") {
			t.Errorf("%s %s %s: %d %s", c.method, c.body, c.match, got.Code, got.Body)
		}
	}
	if home, o, ok := h.book.Phone("desk-2.harbor"); !ok || home.Tenant != "harbor" || string(o.ID) != h.user || !o.Phone.MD5 || len(o.Phone.Sealed) != 32 {
		t.Errorf("compiled: %v %+v", ok, o.Phone)
	}
	bens := "/api/v1/users/" + string(h.book.Copy("harbor").Operators[1].ID) + "/telephone"
	if got := h.do("PUT", bens, boss, other); got.Code != 409 {
		t.Errorf("two telephones of one name: %d %s", got.Code, got.Body)
	}
	// The same name is another tenant's too, and nobody hears of it.
	mesas := "/api/v1/users/" + string(h.book.Copy("mesa").Operators[0].ID) + "/telephone"
	if got := h.do("PUT", mesas, h.tokens["admin@mesa.example"], other); got.Code != 200 {
		t.Errorf("mesa: %d %s", got.Code, got.Body)
	}
	list := h.do("GET", "/api/v1/telephones", h.tokens["admin@mesa.example"], "").Body.String()
	if !strings.Contains(list, "desk-2.mesa") || strings.Contains(list, "harbor") {
		t.Error(list)
	}
	if got := h.do("DELETE", path, h.tokens["admin@mesa.example"], "", `"2"`); got.Code != 404 {
		t.Errorf("mesa takes harbor's away: %d", got.Code)
	}
	if got := h.do("DELETE", path, boss, "", `"2"`); got.Code != 204 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if _, _, ok := h.book.Phone("desk-2.harbor"); ok {
		t.Error("it is compiled still")
	}
}

func TestTheDatabaseDoesNotSayWhetherAForeignIDExists(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.tokens["admin@mesa.example"]
	for _, path := range []string{"/calls/%s", "/calls/%s/events", "/voicemails/%s", "/voicemails/%s/audio"} {
		id := harborCall
		if strings.HasPrefix(path, "/voicemails") {
			id = harborVoice
		}
		foreign := h.do("GET", "/api/v1"+fmt.Sprintf(path, id), token, "")
		missing := h.do("GET", "/api/v1"+fmt.Sprintf(path, "0192f0c4-0000-7000-8000-0000000000ff"), token, "")
		a, _, _ := strings.Cut(foreign.Body.String(), `"request_id"`)
		b, _, _ := strings.Cut(missing.Body.String(), `"request_id"`)
		if foreign.Code != 404 || missing.Code != 404 || a != b {
			t.Errorf("%s: %d %q, %d %q", path, foreign.Code, a, missing.Code, b)
		}
	}
}

// portal opens the portal's socket of a signed-in user through the whole server, limits and all.
func (h *house) portal(url, email string) (*websocket.Conn, live.Board) {
	h.t.Helper()
	var ticket api.Ticket
	got := h.do("POST", "/api/v1/tickets", h.tokens[email], `{"purpose":"portal"}`)
	if err := json.Unmarshal(got.Body.Bytes(), &ticket); err != nil {
		h.t.Fatalf("%d %s", got.Code, got.Body)
	}
	conn, _, err := websocket.Dial(h.t.Context(), url+"/portal/socket?ticket="+ticket.Ticket, &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {origin}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.CloseNow() })
	var m live.Message
	_, data, err := conn.Read(h.t.Context())
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil || m.Board == nil {
		h.t.Fatalf("%v: %s", err, data)
	}
	return conn, *m.Board
}

func TestEachPortalsSocketShowsItsOwnTenantAndEndsWithTheSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := httptest.NewUnstartedServer(h.handler)
	s.Config = api.HTTPServer(h.handler, slog.New(slog.DiscardHandler))
	s.Start()
	t.Cleanup(s.Close)
	conn, harbor := h.portal(s.URL, "admin@harbor.example")
	_, mesa := h.portal(s.URL, "admin@mesa.example")
	if harbor.TenantName != "Harbor Answering" || len(harbor.Calls) != 2 || len(harbor.Alarms) != 1 || len(harbor.Operators) != 2 {
		t.Errorf("harbor sees %+v", harbor)
	}
	if text, _ := json.Marshal(mesa); mesa.Tenant != "mesa" || containsAny(string(text), secrets) {
		t.Errorf("mesa sees %s", text)
	}
	if got := h.do("DELETE", "/api/v1/sessions/current", h.tokens["admin@harbor.example"], ""); got.Code != 204 {
		t.Fatalf("sign out: %d %s", got.Code, got.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `"bye":"signed_out"`) {
			break
		}
	}
	if got := h.do("GET", "/api/v1/me", h.tokens["admin@harbor.example"], ""); got.Code != 401 {
		t.Errorf("after signing out: %d", got.Code)
	}
}
