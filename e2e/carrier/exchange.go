package carrier

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
)

// Plan is what happens to a call that comes in for a number.
type Plan struct {
	Status  int         // of the final response; default 200
	Rings   bool        // 180 first
	Early   bool        // 183 with a description first, and the tone is heard before the answer
	Waits   bool        // the final response comes only when Answer is called
	Ignores bool        // nothing is said to the INVITE at all
	Tone    float64     // Hz, said once there is media; 0: silence
	Codec   media.Codec // the only one spoken
}

// Exchange is the far end of calls that Holdfast places: a carrier with a telephone behind every number. It has one UDP
// port, believes everybody, and does what the plan for a number says.
type Exchange struct {
	conn   *net.UDPConn
	engine *rtp.Engine
	plan   func(number string) Plan
	calls  chan *Received
	gone   chan struct{} // closed when reading has ended

	mu    sync.Mutex
	known map[string]*Received // by Call-ID
}

// Listen opens an exchange at HOST:PORT; port 0 lets the system choose. plan is asked for each call; nil answers them all.
func Listen(at string, plan func(number string) Plan) (*Exchange, error) {
	addr, err := net.ResolveUDPAddr("udp", at)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	x := &Exchange{
		plan: plan, calls: make(chan *Received, 1000), gone: make(chan struct{}), known: make(map[string]*Received),
	}
	if plan == nil {
		x.plan = func(string) Plan { return Plan{} }
	}
	if x.conn, err = net.ListenUDP("udp", addr); err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	const ports = 400
	low := uint16(50000 + 2*rand.IntN((10000-ports)/2)) //nolint:gosec // a port; away from those that nodes and callers use
	if x.engine, err = rtp.New(rtp.Config{Bind: addr.AddrPort().Addr(), Low: low, High: low + ports - 1, KeepAlive: -1}); err == nil {
		err = x.engine.Start()
	}
	if err != nil {
		_ = x.conn.Close()
		return nil, fmt.Errorf("exchange: %w", err)
	}
	go x.read()
	return x, nil
}

// Addr is where it is: HOST:PORT.
func (x *Exchange) Addr() string { return x.conn.LocalAddr().String() }

// Calls gives every call as it comes in.
func (x *Exchange) Calls() <-chan *Received { return x.calls }

// Close hangs up on nobody: it is gone, as a carrier is whose line was cut. It may be repeated.
func (x *Exchange) Close() {
	_ = x.conn.Close()
	<-x.gone
	x.mu.Lock()
	calls := x.known
	x.known = nil
	x.mu.Unlock()
	for _, r := range calls {
		r.end(ByError)
	}
	for _, r := range calls {
		<-r.done
	}
	x.engine.Stop()
}

func (x *Exchange) read() {
	defer close(x.gone)
	buf, parser := make([]byte, 65535), sip.NewParser()
	for {
		n, from, err := x.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue
		}
		if m, err := parser.ParseSIP(buf[:n]); err == nil && m.CallID() != nil && m.CSeq() != nil && m.To() != nil && m.From() != nil {
			x.take(from, m)
		}
	}
}

// take gives a message to its call; an INVITE makes one.
func (x *Exchange) take(from netip.AddrPort, m sip.Message) {
	x.mu.Lock()
	r := x.known[m.CallID().Value()]
	x.mu.Unlock()
	req, asks := m.(*sip.Request)
	switch {
	case r != nil:
		r.take(from, m)
	case !asks:
	case req.Method == sip.INVITE:
		x.invited(from, req)
	case req.Method == sip.OPTIONS:
		x.send(from, reply(req, 200, "OK", nil))
	case req.Method != sip.ACK:
		x.send(from, reply(req, 481, "Call/Transaction Does Not Exist", nil))
	}
}

func (x *Exchange) invited(from netip.AddrPort, req *sip.Request) {
	r := newReceived(x, from, req, x.plan(req.Recipient.User))
	x.mu.Lock()
	x.known[r.SIPCallID] = r
	x.mu.Unlock()
	if !r.plan.Ignores {
		r.begin()
	}
	select {
	case x.calls <- r:
	default: // more than anybody looks at
	}
}

// send writes a datagram; one that cannot be sent is as good as lost.
func (x *Exchange) send(to netip.AddrPort, text string) {
	_, _ = x.conn.WriteToUDPAddrPort([]byte(text), to)
}
