package browser

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"holdfast/media"
	"holdfast/media/codec"
)

// maxPayload is the longest frame that we send, in bytes: what fits one packet on every path.
const maxPayload = 1200

// track is what the browser hears. It implements webrtc.TrackLocal.
type track struct {
	sent atomic.Uint64

	mu     sync.Mutex
	writer webrtc.TrackLocalWriter // nil: not negotiated
	codec  media.Codec
	header rtp.Header
	line   timeline
	coded  [maxPayload]byte
}

// Bind is called by pion once the codecs are known; the browser's first choice is used.
func (t *track) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, params := range c.CodecParameters() {
		law, ok := lawOf(params.MimeType)
		if !ok {
			continue
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.codec, t.writer = law, c.WriteStream()
		t.header = rtp.Header{Version: 2, PayloadType: uint8(params.PayloadType), SSRC: uint32(c.SSRC())}
		t.line = timeline{seq: uint16(rand.Uint32()), timestamp: rand.Uint32()} // unpredictable enough: SRTP guards it
		return params, nil
	}
	return webrtc.RTPCodecParameters{}, media.ErrNoCodec
}

// Unbind is called by pion when the track is no longer sent.
func (t *track) Unbind(webrtc.TrackLocalContext) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer = nil
	return nil
}

// ID, RID, StreamID and Kind name the track in the SDP.
func (t *track) ID() string { return "caller" }

// RID is empty: there is one quality only.
func (t *track) RID() string { return "" }

// StreamID names the stream that the track belongs to.
func (t *track) StreamID() string { return "holdfast" }

// Kind is audio.
func (t *track) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

// send writes one frame, in the browser's codec and on this track's own line of time.
func (t *track) send(f media.Frame, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.writer == nil || len(f.Payload) == 0 || len(f.Payload) > maxPayload {
		return
	}
	seq, timestamp, marker, ok := t.line.place(f, now)
	if !ok {
		return
	}
	payload := f.Payload
	if f.Codec != t.codec {
		payload = codec.Convert(t.coded[:0], t.codec, f.Codec, f.Payload)
	}
	t.header.SequenceNumber, t.header.Timestamp, t.header.Marker = seq, timestamp, marker
	if n, err := t.writer.WriteRTP(&t.header, payload); err == nil && n > 0 {
		t.sent.Add(1)
	}
}

// lawOf reads "audio/PCMU" and "audio/PCMA".
func lawOf(mime string) (media.Codec, bool) {
	switch strings.ToUpper(strings.TrimPrefix(strings.ToLower(mime), "audio/")) {
	case "PCMU":
		return media.PCMU, true
	case "PCMA":
		return media.PCMA, true
	default:
		return 0, false
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
