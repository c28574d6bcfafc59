package hostile

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	goodCalls = 3                     // for each that miscounts: then one request in twenty is wrong
	greatly   = 50                    // how often something great is sent, to weigh what it costs
	greatCost = 10 * time.Millisecond // of CPU, that refusing one may take
)

// line is a carrier's caller who counts as it likes. It waits for the answer to each request.
type line struct {
	conn     *net.UDPConn
	at, host string
	n        int // of branches
}

func lineFrom(t *testing.T, from, node string) *line {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", node)
	must(t, err)
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, to)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &line{conn: conn, at: conn.LocalAddr().String(), host: from}
}

// echo is a call of somebody who wants to hear itself: whatever of it there is to choose.
type echo struct {
	id, to  string
	tag     string // the node's, once it has answered
	headers string
	body    string
}

const plainOffer = "v=0\r\no=- 1 1 IN IP4 127.0.66.7\r\ns=-\r\nc=IN IP4 127.0.66.7\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

// text writes a request of a call. via is the transport, number what stands in CSeq.
func (e echo) text(method, via, at, branch, number string) string {
	headers := e.headers
	if e.body != "" && !strings.Contains(headers, "Content-Type") {
		headers += "Content-Type: application/sdp\r\n"
	}
	return fmt.Sprintf("%s sip:%s@holdfast SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:+12025550177@%[4]s>;tag=f\r\nTo: <sip:%[2]s@holdfast>%[6]s\r\n"+
		"Call-ID: %[7]s\r\nCSeq: %[8]s\r\nContact: <sip:x@%[4]s>\r\n%[9]sContent-Length: %[10]d\r\n\r\n%[11]s",
		method, e.to, via, at, branch, e.tag, e.id, number, headers, len(e.body), e.body)
}

// toTag is the node's name of a call.
var toTag = regexp.MustCompile(`(?m)^To: [^\r\n]*(;tag=[^;\r\n]+)`)

// ask sends a request until it is answered, and returns the final answer; an INVITE that is refused it acknowledges.
func (l *line) ask(t *testing.T, e *echo, method, number string) (status int) {
	t.Helper()
	l.n++
	branch := fmt.Sprintf("%s-%d", e.id, l.n)
	text := e.text(method, "UDP", l.at, branch, number)
	limit := time.Now().Add(aliveBar)
	b := make([]byte, 64<<10)
	for time.Now().Before(limit) {
		_, _ = l.conn.Write([]byte(text))
		must(t, l.conn.SetReadDeadline(time.Now().Add(time.Second)))
		for {
			n, err := l.conn.Read(b)
			if err != nil {
				break
			}
			said := string(b[:n])
			m := statusLine.FindStringSubmatch(said)
			if m == nil || m[1] < "200" || !strings.Contains(said, "branch=z9hG4bK"+branch+";") {
				continue
			}
			status, _ = strconv.Atoi(m[1])
			switch {
			case method == "INVITE" && status < 300:
				e.tag = toTag.FindStringSubmatch(said)[1]
			case method == "INVITE":
				l.say(e, "ACK", branch, strings.Replace(number, "INVITE", "ACK", 1))
			}
			return status
		}
	}
	return 0
}

// say sends what is not answered.
func (l *line) say(e *echo, method, branch, number string) {
	_, _ = l.conn.Write([]byte(e.text(method, "UDP", l.at, branch, number)))
}

// miscounts are requests within a call, after its INVITE 10 and an INFO 11, and what RFC 3261 has for them in section 12.2.2:
// what is not higher than the last came out of order, and a leap is no error. next is what the peer goes on with.
var miscounts = []struct {
	method, number string
	status         int
	next           int
}{
	{"INFO", "9 INFO", 500, 12},
	{"INFO", "11 INFO", 500, 12},
	{"INFO", "0 INFO", 500, 12},
	{"BYE", "10 BYE", 500, 12},
	{"INVITE", "11 INVITE", 500, 12},
	{"UPDATE", "3 UPDATE", 500, 12},
	{"INFO", "12 BYE", 400, 12},
	{"BYE", "12 INVITE", 400, 12},
	{"INVITE", "12 INFO", 400, 12},
	{"INFO", "4294967296 INFO", 400, 12},
	{"INFO", "-1 INFO", 400, 12},
	{"INFO", "x INFO", 400, 12},
	{"BYE", "12", 400, 12},
	{"INFO", "1000 INFO", 200, 1001},
	{"INFO", "2147483645 INFO", 200, 2147483646},
	{"INFO", "2147483648 INFO", 400, 12}, // RFC 3261 section 8.1.1.5
}

