package e2e

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"holdfast/e2e/harness"
	"holdfast/e2e/sound"
	"holdfast/media"
)

// pcaps is where Debian's sip-tester keeps key presses that a telephone once sent.
const pcaps = "/usr/share/sip-tester"

// handset is the sound of a caller whose signalling is SIPp's: RTP written with pion, none of it with our engine.
type handset struct {
	t     *testing.T
	codec media.Codec
	conn  *net.UDPConn
	ear   sound.Ear
	mouth *sound.Mouth
	stop  chan struct{}
	works sync.WaitGroup

	mu   sync.Mutex
	far  *net.UDPAddr // where Holdfast's media comes from
	raw  [][]byte     // packets to be sent before anything else, one each 20 ms
	seen int          // packets that came
	at   time.Time    // when the last one did
	runs map[uint32]*run
}

// run is one source's packets by their sequence numbers.
type run struct {
	first, last uint16
	came        int
}

// pickUp opens a handset at an address of its own. It is hung up with the test.
func pickUp(t *testing.T, codec media.Codec) *handset {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host())})
	must(t, err)
	h := &handset{t: t, codec: codec, conn: conn, mouth: sound.NewMouth(codec), stop: make(chan struct{}), runs: map[uint32]*run{}}
	h.works.Go(h.hear)
	sender := &sender{h: h, ssrc: rand.Uint32()}
	h.works.Go(func() { h.mouth.Talk(sender, h.stop) })
	t.Cleanup(func() {
		close(h.stop)
		_ = conn.Close()
		h.works.Wait()
	})
	return h
}

func (h *handset) addr() *net.UDPAddr { return h.conn.LocalAddr().(*net.UDPAddr) }

// say speaks a tone from now on; 0 is silence.
func (h *handset) say(hz float64) { h.mouth.Say(nil, hz) }

// hear takes what comes until the handset is hung up.
func (h *handset) hear() {
	buf := make([]byte, 2048)
	for {
		n, from, err := h.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		var p rtp.Packet
		if p.Unmarshal(buf[:n]) != nil || p.PayloadType != uint8(h.codec) {
			continue
		}
		h.mu.Lock()
		h.far = from
		h.seen++
		h.at = time.Now()
		r := h.runs[p.SSRC]
		if r == nil {
			r = &run{first: p.SequenceNumber, last: p.SequenceNumber}
			h.runs[p.SSRC] = r
		}
		r.came++
		if int16(p.SequenceNumber-r.last) > 0 { //nolint:gosec // wraps around by design
			r.last = p.SequenceNumber
		}
		h.mu.Unlock()
		h.ear.Audio(media.Frame{Codec: h.codec, Timestamp: p.Timestamp, Marker: p.Marker, Payload: p.Payload})
	}
}

// heard counts the packets that came.
func (h *handset) heard() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

// silent says that nothing has come for several packets' time: whoever records need not send.
func (h *handset) silent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.at) > 5*media.FrameTime
}

// lost counts the packets that did not come, by their sequence numbers (a call of a story has fewer than 65,536).
func (h *handset) lost() (lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.runs {
		lost += int(r.last-r.first) + 1 - r.came
	}
	return lost
}

// remote waits until media comes and returns where from.
func (h *handset) remote() *net.UDPAddr {
	h.t.Helper()
	harness.Eventually(h.t, joinBar, "media comes to the handset", func() bool { return h.heard() > 0 })
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.far
}

// send sends packets as they are, before anything else, one each 20 ms.
func (h *handset) send(packets ...[]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.raw = append(h.raw, packets...)
}

// press sends a key as a real telephone pressed it (RFC 4733), under another payload type. name is of a file of sip-tester.
func (h *handset) press(name string, payloadType uint8) {
	h.t.Helper()
	packets := capture(h.t, filepath.Join(pcaps, "dtmf_2833_"+name+".pcap"))
	for _, p := range packets {
		p[1] = p[1]&0x80 | payloadType
	}
	h.send(packets...)
}

// sender puts frames on the wire.
type sender struct {
	h    *handset
	ssrc uint32
}

// Audio sends a frame, or what is to be sent instead.
func (s *sender) Audio(f media.Frame) {
	s.h.mu.Lock()
	far, raw := s.h.far, []byte(nil)
	if far != nil && len(s.h.raw) > 0 {
		raw, s.h.raw = s.h.raw[0], s.h.raw[1:]
	}
	s.h.mu.Unlock()
	if far == nil {
		return // a telephone behind a symmetric NAT could not do better
	}
	if raw == nil {
		p := rtp.Packet{Payload: f.Payload, Header: rtp.Header{
			Version: 2, Marker: f.Marker, PayloadType: uint8(s.h.codec), SequenceNumber: f.Seq, Timestamp: f.Timestamp, SSRC: s.ssrc,
		}}
		var err error
		if raw, err = p.Marshal(); err != nil {
			return
		}
	}
	_, _ = s.h.conn.WriteToUDP(raw, far)
}

// errCapture says that a file is no capture that we can read.
var errCapture = errors.New("not a little-endian capture of UDP over Ethernet")

// capture reads the payloads of a capture's UDP packets.
func capture(t *testing.T, path string) (payloads [][]byte) {
	t.Helper()
	const fileHeader, recordHeader, headers = 24, 16, 14 + 20 + 8 // Ethernet, IPv4 without options, UDP
	raw, err := os.ReadFile(path)
	must(t, err)
	if len(raw) < fileHeader || binary.LittleEndian.Uint32(raw) != 0xa1b2c3d4 {
		t.Fatal(path, errCapture)
	}
	for rest := raw[fileHeader:]; len(rest) > recordHeader; {
		size := int(binary.LittleEndian.Uint32(rest[8:]))
		if size <= headers || len(rest) < recordHeader+size {
			t.Fatal(path, errCapture)
		}
		frame := rest[recordHeader : recordHeader+size]
		length := int(binary.BigEndian.Uint16(frame[14+20+4:])) - 8 // Ethernet pads what is short
		payloads = append(payloads, append([]byte(nil), frame[headers:headers+length]...))
		rest = rest[recordHeader+size:]
	}
	return payloads
}
