package trunk

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/tenants/routing"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(name string) *authority {
	a := &authority{}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // never fails
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	a.cert, _ = x509.ParseCertificate(der) // just made
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue makes a certificate for names: "sip:..." is a URI, what is an address is one, all else is DNS.
func (a *authority) issue(until time.Time, names ...string) *tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until}
	for _, name := range names {
		if u, err := url.Parse(name); err == nil && u.Scheme == "sip" {
			template.URIs = append(template.URIs, u)
		} else if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var (
	trusted = sync.OnceValue(func() *authority { return newAuthority("trusted") })
	ownCert = sync.OnceValue(func() *tls.Certificate { return trusted().issue(time.Now().Add(time.Hour), "127.0.0.1") })
)

func ourCertificate() (*tls.Certificate, error) { return ownCert(), nil }

// secureTo makes a connection to a node, with a certificate where one is given.
func secureTo(t *testing.T, to netip.AddrPort, from string, show *tls.Certificate) *tls.Conn {
	t.Helper()
	raw, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(from)}, net.TCPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(trusted().cert)
	config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	if show != nil {
		config.Certificates = []tls.Certificate{*show}
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return conn
}

// overTLS makes the node's trunk one that speaks TLS.
func (n *node) overTLS(change func(*routing.Trunk)) {
	t := routing.Trunk{Name: "t", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}, TLS: &routing.TLS{CA: trusted().pem, Name: "carrier.example"}}
	if change != nil {
		change(&t)
	}
	n.SetTrunks([]routing.Trunk{t})
}

func TestACallOverTLS(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.overTLS(nil)
	p := n.dial(t, "tls", "127.0.0.1")
	c := p.caller("tls")
	c.uri = "sips:+16085550101@127.0.0.1"
	c.invite(offer("", ""))
	in := n.call(t)
	if in.Invite().Transport != "tls" || in.Invite().Trunk != "t" {
		t.Errorf("%+v", in.Invite())
	}
	leg, err := in.Answer("call-tls")
	if err != nil {
		t.Fatal(err)
	}
	events := listen(leg)
	if got, want := value(c.answered(""), "Contact"), fmt.Sprintf("<sips:call-tls@%s>", n.tlsAddr()); got != want {
		t.Errorf("Contact: %s, not %s", got, want)
	}
	c.next("INFO", "Signal=5", "Content-Type: application/dtmf-relay")
	if e := event(t, events, media.Digit); e.Digit != '5' {
		t.Errorf("digit %c", e.Digit)
	}
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	bye := p.request(sip.BYE)
	if via := bye.Via(); via.Transport != "TLS" || via.Port != int(n.tlsAddr().Port()) {
		t.Errorf("Via: %s", via.Value())
	}
	p.send(okTo(bye))
	within(t, leg.Done(), "the end")
}

func TestATrunkThatSpeaksTLSIsAStrangerInClear(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.overTLS(nil)
	p := n.dial(t, "udp", "127.0.0.1")
	p.send(p.caller("clear").text("OPTIONS", 1, "z9hG4bK-1", ""))
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(n.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	closedSilently(t, conn)
	waitFor(t, func() bool { return n.Dropped()["stranger"] == 2 })
	n.dial(t, "tls", "127.0.0.1").caller("secure").invite(offer("", ""))
	n.call(t)
	if len(p.in) != 0 {
		t.Error("a datagram was answered")
	}
}

// closedSilently expects that a connection is closed before anything was said.
func closedSilently(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if k, err := conn.Read(make([]byte, 1)); k != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("%d bytes, %v", k, err)
	}
}

