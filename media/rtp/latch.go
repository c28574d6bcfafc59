package rtp

import (
	"net/netip"
	"time"
)

// relockAfter is how long the locked source must be quiet before another one inside the prefixes may take its place.
// It is 75 packets: longer than any jitter, and short enough that a peer whose NAT gave it a new port is heard again within
// two seconds.
const relockAfter = 1500 * time.Millisecond

// What a source that the SDP does not name must do before media is sent to it: whoever sprays packets over ports does neither.
const (
	// provenBy is how many packets of one stream must come in order, and provenIn how long that must take: a burst is no speech.
	provenBy = 5
	provenIn = 40 * time.Millisecond
	// provenLate is provenIn for another machine than the peer's: one that was heard before, or that the SDP names inside the
	// prefixes, so that no NAT is to be expected. That one has the time to speak first.
	provenLate = time.Second
	// maxSkip is how many packets may be lost in between, and how far one may be late.
	maxSkip = 4
	// maxSuitors is how many sources are watched at once.
	maxSuitors = 4
)

// latch decides whose packets are the peer's.
type latch struct {
	allowed  []netip.Prefix // from where a peer behind NAT may come
	confined bool           // and it may name no other address either
	said     netip.AddrPort // by the SDP; invalid before the first Set
	named    netip.AddrPort // said, where it is believed
	locked   netip.AddrPort // who is heard and sent to; invalid until a source is believed
	heard    time.Time      // last packet of locked
	former   netip.AddrPort // locked before the peer moved
	moved    time.Time      // when it moved
	owner    netip.AddrPort // who has the first right to the lock; another one holds it in its silence only
	ssrc     uint32         // of the owner's stream: whoever goes on with that is the owner, behind another port of its NAT
	suitors  [maxSuitors]suitor
}

// suitor is a source that is not believed yet.
type suitor struct {
	src    netip.AddrPort
	ssrc   uint32
	newest uint16    // number
	run    int       // packets in order
	since  time.Time // first of the run
}

// admits says whether a packet from src may be looked at.
func (l *latch) admits(src netip.AddrPort, now time.Time) bool {
	switch {
	case l.knows(src):
		return true
	case l.locked.IsValid() && l.locked == l.owner && now.Sub(l.heard) < relockAfter:
		return false
	case src == l.former && now.Sub(l.moved) < relockAfter:
		return false // what the peer sent before it moved must not call us back
	}
	return l.inside(src.Addr())
}

// knows says whether src needs to prove nothing.
func (l *latch) knows(src netip.AddrPort) bool {
	return src.IsValid() && (src == l.locked || src == l.named || src == l.owner)
}

// believes says whether a packet of an admitted source is taken for the peer's, so that media may be sent there.
func (l *latch) believes(src netip.AddrPort, h header, now time.Time) bool {
	switch {
	case l.knows(src), l.owner.IsValid() && h.ssrc == l.ssrc:
		return true
	case l.locked.IsValid() && now.Sub(l.heard) < relockAfter:
		return false // only the owner may interrupt who holds its place
	}
	s := l.suitor(src)
	s.take(h, now)
	return s.run >= provenBy && now.Sub(s.since) >= l.patience(src.Addr())
}

// patience is how long a source must have sent in order.
func (l *latch) patience(src netip.Addr) time.Duration {
	switch {
	case l.owner.IsValid() && src == l.owner.Addr(), l.named.IsValid() && src == l.named.Addr():
		return provenIn
	case l.owner.IsValid(), l.inside(l.named.Addr()):
		return provenLate
	}
	return provenIn
}

// suitor is what is known of a source. One that is new takes the place of whoever came least far.
func (l *latch) suitor(src netip.AddrPort) *suitor {
	least := &l.suitors[0]
	for i := range l.suitors {
		s := &l.suitors[i]
		if s.src == src {
			return s
		}
		if s.run < least.run || s.run == least.run && s.since.Before(least.since) {
			least = s
		}
	}
	*least = suitor{src: src}
	return least
}

// take counts a packet.
func (s *suitor) take(h header, now time.Time) {
	ahead := int(int16(h.seq - s.newest)) // numbers wrap: their difference is signed
	switch {
	case s.run == 0 || h.ssrc != s.ssrc || ahead < -maxSkip || ahead > 1+maxSkip:
		s.ssrc, s.newest, s.run, s.since = h.ssrc, h.seq, 1, now
	case ahead > 0:
		s.newest, s.run = h.seq, s.run+1
	}
}

func (l *latch) inside(addr netip.Addr) bool {
	for _, p := range l.allowed {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// believed is an address that the SDP names; invalid when a confined peer may not name it.
func (l *latch) believed(addr netip.AddrPort) netip.AddrPort {
	if l.confined && !l.inside(addr.Addr()) {
		return netip.AddrPort{}
	}
	return addr
}

// allow sets from where the peer may come, and whether it is confined to that.
func (l *latch) allow(from []netip.Prefix, confined bool) {
	l.allowed, l.confined = from, confined
	l.named = l.believed(l.said)
}

// take notes a valid packet of a source that is believed, or whose keys prove it (sure); it is the peer from now on. changed says
// that it was not before.
func (l *latch) take(src netip.AddrPort, ssrc uint32, sure bool, now time.Time) (changed bool) {
	changed = src != l.locked
	l.locked, l.heard = src, now
	if changed {
		l.suitors = [maxSuitors]suitor{}
	}
	if sure || !l.owner.IsValid() || src == l.owner || src == l.named || ssrc == l.ssrc {
		l.owner, l.ssrc = src, ssrc
	}
	return changed
}

// name sets the address of the SDP and says whether it is a new one, which opens the lock again. A hold that names no
// address keeps the one before.
func (l *latch) name(addr netip.AddrPort, now time.Time) (changed bool) {
	if !addr.IsValid() || addr == l.said {
		return false
	}
	first := !l.said.IsValid()
	l.said, l.named = addr, l.believed(addr)
	if l.locked != addr {
		if !first { // else nobody has moved: who is behind NAT and speaks sooner than the SDP comes is the same peer still
			l.former, l.moved = l.locked, now
		}
		l.locked, l.heard = netip.AddrPort{}, time.Time{}
		l.owner, l.suitors = netip.AddrPort{}, [maxSuitors]suitor{}
	}
	return true
}

// target is where media is sent; invalid when nobody is known.
func (l *latch) target() netip.AddrPort {
	if l.locked.IsValid() {
		return l.locked
	}
	return l.named
}
