package trunk

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

// quick are the waits of a server under test: all of RFC 3261's proportions, twenty times as fast.
var quick = timing{
	t1: 25 * time.Millisecond, t2: 200 * time.Millisecond, ackLimit: 1600 * time.Millisecond,
	probe: 50 * time.Millisecond, probeWait: time.Second, firstByte: patience, message: patience, unread: patience, farewell: 200 * time.Millisecond,
	noReply: patience, second: 5 * time.Millisecond, sign: 300 * time.Millisecond, askAgain: 100 * time.Millisecond,
	handshake: patience, ring: time.Minute, pending: 1000,
}

// givesUpSoon makes a server give a carrier up that says nothing for a moment; a peer of these tests may need longer under load.
func givesUpSoon(s *Server) { s.timing.noReply = 200 * time.Millisecond }

// node is a server under test. Its trunk "t" is 127.0.0.0/16; what comes in appears in calls.
type node struct {
	*Server
	calls chan media.Incoming
}

func newNode(t *testing.T, change ...func(*Server)) *node {
	t.Helper()
	engine, err := rtp.New(rtp.Config{Low: 16384, High: 24000, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	n := &node{calls: make(chan media.Incoming, 100)}
	n.Server, err = New(Config{
		Listen: "127.0.0.1:0", TLS: "127.0.0.1:0", Certificate: ourCertificate, Media: engine, Log: quiet(), Handler: func(in media.Incoming) { n.calls <- in },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.timing = quick
	n.SetTrunks([]routing.Trunk{{Name: "t", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}}})
	for _, c := range change {
		c(n.Server)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Stop(); engine.Stop() })
	return n
}

// tlsAddr is where it is reached over TLS.
func (n *node) tlsAddr() netip.AddrPort { return n.tls.local }

func quiet() *slog.Logger {
	if os.Getenv("TRUNK_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// call returns the next call that came in.
func (n *node) call(t *testing.T) media.Incoming {
	t.Helper()
	return within(t, n.calls, "a call")
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

// peer is a bare socket that speaks SIP as text.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   chan sip.Message
}

// dial opens a peer at an address.
func (n *node) dial(t *testing.T, network, from string) *peer {
	t.Helper()
	var conn net.Conn
	var err error
	switch network {
	case "tls":
		conn = secureTo(t, n.tlsAddr(), from, nil)
	case "tcp":
		conn, err = net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(from)}, net.TCPAddrFromAddrPort(n.Addr()))
	default:
		conn, err = net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(n.Addr()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return peerOn(t, conn)
}

// peerOn speaks SIP over a connection.
func peerOn(t *testing.T, conn net.Conn) *peer {
	t.Helper()
	p := &peer{t: t, conn: conn, in: make(chan sip.Message, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(conn.LocalAddr().Network() == "tcp")
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return p
}

func (p *peer) read(stream bool) {
	defer close(p.in)
	parser := sip.NewParser()
	s := parser.NewSIPStream()
	buf := make([]byte, 65535)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || stream {
				return
			}
			continue
		}
		if stream {
			_ = s.ParseSIPStream(buf[:n], func(m sip.Message) { p.in <- m })
		} else if m, err := parser.ParseSIP(buf[:n]); err == nil {
			p.in <- m
		}
	}
}

func (p *peer) addr() string { return p.conn.LocalAddr().String() }

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// response waits for the final or given provisional response to a method.
func (p *peer) response(method sip.RequestMethod, statuses ...int) *sip.Response {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case m, open := <-p.in:
			if !open {
				p.t.Fatalf("connection closed while waiting for the response to %s", method)
			}
			res, ok := m.(*sip.Response)
			if !ok || res.CSeq().MethodName != method {
				continue
			}
			for _, want := range statuses {
				if res.StatusCode == want {
					return res
				}
			}
			if !res.IsProvisional() {
				p.t.Fatalf("%s got %d %s, want %v", method, res.StatusCode, res.Reason, statuses)
			}
		case <-limit:
			p.t.Fatalf("no response %v to %s", statuses, method)
		}
	}
}

// request waits for a request of the server.
func (p *peer) request(method sip.RequestMethod) *sip.Request {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case m, open := <-p.in:
			if !open {
				p.t.Fatalf("connection closed while waiting for %s", method)
			}
			if req, ok := m.(*sip.Request); ok && req.Method == method {
				return req
			}
		case <-limit:
			p.t.Fatalf("no %s", method)
		}
	}
}