func TestWhichTrunkAnAddressBelongsTo(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	trunk := func(name, signal string, safe bool) routing.Trunk {
		r := routing.Trunk{Name: name, Signal: []netip.Prefix{netip.MustParsePrefix(signal)}}
		if safe {
			r.TLS = &routing.TLS{}
		}
		return r
	}
	n.SetTrunks([]routing.Trunk{
		trunk("a-wide", "127.1.0.0/16", false), trunk("b-safe", "127.1.1.1/32", true), trunk("c-both", "127.2.0.0/16", true), trunk("d-both", "127.2.0.0/16", false),
		trunk("e-safe", "127.3.0.0/16", true), trunk("f-narrow", "127.3.0.1/32", false),
	})
	for addr, want := range map[string][2]string{ // in clear, and over TLS
		"127.1.0.1": {"a-wide", "a-wide"}, "127.1.1.1": {"", "b-safe"}, "127.2.0.1": {"d-both", "c-both"},
		"127.3.0.1": {"f-narrow", "e-safe"}, "127.3.0.2": {"", "e-safe"}, "127.9.0.1": {"", ""},
	} {
		for i, secure := range []bool{false, true} {
			found, ok := n.trunkOf(netip.MustParseAddr(addr), secure)
			if ok != (want[i] != "") || ok && found.Name != want[i] {
				t.Errorf("%s, TLS %v: %q %v, want %q", addr, secure, found.Name, ok, want[i])
			}
		}
	}
}

func TestAStrangerGetsNoHandshake(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	conn, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 66, 0, 1)}, net.TCPAddrFromAddrPort(n.tlsAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	closedSilently(t, conn)
	if n.Dropped()["stranger"] != 1 {
		t.Errorf("dropped: %v", n.Dropped())
	}
}

func TestWhoHasToShowACertificateAndWhich(t *testing.T) {
	t.Parallel()
	soon, gone := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	other := newAuthority("other")
	for name, tc := range map[string]struct {
		cert *tls.Certificate
		good bool
	}{
		"none":                                 {nil, false},
		"its own":                              {trusted().issue(soon, "carrier.example"), true},
		"by a SIP URI":                         {trusted().issue(soon, "sip:carrier.example", "elsewhere.example"), true},
		"a SIP URI of another":                 {trusted().issue(soon, "sip:other.example", "carrier.example"), false},
		"a SIP URI with a user":                {trusted().issue(soon, "sip:me@carrier.example"), false},
		"a wildcard":                           {trusted().issue(soon, "*.example"), true},
		"of another":                           {trusted().issue(soon, "other.example"), false},
		"of a name below":                      {trusted().issue(soon, "a.carrier.example"), false},
		"no longer good":                       {trusted().issue(gone, "carrier.example"), false},
		"signed by somebody whom nobody knows": {other.issue(soon, "carrier.example"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.overTLS(func(r *routing.Trunk) { r.TLS.Mutual = true })
			conn := secureTo(t, n.tlsAddr(), "127.0.0.1", tc.cert) // with TLS 1.3 the refusal comes after the client's part
			if !tc.good {
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				if _, err := conn.Read(make([]byte, 1)); err == nil {
					t.Error("something was said")
				}
				waitFor(t, func() bool { return n.Dropped()["handshake"] == 1 && n.open.Load() == 0 })
				return
			}
			p := peerOn(t, conn)
			p.caller("shown").invite(offer("", ""))
			n.call(t)
		})
	}
}

// exchange is a carrier that takes calls over TLS.
func exchange(t *testing.T, show *tls.Certificate) (at string, calls <-chan *peer) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{*show}}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	came, done := make(chan *peer, 10), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).HandshakeContext(t.Context()) != nil {
				_ = conn.Close()
				continue
			}
			came <- peerOn(t, conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), came
}

// outTLS gives the node one trunk that takes calls over TLS.
func (n *node) outTLS(at string, change func(*routing.Trunk)) {
	n.overTLS(func(r *routing.Trunk) {
		r.Out = &routing.WayOut{Target: at, Domain: "carrier.example"}
		if change != nil {
			change(r)
		}
	})
}

func TestACallOfOursOverTLSComesBackOverANewConnection(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	at, calls := exchange(t, trusted().issue(time.Now().Add(time.Hour), "carrier.example"))
	n.outTLS(at, nil)
	leg, events := n.out(t)
	p := within(t, calls, "a connection")
	invite := p.request(sip.INVITE)
	if via, contact := invite.Via(), value(invite, "Contact"); via.Transport != "TLS" || !strings.Contains(contact, fmt.Sprintf("@%s;transport=tls", n.tlsAddr())) {
		t.Errorf("Via %s, Contact %s", via.Value(), contact)
	}
	p.says(invite, 200, "them", offer("", ""), "Record-Route: <sip:"+at+";transport=tls;lr>")
	event(t, events, media.Connected)
	p.request(sip.ACK)
	leg2, events2 := n.out(t) // over the same connection
	p.says(p.request(sip.INVITE), 486, "them", "")
	ended(t, leg2, events2, "busy", 486)
	_ = p.conn.Close()
	waitFor(t, func() bool { return !n.tls.have(at) })
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p = within(t, calls, "a new connection")
	p.send(okTo(p.request(sip.BYE)))
	ended(t, leg, events, "hangup", 0)
}

