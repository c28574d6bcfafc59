package trunk

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

// guarded gives the node two trunks that ask for credentials: one for SHA-256 alone at 127.0.0.1, one that takes MD5 at 127.0.0.2.
func guarded(s *Server) {
	s.cfg.Unseal = func(string, []byte) ([]byte, error) { return []byte("p"), nil }
	one := func(addr string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(addr + "/32")} }
	s.SetTrunks([]routing.Trunk{
		{Name: "a", Signal: append(one("127.0.0.1"), one("127.0.0.3")...), Ask: &routing.Challenge{User: "u", Realm: "ours", Sealed: []byte("x")}},
		{Name: "b", Signal: one("127.0.0.2"), Ask: &routing.Challenge{User: "u", Realm: "ours", Sealed: []byte("x"), MD5: true}},
	})
}

// asked sends an INVITE and returns the 401 to it.
func (c *caller) asked(t *testing.T, headers ...string) *sip.Response {
	t.Helper()
	c.branch = fmt.Sprintf("%s-%d", c.branch, c.seq)
	c.invite(offer("", ""), headers...)
	res := c.p.response(sip.INVITE, 401, 200)
	for res.CallID().Value() != c.id { // a copy of the answer to a call before
		res = c.p.response(sip.INVITE, 401, 200)
	}
	if res.StatusCode != 401 {
		t.Fatalf("let in with %q", headers)
	}
	c.p.send(c.text("ACK", c.seq, c.branch, ""))
	c.seq++
	return res
}

