package rtp

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"holdfast/media"
)

// RTCP tells the peer how its packets arrive and that we are there (RFC 3550 section 6). What the peer's reports say is
// looked at for one thing, the time of its last one; a BYE has no effect, because calls end by SIP and a BYE is easily
// forged.

const (
	reportEvery = 5 * time.Second // section 6.2: the least interval of a session of two
	typeSR      = 200
	typeRR      = 201
	typeSDES    = 202
	lowestType  = 192 // section 4 of RFC 5761: where RTCP's types are, seen as the second byte of a packet
	highestType = 223
	cnameBytes  = 8
	// ntpEpoch is 1970 in seconds since 1900, where NTP begins.
	ntpEpoch = 2208988800
)

// isRTCP tells the two protocols apart by the second byte (RFC 5761 section 4).
func isRTCP(b []byte) bool {
	return len(b) >= 4 && b[0]>>6 == version && b[1] >= lowestType && b[1] <= highestType
}

// control is what we know of the peer's RTCP.
type control struct {
	source netip.AddrPort // from where it comes; invalid until the first valid packet
	lastSR uint32         // middle of the NTP time of its last SR; 0: none
	of     uint32         // the SSRC whose report that was
	at     time.Time      // when that came
	asked  reportBase
}

// reportBase is what was expected and received at our last report, for the fraction lost since.
type reportBase struct {
	expected, received uint64
}

// forget is called when the peer's address changed.
func (c *control) forget() { *c = control{} }

// jitter estimates how unevenly packets arrive, in samples (section A.8).
type jitter struct {
	started bool
	transit uint32
	value   float64
}

func (j *jitter) take(timestamp uint32, now time.Time) {
	transit := uint32(now.UnixNano()/int64(time.Second/media.SampleRate)) - timestamp
	if j.started {
		d := math.Abs(float64(int32(transit - j.transit)))
		j.value += (d - j.value) / 16
	}
	j.started, j.transit = true, transit
}

// parseRTCP checks a compound packet and returns what its sender report says, and of whom. Every part must be whole: forged
// fragments of four bytes are the usual attack.
func parseRTCP(b []byte) (lastSR, of uint32, ok bool) {
	if len(b) == 0 || len(b) >= maxPacket {
		return 0, 0, false
	}
	for len(b) > 0 {
		if !isRTCP(b) {
			return 0, 0, false
		}
		size := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if size > len(b) || !wholeReport(b[:size]) {
			return 0, 0, false
		}
		if b[1] == typeSR {
			lastSR, of = binary.BigEndian.Uint32(b[10:]), binary.BigEndian.Uint32(b[4:])
		}
		b = b[size:]
	}
	return lastSR, of, true
}

// wholeReport says whether a report is as long as its count of blocks says; other kinds are not looked into.
func wholeReport(b []byte) bool {
	blocks := 24 * int(b[0]&0x1f)
	switch b[1] {
	case typeSR:
		return len(b) >= 28+blocks
	case typeRR:
		return len(b) >= 8+blocks
	}
	return true
}

// takeRTCP is called for each packet of the RTCP port.
func (s *Session) takeRTCP(src netip.AddrPort, b []byte) {
	defer s.survive()
	if why := s.in.takeRTCP(src, b, s.engine.config.Now()); why != none {
		s.engine.dropped[why].Add(1)
	}
}

// takeRTCP believes the source that the SDP named and the host whose audio is heard; before any audio, the prefixes. Once
// a source was believed only it, and the named one, are.
func (r *receiver) takeRTCP(src netip.AddrPort, b []byte, now time.Time) (why reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return none
	}
	defer func() {
		if why != none {
			r.stats.Dropped++
		}
	}()
	if !r.admitsRTCP(src) {
		return stranger
	}
	if r.waiting {
		return unauthentic
	}
	if r.opener.on() {
		if b, why = r.opener.openRTCP(b, now); why != none {
			return why
		}
	}
	if !r.spend(now, r.opener.on() || src == r.peer.RTCP || r.latch.knows(src)) {
		return rate
	}
	lastSR, of, ok := parseRTCP(b)
	if !ok {
		return malformed
	}
	r.control.source, r.alive = src, now
	if lastSR != 0 {
		r.control.lastSR, r.control.of, r.control.at = lastSR, of, now
	}
	return none
}

func (r *receiver) admitsRTCP(src netip.AddrPort) bool {
	switch {
	case src == r.peer.RTCP || src == r.control.source || src == r.latch.locked:
		return src.IsValid()
	case r.control.source.IsValid():
		return false
	case r.latch.locked.IsValid():
		return src.Addr() == r.latch.locked.Addr()
	}
	return r.latch.inside(src.Addr())
}

// reporter decides when a session reports.
type reporter struct {
	next  time.Time
	cname [cnameBytes]byte // random, so that it tells nothing (RFC 7022)
	sent  uint64           // packets sent at the last report
	buf   [128]byte
}

