package trunk

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

func TestTCPMessagesMayComeByteByByteAndTogether(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "tcp", "127.0.0.1")
	c := p.caller("bytes")
	for _, b := range []byte(c.text("INVITE", 1, c.branch, offer("", ""))) {
		p.send(string(b))
	}
	n.answer(t, "bytes")
	c.answered("")
	p.send(c.text("INFO", 2, "z9hG4bK-b2", "") + "\r\n\r\n" + c.text("BYE", 3, "z9hG4bK-b3", ""))
	got := map[sip.RequestMethod]bool{}
	for len(got) < 2 {
		if res, ok := within(t, p.in, "an answer").(*sip.Response); ok && res.CSeq().MethodName != sip.INVITE {
			got[res.CSeq().MethodName] = true
		}
	}
}

func TestASilentConnectionIsClosed(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.firstByte = 50 * time.Millisecond })
	p := n.dial(t, "tcp", "127.0.0.1")
	if _, open := <-p.in; open {
		t.Error("something came")
	}
	waitFor(t, func() bool { return n.open.count() == 0 })
}

func TestAMessageThatDoesNotEndCostsItsConnectionAndSilenceBetweenTwoDoesNot(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.message = 50 * time.Millisecond })
	good, slow := n.dial(t, "tcp", "127.0.0.1"), n.dial(t, "tcp", "127.0.0.2")
	ask := func(id string) string { return good.caller(id).text("OPTIONS", 1, "z9hG4bK-"+id, "") }
	one := ask("one")
	good.send(one[:40])
	good.send(one[40:] + "\r\n\r\n")
	good.response(sip.OPTIONS, 200)
	slow.send(ask("whole") + ask("half")[:40])
	slow.response(sip.OPTIONS, 200)
	if m := within(t, slow.in, "the end of its connection"); m != nil {
		t.Error("half a message was answered")
	}
	good.send(ask("two")) // after a silence that was longer than a message may take
	good.response(sip.OPTIONS, 200)
}

func TestACarrierWithTooManyConnectionsKeepsNoOtherOut(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) {
		s.open.most = 8
		s.SetTrunks([]routing.Trunk{
			{Name: "many", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}},
			{Name: "other", Signal: []netip.Prefix{netip.MustParsePrefix("127.1.0.0/16")}},
		})
	})
	ask := func(p *peer, id string) {
		p.send(p.caller(id).text("OPTIONS", 1, "z9hG4bK-"+id, ""))
		p.response(sip.OPTIONS, 200)
	}
	var many []*peer
	for i := range 6 {
		many = append(many, n.dial(t, "tcp", "127.0.0.1"))
		ask(many[i], fmt.Sprint("many-", i))
	}
	late := n.dial(t, "tcp", "127.0.0.2")
	if m := within(t, late.in, "the end of its connection"); m != nil {
		t.Error("one too many was answered")
	}
	for i, network := range []string{"tcp", "tls"} {
		ask(n.dial(t, network, "127.1.0.1"), fmt.Sprint("other-", i))
	}
	if n.open.count() != 8 || n.Dropped()["overload"] != 1 {
		t.Errorf("%d open, dropped %v", n.open.count(), n.Dropped())
	}
	full := n.dial(t, "tcp", "127.1.0.1")
	if m := within(t, full.in, "the end of its connection"); m != nil {
		t.Error("one more than there may be was answered")
	}
	_ = many[0].conn.Close()
	_ = many[1].conn.Close()
	_ = many[2].conn.Close()
	waitFor(t, func() bool { return n.open.count() == 5 })
	ask(n.dial(t, "tcp", "127.0.0.1"), "again")
}

func TestWhoAsksAndDoesNotListenIsCutOff(t *testing.T) {
	n := newNode(t, func(s *Server) { s.timing.unread = 500 * time.Millisecond })
	conn, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP("127.0.0.9")}, net.TCPAddrFromAddrPort(n.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetWriteDeadline(time.Now().Add(6 * patience))
	c := n.dial(t, "udp", "127.0.0.1").caller("deaf")
	c.transport = "TCP"
	most, before := 0, runtime.NumGoroutine()
	for i := 0; err == nil; i++ {
		_, err = conn.Write([]byte(c.text("OPTIONS", i+1, fmt.Sprint("z9hG4bK-deaf-", i), strings.Repeat("a", 5000), "Content-Type: text/plain", "Via: SIP/2.0/TCP "+strings.Repeat("a", 20_000))))
		most = max(most, runtime.NumGoroutine()-before)
	}
	if os.IsTimeout(err) {
		t.Error("whoever does not listen is listened to for ever")
	}
	if most > 500 {
		t.Errorf("%d more goroutines", most)
	}
	waitFor(t, func() bool { return n.open.count() == 0 })
	alive(t, n)
}

func TestALongMessageOverAConnectionIsRead(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "tcp", "127.0.0.1")
	c := p.caller("long")
	for i, long := range []int{1, 32_000, 33_000, 60_000} { // sipgo reads 32 KiB at a time
		p.send(c.text("OPTIONS", i+1, fmt.Sprint("z9hG4bK-long-", i), strings.Repeat("a", long), "Content-Type: text/plain"))
		p.response(sip.OPTIONS, 200)
	}
}