// miscounted is a carrier of which one request in twenty has a number that it must not have. Each is answered by the book, the
// call it came in goes on, and so do all its others.
func (s *siege) miscounted(t *testing.T) {
	l := lineFrom(t, "127.0.66.7", s.n.SIP)
	right, wrong := 0, 0
	for i := range (goodCalls + 1) * len(miscounts) {
		e := &echo{id: fmt.Sprintf("count-%d", i), to: "echo", body: plainOffer}
		good := func(method string, number int) {
			t.Helper()
			right++
			if status := l.ask(t, e, method, fmt.Sprintf("%d %s", number, method)); status != 200 {
				t.Errorf("a good %s was answered %d in %s", method, status, e.id)
			}
		}
		good("INVITE", 10)
		e.body = ""
		right++
		l.say(e, "ACK", e.id+"-ack", "10 ACK")
		good("INFO", 11)
		next := 12
		if m := miscounts[i/(goodCalls+1)]; i%(goodCalls+1) == 0 {
			wrong++
			if status := l.ask(t, e, m.method, m.number); status != m.status {
				t.Errorf("%s with CSeq %q after 11 was answered %d, not %d", m.method, m.number, status, m.status)
			}
			next = m.next
		}
		good("INFO", next)
		good("BYE", next+1)
	}
	s.miscountedFirst(t, l)
	t.Logf("%d requests, %d of them wrong", right+wrong, wrong)
}

// miscountedFirst are numbers of INVITEs and of their ACKs.
func (s *siege) miscountedFirst(t *testing.T, l *line) {
	for number, want := range map[string]int{"0 INVITE": 200, "2147483646 INVITE": 200, "2147483648 INVITE": 400, "1 BYE": 400, "4294967296 INVITE": 400, "INVITE": 400} {
		e := &echo{id: "first-" + strings.ReplaceAll(number, " ", "-"), to: "echo", body: plainOffer}
		if status := l.ask(t, e, "INVITE", number); status != want {
			t.Errorf("an INVITE with CSeq %q was answered %d, not %d", number, status, want)
		}
		if e.body = ""; e.tag != "" {
			l.say(e, "ACK", e.id+"-odd", "77 ACK") // of nothing: the 200 is said again until the right one comes
			l.say(e, "ACK", e.id+"-ack", strings.Replace(number, "INVITE", "ACK", 1))
			if status := l.ask(t, e, "BYE", "2147483647 BYE"); status != 200 {
				t.Errorf("its BYE was answered %d", status)
			}
		}
	}
}

// swollen sends in one datagram each what others fell over by its size, again and again: none is a call, none takes long.
func (s *siege) swollen(t *testing.T) {
	nested := ""
	for i := 0; len(nested) < 30_000; i++ {
		nested += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n", i, i+1)
	}
	for _, of := range []struct {
		what string
		call echo
	}{
		{"10,000 headers", echo{headers: strings.Repeat("X: y\r\n", 10_000)}},
		{"5,000 headers", echo{headers: strings.Repeat("X: y\r\n", 5000)}},
		{"6,000 hops", echo{headers: strings.Repeat("v:a\r\n", 6000)}},
		{"3,000 ways back", echo{headers: "Record-Route: " + strings.Repeat("<sip:a>,", 3000) + "<sip:b>\r\n"}},
		{"a header of 60 KB", echo{headers: "X: " + strings.Repeat("a", 60_000) + "\r\n"}},
		{"a body of 2 GiB", echo{headers: "l: 2147483648\r\n"}},
		{"parts within parts", echo{headers: "Content-Type: multipart/mixed;boundary=b0\r\n", body: nested}},
	} {
		p, before := dial(t, "127.0.66.8", s.n.SIP), s.cpu(t)
		for i := range greatly {
			of.call.id, of.call.to = fmt.Sprintf("%s-%d", strings.ReplaceAll(of.what, " ", "-"), i), "echo"
			p.send(of.call.text("INVITE", "UDP", p.at, of.call.id, "1 INVITE"))
			if !p.alive() {
				t.Fatalf("%s: no answer to OPTIONS after it", of.what)
			}
		}
		each := (s.cpu(t) - before) / greatly
		t.Logf("%s: answers %v, at most %v of CPU each", of.what, p.answers(), each.Round(10*time.Microsecond))
		if each > greatCost || p.answered() > 0 || p.answers()[500] > 0 || p.answers()[503] > 0 { // 503: there would be no room for others either
			t.Errorf("%s: %v each, %d were taken for calls, answers %v", of.what, each, p.answered(), p.answers())
		}
	}
}

// cpu is the time that the node has used so far.
func (s *siege) cpu(t *testing.T) time.Duration {
	t.Helper()
	return time.Duration(s.metric(t, "process_cpu_seconds_total") * float64(time.Second))
}