// offer is the description of a peer whose RTP port nobody listens on, unless at is given.
func offer(at, lines string) string {
	if at == "" {
		at = "127.0.0.1:9"
	}
	host, port, _ := net.SplitHostPort(at)
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %s RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n%s",
		host, host, port, lines)
}

// caller is one call of a peer.
type caller struct {
	p                      *peer
	id, tag, branch, toTag string
	to, uri, transport     string
	seq                    int
}

func (p *peer) caller(id string) *caller {
	transport := "UDP"
	switch p.conn.(type) {
	case *net.TCPConn:
		transport = "TCP"
	case *tls.Conn:
		transport = "TLS"
	}
	return &caller{p: p, id: id, tag: "ft-" + id, branch: "z9hG4bK-" + id, to: "sip:+16085550101@127.0.0.1", uri: "sip:+16085550101@127.0.0.1", seq: 1, transport: transport}
}

// text writes a request.
func (c *caller) text(method string, seq int, branch, body string, headers ...string) string {
	to := "<" + c.to + ">"
	if c.toTag != "" {
		to += ";tag=" + c.toTag
	}
	if body != "" && !strings.Contains(strings.Join(headers, "\n"), "Content-Type") {
		headers = append(headers, "Content-Type: application/sdp")
	}
	lines := append([]string{
		method + " " + c.uri + " SIP/2.0",
		"Via: SIP/2.0/" + c.transport + " " + c.p.addr() + ";branch=" + branch + ";rport",
		"Max-Forwards: 70", "From: \"Caller\" <sip:+16085551234@127.0.0.1>;tag=" + c.tag, "To: " + to,
		"Call-ID: " + c.id, fmt.Sprintf("CSeq: %d %s", seq, method),
		"Contact: <sip:caller@" + c.p.addr() + ">", fmt.Sprintf("Content-Length: %d", len(body)),
	}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func (c *caller) invite(body string, headers ...string) {
	c.p.t.Helper()
	c.p.send(c.text("INVITE", c.seq, c.branch, body, headers...))
}

// next sends a request within the dialog.
func (c *caller) next(method, body string, headers ...string) {
	c.p.t.Helper()
	c.seq++
	c.p.send(c.text(method, c.seq, fmt.Sprintf("%s-%d", c.branch, c.seq), body, headers...))
}

// answered takes the 200 and acknowledges it.
func (c *caller) answered(body string) *sip.Response {
	c.p.t.Helper()
	res := c.p.response(sip.INVITE, 200)
	for res.CallID().Value() != c.id || res.CSeq().SeqNo != uint32(c.seq) { // a copy of one before
		res = c.p.response(sip.INVITE, 200)
	}
	c.toTag, _ = res.To().Params.Get("tag")
	c.ack(body)
	return res
}

func (c *caller) ack(body string) {
	c.p.t.Helper()
	c.p.send(c.text("ACK", c.seq, fmt.Sprintf("%s-ack%d", c.branch, c.seq), body))
}

// up makes an answered call.
func (n *node) up(t *testing.T, p *peer, id string) (*caller, media.Leg, chan media.Event) {
	t.Helper()
	c := p.caller(id)
	c.invite(offer("", ""))
	leg := n.answer(t, id)
	c.answered("")
	return c, leg, listen(leg)
}

func (n *node) answer(t *testing.T, id string) media.Leg {
	t.Helper()
	leg, err := n.call(t).Answer("call-" + id)
	if err != nil {
		t.Fatal(err)
	}
	return leg
}

func listen(leg media.Leg) chan media.Event {
	events := make(chan media.Event, 100)
	leg.Listen(func(e media.Event) { events <- e })
	return events
}

// event waits for an event of a kind.
func event(t *testing.T, events chan media.Event, kind media.EventKind) media.Event {
	t.Helper()
	for {
		if e := within(t, events, fmt.Sprintf("event %d", kind)); e.Kind == kind {
			return e
		}
	}
}

// okTo is the 200 to a request of the server.
func okTo(req *sip.Request) string { return sip.NewResponseFromRequest(req, 200, "OK", nil).String() }

// portOf is where an answer says that it receives RTP.
func portOf(t *testing.T, res *sip.Response) netip.AddrPort {
	t.Helper()
	_, after, _ := strings.Cut(string(res.Body()), "m=audio ")
	port, _, _ := strings.Cut(after, " ")
	addr, err := netip.ParseAddrPort("127.0.0.1:" + port)
	if err != nil {
		t.Fatalf("no port in %s", res.Body())
	}
	return addr
}

// drain forgets what has come so far.
func drain(p *peer) {
	for {
		select {
		case <-p.in:
		default:
			return
		}
	}
}
