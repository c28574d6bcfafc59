package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/services/interim"

	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
	"holdfast/web/api"
)

const (
	lakesidePath   = "/accounts/lakeside-cardiology"
	harborSchedule = "0190b5a0-0000-7000-8000-0000000000aa"
	harborOverride = "0190b5a0-0000-7000-8000-0000000000bb"
	harborNote     = "0190b5a0-0000-7000-8000-0000000000cc"
	harborFeed     = "harbor.abcdefghijklmnopqrstuvwxyz012345"
	schedulePath   = lakesidePath + "/schedules/" + harborSchedule
	personLee      = "0190b5a0-0000-7000-8000-000000000012"
	personOrtiz    = "0190b5a0-0000-7000-8000-000000000011"
)

// scheduleSamples are those of samples that name schedules and notes.
var scheduleSamples = map[string]sample{
	"GET /accounts/{id}/notes":                                        {least: "operator", path: lakesidePath + "/notes", ok: 200, owned: true},
	"POST /accounts/{id}/notes":                                       {least: "operator", path: lakesidePath + "/notes", body: `{"text":"x","until":"2090-01-01T00:00:00Z"}`, ok: 201, owned: true},
	"DELETE /accounts/{id}/notes/{note}":                              {least: "operator", path: lakesidePath + "/notes/" + harborNote, ok: 204, owned: true},
	"GET /accounts/{id}/schedules":                                    {least: "operator", path: lakesidePath + "/schedules", ok: 200, owned: true},
	"POST /accounts/{id}/schedules":                                   {least: "supervisor", path: lakesidePath + "/schedules", body: `{"name":"x","catch_all":"` + personLee + `"}`, ok: 201, owned: true},
	"POST /accounts/{id}/schedule-preview":                            {least: "operator", path: lakesidePath + "/schedule-preview", body: `{"schedule":"` + harborSchedule + `"}`, ok: 200, owned: true},
	"GET /accounts/{id}/schedules/{schedule}":                         {least: "operator", path: schedulePath, ok: 200, owned: true},
	"PATCH /accounts/{id}/schedules/{schedule}":                       {least: "supervisor", path: schedulePath, body: `{}`, ok: 428, owned: true},
	"DELETE /accounts/{id}/schedules/{schedule}":                      {least: "supervisor", path: schedulePath, ok: 428, owned: true},
	"GET /accounts/{id}/schedules/{schedule}/timeline":                {least: "operator", path: schedulePath + "/timeline", ok: 200, owned: true},
	"POST /accounts/{id}/schedules/{schedule}/overrides":              {least: "operator", path: schedulePath + "/overrides", body: `{"person":"` + personLee + `","to":"2090-01-01T00:00:00Z"}`, ok: 201, owned: true},
	"DELETE /accounts/{id}/schedules/{schedule}/overrides/{override}": {least: "operator", path: schedulePath + "/overrides/" + harborOverride, ok: 204, owned: true},
	"GET /accounts/{id}/schedules/{schedule}/feeds":                   {least: "supervisor", path: schedulePath + "/feeds", ok: 200, owned: true},
	"POST /accounts/{id}/schedules/{schedule}/feeds":                  {least: "supervisor", path: schedulePath + "/feeds", body: `{"name":"x"}`, ok: 201, owned: true},
	"DELETE /accounts/{id}/schedules/{schedule}/feeds/{feed}":         {least: "supervisor", path: schedulePath + "/feeds/f", ok: 204, owned: true},
	"GET /accounts/{id}/schedules/{schedule}/calendar.ics":            {open: true, path: schedulePath + "/calendar.ics?token=mesa.guess", ok: 404},
}

func init() { maps.Copy(samples, scheduleSamples) }

// planned is a book with a schedule that can be changed, an override, a note and a feed.
type planned struct {
	staffed
	mu    *sync.Mutex
	plans map[tenants.ScheduleID]roster.Schedule // of lakeside, by edit
}

func newPlanned() planned {
	return planned{mu: &sync.Mutex{}, plans: map[tenants.ScheduleID]roster.Schedule{}}
}

