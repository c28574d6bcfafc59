package browser

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v4"

	"holdfast/media"
	"holdfast/media/udp"
)

const (
	packetBytes = 1500 // the largest packet a browser sends; audio is far smaller
	// maxPaths is how many addresses of one browser are known at a time: one for each pair of interfaces and protocols that
	// it tries, twice over.
	maxPaths = 32
)

// What a packet's first byte says (RFC 7983 section 7).
const (
	lastSTUN  = 3
	firstDTLS = 20
	lastDTLS  = 63
	firstRTP  = 128
	lastRTP   = 191
)

// reader takes the port's packets, one at a time. It alone knows which address is whose.
type reader struct {
	endpoint *Endpoint
	port     *udp.Port
	paths    map[netip.AddrPort]*path
	swept    time.Time
	check    stun.Message
	reply    stun.Message
}

// read is called for each packet of the port.
func (r *reader) read(from netip.AddrPort, packet []byte) {
	if n := len(packet); n > 0 && n <= packetBytes {
		r.take(packet, from, r.endpoint.config.Now())
	}
}

// take gives one packet to whom it belongs. What belongs to nobody is dropped, before anything is parsed.
func (r *reader) take(packet []byte, from netip.AddrPort, now time.Time) {
	kind := packet[0]
	if kind <= lastSTUN {
		r.answer(packet, from, now)
		r.sweep(now)
		return
	}
	p := r.paths[from]
	if p == nil {
		return
	}
	switch {
	case kind >= firstDTLS && kind <= lastDTLS:
		p.leg.converse(packet)
	case kind >= firstRTP && kind <= lastRTP:
		p.leg.open(p, packet, now)
	}
}

// sweep forgets, once a second, the addresses of legs that have ended.
func (r *reader) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Second {
		return
	}
	r.swept = now
	for addr, p := range r.paths {
		if p.leg.over() {
			delete(r.paths, addr)
		}
	}
}

// answer answers a check of a browser, which must be signed with the password that our answer gave it (RFC 8445 section 7.3).
// Anything else gets no byte.
func (r *reader) answer(packet []byte, from netip.AddrPort, now time.Time) {
	defer func() {
		if p := recover(); p != nil {
			r.endpoint.config.Log.Error("a check of a browser panicked", "panic", p)
		}
	}()
	m := &r.check
	if stun.Decode(packet, m) != nil || m.Type != stun.BindingRequest {
		return
	}
	var user stun.Username
	if user.GetFrom(m) != nil {
		return
	}
	in := r.endpoint.login(string(user))
	if in == nil || in.key.Check(m) != nil || m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil {
		return
	}
	p := r.path(in, from, now)
	if p == nil {
		return
	}
	setters := []stun.Setter{
		stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())},
	}
	lost := m.Contains(stun.AttrICEControlled) // both would wait for the other to decide (RFC 8445 section 7.3.1.1)
	if lost {
		setters = []stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), stun.BindingError, stun.CodeRoleConflict}
	}
	if r.reply.Build(append(setters, in.key, stun.Fingerprint)...) != nil {
		return
	}
	if r.port.Send(from, r.reply.Raw) != nil || lost {
		return
	}
	if priority, err := m.Get(stun.AttrPriority); err == nil && len(priority) == 4 {
		p.priority = uint32(priority[0])<<24 | uint32(priority[1])<<16 | uint32(priority[2])<<8 | uint32(priority[3])
	}
	p.leg.checked(p, m.Contains(stun.AttrUseCandidate), now)
}

// path is what is known of the address that a signed check came from; nil says that another browser is using it.
func (r *reader) path(in *login, from netip.AddrPort, now time.Time) *path {
	p := r.paths[from]
	if p != nil && p.leg != in.leg && !p.leg.over() && now.Sub(p.heard) < disconnectedAfter {
		return nil // a source is easily forged: nobody takes another's path by that
	}
	if p == nil || p.leg != in.leg {
		p = &path{leg: in.leg, addr: from}
		r.paths[from] = p
		in.leg.paths = append(in.leg.paths, p)
		if len(in.leg.paths) > maxPaths {
			r.dropOldest(in.leg)
		}
	}
	p.generation, p.heard = in.generation, now
	return p
}

// dropOldest forgets the address that a leg has not used for the longest time.
func (r *reader) dropOldest(l *Leg) {
	used := l.path.Load()
	oldest := -1
	for i, p := range l.paths {
		if p != used && (oldest < 0 || p.heard.Before(l.paths[oldest].heard)) {
			oldest = i
		}
	}
	if p := l.paths[oldest]; r.paths[p.addr] == p {
		delete(r.paths, p.addr)
	}
	l.paths = slices.Delete(l.paths, oldest, oldest+1)
}

// path is one address of a browser, proven by a signed check. The reader owns it; the address never changes.
type path struct {
	leg        *Leg
	addr       netip.AddrPort
	priority   uint32    // as the browser ranks it
	generation int       // of the login that proved it last
	heard      time.Time // newest packet of any kind
	voiced     time.Time // newest packet of audio
}

// checked takes note that the browser reaches us from p. The browser decides which path is used; where it names several
// (it may, with an ICE-lite side: RFC 8445 section 8.1.1), we keep the better one for as long as that is alive.
func (l *Leg) checked(p *path, use bool, now time.Time) {
	l.hear(now)
	const stale = 1500 * time.Millisecond
	used := l.path.Load()
	switch {
	case used == nil:
	case !use || used == p || p.generation < used.generation:
		return
	case p.generation == used.generation && p.priority <= used.priority && now.Sub(used.heard) < stale:
		return
	}
	l.path.Store(p)
}

// follow lets our audio go where the browser's comes from: it changes its path at once, and tells us with its next check.
func (l *Leg) follow(p *path, now time.Time) {
	p.heard, p.voiced = now, now
	used := l.path.Load()
	if used == p {
		return
	}
	if used == nil || p.generation >= used.generation && now.Sub(used.voiced) > 5*media.FrameTime {
		l.path.Store(p)
	}
}
