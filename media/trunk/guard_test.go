package trunk

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
)

// alive proves that the server still answers its trunk.
func alive(t *testing.T, n *node) {
	t.Helper()
	p := n.dial(t, "udp", "127.0.0.1")
	p.send(p.caller("alive-"+p.addr()).text("OPTIONS", 1, "z9hG4bK-alive"+p.addr(), ""))
	p.response(sip.OPTIONS, 200)
}

func TestStrangersGetNoByteOverUDP(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.66.0.1")
	c := p.caller("stranger")
	c.invite(offer("", ""))
	p.send(c.text("OPTIONS", 2, "z9hG4bK-o", ""))
	p.send("garbage")
	waitFor(t, func() bool { return n.Dropped()["stranger"] == 3 })
	alive(t, n)
	if len(p.in) != 0 || len(n.calls) != 0 {
		t.Error("a stranger was answered")
	}
}

func TestStrangersAreClosedWithoutAByteOverTCP(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	conn, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP("127.66.0.1")}, net.TCPAddrFromAddrPort(n.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(conn); len(got) != 0 || (err != nil && !strings.Contains(err.Error(), "reset")) {
		t.Errorf("read %q, %v", got, err)
	}
	if n.Dropped()["stranger"] != 1 {
		t.Errorf("dropped: %v", n.Dropped())
	}
	alive(t, n)
}

// TestAFloodFromManyAddressesCostsNoMemory is the defect of sipgo that remembers each source for good.
func TestAFloodFromManyAddressesCostsNoMemory(t *testing.T) {
	n := newNode(t)
	const datagrams, sources = 20_000, 2_000
	before := heap()
	to := net.UDPAddrFromAddrPort(n.Addr())
	for i := range sources {
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 66, byte(i>>8), byte(i))}, to)
		if err != nil {
			t.Fatal(err)
		}
		for range datagrams / sources {
			if _, err := conn.Write([]byte("INVITE sip:x SIP/2.0\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.Close()
		if i%100 == 0 { // let the server keep up: what the kernel drops proves nothing
			waitFor(t, func() bool { return n.Dropped()["stranger"] >= uint64(i*datagrams/sources) })
		}
	}
	waitFor(t, func() bool { return n.Dropped()["stranger"] == datagrams })
	if grown := int64(heap()) - int64(before); grown > 512<<10 {
		t.Errorf("%d bytes more after %d datagrams", grown, datagrams)
	}
	if size := n.tp.Pool("udp").Size(); size > 2 {
		t.Errorf("sipgo remembers %d addresses", size)
	}
	alive(t, n)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(6 * patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not come to that")
		}
	}
}

