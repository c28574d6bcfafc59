package hostile

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// part is one place in a message and what rightly stands there.
type part struct {
	name, usual string
}

// parts are all the places that are spoilt, one at a time. The names stand in the template between braces.
var parts = []part{
	{"method", "INVITE"},
	{"uri", "sip:+16085550102@holdfast"},
	{"user", "+16085550102"},
	{"version", "SIP/2.0"},
	{"via", "SIP/2.0/UDP {at};branch=z9hG4bK{id};rport"},
	{"via host", "{at}"},
	{"branch", "z9hG4bK{id}"},
	{"via more", ";rport"},
	{"forwards", "70"},
	{"from", "\"Caller\" <sip:+12025550141@{at}>;tag={id}"},
	{"display", "\"Caller\""},
	{"caller", "+12025550141"},
	{"tag", "{id}"},
	{"to", "<sip:+16085550102@holdfast>"},
	{"to more", ""},
	{"call", "{id}"},
	{"number", "1"},
	{"cseq", "INVITE"},
	{"contact", "<sip:x@{at}>"},
	{"asserted", "<sip:+12025550141@x>"},
	{"diversion", "<sip:+16085550151@x>;reason=no-answer;counter=1"},
	{"reason", "no-answer"},
	{"counter", "1"},
	{"history", "<sip:+16085550151@x?Reason=SIP%3Bcause%3D302>;index=1"},
	{"index", "1"},
	{"supported", "timer, 100rel"},
	{"require", "timer"},
	{"expires", "1800;refresher=uac"},
	{"least", "90"},
	{"allow", "INVITE, ACK, BYE"},
	{"agent", "carrier/1"},
	{"route", "<sip:holdfast;lr>"},
	{"record", "<sip:{at};lr>"},
	{"privacy", "none"},
	{"date", "Sat, 13 Nov 2010 23:29:00 GMT"},
	{"proof", "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x@y\", response=\"r\", cnonce=\"c\", nc=00000001, qop=auth"},
	{"odd name", "X-Odd"},
	{"odd", "value"},
	{"kind", "application/sdp"},
	{"length", "{length}"},
	{"end", "\r\n"},
	{"v", "0"},
	{"o", "- 1 1 IN IP4 {host}"},
	{"s", "-"},
	{"c", "IN IP4 {host}"},
	{"c host", "{host}"},
	{"t", "0 0"},
	{"m", "audio 9 RTP/AVP 0 8 101"},
	{"port", "9"},
	{"profile", "RTP/AVP"},
	{"formats", "0 8 101"},
	{"rtpmap", "101 telephone-event/8000"},
	{"fmtp", "101 0-16"},
	{"ptime", "20"},
	{"direction", "sendrecv"},
	{"crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA"},
	{"candidate", "1 1 udp 1 10.0.0.1 9 typ host"},
}

// template is a call as a carrier brings it, with all that Holdfast reads in it.
const template = "{method} {uri} {version}\r\nVia: {via}\r\nMax-Forwards: {forwards}\r\nFrom: {from}\r\nTo: {to}{to more}\r\nCall-ID: {call}\r\nCSeq: {number} {cseq}\r\n" +
	"Contact: {contact}\r\nP-Asserted-Identity: {asserted}\r\nDiversion: {diversion}\r\nHistory-Info: {history}\r\nSupported: {supported}\r\nRequire: {require}\r\n" +
	"Session-Expires: {expires}\r\nMin-SE: {least}\r\nAllow: {allow}\r\nUser-Agent: {agent}\r\nRoute: {route}\r\nRecord-Route: {record}\r\nPrivacy: {privacy}\r\nDate: {date}\r\n" +
	"Authorization: {proof}\r\n{odd name}: {odd}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{end}{body}"

const templateBody = "v={v}\r\no={o}\r\ns={s}\r\nc={c}\r\nt={t}\r\nm={m}\r\na=rtpmap:{rtpmap}\r\na=fmtp:{fmtp}\r\na=ptime:{ptime}\r\na={direction}\r\na=crypto:{crypto}\r\na=candidate:{candidate}\r\n"

// within is where the smaller parts stand in the greater ones.
var within = map[string]string{
	"uri": "sip:{user}@holdfast", "via": "SIP/2.0/UDP {via host};branch={branch}{via more}", "from": "{display} <sip:{caller}@{at}>;tag={tag}",
	"diversion": "<sip:+16085550151@x>;reason={reason};counter={counter}", "history": "<sip:+16085550151@x?Reason=SIP%3Bcause%3D302>;index={index}",
	"c": "IN IP4 {c host}", "m": "audio {port} {profile} {formats}",
}

