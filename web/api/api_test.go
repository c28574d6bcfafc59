package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"holdfast/web/api"
)

func TestWhatIsTrueNowIsAnsweredWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away = true
	for _, path := range []string{
		"/me", "/calls?state=live", "/calls/" + harborLive, "/operators", "/queue", "/alarms", "/alarms?state=open", "/accounts",
		"/accounts/lakeside-cardiology", "/activation", "/route?to=%2B16085550101",
	} {
		if got := w.do("GET", "/api/v1"+path, "harbor/admin", ""); got.Code != 200 {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
	if got := w.do("POST", "/api/v1/tickets", "", `{"purpose":"desk","duty_secret":"ada's secret"}`); got.Code != 201 {
		t.Errorf("a ticket by duty secret: %d", got.Code)
	}
	for _, path := range []string{
		"/calls", "/calls?state=ended", "/calls/" + harborCall, "/calls/" + harborLive + "/events", "/voicemails",
		"/voicemails/" + harborVoice, "/voicemails/" + harborVoice + "/audio", "/alarms?state=ended",
	} {
		start := time.Now()
		got := w.do("GET", "/api/v1"+path, "harbor/admin", "")
		if got.Code != 503 || got.Header().Get("Retry-After") == "" || problem(t, got).Code != "away" || time.Since(start) > 300*time.Millisecond {
			t.Errorf("%s: %d in %v, Retry-After %q", path, got.Code, time.Since(start), got.Header().Get("Retry-After"))
		}
	}
	if got := w.do("POST", "/api/v1/sessions", "", `{"email":"ada@harbor.example","password":"holdfast-demo"}`); got.Code != 503 {
		t.Errorf("sign-in: %d", got.Code)
	}
}

func problem(t *testing.T, r *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(r.Body.Bytes(), &p); err != nil || r.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem details: %v %q", err, r.Body)
	}
	if p.Title == "" || p.Detail == "" || p.Status != r.Code || p.RequestID == "" || p.RequestID != r.Header().Get("X-Request-Id") {
		t.Errorf("problem %+v of a %d", p, r.Code)
	}
	return p
}

func TestBadRequestsAreRefusedInPlainWordsAndNeverRepeatWhatWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
	}{
		{"no body", "POST", "/sessions", "", "", 400},
		{"no JSON", "POST", "/sessions", "", "{", 400},
		{"another type", "POST", "/sessions", "", `{"email":7,"password":"hunter2"}`, 400},
		{"a field too many", "POST", "/sessions", "", `{"email":"ada@harbor.example","password":"hunter2","admin":true}`, 400},
		{"a field missing", "POST", "/sessions", "", `{"password":"hunter2"}`, 400},
		{"wrong password", "POST", "/sessions", "", `{"email":"ada@harbor.example","password":"hunter2"}`, 401},
		{"old refresh token", "POST", "/sessions/refresh", "", `{"refresh_token":"hunter2"}`, 401},
		{"a limit of nothing", "GET", "/calls?limit=0", "harbor/admin", "", 400},
		{"a limit of everything", "GET", "/calls?limit=100000", "harbor/admin", "", 400},
		{"a limit that is a word", "GET", "/calls?limit=hunter2", "harbor/admin", "", 400},
		{"a time that is none", "GET", "/calls?since=hunter2", "harbor/admin", "", 400},
		{"a state that is none", "GET", "/voicemails?state=hunter2", "harbor/admin", "", 400},
		{"no number", "GET", "/route", "harbor/admin", "", 400},
		{"an empty change", "PATCH", "/voicemails/" + harborVoice, "harbor/admin", "{}", 400},
		{"a property not theirs", "PATCH", "/voicemails/" + harborVoice, "harbor/admin", `{"sha256":"hunter2"}`, 400},
		{"a portal ticket by duty secret", "POST", "/tickets", "", `{"purpose":"portal","duty_secret":"ada's secret"}`, 400},
		{"a wrong duty secret", "POST", "/tickets", "", `{"purpose":"desk","duty_secret":"hunter2"}`, 401},
		{"a portal ticket for an operator", "POST", "/tickets", "harbor/operator", `{"purpose":"portal"}`, 403},
		{"the whole internet", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["0.0.0.0/0"]}`, 400},
		{"no network", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["hunter2"]}`, 400},
		{"no port", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"options":"hunter2"}`, 400},
		{"no way out", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"out":{"target":"hunter2"}}`, 400},
		{"a way out to elsewhere", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"out":{"target":"192.0.2.2:5060"}}`, 400},
		{"a header in the realm", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"out":{"target":"192.0.2.1:5060","user":"u","realm":"r\r\nX: y"}}`, 400},
		{"a header in the target", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"out":{"target":"a\r\nX: y:5060"}}`, 400},
		{"a header in the domain", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"out":{"target":"192.0.2.1:5060","domain":"d\r\nX: y"}}`, 400},
		{"a header in the user", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"out":{"target":"192.0.2.1:5060","user":"u\r\nX: y"}}`, 400},
		{"a header in the questions", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"options":"a\nX: y:5060"}`, 400},
		{"a challenge without a password", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"challenge":{"user":"u"}}`, 400},
		{"a header in the challenge", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"challenge":{"user":"u","password":"password","realm":"r\r\nX: y"}}`, 400},
		{"fewer calls than none", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"calls_per_second":-1}`, 400},
		{"an authority that is none", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"tls":{"ca":"hunter2"}}`, 400},
		{"a certificate for anybody", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"tls":{"mutual":true}}`, 400},
		{"keys in clear", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"encryption":"required"}`, 400},
		{"no such encryption", "POST", "/trunks", "platform/platform", `{"name":"x","signal":["192.0.2.1"],"encryption":"rot13"}`, 400},
		{"a name with a path", "POST", "/trunks", "platform/platform", `{"name":"../x","signal":["192.0.2.1"]}`, 400},
		{"a large body", "POST", "/sessions", "", `{"email":"` + strings.Repeat("a", 65<<10) + `","password":"x"}`, 413},
		{"no route", "GET", "/nothing", "harbor/admin", "", 404},
		{"no method", "PUT", "/calls", "harbor/admin", "", 405},
	} {
		got := w.do(c.method, "/api/v1"+c.path, c.token, c.body)
		if got.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, got.Code, c.status, got.Body)
			continue
		}
		problem(t, got)
		if strings.Contains(got.Body.String(), "hunter2") {
			t.Errorf("%s: what was sent comes back: %s", c.name, got.Body)
		}
	}
	if strings.Contains(w.log.String(), "hunter2") || strings.Contains(w.log.String(), "since=") {
		t.Errorf("the log holds what was sent: %s", w.log)
	}
}

func TestATrunkIsNotAddedOverAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	add := func(body string, status int) string {
		t.Helper()
		got := w.do("POST", "/api/v1/trunks", "platform/platform", body)
		if got.Code != status {
			t.Fatalf("%d, want %d: %s", got.Code, status, got.Body)
		}
		return got.Body.String()
	}
	add(`{"name":"carrier","signal":["192.0.2.1"],"create":true,"tls":{"name":"carrier.example"},"encryption":"required"}`, 201)
	if got := add(`{"name":"carrier","signal":["192.0.2.9"],"create":true}`, 409); !strings.Contains(got, `"about":"carrier","code":"trunk_taken","field":"name"`) {
		t.Errorf("the answer does not say that the name is taken: %s", got)
	}
	if got := w.trunks; len(got) != 1 || got[0].TLS == nil {
		t.Errorf("the trunk that was there: %+v", got)
	}
	add(`{"name":"carrier","signal":["192.0.2.9"]}`, 201) // replaced, on purpose
}

func TestATrunkIsChangedByWhoHasSeenItAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(body, match string, status int) string {
		t.Helper()
		got := w.do("POST", "/api/v1/trunks", "platform/platform", body, match)
		if got.Code != status {
			t.Fatalf("%d, want %d: %s", got.Code, status, got.Body)
		}
		return got.Body.String()
	}
	put(`{"name":"carrier","signal":["192.0.2.1"],"create":true,"challenge":{"user":"in","password":"password"}}`, "", 201)
	seen := `"` + w.trunks[0].Revision() + `"`
	if got := put(`{"name":"carrier","signal":["192.0.2.2"],"challenge":{"user":"in"}}`, seen, 201); strings.Contains(got, strings.Trim(seen, `"`)) {
		t.Errorf("the revision of before: %s", got)
	}
	got := put(`{"name":"carrier","signal":["192.0.2.3"],"challenge":{"user":"in"}}`, seen, 412)
	if now := w.trunks[0]; !strings.Contains(got, now.Revision()) || now.Signal[0].String() != "192.0.2.2/32" {
		t.Errorf("what is there now: %+v, and what is told of it: %s", now, got)
	}
	put(`{"name":"carrier","signal":["192.0.2.3"],"challenge":{"user":"another"}}`, "", 400) // nobody knows that one's password
	put(`{"name":"carrier","signal":["192.0.2.3"],"challenge":{"user":"another"}}`, seen, 412)
	put(`{"name":"gone","signal":["192.0.2.3"],"challenge":{"user":"in"}}`, seen, 404)
	put(`{"name":"carrier","signal":["192.0.2.3"],"challenge":{"user":"in"}}`, `""`, 428)
	now := `"` + w.trunks[0].Revision() + `"`
	for _, c := range []struct {
		match string
		want  int
	}{{"", 428}, {seen, 412}, {now, 204}, {now, 404}} {
		got := w.do("DELETE", "/api/v1/trunks/carrier", "platform/platform", "", c.match)
		if got.Code != c.want || c.want == 412 && (!strings.Contains(got.Body.String(), "192.0.2.2/32") || got.Header().Get("ETag") != now) {
			t.Errorf("removed by %s: %d, want %d, %v: %s", c.match, got.Code, c.want, got.Header(), got.Body)
		}
	}
}

