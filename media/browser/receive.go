package browser

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"holdfast/media"
)

// maxSources is how many streams a browser may begin on one leg; it begins one, and another when its microphone changes.
const maxSources = 64

// opened is what the reader needs to open a leg's packets, kept so that none of it is made anew for each.
type opened struct {
	header  rtp.Header
	control rtcp.Header
	packet  rtp.Packet
	newest  uint32 // source
	sources map[uint32]struct{}
}

// open takes the seal off a packet and hands what is in it to the leg's sink. A panic of the sink ends this leg only.
func (l *Leg) open(p *path, sealed []byte, now time.Time) {
	defer func() {
		if p := recover(); p != nil {
			l.broken(p)
		}
	}()
	k := l.keys.Load()
	if k == nil || l.over() || len(sealed) < 2 {
		l.in.drop()
		return
	}
	if kind := sealed[1] & 0x7f; kind >= 64 && kind <= 95 { // RTCP (RFC 5761 section 4): what it says changes nothing, but it is a sign of life
		if _, err := k.in.DecryptRTCP(sealed[:0], sealed, &l.opened.control); err != nil {
			return
		}
		p.heard = now
		l.hear(now)
		if !l.opened.source(binary.BigEndian.Uint32(sealed[4:])) {
			l.Hangup(media.Ending{By: media.ByError, Reason: "media_failed"})
		}
		return
	}
	plain, err := k.in.DecryptRTP(sealed[:0], sealed, &l.opened.header)
	if err != nil || l.opened.packet.Unmarshal(plain) != nil {
		l.in.drop()
		return
	}
	l.hear(now)
	l.follow(p, now)
	packet := &l.opened.packet
	if !l.opened.source(packet.SSRC) {
		l.Hangup(media.Ending{By: media.ByError, Reason: "media_failed"})
		return
	}
	codec, known := l.law(packet.PayloadType)
	if !known || len(packet.Payload) == 0 {
		l.in.drop()
		return
	}
	l.in.deliver(packet, codec, now, *l.sink.Load())
}

// source takes note of a stream; false says that there were too many. Each costs memory.
func (o *opened) source(ssrc uint32) bool {
	if ssrc == o.newest && o.sources != nil {
		return true
	}
	o.newest = ssrc
	if _, known := o.sources[ssrc]; known {
		return true
	}
	if o.sources == nil {
		o.sources = make(map[uint32]struct{})
	}
	o.sources[ssrc] = struct{}{}
	return len(o.sources) <= maxSources
}

// law is the codec that a payload type stands for.
func (l *Leg) law(pt uint8) (media.Codec, bool) {
	for _, law := range l.laws {
		if law.pt == pt {
			return law.codec, true
		}
	}
	return 0, false
}

// receiver counts what comes from the browser, and passes it on one packet at a time.
type receiver struct {
	mu      sync.Mutex
	count   media.Stats
	watched bool      // gaps are measured
	gapFrom time.Time // newest packet while watched
	stretch stretch
	lost    uint64 // of the stretches before
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
func (r *receiver) deliver(p *rtp.Packet, law media.Codec, now time.Time, to media.Sink) {
	r.mu.Lock()
	defer r.mu.Unlock()
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
