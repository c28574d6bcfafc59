package api_test

import (
	"net/http"
	"strings"
	"testing"

	"holdfast/web/api"
)

// sample is how a route of the contract is asked by the generated test: for something of harbor's, with a body that fits.
type sample struct {
	least string // the role that must be enough
	path  string // with harbor's ids filled in; "" as in the contract
	body  string
	kind  string // of the body; "": JSON
	open  bool
	match string // If-Match
	ok    int    // status for harbor with the least role
	owned bool   // names something of harbor's: 404 for everybody else
}

// samples must name every operation: a new route without a line here fails the test.
var samples = map[string]sample{
	"POST /sessions":                             {open: true, body: `{"email":"ada@harbor.example","password":"holdfast-demo"}`, ok: 201},
	"POST /sessions/refresh":                     {open: true, body: `{"refresh_token":"r1"}`, ok: 200},
	"DELETE /sessions/current":                   {least: "operator", ok: 204},
	"GET /me":                                    {least: "operator", ok: 200},
	"POST /tickets":                              {least: "operator", body: `{"purpose":"desk"}`, ok: 201},
	"GET /calls":                                 {least: "operator", ok: 200},
	"GET /calls/{id}":                            {least: "operator", path: "/calls/" + harborCall, ok: 200, owned: true},
	"GET /calls/{id}/events":                     {least: "supervisor", path: "/calls/" + harborCall + "/events", ok: 200, owned: true},
	"GET /voicemails":                            {least: "operator", ok: 200},
	"GET /voicemails/{id}":                       {least: "operator", path: "/voicemails/" + harborVoice, ok: 200, owned: true},
	"PATCH /voicemails/{id}":                     {least: "operator", path: "/voicemails/" + harborVoice, body: `{"state":"handled","note":"called back"}`, ok: 200, owned: true},
	"GET /voicemails/{id}/audio":                 {least: "operator", path: "/voicemails/" + harborVoice + "/audio", ok: 200, owned: true},
	"GET /messages":                              {least: "operator", path: "/messages?state=owed", ok: 200},
	"POST /messages":                             {least: "operator", body: `{"account":"lakeside-cardiology","text":"call me","urgent":true}`, ok: 201, owned: true},
	"GET /messages/{id}":                         {least: "operator", path: "/messages/" + harborTicket, ok: 200, owned: true},
	"PATCH /messages/{id}":                       {least: "operator", path: "/messages/" + harborTicket, body: `{"append":"rang again"}`, ok: 200, owned: true},
	"GET /accounts":                              {least: "operator", ok: 200},
	"GET /accounts/{id}":                         {least: "operator", path: "/accounts/lakeside-cardiology", ok: 200, owned: true},
	"POST /accounts":                             {least: "admin", body: `{"name":"New"}`, ok: 201},
	"PATCH /accounts/{id}":                       {least: "admin", path: "/accounts/lakeside-cardiology", body: `{"medical":true}`, match: `"7"`, ok: 200, owned: true},
	"DELETE /accounts/{id}":                      {least: "admin", path: "/accounts/lakeside-cardiology", match: `"7"`, ok: 204, owned: true},
	"GET /archived-accounts":                     {least: "admin", ok: 200},
	"POST /archived-accounts/{id}/restore":       {least: "admin", path: "/archived-accounts/elm-street-vet/restore", ok: 200, owned: true},
	"GET /accounts/{id}/greetings/{language}":    {least: "operator", path: "/accounts/lakeside-cardiology/greetings/en", ok: 200, owned: true},
	"PUT /accounts/{id}/greetings/{language}":    {least: "admin", path: "/accounts/lakeside-cardiology/greetings/en", body: "RIFF", match: `"7"`, ok: 200, owned: true},
	"DELETE /accounts/{id}/greetings/{language}": {least: "admin", path: "/accounts/lakeside-cardiology/greetings/en", match: `"7"`, ok: 200, owned: true},
	"GET /tenant":                                {least: "operator", ok: 200},
	"PATCH /tenant":                              {least: "admin", body: `{"name":"Another"}`, match: `"0"`, ok: 200},
	"GET /numbers":                               {least: "platform", ok: 200},
	"POST /numbers":                              {least: "platform", body: `{"e164":"+16085550199","tenant":"harbor","account":"lakeside-cardiology"}`, ok: 201},
	"DELETE /numbers/{e164}":                     {least: "platform", path: "/numbers/%2B16085550101", ok: 204},
	"GET /accounts/{id}/on-call":                 {least: "operator", path: "/accounts/lakeside-cardiology/on-call", ok: 200, owned: true},
	"GET /accounts/{id}/directory":               {least: "operator", path: "/accounts/lakeside-cardiology/directory?q=lee&wide=true", ok: 200, owned: true},
	"GET /accounts/{id}/people":                  {least: "supervisor", path: "/accounts/lakeside-cardiology/people?q=lee", ok: 200, owned: true},
	"POST /accounts/{id}/people":                 {least: "admin", path: "/accounts/lakeside-cardiology/people", body: `{"name":"Dr. New"}`, ok: 201, owned: true},
	"GET /accounts/{id}/people.csv":              {least: "admin", path: "/accounts/lakeside-cardiology/people.csv", ok: 200, owned: true},
	"POST /accounts/{id}/people/import":          {least: "admin", path: "/accounts/lakeside-cardiology/people/import?dry_run=true", body: "name\nDr. New\n", kind: "application/octet-stream", ok: 200, owned: true},
	"GET /accounts/{id}/people/{person}":         {least: "supervisor", path: "/accounts/lakeside-cardiology/people/" + harborPerson, ok: 200, owned: true},
	"PATCH /accounts/{id}/people/{person}":       {least: "admin", path: "/accounts/lakeside-cardiology/people/" + harborPerson, body: `{"role":"Cardiologist"}`, match: `"as-read"`, ok: 200, owned: true},
	"DELETE /accounts/{id}/people/{person}":      {least: "admin", path: "/accounts/lakeside-cardiology/people/" + harborPerson, match: `"as-read"`, ok: 204, owned: true},
	"POST /sessions/forgotten":                   {open: true, body: `{"email":"ada@harbor.example"}`, ok: 202},
	"POST /sessions/welcome":                     {open: true, body: `{"token":"harbor.x.y","password":"a long enough password"}`, ok: 201},
	"GET /users":                                 {least: "admin", ok: 200},
	"POST /users":                                {least: "admin", body: `{"name":"Eve","email":"eve@harbor.example","role":"operator"}`, ok: 201},
	"GET /users/{id}":                            {least: "admin", path: "/users/" + harborPerson, ok: 200, owned: true},
	"PATCH /users/{id}":                          {least: "admin", path: "/users/" + harborPerson, body: `{"disabled":true}`, match: `"as-read"`, ok: 200, owned: true},
	"POST /users/{id}/invitation":                {least: "admin", path: "/users/" + harborPerson + "/invitation", ok: 200, owned: true},
	"DELETE /users/{id}/invitation":              {least: "admin", path: "/users/" + harborPerson + "/invitation", ok: 204, owned: true},
	"GET /telephones":                            {least: "admin", ok: 200},
	"GET /users/{id}/telephone":                  {least: "admin", path: "/users/" + harborPerson + "/telephone", ok: 200, owned: true},
	"PUT /users/{id}/telephone":                  {least: "admin", path: "/users/" + harborPerson + "/telephone", body: `{"password":"long enough for it"}`, match: `"1"`, ok: 200, owned: true},
	"DELETE /users/{id}/telephone":               {least: "admin", path: "/users/" + harborPerson + "/telephone", match: `"1"`, ok: 204, owned: true},
	"GET /operators":                             {least: "operator", ok: 200},
	"GET /queue":                                 {least: "operator", ok: 200},
	"GET /notices":                               {least: "supervisor", ok: 503},
	"GET /alarms":                                {least: "supervisor", ok: 200},
	"GET /activation":                            {least: "operator", ok: 200},
	"POST /activation":                           {least: "admin", body: `{"state":"live","cause":"storm"}`, ok: 200},
	"GET /route":                                 {least: "supervisor", path: "/route?to=%2B16085550101", ok: 200},
	"GET /tenants":                               {least: "platform", ok: 200},
	"GET /trunks":                                {least: "platform", ok: 200},
	"POST /trunks":                               {least: "platform", body: `{"name":"carrier","signal":["127.0.0.0/16"]}`, ok: 201},
	"DELETE /trunks/{name}":                      {least: "platform", path: "/trunks/demo", match: `"1"`, ok: 204},
	"POST /sessions/link":                        {open: true, body: `{"token":"good"}`, ok: 201},
	"GET /activation/forwarding":                 {least: "supervisor", ok: 200},
	"POST /activation/forwarding":                {least: "supervisor", body: `{"number":"+16085550151","state":"dialled"}`, ok: 200, owned: true},
}

