package sdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Description is a session description that was read: media lines in their order, with what was said of the whole
// session already applied to each. Its zero value has no media.
type Description struct {
	lines  []line
	timing string // the t= line, which an answer repeats
}

// line is one m= line and what belongs to it.
type line struct {
	kind, proto string
	port        uint16
	formats     []string
	about       about
	codings     []coding
	keys        []crypto
}

// about is what may be said of the session and again, with more weight, of one media line.
type about struct {
	addr      netip.Addr // of c=; invalid when absent or useless
	direction direction
	ptime     time.Duration
	rtcp      netip.AddrPort // of a=rtcp; a zero address means the one of c=
}

// coding is one a=rtpmap.
type coding struct {
	format string
	name   string // encoding/clock as in "pcmu/8000": lower case, channels left out when 1
}

// maxLine bounds one line; the longest honest ones are ICE candidates and keys, under 300 bytes.
const maxLine = 1024

// Parse reads a body. Lines may end in CR LF, LF or mixtures, come in any order after the m= line they belong to, and
// lines that we do not understand are passed over, because carriers send many. Errors: ErrTooLarge, or ErrMalformed
// when an m= line cannot be read or there is none.
func Parse(body []byte) (Description, error) {
	if len(body) > MaxBody {
		return Description{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))
	}
	d := Description{timing: "0 0"}
	var session about
	scope := &session
	for raw := range bytes.SplitSeq(body, []byte{'\n'}) {
		text := strings.TrimSpace(string(raw))
		if len(text) < 2 || text[1] != '=' {
			continue
		}
		if len(text) > maxLine {
			return Description{}, fmt.Errorf("%w: a line of %d bytes", ErrTooLarge, len(text))
		}
		value := text[2:]
		if text[0] == 'm' {
			l, err := parseLine(value, session)
			if err != nil {
				return Description{}, err
			}
			if len(d.lines) == MaxMedia {
				return Description{}, fmt.Errorf("%w: over %d media lines", ErrTooLarge, MaxMedia)
			}
			d.lines = append(d.lines, l)
			scope = &d.lines[len(d.lines)-1].about
			continue
		}
		d.take(text[0], value, scope)
	}
	if len(d.lines) == 0 {
		return Description{}, fmt.Errorf("%w: no media line", ErrMalformed)
	}
	return d, nil
}

// take reads one line that is no m= line.
func (d *Description) take(kind byte, value string, scope *about) {
	switch kind {
	case 'c':
		scope.addr = parseConnection(value)
	case 't':
		if f := strings.Fields(value); len(f) == 2 && isNumber(f[0]) && isNumber(f[1]) {
			d.timing = f[0] + " " + f[1]
		}
	case 'a':
		name, rest, _ := strings.Cut(value, ":")
		if name != "rtpmap" && name != "crypto" {
			scope.attribute(name, strings.TrimSpace(rest))
		} else if len(d.lines) > 0 { // both are of a media line and nothing else
			d.lines[len(d.lines)-1].special(name, rest)
		}
	}
}

// special takes what only a media line may have.
func (l *line) special(name, value string) {
	if name == "rtpmap" {
		l.codings = append(l.codings, parseCoding(value)...)
		return
	}
	if c, ok := parseCrypto(value); ok && len(l.keys) < maxCrypto {
		l.keys = append(l.keys, c)
	}
}

func (a *about) attribute(name, value string) {
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		a.direction = directions[name]
	case "ptime":
		// RFC 8866 allows any number; packets over 200 ms are no conversation.
		if ms, err := strconv.ParseUint(value, 10, 16); err == nil && ms > 0 && ms <= 200 {
			a.ptime = time.Duration(ms) * time.Millisecond
		}
	case "rtcp": // RFC 3605: port [IN IP4 address]
		port, connection, _ := strings.Cut(value, " ")
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			a.rtcp = netip.AddrPortFrom(parseConnection(connection), uint16(n))
		}
	}
}

// parseLine reads `audio 49170/2 RTP/AVP 0 8 101`.
func parseLine(value string, session about) (line, error) {
	f := strings.Fields(value)
	if len(f) < 4 {
		return line{}, fmt.Errorf("%w: m=%.40q", ErrMalformed, value)
	}
	for _, word := range f { // a rejected line is repeated in our answer: nothing but printable words may be in it
		if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return line{}, fmt.Errorf("%w: m=%.40q", ErrMalformed, value)
		}
	}
	number, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return line{}, fmt.Errorf("%w: port in m=%.40q", ErrMalformed, value)
	}
	return line{kind: f[0], proto: f[2], port: uint16(port), formats: f[3:], about: session}, nil
}

// parseConnection reads `IN IP4 192.0.2.1/127`. What is no single host's address gives none: names, because the answer
// path asks no DNS, and multicast, because one call must not speak to many.
func parseConnection(value string) netip.Addr {
	f := strings.Fields(value)
	if len(f) < 3 || !strings.EqualFold(f[0], "IN") {
		return netip.Addr{}
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.IsMulticast() {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// parseCoding reads `101 telephone-event/8000`.
func parseCoding(value string) []coding {
	f := strings.Fields(value)
	if len(f) < 2 {
		return nil
	}
	return []coding{{format: f[0], name: strings.TrimSuffix(strings.ToLower(f[1]), "/1")}}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}
