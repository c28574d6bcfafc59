package hostile

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"holdfast/e2e/harness"
)

// words are commands to a database, a store, a log, a shell, a page or a spreadsheet, as a caller may have them in its name.
var words = []string{
	`'; DROP TABLE calls; --`, `x' OR '1'='1`, `$1`, `\'; SELECT pg_sleep(10); --`, `$$; DELETE FROM events; $$`,
	`%0d%0aFLUSHALL%0d%0a`, `*1 $8 FLUSHALL`, `calls:*`, `{x}:y`, `../../keys/master`,
	`x%0Atime=2026-01-01T00:00:00Z level=ERROR msg=forged`, "x\u2028level=ERROR msg=forged", "\x1b[2J\x1b[31mforged", `","level":"ERROR","msg":"forged`,
	`$(reboot)`, "`reboot`", `<script>alert(1)</script>`, `=HYPERLINK("http://x")`, "\u202egnirts", strings.Repeat("n", 500), `%s%n%d`, `{{.}}`,
}

// worded calls with every word in every place that is kept: the call log has each call, its texts are text, and the log of the
// process has a line for each thing that was said, not one that a caller wrote.
func (s *siege) worded(t *testing.T) {
	p := dial(t, "127.0.66.6", s.n.SIP)
	began := time.Now().UTC().Format(time.RFC3339Nano)
	for i, word := range words {
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
		user := regexp.MustCompile(`[^A-Za-z0-9%]`).ReplaceAllStringFunc(word, func(c string) string { return strings.ToUpper(fmt.Sprintf("%%%x", c[0])) })
		id := fmt.Sprintf("word%d", i)
		text := message(parts[0], "INVITE", id, p.at, p.host)
		text = strings.NewReplacer(
			`"Caller"`, quoted, "sip:+12025550141@x", "sip:"+user+"@x", "+12025550141", user, "carrier/1", word,
			"Call-ID: "+id, "Call-ID: "+id+strings.ReplaceAll(word, " ", "_"), "X-Odd: value", "X-Odd: "+word, "sip:+16085550151@x", "sip:"+user+"@x",
		).Replace(text)
		p.send(text)
		if !p.alive() {
			t.Fatalf("no answer to OPTIONS after %q", word)
		}
	}
	defer func() { t.Logf("%d of %d calls were answered: %v", p.answered(), len(words), p.answers()) }()
	harness.Eventually(t, aliveBar, "all calls are answered", func() bool { return p.answered() == len(words) })
	p.quiet(t)
	listed := map[string]bool{}
	harness.Eventually(t, 2*givenBack, "all of them are in the call log", func() bool {
		var page struct {
			Items []struct {
				Caller string `json:"caller"`
			} `json:"items"`
		}
		status, raw, err := s.admin.Try("GET", "/api/v1/calls?limit=200&state=ended&since="+began, nil)
		if err != nil || status != 200 || json.Unmarshal(raw, &page) != nil {
			return false
		}
		clear(listed)
		for _, c := range page.Items {
			listed[c.Caller] = true
		}
		return len(page.Items) == len(words)
	})
	for _, word := range words {
		printable := !strings.ContainsFunc(word, func(r rune) bool { return r >= unicode.MaxASCII || unicode.IsControl(r) })
		if printable && len(word) < 40 && !strings.Contains(word, "%0") && !listed[word] {
			t.Errorf("%q is not in the call log as it was sent", word)
		}
	}
	for caller := range listed {
		if len(caller) > 64 || strings.ContainsFunc(caller, unicode.IsControl) {
			t.Errorf("the call log has a caller %q", caller)
		}
	}
	line := regexp.MustCompile(`^(time=[0-9]{4}-[^ ]+ level=[A-Z]+ msg=|holdfast ready |demonstration sign-ins|  [a-z]+@)`)
	for text := range strings.Lines(s.n.Log()) {
		text = strings.TrimSuffix(text, "\n")
		if !line.MatchString(text) || strings.Contains(text, " level=ERROR msg=forged") && !strings.Contains(text, `\n`) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("a line of the log that a caller wrote: %q", text)
		}
	}
}