func TestRequestsThatCannotBeServedAreRefusedByTheBook(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	replace := func(method, old, with string) func(*caller) string {
		return func(c *caller) string {
			text := c.text(method, 1, c.branch, "")
			if !strings.Contains(text, old) {
				t.Fatalf("%q is not in %s", old, text)
			}
			return strings.Replace(text, old, with, 1)
		}
	}
	line := func(method, header string) func(*caller) string {
		return replace(method, "Max-Forwards: 70\r\n", "Max-Forwards: 70\r\n"+header+"\r\n")
	}
	for name, test := range map[string]struct {
		text   func(*caller) string
		status int
	}{
		"another version":         {replace("INVITE", " SIP/2.0", " SIP/7.0"), 505},
		"no From":                 {replace("OPTIONS", "From: ", "X-From: "), 400},
		"no To":                   {replace("INVITE", "To: ", "X-To: "), 400},
		"no Call-ID":              {replace("INVITE", "Call-ID: ", "X-Call-ID: "), 400},
		"method mismatch":         {replace("OPTIONS", "CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), 400},
		"no hops left":            {replace("INVITE", "Max-Forwards: 70", "Max-Forwards: 0"), 483},
		"two Froms":               {line("INVITE", "From: <sip:a@b>;tag=2"), 400},
		"two lengths":             {line("INVITE", "l: 0"), 400},
		"two Call-IDs":            {line("INVITE", "i: other"), 400},
		"empty branch":            {replace("OPTIONS", "branch=z9hG4bK-", "branch=z9hG4bK;x="), 400},
		"another protocol":        {replace("OPTIONS", "SIP/2.0/UDP", "XMPP/2.0/UDP"), 400},
		"unknown extension":       {line("INVITE", "Require: 100rel, nothingSupportsThis"), 420},
		"unknown scheme":          {replace("INVITE", "INVITE sip:", "INVITE unknown:"), 416},
		"unknown method":          {replace("INVITE", "INVITE sip", "NEWMETHOD sip"), 400},
		"unknown method and CSeq": {func(c *caller) string { return c.text("NEWMETHOD", 1, c.branch, "") }, 501},
		"a method of odd letters": {func(c *caller) string { return c.text("!odd-Method_*+`.%~", 1, c.branch, "") }, 501},
		"method not for us":       {func(c *caller) string { return c.text("REGISTER", 1, c.branch, "") }, 405},
		"CANCEL of nothing":       {func(c *caller) string { return c.text("CANCEL", 1, c.branch, "") }, 481},
		"BYE of nothing":          {func(c *caller) string { return c.text("BYE", 1, c.branch, "") }, 481},
		"too many headers":        {line("INVITE", strings.TrimSuffix(strings.Repeat("X: y\r\n", 300), "\r\n")), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := n.dial(t, "udp", "127.0.0.1")
			p.send(test.text(p.caller(strings.ReplaceAll(name, " ", "-"))))
			m := within(t, p.in, "an answer")
			if res, ok := m.(*sip.Response); !ok || res.StatusCode != test.status || !strings.HasPrefix(m.String(), "SIP/2.0 ") {
				t.Errorf("want %d, got %s", test.status, m)
			}
			if m.CallID() != nil && (test.status == 501 || test.status == 405) && m.(*sip.Response).GetHeader("Allow") == nil {
				t.Error("Allow is missing")
			}
		})
	}
	t.Cleanup(func() {
		if len(n.calls) != 0 {
			t.Error("one became a call")
		}
	})
}

// TestHostileMessagesAreSurvived sends what other stacks fell over, whole and cut short everywhere.
func TestHostileMessagesAreSurvived(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("hostile")
	whole := c.text("INVITE", 1, c.branch, offer("", ""))
	hostile := []string{
		"INFO sip:x@y SIP/2.0\r\n\r\n", "NOTIFY sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\r\n",
		"SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 200 OK\r\nVia: x\r\nCSeq: 1 INVITE\r\n\r\n", "\r\n\r\n", "\x00\x00", "\r\n", "a",
		"ACK sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKy\r\nCSeq: 1 ACK\r\n\r\n",
		"CANCEL sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKz\r\nCSeq: 1 CANCEL\r\n\r\n",
		"INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKw\r\nCSeq: 1 INVITE\r\n\r\n",
		strings.Replace(whole, "Content-Length: ", "Content-Length: 9999999", 1),
		strings.Replace(whole, "Contact: <sip:caller@", "Contact: *;<", 1),
		strings.Replace(whole, "CSeq: 1 INVITE", "CSeq: 99999999999 INVITE", 1),
	}
	for i := 0; i < len(whole); i += 7 {
		hostile = append(hostile, whole[:i], whole[:i]+"\x00\xff\r\n\r\n"+whole[i:])
	}
	go func() {
		for in := range n.calls {
			in.Refuse(486, "Busy")
		}
	}()
	for _, text := range hostile {
		p.send(text)
	}
	alive(t, n)
	if got := n.Dropped(); got["panic"] != 0 || got["malformed"] == 0 {
		t.Errorf("dropped: %v", got)
	}
	n.Stop()
	close(n.calls)
}

func TestMoreCallersThanMayWaitAreTurnedAway(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.pending = 2 })
	p := n.dial(t, "udp", "127.0.0.1")
	var waiting []media.Incoming
	for i := range 2 {
		p.caller(fmt.Sprint("wait-", i)).invite(offer("", ""))
		waiting = append(waiting, n.call(t))
	}
	p.caller("wait-2").invite(offer("", ""))
	if res := p.response(sip.INVITE, 503); res.GetHeader("Retry-After") == nil {
		t.Error("no Retry-After")
	}
	waiting[0].Refuse(486, "Busy")
	p.response(sip.INVITE, 486)
	p.caller("wait-3").invite(offer("", ""))
	n.call(t)
}

