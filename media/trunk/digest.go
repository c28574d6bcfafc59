package trunk

import (
	"crypto/md5" //nolint:gosec // carriers still ask for it (RFC 2617); SHA-256 is preferred wherever it is offered
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

// Why a challenge is not answered.
var (
	errNoCredentials = errors.New("the trunk has no user and password")
	errRealm         = errors.New("the challenge is of a realm that is not the trunk's")
	errRefused       = errors.New("the credentials were refused")
	errChallenge     = errors.New("no challenge that we can answer")
)

const (
	maxRounds = 2    // of challenge and answer in one attempt: a proxy and the carrier behind it, or a stale nonce
	maxNonce  = 1024 // bytes of what a challenge wants back
)

// algorithm is one that credentials are made with.
type algorithm struct {
	name string
	hash func() hash.Hash
}

// algorithms are those that we can, best first (RFC 8760 section 2.3).
var algorithms = []algorithm{{"SHA-512-256", sha512.New512_256}, {"SHA-256", sha256.New}, {"MD5", md5.New}}

// algorithmOf finds an algorithm by its name, as an index of algorithms, or their number; what is not named is MD5.
func algorithmOf(parts map[string]string) (index int, named bool) {
	name, named := parts["algorithm"]
	if !named {
		return len(algorithms) - 1, false
	}
	for i, a := range algorithms {
		if strings.EqualFold(name, a.name) {
			return i, true
		}
	}
	return len(algorithms), true
}

// proof computes what shows that the password is known (RFC 7616 section 3.4.1); nonce is all that goes between the two
// inner hashes.
func (a algorithm) proof(c credentials, realm string, nonce ...string) string {
	return a.response(a.ha1(c.user, realm, c.password), c.method, c.uri, nonce...)
}

// response is the proof of whoever has only the hash of user, realm and password.
func (a algorithm) response(ha1, method, uri string, nonce ...string) string {
	return a.sum(ha1, strings.Join(nonce, ":"), a.sum(method, uri))
}

// ha1 is that hash (RFC 7616 section 3.4.2), hexadecimal.
func (a algorithm) ha1(user, realm, password string) string { return a.sum(user, realm, password) }

func (a algorithm) sum(parts ...string) string {
	h := a.hash()
	_, _ = h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// digestParts reads the parameters of a challenge or its answer, by their names in small letters; ok is false for all but
// Digest, and for what is too long.
func digestParts(text string) (parts map[string]string, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if !strings.EqualFold(scheme, "Digest") || len(rest) > 4*maxNonce {
		return nil, false
	}
	parts = make(map[string]string, 8)
	for _, part := range split(rest, ',', maxOfKind) {
		name, val, _ := strings.Cut(part, "=")
		parts[strings.ToLower(strings.TrimSpace(name))] = unquote(strings.TrimSpace(val))
	}
	return parts, true
}

// digest answers the challenges of one trunk (RFC 7616, RFC 8760). Our password leaves as a hash only, and only for the
// realm that was configured: a challenge that a carrier merely passes on from somebody else is not answered, or that party
// could try passwords at its leisure.
type digest struct {
	way    *routing.WayOut
	name   string // of the trunk
	unseal func(trunk string, sealed []byte) ([]byte, error)
	rounds int
	given  []given
}

// given is one challenge that we answer, in every request from now on.
type given struct {
	challenge
	header string // in which we answer
	count  int    // requests that used the nonce
}

// challenge is what a WWW-Authenticate or Proxy-Authenticate says.
type challenge struct {
	realm, nonce, opaque string
	algorithm            int  // index of algorithms
	named                bool // the algorithm was said, and is said in the answer
	auth                 bool // qop=auth was offered; otherwise the form of RFC 2069
	stale                bool
}

// take reads the challenge of a 401 or 407.
func (g *digest) take(res *sip.Response) error {
	ask, header := "WWW-Authenticate", "Authorization"
	if res.StatusCode == 407 {
		ask, header = "Proxy-Authenticate", "Proxy-Authorization"
	}
	if g.way.User == "" || len(g.way.Sealed) == 0 || g.unseal == nil {
		return errNoCredentials
	}
	realm := g.way.Realm
	if realm == "" {
		realm = domainOf(g.way)
	}
	best, err := choose(values(res, ask), realm)
	if err != nil {
		return err
	}
	for i, before := range g.given {
		if before.header != header {
			continue
		}
		if !best.stale || best.nonce == before.nonce { // asked again, and not because time went by
			return errRefused
		}
		g.given = append(g.given[:i], g.given[i+1:]...)
		break
	}
	if g.rounds++; g.rounds > maxRounds {
		return errRefused
	}
	g.given = append(g.given, given{challenge: best, header: header})
	return nil
}

// choose takes the best of several challenges that is of our realm.
func choose(headers []string, realm string) (challenge, error) {
	found, foreign := challenge{algorithm: len(algorithms)}, ""
	for _, h := range headers[:min(len(headers), maxOfKind)] {
		c, ok := parseChallenge(h)
		switch {
		case !ok:
		case !strings.EqualFold(c.realm, realm):
			foreign = c.realm
		case c.algorithm < found.algorithm:
			found = c
		}
	}
	switch {
	case found.algorithm < len(algorithms):
		return found, nil
	case foreign != "":
		return found, fmt.Errorf("%w: %q, want %q", errRealm, foreign, realm)
	}
	return found, errChallenge
}

// parseChallenge reads one challenge; ok is false for what we cannot answer.
func parseChallenge(text string) (c challenge, ok bool) {
	parts, ok := digestParts(text)
	if !ok {
		return challenge{}, false
	}
	c.realm, c.nonce, c.opaque, c.stale = parts["realm"], parts["nonce"], parts["opaque"], strings.EqualFold(parts["stale"], "true")
	c.algorithm, c.named = algorithmOf(parts)
	qop := parts["qop"]
	for _, q := range strings.Split(qop, ",") {
		c.auth = c.auth || strings.EqualFold(strings.TrimSpace(q), "auth")
	}
	fits := len(c.nonce) <= maxNonce && len(c.opaque) <= maxNonce && len(c.realm) <= maxText &&
		!strings.ContainsAny(c.nonce+c.opaque+c.realm, "\r\n\x00") // what quote would leave out is not what they asked for
	return c, c.nonce != "" && c.algorithm < len(algorithms) && fits && (qop == "" || c.auth)
}

// headers are the answers that go into the next request.
func (g *digest) headers(method, uri string) []sip.Header {
	if len(g.given) == 0 {
		return nil
	}
	password, err := g.unseal(g.name, g.way.Sealed)
	if err != nil {
		return nil // the next challenge says that it was refused
	}
	all := make([]sip.Header, 0, len(g.given))
	for i := range g.given {
		g.given[i].count++
		var fresh [16]byte
		_, _ = rand.Read(fresh[:]) // never fails (crypto/rand)
		all = append(all, sip.NewHeader(g.given[i].header, g.given[i].credentials(
			credentials{g.way.User, string(password), method, uri, hex.EncodeToString(fresh[:])})))
	}
	return all
}

// credentials is what goes into the answer beside the challenge.
type credentials struct{ user, password, method, uri, cnonce string }

// credentials computes the answer to a challenge (RFC 7616 section 3.4).
func (g given) credentials(c credentials) string {
	by := algorithms[g.algorithm]
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s`, quote(c.user), quote(g.realm), quote(g.nonce), quote(c.uri))
	if g.auth {
		count := fmt.Sprintf("%08x", g.count)
		_, _ = fmt.Fprintf(&b, `, response="%s", cnonce="%s", nc=%s, qop=auth`,
			by.proof(c, g.realm, g.nonce, count, c.cnonce, "auth"), c.cnonce, count)
	} else {
		_, _ = fmt.Fprintf(&b, `, response="%s"`, by.proof(c, g.realm, g.nonce))
	}
	if g.named {
		_, _ = fmt.Fprintf(&b, `, algorithm=%s`, by.name)
	}
	if g.opaque != "" {
		_, _ = fmt.Fprintf(&b, `, opaque=%s`, quote(g.opaque))
	}
	return b.String()
}

// quote writes a quoted-string (RFC 3261 section 25.1). What would end the line is left out, whoever wrote it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "", "\x00", "").Replace(s) + `"`
}
