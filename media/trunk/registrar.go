package trunk

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/tenants/routing"
)

// mostRegistered is how many REGISTERs a second a trunk may bring: a thousand telephones that come back after a power cut are in
// within half a minute, and passwords are not guessed at that speed.
const mostRegistered = 100

// mayRegister takes n, one or none, from the REGISTERs of a trunk; false: there are none left for now.
func (s *Server) mayRegister(t routing.Trunk, n float64) bool {
	return s.left(bucket{t.Name, true}, mostRegistered, n)
}

// flooded says whether a datagram is a REGISTER for which its trunk has none left. It is thrown away before anything of it is parsed,
// for the calls' sake, and a telephone sends it again within a second (RFC 3261 section 17.1.2.2). What comes over a connection is
// told so.
func (s *Server) flooded(b []byte, t routing.Trunk) bool {
	if s.cfg.Phones == nil || !begins(b, sip.REGISTER) || s.mayRegister(t, 0) {
		return false
	}
	s.dropped.rate.Add(1)
	return true
}

// Phones are the telephones that may register here, from addresses of a trunk: whoever is in none gets no byte, with or without a
// password.
type Phones interface {
	// Phone finds the telephone that registers as user. Of a user who has none it returns what would be asked of one: always the
	// same, so that nobody can tell.
	Phone(user string) (routing.Phone, bool)
	// Open opens a telephone's secret. It works as hard for the zero Phone, of which it knows nothing, and then fails.
	Open(user string, p routing.Phone) (ha1 string, err error)
	// Registered is told each time that a telephone registers, and until when it is there; the zero time: it is gone. It must
	// neither block nor call the server.
	Registered(user string, until time.Time)
}

// registry is where the telephones are.
type registry struct {
	file keptFile

	mu    sync.Mutex
	bound map[string]*binding // by user; one at most for each telephone that is known
}

// put and drop note where a telephone is, and tell of it. The caller holds mu.
func (r *registry) put(b *binding, phones Phones) {
	if r.bound == nil {
		r.bound = make(map[string]*binding)
	}
	r.bound[b.user] = b
	r.file.changed.Store(true)
	phones.Registered(b.user, b.until)
}

func (r *registry) drop(user string, phones Phones) {
	delete(r.bound, user)
	r.file.changed.Store(true)
	phones.Registered(user, time.Time{})
}

// register takes a REGISTER (RFC 3261 section 10.3).
func (s *Server) register(req *sip.Request, tx *sip.ServerTx) {
	if s.cfg.Phones == nil {
		s.reply(req, tx, refuseMethod(req.Method))
		return
	}
	source, _ := netip.ParseAddrPort(req.Source())
	t, known := s.trunkOf(source.Addr(), secured(req.Transport()))
	switch {
	case !known: // its trunk was taken away while its connection was open
		s.dropped.stranger.Add(1)
		tx.Terminate()
		return
	case s.draining.Load():
		s.brush(req, tx, unavailable)
		return
	case !s.mayRegister(t, 1):
		s.dropped.rate.Add(1)
		s.brush(req, tx, tooMany)
		return
	}
	phone, a := s.identify(req, t.Name, source.Addr())
	if a.status != 0 {
		s.brush(req, tx, a)
		return
	}
	r, a := registrationOf(req, req.To().Address.User, source)
	if a.status == 0 {
		r.secret = phone.Sealed
		a = s.registry.take(r, s.cfg.Now(), s.cfg.Phones)
	}
	s.reply(req, tx, a)
}

// identify asks a telephone who it is, until it has proven that. Nobody is told which users there are: who is none is asked
// the same, and the same is computed.
func (s *Server) identify(req *sip.Request, trunk string, from netip.Addr) (routing.Phone, answer) {
	user := req.To().Address.User
	phone, known := s.cfg.Phones.Phone(user)
	who := proven{user: user, realm: routing.PhoneRealm, algorithms: asked[:1]}
	if phone.MD5 { // alone: telephones that know nothing else often give up at the sight of another
		who.algorithms = asked[1:]
	}
	if req.GetHeader("Authorization") == nil {
		return phone, s.door.ask(who, trunk, from, false)
	}
	ha1, err := s.cfg.Phones.Open(user, phone)
	if err != nil && known {
		s.cfg.Log.Error("a telephone's secret cannot be opened, so it cannot register", "user", clean(user), "error", clean(err.Error()))
	}
	who.ha1 = func(algorithm) string { return ha1 }
	in, stale := s.door.check(req, who, trunk, from)
	if in && known && err == nil {
		return phone, answer{}
	}
	return phone, s.door.ask(who, trunk, from, stale && known && err == nil)
}

