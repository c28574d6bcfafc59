package browser

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/packetio"

	"holdfast/media"
)

const (
	replayWindow = 128 // packets; audio has 50 a second
	waitingDTLS  = 32  // packets of DTLS that wait to be read; a handshake is a dozen
	maxBadReads  = 100 // in a row: then the conversation is broken, and the leg ends
)

// keys are what audio is sealed with, agreed on in DTLS (RFC 5764).
type keys struct {
	in, out *srtp.Context
}

// wire is what DTLS reads and writes: its share of the port's packets.
type wire struct {
	leg *Leg
	in  *packetio.Buffer
}

var _ net.PacketConn = (*wire)(nil)

func newWire(l *Leg) *wire {
	in := packetio.NewBuffer()
	in.SetLimitCount(waitingDTLS)
	return &wire{l, in}
}

func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := w.in.Read(p)
	return n, w.peer(), err
}

// WriteTo sends over the path in use, whatever the address: DTLS does not know of paths.
func (w *wire) WriteTo(p []byte, _ net.Addr) (int, error) {
	to := w.leg.path.Load()
	if to == nil {
		return len(p), nil // as good as lost: DTLS sends again
	}
	return w.leg.conn.WriteToUDPAddrPort(p, to.addr)
}

func (w *wire) peer() net.Addr {
	if to := w.leg.path.Load(); to != nil {
		return net.UDPAddrFromAddrPort(to.addr)
	}
	return &net.UDPAddr{}
}

func (w *wire) Close() error                       { return w.in.Close() }
func (w *wire) LocalAddr() net.Addr                { return w.leg.conn.LocalAddr() }
func (w *wire) SetDeadline(t time.Time) error      { return w.in.SetReadDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.in.SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(_ time.Time) error { return nil } // a datagram is written at once or not at all

// converse gives a packet to the leg's DTLS conversation, and begins it with the first.
func (l *Leg) converse(packet []byte) {
	if _, err := l.voice.in.Write(packet); err != nil {
		l.in.drop()
	}
	if l.conversing {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != nil {
		return
	}
	l.conversing = true
	l.talk.Add(1)
	go l.handshake()
}

// handshake finds out who is at the other end, takes the keys, and then waits until the page says goodbye.
func (l *Leg) handshake() {
	defer l.talk.Done()
	defer func() {
		if p := recover(); p != nil {
			l.broken(p)
		}
	}()
	failed := media.Ending{By: media.ByError, Reason: "dtls_failed"}
	conn, err := dtls.ServerWithOptions(l.voice, l.voice.peer(),
		dtls.WithCertificates(*l.cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithInsecureSkipVerify(true), // nobody signs a browser's certificate: its fingerprint says whose it is
		dtls.WithVerifyPeerCertificate(l.mark.verify),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerifyHello(true), // the address was proven by a signed check
		dtls.WithLoggerFactory(logs{l.endpoint.config.Log}),
	)
	if err != nil {
		l.Hangup(failed)
		return
	}
	defer func() {
		if err := conn.Close(); err != nil { // says goodbye, where the page has not
			l.endpoint.config.Log.Debug("close a browser's DTLS", "err", err)
		}
	}()
	ctx, cancel := context.WithTimeout(l.ends, l.endpoint.config.ConnectIn)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		l.endpoint.config.Log.Debug("a browser's handshake", "err", err)
		l.Hangup(failed)
		return
	}
	agreed, err := agree(conn)
	if err != nil {
		l.endpoint.config.Log.Warn("a browser's keys", "err", err)
		l.Hangup(failed)
		return
	}
	l.keys.Store(agreed)
	l.connected()
	closed := make(chan struct{})
	hungUp := context.AfterFunc(l.ends, func() { defer close(closed); _ = conn.Close() }) // ends the wait
	wait(conn)
	if !hungUp() {
		<-closed
	}
	l.Hangup(media.Ending{By: media.ByPeer, Reason: "hangup"})
}

// wait reads until the conversation is over. Nothing that is said in it matters to us.
func wait(conn *dtls.Conn) {
	var ignored [packetBytes]byte
	for bad := 0; bad < maxBadReads; {
		switch _, err := conn.Read(ignored[:]); {
		case err == nil:
			bad = 0
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, dtls.ErrConnClosed):
			return
		default:
			bad++
		}
	}
}

// agree takes the keys of SRTP out of a finished handshake.
func agree(conn *dtls.Conn) (*keys, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errors.New("no SRTP profile was agreed on")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("the handshake has no state")
	}
	config := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, false); err != nil {
		return nil, fmt.Errorf("keys of DTLS: %w", err)
	}
	in, err := srtp.CreateContext(config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, config.Profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, fmt.Errorf("the browser's key: %w", err)
	}
	out, err := srtp.CreateContext(config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, config.Profile)
	if err != nil {
		return nil, fmt.Errorf("our key: %w", err)
	}
	return &keys{in, out}, nil
}

// fingerprint is the mark of a certificate (RFC 8122): who the peer is.
type fingerprint struct {
	hash string // "sha-256", "sha-384" or "sha-512"
	sum  string // lower case, without colons
}

// readFingerprint reads "sha-256 AA:BB:...".
func readFingerprint(text string) (f fingerprint, ok bool) {
	hash, sum, _ := strings.Cut(text, " ")
	f = fingerprint{strings.ToLower(hash), strings.ToLower(strings.ReplaceAll(strings.TrimSpace(sum), ":", ""))}
	raw, err := hex.DecodeString(f.sum)
	return f, err == nil && len(raw) > 0 && len(raw) == len(f.of(nil))
}

// sha256Of is the fingerprint of a certificate of ours.
func sha256Of(certificate []byte) fingerprint {
	f := fingerprint{hash: "sha-256"}
	f.sum = hex.EncodeToString(f.of(certificate))
	return f
}

// String writes it as SDP does, "sha-256 AA:BB:...".
func (f fingerprint) String() string {
	var b strings.Builder
	for i := 0; i+2 <= len(f.sum); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(f.sum[i : i+2])
	}
	return f.hash + " " + strings.ToUpper(b.String())
}

// of is the sum of a certificate; nothing, where the hash is none that we trust.
func (f fingerprint) of(certificate []byte) []byte {
	switch f.hash {
	case "sha-256":
		sum := sha256.Sum256(certificate)
		return sum[:]
	case "sha-384":
		sum := sha512.Sum384(certificate)
		return sum[:]
	case "sha-512":
		sum := sha512.Sum512(certificate)
		return sum[:]
	default:
		return nil
	}
}

var errFingerprint = errors.New("the certificate is not the one of the offer")

func (f fingerprint) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 || subtle.ConstantTimeCompare([]byte(hex.EncodeToString(f.of(certificates[0]))), []byte(f.sum)) != 1 {
		return errFingerprint
	}
	return nil
}
