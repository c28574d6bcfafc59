package browser

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"holdfast/media"
)

const (
	packetBytes = 1500 // the largest packet a browser sends; audio is far smaller
	maxBadReads = 100  // in a row: then the track is broken, and the leg ends
)

// onTrack reads one incoming track until it ends. A browser has one; where it starts another, the newest is heard.
func (l *Leg) onTrack(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	l.mu.Lock()
	if l.ending != nil {
		l.mu.Unlock()
		return
	}
	l.readers.Add(1)
	l.mu.Unlock()
	defer l.readers.Done()
	defer func() {
		if p := recover(); p != nil {
			l.endpoint.config.Log.Error("a browser's leg panicked", "panic", p)
			l.Hangup(media.Ending{By: media.ByError, Reason: "panic"})
		}
	}()
	turn := l.in.newest()
	var (
		packet rtp.Packet
		buffer [packetBytes]byte
		bad    int
		law    media.Codec
		known  = webrtc.PayloadType(255) // none
	)
	for {
		n, _, err := remote.Read(buffer[:])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
			return
		case err != nil || packet.Unmarshal(buffer[:n]) != nil || len(packet.Payload) == 0:
			l.in.drop()
			if bad++; bad > maxBadReads && n == 0 {
				l.Hangup(media.Ending{By: media.ByError, Reason: "media_failed"})
				return
			}
			continue
		}
		bad = 0
		if pt := webrtc.PayloadType(packet.PayloadType); pt != known {
			var ok bool
			if law, ok = lawOf(remote.Codec().MimeType); !ok {
				l.in.drop()
				continue
			}
			known = pt
		}
		l.in.deliver(turn, &packet, law, l.endpoint.config.Now(), *l.sink.Load())
	}
}

// receiver counts what comes from the browser, and passes it on one packet at a time.
type receiver struct {
	mu      sync.Mutex
	turn    int // which track is heard
	count   media.Stats
	watched bool      // gaps are measured
	gapFrom time.Time // newest packet while watched
	stretch stretch
	lost    uint64 // of the stretches before
}

// newest gives the turn to a new track.
func (r *receiver) newest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	return r.turn
}

func (r *receiver) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Dropped++
}

func (r *receiver) measureGaps(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watched, r.gapFrom = on, time.Time{}
}

func (r *receiver) heardAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count.LastReceived
}

func (r *receiver) stats() media.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := r.count
	stats.Lost = r.lost + r.stretch.lost()
	return stats
}

// deliver counts the packet and hands it to the sink. It holds the lock meanwhile: a sink is called one frame at a time.
func (r *receiver) deliver(turn int, p *rtp.Packet, law media.Codec, now time.Time, to media.Sink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if turn != r.turn {
		r.count.Dropped++
		return
	}
	follows := r.stretch.add(p.SSRC, p.SequenceNumber)
	if !follows {
		r.lost += r.stretch.lost()
		r.stretch = begin(p.SSRC, p.SequenceNumber)
	}
	if r.count.Received++; r.count.Received == 1 {
		r.count.FirstReceived = now
	}
	if r.watched {
		if !r.gapFrom.IsZero() {
			r.count.MaxGap = max(r.count.MaxGap, now.Sub(r.gapFrom))
		}
		r.gapFrom = now
	}
	r.count.LastReceived = now
	to.Audio(media.Frame{
		Codec: law, Seq: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker || !follows, Payload: p.Payload,
	})
}

// The distances in sequence numbers that RFC 3550 appendix A.1 takes for loss and for late packets; what is farther is a
// source that began anew.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// stretch is a run of packets whose sequence numbers belong together.
type stretch struct {
	ssrc    uint32
	highest uint16
	span    uint64 // numbers from the first to the highest
	got     uint64
}

func begin(ssrc uint32, seq uint16) stretch {
	return stretch{ssrc: ssrc, highest: seq, span: 1, got: 1}
}

// add counts one packet; false says that it does not belong to this stretch, and was not counted.
func (s *stretch) add(ssrc uint32, seq uint16) bool {
	ahead := seq - s.highest
	switch {
	case s.got == 0 || ssrc != s.ssrc:
		return false
	case ahead > 0 && ahead < maxDropout:
		s.highest = seq
		s.span += uint64(ahead)
	case ahead != 0 && -ahead > maxMisorder:
		return false
	}
	s.got++
	return true
}

// lost is what is missing (RFC 3550 appendix A.3); duplicates may hide a loss, never make it negative.
func (s *stretch) lost() uint64 { return s.span - min(s.got, s.span) }