func TestOurCallsGoToNobodyElse(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour)
	for name, show := range map[string]*tls.Certificate{
		"another name": trusted().issue(soon, "other.example"), "another authority": newAuthority("other").issue(soon, "carrier.example"),
		"over": trusted().issue(time.Now().Add(-time.Hour), "carrier.example"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			at, calls := exchange(t, show)
			n.outTLS(at, nil)
			leg, events := n.out(t)
			ended(t, leg, events, media.EndedUnreachable, 0)
			select {
			case p := <-calls: // TLS 1.3: its half of the handshake was done
				if m, open := <-p.in; open {
					t.Errorf("it got %v", m)
				}
			default:
			}
			if n.Dropped()["handshake"] != 1 || n.open.Load() != 0 {
				t.Errorf("dropped %v, %d open", n.Dropped(), n.open.Load())
			}
		})
	}
}

// silent is a carrier that takes connections and says nothing.
func silent(t *testing.T) (at string, came func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() net.Conn {
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// behind gives the node TLS trunks "a", "b" ... that share the address 127.0.0.1, each with its target and name.
func (n *node) behind(carriers ...[2]string) {
	var trunks []routing.Trunk
	for i, c := range carriers {
		trunks = append(trunks, routing.Trunk{
			Name: string(rune('a' + i)), Signal: prefixesOf("127.0.0.1/32"), TLS: &routing.TLS{CA: trusted().pem, Name: c[1]}, Out: &routing.WayOut{Target: c[0]},
		})
	}
	n.SetTrunks(trunks)
}

func TestACarrierThatNeverBecomesSecureKeepsNobody(t *testing.T) {
	t.Parallel()
	n := newNode(t, givesUpSoon, func(s *Server) { s.timing.handshake = time.Minute })
	mute, _ := silent(t)
	at, calls := exchange(t, trusted().issue(time.Now().Add(time.Hour), "carrier.example"))
	n.behind([2]string{mute, "carrier.example"}, [2]string{at, "carrier.example"})
	leg, events := n.out(t)
	p := within(t, calls, "the next trunk's turn")
	p.says(p.request(sip.INVITE), 486, "them", "")
	ended(t, leg, events, media.EndedBusy, 486)
}

func TestWhoHangsUpDoesNotWaitForAConnection(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) {
		s.timing.handshake, s.timing.firstByte, s.timing.noReply = time.Minute, time.Minute, time.Minute
	})
	at, came := silent(t)
	n.behind([2]string{at, "carrier.example"})
	leg, events := n.out(t)
	came()
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	ended(t, leg, events, "hangup", 0)
	waitFor(t, func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.placed) == 0 })
}

func TestAllWhoWaitForAConnectionLearnWhyThereIsNone(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.handshake = time.Minute })
	at, came := silent(t)
	n.behind([2]string{at, "carrier.example"})
	ctx, giveUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- n.tls.reach(ctx, "a", at) }()
	conn := came()
	giveUp()
	if err := within(t, first, "the end of the first's patience"); !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	d := n.tls.making("a", at) // as the next finds it
	_ = conn.Close()
	within(t, d.done, "the end")
	if d.err == nil || errors.Is(d.err, errNoTLS) || errors.Is(d.err, context.Canceled) || n.Dropped()["handshake"] != 1 {
		t.Errorf("the others: %v; dropped %v", d.err, n.Dropped())
	}
	n.tls.mu.Lock()
	n.tls.dials[at] = d
	n.tls.mu.Unlock()
	if err := n.tls.reach(t.Context(), "a", at); !errors.Is(err, d.err) {
		t.Errorf("who waited was told %v", err)
	}
}

