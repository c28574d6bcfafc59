package trunk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

const (
	// maxHalf is how many connections may be on their way to being secure, and maxHalfEach how many of one address: a
	// handshake costs a carrier milliseconds, and whoever leaves many half done must not keep out the others.
	maxHalf     = 256
	maxHalfEach = 32
)

// What keeps a connection from being used.
var (
	errNoTLS       = errors.New("no trunk that speaks TLS has this address")
	errNoName      = errors.New("the trunk has neither a name for its certificate nor a certificate authority of its own")
	errWrongName   = errors.New("the certificate is for another name")
	errNoCert      = errors.New("the peer showed no certificate")
	errTooMany     = errors.New("too many connections are open")
	errNoAuthority = errors.New("the trunk's certificate authority cannot be read")
	errOurDial     = errors.New("connections over TLS are made by the trunk's own end")
)

// secureEnd is SIP over TLS. sipgo sees a listener that gives it connections which are secure already, whichever side made
// them, and reads SIP from them as from any other; it never makes one, since it could not tell whom to believe.
type secureEnd struct {
	s        *Server
	listener *net.TCPListener // nil: nobody calls us that way
	local    netip.AddrPort   // where the world reaches us, or would
	made     chan handed
	last     chan struct{} // of the connection that sipgo was given last; of the goroutine that accepts
	life     context.Context
	giveUp   context.CancelFunc

	mu     sync.Mutex
	half   map[netip.Addr]int   // connections that are not secure yet
	all    int                  // their sum
	dials  map[string]*dialing  // by address
	proofs map[string]*identity // of the connections that we made, by address
}

// handed is a connection on its way to sipgo; taken is closed when sipgo knows it.
type handed struct {
	conn  *connection
	taken chan struct{}
}

func newSecureEnd(s *Server) *secureEnd {
	e := &secureEnd{s: s, made: make(chan handed), half: make(map[netip.Addr]int), dials: make(map[string]*dialing), proofs: make(map[string]*identity)}
	e.life, e.giveUp = context.WithCancel(context.Background())
	return e
}

// secured says whether a transport, as SIP writes it, is TLS.
func secured(transport string) bool { return strings.EqualFold(transport, "TLS") }

// noDialer is how sipgo would make connections.
func noDialer(net.Addr) net.Dialer {
	return net.Dialer{Control: func(string, string, syscall.RawConn) error { return errOurDial }}
}

// bind opens the socket, if there is to be one.
func (e *secureEnd) bind(public netip.Addr) error {
	e.local = netip.AddrPortFrom(public, uint16(sip.DefaultTlsPort))
	if e.s.cfg.TLS == "" {
		return nil
	}
	addr, err := net.ResolveTCPAddr("tcp", e.s.cfg.TLS)
	if err != nil {
		return fmt.Errorf("listen for SIP over TLS on %q: %w", e.s.cfg.TLS, err)
	}
	if _, err := e.s.cfg.Certificate(); err != nil {
		return fmt.Errorf("listen for SIP over TLS: %w", err)
	}
	if e.listener, err = net.ListenTCP("tcp", addr); err != nil {
		return fmt.Errorf("listen for SIP over TLS: %w", err)
	}
	bound := e.listener.Addr().(*net.TCPAddr).AddrPort()
	if own := bound.Addr().Unmap(); !own.IsUnspecified() && !e.s.cfg.Public.IsValid() {
		public = own
	}
	e.local = netip.AddrPortFrom(public, bound.Port())
	return nil
}

// Addr implements net.Listener.
func (e *secureEnd) Addr() net.Addr { return net.TCPAddrFromAddrPort(e.local) }

// Close implements net.Listener.
func (e *secureEnd) Close() error {
	e.giveUp()
	if e.listener == nil {
		return nil
	}
	return e.listener.Close() //nolint:wrapcheck // nobody looks
}

// Accept implements net.Listener: it waits for a connection that is secure. That it is called again says that sipgo knows the
// one before.
func (e *secureEnd) Accept() (net.Conn, error) {
	if e.last != nil {
		close(e.last)
		e.last = nil
	}
	select {
	case h := <-e.made:
		e.last = h.taken
		return h.conn, nil
	case <-e.life.Done():
		return nil, net.ErrClosed
	}
}