func TestWhatCannotBeSoWithATrunkIsSaidOfItsField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, want := range map[string]string{
		`"signal":["192.0.2.0/28","carrier"]`:                                           `"code":"not_networks","field":"signal[1]"`,
		`"signal":["192.0.2.0/28"],"media":["0.0.0.0/0"]`:                               `"about":"0.0.0.0/0","code":"too_wide","field":"media[0]"`,
		`"signal":["2001::/16"]`:                                                        `"about":"2001::/16","code":"too_wide","field":"signal[0]"`,
		`"signal":["192.0.2.0/28"],"options":"sip.carrier.example"`:                     `"code":"not_host_port","field":"options"`,
		`"signal":["192.0.2.0/28"],"options":"sip.carrier.example:0"`:                   `"code":"not_host_port","field":"options"`,
		`"signal":["192.0.2.1"],"out":{"target":"sip.carrier.example"}`:                 `"code":"not_host_port","field":"out.target"`,
		`"signal":["192.0.2.1"],"out":{"target":"192.0.2.2:5060"}`:                      `"about":"192.0.2.2","code":"not_among","field":"out.target"`,
		`"signal":["192.0.2.1"],"out":{"target":"192.0.2.1:5060","password":"secret"}`:  `"code":"empty","field":"out.user"`,
		`"signal":["192.0.2.1"],"out":{"target":"192.0.2.1:5060","user":"Zolt\u00e1n"}`: `"code":"unfit","field":"out.user"`,
		`"signal":[]`:               `"code":"empty","field":"signal"`,
		`"signal":["192.0.2.1",""]`: `"code":"empty","field":"signal[1]"`,
		`"signal":["192.0.2.1"],"challenge":{"user":"in","password":"short"}`: `"about":"8","code":"too_short","field":"challenge.password"`,
		`"signal":["192.0.2.1"],"challenge":{"user":"in"}`:                    `"code":"empty","field":"challenge.password"`,
		`"signal":["192.0.2.1"],"calls_per_second":100001`:                    `"code":"out_of_range","field":"calls_per_second"`,
		`"signal":["192.0.2.1"],"options":"` + strings.Repeat("x", 256) + `"`: `"code":"too_long","field":"options"`,
	} {
		got := w.do("POST", "/api/v1/trunks", "platform/platform", `{"name":"carrier",`+body+`}`)
		if got.Code != 400 || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: %d %s", body, got.Code, got.Body)
		}
	}
}

func TestABodyOfUnknownLengthIsLimitedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := httptest.NewRequest("POST", "/api/v1/sessions", io.MultiReader(strings.NewReader(`{"email":"`), strings.NewReader(strings.Repeat("a", 70<<10))))
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = -1
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestHeadersOver8KiBAreRefusedBeforeAnythingLooksAtThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := httptest.NewUnstartedServer(w.handler)
	s.Config = api.HTTPServer(w.handler, discard())
	s.Start()
	defer s.Close()
	for size, want := range map[int]int{6 << 10: 401, 9 << 10: 431, 1 << 20: 431} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.Repeat(".", size))
		res, err := s.Client().Do(r)
		var broken net.Error
		if err != nil {
			if want == 431 && (errors.As(err, &broken) || strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "pipe")) {
				continue // the server stopped reading
			}
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes of token: %d, want %d", size, res.StatusCode, want)
		}
	}
}