var roles = []string{"operator", "supervisor", "admin", "platform"}

// harborsOwn is what nobody else may ever read.
var harborsOwn = []string{"Lakeside", "lakeside", harborCall, harborLive, harborVoice, harborTicket, "Harbor", "+16085550177", "RIFF"}

func TestEveryRouteIsClosedToStrangersOtherTenantsAndLowerRoles(t *testing.T) {
	t.Parallel()
	spec, err := api.Contract()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, withPlans)
	walked := 0
	for path, item := range spec.Paths.Map() {
		for method := range item.Operations() {
			walked++
			name := method + " " + path
			s, known := samples[name]
			if !known {
				t.Errorf("%s has no rule in this test: say who may use it", name)
				continue
			}
			if s.path == "" {
				s.path = path
			}
			walk(t, w, name, method, s)
		}
	}
	if walked != len(samples) {
		t.Errorf("%d routes, %d rules: a rule has lost its route", walked, len(samples))
	}
}

func walk(t *testing.T, w *world, name, method string, s sample) {
	url := "/api/v1" + s.path
	want := s.ok
	if !s.open {
		for _, token := range []string{"", "garbage", "harbor/nobody"} {
			if got := w.do(method, url, token, s.body, s.match, s.kind); got.Code != http.StatusUnauthorized {
				t.Errorf("%s with token %q: %d, want 401", name, token, got.Code)
			}
		}
	}
	enough := s.open
	for _, role := range roles {
		enough = enough || role == s.least
		own := w.do(method, url, "harbor/"+role, s.body, s.match, s.kind)
		switch {
		case enough && own.Code != want:
			t.Errorf("%s as harbor's %s: %d, want %d: %s", name, role, own.Code, want, own.Body)
		case !enough && own.Code != http.StatusForbidden:
			t.Errorf("%s as harbor's %s: %d, want 403", name, role, own.Code)
		}
		foreign := w.do(method, url, "mesa/"+role, s.body, s.match, s.kind)
		if s.owned && enough && foreign.Code != http.StatusNotFound {
			t.Errorf("%s as mesa's %s: %d, want 404", name, role, foreign.Code)
		}
		if role == "platform" { // sees all tenants' names, and only in /tenants and /route
			continue
		}
		for _, secret := range harborsOwn {
			if strings.Contains(foreign.Body.String(), secret) {
				t.Errorf("%s as mesa's %s shows %q of harbor's", name, role, secret)
			}
		}
	}
}

