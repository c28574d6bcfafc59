package rtp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/dtmf"
	"holdfast/media/sdp"
)

// sender is the way out of one session: one stream with its own SSRC, whoever plays.
type sender struct {
	mu      sync.Mutex
	conn    conn
	now     func() time.Time
	to      netip.AddrPort // invalid: nobody to send to
	open    bool           // the peer wants to hear us
	codec   media.Codec
	types   struct{ audio, event uint8 }
	ssrc    uint32
	last    mark      // the newest packet we sent
	source  mark      // the newest frame of whoever plays now
	follows bool      // source is set, and the next frame is expected to follow it
	keying  bool      // a digit is being sent: audio waits
	since   time.Time // when the peer began to want to hear us
	sent    uint64
	octets  uint64
	failed  uint64 // packets that the network did not take
	guard   outward
	buf     [headerBytes + maxPayload + tailroom]byte
}

// mark is a place in a stream.
type mark struct {
	seq       uint16
	timestamp uint32
	length    uint32 // samples of the packet
	at        time.Time
}

const (
	// nearSeq and nearTime are how far a frame may be from the newest of its source and still be taken as following it:
	// loss and order then reach the far end as they are, which its jitter buffer needs to conceal them.
	nearSeq  = 64
	nearTime = 4 * media.SampleRate // four seconds: a pause of a sender that detects silence
)

func newSender(now func() time.Time) *sender {
	o := &sender{now: now}
	o.begin()
	return o
}

// begin begins a stream: its own source, at a number and a time that nobody can guess.
func (o *sender) begin() {
	o.ssrc, o.follows = rand.Uint32(), false
	o.last = mark{seq: uint16(window + rand.Uint32N(longestStart-window)), timestamp: rand.Uint32()}
}

// set takes the outcome of a negotiation. A new key begins a new stream, whose turns of 16 bits both sides count from zero.
func (o *sender) set(m sdp.Media, to netip.AddrPort) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	changed, err := o.guard.set(m.Crypto)
	if err != nil {
		o.to = netip.AddrPort{} // nothing goes out in clear
		return err
	}
	if changed {
		o.begin()
	}
	if m.Send && !o.open {
		o.since = o.now()
	}
	o.to, o.open, o.codec = to, m.Send, m.Codec
	o.types.audio, o.types.event = m.PayloadType, m.EventType
	return nil
}

// aim changes where packets go; an address that is not valid ends all sending.
func (o *sender) aim(to netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = to
}

// audio sends one frame.
func (o *sender) audio(f media.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || !o.to.IsValid() || o.keying || len(f.Payload) == 0 || len(f.Payload) > maxPayload {
		o.follows = false
		return
	}
	now := o.now()
	at, marker := o.place(f, now)
	h := header{marker: marker, payloadType: o.types.audio, seq: at.seq, timestamp: at.timestamp, ssrc: o.ssrc}
	b := codec.Convert(h.append(o.buf[:0]), o.codec, f.Codec, f.Payload)
	o.write(b)
}

// keepAlive sends a frame of silence when nothing was sent for so long.
func (o *sender) keepAlive(now time.Time, every time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || !o.to.IsValid() || o.keying || now.Sub(o.since) < every || now.Sub(o.last.at) < every {
		return
	}
	at := o.ahead(now)
	at.length = media.FrameBytes
	o.last, o.follows = at, false
	h := header{marker: true, payloadType: o.types.audio, seq: at.seq, timestamp: at.timestamp, ssrc: o.ssrc}
	b := h.append(o.buf[:0])
	for range media.FrameBytes {
		b = append(b, o.codec.Silence())
	}
	o.write(b)
}

// place finds the frame's number and time in our stream. Frames of one source keep their distances, so that gaps and
// changed order stay visible; so does a marker on the very next frame, which is the source speaking up after a pause. A
// new source (any other marker, or a frame that follows nothing) goes on at the next number, as much later as the clock
// says, but never inside what was sent before.
func (o *sender) place(f media.Frame, now time.Time) (at mark, marker bool) {
	in := mark{seq: f.Seq, timestamp: f.Timestamp, length: uint32(len(f.Payload)), at: now}
	seqs, times := int(int16(in.seq-o.source.seq)), int(int32(in.timestamp-o.source.timestamp))
	if o.follows && near(seqs, nearSeq) && near(times, nearTime) && (!f.Marker || seqs == 1 && times > 0) {
		at = mark{seq: o.last.seq + uint16(seqs), timestamp: o.last.timestamp + uint32(times), length: in.length, at: now}
		if seqs > 0 {
			o.source, o.last = in, at
		}
		return at, f.Marker
	}
	at = o.ahead(now)
	at.length = in.length
	o.source, o.last, o.follows = in, at, true
	return at, true
}

// ahead is the next place of our stream by the clock.
func (o *sender) ahead(now time.Time) mark {
	step := o.last.length
	if !o.last.at.IsZero() {
		step = max(step, samples(now.Sub(o.last.at)))
	}
	return mark{seq: o.last.seq + 1, timestamp: o.last.timestamp + step, at: now}
}

// samples is a duration in samples; it wraps after six days, as timestamps do.
func samples(d time.Duration) uint32 {
	return uint32(max(d, 0) / (time.Second / media.SampleRate))
}

func near(distance, limit int) bool { return distance > -limit && distance < limit }

// write sends a packet and counts it.
func (o *sender) write(b []byte) {
	length := len(b) - headerBytes
	b, ok := o.guard.protect(b, binary.BigEndian.Uint16(b[2:]))
	if !ok || o.conn.Send(o.to, b) != nil {
		o.failed++ // the next packet is as good: UDP promises nothing
		return
	}
	o.sent++
	o.octets += uint64(length)
}

// event sends one packet of a digit whose first packet had number start (RFC 4733 section 2.5.1).
func (o *sender) event(e dtmf.Event, timestamp uint32, marker bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || !o.to.IsValid() || o.types.event == 0 {
		return
	}
	o.last.seq++
	h := header{marker: marker, payloadType: o.types.event, seq: o.last.seq, timestamp: timestamp, ssrc: o.ssrc}
	b, err := dtmf.Append(h.append(o.buf[:0]), e)
	if err != nil {
		return // SendDigit checked the key
	}
	o.write(b)
}

// key begins a digit: audio waits. It returns the digit's timestamp; ok is false when the peer takes no digits.
func (o *sender) key() (timestamp uint32, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || !o.to.IsValid() || o.types.event == 0 {
		return 0, false
	}
	o.keying, o.follows = true, false
	o.last.timestamp = o.ahead(o.now()).timestamp
	o.last.length, o.last.at = 0, o.now()
	return o.last.timestamp, true
}

// unkey ends a digit.
func (o *sender) unkey() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keying = false
}