func (p planned) Copy(t tenants.TenantID) *routing.Copy {
	c := p.staffed.Copy(t)
	if c == nil || t != "harbor" {
		return c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if changed, ok := p.plans[harborSchedule]; ok {
		c.Schedules[0] = changed
	}
	c.Schedules[0].Overrides = []roster.Override{{
		ID: harborOverride, From: noon.Add(-time.Hour), To: noon.AddDate(30, 0, 0), Replaces: roster.Person, Replaced: personLee, Person: personOrtiz, By: "Alice Morgan",
	}}
	c.Notes = []routing.Note{{ID: harborNote, Account: "lakeside-cardiology", Text: "Ortiz swaps with Lee", From: noon, Until: noon.AddDate(30, 0, 0), By: "Ada Bennett", At: noon}}
	sum := sha256.Sum256([]byte(harborFeed))
	c.Feeds = []routing.Feed{{ID: "f", Account: "lakeside-cardiology", Schedule: harborSchedule, Hash: hex.EncodeToString(sum[:])}}
	return c
}

// CreateSchedule and the methods below are the database's part, as far as handlers see it.
func (p planned) CreateSchedule(context.Context, tenants.Actor, roster.Schedule) error { return nil }

func (p planned) ChangeSchedule(_ context.Context, _ tenants.Actor, _ tenants.AccountID, id tenants.ScheduleID, tag string, change func(*roster.Schedule) error) (roster.Schedule, error) {
	now := p.Copy("harbor").Schedules[0]
	now.Overrides = nil
	if tag != oncall.Tag(&now) {
		return now, &oncall.Changed{Now: now}
	}
	if err := change(&now); err != nil {
		return now, err
	}
	if err := now.Check(nil); err != nil {
		return now, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plans[id] = now
	return now, nil
}

func (p planned) DeleteSchedule(context.Context, tenants.Actor, tenants.AccountID, tenants.ScheduleID, string) error {
	return nil
}

func (p planned) ListFeeds(context.Context, tenants.TenantID, tenants.AccountID, tenants.ScheduleID) ([]oncall.Feed, error) {
	return []oncall.Feed{{ID: "f", Name: "Alice's telephone"}}, nil
}

func (p planned) AddFeed(context.Context, tenants.Actor, tenants.AccountID, tenants.ScheduleID, oncall.Feed, string) error {
	return nil
}

func (p planned) RemoveFeed(context.Context, tenants.Actor, tenants.AccountID, tenants.ScheduleID, string) error {
	return nil
}

func (p planned) SetOverride(_ context.Context, actor tenants.Actor, w interim.OverrideWish) (interim.Item, error) {
	o := interim.OverrideOf(w, actor.Name, noon)
	return interim.Item{Override: &o}, nil
}

func (p planned) SetNote(_ context.Context, actor tenants.Actor, w interim.NoteWish) (interim.Item, error) {
	c := p.Copy(actor.Tenant)
	if c == nil || c.Account(w.Account) == nil {
		return interim.Item{}, interim.ErrNotFound
	}
	return interim.Item{Note: &routing.Note{Text: w.Text, From: noon, Until: w.Until, By: actor.Name, At: noon}}, nil
}

func (p planned) End(context.Context, tenants.Actor, tenants.AccountID, string) (interim.Item, error) {
	return interim.Item{}, nil
}

func (p planned) May(a tenants.Actor, _ tenants.AccountID) bool { return a.May(tenants.RoleSupervisor) }

func withPlans(_ *world, c *api.Config) {
	p := newPlanned()
	c.Book, c.Schedules, c.Interim = p, p, p
}

// ask is do with one header more.
func (w *world) ask(method, path, token, body, name, header string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	if header != "" {
		r.Header.Set(name, header)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *world) match(method, path, token, tag, body string) (int, string, http.Header) {
	got := w.ask(method, path, token, body, "If-Match", tag)
	return got.Code, got.Body.String(), got.Header()
}

func TestTwoAdminsNeverOverwriteEachOthersScheduleUnseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPlans)
	path := "/api/v1" + lakesidePath + "/schedules/" + harborSchedule
	_, body, header := w.match("GET", path, "harbor/admin", "", "")
	seen := header.Get("ETag")
	var both api.Schedule
	if err := json.Unmarshal([]byte(body), &both); err != nil || seen != `"`+both.Etag+`"` {
		t.Fatalf("%s %s %v", seen, body, err)
	}
	if code, said, _ := w.match("PATCH", path, "harbor/admin", "", `{"name":"x"}`); code != 428 {
		t.Errorf("without If-Match: %d %s", code, said)
	}
	code, body, header := w.match("PATCH", path, "harbor/admin", seen, `{"name":"Alice's name"}`)
	if code != 200 || header.Get("ETag") == seen {
		t.Fatalf("the first: %d %s", code, body)
	}
	code, body, _ = w.match("PATCH", path, "harbor/supervisor", seen, `{"catch_all":"`+personOrtiz+`"}`)
	var refused struct {
		Code    string
		Current api.Schedule
	}
	if err := json.Unmarshal([]byte(body), &refused); err != nil || code != 412 || refused.Code != "changed" || refused.Current.Name != "Alice's name" {
		t.Fatalf("the second: %d %s", code, body)
	}
	code, body, _ = w.match("PATCH", path, "harbor/supervisor", `"`+refused.Current.Etag+`"`, `{"catch_all":"`+personOrtiz+`"}`)
	var now api.Schedule
	if err := json.Unmarshal([]byte(body), &now); err != nil || code != 200 || now.Name != "Alice's name" || now.CatchAll != personOrtiz {
		t.Errorf("on top of the first: %d %s", code, body)
	}
}

func TestWhatIsWrongWithAScheduleIsSaidFieldByField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPlans)
	path := "/api/v1" + lakesidePath + "/schedules/" + harborSchedule
	_, _, header := w.match("GET", path, "harbor/admin", "", "")
	for body, field := range map[string]string{
		`{"name":"","zone":"Mars/Olympus"}`: "name",
		`{"layers":[{"name":"a","rotation":"daily","handover":"25:00","from":"2026-01-01","participants":[["` + personLee + `"]]}]}`: "layers[0].handover",
		`{"layers":[{"name":"a","rotation":"daily","handover":"08:00","from":"2026-13-01","participants":[["` + personLee + `"]]}]}`: "layers[0].from",
		`{"layers":[{"name":"a","rotation":"custom","handover":"08:00","from":"2026-01-01","participants":[[]]}]}`:                   "layers[0].every",
	} {
		code, got, _ := w.match("PATCH", path, "harbor/admin", header.Get("ETag"), body)
		if code != 422 || !strings.Contains(got, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, code, got)
		}
	}
}

