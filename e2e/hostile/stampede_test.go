package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const (
	stampedeRate  = 5000 // calls a second: more than twice what a trunk may bring
	stampedeFor   = 2 * time.Second
	stampedeLong  = 10 * time.Second // with HOLDFAST_LONG
	stampedeLines = 100
	settledBar    = 40 * time.Second

	mostOpen  = 2000 // connections of all trunks; one trunk may have three quarters of them
	slowExtra = 150
	trickle   = time.Second
)

// stream is a carrier's connection over which it calls, more than anybody can bear.
type stream struct {
	conn  net.Conn
	at    string
	index int
	sent  int // of the one goroutine that calls

	mu   sync.Mutex
	said map[string]int // final answer to each INVITE, by Call-ID
	bad  []string       // what must not be
	byes int            // that were answered
}

func (c *stream) write(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.conn.Write([]byte(text)) // the node is gone, and others say so
}

// invite calls once more.
func (c *stream) invite() {
	e := echo{id: fmt.Sprintf("herd-%d-%d", c.index, c.sent), to: "echo", body: plainOffer}
	c.sent++
	c.write(e.text("INVITE", "TCP", c.at, e.id, "1 INVITE"))
}

// read takes the answers: refusals are acknowledged, calls too, and hung up on.
func (c *stream) read() {
	in := bufio.NewReader(c.conn)
	for {
		head, length := "", 0
		for !strings.HasSuffix(head, "\r\n\r\n") {
			text, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if name, value, _ := strings.Cut(text, ":"); strings.EqualFold(name, "Content-Length") {
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			}
			if head += text; head == "\r\n" {
				head = ""
			}
		}
		if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
			return
		}
		c.take(head)
	}
}

func (c *stream) take(head string) {
	m, call, cseq := statusLine.FindStringSubmatch(head), callOf.FindStringSubmatch(head), cseqOf.FindStringSubmatch(head)
	if m == nil || call == nil || cseq == nil || m[1] < "200" {
		return
	}
	status, _ := strconv.Atoi(m[1])
	if cseq[2] == "BYE" {
		c.mu.Lock()
		c.byes++
		c.mu.Unlock()
		return
	}
	e := echo{id: call[1], to: "echo"}
	if tag := toTag.FindStringSubmatch(head); tag != nil {
		e.tag = tag[1]
	}
	c.mu.Lock()
	before, again := c.said[e.id]
	c.said[e.id] = status
	switch {
	case again && before != status:
		c.bad = append(c.bad, fmt.Sprintf("%s was answered %d, and then %d", e.id, before, status))
	case status == 503 && !strings.Contains(head, "\r\nRetry-After: "):
		c.bad = append(c.bad, e.id+" was not told when to come again")
	}
	c.mu.Unlock()
	switch {
	case status >= 300:
		c.write(e.text("ACK", "TCP", c.at, e.id, "1 ACK"))
	default:
		c.write(e.text("ACK", "TCP", c.at, e.id+"-ack", "1 ACK"))
		if !again {
			c.write(e.text("BYE", "TCP", c.at, e.id+"-bye", "2 BYE"))
		}
	}
}

