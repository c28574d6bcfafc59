package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
)

const (
	connectIn  = 10 * time.Second
	checkAgain = 200 * time.Millisecond
	ufrag      = "bnch"
	password   = "benchbenchbenchbenchbench" //nolint:gosec // of ICE, for loopback
	priority   = 0x6e0001ff
)

// keys are an operator's SRTP, one for each direction.
type keys struct {
	in, out *srtp.Context
	profile srtp.ProtectionProfile
}

// Exchange gives an operator's SDP offer to the server and returns its answer.
type Exchange func(ctx context.Context, offer string) (answer string, err error)

// identity is the certificate that all operators share: making one for each would measure nothing.
var identity = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	return selfsign.SelfSign(key)
})

// Connect brings up operator i, the next one, as a browser would: SDP, ICE check, DTLS, SRTP keys.
func (s *Studio) Connect(ctx context.Context, ask Exchange) error {
	ctx, cancel := context.WithTimeout(ctx, connectIn)
	defer cancel()
	var n int
	s.do(func() { n = len(s.ends[FromOperator]) })
	cert, err := identity()
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	answer, err := ask(ctx, offerOf(cert, n))
	if err != nil {
		return fmt.Errorf("operator %d: %w", n, err)
	}
	server, serverUfrag, serverPassword, err := answered(answer)
	if err != nil {
		return err
	}
	a := s.newAir(n, server)
	defer a.leave()
	check, err := checkOf(serverUfrag, serverPassword)
	if err != nil {
		return err
	}
	if err := a.check(ctx, check); err != nil {
		return fmt.Errorf("operator %d: %w", n, err)
	}
	k, err := handshake(ctx, a, cert)
	if err != nil {
		return fmt.Errorf("operator %d: %w", n, err)
	}
	s.do(func() { s.addOperator(server, k, check) })
	return nil
}

func offerOf(cert tls.Certificate, n int) string {
	sum := sha256.Sum256(cert.Certificate[0])
	print := strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
	return fmt.Sprintf("v=0\r\no=- %d 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic:WMS *\r\n"+
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"+
		"a=fingerprint:sha-256 %s\r\na=setup:active\r\na=mid:0\r\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\n"+
		"a=msid:operator microphone\r\na=ssrc:%d cname:operator\r\n",
		n+1, ufrag, password, print, 0x10000000*(FromOperator+1)+n)
}

// answered reads where the server is and how it is checked.
func answered(sdp string) (at netip.AddrPort, ufrag, password string, err error) {
	for line := range strings.Lines(sdp) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "a=ice-ufrag:"):
			ufrag = line[len("a=ice-ufrag:"):]
		case strings.HasPrefix(line, "a=ice-pwd:"):
			password = line[len("a=ice-pwd:"):]
		case strings.HasPrefix(line, "a=candidate:") && len(fields) > 5 && !at.IsValid():
			if at, err = netip.ParseAddrPort(fields[4] + ":" + fields[5]); err != nil {
				return at, "", "", fmt.Errorf("the server's candidate: %w", err)
			}
		}
	}
	if !at.IsValid() || ufrag == "" || password == "" {
		return at, "", "", errors.New("the server's SDP answer names no candidate, ufrag or password")
	}
	return at, ufrag, password, nil
}

// checkOf makes the STUN request that opens the path and keeps it open (RFC 8445 section 7.2.2).
func checkOf(serverUfrag, serverPassword string) ([]byte, error) {
	raw := func(t stun.AttrType, value []byte) stun.RawAttribute { return stun.RawAttribute{Type: t, Value: value} }
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(serverUfrag+":"+ufrag),
		raw(stun.AttrPriority, []byte{priority >> 24, priority >> 16 & 0xff, priority >> 8 & 0xff, priority & 0xff}),
		raw(stun.AttrICEControlling, []byte("benchmrk")), raw(stun.AttrUseCandidate, nil),
		stun.NewShortTermIntegrity(serverPassword), stun.Fingerprint)
	if err != nil {
		return nil, fmt.Errorf("make an ICE check: %w", err)
	}
	return m.Raw, nil
}

