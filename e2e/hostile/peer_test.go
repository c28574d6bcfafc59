package hostile

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const aliveBar = 10 * time.Second

// peer sends whatever it is told over UDP. What is answered it takes as a carrier would: it acknowledges, and hangs up at once.
type peer struct {
	conn     *net.UDPConn
	at, host string
	asked    int         // of alive
	options  chan string // Call-IDs of OPTIONS that were answered 200

	mu     sync.Mutex
	seen   map[int]int // final answers by status
	hung   map[string]bool
	ended  map[string]bool
	calls  int
	n      int    // of branches
	odd    string // an answer that is none
	last   string // final answer
	closed chan struct{}
}

func dial(t *testing.T, from, node string) *peer {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", node)
	must(t, err)
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, to)
	must(t, err)
	p := &peer{
		conn: conn, at: conn.LocalAddr().String(), host: from, options: make(chan string, 64), seen: map[int]int{}, hung: map[string]bool{}, ended: map[string]bool{},
		closed: make(chan struct{}),
	}
	go p.read()
	t.Cleanup(func() { _ = conn.Close(); <-p.closed })
	return p
}

func (p *peer) send(text string) { _, _ = p.conn.Write([]byte(text)) } // refused: the node is gone, and alive says so

// alive asks whether the node is there, as a carrier does.
func (p *peer) alive() bool {
	p.asked++
	id := fmt.Sprintf("alive-%d", p.asked)
	ask := fmt.Sprintf("OPTIONS sip:holdfast SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:x@%s>;tag=%s\r\nTo: <sip:holdfast>\r\n"+
		"Call-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", p.at, id, p.host, id, id)
	limit := time.NewTimer(aliveBar)
	defer limit.Stop()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	p.send(ask)
	for {
		select {
		case got := <-p.options:
			if got == id {
				return true
			}
		case <-again.C:
			p.send(ask)
		case <-limit.C:
			return false
		}
	}
}

var (
	statusLine = regexp.MustCompile(`^SIP/2\.0 ([1-6][0-9][0-9]) [^\r\n]*\r\n`)
	contactOf  = regexp.MustCompile(`(?m)^Contact: <([^>\r\n]+)>`)
	callOf     = regexp.MustCompile(`(?m)^Call-ID: ([^\r\n]*)`)
	cseqOf     = regexp.MustCompile(`(?m)^CSeq: ([0-9]+) ([^\r\n]*)`)
	known      = regexp.MustCompile(`(?m)^(From|To|Call-ID|CSeq): [^\r\n]*\r\n`)
	viaOf      = regexp.MustCompile(`(?m)^Via: [^\r\n]*\r\n`)
)

func (p *peer) read() {
	defer close(p.closed)
	b := make([]byte, 64<<10)
	for {
		n, err := p.conn.Read(b)
		if err != nil {
			if strings.Contains(err.Error(), "refused") {
				continue
			}
			return
		}
		p.take(string(bytes.Clone(b[:n])))
	}
}

// take handles what came.
func (p *peer) take(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := statusLine.FindStringSubmatch(text)
	call, cseq := callOf.FindStringSubmatch(text), cseqOf.FindStringSubmatch(text)
	if m == nil {
		if method, _, _ := strings.Cut(text, " "); method == "BYE" || method == "OPTIONS" || method == "UPDATE" || method == "INVITE" {
			p.send("SIP/2.0 200 OK\r\n" + strings.Join(viaOf.FindAllString(text, 1), "") + strings.Join(known.FindAllString(text, 4), "") + "Content-Length: 0\r\n\r\n")
			return
		}
		if !strings.HasPrefix(text, "ACK ") {
			p.odd = text
		}
		return
	}
	var status int
	_, _ = fmt.Sscan(m[1], &status)
	switch {
	case status < 200:
		return
	case cseq == nil || call == nil:
		p.seen[status]++
		return
	case cseq[2] == "OPTIONS" && strings.HasPrefix(call[1], "alive-"):
		select {
		case p.options <- call[1]:
		default:
		}
		return
	case cseq[2] == "BYE":
		p.ended[call[1]] = true
		return
	}
	p.seen[status]++
	p.last = text
	if cseq[2] != "INVITE" {
		return
	}
	headers := strings.Join(known.FindAllString(text, 4), "")
	as := func(method, seq string) string {
		return strings.Replace(headers, "CSeq: "+cseq[1]+" INVITE", "CSeq: "+seq+" "+method, 1) + "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
	}
	if status >= 300 { // the transaction's own ACK
		p.send("ACK sip:holdfast SIP/2.0\r\n" + strings.Join(viaOf.FindAllString(text, 1), "") + as("ACK", cseq[1]))
		return
	}
	to := "sip:holdfast"
	if c := contactOf.FindStringSubmatch(text); c != nil {
		to = c[1]
	}
	p.n++
	p.send(fmt.Sprintf("ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKa%d;rport\r\n%s", to, p.at, p.n, as("ACK", cseq[1])))
	if !p.hung[call[1]] {
		p.hung[call[1]] = true
		p.calls++
	}
	p.send(fmt.Sprintf("BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKb%d;rport\r\n%s", to, p.at, p.n, as("BYE", "2000000000")))
}

// answers are the final answers so far, by status.
func (p *peer) answers() map[int]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// answered is how many calls were answered, and told BYE.
func (p *peer) answered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// final is the newest final answer.
func (p *peer) final() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// quiet waits until all calls that were answered are hung up.
func (p *peer) quiet(t *testing.T) {
	t.Helper()
	harness.Eventually(t, aliveBar, "the calls are hung up", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.ended) >= len(p.hung)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.odd != "" {
		t.Errorf("an answer that is none: %q", p.odd)
	}
}
