package rtp

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/dtmf"
	"holdfast/media/sdp"
)

// reason says why a packet was refused.
type reason uint8

const (
	none reason = iota
	stranger
	malformed
	unknownType
	duplicate
	late
	jump
	rate
	unauthentic
	panicked
	reasons
)

// reasonNames are the keys of Engine.Dropped and of the metric.
var reasonNames = [reasons]string{
	stranger: "stranger", malformed: "malformed", unknownType: "unknown_pt", duplicate: "duplicate",
	late: "late", jump: "jump", rate: "rate", unauthentic: "auth", panicked: "panic",
}

// comfortNoise is the static payload type of RFC 3389. It proves that the peer is there and sounds like nothing.
const comfortNoise = 13

// A peer may send maxRate packets a second; speech needs 50, the shortest packets in use (5 ms) 200. As many may come
// at once, which is what a network that stood still for some seconds lets go.
const maxRate = 400

// receiver is the way in of one session.
type receiver struct {
	mu       sync.Mutex // taken before that of out, never after
	out      *sender    // told where the peer is, while mu is held: two who learn it never overtake each other
	latch    latch
	peer     sdp.Media
	named    bool // Set was called
	closed   bool
	sequence sequence
	digits   dtmf.Decoder
	tokens   float64 // of the rate limit
	refilled time.Time
	skipped  uint16 // packets that were no audio: taken out of the numbers that sinks see
	marker   bool   // the next frame is the first of a new run
	unheard  bool   // Unheard was told
	silent   bool   // Silent was told
	hush     hush
	since    time.Time // when packets began to be expected
	alive    time.Time // last RTP or RTCP packet of the peer
	gapFrom  time.Time // last packet, where the time to the next one counts as a gap
	jitter   jitter
	control  control
	opener   inward      // of SRTP
	waiting  bool        // nothing is heard before the next Set: only then it is known whether it must be encrypted
	stats    media.Stats // Received, Dropped, MaxGap, FirstReceived, LastReceived
}

// heard is what one packet amounted to.
type heard struct {
	refused reason
	frame   media.Frame // with an empty payload: nothing to play
	digit   byte        // 0: none
	audible bool        // the peer was not heard until now
}

// take judges one packet and digests it: source, authenticity, rate, form, type, number, and only then its content. SRTP is
// opened before the rate is looked at, so that no flood of forgeries uses up what is the peer's, and long before the peer's
// address is learned from a packet.
func (r *receiver) take(src netip.AddrPort, b []byte, now time.Time) (got heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return heard{}
	}
	got.refused = r.digest(&got, src, b, now)
	if got.refused != none {
		r.stats.Dropped++
	}
	return got
}

func (r *receiver) digest(got *heard, src netip.AddrPort, b []byte, now time.Time) reason {
	if !r.latch.admits(src, now) {
		return stranger
	}
	b, why := r.unprotected(b, now)
	if why != none {
		return why
	}
	sure := r.opener.on()
	if !r.spend(now, sure || r.latch.knows(src)) {
		return rate
	}
	h, payload, ok := parse(b)
	if !ok {
		return malformed
	}
	kind, c := r.kind(h.payloadType)
	if kind == unknownKind {
		return unknownType
	}
	believed := sure || r.latch.believes(src, h, now)
	if !believed && r.latch.locked.IsValid() {
		return stranger
	}
	switch r.sequence.take(h.ssrc, h.seq) {
	case double:
		return duplicate
	case tooLate:
		return late
	case leap:
		return jump
	case restart:
		r.digits, r.jitter, r.marker = dtmf.Decoder{}, jitter{}, true
	case fresh:
	}
	if believed && r.latch.take(src, h.ssrc, sure, now) { // else it is heard, since nobody else is, and sent nothing
		r.out.aim(src)
		if r.control.source.Addr() != src.Addr() {
			r.control.forget()
		}
	}
	got.audible, r.unheard, r.silent = r.unheard || r.silent, false, false
	if got.audible {
		r.hush = hush{}
	}
	r.count(h, now)
	if kind != audioKind || len(payload) == 0 {
		r.skipped++
		switch kind {
		case eventKind:
			if !believed {
				break // the next packet of the same key will tell
			}
			got.digit, _ = r.digits.Feed(payload, h.timestamp, h.marker)
		case comfortKind:
			r.hush.comfort()
		case unknownKind, audioKind:
		}
		return none
	}
	got.frame = media.Frame{
		Codec: c, Seq: h.seq - r.skipped, Timestamp: h.timestamp, Marker: h.marker || r.marker, Payload: payload,
	}
	r.marker = false
	got.audible = r.hush.take(c, payload, now) || got.audible
	return none
}

