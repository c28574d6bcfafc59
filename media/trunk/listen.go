package trunk

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	ports "holdfast/media/udp"
	"holdfast/tenants/routing"
)

const (
	// tcpLimit is how long connecting and writing may take.
	tcpLimit = 5 * time.Second
	// maxBusy is how many requests may be in work. Each takes well under a millisecond, so this many are a flood: what
	// comes then is dropped unread, and a real caller's retransmission half a second later finds room.
	maxBusy = 4000
	// acceptPause is how long to wait after an error of a socket that is not its end, e.g. too many open files.
	acceptPause = 50 * time.Millisecond
)

// counts is what was refused before anybody looked at it.
type counts struct {
	stranger, overload, malformed, rate, panics, handshake, noCalls, again atomic.Uint64
}

// Dropped returns how many datagrams, connections and requests were thrown away without an answer since the start, by
// why: "stranger" (no trunk has this address), "overload" (too many requests at once; new calls among them got a 503),
// "malformed" (no SIP message), "rate" (more calls than the trunk's contract has, or more REGISTERs than any trunk may bring; they
// got a 503, REGISTERs over UDP nothing), "panic" (a request that our own code failed on; it got a 500 where possible),
// "handshake" (a connection that did not become secure: too slow, or without the certificate it needs), "register_only" (a call
// from where only telephones register; it got a 403) and "again" (an INVITE that came before, by another path or of a call that is over;
// it got a 482). The keys are always all there.
func (s *Server) Dropped() map[string]uint64 {
	return map[string]uint64{
		"stranger":  s.dropped.stranger.Load(),
		"overload":  s.dropped.overload.Load(),
		"malformed": s.dropped.malformed.Load(),
		"rate":      s.dropped.rate.Load(),
		"panic":     s.dropped.panics.Load(),
		"handshake": s.dropped.handshake.Load(),

		"register_only": s.dropped.noCalls.Load(),
		"again":         s.dropped.again.Load(),
	}
}

// trunkOf finds the trunk to which an address belongs. A trunk that speaks TLS is a stranger in clear, also where a wider range
// of another trunk holds its address: whoever forges it could otherwise say what it does not. Over TLS, those that speak it
// come first. Of those in clear the one with the narrowest range has it; of equals the one from which calls are taken, else the first.
func (s *Server) trunkOf(addr netip.Addr, secure bool) (found routing.Trunk, ok bool) {
	addr = addr.Unmap().WithZone("")
	plain, safe := -1, -1 // how narrow the range is that holds the address, in bits
	for _, t := range *s.trunks.Load() {
		bits := narrowest(t.Signal, addr)
		switch {
		case bits < 0:
		case t.TLS == nil:
			closer := bits > plain || bits == plain && found.RegisterOnly && !t.RegisterOnly
			if closer && (safe < 0 || !secure) {
				found, plain = t, bits
			}
		case safe < 0 && secure:
			found, safe = t, bits
		default:
			safe = max(safe, bits)
		}
	}
	if secure {
		return found, plain >= 0 || safe >= 0
	}
	return found, plain >= 0 && plain >= safe
}

// narrowest is how many bits the narrowest range has that holds an address; -1: none does.
func narrowest(ranges []netip.Prefix, addr netip.Addr) int {
	bits := -1
	for _, p := range ranges {
		if p.Contains(addr) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

// packets is the UDP socket as sipgo sees it: strangers' datagrams never come out of it, and no error but its end does,
// since sipgo would stop reading for good.
type packets struct {
	*net.UDPConn
	s    *Server
	last *source // of the newest datagram; of the one goroutine that reads
}

type source struct{ at netip.AddrPort }

// ReadFrom waits for a datagram from a trunk.
func (p packets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			p.s.pause()
			continue
		}
		if p.s.deaf.Load() {
			continue
		}
		t, ok := p.s.trunkOf(from.Addr(), false)
		if !ok {
			p.s.dropped.stranger.Add(1)
			continue
		}
		if p.s.busy.Load() > maxBusy {
			p.s.dropped.overload.Add(1)
			continue
		}
		if p.s.flooded(b[:n], t) {
			continue
		}
		if refusal, drop := p.s.crowded(b[:n]); drop {
			if refusal != nil {
				_, _ = p.WriteToUDPAddrPort(refusal, from) // a datagram: lost or not
			}
			continue
		}
		p.last.at = from
		return n, net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), nil
	}
}