// login is the right answer to a challenge, or one that was changed.
func login(text, uri, user, password, nc string) string {
	_, nonce, _ := strings.Cut(text, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	h, name := func() hash.Hash { return sha256.New() }, "SHA-256"
	if strings.Contains(text, "MD5") {
		h, name = md5.New, "MD5"
	}
	sum := func(s string) string { x := h(); x.Write([]byte(s)); return hex.EncodeToString(x.Sum(nil)) }
	response := sum(sum(user+":ours:"+password) + ":" + nonce + ":" + nc + ":c:auth:" + sum("INVITE:"+uri))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="ours", nonce="%s", uri="%s", response="%s", cnonce="c", nc=%s, qop=auth, algorithm=%s`,
		user, nonce, uri, response, nc, name)
}

func TestACallerProvesWhoItIs(t *testing.T) {
	t.Parallel()
	var clock wall
	clock.set(time.Now())
	var opened atomic.Int64
	n := newNode(t, guarded, func(s *Server) {
		s.door.now = clock.get
		s.cfg.Unseal = func(string, []byte) ([]byte, error) { opened.Add(1); return []byte("p"), nil }
	})
	elsewhere := `nonce="` + newDoor(time.Now).nonce("a", netip.MustParseAddr("127.0.0.1")) + `"`
	p, other := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.3")
	c := p.caller("login")
	first := c.asked(t)
	if opened.Load() != 0 {
		t.Error("a password was opened for an INVITE that proves nothing")
	}
	challenges := values(first, "WWW-Authenticate")
	if len(challenges) != 1 || !strings.Contains(challenges[0], `algorithm=SHA-256`) || !strings.Contains(challenges[0], `qop="auth"`) {
		t.Fatalf("challenges %q", challenges)
	}
	good := login(challenges[0], c.uri, "u", "p", "00000001")
	for name, header := range map[string]string{
		"another password":          login(challenges[0], c.uri, "u", "q", "00000001"),
		"another user":              login(challenges[0], c.uri, "x", "p", "00000001"),
		"another number":            login(challenges[0], "sip:+16085550199@127.0.0.1", "u", "p", "00000001"),
		"a nonce of their own":      login(elsewhere, c.uri, "u", "q", "00000001"),
		"MD5, which is not allowed": login(challenges[0]+"MD5", c.uri, "u", "p", "00000001"),
		"without a counter":         strings.Replace(good, "nc=00000001, qop=auth, ", "", 1),
		"another realm":             strings.Replace(good, `realm="ours"`, `realm="theirs"`, 1),
		"nonsense":                  "Authorization: Digest , =\"",
	} {
		if res := c.asked(t, header); strings.Contains(value(res, "WWW-Authenticate"), "stale") {
			t.Errorf("%s: %s", name, value(res, "WWW-Authenticate"))
		}
	}
	moved := other.caller("moved") // the right answer from another address of the same trunk
	if res := moved.asked(t, good); !strings.Contains(value(res, "WWW-Authenticate"), "stale=true") {
		t.Errorf("moved: %s", value(res, "WWW-Authenticate"))
	}
	// A nonce that another node gave, or this one before it started anew: the caller's side must not take its password for wrong.
	if res := c.asked(t, login(elsewhere, c.uri, "u", "p", "00000001")); !strings.Contains(value(res, "WWW-Authenticate"), "stale=true") {
		t.Errorf("a nonce of another node: %s", value(res, "WWW-Authenticate"))
	}
	c.branch += "-good"
	c.invite(offer("", ""), good)
	n.answer(t, "login")
	c.answered("")
	if n.Calls() != 1 || len(n.calls) != 0 {
		t.Fatalf("%d calls, %d more rang", n.Calls(), len(n.calls))
	}
	replay := p.caller("replay") // the INVITE that was seen on the wire, as a call of its own
	if res := replay.asked(t, good); !strings.Contains(value(res, "WWW-Authenticate"), "stale=true") {
		t.Errorf("replayed: %s", value(res, "WWW-Authenticate"))
	}
	clock.set(clock.get().Add(nonceLife + time.Second))
	late := login(value(first, "WWW-Authenticate"), c.uri, "u", "p", "00000002")
	res := replay.asked(t, late)
	if !strings.Contains(value(res, "WWW-Authenticate"), "stale=true") {
		t.Errorf("too late: %s", value(res, "WWW-Authenticate"))
	}
	replay.branch += "-good"
	replay.invite(offer("", ""), login(value(res, "WWW-Authenticate"), c.uri, "u", "p", "00000001"))
	n.answer(t, "replay")
	replay.answered("")
}

func TestATrunkMayTakeMD5BesideTheBetter(t *testing.T) {
	t.Parallel()
	n := newNode(t, guarded)
	p := n.dial(t, "udp", "127.0.0.2")
	c := p.caller("md5")
	challenges := values(c.asked(t), "WWW-Authenticate")
	if len(challenges) != 2 || !strings.Contains(challenges[0], "SHA-256") || !strings.Contains(challenges[1], "MD5") {
		t.Fatalf("challenges %q", challenges)
	}
	c.branch += "-good"
	c.invite(offer("", ""), login(challenges[1], c.uri, "u", "p", "00000001"))
	n.answer(t, "md5")
	c.answered("")
	p.send(p.caller("o").text("OPTIONS", 1, "z9hG4bK-o1", "")) // whether we are there is no secret
	p.response(sip.OPTIONS, 200)
}

// TestAnUnknownUserIsToldNothingMore is enumeration: code, text and work are those of a wrong password.
func TestAnUnknownUserIsToldNothingMore(t *testing.T) {
	t.Parallel()
	n := newNode(t, guarded)
	c := n.dial(t, "udp", "127.0.0.1").caller("enum")
	challenge := value(c.asked(t), "WWW-Authenticate")
	differs := regexp.MustCompile(`(nonce="|branch=|tag=|CSeq: )[^";\s]*`) // from one request to the next
	told := func(header string) string { return differs.ReplaceAllString(c.asked(t, header).String(), "$1") }
	wrong, unknown := told(login(challenge, c.uri, "u", "q", "00000001")), told(login(challenge, c.uri, "nobody", "q", "00000001"))
	if wrong != unknown {
		t.Errorf("a wrong password:\n%s\nan unknown user:\n%s", wrong, unknown)
	}
}

// TestAnUnknownUserWaitsAsLong is enumeration by the clock. The long run has enough of them to find a microsecond.
func TestAnUnknownUserWaitsAsLong(t *testing.T) {
	tries := 200
	if os.Getenv("HOLDFAST_LONG") != "" {
		tries = 10_000
	}
	n := newNode(t, guarded)
	c := n.dial(t, "udp", "127.0.0.1").caller("clock")
	challenge := value(c.asked(t), "WWW-Authenticate")
	headers := [2]string{login(challenge, c.uri, "u", "q", "00000001"), login(challenge, c.uri, "x", "q", "00000001")}
	var took [2][]float64 // of a user that there is, and of one that there is not; in microseconds
	for i := range 2 * tries {
		who := i % 2
		if i/2%2 == 1 {
			who = 1 - who // neither is always the second
		}
		c.branch = "z9hG4bK-clock" // asked makes it another each time
		from := time.Now()
		c.asked(t, headers[who])
		took[who] = append(took[who], float64(time.Since(from).Nanoseconds())/1e3)
	}
	indistinct(t, took)
}

// indistinct checks that two samples, in microseconds, are of one distribution; by their ranks only where there are enough of them.
func indistinct(t *testing.T, took [2][]float64) {
	t.Helper()
	tries, z := len(took[0]), separation(took[0], took[1])
	known, unknown := took[0][tries/2], took[1][tries/2]
	t.Logf("%d each: median %.1f and %.1f us, z = %.2f", tries, known, unknown, z)
	if diff := math.Abs(known - unknown); diff > 1000 {
		t.Errorf("the medians are %.1f us apart", diff)
	}
	if math.Abs(z) > 2.58 && tries >= 10_000 { // p < 0.01
		t.Errorf("z = %.2f: who exists can be told by the clock", z)
	}
}

// TestAnUnknownTelephoneWaitsAsLong is the same for those who register.
func TestAnUnknownTelephoneWaitsAsLong(t *testing.T) {
	tries := 200
	if os.Getenv("HOLDFAST_LONG") != "" {
		tries = 10_000
	}
	var clock wall
	clock.set(time.Now())
	n := newNode(t, func(s *Server) { s.cfg.Phones, s.cfg.Now = newOffice(), clock.get })
	p := n.dial(t, "udp", "127.0.0.1")
	who := [2]*extension{p.extension("ada.harbor", "guess"), p.extension("eve.harbor", "guess")}
	challenge := value(who[0].register("", deskContact), "WWW-Authenticate")
	var took [2][]float64
	var said [2]string
	for i := range 2 * tries {
		which := (i + i/2) % 2 // neither is always the second
		clock.set(clock.get().Add(time.Second / mostRegistered * 2))
		who[1-which].seq = who[which].seq // they share a Call-ID
		from := time.Now()
		res := who[which].register(challenge, deskContact)
		took[which] = append(took[which], float64(time.Since(from).Nanoseconds())/1e3)
		who[1-which].seq = who[which].seq
		said[which] = fmt.Sprint(res.StatusCode, res.Reason, len(res.Headers()), string(res.Body()))
		challenge = value(res, "WWW-Authenticate")
	}
	if said[0] != said[1] || !strings.HasPrefix(said[0], "401") {
		t.Errorf("told %q, and who is nobody %q", said[0], said[1])
	}
	indistinct(t, took)
}

// separation sorts two samples and tells how far their ranks are apart, in standard deviations (Mann-Whitney).
func separation(a, b []float64) float64 {
	slices.Sort(a)
	slices.Sort(b)
	below, equal := 0.0, 0.0
	for _, v := range a {
		lo, _ := slices.BinarySearch(b, v)
		hi := lo
		for hi < len(b) && b[hi] == v {
			hi++
		}
		below, equal = below+float64(lo), equal+float64(hi-lo)
	}
	m, n := float64(len(a)), float64(len(b))
	return (below + equal/2 - m*n/2) / math.Sqrt(m*n*(m+n+1)/12)
}

// wall is a clock that the test sets.
type wall struct{ at atomic.Pointer[time.Time] }

func (w *wall) set(t time.Time) { w.at.Store(&t) }
func (w *wall) get() time.Time  { return *w.at.Load() }

func FuzzProof(f *testing.F) {
	f.Add(login(`nonce="n"`, "sip:x@y", "u", "p", "00000001")[len("Authorization: "):])
	f.Add(`Digest username="\", nc=ffffffff, qop=auth`)
	f.Fuzz(func(_ *testing.T, text string) {
		if p, ok := parseProof(text); ok {
			p.proves("u", p.algorithm.ha1("u", "ours", "p"), "INVITE")
		}
	})
}
