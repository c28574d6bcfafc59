package e2e

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/operator"
	"holdfast/media"
)

// spare is an RTP packet whose one-byte header extension (RFC 8285) announces two words and uses one: 160 samples of
// µ-law silence follow.
var spare = append([]byte{
	0x90, 0x00, 0x12, 0x34, 0x00, 0x00, 0x10, 0x00, 0xde, 0xad, 0xbe, 0xef, // version 2, extension; PCMU
	0xbe, 0xde, 0x00, 0x02, 0x10, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // one element of a byte, the rest is padding
}, make([]byte, media.FrameBytes)...)

// garbage is what may come to an open port.
var garbage = [][]byte{
	{0x80},
	{0x00},
	{},
	{0x80, 0xc8, 0xff, 0xff}, // RTCP that is longer than it is
	append([]byte{0xbf, 0x80}, make([]byte, 10)...),               // 15 sources, none of them there
	append([]byte{0x90, 0x00}, make([]byte, 14)...),               // an extension without words
	append(append([]byte{0xa0, 0x00}, make([]byte, 20)...), 0xff), // more padding than packet
}

// odd sends requests without Content-Type in a call, and packets to its port from the caller and from a stranger.
func odd(t *testing.T, w *world, o *operator.Operator) {
	h := pickUp(t, media.PCMU)
	h.say(callerHz)
	f := sipp(t, w.n, "odd_requests", prairie, phone(h))
	id := joins(t, w, f, h, o)
	far := h.remote()
	stranger, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(host())}, far)
	must(t, err)
	defer func() { _ = stranger.Close() }()
	for _, packet := range append([][]byte{spare}, garbage...) {
		_, err := stranger.Write(packet)
		must(t, err)
		_, err = h.conn.WriteToUDP(packet, far) // from where media is expected
		must(t, err)
		w.n.Healthy()
		hears(t, h, o)
	}
	f.cue()
	hears(t, h, o)
	w.n.Healthy()
	f.cue()
	f.finished(scenarioBar)
	result(t, w.n.SignIn(admin), id, "answered")
	next(t, o)
}

const (
	goodOffer = "v=0\r\no=- 1 1 IN IP4 %h\r\ns=-\r\nc=IN IP4 %h\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
	badInvite = "INVITE sip:+16085550102@holdfast SIP/2.0\r\nVia: SIP/2.0/UDP %a;branch=z9hG4bK%i;rport\r\nMax-Forwards: 70\r\n" +
		"From: <sip:+12025550141@%h>;tag=%i\r\nTo: <sip:+16085550102@holdfast>\r\nCall-ID: %i\r\nCSeq: 1 INVITE\r\nContact: <sip:x@%a>\r\n" +
		"Content-Type: application/sdp\r\nContent-Length: %l\r\n\r\n%b"
)

// broken sends offers that are none. Each gets a final response, or is taken for what it still says.
func broken(t *testing.T, w *world, _ *operator.Operator) {
	for i, body := range []string{
		strings.Replace(goodOffer, "s=-\r\n", "s=-\r\n\n", 1),
		strings.Replace(goodOffer, "c=IN IP4 %h", "c=IN", 1),
		strings.Replace(goodOffer, "m=audio 9 RTP/AVP 0", "m=audio", 1),
		strings.Replace(goodOffer, "m=audio 9 RTP/AVP 0", "m=audio 99999999999999999999 RTP/AVP 0", 1),
		strings.Replace(goodOffer, "o=- 1 1", "o=- x y", 1),
		"\n", "v=0", "\x00\xff\xfe", strings.Repeat("a=x\r\n", 5000),
	} {
		status := inviteWith(t, w, fmt.Sprintf("broken%d", i), body)
		t.Logf("offer %d gets %d", i, status)
		w.n.Healthy()
	}
}

// inviteWith sends an INVITE with a body, ends the call if there is one, and returns the final status.
func inviteWith(t *testing.T, w *world, id, body string) int {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(host())}}).DialContext(t.Context(), "udp", w.n.SIP)
	must(t, err)
	defer func() { _ = conn.Close() }()
	local := conn.LocalAddr().(*net.UDPAddr)
	body = strings.ReplaceAll(body, "%h", local.IP.String())
	invite := strings.NewReplacer("%a", local.String(), "%h", local.IP.String(), "%i", id, "%l", fmt.Sprint(len(body)), "%b", body).Replace(badInvite)
	_, err = conn.Write([]byte(invite))
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("no final response to %q: %v", body[:min(80, len(body))], err)
		}
		var status int
		if _, err := fmt.Sscanf(string(buf[:n]), "SIP/2.0 %d", &status); err != nil || status < 200 {
			continue
		}
		to := regexp.MustCompile(`(?m)^To: .*$`).FindString(string(buf[:n]))
		end := strings.NewReplacer("To: <sip:+16085550102@holdfast>", strings.TrimSpace(to), "\r\nContent-Type: application/sdp", "").Replace(invite[:strings.Index(invite, "Content-Length")]) +
			"Content-Length: 0\r\n\r\n"
		_, err = conn.Write([]byte(strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK").Replace(end)))
		must(t, err)
		if status < 300 {
			_, err = conn.Write([]byte(strings.NewReplacer("INVITE sip", "BYE sip", "1 INVITE", "2 BYE", "branch=z9hG4bK", "branch=z9hG4bKbye").Replace(end)))
			must(t, err)
		}
		return status
	}
}
