package faults

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const (
	mutes     = 40
	ackLimit  = 32 * time.Second // RFC 3261 section 13.3.1.4
	afterward = 40 * time.Second // from the last BYE until nothing is left of a call
	muteFrom  = "+16085558888"
)

// mute is a caller whose ACK never arrives: what the node said in one of its calls.
type mute struct {
	answered, merged int
	bye              time.Time
}

var callIDOf = regexp.MustCompile(`(?mi)^(?:Call-ID|i)\s*:\s*(\S+)`)

// Forty calls over a line that swallows every ACK and every answer to our BYE. Each INVITE comes twice, and once more by another
// way: one call each, ended in time and by a BYE, and nothing is left of any.
func TestCallsThatNobodyAcknowledgesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	l := n.Ledger()
	before := goroutines(t, n)
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(n.SIP)))
	must(t, err)
	defer func() { _ = conn.Close() }()
	local := conn.LocalAddr().String()
	invite := func(i int, branch string) {
		body := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
		_, _ = fmt.Fprintf(conn, "INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s-%d;rport\r\nMax-Forwards: 70\r\n"+
			"From: <sip:%s@%s>;tag=m%d\r\nTo: <sip:%[1]s@%[2]s>\r\nCall-ID: mute-%[5]d\r\nCSeq: 1 INVITE\r\nContact: <sip:mute@%[3]s>\r\n"+
			"Content-Type: application/sdp\r\nContent-Length: %[9]d\r\n\r\n%[10]s", redRock, n.SIP, local, branch, i, muteFrom, local, i, len(body), body)
	}
	began := time.Now()
	for i := range mutes {
		invite(i, "one")
		invite(i, "one")
		invite(i, "other")
	}
	calls := map[string]*mute{}
	left := mutes // that have no BYE yet
	buf := make([]byte, 65535)
	for must(t, conn.SetReadDeadline(began.Add(ackLimit+10*time.Second))); left > 0; {
		size, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%d calls were never ended: %v", left, err)
		}
		text := string(buf[:size])
		found := callIDOf.FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("of no call: %.200s", text)
		}
		c := calls[found[1]]
		if c == nil {
			c = &mute{}
			calls[found[1]] = c
		}
		switch {
		case strings.HasPrefix(text, "SIP/2.0 200"):
			c.answered++
		case strings.HasPrefix(text, "SIP/2.0 482"):
			c.merged++
		case strings.HasPrefix(text, "BYE ") && c.bye.IsZero():
			c.bye = time.Now()
			left--
		}
	}
	for id, c := range calls {
		if took := c.bye.Sub(began); c.answered < 2 || c.merged == 0 || took < ackLimit-time.Second || took > ackLimit+3*time.Second {
			t.Errorf("%s: answered %d times, merged %d times, hung up on after %v", id, c.answered, c.merged, took)
		}
	}
	harness.Pass(t, afterward)
	// A leak would leave one a call; a few more are the node's own, which has answered this story's questions meanwhile.
	if now := goroutines(t, n); now > before+mutes/2 {
		t.Errorf("%v goroutines, and %v before the calls", now, before)
	}
	l.Others(muteFrom, mutes)
	l.Balance(booksBar)
}
