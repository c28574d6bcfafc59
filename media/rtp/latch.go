package rtp

import (
	"net/netip"
	"time"
)

// relockAfter is how long the locked source must be quiet before another one inside the prefixes may take its place.
// It is 75 packets: longer than any jitter, and short enough that a peer whose NAT gave it a new port is heard again within
// two seconds.
const relockAfter = 1500 * time.Millisecond

// latch decides whose packets are the peer's.
type latch struct {
	allowed  []netip.Prefix // from where a peer behind NAT may come
	confined bool           // and it may name no other address either
	said     netip.AddrPort // by the SDP; invalid before the first Set
	named    netip.AddrPort // said, where it is believed
	locked   netip.AddrPort // who is heard and sent to; invalid until the first valid packet
	heard    time.Time      // last packet of locked
	former   netip.AddrPort // locked before the peer moved
	moved    time.Time      // when it moved
}

// admits says whether a packet from src may be looked at.
func (l *latch) admits(src netip.AddrPort, now time.Time) bool {
	switch {
	case src == l.locked || src == l.named:
		return src.IsValid()
	case l.locked.IsValid() && now.Sub(l.heard) < relockAfter:
		return false
	case src == l.former && now.Sub(l.moved) < relockAfter:
		return false // what the peer sent before it moved must not call us back
	}
	return l.inside(src.Addr())
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

// take notes a valid packet of an admitted source, which is the peer from now on; changed says that it was not before.
func (l *latch) take(src netip.AddrPort, now time.Time) (changed bool) {
	changed = src != l.locked
	l.locked, l.heard = src, now
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
