package trunk

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
)

// ipv6Call is an INVITE as RFC 5118 thinks of them: what a row of the table says stands in place of these lines.
func ipv6Call(change map[string]string, body string) string {
	lines := map[string]string{
		"Via":     "Via: SIP/2.0/UDP [2001:db8:1::9:20];branch=z9hG4bK-5118",
		"From":    `From: "Anna" <sip:anna@[2001:db8::2]>;tag=81x2`,
		"To":      "To: <sip:desk@example.com>",
		"Contact": "Contact: <sip:anna@[2001:db8:1::9:20]>",
	}
	request := "sip:desk@[2001:db8::10]"
	for name, line := range change {
		if name == "request" {
			request = line
		} else {
			lines[name] = line
		}
	}
	text := "INVITE " + request + " SIP/2.0\r\n"
	for _, name := range []string{"Via", "From", "To", "Contact"} {
		text += lines[name] + "\r\n"
	}
	return text + "Max-Forwards: 70\r\nCall-ID: 5118\r\nCSeq: 8612 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: " +
		itoa(len(body)) + "\r\n\r\n" + body
}

func itoa(n int) string { return strings.TrimSpace(sip.ContentLengthHeader(n).Value()) } //nolint:gosec // short bodies

// TestAddressesOfIPv6AreReadAsRFC5118Says goes through section 4 of that RFC: what must be read, what must be refused, and
// what must not be taken for something else.
func TestAddressesOfIPv6AreReadAsRFC5118Says(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change map[string]string
		broken bool // no parser takes it: 400
		check  func(*testing.T, *Server, *sip.Request)
	}{
		{"4.1 a reference in the request line", nil, false, func(t *testing.T, s *Server, req *sip.Request) {
			inv := s.facts(req, netip.AddrPort{}, "t")
			if inv.RequestURI.User != "desk" || inv.RequestURI.Host != "2001:db8::10" || inv.From.Host != "2001:db8::2" {
				t.Errorf("%+v", inv)
			}
		}},
		{"4.2 without brackets", map[string]string{"request": "sip:2001:db8::10"}, true, nil},
		{"4.3 the last number belongs to the address", map[string]string{"request": "sip:desk@[2001:db8::10:5070]"}, false, func(t *testing.T, _ *Server, req *sip.Request) {
			if req.Recipient.Port != 0 || req.Recipient.Host != "[2001:db8::10:5070]" && req.Recipient.Host != "2001:db8::10:5070" {
				t.Errorf("host %q, port %d", req.Recipient.Host, req.Recipient.Port)
			}
		}},
		{"4.4 a port behind the brackets", map[string]string{"request": "sip:desk@[2001:db8::10]:5070"}, false, func(t *testing.T, _ *Server, req *sip.Request) {
			if req.Recipient.Port != 5070 {
				t.Errorf("port %d", req.Recipient.Port)
			}
		}},
		{"4.5 received= with brackets", map[string]string{"Via": "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3"}, false, via("[2001:db8::9:255]")},
		{"4.5 received= without", map[string]string{"Via": "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3"}, false, via("2001:db8::9:255")},
		{"4.7 addresses of both kinds in one message", map[string]string{
			"Via": "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n" +
				"Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
		}, false, func(t *testing.T, _ *Server, req *sip.Request) {
			var hosts []string
			for _, h := range req.GetHeaders("Via") {
				hosts = append(hosts, strings.Trim(h.(*sip.ViaHeader).Host, "[]"))
			}
			if got := strings.Join(hosts, " "); got != "2001:db8::9:1 192.0.2.1 2001:db8::9:255" || req.Via().Port != 6050 {
				t.Errorf("by way of %s, port %d", got, req.Via().Port)
			}
		}},
		{"4.9 IPv4 within IPv6", map[string]string{
			"Contact": "Contact: <sip:anna@[::ffff:192.0.2.10]:5061>", "request": "sip:desk@[::ffff:192.0.2.2]",
		}, false, func(t *testing.T, _ *Server, req *sip.Request) {
			d := &dialog{transport: "UDP", source: "192.0.2.10:5060"}
			d.setTarget(req)
			if to := d.nextHop(d.target); to != "[::ffff:192.0.2.10]:5061" && to != "192.0.2.10:5061" {
				t.Errorf("requests would go to %s", to)
			}
		}},
		{"4.10 a third colon before the address", map[string]string{"request": "sip:desk@[2001:db8:::192.0.2.1]"}, false, func(t *testing.T, s *Server, req *sip.Request) {
			if inv := s.facts(req, netip.AddrPort{}, "t"); inv.RequestURI.User != "desk" { // the user is what we go by; nobody connects to this host
				t.Errorf("%+v", inv.RequestURI)
			}
			d := &dialog{transport: "UDP", source: "192.0.2.10:5060"}
			if to := d.nextHop(req.Recipient); to != d.source {
				t.Errorf("requests would go to %s", to)
			}
		}},
		{"a scope, which is nobody's business but one machine's", map[string]string{"Contact": "Contact: <sip:anna@[fe80::1%eth0]>"}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := ipv6Call(c.change, "")
			msg, err := sip.ParseMessage([]byte(text))
			if c.broken {
				refusal := string(unread([]byte(text)))
				if err == nil {
					t.Fatal("read as if it were whole")
				}
				if !strings.HasPrefix(refusal, "SIP/2.0 400 ") || !strings.Contains(refusal, "Call-ID: 5118") {
					t.Errorf("refused with %q", refusal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			req := msg.(*sip.Request)
			if refused := validate(req); refused.status != 0 {
				t.Errorf("refused with %d %s", refused.status, refused.reason)
			}
			if c.check != nil {
				c.check(t, &Server{cfg: Config{Now: time.Now}}, req)
			}
		})
	}
}

// via checks that both ways of writing received= are understood as the same address.
func via(received string) func(*testing.T, *Server, *sip.Request) {
	return func(t *testing.T, _ *Server, req *sip.Request) {
		got, _ := req.Via().Params.Get("received")
		if got != received || strings.Trim(req.Via().Host, "[]") != "2001:db8::9:1" {
			t.Errorf("received %q of host %q", got, req.Via().Host)
		}
	}
}

// TestDescriptionsOfBothKindsAreAnsweredWhereTheyCanBe is sections 4.6 and 4.8: addresses of IPv6 in a description, and a session
// whose media lines are of both families.
func TestDescriptionsOfBothKindsAreAnsweredWhereTheyCanBe(t *testing.T) {
	t.Parallel()
	const head = "v=0\r\no=anna 971731711378798081 0 IN IP6 2001:db8::20\r\ns=-\r\nt=0 0\r\n"
	for name, c := range map[string]struct{ body, remote string }{
		"IPv6 for the session":            {head + "c=IN IP6 2001:db8::20\r\nm=audio 49170 RTP/AVP 0\r\n", "[2001:db8::20]:49170"},
		"IPv6 for the media":              {head + "m=audio 49170 RTP/AVP 0\r\nc=IN IP6 2001:db8::21\r\n", "[2001:db8::21]:49170"},
		"IPv4 for audio, IPv6 for video":  {head + "m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n", "192.0.2.1:22334"},
		"IPv6 session, IPv4 audio":        {head + "c=IN IP6 2001:db8::20\r\nm=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n", "192.0.2.1:22334"},
		"IPv4 within IPv6":                {head + "c=IN IP6 ::ffff:192.0.2.1\r\nm=audio 1000 RTP/AVP 0\r\n", "192.0.2.1:1000"},
		"brackets, which SDP has not":     {head + "c=IN IP6 [2001:db8::20]\r\nm=audio 49170 RTP/AVP 0\r\n", ""},
		"a family that the address isn't": {head + "c=IN IP4 2001:db8::20\r\nm=audio 49170 RTP/AVP 0\r\n", "[2001:db8::20]:49170"},
	} {
		desc, err := sdp.Parse([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, m, err := sdp.Answer(desc, sdp.Local{Addr: netip.MustParseAddrPort("127.0.0.1:20000"), Codecs: []media.Codec{media.PCMU}})
		if c.remote == "" {
			if err == nil {
				t.Errorf("%s: answered, to %s", name, m.Remote)
			}
			continue
		}
		if err != nil || m.Remote.String() != c.remote {
			t.Errorf("%s: %s, %v", name, m.Remote, err)
		}
	}
}
