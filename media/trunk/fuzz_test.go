package trunk

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"
)

// messages are seeds: what carriers send, and what they had better not.
func messages() []string {
	c := &caller{id: "seed", tag: "t", branch: "z9hG4bK-seed", to: "sip:+16085550101@x", uri: "sip:+16085550101@x", seq: 1, transport: "UDP", p: &peer{conn: nowhere{}}}
	return []string{
		c.text("INVITE", 1, "z9hG4bK-1", offer("", ""), "Supported: timer, 100rel", "Session-Expires: 90;refresher=uac", "Min-SE: 90", "Diversion: <sip:+1@x>;reason=no-answer;counter=2",
			"History-Info: <sip:a@x?Reason=SIP%3Bcause%3D302>;index=1.1", "P-Asserted-Identity: \"A\" <tel:+1>, <sip:b@[2001:db8::1]>"),
		c.text("UPDATE", 2, "z9hG4bK-2", "", "Allow: INVITE , UPDATE"),
		c.text("PRACK", 3, "z9hG4bK-3", "", "RAck: 1 1 INVITE"),
		c.text("INVITE", 1, "z9hG4bK-4", "", `Authorization: Digest username="u", realm="ours", nonce="n", uri="sip:x@y", response="r", cnonce="c", nc=00000001, qop=auth, algorithm=SHA-256`),
		c.text("INFO", 4, "z9hG4bK-5", "Signal=1\r\n", "Content-Type: application/dtmf-relay"),
		c.text("INVITE", 1, "z9hG4bK-6", "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--", "Content-Type: multipart/mixed;boundary=b"),
		"SIP/2.0 183 Ringing\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK\r\nFrom: <sip:x>;tag=1\r\nTo: <sip:y>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nRequire: 100rel\r\nRSeq: 4294967295\r\n\r\n",
		ipv6Call(nil, ""),
		registering("r", 1, "Contact: \"A\" <sip:ada@10.0.0.7:5060;transport=tcp?x=y>;expires=120;q=0.5, <sips:b@[2001:db8::1]>", "Expires: 600"),
		registering("r", 2, "Contact: *", "Expires: 0"),
		c.text("INVITE", 1, "z9hG4bK-7", "", "Supported: timer", "Session-Expires: 10"), // refused before anything is granted
		"OPTIONS sip:x SIP/7.0\r\nv: SIP/2.0/UDP x\r\nf: \"\\\r\nt:\r\ni:\r\nCSeq: 99999999999 \r\nl: -1\r\n\r\n",
	}
}

// nowhere is a connection of no one.
type nowhere struct{ net.Conn }

func (nowhere) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060} }

// FuzzMessage takes a datagram the way of every datagram, as far as that needs no network.
func FuzzMessage(f *testing.F) {
	for _, text := range messages() {
		f.Add([]byte(text))
	}
	s := &Server{cfg: Config{Now: time.Now}, door: newDoor(time.Now), crowd: newCrowd(time.Now)}
	from, noon := netip.MustParseAddrPort("127.0.0.1:5060"), time.Now()
	f.Fuzz(func(t *testing.T, data []byte) {
		refusal := string(unread(data))
		if head, _, _ := strings.Cut(refusal, "\r\n\r\n"); strings.ContainsFunc(strings.ReplaceAll(head, "\r\n", ""), func(r rune) bool { return r == '\r' || r == '\n' || r == 0 }) {
			t.Errorf("a refusal with a line of its own: %q", refusal)
		}
		msg, err := sip.ParseMessage(data)
		if err != nil {
			return
		}
		s.before(msg)
		if s.dropped.panics.Load() != 0 {
			t.Fatal("a panic")
		}
		if res, ok := msg.(*sip.Response); ok {
			wishOf(res).accepted(term{})
			_, _ = sdpOf(res)
			return
		}
		req := msg.(*sip.Request)
		refused := validate(req)
		if !complete(req) {
			return
		}
		if again, err := sip.ParseMessage([]byte(s.response(req, refused).String())); err == nil && refused.status != 0 && again.CallID() != nil && len(again.GetHeaders("Call-ID")) != 1 {
			t.Errorf("a response with %d Call-IDs to %q", len(again.GetHeaders("Call-ID")), data)
		}
		w := wishOf(req)
		if granted := w.grant(); w.tooShort().status == 0 && granted.seconds != 0 && (granted.seconds < shortestSession || granted.endAt(time.Second) <= 0 || granted.refreshAt(time.Second) >= granted.endAt(time.Second)) {
			t.Errorf("%+v grants %+v", w, granted)
		}
		_, _ = sdpOf(req)
		if r, a := registrationOf(req, "u", from); a.status == 0 {
			is, a := settle(nil, r, noon)
			if is != nil && (is.until.Sub(noon) < shortestStay || is.until.Sub(noon) > longestStay || strings.ContainsAny(is.contact.String(), " \r\n\t\x00<>")) {
				t.Errorf("registered %+v", is)
			}
			if a.status != 200 && a.status != 423 {
				t.Errorf("%d to a REGISTER", a.status)
			}
		}
		inv := s.facts(req, from, "t")
		for _, text := range []string{inv.SIPCallID, inv.From.Display, inv.From.User, inv.To.User, inv.RequestURI.User, inv.UserAgent, inv.Privacy} {
			if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("kept %q", text)
			}
		}
		for _, text := range values(req, "Authorization") {
			if p, ok := parseProof(text); ok {
				p.proves("u", p.algorithm.ha1("u", "ours", "p"), "INVITE")
			}
		}
	})
}

// FuzzStream cuts what comes over a connection at two places, and wants the same messages as in one piece.
func FuzzStream(f *testing.F) {
	for i, text := range messages() {
		f.Add([]byte("\r\n\r\n"+text+text), 7*i, 100+i)
	}
	f.Fuzz(func(t *testing.T, data []byte, a, b int) {
		n := len(data)
		a, b = min(max(a, 0), n), min(max(b, 0), n)
		one, two := pieces(len(data)+1, data), pieces(100, data[:min(a, b)], data[min(a, b):max(a, b)], data[max(a, b):])
		if one != two {
			t.Errorf("in one piece %q, cut at %d and %d %q", one, a, b, two)
		}
	})
}

// pieces are the messages that a connection hands over to who has room for so much at a time, each between brackets, up to its error.
func pieces(room int, parts ...[]byte) string {
	c := &connection{Conn: &cut{parts: parts}, crowded: func([]byte) ([]byte, bool) { return nil, false }}
	var out strings.Builder
	var message []byte
	b := make([]byte, room)
	for {
		n, err := c.Read(b)
		if err != nil {
			return out.String() + fmt.Sprint(err)
		}
		if message = append(message, b[:n]...); c.rest > 0 {
			continue
		}
		if len(bytes.Trim(message, "\r\n")) > 0 { // pauses may come in one piece or two
			_, _ = fmt.Fprintf(&out, "[%s]", message)
		}
		message = nil
	}
}

// cut is a connection over which something comes in parts.
type cut struct {
	net.Conn
	parts [][]byte
}

func (c *cut) Read(b []byte) (int, error) {
	for len(c.parts) > 0 && len(c.parts[0]) == 0 {
		c.parts = c.parts[1:]
	}
	if len(c.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.parts[0])
	c.parts[0] = c.parts[0][n:]
	return n, nil
}

func (c *cut) SetReadDeadline(time.Time) error { return nil }