// unprotected is a packet as the peer wrote it.
func (r *receiver) unprotected(b []byte, now time.Time) ([]byte, reason) {
	switch {
	case r.waiting:
		return nil, unauthentic
	case r.opener.on():
		return r.opener.open(b, now)
	}
	return b, none
}

// spend takes one packet's worth of the rate limit, half of which is kept for those who are known to be the peer.
func (r *receiver) spend(now time.Time, known bool) bool {
	if r.refilled.IsZero() {
		r.tokens = maxRate
	} else {
		r.tokens = min(maxRate, r.tokens+maxRate*now.Sub(r.refilled).Seconds())
	}
	r.refilled = now
	if r.tokens < 1 || !known && r.tokens < maxRate/2 {
		return false
	}
	r.tokens--
	return true
}

// kind is what a payload type carries.
type kind uint8

const (
	unknownKind kind = iota
	audioKind
	eventKind
	comfortKind
)

// kind finds it by what was agreed; both of our codecs are also taken under their static types, because gateways change
// between them without asking, and before the agreement is known (RFC 3264 section 5.1).
func (r *receiver) kind(payloadType uint8) (kind, media.Codec) {
	switch {
	case r.named && payloadType == r.peer.PayloadType:
		return audioKind, r.peer.Codec
	case payloadType != 0 && (payloadType == r.peer.EventIn || payloadType == r.peer.EventType):
		return eventKind, 0
	case payloadType == uint8(media.PCMU) || payloadType == uint8(media.PCMA):
		return audioKind, media.Codec(payloadType)
	case payloadType == comfortNoise:
		return comfortKind, 0
	}
	return unknownKind, 0
}

// count notes a good packet.
func (r *receiver) count(h header, now time.Time) {
	r.stats.Received++
	if r.stats.FirstReceived.IsZero() {
		r.stats.FirstReceived = now
	}
	if !r.gapFrom.IsZero() {
		r.stats.MaxGap = max(r.stats.MaxGap, now.Sub(r.gapFrom))
	}
	r.stats.LastReceived, r.alive, r.gapFrom = now, now, now
	r.jitter.take(h.timestamp, now)
}

// set takes the outcome of a negotiation, for both ways.
func (r *receiver) set(peer sdp.Media, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	peer.RTCP = r.latch.believed(peer.RTCP)
	if r.latch.name(peer.Remote, now) {
		r.control.forget()
	}
	if !r.named || !r.peer.Receive || !peer.Receive { // the wait for packets begins or ends here
		r.since, r.gapFrom, r.unheard, r.silent, r.hush = now, time.Time{}, false, false, hush{}
	}
	r.peer, r.named = peer, true
	if err := r.opener.set(peer.Crypto, now); err != nil {
		r.waiting = true // the leg is about to end
		return err
	}
	r.waiting = false
	if r.closed {
		return nil
	}
	return r.out.set(peer, r.latch.target())
}

// allow replaces the prefixes from which a peer behind NAT may come, and to which it may be confined.
func (r *receiver) allow(from []netip.Prefix, confined bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latch.allow(slices.Clone(from), confined)
}

// quiet says once that the peer should be heard and was not for a while, once that its packets have had no sound in them, and
// once that it gave no sign at all for long: no report of RTCP either.
func (r *receiver) quiet(now time.Time, while, hush, long time.Duration) (unheard, hushed, silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.named || !r.peer.Receive || r.silent {
		return false, false, false
	}
	heard, alive := r.since, r.since
	if r.stats.LastReceived.After(heard) {
		heard = r.stats.LastReceived
	}
	if r.alive.After(alive) {
		alive = r.alive
	}
	unheard, silent = !r.unheard && now.Sub(heard) >= while, now.Sub(alive) >= long
	r.unheard, r.silent = r.unheard || unheard, silent
	return unheard, !r.unheard && r.hush.lasts(now, hush), silent
}

// figures returns what was counted.
func (r *receiver) figures() media.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Lost = r.sequence.lost()
	return s
}

// shut ends both ways.
func (r *receiver) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.out.aim(netip.AddrPort{})
}
