package mediatest

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"holdfast/media"
	"holdfast/media/dtmf"
)

// EventType is the payload type under which a Carrier sends digits and expects them.
const EventType = 101

// Carrier is a peer on loopback that speaks bare RTP and no SIP: it makes no sound until told to. It reads and writes
// packets by pion, so that our own code is not checked by itself.
type Carrier struct {
	Heard *Probe // what was sent to it

	t       testing.TB
	codec   media.Codec
	conn    *net.UDPConn
	talking sync.WaitGroup
	reading sync.WaitGroup
	stop    chan struct{}
	pressed chan byte

	mu     sync.Mutex
	stream rtp.Header // of the next packet
	source netip.AddrPort
	sent   int
	out    *srtp.Context // nil: plain RTP
	in     *srtp.Context
}

// NewCarrier makes a peer at an address like 127.0.0.5 (any port). The test's end closes it.
func NewCarrier(t testing.TB, at string, c media.Codec) *Carrier {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(at), 0)))
	if err != nil {
		t.Fatalf("carrier: %v", err)
	}
	k := &Carrier{
		Heard: NewProbe(), t: t, codec: c, conn: conn, stop: make(chan struct{}), pressed: make(chan byte, 64),
		stream: rtp.Header{Version: 2, PayloadType: uint8(c), SSRC: rand.Uint32(), SequenceNumber: 1000, Timestamp: 8000},
	}
	k.reading.Go(k.read)
	t.Cleanup(k.Close)
	return k
}

// Secure makes it speak SRTP from now on: AES_CM_128_HMAC_SHA1_80 with its own key and the other side's, each with its salt.
func (k *Carrier) Secure(own, other []byte) {
	k.t.Helper()
	context := func(key []byte) *srtp.Context {
		c, err := srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.SRTPReplayProtection(64))
		if err != nil {
			k.t.Fatalf("carrier: %v", err)
		}
		return c
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.out, k.in = context(own), context(other)
}

// open takes a packet that came out of SRTP; nil when it is none.
func (k *Carrier) open(b []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.in == nil {
		return b
	}
	clear, err := k.in.DecryptRTP(nil, b, nil)
	if err != nil {
		return nil
	}
	return clear
}

// Addr is where it listens: for SDP.
func (k *Carrier) Addr() netip.AddrPort { return k.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Source is from where the last packet came to it; not valid when none did.
func (k *Carrier) Source() netip.AddrPort { k.mu.Lock(); defer k.mu.Unlock(); return k.source }

// Sent is how many packets it sent by Talk, Tone and Press.
func (k *Carrier) Sent() int { k.mu.Lock(); defer k.mu.Unlock(); return k.sent }

// Close ends it; it may be repeated.
func (k *Carrier) Close() {
	k.mu.Lock()
	select {
	case <-k.stop:
	default:
		close(k.stop)
	}
	k.mu.Unlock()
	k.talking.Wait()
	_ = k.conn.Close() // the reader ends by it
	k.reading.Wait()
}

func (k *Carrier) read() {
	var d dtmf.Decoder
	buf := make([]byte, 2048)
	for {
		n, src, err := k.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		var p rtp.Packet
		if p.Unmarshal(k.open(buf[:n])) != nil {
			continue
		}
		k.mu.Lock()
		k.source = src
		k.mu.Unlock()
		switch p.PayloadType {
		case EventType:
			if key, ok := d.Feed(p.Payload, p.Timestamp, p.Marker); ok {
				select {
				case k.pressed <- key:
				default: // more keys than any test sends
				}
			}
		case uint8(media.PCMU), uint8(media.PCMA):
			k.Heard.Audio(media.Frame{
				Codec: media.Codec(p.PayloadType), Seq: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker, Payload: p.Payload,
			})
		}
	}
}

// Send sends bytes as they are.
func (k *Carrier) Send(to netip.AddrPort, packet []byte) {
	k.t.Helper()
	if _, err := k.conn.WriteToUDPAddrPort(packet, to); err != nil && !errors.Is(err, net.ErrClosed) {
		k.t.Errorf("carrier: %v", err)
	}
}

// Packet is the next packet of its stream with this payload; change alters it before it is written (nil: as it is).
func (k *Carrier) Packet(payload []byte, change func(*rtp.Packet)) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := rtp.Packet{Header: k.stream, Payload: payload}
	k.stream.SequenceNumber++
	k.stream.Timestamp += uint32(len(payload))
	if change != nil {
		change(&p)
	}
	b, err := p.Marshal()
	if err != nil {
		k.t.Errorf("carrier: %v", err)
	}
	if k.out != nil {
		if b, err = k.out.EncryptRTP(nil, b, nil); err != nil {
			k.t.Errorf("carrier: %v", err)
		}
	}
	k.sent++
	return b
}

// Tone sends n frames of a tone at once.
func (k *Carrier) Tone(to netip.AddrPort, hz float64, n int) {
	k.t.Helper()
	tone := NewTone(k.codec, hz)
	for range n {
		k.Send(to, k.Packet(tone.Next().Payload, nil))
	}
}

// Talk sends a tone every 20 ms until the function that it returns is called, or Close.
func (k *Carrier) Talk(to netip.AddrPort, hz float64) (hush func()) {
	quiet := make(chan struct{})
	k.talking.Go(func() {
		tone := NewTone(k.codec, hz)
		ticker := time.NewTicker(media.FrameTime)
		defer ticker.Stop()
		for {
			k.Send(to, k.Packet(tone.Next().Payload, nil))
			select {
			case <-quiet:
				return
			case <-k.stop:
				return
			case <-ticker.C:
			}
		}
	})
	return sync.OnceFunc(func() { close(quiet) })
}

// Press sends one key: three packets, and the last three times.
func (k *Carrier) Press(to netip.AddrPort, key byte) {
	k.t.Helper()
	k.mu.Lock()
	start := k.stream.Timestamp
	k.mu.Unlock()
	for i := 1; i <= 5; i++ {
		held := uint16(min(i, 3) * media.FrameBytes)
		payload, err := dtmf.Append(nil, dtmf.Event{Key: key, Duration: held, End: i >= 3})
		if err != nil {
			k.t.Fatalf("carrier: %v", err)
		}
		k.Send(to, k.Packet(payload, func(p *rtp.Packet) {
			p.PayloadType, p.Timestamp, p.Marker = EventType, start, i == 1
		}))
	}
	k.mu.Lock()
	k.stream.Timestamp = start + 4*media.FrameBytes
	k.mu.Unlock()
}

// WaitDigit waits for a key sent to it, and fails the test after limit.
func (k *Carrier) WaitDigit(limit time.Duration) byte {
	k.t.Helper()
	select {
	case key := <-k.pressed:
		return key
	case <-time.After(limit):
		k.t.Fatalf("no digit in %v", limit)
		return 0
	}
}
