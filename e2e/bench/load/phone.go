package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	t1     = 500 * time.Millisecond // RFC 3261 section 17.1.1.1
	sweep  = 50 * time.Millisecond
	giveUp = 8 * time.Second // a request without an answer for so long is lost

	firstNumber, numbers = 2_000_000, 7_000_000 // behind +1608
)

// Phone makes many calls over one UDP socket. Its SIP is just what a well-behaved caller needs: INVITE repeated until
// something comes, ACK for each final answer, BYE repeated until answered.
type Phone struct {
	conn  *net.UDPConn
	local netip.AddrPort
	node  string
	tag   string // makes Call-IDs of this phone its own
	quit  chan struct{}
	wait  sync.WaitGroup

	mu    sync.Mutex
	calls []*Call
}

// Call is one call of a phone. Its fields are read after [Phone.Settled].
type Call struct {
	InvitedAt  time.Time
	AnsweredAt time.Time      // of the 200; zero: none came
	EndedAt    time.Time      // of the refusal; zero: none came
	Media      netip.AddrPort // where the server wants audio, by its SDP
	Status     int            // final status; 0: none came
	Later      bool           // a refusal said when to come again (Retry-After)
	After      time.Duration  // how long after it that is
	GivenUp    bool           // a request was never answered
	ID         string         // the server's own of it, X-Holdfast-Call of the 200
	LeftAt     time.Time      // when one side hung up; zero: none did
	Left       bool           // it was the server, or both at once

	decided, gone chan struct{}

	index   int
	user    string
	offer   string
	remote  string // To with tag
	target  string // the server's Contact
	trying  bool
	sentAt  time.Time // of the request that waits for an answer
	waits   time.Duration
	leaving bool // BYE was sent
	over    bool
}

// From is the number that the call comes from, one that no other call of this phone has for a good while.
func (c *Call) From() string { return fmt.Sprintf("+1608%07d", firstNumber+c.index%numbers) }

// Numbered is which call of its phone, from 0, has a number from [Call.From]; false: none.
func Numbered(from string) (index int, ok bool) {
	digits, ours := strings.CutPrefix(from, "+1608")
	n, err := strconv.Atoi(digits)
	return n - firstNumber, ours && err == nil && n >= firstNumber
}

// Placed is how many calls the phone has made so far.
func (p *Phone) Placed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// Decided is closed when the final answer is in, or will never be: what is known of it may be read.
func (c *Call) Decided() <-chan struct{} { return c.decided }

// Gone is closed when the call is over: all of it may be read.
func (c *Call) Gone() <-chan struct{} { return c.gone }

// end notes that nothing more is waited for. Under the phone's mu.
func (c *Call) end() {
	if !c.over {
		c.over = true
		close(c.gone)
	}
}

// Answered says whether a 200 came.
func (c *Call) Answered() bool { return c.Status == 200 }

// NewPhone opens a phone at an address, for a server.
func NewPhone(host netip.Addr, node netip.AddrPort) (*Phone, error) {
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)), net.UDPAddrFromAddrPort(node))
	if err != nil {
		return nil, fmt.Errorf("open the phone: %w", err)
	}
	_ = conn.SetReadBuffer(4 << 20) // less is given: then a burst of answers is repeated by the server
	if err := stamped(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("open the phone: %w", err), conn.Close())
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	p := &Phone{
		conn: conn, node: node.String(), quit: make(chan struct{}),
		local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), tag: strconv.FormatInt(time.Now().UnixNano(), 36),
	}
	p.wait.Add(2)
	go p.read()
	go p.repeat()
	return p, nil
}

// Close ends the phone, calls and all, without a word.
func (p *Phone) Close() {
	close(p.quit)
	_ = p.conn.Close()
	p.wait.Wait()
}

// Invite calls user; audio is wanted at media.
func (p *Phone) Invite(user string, media netip.AddrPort) *Call {
	c := &Call{
		user: user, target: "sip:" + user + "@" + p.node, remote: "<sip:" + user + "@" + p.node + ">", waits: t1,
		offer: describe(media), decided: make(chan struct{}), gone: make(chan struct{}),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.InvitedAt = time.Now()
	c.index = len(p.calls)
	p.calls = append(p.calls, c)
	c.sentAt = c.InvitedAt
	p.send(c, "INVITE", 1, c.offer)
	return c
}

// Bye ends an answered call; false when there is nothing to end.
func (p *Phone) Bye(c *Call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.Answered() || c.leaving {
		return false
	}
	if c.over { // the server was first
		return false
	}
	c.leaving, c.sentAt, c.waits = true, time.Now(), t1
	c.LeftAt = c.sentAt
	p.send(c, "BYE", 2, "")
	return true
}

// Settled waits until all calls have what they asked for (an answer, or the end of the call), or were given up.
func (p *Phone) Settled(calls []*Call) error {
	deadline := time.Now().Add(2 * giveUp)
	for {
		if p.settled(calls) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("calls do not settle")
		}
		time.Sleep(sweep / 5)
	}
}

func (p *Phone) settled(calls []*Call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range calls {
		if !c.over && (c.leaving || c.Status == 0) {
			return false
		}
	}
	return true
}