// accept waits for a connection of a trunk; strangers, and what is too many, are closed without a byte. The error says that the
// listener was closed.
func (s *Server) accept(l *net.TCPListener, secure bool) (*connection, netip.AddrPort, routing.Trunk, error) {
	for {
		conn, err := l.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, netip.AddrPort{}, routing.Trunk{}, err //nolint:wrapcheck // sipgo looks
		case err != nil:
			s.pause()
			continue
		}
		from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		t, known := s.trunkOf(from.Addr(), secure)
		switch {
		case s.deaf.Load():
		case !known:
			s.dropped.stranger.Add(1)
		default:
			if leave, ok := s.open.enter(t.Name, false); ok {
				return s.newConnection(conn, leave), from, t, nil
			}
			s.dropped.overload.Add(1)
		}
		_ = conn.Close()
	}
}

// connections is the TCP listener as sipgo sees it.
type connections struct {
	*net.TCPListener
	s *Server
}

// Accept waits for a connection from a trunk.
func (l *connections) Accept() (net.Conn, error) {
	conn, _, _, err := l.s.accept(l.TCPListener, false)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// newConnection takes a connection in: it is counted until it is closed, and must say something soon.
func (s *Server) newConnection(conn net.Conn, leave func()) *connection {
	_ = conn.SetReadDeadline(time.Now().Add(s.timing.firstByte))
	return &connection{Conn: conn, limit: s.timing.message, patient: s.timing.unread, crowded: s.crowded, close: leave}
}

// pause keeps a socket's loop from spinning on an error that comes again and again.
func (s *Server) pause() {
	select {
	case <-s.quit:
	case <-time.After(acceptPause):
	}
}

// portTries is how often the system is asked for a port that is free for UDP and TCP alike; it chooses for UDP alone.
const portTries = 20

// bindPair opens a UDP and a TCP socket on the same port.
func bindPair(addr *net.UDPAddr) (*net.UDPConn, *net.TCPListener, error) {
	for try := 1; ; try++ {
		udp, err := net.ListenUDP("udp", addr)
		if err != nil {
			return nil, nil, fmt.Errorf("listen for SIP: UDP %s: %w", addr, err)
		}
		bound := udp.LocalAddr().(*net.UDPAddr)
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: bound.IP, Port: bound.Port, Zone: bound.Zone})
		if err == nil {
			return udp, tcp, nil
		}
		_ = udp.Close()
		if addr.Port != 0 || try == portTries {
			return nil, nil, fmt.Errorf("listen for SIP: TCP %s: %w", bound, err)
		}
	}
}

// widen makes room for a burst of INVITEs to wait in the kernel, not be lost: 4 MiB hold about 4,000 of them.
func (s *Server) widen(udp *net.UDPConn) {
	var kept error
	raw, err := udp.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { kept = ports.KeepIn(int(fd), 4<<20) })
	}
	if err = errors.Join(err, kept); err != nil {
		s.cfg.Log.Warn("a burst of calls may be lost", "err", err)
	}
}

// bind opens both sockets on the same port, which the system chooses when it is 0.
func (s *Server) bind() error {
	addr, err := net.ResolveUDPAddr("udp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for SIP on %q: %w", s.cfg.Listen, err)
	}
	udp, tcp, err := bindPair(addr)
	if err != nil {
		return err
	}
	bound := udp.LocalAddr().(*net.UDPAddr)
	s.widen(udp)
	s.udp, s.tcp = packets{udp, s, &source{}}, &connections{tcp, s}
	public := s.cfg.Public
	if !public.IsValid() {
		public = bound.AddrPort().Addr().Unmap()
	}
	if public.IsUnspecified() {
		_ = udp.Close()
		_ = tcp.Close()
		return fmt.Errorf("listen for SIP on %s: %w", bound, errNoPublic)
	}
	s.local = netip.AddrPortFrom(public, uint16(bound.Port)) //nolint:gosec // a port
	if err := s.tls.bind(public); err != nil {
		_ = udp.Close()
		_ = tcp.Close()
		return err
	}
	return nil
}

var errNoPublic = errors.New("the public address is needed when listening on all addresses")
