package trunk

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

// nonceLife is how long a nonce of ours may be answered; a caller's side answers within a second.
const nonceLife = time.Minute

// door asks who calls in over a trunk that is known by more than its address (RFC 7616, RFC 8760). Nothing is kept for a
// challenge: what was asked, of whom and when stands in the nonce, sealed. Only answers that were right are kept, while their
// nonce lives, so that none serves twice.
type door struct {
	key [32]byte
	now func() time.Time

	mu    sync.Mutex
	used  map[string]use
	swept time.Time
}

// use is how far a nonce was counted.
type use struct {
	count uint64
	until time.Time
}

func newDoor(now func() time.Time) *door {
	d := &door{now: now, used: make(map[string]use)}
	_, _ = rand.Read(d.key[:]) // never fails (crypto/rand)
	return d
}

// nonce is a fresh one for a trunk and an address: the time, chance, and the seal of both.
func (d *door) nonce(trunk string, from netip.Addr) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(d.now().UnixMilli())) //nolint:gosec // after 1970
	_, _ = rand.Read(b[8:])
	return base64.RawURLEncoding.EncodeToString(append(b[:], d.seal(b[:], trunk, from)...))
}

func (d *door) seal(b []byte, trunk string, from netip.Addr) []byte {
	h := hmac.New(sha256.New, d.key[:])
	_, _ = fmt.Fprintf(h, "%x %q %s", b, trunk, from.Unmap().WithZone(""))
	return h.Sum(nil)[:16]
}

// ours says whether a nonce is of our making for this trunk and address, and until when it lives.
func (d *door) ours(nonce, trunk string, from netip.Addr) (until time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 32 || !hmac.Equal(raw[16:], d.seal(raw[:16], trunk, from)) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw))).Add(nonceLife), true //nolint:gosec // sealed by us
}

// once counts a nonce on; false: it was counted that far before.
func (d *door) once(nonce string, count uint64, until time.Time) bool {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.swept) > nonceLife {
		d.swept = now
		for n, u := range d.used {
			if now.After(u.until) {
				delete(d.used, n)
			}
		}
	}
	if count <= d.used[nonce].count {
		return false
	}
	d.used[nonce] = use{count, until}
	return true
}

// proven is what a request must prove that its sender knows.
type proven struct {
	user, realm string
	algorithms  []string                 // that will do, the best first; they are asked for
	ha1         func(a algorithm) string // the hash of user, realm and password
}

// ofTrunk is what the calls of a trunk must prove. Without a password they are only asked.
func ofTrunk(c *routing.Challenge, password string) proven {
	p := proven{user: c.User, realm: c.Realm, algorithms: asked[:1], ha1: func(a algorithm) string { return a.ha1(c.User, c.Realm, password) }}
	if c.MD5 {
		p.algorithms = asked
	}
	return p
}

// check judges a request's credentials: it may come in, or is to be asked; stale: its credentials are right and only its
// nonce is not good, or not any more: another node gave it, or this one before it started anew. A caller's side that is not
// told so takes its password for wrong and gives up (RFC 7616 section 3.3). Whoever it names, the same is computed and the same is answered.
func (d *door) check(req *sip.Request, who proven, trunk string, from netip.Addr) (in, stale bool) {
	for _, text := range values(req, "Authorization") {
		p, ok := parseProof(text)
		if !ok || !strings.EqualFold(p.realm, who.realm) || !slices.Contains(who.algorithms, p.algorithm.name) {
			continue
		}
		until, known := d.ours(p.nonce, trunk, from)
		right := p.proves(who.user, who.ha1(p.algorithm), string(req.Method))
		if !right || !sameUser(p.uri, req) {
			return false, false
		}
		if !known || d.now().After(until) || !d.once(p.nonce, p.count, until) {
			return false, true
		}
		return true, false
	}
	return false, false
}

// sameUser says whether the proof was made for the number that is called; hosts are rewritten on the way.
func sameUser(uri string, req *sip.Request) bool {
	a, ok := parseAddress("<" + uri + ">")
	b, _ := parseAddress("<" + req.Recipient.String() + ">")
	return ok && a.User == b.User
}

// asked are the algorithms that we ask for: the better first, as RFC 8760 section 2.4 wants it.
var asked = []string{"SHA-256", "MD5"}

// proof is what an Authorization header says.
type proof struct {
	user, realm, nonce, uri, response, cnonce, nc string
	algorithm                                     algorithm
	count                                         uint64
}

// parseProof reads a header; ok is false for all that we did not ask for, the form of RFC 2069 without a counter included.
func parseProof(text string) (p proof, ok bool) {
	parts, ok := digestParts(text)
	index, _ := algorithmOf(parts)
	if !ok || index == len(algorithms) {
		return proof{}, false
	}
	p = proof{
		user: parts["username"], realm: parts["realm"], nonce: parts["nonce"], uri: parts["uri"], response: parts["response"],
		cnonce: parts["cnonce"], nc: parts["nc"], algorithm: algorithms[index],
	}
	count, err := strconv.ParseUint(p.nc, 16, 32)
	p.count = count
	return p, err == nil && len(p.nc) == 8 && parts["qop"] == "auth" && slices.Contains(asked, p.algorithm.name)
}

// proves says whether the response is that of this user, by the hash of who it is and the password. It takes as long for any.
func (p proof) proves(user, ha1, method string) bool {
	want := p.algorithm.response(ha1, method, p.uri, p.nonce, p.nc, p.cnonce, "auth")
	same := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(p.response)))
	return same&subtle.ConstantTimeCompare([]byte(user), []byte(p.user)) == 1
}

// ask is the 401.
func (d *door) ask(who proven, trunk string, from netip.Addr, stale bool) answer {
	a := answer{status: 401, reason: "Unauthorized"}
	nonce := d.nonce(trunk, from)
	for _, name := range who.algorithms {
		text := fmt.Sprintf(`Digest realm=%s, nonce="%s", qop="auth", algorithm=%s`, quote(who.realm), nonce, name)
		if stale {
			text += ", stale=true"
		}
		a.headers = append(a.headers, sip.NewHeader("WWW-Authenticate", text))
	}
	return a
}

// enter lets an INVITE in, or asks who it is; false says that it was asked.
func (s *Server) enter(req *sip.Request, tx *sip.ServerTx, t routing.Trunk, from netip.Addr) bool {
	if t.Ask == nil {
		return true
	}
	if req.GetHeader("Authorization") == nil { // as each call begins: no password need be opened for it
		s.brush(req, tx, s.door.ask(ofTrunk(t.Ask, ""), t.Name, from, false))
		return false
	}
	password, err := []byte(nil), errNoCredentials
	if s.cfg.Unseal != nil {
		password, err = s.cfg.Unseal(t.Name, t.Ask.Sealed)
	}
	if err != nil { // nobody can prove anything: the trunk is set up wrongly, and stays shut
		s.cfg.Log.Error("a trunk's password cannot be opened, so its calls are refused", "trunk", t.Name, "error", clean(err.Error()))
	}
	who := ofTrunk(t.Ask, string(password))
	in, stale := s.door.check(req, who, t.Name, from)
	if in && err == nil {
		return true
	}
	s.brush(req, tx, s.door.ask(who, t.Name, from, stale))
	return false
}

// brush answers without keeping a transaction: a flood must not cost memory. A copy of the request gets another answer.
func (s *Server) brush(req *sip.Request, tx *sip.ServerTx, a answer) {
	_ = tx.Connection().WriteMsg(s.response(req, a))
	tx.Terminate()
}
