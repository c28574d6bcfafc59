package trunk

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
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
	office := trunk("i-office", "127.4.1.0/24", false)
	office.RegisterOnly = true
	n.SetTrunks([]routing.Trunk{
		trunk("a-wide", "127.1.0.0/16", false), trunk("b-safe", "127.1.1.1/32", true), trunk("c-both", "127.2.0.0/16", true), trunk("d-both", "127.2.0.0/16", false),
		trunk("e-safe", "127.3.0.0/16", true), trunk("f-narrow", "127.3.0.1/32", false),
		trunk("g-wide", "127.4.0.0/16", false), trunk("h-one", "127.4.1.5/32", false), office,
	})
	for addr, want := range map[string][2]string{ // in clear, and over TLS
		"127.1.0.1": {"a-wide", "a-wide"}, "127.1.1.1": {"", "b-safe"}, "127.2.0.1": {"d-both", "c-both"},
		"127.3.0.1": {"f-narrow", "e-safe"}, "127.3.0.2": {"", "e-safe"}, "127.4.0.1": {"g-wide", "g-wide"}, "127.4.1.1": {"i-office", "i-office"}, "127.4.1.5": {"h-one", "h-one"}, "127.9.0.1": {"", ""},
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
				waitFor(t, func() bool { return n.Dropped()["handshake"] == 1 && n.open.count() == 0 })
				return
			}
			p := peerOn(t, conn)
			p.caller("shown").invite(offer("", ""))
			n.call(t)
		})
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
	waitFor(t, func() bool { return n.open.count() == 0 })
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
	waitFor(t, func() bool { return n.open.count() == 0 })
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
		return n.Dropped()["panic"] == 1 && n.open.count() == 0 && n.tls.all == 0 && len(n.tls.half) == 0
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
