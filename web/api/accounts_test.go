package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"holdfast/web/api"
)

const lakeside = "/api/v1/accounts/lakeside-cardiology"

func TestAnEditWithoutItsRevisionOrWithAnOldOneIsRefusedWithWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read := w.do("GET", lakeside, "harbor/admin", "")
	if tag := read.Header().Get("ETag"); tag != `"7"` {
		t.Fatalf("ETag %q", tag)
	}
	if got := w.do("PATCH", lakeside, "harbor/admin", `{"medical":true}`); got.Code != 428 {
		t.Errorf("without If-Match: %d %s", got.Code, got.Body)
	}
	for _, bad := range []string{"7", `"x"`, `"7", "8"`, "*"} {
		if got := w.do("PATCH", lakeside, "harbor/admin", `{"medical":true}`, bad); got.Code != 400 {
			t.Errorf("If-Match %s: %d", bad, got.Code)
		}
	}
	got := w.do("PATCH", lakeside, "harbor/admin", `{"medical":true}`, `"6"`)
	var p api.Problem
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	current, _ := p.Current.(map[string]any)
	if got.Code != 412 || p.Code != "changed" || got.Header().Get("ETag") != `"7"` || current["name"] != "Lakeside Cardiology" || *p.ChangedBy != "Ilona Varga" {
		t.Errorf("an old revision: %d %s %s", got.Code, got.Header(), got.Body)
	}
	if got := w.do("PATCH", lakeside, "harbor/admin", `{"medical":true}`, `W/"7"`); got.Code != 200 || got.Header().Get("ETag") != `"7"` {
		t.Errorf("the right one: %d %s", got.Code, got.Body)
	}
}

func TestEverythingThatIsWrongIsToldAtOnceByField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.do("PATCH", lakeside, "harbor/admin", `{"initials":"","shape":"star","zone":"Mars","ring_seconds":61,"notify":["a@b.example","x"]}`, `"7"`)
	var p api.Problem
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || got.Code != 422 || p.Errors == nil {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	told := map[string]string{}
	for _, e := range *p.Errors {
		told[e.Field] = e.Code
	}
	for field, code := range map[string]string{
		"initials": "empty", "shape": "unknown", "zone": "not_a_zone", "ring_seconds": "out_of_range", "notify[1]": "not_an_address",
	} {
		if told[field] != code {
			t.Errorf("%s: %q, want %q; %v", field, told[field], code, told)
		}
	}
	got = w.do("PATCH", lakeside, "harbor/admin", `{"hours":[{"days":["mon"],"from":"08:00","to":"17:00"},{"days":[],"from":"8","to":"9"}]}`, `"7"`)
	if got.Code != 422 || !strings.Contains(got.Body.String(), `"hours[1]"`) || strings.Contains(got.Body.String(), `"hours[0]"`) {
		t.Errorf("hours: %d %s", got.Code, got.Body)
	}
	got = w.do("PATCH", lakeside, "harbor/admin", `{"published":["608-555-0152"]}`, `"7"`)
	if got.Code != 409 || !strings.Contains(got.Body.String(), "Prairie Plumbing") || !strings.Contains(got.Body.String(), `"code":"claimed"`) {
		t.Errorf("a claimed number: %d %s", got.Code, got.Body)
	}
}

func TestARecordingMayBeLargeAndNothingElseMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.do("PUT", lakeside+"/greetings/en", "harbor/admin", strings.Repeat("x", 1<<20), `"7"`); got.Code != 200 || len(w.clip) != 1<<20 {
		t.Errorf("a megabyte of sound: %d %s", got.Code, got.Body)
	}
	if got := w.do("PUT", lakeside+"/greetings/en", "harbor/admin", strings.Repeat("x", 20<<20+1), `"7"`); got.Code != 413 {
		t.Errorf("too much sound: %d", got.Code)
	}
	if got := w.do("PATCH", lakeside, "harbor/admin", `{"instructions":"`+strings.Repeat("x", 64<<10)+`"}`, `"7"`); got.Code != 413 {
		t.Errorf("too much text: %d", got.Code)
	}
	if got := w.do("GET", lakeside+"/greetings/hu", "harbor/operator", ""); got.Code != 404 {
		t.Errorf("a greeting that is not there: %d", got.Code)
	}
}
