package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
	"holdfast/web/api"
)

// staffed is a book whose accounts have people.
type staffed struct{ book }

func (s staffed) Copy(t tenants.TenantID) *routing.Copy {
	c := s.book.Copy(t)
	if c == nil || t != "harbor" {
		return c
	}
	const ortiz, lee = "0190b5a0-0000-7000-8000-000000000011", "0190b5a0-0000-7000-8000-000000000012"
	c.CompiledAt = noon
	c.Accounts = append(c.Accounts, routing.Account{ID: "prairie-plumbing", Name: "Prairie Plumbing"})
	c.People = []people.Person{
		{ID: ortiz, Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Maria Ortiz", Role: "Cardiologist", Methods: []people.ContactMethod{{Kind: people.Mobile, Value: "+16085550110", Verified: true}}},
		{ID: lee, Account: "lakeside-cardiology", Kind: people.Human, Name: "Dr. Sam Lee"},
		{ID: "0190b5a0-0000-7000-8000-000000000013", Account: "prairie-plumbing", Kind: people.Human, Name: "Leo Becker <script>"},
	}
	c.Schedules = []roster.Schedule{{
		ID: "0190b5a0-0000-7000-8000-0000000000aa", Account: "lakeside-cardiology", Name: "Cardiologist", Zone: "America/Chicago", CatchAll: lee,
		Layers: []roster.Layer{{
			ID: "l", Rotation: roster.Custom, Every: 12, Unit: roster.Hours, Handover: 480, From: roster.On(2024, 1, 1),
			Participants: [][]tenants.PersonID{{ortiz}, {lee}},
		}},
	}}
	c.Sort()
	return c
}

func get[T any](t *testing.T, w *world, path string, status int) T {
	t.Helper()
	got := w.do("GET", "/api/v1"+path, "harbor/operator", "")
	var v T
	if got.Code != status {
		t.Fatalf("%s: %d %s", path, got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOnCallAndDirectoryAreAnsweredWithTheDatabaseAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, c *api.Config) { w.away, c.Book = true, staffed{} })
	a := get[api.OnCall](t, w, "/accounts/lakeside-cardiology/on-call?at=2026-07-15T19:48:00-05:00", 200)
	eight := time.Date(2026, 7, 16, 1, 0, 0, 0, time.UTC)
	if len(a.Now) != 1 || a.Now[0].Name != "Dr. Maria Ortiz" || !a.Now[0].Until.Equal(eight) || a.Next.Name != "Dr. Sam Lee" || !a.Next.From.Equal(eight) ||
		len(a.Now[0].Methods) != 1 || a.Now[0].Methods[0].Kind != "mobile" || a.Now[0].Methods[0].Value != "+16085550110" {
		t.Errorf("%+v", a)
	}
	if a.Sentence.En != "Dr. Maria Ortiz until 20:00; in 12 minutes Dr. Sam Lee; mobile first" || !strings.HasPrefix(a.Sentence.Hu, "Dr. Maria Ortiz 20:00-ig; 12 perc") || !a.CompiledAt.Equal(noon) {
		t.Errorf("%+v", a.Sentence)
	}
	raw := w.do("GET", "/api/v1/accounts/lakeside-cardiology/on-call?at=2026-07-15T19:48:00-05:00", "harbor/operator", "").Body.String()
	if !strings.Contains(raw, `"until":"2026-07-15T20:00:00-05:00"`) {
		t.Errorf("times are shown in another zone: %s", raw)
	}
	nobody := get[api.OnCall](t, w, "/accounts/prairie-plumbing/on-call", 200)
	if nobody.Now == nil || len(nobody.Now) != 0 || nobody.Next != nil || nobody.Sentence.En != "Nobody is on call" {
		t.Errorf("%+v", nobody)
	}
	found := get[api.DirectoryList](t, w, "/accounts/lakeside-cardiology/directory?q=ortis", 200)
	if len(found.Items) != 1 || found.Items[0].Name != "Dr. Maria Ortiz" || found.Items[0].AccountName != "Lakeside Cardiology" || found.Next != nil {
		t.Errorf("%+v", found)
	}
	if narrow := get[api.DirectoryList](t, w, "/accounts/lakeside-cardiology/directory?q=le", 200); len(narrow.Items) != 1 {
		t.Errorf("%+v", narrow)
	}
	if wide := get[api.DirectoryList](t, w, "/accounts/lakeside-cardiology/directory?q=le&wide=true", 200); len(wide.Items) != 2 {
		t.Errorf("%+v", wide)
	}
	first := get[api.DirectoryList](t, w, "/accounts/lakeside-cardiology/directory?limit=1", 200)
	if len(first.Items) != 1 || first.Next == nil {
		t.Fatalf("%+v", first)
	}
	second := get[api.DirectoryList](t, w, "/accounts/lakeside-cardiology/directory?limit=1&cursor="+*first.Next, 200)
	if len(second.Items) != 1 || second.Items[0].Name != "Dr. Maria Ortiz" || second.Next != nil {
		t.Errorf("%+v", second)
	}
}

func TestBadQuestionsAboutPeopleAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *api.Config) { c.Book = staffed{} })
	for path, status := range map[string]int{
		"/accounts/lakeside-cardiology/on-call?at=tomorrow":                     http.StatusBadRequest,
		"/accounts/lakeside-cardiology/on-call?at=0001-01-01T00:00:00Z":         http.StatusOK, // as if it were left out
		"/accounts/lakeside-cardiology/on-call?at=9999-12-31T23:59:59Z":         http.StatusOK,
		"/accounts/lakeside-cardiology/directory?cursor=-1":                     http.StatusBadRequest,
		"/accounts/lakeside-cardiology/directory?cursor=x":                      http.StatusBadRequest,
		"/accounts/lakeside-cardiology/directory?wide=perhaps":                  http.StatusBadRequest,
		"/accounts/lakeside-cardiology/directory?q=" + strings.Repeat("a", 201): http.StatusBadRequest,
		"/accounts/lakeside-cardiology/directory?q=%00%ff%e2%80%ae":             http.StatusOK,
		"/accounts/lakeside-cardiology/directory?cursor=999999999999":           http.StatusOK,
		"/accounts/red-rock-dental/on-call":                                     http.StatusNotFound,
		"/accounts/red-rock-dental/directory?wide=true":                         http.StatusNotFound,
	} {
		if got := w.do("GET", "/api/v1"+path, "harbor/operator", ""); got.Code != status {
			t.Errorf("%s: %d, want %d: %s", path, got.Code, status, got.Body)
		}
	}
}

func TestThePracticeAccountHasInstructionsAndSomebodyOnCallForWhoeverPractises(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *api.Config) { c.Book = staffed{} })
	force := get[api.OnCall](t, w, "/accounts/"+string(routing.PracticeAccount)+"/on-call", http.StatusOK)
	if len(force.Now) != 1 || !strings.Contains(force.InForce.Instructions, "Practice") || force.InForce.MaySet || force.Sentence.En == "" {
		t.Errorf("%+v", force)
	}
	people := get[api.DirectoryList](t, w, "/accounts/"+string(routing.PracticeAccount)+"/directory?q=sampel", http.StatusOK)
	if len(people.Items) != 1 || people.Items[0].Name != "Dr. Sample" {
		t.Errorf("%+v", people)
	}
	if got := w.do("GET", "/api/v1/accounts", "harbor/operator", ""); strings.Contains(got.Body.String(), string(routing.PracticeAccount)) {
		t.Errorf("it is listed: %s", got.Body)
	}
}