// overrun calls over many connections faster than a node can answer. What it cannot bear it refuses, each call once; who it
// answers it serves.
func (s *siege) overrun(t *testing.T) {
	var streams []*stream
	var reading, calling sync.WaitGroup
	for i := range stampedeLines {
		conn := held(t, 5000+i, s.n.SIP)
		c := &stream{conn: conn, at: conn.LocalAddr().String(), index: i, said: map[string]int{}}
		streams = append(streams, c)
		reading.Go(c.read)
	}
	halt := sync.OnceFunc(func() {
		for _, c := range streams {
			_ = c.conn.Close()
		}
		reading.Wait()
	})
	defer halt()
	before := s.resident(t)
	began, lasts := time.Now(), orLong(stampedeFor, stampedeLong)
	for i, c := range streams {
		calling.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for time.Since(began) < lasts {
				for due := int(time.Since(began).Seconds()*stampedeRate+float64(i)) / stampedeLines; c.sent < due; {
					c.invite()
				}
				<-pace.C
			}
		})
	}
	calling.Wait()
	took := time.Since(began)
	sent, byes := 0, 0
	var all map[int]int
	harness.Eventually(t, settledBar, "each call is answered or refused, and hung up", func() bool {
		sent, byes, all = 0, 0, map[int]int{}
		known := 0
		for _, c := range streams {
			c.mu.Lock()
			sent, byes, known = sent+c.sent, byes+c.byes, known+len(c.said)
			for _, status := range c.said {
				all[status]++
			}
			c.mu.Unlock()
		}
		return known == sent && byes == all[200]
	})
	more := s.resident(t) - before
	t.Logf("%d calls in %v, %.0f a second: %v; %.0f MB more", sent, took.Round(time.Millisecond), float64(sent)/took.Seconds(), all, more/1e6)
	if more > memoryMore+callMemory*float64(all[200]) { // what is refused must be refused before it is read
		t.Errorf("%.0f MB more", more/1e6)
	}
	if all[200] == 0 || all[200]+all[503] != sent {
		t.Errorf("%d calls, and these answers: %v", sent, all)
	}
	halt()
	for _, c := range streams {
		for _, bad := range c.bad {
			t.Error(bad)
		}
	}
}

// stalled opens more connections than there may be, each of which begins a message and never ends it, though some say a byte each
// second. What is too many is closed at once; a carrier whose connection is open is served over it, another over UDP; and soon
// there is room again.
func (s *siege) stalled(t *testing.T) {
	ask := func(conn net.Conn, id string) string {
		e := echo{id: id, to: "echo"}
		_, err := conn.Write([]byte(e.text("OPTIONS", "TCP", conn.LocalAddr().String(), id, "1 OPTIONS")))
		must(t, err)
		must(t, conn.SetReadDeadline(time.Now().Add(aliveBar)))
		b := make([]byte, 4096)
		n, _ := conn.Read(b) // nothing: closed, or never answered
		return string(b[:n])
	}
	carrier := held(t, 4000, s.n.SIP)
	if said := ask(carrier, "before"); !strings.HasPrefix(said, "SIP/2.0 200") {
		t.Fatalf("OPTIONS over a connection: %q", said)
	}
	var slow []net.Conn
	before := s.metric(t, `holdfast_dropped_packets_total{why="overload"}`)
	for i := range mostOpen + slowExtra {
		conn := held(t, i, s.n.SIP)
		_, _ = conn.Write([]byte("INVITE sip:echo@holdfast SIP/2.0\r\nVia: ")) // closed by now: it was one too many
		slow = append(slow, conn)
	}
	refused := 0.0
	harness.Eventually(t, joinBar, "what is too many is refused", func() bool {
		refused = s.metric(t, `holdfast_dropped_packets_total{why="overload"}`) - before
		return refused >= slowExtra+mostOpen/4
	})
	if said := ask(carrier, "beside"); !strings.HasPrefix(said, "SIP/2.0 200") {
		t.Errorf("OPTIONS beside %d connections: %q", len(slow), said)
	}
	if !dial(t, "127.0.66.2", s.n.SIP).alive() {
		t.Error("no answer over UDP beside them")
	}
	stop, done := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-done }()
	go func() { // a byte a second
		defer close(done)
		drop := time.NewTicker(trickle)
		defer drop.Stop()
		for {
			select {
			case <-stop:
				return
			case <-drop.C:
			}
			for _, conn := range slow[:slowExtra] {
				_, _ = conn.Write([]byte("x"))
			}
		}
	}()
	began := time.Now()
	for i, conn := range slow {
		if said := shut(t, began, conn, fmt.Sprintf("slow connection %d", i)); said != "" {
			t.Errorf("half a message was answered: %q", said)
		}
	}
	t.Logf("%.0f connections refused; the others closed after %v", refused, time.Since(began).Round(time.Millisecond))
	if said := ask(carrier, "after"); !strings.HasPrefix(said, "SIP/2.0 200") {
		t.Errorf("OPTIONS over the carrier's connection after them: %q", said)
	}
	if said := ask(held(t, 4001, s.n.SIP), "anew"); !strings.HasPrefix(said, "SIP/2.0 200") {
		t.Errorf("OPTIONS over a new connection after them: %q", said)
	}
}