// hand gives a connection to sipgo and waits until it is known there.
func (e *secureEnd) hand(conn *connection) error {
	h := handed{conn: conn, taken: make(chan struct{})}
	select {
	case e.made <- h:
	case <-e.life.Done():
		_ = conn.Close()
		return errStopped
	}
	select {
	case <-h.taken:
		return nil
	case <-e.life.Done():
		return errStopped
	}
}

// listen takes connections of trunks and makes them secure.
func (e *secureEnd) listen() {
	defer e.s.recovered("TLS listener", nil)
	for {
		conn, from, t, err := e.s.accept(e.listener, true)
		if err != nil {
			return
		}
		if !e.begin(from.Addr()) {
			e.s.dropped.overload.Add(1)
			_ = conn.Close()
			continue
		}
		e.s.spawn(func() { e.greet(conn, from, t) })
	}
}

// begin counts a connection that is not secure yet; false says that there are too many.
func (e *secureEnd) begin(from netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all >= maxHalf || e.half[from] >= maxHalfEach {
		return false
	}
	e.all++
	e.half[from]++
	return true
}

// end counts it no more.
func (e *secureEnd) end(from netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all--
	if e.half[from]--; e.half[from] == 0 {
		delete(e.half, from)
	}
}

// greet makes a connection of a trunk secure.
func (e *secureEnd) greet(conn *connection, from netip.AddrPort, t routing.Trunk) {
	raw := conn.Conn
	defer e.s.recovered("TLS handshake", func() { _ = conn.Close() })
	defer e.end(from.Addr())
	secure := tls.Server(raw, e.serverConfig(t))
	ctx, cancel := context.WithTimeout(e.life, e.s.timing.handshake)
	err := secure.HandshakeContext(ctx)
	cancel()
	if err != nil {
		e.s.dropped.handshake.Add(1)
		e.s.cfg.Log.Info("a connection did not become secure", "trunk", t.Name, "from", from, "error", clean(err.Error()))
		_ = conn.Close()
		return
	}
	conn.Conn = secure
	_ = raw.SetReadDeadline(time.Now().Add(e.s.timing.firstByte))
	_ = e.hand(conn) // it is closed when there is nobody left to take it
}

func (e *secureEnd) serverConfig(t routing.Trunk) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, // who shows a certificate shows it each time
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return e.s.cfg.Certificate() },
	}
	if t.TLS != nil && t.TLS.Mutual {
		config.ClientAuth = tls.RequireAnyClientCert // judged by identify, which knows names as SIP has them
		config.VerifyConnection = func(state tls.ConnectionState) error { return identify(t, state) }
	}
	return config
}

// connect sees to it that there is a connection for a request that goes over TLS, to a trunk by its name.
func (s *Server) connect(ctx context.Context, trunk string, req *sip.Request) error {
	if !secured(req.Transport()) {
		return nil
	}
	return s.tls.reach(ctx, trunk, req.Destination())
}

// dialing is a connection on its way; err may be read when done is closed.
type dialing struct {
	trunk string // which it is made for
	done  chan struct{}
	err   error
}

// reach sees to it that there is a connection to HOST:PORT, and waits for it while ctx lives. Of several who want the same, the
// first has it made and all learn how that went; it goes on when the first gives up, for it has a limit of its own. What
// another trunk failed at says nothing of this one.
func (e *secureEnd) reach(ctx context.Context, trunk, to string) error {
	for !e.s.connected("TLS", to) {
		d := e.making(trunk, to)
		select {
		case <-d.done:
			if d.trunk == trunk {
				return d.err
			}
		case <-ctx.Done():
			return fmt.Errorf("connect to %s over TLS: %w", to, ctx.Err())
		}
	}
	return nil
}

// making is the connection that is being made to an address; it begins one where there is none.
func (e *secureEnd) making(trunk, to string) *dialing {
	e.mu.Lock()
	d, busy := e.dials[to]
	if !busy {
		d = &dialing{trunk: trunk, done: make(chan struct{})}
		e.dials[to] = d
	}
	e.mu.Unlock()
	if !busy {
		e.s.spawn(func() {
			defer e.s.recovered("TLS connection", nil)
			defer func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				delete(e.dials, to)
				close(d.done)
			}()
			d.err = e.dial(trunk, to)
		})
	}
	return d
}