// air is an operator's connection while it is set up: what comes to its address, except audio.
type air struct {
	s    *Studio
	n    int
	path *path
	to   netip.AddrPort
	box  chan []byte
	gone chan struct{}

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed when deadline changes
}

func (s *Studio) newAir(n int, server netip.AddrPort) *air {
	a := &air{
		s: s, n: n, to: server, path: newPath(s.OperatorAddr(n).Addr(), server),
		box: make(chan []byte, 64), gone: make(chan struct{}), moved: make(chan struct{}),
	}
	s.mu.Lock()
	s.inbox[s.OperatorAddr(n).Addr()] = a.box
	s.mu.Unlock()
	return a
}

// leave ends the listening. The DTLS connection is not closed: its goodbye would end the leg.
func (a *air) leave() {
	a.s.mu.Lock()
	delete(a.s.inbox, a.s.OperatorAddr(a.n).Addr())
	a.s.mu.Unlock()
	close(a.gone)
}

// check asks until the server answers.
func (a *air) check(ctx context.Context, request []byte) error {
	again := time.NewTicker(checkAgain)
	defer again.Stop()
	for {
		if err := a.s.operators.sendOne(a.path, request); err != nil {
			return fmt.Errorf("send an ICE check: %w", err)
		}
		select {
		case m := <-a.box:
			if stun.IsMessage(m) {
				return nil
			}
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the server answers no ICE check: %w", ctx.Err())
		}
	}
}

// handshake is the active side of DTLS (RFC 5763).
func handshake(ctx context.Context, a *air, cert tls.Certificate) (*keys, error) {
	conn, err := dtls.ClientWithOptions(a, net.UDPAddrFromAddrPort(a.to), dtls.WithCertificates(cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithInsecureSkipVerify(true)) // the server is ours
	if err != nil {
		return nil, fmt.Errorf("DTLS: %w", err)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("DTLS: %w", err)
	}
	state, ok := conn.ConnectionState()
	profile, ok2 := conn.SelectedSRTPProtectionProfile()
	if !ok || !ok2 {
		return nil, errors.New("DTLS gave no SRTP profile")
	}
	c := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := c.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	k := &keys{profile: c.Profile}
	if k.out, err = srtp.CreateContext(c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt, c.Profile); err != nil {
		return nil, fmt.Errorf("SRTP: %w", err)
	}
	if k.in, err = srtp.CreateContext(c.Keys.RemoteMasterKey, c.Keys.RemoteMasterSalt, c.Profile); err != nil {
		return nil, fmt.Errorf("SRTP: %w", err)
	}
	return k, nil
}

// ReadFrom waits for DTLS; STUN goes by.
func (a *air) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		a.mu.Lock()
		deadline, moved := a.deadline, a.moved
		a.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			timer := time.NewTimer(time.Until(deadline))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case m := <-a.box:
			if !stun.IsMessage(m) {
				return copy(p, m), net.UDPAddrFromAddrPort(a.to), nil
			}
		case <-moved:
		case <-late:
			return 0, nil, os.ErrDeadlineExceeded
		case <-a.gone:
			return 0, nil, net.ErrClosed
		}
	}
}

// WriteTo sends to the server, whoever is asked for.
func (a *air) WriteTo(p []byte, _ net.Addr) (int, error) {
	select {
	case <-a.gone: // a late goodbye
		return len(p), nil
	default:
	}
	return len(p), a.s.operators.sendOne(a.path, p)
}

// Close does nothing: the socket is everybody's.
func (a *air) Close() error { return nil }

// LocalAddr is the operator's address.
func (a *air) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(a.s.OperatorAddr(a.n)) }

// SetReadDeadline limits reads.
func (a *air) SetReadDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline = t
	close(a.moved)
	a.moved = make(chan struct{})
	return nil
}

// SetDeadline limits reads; writes do not wait.
func (a *air) SetDeadline(t time.Time) error { return a.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writes do not wait.
func (a *air) SetWriteDeadline(time.Time) error { return nil }
