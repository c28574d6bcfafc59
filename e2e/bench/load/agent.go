package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"holdfast/deploy/schema/demo"
)

// Agent is the far end of calls that the server dials on: it answers whoever calls it at once, and lets them go. It sends
// no audio.
type Agent struct {
	conn  *net.UDPConn
	local netip.AddrPort
	media func(caller string) netip.AddrPort
	wait  sync.WaitGroup

	mu   sync.Mutex
	rang map[string]rang // by the caller's number
}

// rang is one call to the agent.
type rang struct {
	at  time.Time      // when the first INVITE for it came
	far netip.AddrPort // where the server wants the agent's audio
}

// AgentAddr is where the bench user "bridge" is dialled on to, and where the telephones of "queue" are.
var AgentAddr = netip.MustParseAddrPort(demo.BenchTarget)

// Nowhere is for calls without audio: nobody listens there.
func Nowhere(string) netip.AddrPort { return netip.AddrPortFrom(AgentAddr.Addr(), 9) }

// NewAgent opens the agent. Its SDP wants the audio of a call at media, by the caller's number in From.
func NewAgent(media func(caller string) netip.AddrPort) (*Agent, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(AgentAddr))
	if err != nil {
		return nil, fmt.Errorf("open the agent: %w", err)
	}
	_ = conn.SetReadBuffer(4 << 20) // less is given: then the server repeats what did not fit
	a := &Agent{conn: conn, local: AgentAddr, media: media, rang: map[string]rang{}}
	a.wait.Go(a.read)
	return a, nil
}

// Close ends the agent without a word.
func (a *Agent) Close() {
	_ = a.conn.Close()
	a.wait.Wait()
}

func (a *Agent) read() {
	buf := make([]byte, 65535)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil:
			if reply := a.take(buf[:n], time.Now()); reply != nil {
				_, _ = a.conn.WriteToUDPAddrPort(reply, from) // lost is lost: it is asked again
			}
		}
	}
}

func (a *Agent) ring(caller string, r rang) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, again := a.rang[caller]; !again {
		a.rang[caller] = r
	}
}

// Rang is when the agent was first called for the call from a number, and where its audio is wanted.
func (a *Agent) Rang(caller string) (at time.Time, far netip.AddrPort, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.rang[caller]
	return r.at, r.far, ok
}

// take answers one request with 200, the same whenever it is repeated.
func (a *Agent) take(m []byte, now time.Time) []byte {
	method, _, ok := bytes.Cut(m, []byte(" "))
	if !ok || bytes.Equal(method, []byte("ACK")) || bytes.HasPrefix(m, []byte("SIP/2.0 ")) {
		return nil
	}
	to := string(header(m, "To"))
	if !strings.Contains(to, ";tag=") {
		to += ";tag=agent"
	}
	b := fmt.Appendf(make([]byte, 0, 1024), "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n",
		header(m, "Via"), header(m, "From"), to, header(m, "Call-ID"), header(m, "CSeq"))
	if !bytes.Equal(method, []byte("INVITE")) {
		return append(b, "Content-Length: 0\r\n\r\n"...)
	}
	caller := userOf(header(m, "From"))
	a.ring(caller, rang{now, mediaOf(m)})
	offer := describe(a.media(caller))
	return fmt.Appendf(b, "Contact: <sip:agent@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		a.local, len(offer), offer)
}

// userOf is who a From or To names: the part before the @.
func userOf(value []byte) string {
	_, rest, _ := bytes.Cut(value, []byte("sip:"))
	user, _, _ := bytes.Cut(rest, []byte("@"))
	return string(user)
}
