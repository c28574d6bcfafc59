package notify

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

const ourLink = "https://answer.example/portal#/voicemail/v1"

func TestAMailSaysInBothLanguagesWhatHappened(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n              Notice
		subject, lines string
	}{
		{
			Notice{Kind: Voicemail, Language: "en", Data: map[string]string{"account_name": "Dr. O'Neil & Sons", "caller": "+16085550199", "at": "2026-11-22T14:02:00-06:00", "duration": "0:42", "link": ourLink, "urgent": "yes"}},
			"URGENT: Voicemail for Dr. O'Neil & Sons",
			"Caller: +16085550199\nWhen: Sunday 22 November 2026, 14:02 (UTC−6)\nLength: 0:42\n\nListen and mark as handled:\n" + ourLink,
		},
		{
			Notice{Kind: Voicemail, Language: "hu-HU", Data: map[string]string{"account_name": "Kovács Fogászat", "at": "2026-07-01T08:05:00+02:00", "link": ourLink}},
			"Hangüzenet – Kovács Fogászat", "Hívó: rejtett szám\nMikor: 2026. július 1., szerda 08:05 (UTC+2)\n\nMeghallgatás és lezárás:\n" + ourLink,
		},
		{
			Notice{Kind: Message, Language: "en", Data: map[string]string{"number": "4711", "account_name": "Lakeside", "for": "Dr. Lee", "name": "Ann Poe", "callback": "+1 608 555 0199", "text": "Chest pain.\nCall https://portal.lakeside.example now", "by": "Ada"}},
			"Message 4711 for Lakeside", "Call back: +1 608 555 0199\nBy: Ada\n\n> Chest pain.\n> Call https://portal.lakeside.example now",
		},
		{
			Notice{Kind: Activation, Language: "hu", Data: map[string]string{"name": "Eszter", "tenant_name": "Duna Ügyelet", "by": "Gábor", "link": ourLink}},
			"SÜRGŐS: Élesítés – Duna Ügyelet: kérjük, jelentkezzen be most", "Bejelentkezés és hívásfogadás:\n" + ourLink,
		},
		{
			Notice{Kind: Invitation, Language: "en", Data: map[string]string{"name": "Ben", "tenant_name": "Harbor", "by": "Ada", "link": ourLink, "until": "2026-11-25T14:00:00Z"}},
			"You are invited to answer calls for Harbor", "The link works once, until Wednesday 25 November 2026, 14:00 (UTC).",
		},
		{
			Notice{Kind: Reminder, Language: "en", Data: map[string]string{"count": "1", "oldest": "2026-11-22T14:02:00Z", "link": ourLink}},
			"A voicemail waits to be handled", "The oldest came: Sunday 22 November 2026, 14:02 (UTC)",
		},
	} {
		m := Write(c.n)
		if m.Subject != c.subject || !strings.Contains(m.Text, c.lines) {
			t.Errorf("%s %s: subject %q, text\n%s", c.n.Kind, c.n.Language, m.Subject, m.Text)
		}
	}
}

// linked is what mail programs make clickable in plain text.
var linked = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s\]]|mailto:\S|tel:\S|\bwww\.|[\p{L}\p{N}_-]@[\p{L}\p{N}_-]|[\p{L}\p{N}_-]\.\p{L}|\d\.\d+\.\d+\.\d`)

func FuzzNoNameBecomesALinkAHeaderOrALine(f *testing.F) {
	for _, s := range []string{
		"Ada", "http://evil.example/x", "evil.com", "a.b.c.d", "x@evil.com", "https://evil.example@answer.example/", "<a href=//evil.example>click</a>",
		"\r\nBcc: all@evil.example", "Ada\nListen:\nhttps://evil.example", "\u202egro.live", "evil\u200b.com", "evil。com", "10.0.0.1/x", "1.2.3.4.5", "javascript:alert(1)",
		"\"><script>alert(1)</script>", "{{.Link}}", "%0d%0aBcc:x", "=?utf-8?q?=0d=0aBcc:x?=", "mailto:x@y", "tel:+1900", "\x00\xff", strings.Repeat("a.b", 400), "-- ", "wWw.evil.com", "e.co\u00adm", "．com", "a..b", "1.com",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, name, link string) {
		for _, kind := range []Kind{Voicemail, Reminder, Message, Invitation, Activation, "other"} {
			for _, language := range []string{"en", "hu"} {
				d := map[string]string{"link": ourLink, "urgent": "yes"}
				for _, key := range []string{"account_name", "caller", "at", "duration", "count", "oldest", "number", "name", "callback", "for", "by", "tenant_name", "until", "cause"} {
					d[key] = name
				}
				if kind == Message {
					d["link"] = link
				}
				m := Write(Notice{Kind: kind, Language: language, Data: d})
				check(t, m, kind)
			}
		}
	})
}

func check(t *testing.T, m Mail, kind Kind) {
	t.Helper()
	if strings.ContainsFunc(m.Subject, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) || m.Subject == "" {
		t.Errorf("%s: subject %q", kind, m.Subject)
	}
	text := m.Text
	if kind != Message { // whose link is nothing that is ever shown
		if strings.Count(text, ourLink) != 1 {
			t.Errorf("%s: our link is in the text %d times:\n%s", kind, strings.Count(text, ourLink), text)
		}
		text = strings.ReplaceAll(text, ourLink, "")
	}
	if found := linked.FindString(text + "\n" + m.Subject); found != "" {
		t.Errorf("%s: a mail program would make a link of %q in\n%s\n%s", kind, found, m.Subject, text)
	}
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 2000 {
			t.Errorf("%s: a line of %d bytes", kind, len(line))
		}
	}
	links, words := walk(t, m.HTML)
	if kind != Message && (len(links) != 1 || links[0] != ourLink) {
		t.Errorf("%s: the page links to %q", kind, links)
	}
	if found := linked.FindString(words); found != "" {
		t.Errorf("%s: a mail program would make a link of %q in the page", kind, found)
	}
}

// walk reads a page: where it links to and what it says. No element may be there that the letter does not have.
func walk(t *testing.T, page string) (links []string, words string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return links, words
		case html.TextToken:
			words += string(z.Text()) + "\n"
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if !strings.Contains(" html head meta title body div h1 p table tbody tr th td a ", " "+token.Data+" ") {
				t.Errorf("the page has an element %q", token.Data)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "src" {
					t.Errorf("the page has an attribute %s=%q", a.Key, a.Val)
				}
				if a.Key == "href" {
					links = append(links, a.Val)
				}
			}
		}
	}
}