func newReporter(now time.Time) reporter {
	r := reporter{next: now.Add(reportEvery/2 + time.Duration(rand.Int64N(int64(reportEvery))))}
	for i := range r.cname {
		r.cname[i] = 'a' + byte(rand.IntN(26))
	}
	return r
}

// report sends a report when it is due. It runs on the engine's clock only.
func (s *Session) report(now time.Time) {
	if now.Before(s.reports.next) {
		return
	}
	s.reports.next = now.Add(reportEvery)
	to, block, ok := s.in.block(now)
	if !ok {
		return
	}
	s.out.mu.Lock()
	info := senderInfo{ssrc: s.out.ssrc, packets: s.out.sent, octets: s.out.octets, timestamp: s.out.last.timestamp}
	if !s.out.last.at.IsZero() {
		info.timestamp += samples(now.Sub(s.out.last.at))
	}
	s.out.mu.Unlock()
	info.sending = info.packets != s.reports.sent
	s.reports.sent = info.packets
	b := appendReport(s.reports.buf[:0], info, block, s.reports.cname, now)
	s.out.mu.Lock()
	b, ok = s.out.guard.protectReport(b)
	s.out.mu.Unlock()
	if ok {
		_ = s.rtcp.Send(to, b) // a lost report is followed by another
	}
}

// senderInfo is our half of a report.
type senderInfo struct {
	sending   bool
	ssrc      uint32
	timestamp uint32
	packets   uint64
	octets    uint64
}

// reportBlock is what we heard of the peer (section 6.4.1); ssrc is set when there is something.
type reportBlock struct {
	present  bool
	ssrc     uint32
	fraction uint8
	lost     uint32
	highest  uint32
	jitter   uint32
	lastSR   uint32
	delay    uint32 // since lastSR, in 1/65536 s
}

// block makes the report on the peer and says where to send it: to where its RTCP comes from, or to where the SDP says
// unless its audio turned out to come from elsewhere. ok is false when there is nowhere.
func (r *receiver) block(now time.Time) (to netip.AddrPort, b reportBlock, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to = r.control.source
	if !to.IsValid() && r.latch.target() == r.latch.named {
		to = r.peer.RTCP
	}
	if r.closed || !to.IsValid() {
		return to, b, false
	}
	q := &r.sequence
	if !q.started {
		return to, b, true
	}
	expected, received := q.expected(), q.received
	was := r.control.asked
	r.control.asked = reportBase{expected, received}
	if expected >= was.expected && received >= was.received { // else the run began anew since
		if e, got := expected-was.expected, received-was.received; e > got {
			b.fraction = uint8(min(255, (e-got)*256/e))
		}
	}
	b.present, b.ssrc, b.highest, b.jitter = true, q.ssrc, uint32(q.highest), uint32(r.jitter.value)
	b.lost = uint32(min(q.lost(), 0x7fffff))
	if r.control.lastSR != 0 && r.control.of == q.ssrc { // a report of another stream says nothing of this one (section 6.4.1)
		b.lastSR = r.control.lastSR
		b.delay = uint32(now.Sub(r.control.at) * 65536 / time.Second)
	}
	return to, b, true
}

// appendReport writes SR or RR and the SDES that must follow it (section 6.1).
func appendReport(dst []byte, info senderInfo, block reportBlock, cname [cnameBytes]byte, now time.Time) []byte {
	be := binary.BigEndian
	count, words, kind := byte(0), uint16(1), byte(typeRR)
	if info.sending {
		kind, words = typeSR, 6
	}
	if block.present {
		count, words = 1, words+6
	}
	dst = append(dst, version<<6|count, kind)
	dst = be.AppendUint16(dst, words)
	dst = be.AppendUint32(dst, info.ssrc)
	if info.sending {
		dst = be.AppendUint32(dst, uint32(now.Unix()+ntpEpoch))
		dst = be.AppendUint32(dst, uint32(uint64(now.Nanosecond())<<32/uint64(time.Second)))
		dst = be.AppendUint32(dst, info.timestamp)
		dst = be.AppendUint32(dst, uint32(info.packets))
		dst = be.AppendUint32(dst, uint32(info.octets))
	}
	if block.present {
		dst = be.AppendUint32(dst, block.ssrc)
		dst = be.AppendUint32(dst, uint32(block.fraction)<<24|block.lost)
		dst = be.AppendUint32(dst, block.highest)
		dst = be.AppendUint32(dst, block.jitter)
		dst = be.AppendUint32(dst, block.lastSR)
		dst = be.AppendUint32(dst, block.delay)
	}
	// SDES: header, SSRC, CNAME item (1+1+8), two zeros to end the list and fill the word.
	dst = append(dst, version<<6|1, typeSDES, 0, 4)
	dst = be.AppendUint32(dst, info.ssrc)
	dst = append(dst, 1, cnameBytes)
	dst = append(dst, cname[:]...)
	return append(dst, 0, 0)
}
