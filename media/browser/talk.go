package browser

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"
	"github.com/pion/transport/v4/packetio"

	"holdfast/media"
)

const (
	waitingDTLS = 32  // packets of DTLS that wait to be read; a handshake is a dozen
	maxBadReads = 100 // in a row: nothing that is worth reading comes
)

// What a record of DTLS carries, by its first byte (RFC 6347 section 4.1).
const (
	changeCipherSpec = 20
	handshakeRecord  = 22
)

// talk is a leg's DTLS conversation. It is awake for the handshake, and asleep in the hours after: what is left is one goodbye,
// for which four goroutines and their buffers, 40 KiB, need not wait. Asleep it is a few hundred bytes, from which it goes on
// when something sealed comes that is no handshake, or when the leg ends. A browser that missed our last flight repeats its
// own, and gets ours again as it was: to whom it was lost it is new, and whoever has it throws it away.
type talk struct {
	running sync.WaitGroup // of whoever is awake

	// Guarded by the leg's mu.
	wire   *wire       // nil: nobody is awake
	asleep *dtls.State // how things stood when it fell asleep; nil: not agreed on anything yet
	last   [][]byte    // our last flight
}

// wire is what DTLS reads and writes: its share of the port's packets.
type wire struct {
	leg  *Leg
	in   *packetio.Buffer
	mute atomic.Bool // nothing is sent any more
	last [][]byte    // what was sent since we changed to the keys agreed on: our last flight. Of DTLS, which writes in turn
	// held is what came while the conversation woke, since pion takes a goodbye that it hears too early for a handshake that
	// failed; and what came while it fell asleep. Guarded by the leg's mu.
	held  [][]byte
	awake bool // it reads what comes; guarded as well
}

var _ net.PacketConn = (*wire)(nil)

func newWire(l *Leg) *wire {
	in := packetio.NewBuffer()
	in.SetLimitCount(waitingDTLS)
	return &wire{leg: l, in: in}
}

func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := w.in.Read(p)
	return n, w.peer(), err
}

// WriteTo sends over the path in use, whatever the address: DTLS does not know of paths.
func (w *wire) WriteTo(p []byte, _ net.Addr) (int, error) {
	to := w.leg.path.Load()
	if to == nil || w.mute.Load() {
		return len(p), nil // as good as lost: DTLS sends again
	}
	if len(w.last) > 0 || len(p) > 0 && p[0] == changeCipherSpec {
		w.last = append(w.last, bytes.Clone(p))
	}
	return len(p), w.leg.port.Send(to.addr, p) //nolint:wrapcheck // it is DTLS that is told
}

func (w *wire) peer() net.Addr {
	if to := w.leg.path.Load(); to != nil {
		return net.UDPAddrFromAddrPort(to.addr)
	}
	return &net.UDPAddr{}
}