// take settles a REGISTER and tells of it.
func (r *registry) take(wish registration, now time.Time, phones Phones) answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.bound[wish.user]
	is, a := settle(have, wish, now)
	switch {
	case is == nil && have != nil:
		r.drop(wish.user, phones)
	case is != nil && is != have:
		r.put(is, phones)
	}
	return a
}

// missed forgets a telephone that a call has found to be gone: it said nothing, or was not heard any more and said nothing. It is
// there again when it registers anew; until then it costs no caller any time.
func (s *Server) missed(phone *binding, e media.Ending) {
	silent := e.Status == 0 || e.Status == 408
	if phone == nil || e.By != media.ByError || !silent || e.Reason != media.EndedUnreachable && e.Reason != mediaTimeout {
		return
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if s.registry.bound[phone.user] == phone { // not registered anew meanwhile
		s.cfg.Log.Warn("a telephone is not where it registered", "user", clean(phone.user), "reason", e.Reason)
		s.registry.drop(phone.user, s.cfg.Phones)
	}
}

// sweep looks each second at what of the telephones is over, and at what is to be written down.
func (s *Server) sweep() {
	tick := time.NewTicker(s.timing.second)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
			s.forgetPhones()
			s.writeDown(&s.registry.file, s.cfg.PhonesFile, s.registry.phonesToKeep)
			s.writeDown(&s.names.file, s.cfg.NamesFile, s.namesToKeep)
		}
	}
}

// forgetPhones forgets telephones whose time is over, that cannot be reached any more, that were taken away, or that got another secret.
func (s *Server) forgetPhones() {
	defer s.recovered("telephones", nil)
	now := s.cfg.Now()
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for user, b := range s.registry.bound {
		phone, known := s.cfg.Phones.Phone(user)
		_, near := s.trunkOf(b.source.Addr(), secured(b.transport))
		near = near && (b.transport == "UDP" || s.connected(b.transport, b.source.String()))
		if known && near && b.until.After(now) && bytes.Equal(phone.Sealed, b.secret) {
			continue
		}
		s.registry.drop(user, s.cfg.Phones)
	}
}

// PhoneAt is until when a telephone is registered, from where and by which transport (UDP, TCP or TLS); the zero time: it is not.
func (s *Server) PhoneAt(user string) (until time.Time, from netip.AddrPort, by string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if b := s.registry.bound[user]; b != nil {
		return b.until, b.source, b.transport
	}
	return time.Time{}, netip.AddrPort{}, ""
}

// reach finds a registered telephone, and the way to it as that of a carrier: back to where it registered from, as long as that is
// an address of a trunk.
func (s *Server) reach(user string) (*binding, []routing.Trunk) {
	s.registry.mu.Lock()
	b := s.registry.bound[user]
	s.registry.mu.Unlock()
	if b == nil || !b.until.After(s.cfg.Now()) {
		return nil, nil
	}
	t, known := s.trunkOf(b.source.Addr(), secured(b.transport))
	if !known {
		return nil, nil
	}
	t.Out = &routing.WayOut{Target: b.source.String(), Domain: s.at(b.transport).Addr().String()}
	return b, []routing.Trunk{t}
}

// mediaOf is where a telephone's audio comes from, and the only places where any is sent: where it registered from, at the time of the
// call and since, which is proven, and the addresses that its trunk names for media. Its description may name any address on earth.
func (s *Server) mediaOf(b *binding, t routing.Trunk) []netip.Prefix {
	host := func(a netip.Addr) netip.Prefix { a = a.Unmap().WithZone(""); return netip.PrefixFrom(a, a.BitLen()) }
	places := append(slices.Clone(t.Media), host(b.source.Addr()))
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if now := s.registry.bound[b.user]; now != nil && now != b {
		places = append(places, host(now.source.Addr()))
	}
	return places
}

// confine keeps the audio of a telephone where it is, which may have moved since the call began.
func (d *dialog) confine() {
	d.mu.Lock()
	carrier := d.carrier
	d.mu.Unlock()
	if d.phone != nil && carrier != nil {
		d.session.Confine(d.s.mediaOf(d.phone, *carrier))
	}
}
