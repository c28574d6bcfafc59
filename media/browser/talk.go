package browser

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/transport/v4/packetio"

	"holdfast/media"
)

const (
	waitingDTLS = 32  // packets of DTLS that wait to be read; a handshake is a dozen
	maxBadReads = 100 // in a row: then the conversation is broken, and the leg ends
	// awakeFor is how long a conversation stays awake after the handshake where no audio of the browser shows that our last
	// words reached it: until then the browser repeats its own, and must get ours again. It does so after 1, 3, 7, 15 s.
	awakeFor = 30 * time.Second
)

// talk is a leg's DTLS conversation. It is awake for the handshake, and asleep in the hours after: what is left is one goodbye,
// for which four goroutines and their buffers, 40 KiB, need not wait. Asleep it is a few hundred bytes, from which it goes on
// when a packet comes or when the leg ends.
type talk struct {
	running sync.WaitGroup // of whoever is awake

	// Guarded by the leg's mu.
	wire   *wire       // nil: nobody is awake
	asleep *dtls.State // how things stood when it fell asleep; nil: not agreed on anything yet
}

// wire is what DTLS reads and writes: its share of the port's packets.
type wire struct {
	leg  *Leg
	in   *packetio.Buffer
	bed  time.Time   // when it may fall asleep without having heard the browser; guarded by the leg's mu, zero: not yet
	sent atomic.Bool // to sleep, by us
	mute atomic.Bool // nothing is sent any more
	// held is what came while the conversation woke: pion takes a goodbye that it hears too early for a handshake that failed.
	// Guarded by the leg's mu.
	held [][]byte
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

// sleep lets the conversation come to its end without a word, once it has read what is there.
func (w *wire) sleep() {
	w.sent.Store(true)
	_ = w.in.Close() // it cannot fail
}

// converse gives a packet to the leg's DTLS conversation, and begins or wakes it. A packet that comes in the instant in which it
// falls asleep is lost, as on the way here.
func (l *Leg) converse(packet []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != nil {
		return
	}
	w := l.talk.wire
	if w == nil {
		w = newWire(l)
		l.talk.wire = w
		l.talk.running.Add(1)
		go l.speak(w, l.talk.asleep)
	}
	if l.talk.asleep != nil && w.bed.IsZero() {
		if len(w.held) < waitingDTLS {
			w.held = append(w.held, bytes.Clone(packet))
		}
		return
	}
	if _, err := w.in.Write(packet); err != nil {
		l.in.drop()
	}
}

// awake lets the conversation read what came meanwhile.
func (l *Leg) awake(w *wire) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.bed = l.endpoint.config.Now().Add(awakeFor)
	for _, packet := range w.held {
		_, _ = w.in.Write(packet) // there is room for as many
	}
	w.held = nil
}

// tire sends a conversation to sleep that has nothing more to say. The caller holds l.mu.
func (l *Leg) tire(now time.Time, heard bool) {
	if w := l.talk.wire; w != nil && !w.bed.IsZero() && (heard || now.After(w.bed)) {
		w.sleep()
	}
}

// speak is the conversation while it is awake: from its beginning, or from where it stood.
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
	l.awake(w)
	closed := make(chan struct{})
	hungUp := context.AfterFunc(l.ends, func() { defer close(closed); _ = conn.Close() }) // ends the wait, and says goodbye
	wait(conn)
	if !hungUp() {
		<-closed
		return
	}
	if w.sent.Load() && l.rest(conn, w) {
		return
	}
	if err := conn.Close(); err != nil {
		l.endpoint.config.Log.Debug("close a browser's DTLS", "err", err)
	}
	l.Hangup(media.Ending{By: media.ByPeer, Reason: "hangup"})
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
	l.talk.wire, l.talk.asleep = nil, &state
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
	l.talk.wire, l.talk.asleep = nil, nil
	l.mu.Unlock()
	if asleep == nil || awake {
		return
	}
	conn, err := l.resume(context.Background(), newWire(l), asleep)
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
