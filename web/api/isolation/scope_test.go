package isolation_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"holdfast/tenants/routing"
	"holdfast/web/api"
)

// lakesides are words that only one account of harbor's has.
var lakesides = []string{"lakeside", "Lakeside", "+16085550177", harborCall, harborLive, harborVoice, harborTicket}

// ofNoAccount are the lists that have nothing of any account in them.
var ofNoAccount = map[string]bool{"/me": true, "/operators": true, "/activation": true, "/tenant": true}

// changes are the bodies that would change something of Lakeside's, for what is not below its address.
var changes = map[string]string{
	"PATCH /voicemails/{id}": `{"state":"handled","note":"Ben was here"}`,
	"PATCH /messages/{id}":   `{"state":"owed","append":"Ben was here"}`,
	"POST /messages":         `{"account":"lakeside-cardiology","text":"Ben was here"}`,
}

// restrict has Ben answer for Prairie Plumbing alone.
func (h *house) restrict() {
	h.t.Helper()
	admin := h.tokens["admin@harbor.example"]
	id := ""
	for _, o := range h.book.Copy("harbor").Operators {
		if o.Email == "ben@harbor.example" {
			id = string(o.ID)
		}
	}
	tag := h.do("GET", "/api/v1/users/"+id, admin, "").Header().Get("ETag")
	if got := h.do("PATCH", "/api/v1/users/"+id, admin, `{"accounts":["prairie-plumbing"]}`, tag); got.Code != 200 {
		h.t.Fatalf("restrict Ben: %d %s", got.Code, got.Body)
	}
	if err := h.compile(); err != nil {
		h.t.Fatal(err)
	}
}

// TestAnOperatorOfOneAccountSeesAndChangesNothingOfTheOthers walks every operation that Ben may use at all. One that he may use
// and that is neither closed to him here nor shows him his own fails: a new route must be looked at.
func TestAnOperatorOfOneAccountSeesAndChangesNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.restrict()
	spec, err := api.Contract()
	if err != nil {
		t.Fatal(err)
	}
	walked := 0
	for path, item := range spec.Paths.Map() {
		if strings.HasPrefix(path, "/sessions") || path == "/tickets" {
			continue // who one is, not what one sees
		}
		for method := range item.Operations() {
			if h.scoped(method, path) {
				walked++
			}
		}
	}
	if walked < 20 {
		t.Errorf("Ben may use %d operations only: the test proves nothing", walked)
	}
	if got := h.do("GET", "/api/v1/queue", h.tokens["ben@harbor.example"], ""); !strings.Contains(got.Body.String(), `"waiting":1`) {
		t.Errorf("callers of other accounts are counted: %s", got.Body)
	}
	if got := h.do("GET", "/api/v1/queue", h.tokens["ada@harbor.example"], ""); !strings.Contains(got.Body.String(), `"waiting":2`) {
		t.Errorf("Ada answers for all: %s", got.Body)
	}
	for _, path := range []string{"/calls?limit=1", "/voicemails?limit=1", "/messages?limit=1"} { // a page is as full as anybody's
		var page struct{ Items []json.RawMessage }
		got := h.do("GET", "/api/v1"+path, h.tokens["ben@harbor.example"], "")
		if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || len(page.Items) != 1 {
			t.Errorf("%s: %v %s", path, err, got.Body)
		}
	}
}

// scoped asks one operation for what is Lakeside's; false: it is not for operators at all.
func (h *house) scoped(method, path string) bool {
	h.t.Helper()
	token, urls := h.tokens["ben@harbor.example"], asked[path]
	if urls == nil {
		urls = []string{strings.Replace(path, "/accounts/{id}", "/accounts/lakeside-cardiology", 1)}
	}
	own := false
	for _, url := range urls {
		url = "/api/v1" + strings.NewReplacer("PERSON", h.person, "USER", h.user,
			"SCHEDULE", string(h.book.Copy("harbor").SchedulesOf("lakeside-cardiology")[0].ID)).Replace(url)
		if method != http.MethodGet {
			url, _, _ = strings.Cut(url, "?")
		}
		body := changes[method+" "+path]
		got := h.do(method, url, token, body, `"1"`)
		if got.Code == http.StatusForbidden {
			return false
		}
		closed := method != http.MethodGet || strings.Contains(path, "{")
		if closed != (got.Code == http.StatusNotFound) || !closed && got.Code != http.StatusOK {
			h.t.Errorf("%s %s: %d %s", method, url, got.Code, got.Body)
		}
		if containsAny(got.Body.String(), lakesides) {
			h.t.Errorf("%s %s shows Lakeside's: %s", method, url, got.Body)
		}
		own = own || closed || containsAny(got.Body.String(), []string{"prairie", prairieCall, "+16085550166"})
	}
	if !own && !ofNoAccount[path] && len(urls) > 0 {
		h.t.Errorf("%s %s shows Ben nothing of his own: say how it is held to his accounts", method, path)
	}
	return true
}

// TestAnOperatorWhomTheCopyDoesNotHaveSeesNothing: Ben is signed in, and the routing copy has lost him, or is lost itself.
func TestAnOperatorWhomTheCopyDoesNotHaveSeesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	spec, err := api.Contract()
	if err != nil {
		t.Fatal(err)
	}
	whole := h.book.Copy("harbor")
	schedule := string(whole.SchedulesOf("lakeside-cardiology")[0].ID)
	without := *whole
	without.Operators = slices.DeleteFunc(slices.Clone(whole.Operators), func(o routing.Operator) bool { return o.Email == "ben@harbor.example" })
	ofAccounts := append([]string{"prairie", "Prairie", "+16085550166", prairieCall, prairieLive, prairieVoice, prairieTicket}, lakesides...)
	for name, lose := range map[string]func(){
		"unknown": func() { h.book.Put(&without) },
		"no copy": func() { h.book.Remove("harbor") },
	} {
		lose()
		for path, item := range spec.Paths.Map() {
			if item.Get == nil {
				continue
			}
			urls := asked[path]
			if urls == nil {
				urls = []string{strings.Replace(path, "/accounts/{id}", "/accounts/lakeside-cardiology", 1)}
			}
			for _, url := range urls {
				url = "/api/v1" + strings.NewReplacer("PERSON", h.person, "USER", h.user, "SCHEDULE", schedule).Replace(url)
				if got := h.do("GET", url, h.tokens["ben@harbor.example"], ""); containsAny(got.Body.String(), ofAccounts) {
					t.Errorf("%s: %s: %d %s", name, url, got.Code, got.Body)
				}
			}
		}
		if got := h.do("GET", "/api/v1/queue", h.tokens["ben@harbor.example"], ""); got.Code != 200 || !strings.Contains(got.Body.String(), `"waiting":0`) {
			t.Errorf("%s: callers are counted: %d %s", name, got.Code, got.Body)
		}
	}
}