func TestAForeignIDIsAnsweredExactlyLikeOneThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/calls/ID", "/calls/ID/events", "/voicemails/ID", "/voicemails/ID/audio", "/messages/ID"} {
		foreign := w.do("GET", "/api/v1"+strings.Replace(path, "ID", harborVoice, 1), "mesa/admin", "")
		if strings.HasPrefix(path, "/calls") {
			foreign = w.do("GET", "/api/v1"+strings.Replace(path, "ID", harborCall, 1), "mesa/admin", "")
		}
		if strings.HasPrefix(path, "/messages") {
			foreign = w.do("GET", "/api/v1"+strings.Replace(path, "ID", harborTicket, 1), "mesa/admin", "")
		}
		missing := w.do("GET", "/api/v1"+strings.Replace(path, "ID", "0192f0c4-0000-7000-8000-0000000000ff", 1), "mesa/admin", "")
		if a, b := withoutRequest(foreign.Body.String()), withoutRequest(missing.Body.String()); foreign.Code != 404 || a != b {
			t.Errorf("%s: %d %s differs from %s", path, foreign.Code, a, b)
		}
		for _, bad := range []string{"1", "%2e%2e%2fx", "%00", "x%2Fy", strings.Repeat("a", 70), "'%20OR%201=1--"} {
			if got := w.do("GET", "/api/v1"+strings.Replace(path, "ID", bad, 1), "mesa/admin", ""); got.Code != 404 {
				t.Errorf("%s with id %q: %d, want 404", path, bad, got.Code)
			}
		}
	}
}

// withoutRequest cuts the request's number out of a problem.
func withoutRequest(body string) string {
	before, _, _ := strings.Cut(body, `"request_id"`)
	return before
}

func TestANumberOfAnotherTenantIsExplainedLikeNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := w.do("GET", "/api/v1/route?to=%2B16085550301", "harbor/admin", "").Body.String()
	if strings.Contains(body, "Red Rock") || strings.Contains(body, "mesa") || strings.Contains(body, "red-rock") {
		t.Errorf("harbor learns whose number it is: %s", body)
	}
	live := w.do("GET", "/api/v1/calls?state=live", "harbor/operator", "").Body.String()
	if !strings.Contains(live, harborLive) || strings.Contains(live, "Red Rock") || strings.Contains(live, "red-rock") {
		t.Errorf("a live call's candidates: %s", live)
	}
}

func TestEveryOperationForOperatorsSaysHowItIsHeldToTheirAccounts(t *testing.T) {
	t.Parallel()
	spec, err := api.Contract()
	if err != nil {
		t.Fatal(err)
	}
	scopes := api.Scopes()
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			scope, known := scopes[op.OperationID]
			below := strings.HasPrefix(path, "/accounts/{id}")
			if known && (scope == "" || below != (scope == "address")) {
				t.Errorf("%s %s has the scope %q: say in the rules how an operator who answers some accounts only is held to them", method, path, scope)
			}
		}
	}
}
