package trunk

import (
	"net/netip"

	"holdfast/tenants/routing"
)

// theirs says whether a request to HOST:PORT is for a trunk itself: only then may it hold the trunk's credentials. The far end
// says by its Contact and Record-Route where what we send within a call goes, and may name anybody. source is where our INVITE
// went. Else the address must be among the trunk's own, and in no narrower range of another's; and over TLS whoever is there has
// shown the trunk's certificate.
func (s *Server) theirs(t *routing.Trunk, transport, source, to string) bool {
	if to == source {
		return true
	}
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return false
	}
	addr := at.Addr().Unmap().WithZone("")
	own := narrowest(t.Signal, addr)
	if own < 0 {
		return false
	}
	for _, other := range *s.trunks.Load() {
		if other.Name != t.Name && narrowest(other.Signal, addr) > own {
			return false
		}
	}
	return !secured(transport) || s.tls.shown(to) == t.Name
}

// identity is whom a connection of ours reached, by the certificate that was shown.
type identity struct{ trunk string }

// prove notes what a connection to HOST:PORT has shown.
func (e *secureEnd) prove(to string, p *identity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proofs[to] = p
}

// unprove forgets it with the connection, unless there is a newer one.
func (e *secureEnd) unprove(to string, p *identity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.proofs[to] == p {
		delete(e.proofs, to)
	}
}

// shown is the trunk whose certificate was shown at HOST:PORT; "": nobody's.
func (e *secureEnd) shown(to string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.proofs[to]; p != nil {
		return p.trunk
	}
	return ""
}
