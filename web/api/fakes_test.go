package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"holdfast/services/accounts"
	"holdfast/services/activation"
	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/tenants/store"
	"holdfast/web/api"
	"holdfast/web/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One thing of each kind belongs to harbor; mesa has its own.
const (
	harborCall  = "0192f0c4-0000-7000-8000-000000000001"
	harborLive  = "0192f0c4-0000-7000-8000-000000000002"
	harborVoice = "0192f0c4-0000-7000-8000-000000000003"
	mesaCall    = "0192f0c4-0000-7000-8000-00000000000a"
	mesaVoice   = "0192f0c4-0000-7000-8000-00000000000b"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// world is a small Holdfast behind the API, made by hand.
type world struct {
	handler  http.Handler
	boards   *live.Boards
	away     bool // PostgreSQL
	text     string
	trunks   []routing.Trunk
	sessions []string // signed out
	clip     []byte   // recorded
	log      *bytes.Buffer
}

func newWorld(t *testing.T, change ...func(*world, *api.Config)) *world {
	t.Helper()
	w := &world{log: &bytes.Buffer{}, text: "Ann"}
	w.boards = live.NewBoards(live.BoardsConfig{Book: book{}, Log: slog.New(slog.DiscardHandler)})
	w.invite("harbor", harborLive)
	cfg := api.Config{
		Ports: api.Ports{
			Sessions: w, Tickets: w, Boards: w.boards, Book: book{}, Calls: w, Voicemails: w, Recordings: w, Alarms: w,
			Desk: ticketDesk(t), Archive: w, Listings: listings{}, Staff: staff{}, Telephones: phones{},
			Explainer: w, Activator: w, Entrance: w, Trunks: w, Accounts: w, Greetings: w, SignedOut: func(s string) { w.sessions = append(w.sessions, s) },
		},
		PublicURL: "http://127.0.0.1:8080", MetricsToken: "scrape-me", Metrics: http.NotFoundHandler(),
		Log:   slog.New(slog.NewJSONHandler(w.log, nil)),
		Pages: fstest.MapFS{"desk.html": {Data: []byte("<title>desk")}, "portal.html": {Data: []byte("<title>portal")}, "assets/a-1.js": {Data: []byte("1")}, "icon.svg": {Data: []byte("<svg/>")}},
	}
	for _, c := range change {
		c(w, &cfg)
	}
	h, err := api.Handler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	return w
}

func (w *world) invite(tenant tenants.TenantID, id string) {
	data, _ := json.Marshal(call.Event{Type: call.Invited, At: noon, Call: tenants.CallID(id), Plan: &call.Plan{
		Tenant: tenant, Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology", Called: "+16085550101",
		Caller: "+16085550177", CallerName: w.text, Kind: call.ForQueue, OnDuty: 1, Languages: []string{"en"},
		Candidates: []call.Candidate{
			{Source: "request-uri", Number: "+16085550101", Tenant: tenant, Account: "lakeside-cardiology", Chosen: true},
			{Source: "diversion", Number: "+16085550301", Tenant: "mesa", Account: "red-rock-dental", Why: "Red Rock Dental of mesa"},
		},
	}})
	w.boards.Fold(journal.Event{Tenant: tenant, Kind: journal.Call, ID: id, Seq: 1, At: noon, Type: string(call.Invited), Data: data})
}

// do sends one request; token is "tenant/role" or "", match an If-Match and the kind of the body, where it is not JSON.
func (w *world) do(method, path, token, body string, match ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if len(match) > 0 && match[0] != "" {
		r.Header.Set("If-Match", match[0])
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if len(match) > 1 && match[1] != "" {
		r.Header.Set("Content-Type", match[1])
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *world) SignIn(_ context.Context, email, password, _ string) (api.Session, error) {
	if w.away {
		return api.Session{}, store.ErrAway
	}
	if password != "holdfast-demo" {
		return api.Session{}, api.ErrBadSignIn
	}
	return api.Session{AccessToken: email, RefreshToken: "r1", ExpiresIn: 900}, nil
}

func (w *world) Refresh(_ context.Context, token string) (api.Session, error) {
	if token != "r1" {
		return api.Session{}, api.ErrExpired
	}
	return api.Session{AccessToken: "a2", RefreshToken: "r2", ExpiresIn: 900}, nil
}

func (w *world) SignOut(context.Context, tenants.Actor) error { return nil }

func (w *world) Actor(token string) (tenants.Actor, error) {
	tenant, role, ok := strings.Cut(token, "/")
	if !ok || !tenants.Role(role).Valid() {
		return tenants.Actor{}, api.ErrExpired
	}
	return tenants.Actor{Tenant: tenants.TenantID(tenant), User: tenants.OperatorID(tenant + "-" + role), Role: tenants.Role(role), Name: w.text, Session: "s-" + token}, nil
}

func (w *world) Ticket(a tenants.Actor, duty tenants.DutyID, purpose string) (string, time.Duration, error) {
	return purpose + ":" + string(a.User) + ":" + string(duty), 30 * time.Second, nil
}

func (w *world) DutyActor(secret string) (tenants.Actor, tenants.DutyID, error) {
	if secret != "ada's secret" {
		return tenants.Actor{}, "", api.ErrExpired
	}
	return tenants.Actor{Tenant: "harbor", User: "harbor-operator", Role: tenants.RoleOperator}, "duty-7", nil
}

func (w *world) ListCalls(_ context.Context, tenant tenants.TenantID, f api.CallFilter) (api.CallList, error) {
	if w.away {
		return api.CallList{}, store.ErrAway
	}
	c, err := w.GetCall(context.Background(), tenant, map[tenants.TenantID]tenants.CallID{"harbor": harborCall, "mesa": mesaCall}[tenant])
	if errors.Is(err, api.ErrNotFound) || (f.Number != "" && f.Number != c.Caller) {
		return api.CallList{}, nil
	}
	return api.CallList{Items: []api.Call{c}}, nil
}

func (w *world) GetCall(_ context.Context, tenant tenants.TenantID, id tenants.CallID) (api.Call, error) {
	if w.away {
		return api.Call{}, store.ErrAway
	}
	if (tenant == "harbor" && id == harborCall) || (tenant == "mesa" && id == mesaCall) {
		return api.CallOf(call.State{ID: id, Plan: call.Plan{Tenant: tenant, Caller: map[tenants.TenantID]string{"harbor": "+16085550177", "mesa": "+16085550399"}[tenant], CallerName: w.text}, Phase: call.Ended, Result: call.Voicemail, InvitedAt: noon}), nil
	}
	return api.Call{}, api.ErrNotFound
}

func (w *world) CallEvents(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) ([]api.Event, error) {
	if _, err := w.GetCall(ctx, tenant, id); err != nil {
		return nil, err
	}
	return []api.Event{{Seq: 1, At: noon, Type: "invited", Data: map[string]any{"caller_name": w.text}}}, nil
}

func (w *world) ListVoicemails(_ context.Context, tenant tenants.TenantID, _ api.VoicemailFilter) (api.VoicemailList, error) {
	v, err := w.GetVoicemail(context.Background(), tenant, map[tenants.TenantID]tenants.VoicemailID{"harbor": harborVoice, "mesa": mesaVoice}[tenant])
	if err != nil {
		return api.VoicemailList{}, err
	}
	return api.VoicemailList{Items: []api.Voicemail{v}}, nil
}

func (w *world) GetVoicemail(_ context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (api.Voicemail, error) {
	if w.away {
		return api.Voicemail{}, store.ErrAway
	}
	if (tenant == "harbor" && id == harborVoice) || (tenant == "mesa" && id == mesaVoice) {
		return api.Voicemail{ID: string(id), Caller: w.text, Note: w.text, State: api.VoicemailStateNew, At: noon}, nil
	}
	return api.Voicemail{}, api.ErrNotFound
}

func (w *world) MarkVoicemail(ctx context.Context, a tenants.Actor, id tenants.VoicemailID, c api.VoicemailChange) (api.Voicemail, error) {
	v, err := w.GetVoicemail(ctx, a.Tenant, id)
	if c.State != nil {
		v.State, v.HandledBy = *c.State, a.Name
	}
	return v, err
}

type sound struct{ *bytes.Reader }

func (sound) Close() error { return nil }

func (w *world) OpenRecording(_ context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (io.ReadSeekCloser, error) {
	if tenant == "harbor" && id == harborVoice {
		return sound{bytes.NewReader([]byte("RIFF0123456789"))}, nil
	}
	return nil, api.ErrNotFound
}

func (w *world) ListEndedAlarms(context.Context, tenants.TenantID, string, int) (api.AlarmList, error) {
	if w.away {
		return api.AlarmList{}, store.ErrAway
	}
	return api.AlarmList{}, nil
}

func (w *world) Explain(to, _, _ string, _ time.Time) (api.Explained, error) {
	if to == "+16085550301" {
		return api.Explained{Tenant: "mesa", Account: "red-rock-dental", AccountName: "Red Rock Dental", Called: to, Why: "a DID of Red Rock Dental"}, nil
	}
	return api.Explained{Tenant: "harbor", Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology", Called: to, Why: "a DID"}, nil
}

func (w *world) Activate(_ context.Context, _ tenants.Actor, s routing.State, cause string) (activation.View, error) {
	if w.away {
		return activation.View{}, activation.ErrNotKept
	}
	return activation.View{State: activation.State{Live: s == routing.Live, Since: noon, Cause: cause}}, nil
}

func (w *world) View(t tenants.TenantID) activation.View {
	if t != "harbor" {
		return activation.View{}
	}
	return activation.View{State: activation.State{Live: true, Since: noon, Cause: "storm in Harbor"}, Pages: []activation.Page{{Operator: "harbor-operator", Name: "Ada"}}}
}

func (w *world) Sheet(t tenants.TenantID) activation.Sheet {
	if c := (book{}).Copy(t); c != nil {
		return activation.SheetOf(c, activation.State{}, noon)
	}
	return activation.Sheet{}
}

func (w *world) Mark(_ context.Context, actor tenants.Actor, number string, _ activation.Mark, _ string) error {
	if actor.Tenant == "harbor" && number == "+16085550151" {
		return nil
	}
	return activation.ErrNotFound
}

func (w *world) Enter(_ context.Context, token string) (api.Session, error) {
	if token != "good" {
		return api.Session{}, api.ErrExpired
	}
	return api.Session{AccessToken: "harbor/operator", ExpiresIn: 600}, nil
}

func (w *world) ListTrunks(context.Context) ([]routing.Trunk, error) { return w.trunks, nil }

func (w *world) PutTrunk(_ context.Context, _ tenants.Actor, t routing.Trunk, p api.TrunkPut) error {
	i := slices.IndexFunc(w.trunks, func(x routing.Trunk) bool { return x.Name == t.Name })
	switch {
	case i < 0 && p.Seen != "":
		return api.ErrNotFound
	case i >= 0 && (p.Fresh || p.Seen != "" && p.Seen != w.trunks[i].Revision()):
		return api.ErrConflict
	}
	if t.Ask != nil {
		t.Ask.Sealed = []byte(p.Ask)
		if i >= 0 && p.Ask == "" && w.trunks[i].Ask != nil && w.trunks[i].Ask.User == t.Ask.User && w.trunks[i].Ask.Realm == t.Ask.Realm {
			t.Ask.Sealed = w.trunks[i].Ask.Sealed
		}
		if len(t.Ask.Sealed) == 0 {
			return api.ErrNoPassword
		}
	}
	if i < 0 {
		w.trunks = append(w.trunks, t)
	} else {
		w.trunks[i] = t
	}
	return nil
}

func (w *world) DeleteTrunk(_ context.Context, _ tenants.Actor, name, seen string) error {
	i := slices.IndexFunc(w.trunks, func(x routing.Trunk) bool { return x.Name == name })
	switch {
	case i < 0 && name != "demo":
		return api.ErrNotFound
	case i >= 0 && w.trunks[i].Revision() != seen:
		return api.ErrConflict
	case i >= 0:
		w.trunks = slices.Delete(w.trunks, i, i+1)
	}
	return nil
}

func (w *world) Create(_ context.Context, _ tenants.Actor, c accounts.Change) (accounts.Account, error) {
	return accounts.Account{Account: routing.Account{ID: "new", Name: *c.Name, Revision: 1}}, nil
}

func (w *world) Change(_ context.Context, _ tenants.Actor, id tenants.AccountID, revision int64, c accounts.Change) (accounts.Account, error) {
	a := accounts.Account{Account: routing.Account{ID: id, Name: "Lakeside Cardiology", Revision: 7}, ChangedBy: "Ilona Varga", ChangedAt: noon}
	if revision != 7 {
		return a, &accounts.Stale{Current: a}
	}
	if c.Published != nil {
		return a, &accounts.Claimed{Number: "+16085550152", Account: "prairie-plumbing", AccountName: "Prairie Plumbing", Published: true}
	}
	if a = a.With(c); c.Initials != nil {
		return a, a.Check(nil)
	}
	return a, nil
}

func (w *world) Archive(context.Context, tenants.Actor, tenants.AccountID, int64) error { return nil }

func (w *world) Archived(context.Context, tenants.Actor) ([]accounts.Archived, error) {
	return nil, nil
}

func (w *world) Restore(_ context.Context, actor tenants.Actor, id tenants.AccountID) (accounts.Account, error) {
	if actor.Tenant != "harbor" {
		return accounts.Account{}, accounts.ErrNotFound
	}
	return accounts.Account{Account: routing.Account{ID: id, Revision: 9}}, nil
}

func (w *world) Record(_ context.Context, _ tenants.Actor, id tenants.AccountID, language string, _ int64, clip []byte) (accounts.Account, error) {
	w.clip = clip
	return accounts.Account{Account: routing.Account{ID: id, Name: "Lakeside Cardiology", Greetings: map[string]string{language: "recorded:1"}}}, nil
}

func (w *world) ChangeSettings(_ context.Context, a tenants.Actor, _ int64, c accounts.SettingsChange) (accounts.Settings, error) {
	return accounts.Settings{Tenant: a.Tenant}.With(c), nil
}

func (w *world) Numbers(context.Context) ([]accounts.Number, error) {
	return []accounts.Number{{E164: "+16085550101", Tenant: "harbor", Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology"}}, nil
}

func (w *world) PutNumber(_ context.Context, _ tenants.Actor, n accounts.Number) (accounts.Number, error) {
	return n, nil
}

func (w *world) DeleteNumber(_ context.Context, _ tenants.Actor, e164 string) error {
	if e164 != "+16085550101" {
		return accounts.ErrNotFound
	}
	return nil
}

func (w *world) Read(wav io.Reader) ([]byte, error) { return io.ReadAll(wav) }

func (w *world) Open(_ context.Context, _ tenants.TenantID, name, _ string) ([]byte, error) {
	return []byte("RIFF of " + name), nil
}

type book struct{}

func (book) Tenants() []tenants.TenantID { return []tenants.TenantID{"mesa", "harbor"} }

func (b book) Lookup(number string) (tenants.TenantID, routing.Number, bool) {
	for _, t := range b.Tenants() {
		for _, n := range b.Copy(t).Numbers {
			if n.E164 == number {
				return t, n, true
			}
		}
	}
	return "", routing.Number{}, false
}

func (book) Copy(t tenants.TenantID) *routing.Copy {
	switch t {
	case "harbor":
		return &routing.Copy{
			Tenant: t, Name: "Harbor Answering", State: routing.Live, Since: noon,
			Accounts: []routing.Account{{ID: "lakeside-cardiology", Name: "Lakeside Cardiology", LongestWait: time.Minute, Greetings: map[string]string{"en": "greeting-lakeside"}, Revision: 7}},
			Numbers: []routing.Number{
				{E164: "+16085550101", Account: "lakeside-cardiology"}, {E164: "+16085550151", Account: "lakeside-cardiology", Published: true},
			},
			Operators: []routing.Operator{{ID: "harbor-operator", Name: "Ada", Role: tenants.RoleOperator}},
		}
	case "mesa":
		return &routing.Copy{Tenant: t, Name: "Mesa Message Center", State: routing.Live, Accounts: []routing.Account{{ID: "red-rock-dental", Name: "Red Rock Dental"}}}
	default:
		return nil
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