// dial makes a connection to a trunk and checks whom it reached.
func (e *secureEnd) dial(trunk, to string) error {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return fmt.Errorf("connect over TLS: %w", err)
	}
	t, known := e.s.judge(trunk, addr.Addr())
	if !known {
		return fmt.Errorf("connect to %s: %w", to, errNoTLS)
	}
	leave, ok := e.s.open.enter(t.Name, true)
	if !ok {
		return fmt.Errorf("connect to %s: %w", to, errTooMany)
	}
	ctx, cancel := context.WithTimeout(e.life, e.s.timing.handshake)
	defer cancel()
	dialer := net.Dialer{}
	if bound := e.s.udp.LocalAddr().(*net.UDPAddr); !bound.IP.IsUnspecified() {
		dialer.LocalAddr = &net.TCPAddr{IP: bound.IP, Zone: bound.Zone} // where the trunk expects us
	}
	raw, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		leave()
		return fmt.Errorf("connect over TLS: %w", err)
	}
	reached := &identity{t.Name}
	conn := e.s.newConnection(raw, func() { e.unprove(to, reached); leave() })
	handed := false
	defer func() {
		if !handed { // a panic included
			_ = conn.Close()
		}
	}()
	secure := tls.Client(raw, e.clientConfig(t))
	if err := secure.HandshakeContext(ctx); err != nil {
		e.s.dropped.handshake.Add(1)
		return fmt.Errorf("connect to %s over TLS: %w", to, err)
	}
	conn.Conn = secure
	e.prove(to, reached)
	_ = raw.SetReadDeadline(time.Time{}) // it is for us to speak first
	handed = true
	return e.hand(conn)
}

// judge is the trunk by whose name and authority a peer at an address is judged: the call's own where the address is its own,
// for several carriers may stand behind one. A hop of a call may be another trunk's, and a trunk may be renamed under a call.
func (s *Server) judge(trunk string, addr netip.Addr) (routing.Trunk, bool) {
	addr = addr.Unmap().WithZone("")
	for _, t := range *s.trunks.Load() {
		if t.Name == trunk && t.TLS != nil && narrowest(t.Signal, addr) >= 0 {
			return t, true
		}
	}
	t, known := s.trunkOf(addr, true)
	return t, known && t.TLS != nil
}

func (e *secureEnd) clientConfig(t routing.Trunk) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: nameOf(t),
		InsecureSkipVerify: true, //nolint:gosec // identify does it, for names as SIP has them (RFC 5922)
		VerifyConnection:   func(state tls.ConnectionState) error { return identify(t, state) },
	}
	if e.s.cfg.Certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return e.s.cfg.Certificate() }
	}
	return config
}

// nameOf is the domain that a trunk's certificate must be for; "" when nobody said any.
func nameOf(t routing.Trunk) string {
	if t.TLS.Name != "" || t.Out == nil {
		return t.TLS.Name
	}
	return domainOf(t.Out)
}

// identify says whether a peer is the trunk. Its certificate must lead to the trunk's own authority, or to one that the system
// trusts, and be for the trunk's domain: by a SIP URI, or else by a DNS name or address (RFC 5922 section 7.2). Only with an
// authority of its own may the domain be left open. What the certificate is made for is not asked: carriers show the same one
// whichever side they are on. deploy/decisions/0008 says why a wildcard is believed.
func identify(t routing.Trunk, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errNoCert
	}
	leaf := state.PeerCertificates[0]
	options := x509.VerifyOptions{Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if t.TLS.CA != "" {
		options.Roots = x509.NewCertPool()
		if !options.Roots.AppendCertsFromPEM([]byte(t.TLS.CA)) {
			return errNoAuthority
		}
	}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("the certificate is not believed: %w", err)
	}
	name := nameOf(t)
	if name == "" {
		if t.TLS.CA == "" {
			return errNoName
		}
		return nil
	}
	named := false
	for _, uri := range leaf.URIs {
		if strings.EqualFold(uri.Scheme, "sip") {
			if named = true; uri.User == nil && strings.EqualFold(uri.Opaque+uri.Host, name) {
				return nil
			}
		}
	}
	if named || leaf.VerifyHostname(name) != nil { // where there is a SIP URI, nothing else counts
		return fmt.Errorf("%w: not for %s", errWrongName, name)
	}
	return nil
}
