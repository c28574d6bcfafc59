package trunk

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast/media"
)

// Limits of what is kept of a header, promised by media.Invite.
const (
	maxText   = 256 // bytes of one text
	maxOfKind = 20  // entries of one kind of header
)

// address is one entry of a header that lists addresses: `"Display" <URI?headers>;params`.
type address struct {
	media.Identity
	uriParams  map[string]string // after the host, e.g. cause of RFC 4458; names in lower case
	uriHeaders map[string]string // after "?", unescaped; names in lower case
	params     map[string]string // after ">", names in lower case
}

// clean makes a text fit for keeping: valid UTF-8 without control characters (a NUL cannot be stored), at most maxText
// bytes, cut between characters.
func clean(s string) string {
	if len(s) > 4*maxText { // no need to look at what is cut anyway
		s = s[:4*maxText]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// split cuts s at every sep that stands outside quotes and angle brackets. At most limit parts come back.
func split(s string, sep byte, limit int) []string {
	var parts []string
	quoted, bracket, start := false, false, 0
	for i := 0; i < len(s) && len(parts) < limit; i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !bracket:
			quoted = !quoted
		case quoted:
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == sep && !bracket:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if len(parts) < limit {
		parts = append(parts, s[start:])
	}
	return parts
}

// parseAddresses reads the values of one kind of header, in the order written. Entries that name no address are skipped.
func parseAddresses(values []string) []address {
	var all []address
	for _, value := range values {
		for _, part := range split(value, ',', 2*maxOfKind) {
			if len(all) == maxOfKind {
				return all
			}
			if a, ok := parseAddress(part); ok {
				all = append(all, a)
			}
		}
	}
	return all
}

// parseAddress reads a name-addr or addr-spec (RFC 3261 section 25.1) with its parameters, leniently.
func parseAddress(s string) (address, bool) {
	s = strings.TrimSpace(s)
	var a address
	var uri, rest string
	if open := openBracket(s); open >= 0 {
		a.Display = clean(unquote(strings.TrimSpace(s[:open])))
		var ok bool
		if uri, rest, ok = strings.Cut(s[open+1:], ">"); !ok {
			return address{}, false
		}
	} else { // without brackets, everything after ";" belongs to the header
		uri, rest, _ = strings.Cut(s, ";")
	}
	a.params = parseParams(rest)
	if !a.parseURI(strings.TrimSpace(uri)) {
		return address{}, false
	}
	return a, true
}

// openBracket finds the "<" that starts the URI: the first outside quotes, or -1.
func openBracket(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			return i
		}
	}
	return -1
}

// unquote takes the quotes and backslashes of a quoted-string away.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseParams reads ";name=value;flag"; names become lower case, values lose their quotes.
func parseParams(s string) map[string]string {
	var params map[string]string
	for _, part := range split(s, ';', 2*maxOfKind) {
		name, value, _ := strings.Cut(part, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); name == "" || len(name) > maxText {
			continue
		}
		if params == nil {
			params = make(map[string]string)
		}
		params[name] = clean(unquote(strings.TrimSpace(value)))
	}
	return params
}

// parseURI reads a sip:, sips: or tel: URI into a; other schemes name nobody we could know.
func (a *address) parseURI(uri string) bool {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return false
	}
	switch strings.ToLower(scheme) {
	case "tel":
		number, params, _ := strings.Cut(rest, ";")
		a.User, a.uriParams = clean(number), parseParams(params)
		return a.User != ""
	case "sip", "sips":
	default:
		return false
	}
	host := rest
	if user, after, ok := strings.Cut(rest, "@"); ok {
		host = after
		user, _, _ = strings.Cut(user, ";") // telephone-subscriber parameters (RFC 3261 section 19.1.6)
		user, _, _ = strings.Cut(user, ":") // password
		a.User = clean(unescape(user))
	}
	host, headers, _ := strings.Cut(host, "?")
	host, params, _ := strings.Cut(host, ";")
	a.Host, a.uriParams, a.uriHeaders = clean(hostOf(host)), parseParams(params), parseURIHeaders(headers)
	return a.Host != ""
}

func parseURIHeaders(s string) map[string]string {
	if s == "" {
		return nil
	}
	headers := make(map[string]string)
	for i, part := range strings.Split(s, "&") {
		if i == maxOfKind {
			break
		}
		name, value, _ := strings.Cut(part, "=")
		headers[clean(strings.ToLower(unescape(name)))] = clean(unescape(value))
	}
	return headers
}

// unescape takes %XX away; what is no valid escape stays as it came.
func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// hostOf takes the port and the brackets of an IPv6 address away.
func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
}

// identities keeps who is named, of header values such as P-Asserted-Identity.
func identities(values []string) []media.Identity {
	all := parseAddresses(values)
	if len(all) == 0 {
		return nil
	}
	ids := make([]media.Identity, len(all))
	for i, a := range all {
		ids[i] = a.Identity
	}
	return ids
}

// diversions reads Diversion headers (RFC 5806), in the order written.
func diversions(values []string) []media.Diversion {
	var all []media.Diversion
	for _, a := range parseAddresses(values) {
		d := media.Diversion{Identity: a.Identity, Reason: a.params["reason"]}
		if n, err := strconv.Atoi(a.params["counter"]); err == nil && n > 0 {
			d.Counter = n
		}
		all = append(all, d)
	}
	return all
}

// history reads History-Info headers (RFC 7044), in the order written. The reason is the cause value of a Reason that
// is escaped into the URI (RFC 3326), or the cause parameter of the URI (RFC 4458).
func history(values []string) []media.Diversion {
	var all []media.Diversion
	for _, a := range parseAddresses(values) {
		d := media.Diversion{Identity: a.Identity, Index: a.params["index"], Reason: a.uriParams["cause"]}
		if reason, ok := a.uriHeaders["reason"]; ok {
			_, params, _ := strings.Cut(reason, ";")
			if cause := parseParams(params)["cause"]; cause != "" {
				d.Reason = cause
			}
		}
		all = append(all, d)
	}
	return all
}