func TestTwoTrunksBehindOneAddressAreJudgedEachByItsOwnName(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	soon := time.Now().Add(time.Hour)
	one, ones := exchange(t, trusted().issue(soon, "one.example"))
	two, twos := exchange(t, trusted().issue(soon, "two.example"))
	n.behind([2]string{one, "one.example"}, [2]string{two, "two.example"})
	for name, calls := range map[string]<-chan *peer{"a": ones, "b": twos} {
		to := someone
		to.Trunk = name
		leg, err := n.Dial(to)
		if err != nil {
			t.Fatal(err)
		}
		p := within(t, calls, "a call over trunk "+name)
		p.says(p.request(sip.INVITE), 486, "them", "")
		ended(t, leg, listen(leg), media.EndedBusy, 486)
	}
}

func TestHalfOpenHandshakesCostNobodyElseAnything(t *testing.T) {
	n := newNode(t, func(s *Server) { s.timing.handshake = time.Minute })
	n.overTLS(nil)
	flood := func(k int) {
		raw, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 9, byte(1+k%20))}, net.TCPAddrFromAddrPort(n.tlsAddr()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		_, _ = raw.Write([]byte{22, 3, 1, 2, 0, 1}) // the beginning of a ClientHello
	}
	for k := range maxHalf {
		flood(k)
	}
	waitFor(t, func() bool { n.tls.mu.Lock(); defer n.tls.mu.Unlock(); return n.tls.all == maxHalf })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	routines := runtime.NumGoroutine()
	for k := range 3000 {
		flood(k)
	}
	waitFor(t, func() bool { return n.Dropped()["overload"] >= 3000 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := runtime.NumGoroutine() - routines; grown > 20 {
		t.Errorf("%d more goroutines", grown)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 { // the flood's own sockets among it
		t.Errorf("%d bytes more", grown)
	}
	n.tls.giveUp() // as at the end; what is half open goes at once
	waitFor(t, func() bool { return n.open.Load() == 0 })
}

func TestAConnectionThatGetsNowhereIsClosed(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.handshake, s.timing.firstByte = 100*time.Millisecond, 100*time.Millisecond })
	raw, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(n.tlsAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_, _ = raw.Write([]byte{22, 3})
	closedSilently(t, raw)
	secure := secureTo(t, n.tlsAddr(), "127.0.0.1", nil) // and one that is secure and then says nothing
	if _, err := secure.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("%v", err)
	}
	waitFor(t, func() bool { return n.open.Load() == 0 })
}

func TestAHandshakeThatPanicsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) {
		var bound atomic.Bool
		s.cfg.Certificate = func() (*tls.Certificate, error) {
			if bound.Swap(true) {
				panic("a certificate that nobody can read")
			}
			return ourCertificate()
		}
	})
	raw, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(n.tlsAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	if err := tls.Client(raw, &tls.Config{ServerName: "127.0.0.1"}).HandshakeContext(t.Context()); err == nil {
		t.Error("it became secure")
	}
	waitFor(t, func() bool {
		n.tls.mu.Lock()
		defer n.tls.mu.Unlock()
		return n.Dropped()["panic"] == 1 && n.open.Load() == 0 && n.tls.all == 0 && len(n.tls.half) == 0
	})
}

func TestACertificateIsLookedAtEachTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	show := trusted().issue(time.Now().Add(time.Hour), "127.0.0.1", "first.example")
	n := newNode(t, func(s *Server) {
		s.cfg.Certificate = func() (*tls.Certificate, error) { mu.Lock(); defer mu.Unlock(); return show, nil }
	})
	names := func() []string {
		conn := secureTo(t, n.tlsAddr(), "127.0.0.1", nil)
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].DNSNames
	}
	if got := names(); !slices.Equal(got, []string{"first.example"}) {
		t.Errorf("%v", got)
	}
	mu.Lock()
	show = trusted().issue(time.Now().Add(time.Hour), "127.0.0.1", "second.example")
	mu.Unlock()
	if got := names(); !slices.Equal(got, []string{"second.example"}) {
		t.Errorf("%v", got)
	}
	if _, err := io.ReadAll(secureOld(t, n)); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

// secureOld tries an old version.
func secureOld(t *testing.T, n *node) *tls.Conn {
	t.Helper()
	raw, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(n.tlsAddr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // that is the point
}
