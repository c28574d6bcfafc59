package intake

import (
	"strconv"
	"strings"

	"holdfast/media"
)

// mostEntries is how many entries of one header are read, as at the edge.
const mostEntries = 20

// Route makes the INVITE that somebody asks about: to is the number dialled, diversion and historyInfo are numbers or
// header values, several with commas between. What cannot be read is an entry that names nobody.
func Route(to, diversion, historyInfo string) *media.Invite {
	dialled := address(to).Identity
	inv := &media.Invite{RequestURI: dialled, To: dialled, MaxForwards: 70}
	inv.Diversions = addresses(diversion)
	inv.History = addresses(historyInfo)
	for i := range inv.History {
		if inv.History[i].Index == "" {
			inv.History[i].Index = strconv.Itoa(i + 1)
		}
	}
	return inv
}

// addresses splits a header value at the commas that stand outside quotes and angle brackets.
func addresses(list string) []media.Diversion {
	var all []media.Diversion
	quoted, angle, start := false, false, 0
	for i := 0; i <= len(list); i++ {
		if i < len(list) {
			switch c := list[i]; {
			case c == '\\' && quoted:
				i++
				continue
			case c == '"' && !angle:
				quoted = !quoted
			case c == '<' && !quoted:
				angle = true
			case c == '>' && !quoted:
				angle = false
			}
			if list[i] != ',' || quoted || angle {
				continue
			}
		}
		part := strings.TrimSpace(list[min(start, len(list)):min(i, len(list))])
		start = i + 1
		if part != "" && len(all) < mostEntries {
			all = append(all, address(part))
		}
	}
	return all
}

// address reads `"Name" <sip:user@host>;reason=x;counter=1;index=1.1`, a bare URI, or a bare number.
func address(text string) media.Diversion {
	var d media.Diversion
	uri, params := strings.TrimSpace(text), ""
	if open := strings.LastIndexByte(uri, '<'); open >= 0 {
		d.Display = strings.Trim(strings.TrimSpace(uri[:open]), `"`)
		uri, params, _ = strings.Cut(uri[open+1:], ">")
	} else {
		uri, params, _ = strings.Cut(uri, ";")
	}
	if scheme, rest, ok := strings.Cut(uri, ":"); ok {
		switch strings.ToLower(scheme) {
		case "sip", "sips", "tel":
			uri = rest
		}
	}
	uri, _, _ = strings.Cut(uri, "?")
	if user, host, ok := strings.Cut(uri, "@"); ok {
		d.Host, _, _ = strings.Cut(host, ";")
		uri = user
	}
	d.User, _, _ = strings.Cut(uri, ";")
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(key) {
		case "reason":
			d.Reason = value
		case "index":
			d.Index = value
		case "counter":
			if n, err := strconv.Atoi(value); err == nil {
				d.Counter = n
			}
		}
	}
	return d
}
