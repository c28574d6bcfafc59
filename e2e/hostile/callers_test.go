package hostile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/services/duty"
	"holdfast/web/live"
)

// longestCaller is how many characters of a caller's number and name anybody is shown.
const longestCaller = 64

// callers are who a call says that it is from, and what of it is shown. Whoever it is, the number that was dialled decides where
// the call goes: the word of a caller opens nothing. A trunk is a carrier under contract, so what it asserts is believed.
var callers = []struct {
	what           string
	from, asserted string // header values; "": no P-Asserted-Identity
	caller, name   string
}{
	{"the emergency number", `"Police" <sip:911@x>`, `"Rescue" <sip:911@x>`, "911", "Rescue"},
	{"another one, asserted by nobody", `<sip:112@x>`, "", "112", ""},
	{"asserted is another than From says", `"Bob" <sip:+12025550141@x>`, `"Alice" <sip:+12025550142@x>`, "+12025550142", "Alice"},
	{"asserted is nobody, and then somebody", `<sip:+12025550141@x>`, `<mailto:a@x>, "", <sip:@>, <tel:+12025550143>`, "+12025550143", ""},
	{
		"all of it is long", `"` + strings.Repeat("n", 500) + `" <sip:` + strings.Repeat("u", 500) + `@x>`,
		`"` + strings.Repeat("m", 500) + `" <sip:` + strings.Repeat("v", 500) + `@x>`, strings.Repeat("v", longestCaller), strings.Repeat("m", longestCaller),
	},
	{"the number of another tenant's client", `<sip:+12025550144@x>`, "<sip:" + demo.Kovacs + "@x>", demo.Kovacs, ""},
	{"the number of another client", `<sip:+12025550145@x>`, "<sip:" + demo.Lakeside + "@x>", demo.Lakeside, ""},
	{"the very number that is called", "<sip:" + demo.Prairie + "@x>", "<sip:" + demo.Prairie + "@x>", "unknown", ""},
	{"a hundred asserted", `<sip:+12025550146@x>`, strings.Repeat("<sip:+12025550147@x>, ", 99) + "<sip:+12025550148@x>", "+12025550147", ""},
}

// impersonated calls as whom it likes.
func (s *siege) impersonated(t *testing.T) {
	p := dial(t, "127.0.66.11", s.n.SIP)
	began := time.Now().UTC().Format(time.RFC3339Nano)
	for i, c := range callers {
		text := message(parts[0], "INVITE", fmt.Sprintf("who%d", i), p.at, p.host)
		text = strings.Replace(text, `"Caller" <sip:+12025550141@`+p.at+`>`, c.from, 1)
		asserted := "P-Asserted-Identity: <sip:+12025550141@x>\r\n"
		if c.asserted == "" {
			text = strings.Replace(text, asserted, "", 1)
		}
		text = strings.Replace(text, asserted, "P-Asserted-Identity: "+c.asserted+"\r\n", 1)
		p.send(text)
		harness.Eventually(t, aliveBar, c.what, func() bool { return p.answered() == i+1 }) // the call log has them in this order
	}
	p.quiet(t)
	var page struct {
		Items []struct {
			Account    string `json:"account"`
			Caller     string `json:"caller"`
			CallerName string `json:"caller_name"`
			Called     string `json:"called"`
		} `json:"items"`
	}
	harness.Eventually(t, 2*givenBack, "all of them are in the call log", func() bool {
		page.Items = nil
		status, raw, err := s.admin.Try("GET", "/api/v1/calls?limit=200&state=ended&since="+began, nil)
		return err == nil && status == 200 && json.Unmarshal(raw, &page) == nil && len(page.Items) == len(callers)
	})
	for i, c := range callers {
		got := page.Items[len(callers)-1-i] // newest first
		if got.Caller != c.caller || got.CallerName != c.name || got.Account != "prairie-plumbing" || got.Called != demo.Prairie {
			t.Errorf("%s: %+v, not %q %q", c.what, got, c.caller, c.name)
		}
	}
	s.shownToAnOperator(t)
	for _, long := range []string{"n", "m", "u", "v"} {
		if strings.Contains(s.n.Log(), strings.Repeat(long, longestCaller+1)) {
			t.Errorf("the log has all of what a caller says it is: %s...", long)
		}
	}
}

// shownToAnOperator is what an operator sees of a caller who says too much.
func (s *siege) shownToAnOperator(t *testing.T) {
	c := s.n.Call(demo.Lakeside, func(o *carrier.Options) {
		o.From, o.Headers = "911", []string{`P-Asserted-Identity: "` + strings.Repeat("<b>", 200) + `" <sip:911@x>`}
	})
	var shown duty.Card
	must(t, s.idle.Wait(harness.Limited(t, joinBar), func(v live.DutyView) bool {
		if v.State != duty.Offered || v.Call == nil || v.Call.Caller != "911" {
			return false
		}
		shown = *v.Call
		return true
	}))
	if shown.CallerName != strings.Repeat("<b>", 200)[:longestCaller] || shown.Called != demo.Lakeside {
		t.Errorf("an operator is shown %+v", shown)
	}
	c.Hangup()
	s.n.Over(c, joinBar)
}