// spoilt is what is put in a part's place; %s is what stood there.
var spoilt = func() []string {
	all := []string{
		"", " ", "\t", "\x00", "%s\x00", "\x00%s", "\xff\xfe", "\xc0\x80", "\xed\xa0\x80", "\ufeff%s", "\u202e%s", "é", "\x1b[2J", "\x7f",
		"\r", "\n", "\r\n", "%s\r\n ", "%s\r\n\t%s", "%s\r\nX: y", "%s\n\n", "\r\n\r\n", "%s\r\n\r\n%s", "\r\n \r\n ",
		"-1", "0", "1", "00", "255", "256", "65535", "65536", "2147483647", "2147483648", "4294967295", "4294967296", "18446744073709551616", "9" + strings.Repeat("0", 100), "0x10", "1.5", "1e9", "1 1", "+1", " 1",
		"\"", "\\", "\"\\", "\"%s", "%s\"", "<", ">", "<>", "<<%s>>", "<%s", "%s>", ";", ";;", "%s;", "%s;;=", "%s;a=\"", ";=;=;", ",", ",,", "%s,", "%s,%s", ",%s", "@", "@@", "%s@", ":", "::", "%s:", "=", "?", "%s?", "/", "//", "[", "]", "[::1", "[::1]", "[fe80::1%%eth0]", "()", "(((", "*", "&", "%%", "%%0", "%%00", "%%0d%%0a", "%%zz",
		"%%s%%n%%x", "../../etc/passwd", "'; DROP TABLE calls; --", "${jndi:ldap://x}", "{{7*7}}", "<script>", "sip:", "tel:", "sips:%s", "http://x", "SIP/2.0", "%s %s", "%s%s",
	}
	for _, n := range []int{33, 257, 1025, 8193, 32000} {
		for _, of := range []string{"a", "9", "/", "%%", "\"", "<", ";", ",", " ", "\xff", "[", "%%41", "a=b;", "\r\n "} {
			all = append(all, strings.Repeat(of, n/len(of)))
		}
	}
	for _, n := range []int{2, 20, 300} {
		all = append(all, strings.Repeat("%s,", n)+"%s", strings.Repeat("%s;", n)+"%s")
	}
	return all
}()

// longest is the largest message that fits into a datagram.
const longest = 65000

// message is the call with one part spoilt.
func message(p part, with, id, at, host string) string {
	text := strings.Replace(template, "{body}", templateBody, 1)
	bad := strings.ReplaceAll(strings.ReplaceAll(with, "%s", p.usual), "%%", "%")
	for name, of := range within {
		if name != p.name {
			text = strings.Replace(text, "{"+name+"}", of, 1)
		}
	}
	for _, other := range parts {
		if other == p {
			text = strings.ReplaceAll(text, "{"+p.name+"}", bad)
		} else {
			text = strings.ReplaceAll(text, "{"+other.name+"}", other.usual)
		}
	}
	text = strings.NewReplacer("{id}", id, "{at}", at, "{host}", host).Replace(text)
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return strings.ReplaceAll(text, "{length}", strconv.Itoa(len(body)))
}

// malformed sends a call from a trunk's address, spoilt in every way; after each the node must still answer OPTIONS. Every
// sixth in the short run, others for each part; all ten thousand in the long one.
func (s *siege) malformed(t *testing.T) {
	p := dial(t, "127.0.66.1", s.n.SIP)
	sent, step := 0, orLong(6, 1)
	for i, field := range parts {
		for j := i % step; j < len(spoilt); j += step {
			text := message(field, spoilt[j], fmt.Sprintf("m%dx%d", i, j), p.at, p.host)
			if len(text) > longest {
				continue
			}
			p.send(text)
			sent++
			if !p.alive() {
				t.Fatalf("no answer to OPTIONS after %s was %.100q", field.name, spoilt[j])
			}
		}
	}
	p.quiet(t)
	t.Logf("%d messages; answers %v; %d calls were answered and hung up", sent, p.answers(), p.answered())
	if p.answers()[500] != 0 {
		t.Errorf("%d were answered 500: something of ours failed on them", p.answers()[500])
	}
}
