package browser

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/udp"
)

const (
	maxPayload  = 1200 // bytes of the longest frame that we send: what fits one packet on every path
	headerBytes = 12
	tailroom    = 16 // the seal
)

// track is what the browser hears.
type track struct {
	sent atomic.Uint64

	mu     sync.Mutex
	seal   *srtp.Context // nil: not connected
	codec  media.Codec
	header rtp.Header
	line   timeline
	packet [headerBytes + maxPayload + tailroom]byte
}

// begin chooses codec, source and first numbers. The numbers are unpredictable enough: SRTP guards them.
func (t *track) begin(from offer) {
	t.codec = from.laws[0].codec
	t.header = rtp.Header{Version: 2, PayloadType: from.laws[0].pt, SSRC: rand.Uint32()}
	t.line = timeline{seq: uint16(rand.Uint32()), timestamp: rand.Uint32()}
}

// ssrc names the stream.
func (t *track) ssrc() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.header.SSRC
}

// open lets frames out from now on.
func (t *track) open(seal *srtp.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seal = seal
}

// send writes one frame, in the browser's codec and on this track's own line of time.
func (t *track) send(f media.Frame, port *udp.Port, to netip.AddrPort, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seal == nil || len(f.Payload) == 0 || len(f.Payload) > maxPayload {
		return
	}
	seq, timestamp, marker, ok := t.line.place(f, now)
	if !ok {
		return
	}
	t.header.SequenceNumber, t.header.Timestamp, t.header.Marker = seq, timestamp, marker
	n, err := t.header.MarshalTo(t.packet[:])
	if err != nil {
		return
	}
	plain := codec.Convert(t.packet[:n], t.codec, f.Codec, f.Payload)
	sealed, err := t.seal.EncryptRTP(t.packet[:0], plain, &t.header)
	if err != nil {
		return
	}
	if port.Post(to, sealed) == nil {
		t.sent.Add(1)
	}
}

// jump is how far, in samples, the source's clock may leap before it is taken for another source: 2 s.
const jump = 2 * media.SampleRate

// timeline gives frames of changing sources a place on one line of sequence numbers and timestamps. Within a source the
// distances between frames stay, so that the browser sees the same loss and the same pauses; where the source changes,
// the line goes on without a gap in numbers, and in time by as much as really passed.
//
// A sequence number is used once only: under SRTP with GCM a number used twice would give the key stream away.
type timeline struct {
	seq       uint16 // newest that was used
	timestamp uint32 // of the newest
	length    uint32 // samples of the newest
	at        time.Time
	started   bool
	inSeq     uint16 // the source's numbers of the newest
	inTime    uint32
	used      uint64 // bit i: seq-i was used, or must not be
}

// place returns the numbers for f, or false for a frame that came twice or much too late.
func (l *timeline) place(f media.Frame, now time.Time) (seq uint16, timestamp uint32, marker, ok bool) {
	step, leap := int16(f.Seq-l.inSeq), int32(f.Timestamp-l.inTime)
	switch {
	case !l.started || f.Marker || leap > jump || leap < -jump || step > jump/160 || step < -64:
		l.timestamp += max(l.length, l.passed(now))
		l.seq++
		l.used, marker = ^uint64(0), true
	case step > 0:
		l.seq += uint16(step)
		l.timestamp += uint32(leap)
		l.used = l.used<<min(step, 64) | 1
	default: // late, or twice
		bit := uint64(1) << -step
		if step == -64 || l.used&bit != 0 {
			return 0, 0, false, false
		}
		l.used |= bit
		return l.seq + uint16(step), l.timestamp + uint32(leap), false, true
	}
	l.started, l.inSeq, l.inTime = true, f.Seq, f.Timestamp
	l.length, l.at = uint32(len(f.Payload)), now
	return l.seq, l.timestamp, marker, true
}

// passed is how many samples went by since the newest frame, in whole 10 ms.
func (l *timeline) passed(now time.Time) uint32 {
	if !l.started {
		return 0
	}
	passed := min(max(0, now.Sub(l.at)), time.Hour) // an hour says "long ago" as well as a day, and does not run over
	return uint32(passed/(10*time.Millisecond)) * 80
}