func (w *wire) Close() error                       { return w.in.Close() }
func (w *wire) LocalAddr() net.Addr                { return net.UDPAddrFromAddrPort(w.leg.port.Addr()) }
func (w *wire) SetDeadline(t time.Time) error      { return w.in.SetReadDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.in.SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(_ time.Time) error { return nil } // a datagram is written at once or not at all

// converse gives a packet to the leg's DTLS conversation, and begins or wakes it.
func (l *Leg) converse(packet []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heed(packet)
}

// heed is converse for whoever holds l.mu.
func (l *Leg) heed(packet []byte) {
	if l.ending != nil {
		return
	}
	if l.talk.asleep != nil { // or was, a moment ago
		if packet[0] == handshakeRecord || packet[0] == changeCipherSpec {
			l.repeat(len(packet))
			return
		}
		if !sealed(packet) {
			return
		}
	}
	w := l.talk.wire
	if w == nil {
		w = newWire(l)
		w.awake = l.talk.asleep == nil // a handshake reads from the first packet on
		l.talk.wire = w
		l.talk.running.Add(1)
		go l.speak(w, l.talk.asleep)
	}
	switch {
	case w.awake:
		if _, err := w.in.Write(packet); err != nil {
			l.in.drop()
		}
	case len(w.held) < waitingDTLS:
		w.held = append(w.held, bytes.Clone(packet))
	}
}

// sealed says whether all records in a packet are whole and under the keys agreed on (DTLS 1.2: of an epoch that is not 0, RFC
// 6347 section 4.1). What is not may come from anybody who writes the browser's address on it, and pion believes even its alerts.
func sealed(packet []byte) bool {
	records, err := recordlayer.UnpackDatagram(packet)
	return err == nil && !slices.ContainsFunc(records, func(r []byte) bool { return binary.BigEndian.Uint16(r[3:]) == 0 })
}

// repeat sends our last flight again, but never more than came: nobody makes us shout at somebody else. The caller holds l.mu.
func (l *Leg) repeat(came int) {
	to := l.path.Load()
	for _, packet := range l.talk.last {
		if came -= len(packet); to == nil || came < 0 {
			return
		}
		if err := l.port.Send(to.addr, packet); err != nil {
			l.endpoint.config.Log.Debug("repeat to a browser", "err", err)
		}
	}
}

// speak is the conversation while it is awake: from its beginning, or from where it stood, until it has read what is there.
func (l *Leg) speak(w *wire, from *dtls.State) {
	defer l.talk.running.Done()
	defer func() {
		if p := recover(); p != nil {
			l.broken(p)
		}
	}()
	conn, err := l.begin(w, from)
	if err != nil {
		l.endpoint.config.Log.Debug("a browser's DTLS", "err", err)
		if from == nil {
			l.Hangup(media.Ending{By: media.ByError, Reason: "dtls_failed"})
		} else { // the next packet wakes it again: no reason to end a call
			l.mu.Lock()
			l.talk.wire = nil
			l.mu.Unlock()
		}
		return
	}
	l.mu.Lock()
	for _, packet := range w.held {
		_, _ = w.in.Write(packet) // there is room for as many
	}
	w.held, w.awake = nil, false
	l.mu.Unlock()
	_ = w.in.Close() // it cannot fail; what is in it is read first
	if wait(conn); !l.rest(conn, w) {
		if err := conn.Close(); err != nil {
			l.endpoint.config.Log.Debug("close a browser's DTLS", "err", err)
		}
		l.Hangup(media.Ending{By: media.ByPeer, Reason: "hangup"})
	}
}

// rest keeps how things stand, and lets go of all else; false says that the page has said goodbye just now. From here on nothing
// is sent with the numbers that come next: they are those of whoever wakes.
func (l *Leg) rest(conn *dtls.Conn, w *wire) bool {
	w.mute.Store(true)
	if _, err := conn.Write(nil); err != nil { // the only way to ask whether it is closed
		return false
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return false
	}
	_ = conn.Close() // it says nothing
	state.PeerCertificates = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.talk.asleep == nil {
		l.talk.last = w.last
	}
	l.talk.wire, l.talk.asleep = nil, &state
	for _, packet := range w.held {
		l.heed(packet)
	}
	return true
}

// goodbye tells the page that the leg is over, where the conversation sleeps. Nobody else is awake.
func (l *Leg) goodbye() {
	defer func() {
		if p := recover(); p != nil {
			l.broken(p)
		}
	}()
	l.mu.Lock()
	asleep := l.talk.asleep
	awake := l.talk.wire != nil
	l.talk.wire, l.talk.asleep, l.talk.last = nil, nil, nil
	l.mu.Unlock()
	if asleep == nil || awake {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.endpoint.config.ConnectIn) // the leg's own context has ended
	defer cancel()
	conn, err := l.resume(ctx, newWire(l), asleep)
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		l.endpoint.config.Log.Debug("say goodbye to a browser", "err", err)
	}
}

// begin begins the conversation, or goes on with it.
func (l *Leg) begin(w *wire, from *dtls.State) (*dtls.Conn, error) {
	ctx, cancel := context.WithTimeout(l.ends, l.endpoint.config.ConnectIn)
	defer cancel()
	if from != nil {
		return l.resume(ctx, w, from)
	}
	return l.handshake(ctx, w)
}

// handshake finds out who is at the other end, and takes the keys.
func (l *Leg) handshake(ctx context.Context, w *wire) (*dtls.Conn, error) {
	conn, err := dtls.ServerWithOptions(w, w.peer(),
		dtls.WithCertificates(*l.cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithInsecureSkipVerify(true), // nobody signs a browser's certificate: its fingerprint says whose it is
		dtls.WithVerifyPeerCertificate(l.mark.verify),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerifyHello(true), // the address was proven by a signed check
		dtls.WithLoggerFactory(logs{l.endpoint.config.Log}),
	)
	if err != nil {
		return nil, err //nolint:wrapcheck // only for the log
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // nobody to say anything to
		return nil, err  //nolint:wrapcheck // as above
	}
	agreed, err := agree(conn)
	if err != nil {
		l.endpoint.config.Log.Warn("a browser's keys", "err", err)
		_ = conn.Close() // as above
		return nil, err
	}
	l.keys.Store(agreed)
	l.connected()
	return conn, nil
}

// resume goes on with a conversation that slept.
func (l *Leg) resume(ctx context.Context, w *wire, from *dtls.State) (*dtls.Conn, error) {
	conn, err := dtls.ResumeWithOptions(from, w, w.peer(), dtls.WithLoggerFactory(logs{l.endpoint.config.Log}))
	if err != nil {
		return nil, err //nolint:wrapcheck // only for the log
	}
	if err := conn.HandshakeContext(ctx); err != nil { // nothing is exchanged in it
		_ = conn.Close()
		return nil, err //nolint:wrapcheck // as above
	}
	return conn, nil
}

// wait reads until there is nothing left to read. Nothing that is said in it matters to us.
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