// payloads are what strangers put where a name belongs.
var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `';alert(1);//`, `{{constructor.constructor('alert(1)')()}}`,
	`<svg/onload=alert(1)>`, "\u202egnp.exe", "a\x00b", `javascript:alert(1)`, `</script><script>`, "\r\nSet-Cookie: x=1",
}

func TestAStrangersScriptIsTextInJSONAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, payload := range payloads {
		w := newWorld(t, func(w *world, _ *api.Config) { w.text = payload })
		w.invite("harbor", "0192f0c4-0000-7000-8000-00000000000c")
		for _, path := range []string{"/calls", "/calls?state=live", "/calls/" + harborCall, "/calls/" + harborCall + "/events", "/voicemails", "/queue", "/me"} {
			got := w.do("GET", "/api/v1"+path, "harbor/admin", "")
			if got.Code != 200 || got.Header().Get("Content-Type") != "application/json" || got.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %d %v", path, got.Code, got.Header())
			}
			if !json.Valid(got.Body.Bytes()) || strings.Contains(got.Body.String(), "<") {
				t.Errorf("%s: %s", path, got.Body)
			}
			if got.Header().Get("Set-Cookie") != "" || !strings.Contains(got.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s: %v", path, got.Header())
			}
			if path == "/me" {
				var me api.Me
				if json.Unmarshal(got.Body.Bytes(), &me) != nil || me.Name != payload {
					t.Errorf("%q arrives as %q", payload, me.Name)
				}
			}
		}
	}
}

func TestAVoicemailIsPlayedInRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/api/v1/voicemails/" + harborVoice + "/audio"
	whole := w.do("GET", path, "harbor/operator", "")
	if whole.Body.String() != "RIFF0123456789" || whole.Header().Get("Content-Type") != "audio/wav" || whole.Header().Get("Accept-Ranges") != "bytes" {
		t.Errorf("whole: %q %v", whole.Body, whole.Header())
	}
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer harbor/operator")
	r.Header.Set("Range", "bytes=4-6")
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != 206 || rec.Body.String() != "012" || rec.Header().Get("Content-Range") != "bytes 4-6/14" {
		t.Errorf("range: %d %q %v", rec.Code, rec.Body, rec.Header())
	}
	var v api.Voicemail
	if err := json.Unmarshal(w.do("GET", "/api/v1/voicemails/"+harborVoice, "harbor/operator", "").Body.Bytes(), &v); err != nil || v.AudioURL != path {
		t.Errorf("audio_url %q", v.AudioURL)
	}
}

func TestPasswordsCannotBeGuessedFromOneAddress(t *testing.T) {
	t.Parallel()
	now := noon
	w := newWorld(t, func(_ *world, c *api.Config) { c.Now = func() time.Time { return now } })
	body := `{"email":"ada@harbor.example","password":"guess"}`
	for i := range 60 {
		if got := w.do("POST", "/api/v1/sessions", "", body); got.Code != 401 {
			t.Fatalf("attempt %d: %d", i, got.Code)
		}
	}
	got := w.do("POST", "/api/v1/sessions", "", body)
	if got.Code != 429 || got.Header().Get("Retry-After") != "1" {
		t.Errorf("attempt 61: %d", got.Code)
	}
	now = now.Add(time.Second)
	if got := w.do("POST", "/api/v1/sessions", "", body); got.Code != 401 {
		t.Errorf("a second later: %d", got.Code)
	}
}

func TestASecretOfADutyIsWorthItsOwnDeskOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ token, want string }{
		{"", "desk:harbor-operator:duty-7"},
		{"expired", "desk:harbor-operator:duty-7"},
		{"harbor/operator", "desk:harbor-operator:duty-7"},
		{"mesa/operator", "desk:mesa-operator:"},
	} {
		var ticket api.Ticket
		got := w.do("POST", "/api/v1/tickets", c.token, `{"purpose":"desk","duty_secret":"ada's secret"}`)
		if err := json.Unmarshal(got.Body.Bytes(), &ticket); err != nil || ticket.Ticket != c.want || ticket.ExpiresIn != 30 {
			t.Errorf("token %q: %+v, want %q", c.token, ticket, c.want)
		}
	}
}

func TestSigningOutClosesTheSocketsOfTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do("DELETE", "/api/v1/sessions/current", "harbor/operator", "")
	if len(w.sessions) != 1 || w.sessions[0] != "s-harbor/operator" {
		t.Errorf("closed: %q", w.sessions)
	}
}

func TestPagesAreServedWithoutInlineScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *api.Config) { c.PublicURL = "https://answer.example" })
	for path, want := range map[string]string{"/desk": "<title>desk", "/desk/": "<title>desk", "/portal": "<title>portal", "/portal/voicemails/7": "<title>portal"} {
		got := w.do("GET", path, "", "")
		csp := got.Header().Get("Content-Security-Policy")
		if got.Code != 200 || got.Body.String() != want || got.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q %v", path, got.Code, got.Body, got.Header())
		}
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "wss://answer.example") {
			t.Errorf("%s: %s", path, csp)
		}
		if got.Header().Get("Strict-Transport-Security") == "" || got.Header().Get("Referrer-Policy") == "" || !strings.Contains(got.Header().Get("Permissions-Policy"), "microphone=(self)") {
			t.Errorf("%s: %v", path, got.Header())
		}
	}
	if got := w.do("GET", "/assets/a-1.js", "", ""); got.Code != 200 || !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("asset: %d %v", got.Code, got.Header())
	}
	if got := w.do("GET", "/icon.svg", "", ""); got.Code != 200 {
		t.Errorf("icon: %d", got.Code)
	}
	for _, path := range []string{"/assets/b.js", "/assets/%2e%2e/desk.html", "/desk.html", "/.keep", "/nothing", "/desk/socket", "/metrics/x"} {
		if got := w.do("GET", path, "", ""); got.Code != 404 || strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

func TestReadinessListsDependenciesAndHealthAsksNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *api.Config) {
		c.Dependencies = []api.Dependency{
			{Name: "postgres", Check: func(context.Context) error { return errors.New("away") }},
			{Name: "redis", Check: func(context.Context) error { return nil }},
		}
	})
	if got := w.do("GET", "/healthz", "", ""); got.Code != 200 {
		t.Errorf("healthz: %d", got.Code)
	}
	got := w.do("GET", "/readyz", "", "")
	var body struct {
		Ready bool
		Items []api.Health
	}
	if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || got.Code != 503 || body.Ready || len(body.Items) != 2 || body.Items[0].Up || !body.Items[1].Up {
		t.Errorf("readyz: %d %s", got.Code, got.Body)
	}
}

func TestMetricsAreForThisMachineOrTheToken(t *testing.T) {
	t.Parallel()
	shown := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("holdfast_calls")) })
	w := newWorld(t, func(_ *world, c *api.Config) { c.Metrics = shown })
	for _, c := range []struct {
		from, forwarded, token string
		want                   int
	}{
		{"127.0.0.1:9", "", "", 200},
		{"127.0.0.1:9", "203.0.113.9", "", 404},
		{"203.0.113.9:9", "", "", 404},
		{"203.0.113.9:9", "127.0.0.1", "", 404},
		{"203.0.113.9:9", "", "guess", 404},
		{"203.0.113.9:9", "", "scrape-me", 200},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = c.from
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		r.Header.Set("Authorization", "Bearer "+c.token)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%+v: %d", c, rec.Code)
		}
	}
}

func TestAForwardedAddressIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	proxies, err := api.ParseProxies("10.0.0.0/8, 192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.ParseProxies("proxy.example"); err == nil {
		t.Error("a name is no address")
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "198.51.100.1", "203.0.113.9"},
		{"10.1.1.1:1", "198.51.100.1", "198.51.100.1"},
		{"10.1.1.1:1", "127.0.0.1, 198.51.100.1, 192.0.2.1", "198.51.100.1"},
		{"10.1.1.1:1", "garbage", "10.1.1.1"},
		{"10.1.1.1:1", "", "10.1.1.1"},
		{"[::ffff:10.1.1.1]:1", "2001:db8::7", "2001:db8::7"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := api.ClientAddress(proxies, r); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestAPanicInOneRequestIsA500WithANumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *api.Config) { c.Explainer = nil; c.Calls = panics{} })
	got := w.do("GET", "/api/v1/calls", "harbor/admin", "")
	if got.Code != 500 || problem(t, got).Code != "internal" || !strings.Contains(w.log.String(), "recovered") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.do("GET", "/api/v1/route?to=1", "harbor/admin", ""); got.Code != 503 {
		t.Errorf("a part that is not run here: %d", got.Code)
	}
}

type panics struct{ api.Calls }