func TestACrowdIsRefusedOnEveryWayIn(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"udp", "tcp"} {
		n := newNode(t, func(s *Server) { s.crowd.most = 0 })
		p := n.dial(t, way, "127.0.0.1")
		late := p.caller("late")
		p.send(late.text("INVITE", 1, late.branch, offer("", "")) + late.text("OPTIONS", 2, "z9hG4bK-later", "")) // a datagram is one message
		if res := p.response(sip.INVITE, 503); res.GetHeader("Retry-After") == nil {
			t.Errorf("%s: no Retry-After", way)
		}
		if way == "tcp" {
			p.response(sip.OPTIONS, 200) // and what comes right behind it is heard
		}
		n.crowd.mu.Lock()
		n.crowd.most = 1
		n.crowd.mu.Unlock()
		p.caller("next").invite(offer("", ""))
		n.answer(t, "next")
		if n.Dropped()["overload"] != 1 {
			t.Errorf("%s: dropped %v", way, n.Dropped())
		}
	}
}

func TestWhatNobodyCanReadKeepsNoCallerOut(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.crowd.most = 1 })
	p := n.dial(t, "udp", "127.0.0.1")
	for i := range 2 * rush {
		c := p.caller(fmt.Sprint("bad-", i))
		spoilt := []string{"Content-Length: 0", "Content-Length: x"}
		if i%2 == 1 {
			spoilt = []string{"Via: ", "X-Via: "}
		}
		p.send(strings.Replace(c.text("INVITE", 1, c.branch, ""), spoilt[0], spoilt[1], 1))
	}
	alive(t, n)
	p.caller("good").invite(offer("", ""))
	n.answer(t, "good")
	if n.Dropped()["overload"] != 0 {
		t.Errorf("dropped %v", n.Dropped())
	}
}

func TestAPanicInTheHandlerCostsOneCallOnly(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) {
		keep := s.cfg.Handler
		s.cfg.Handler = func(in media.Incoming) {
			if in.Invite().SIPCallID == "panic" {
				panic("the handler's own")
			}
			keep(in)
		}
	})
	p := n.dial(t, "udp", "127.0.0.1")
	p.caller("panic").invite(offer("", ""))
	p.response(sip.INVITE, 500)
	c := p.caller("listener")
	c.invite(offer("", ""))
	leg := n.answer(t, "listener")
	c.answered("")
	leg.Listen(func(media.Event) { panic("the listener's own") })
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p.send(okTo(p.request(sip.BYE)))
	waitFor(t, func() bool { return n.Calls() == 0 })
	n.up(t, p, "fine")
	if n.Dropped()["panic"] != 2 {
		t.Error("not counted")
	}
}

func FuzzDigits(f *testing.F) {
	f.Add("application/dtmf-relay", []byte("Signal=5\r\nDuration=160"))
	f.Add("application/dtmf", []byte("11"))
	f.Add("application/dtmf-relay", []byte("signal = *"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if key, _ := digitOf(kind, body); key != 0 && !strings.ContainsRune("0123456789*#ABCD", rune(key)) {
			t.Fatalf("key %q", key)
		}
		_ = sdpPart(body, kind)
	})
}

// FuzzINVITE looks for messages that sipgo takes and our reading of them does not survive.
func FuzzINVITE(f *testing.F) {
	f.Add([]byte("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <tel:+1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n" +
		"Contact: <sip:a@b>\r\nRecord-Route: <sip:c;lr>\r\nDiversion: <sip:d@e>;reason=x\r\nHistory-Info: <sip:f@g?Reason=SIP%3Bcause%3D1>;index=1\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n"))
	engine, err := rtp.New(rtp.Config{Low: 24002, High: 24100, Log: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0", Media: engine, Log: quiet(), Handler: func(media.Incoming) {}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg, err := sip.ParseMessage(raw)
		if err != nil {
			return
		}
		msg.SetSource("127.0.0.1:5060")
		s.before(msg)
		if s.dropped.panics.Load() != 0 {
			t.Fatal("panic")
		}
		req, ok := msg.(*sip.Request)
		if !ok || validate(req).status != 0 {
			return
		}
		_ = s.tagFor(req)
		_, _ = sdpOf(req)
		inv := s.facts(req, netip.MustParseAddrPort("127.0.0.1:5060"), "t")
		if strings.ContainsAny(inv.From.User+inv.SIPCallID+inv.UserAgent, "\r\n\x00") {
			t.Fatal("unfit text")
		}
		d := s.newDialog(&incoming{s: s, req: req, id: inviteID{callID: "x"}}, "call", nil)
		_ = d.target.String()
		if res := s.response(req, noSuchCall); !strings.HasPrefix(res.String(), "SIP/2.0 481") {
			t.Fatalf("response: %s", res)
		}
	})
}