// send writes a request. The branch is by call and method, so that a repeated request is the same.
func (p *Phone) send(c *Call, method string, seq int, body string) {
	b := make([]byte, 0, 1024)
	b = fmt.Appendf(b, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%s%d;rport\r\nMax-Forwards: 70\r\n",
		method, c.target, p.local, p.tag, method, c.index)
	b = fmt.Appendf(b, "From: <sip:%s@%s>;tag=f%d\r\nTo: %s\r\nCall-ID: %s-%d\r\nCSeq: %d %s\r\n",
		c.From(), p.local.Addr(), c.index, c.remote, p.tag, c.index, seq, method)
	b = fmt.Appendf(b, "Contact: <sip:bench@%s>\r\n", p.local)
	if body != "" {
		b = append(b, "Content-Type: application/sdp\r\n"...)
	}
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	_, _ = p.conn.Write(b) // lost is lost: it is sent again
}

// repeat sends again what has no answer, and gives up.
func (p *Phone) repeat() {
	defer p.wait.Done()
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	first := 0 // those before are over
	for {
		select {
		case <-p.quit:
			return
		case now := <-tick.C:
			p.mu.Lock()
			for first < len(p.calls) && p.calls[first].over {
				first++
			}
			for _, c := range p.calls[first:] {
				p.again(c, now)
			}
			p.mu.Unlock()
		}
	}
}

func (p *Phone) again(c *Call, now time.Time) {
	if c.over || c.Answered() && !c.leaving {
		return
	}
	since := now.Sub(c.sentAt)
	switch {
	case since > giveUp:
		c.GivenUp = true
		if c.Status == 0 {
			close(c.decided)
		}
		c.end()
	case since < c.waits || c.trying && !c.leaving:
	case c.leaving:
		c.waits *= 2
		p.send(c, "BYE", 2, "")
	default:
		c.waits *= 2
		p.send(c, "INVITE", 1, c.offer)
	}
}

func (p *Phone) read() {
	defer p.wait.Done()
	buf, oob := make([]byte, 65535), make([]byte, 128)
	for {
		n, more, _, _, err := p.conn.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil:
			at, _ := ancillary(oob[:more])
			p.take(buf[:n], at)
		}
	}
}

// stamped lets the kernel say when a packet came: the stores work on the generator's core, and how long this phone had to wait
// for it is not the server's doing.
func stamped(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var err2 error
	err = raw.Control(func(fd uintptr) {
		err2 = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) //nolint:gosec // a descriptor
	})
	return errors.Join(err, err2)
}

// take looks at one message.
func (p *Phone) take(m []byte, now time.Time) {
	rest, isResponse := bytes.CutPrefix(m, []byte("SIP/2.0 "))
	if !isResponse {
		p.asked(m)
		return
	}
	status, err := strconv.Atoi(string(rest[:min(3, len(rest))]))
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.callOf(m)
	if err != nil || c == nil {
		return
	}
	if bytes.HasSuffix(header(m, "CSeq"), []byte("BYE")) {
		if status >= 200 && c.leaving {
			c.end()
		}
		return
	}
	if status < 200 {
		c.trying = true
		return
	}
	if c.Status == 0 {
		p.decide(c, status, m, now)
	}
	switch {
	case status != 200:
		p.refused(c)
	case c.Status == 0: // nobody is there any more
		p.send(c, "ACK", 1, "")
		p.send(c, "BYE", 2, "")
	default:
		p.send(c, "ACK", 1, "")
	}
}

// callOf is whose call a message belongs to, by its Call-ID; nil: nobody's. Under mu.
func (p *Phone) callOf(m []byte) *Call {
	id, ok := bytes.CutPrefix(header(m, "Call-ID"), []byte(p.tag+"-"))
	index, err := strconv.Atoi(string(id))
	if err != nil || !ok || index < 0 || index >= len(p.calls) {
		return nil
	}
	return p.calls[index]
}

// decide takes a final answer. One that comes after its caller has given up changes nothing of what the caller knows. Under mu.
func (p *Phone) decide(c *Call, status int, m []byte, now time.Time) {
	c.remote = string(header(m, "To"))
	if uri := header(m, "Contact"); status == 200 && len(uri) > 2 {
		c.target = string(bytes.Trim(uri, "<>"))
	}
	if c.GivenUp {
		return
	}
	c.Status = status
	if status == 200 {
		c.AnsweredAt, c.Media, c.ID = now, mediaOf(m), string(header(m, "X-Holdfast-Call"))
	} else {
		c.EndedAt = now
		c.After, c.Later = retryAfter(header(m, "Retry-After"))
		c.end()
	}
	close(c.decided)
}

// refused acknowledges a refusal inside the INVITE's transaction: same branch, same request line.
func (p *Phone) refused(c *Call) {
	b := fmt.Appendf(nil, "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%sINVITE%d;rport\r\nMax-Forwards: 70\r\n",
		c.target, p.local, p.tag, c.index)
	b = fmt.Appendf(b, "From: <sip:%s@%s>;tag=f%d\r\nTo: %s\r\nCall-ID: %s-%d\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
		c.From(), p.local.Addr(), c.index, c.remote, p.tag, c.index)
	_, _ = p.conn.Write(b)
}

// asked answers the server's own requests (BYE, OPTIONS) with 200.
func (p *Phone) asked(m []byte) {
	if bytes.HasPrefix(m, []byte("ACK ")) {
		return
	}
	b := []byte("SIP/2.0 200 OK\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		b = fmt.Appendf(b, "%s: %s\r\n", name, header(m, name))
	}
	_, _ = p.conn.Write(append(b, "Content-Length: 0\r\n\r\n"...))
	if !bytes.HasPrefix(m, []byte("BYE ")) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.callOf(m); c != nil && c.Answered() && !c.over {
		if c.Left = true; !c.leaving {
			c.LeftAt = time.Now()
		}
		c.end()
	}
}
