package trunk

import (
	"hash/maphash"
	"time"
)

const (
	// pastKeep is how long an INVITE of a call that is over is known at least; it may be twice as long.
	pastKeep = 10 * time.Minute
	// pastMost is how many of them are known, the newest: 4 MB.
	pastMost = 100_000
)

// past knows the INVITEs of calls that are over, so that none which somebody saw on the wire rings again: one copy by another path
// may come seconds later, one that was recorded minutes later. It keeps a hash of each, the newest in one of two generations.
type past struct {
	seed       maphash.Seed
	young, old map[uint64]struct{}
	turned     time.Time
}

func newPast() *past {
	return &past{seed: maphash.MakeSeed(), young: map[uint64]struct{}{}}
}

func (p *past) add(id inviteID, now time.Time) {
	p.turn(now)
	p.young[maphash.Comparable(p.seed, id)] = struct{}{}
}

func (p *past) has(id inviteID, now time.Time) bool {
	p.turn(now)
	name := maphash.Comparable(p.seed, id)
	_, young := p.young[name]
	_, old := p.old[name]
	return young || old
}

// turn begins a new generation where it is time.
func (p *past) turn(now time.Time) {
	age := now.Sub(p.turned)
	if age < pastKeep && len(p.young) < pastMost {
		return
	}
	p.old, p.young, p.turned = p.young, map[uint64]struct{}{}, now
	if age >= 2*pastKeep {
		p.old = nil
	}
}