func TestAPreviewSaysWhomCallersWouldReachInsteadOfWhom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPlans, func(_ *world, c *api.Config) { c.Now = func() time.Time { return noon } })
	got := w.do("POST", "/api/v1"+lakesidePath+"/schedule-preview", "harbor/operator",
		`{"schedule":"`+harborSchedule+`","end":"`+harborOverride+`","from":"2026-05-04","days":2}`)
	var p api.SchedulePreview
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	// Ortiz stands in for Lee at night; without the override Lee is on call from now, 07:00, to 08:00, and from 20:00 on.
	if len(p.Changes) != 3 || p.Changes[1].Before[0] != "Dr. Maria Ortiz" || p.Changes[1].After[0] != "Dr. Sam Lee" ||
		p.Changes[1].From.Format(time.RFC3339) != "2026-05-04T20:00:00-05:00" || p.Changes[1].To.Format(time.RFC3339) != "2026-05-05T08:00:00-05:00" {
		t.Errorf("%+v", p.Changes)
	}
	if len(p.Timeline.Days) != 3 || len(p.Timeline.Layers) != 1 || p.Timeline.People[0].Initials != "MO" {
		t.Errorf("%+v", p.Timeline)
	}
}

func TestACalendarIsReadWithItsTokenOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPlans)
	path := "/api/v1" + lakesidePath + "/schedules/" + harborSchedule + "/calendar.ics?token="
	got := w.do("GET", path+harborFeed, "", "")
	if got.Code != 200 || got.Header().Get("Content-Type") != "text/calendar" || !strings.Contains(got.Body.String(), "SUMMARY:Dr. Maria Ortiz\r\n") {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if again := w.ask("GET", path+harborFeed, "", "", "If-None-Match", got.Header().Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("%d %s", again.Code, again.Body)
	}
	for _, token := range []string{harborFeed + "x", "mesa.abcdefghijklmnopqrstuvwxyz012345", "harbor.", "."} {
		if got := w.do("GET", path+token, "harbor/admin", ""); got.Code != 404 {
			t.Errorf("%s: %d", token, got.Code)
		}
	}
	if strings.Contains(w.log.String(), "abcdefghij") {
		t.Error("the token is in the log")
	}
}

func TestInForceIsToldWithTheDatabaseAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, c *api.Config) { w.away = true; withPlans(w, c) })
	a := get[api.OnCall](t, w, lakesidePath+"/on-call?at=2026-05-05T12:00:00-05:00", 200)
	f := a.InForce
	if len(f.Notes) != 1 || f.Notes[0].By != "Ada Bennett" || len(f.Overrides) != 1 || f.Overrides[0].ReplacedName != "Dr. Sam Lee" || f.Overrides[0].PersonName != "Dr. Maria Ortiz" {
		t.Errorf("%+v", f)
	}
	if f.Hours.Known || f.Hours.Sentence.En != "Hours are not said" || f.MaySet {
		t.Errorf("%+v", f)
	}
}
