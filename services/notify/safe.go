package notify

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nameRunes bounds a name in a mail.
const nameRunes = 120

// plain makes outside text one line of at most limit bytes, valid, without anything that cannot be seen.
func plain(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.Map(visible, strings.ToValidUTF8(s, "\uFFFD"))), " ")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimSpace(s[:limit])
}

// visible drops what has no shape or turns the direction of what follows (bidirectional controls, zero widths), and makes
// controls and separators spaces.
func visible(r rune) rune {
	switch {
	case r == '\u00ad' || r == '\ufeff' || unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Variation_Selector, r):
		return -1
	case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
		return ' '
	}
	return r
}

// dotted is what mail programs make a link of, whatever surrounds it: a dot, however it is written, between two words.
var dotted = regexp.MustCompile(`([\p{L}\p{N}\-_\]])([.。．｡])([\p{L}\p{N}])`)

// harmless makes a stranger's name text that no mail program turns into a link, an address or a number to dial.
func harmless(s string) string {
	s = plain(s, 4*nameRunes)
	if utf8.RuneCountInString(s) > nameRunes {
		s = string([]rune(s)[:nameRunes]) + "…"
	}
	for range 2 { // a.b.c: what one match ended may begin the next
		s = dotted.ReplaceAllStringFunc(s, func(m string) string {
			p := dotted.FindStringSubmatch(m)
			if isDigit(p[1]) && isDigit(p[3]) { // 1.5, 14.02: nobody's address. Four numbers are one: see below
				return m
			}
			return p[1] + "[.]" + p[3]
		})
	}
	s = address.ReplaceAllString(s, "$1[.]$2")
	return strings.NewReplacer("://", "[:]//", "@", "[@]", "mailto:", "mailto[:]", "tel:", "tel[:]").Replace(s)
}

// address is an IPv4 address, which is a link too when a slash follows.
var address = regexp.MustCompile(`(\d+\.\d+\.\d+)\.(\d+)`)

func isDigit(s string) bool { return s != "" && s[len(s)-1] >= '0' && s[len(s)-1] <= '9' }

// paragraphs makes what an operator wrote lines of text, valid and visible.
func paragraphs(s string) string {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRightFunc(strings.Map(visible, strings.ToValidUTF8(l, "\uFFFD")), unicode.IsSpace)
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// safeLink returns a link of ours, or nothing when it is none.
func safeLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`<>"'\`, r)
	}) {
		return ""
	}
	return s
}
