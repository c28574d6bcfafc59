package trunk

import (
	"crypto/md5" //nolint:gosec // as the carrier does
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/tenants/routing"
)

func TestDigestIsAsInTheStandard(t *testing.T) {
	t.Parallel()
	// RFC 7616 section 3.9.1.
	for algorithm, want := range map[string]string{
		"MD5":     `response="8ca523f5e9506fed4657c9700eebdbec"`,
		"SHA-256": `response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`,
	} {
		c, ok := parseChallenge(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + algorithm +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
		got := given{challenge: c, count: 1}.credentials(credentials{
			"Mufasa", "Circle of Life", "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
		})
		if !ok || !strings.Contains(got, want) || !strings.Contains(got, "nc=00000001, qop=auth, algorithm="+algorithm) {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
	// RFC 2617 section 3.5 without its qop: the form of RFC 2069.
	c, ok := parseChallenge(`digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"`)
	got := given{challenge: c}.credentials(credentials{"Mufasa", "Circle Of Life", "GET", "/dir/index.html", "x"})
	if want := `response="670fd8c2df070c60b045671b8b24ff02"`; !ok || !strings.Contains(got, want) || strings.Contains(got, "qop") {
		t.Errorf("%s", got)
	}
}

func TestTheBestChallengeOfOurRealmIsTaken(t *testing.T) {
	t.Parallel()
	md5, sha := `Digest realm="us", nonce="m"`, `Digest realm="US", nonce="s", algorithm="SHA-256", qop="auth"`
	for name, c := range map[string]struct {
		headers []string
		nonce   string
		err     error
	}{
		"SHA-256 before MD5":   {[]string{md5, sha}, "s", nil},
		"the only one":         {[]string{md5}, "m", nil},
		"somebody else's":      {[]string{`Digest realm="evil", nonce="m"`}, "", errRealm},
		"ours beside another":  {[]string{`Digest realm="evil", nonce="m", algorithm=SHA-256`, md5}, "m", nil},
		"no digest":            {[]string{`Basic realm="us"`}, "", errChallenge},
		"unknown algorithm":    {[]string{`Digest realm="us", nonce="m", algorithm=SHA3`}, "", errChallenge},
		"only auth-int":        {[]string{`Digest realm="us", nonce="m", qop="auth-int"`}, "", errChallenge},
		"no nonce":             {[]string{`Digest realm="us"`}, "", errChallenge},
		"nothing":              {nil, "", errChallenge},
		"a nonce without end":  {[]string{`Digest realm="us", nonce="` + strings.Repeat("x", 3000) + `"`}, "", errChallenge},
		"a megabyte of commas": {[]string{"Digest " + strings.Repeat(",", 1<<20)}, "", errChallenge},
	} {
		got, err := choose(c.headers, "us")
		if !errors.Is(err, c.err) || err == nil && got.nonce != c.nonce {
			t.Errorf("%s: %q, %v", name, got.nonce, err)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a\"b", nonce="x\\", qop="auth,auth-int", algorithm=MD5, stale=TRUE, opaque=""`)
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseChallenge(text)
		if !ok {
			return
		}
		answer := given{challenge: c, count: 1}.credentials(credentials{"u", "p", "INVITE", "sip:x", "y"})
		back, ok := parseChallenge(answer)
		if !ok || back.nonce != c.nonce || back.realm != c.realm || len(answer) > 8*maxNonce {
			t.Errorf("%q is answered by %q", text, answer)
		}
	})
}

// lock makes the peer a carrier that wants user "u" and password "p".
func (n *node) lock(p *peer) { n.lockAt(p.addr()) }

func (n *node) lockAt(target string) {
	n.cfg.Unseal = func(trunk string, sealed []byte) ([]byte, error) {
		if trunk != "a" || string(sealed) != "sealed" {
			return nil, errors.New("another trunk's")
		}
		return []byte("p"), nil
	}
	n.SetTrunks([]routing.Trunk{{
		Name: "a", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")},
		Out: &routing.WayOut{Target: target, User: "u", Realm: "carrier", Sealed: []byte("sealed")},
	}})
}

// proves checks an answer the way a carrier does.
func proves(req *sip.Request, header string, h func() hash.Hash) error {
	text := value(req, header)
	field := func(name string) string {
		_, after, _ := strings.Cut(text, name+"=")
		after, _, _ = strings.Cut(after, ",")
		return strings.Trim(after, `"`)
	}
	sum := func(s string) string { x := h(); x.Write([]byte(s)); return hex.EncodeToString(x.Sum(nil)) }
	uri := req.Recipient.String()
	want := sum(sum("u:carrier:p") + ":" + field(" nonce") + ":" + field("nc") + ":" + field("cnonce") + ":auth:" + sum(string(req.Method)+":"+uri))
	if field("uri") != uri || field("response") != want {
		return fmt.Errorf("%s: %q, want response %s for %s", header, text, want, uri)
	}
	return nil
}

func TestACarriersChallengesAreAnswered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status    int
		ask, want string
		algorithm string
		hash      func() hash.Hash
	}{
		"the carrier's, MD5":   {401, "WWW-Authenticate", "Authorization", "MD5", md5.New},
		"a proxy's, SHA-256":   {407, "Proxy-Authenticate", "Proxy-Authorization", "SHA-256", sha256.New},
		"the carrier's, again": {401, "WWW-Authenticate", "Authorization", "SHA-256", sha256.New},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			p := n.dial(t, "udp", "127.0.0.1")
			n.lock(p)
			leg, events := n.out(t)
			first := p.request(sip.INVITE)
			if value(first, "Authorization")+value(first, "Proxy-Authorization") != "" {
				t.Error("credentials before anybody asked")
			}
			p.says(first, c.status, "them", "", c.ask+`: Digest realm="carrier", nonce="n1", qop="auth", algorithm=`+c.algorithm)
			second := p.request(sip.INVITE)
			if err := proves(second, c.want, c.hash); err != nil {
				t.Error(err)
			}
			if second.CallID().Value() != first.CallID().Value() || second.CSeq().SeqNo != first.CSeq().SeqNo+1 || branchOf(first) == branchOf(second) {
				t.Errorf("not the same call again: %v, %v", first.CSeq(), second.CSeq())
			}
			p.says(second, c.status, "them", "", c.ask+`: Digest realm="carrier", nonce="n2", stale=true, qop="auth", algorithm=`+c.algorithm)
			third := p.request(sip.INVITE)
			if err := proves(third, c.want, c.hash); err != nil || !strings.Contains(value(third, c.want), `nonce="n2"`) {
				t.Errorf("after a stale nonce: %v", err)
			}
			p.says(third, 200, "them", offer("", ""))
			if ack := p.request(sip.ACK); value(ack, c.want) != value(third, c.want) {
				t.Errorf("ACK with other credentials: %s", ack)
			}
			event(t, events, media.Connected)
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
			p.says(p.request(sip.BYE), c.status, "them", "", c.ask+`: Digest realm="carrier", nonce="n3", qop="auth", algorithm=`+c.algorithm)
			bye := p.request(sip.BYE)
			if err := proves(bye, c.want, c.hash); err != nil || bye.CSeq().SeqNo != 5 {
				t.Errorf("%v: %v", bye.CSeq(), err)
			}
			p.says(bye, c.status, "them", "", c.ask+`: Digest realm="carrier", nonce="n4", qop="auth", algorithm=`+c.algorithm) // once is enough
			ended(t, leg, events, "hangup", 0)
		})
	}
}

func TestCredentialsGoToNobodyElse(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.lock(p)
	for name, challenges := range map[string][]string{
		"of another realm":      {`Digest realm="evil", nonce="n1"`},
		"again, though refused": {`Digest realm="carrier", nonce="n1"`, `Digest realm="carrier", nonce="n2"`},
		"again and again stale": {`Digest realm="carrier", nonce="n1"`, `Digest realm="carrier", nonce="n2", stale=true`, `Digest realm="carrier", nonce="n3", stale=true`},
		"the same nonce, stale": {`Digest realm="carrier", nonce="n1"`, `Digest realm="carrier", nonce="n1", stale=true`},
	} {
		leg, events := n.out(t)
		for _, c := range challenges {
			p.says(p.request(sip.INVITE), 401, "them", "", "WWW-Authenticate: "+c)
			p.request(sip.ACK)
		}
		if e := event(t, events, media.Ended).Ending; e.Reason != media.EndedForbidden || e.Status != 401 {
			t.Errorf("%s: ended %+v", name, e)
		}
		within(t, leg.Done(), "the end")
	}
}

// TestAChallengeWithinACallIsAnsweredToTheCarrierOnly is the digest leak: who is called, or calls, challenges our BYE or
// re-INVITE to get a hash of the trunk's password.
func TestAChallengeWithinACallIsAnsweredToTheCarrierOnly(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.second = 3 * time.Millisecond })
	p := n.dial(t, "udp", "127.0.0.1")
	n.lock(p)
	var handed atomic.Int32
	unseal := n.cfg.Unseal
	n.cfg.Unseal = func(trunk string, sealed []byte) ([]byte, error) {
		handed.Add(1)
		return unseal(trunk, sealed)
	}
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	p.says(invite, 200, "them", offer("", ""), "Session-Expires: 600;refresher=uac")
	p.request(sip.ACK)
	event(t, events, media.Connected)
	p.says(p.request(sip.INVITE), 401, "them", "", `WWW-Authenticate: Digest realm="evil", nonce="n", qop="auth"`)
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p.says(p.request(sip.BYE), 407, "them", "", `Proxy-Authenticate: Digest realm="evil", nonce="n", qop="auth"`)
	ended(t, leg, events, "hangup", 0)
	_, caller, callerEvents := n.up(t, p, "leak") // a caller may name the right realm
	caller.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p.says(p.request(sip.BYE), 401, "", "", `WWW-Authenticate: Digest realm="carrier", nonce="n", qop="auth"`)
	ended(t, caller, callerEvents, "hangup", 0)
	n.Stop() // everything that was to be said has been said
	if handed.Load() != 0 {
		t.Errorf("the password was used %d times", handed.Load())
	}
}

// TestAnotherTrunksPeerIsHandedNoCredentials is the digest leak by way of the Contact: it sends our ACK and BYE to the peer of
// another trunk, whose answers we hear, and who names our carrier's realm.
func TestAnotherTrunksPeerIsHandedNoCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ carrier, other, at string }{
		"another address":        {"127.0.0.1/32", "127.0.0.2/32", "127.0.0.2"},
		"within the carrier's":   {"127.0.0.0/16", "127.0.0.2/32", "127.0.0.2"},
		"the carrier's, another": {"127.0.0.0/30", "127.0.1.0/24", "127.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			p, far := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", c.at)
			n.lock(p)
			trunks := slices.Clone(*n.trunks.Load())
			trunks[0].Signal = []netip.Prefix{netip.MustParsePrefix(c.carrier)}
			n.SetTrunks(append(trunks, routing.Trunk{Name: "b", Signal: []netip.Prefix{netip.MustParsePrefix(c.other)}}))
			leg, events := n.out(t)
			const challenge = `WWW-Authenticate: Digest realm="carrier", nonce="n", qop="auth", algorithm=SHA-256`
			p.says(p.request(sip.INVITE), 401, "them", "", challenge)
			invite := p.request(sip.INVITE)
			if err := proves(invite, "Authorization", sha256.New); err != nil {
				t.Fatal(err)
			}
			far.says(invite, 183, "them", "", "Require: 100rel", "RSeq: 1") // its Contact is far's
			prack := far.request(sip.PRACK)
			far.send(okTo(prack))
			far.says(invite, 200, "them", offer("", ""))
			ack := far.request(sip.ACK)
			event(t, events, media.Connected)
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
			far.says(far.request(sip.BYE), 401, "them", "", challenge)
			ended(t, leg, events, "hangup", 0)
			n.Stop() // everything that was to be said has been said
			got := value(prack, "Authorization") + value(ack, "Authorization")
			for len(far.in) > 0 {
				if req, ok := (<-far.in).(*sip.Request); ok {
					got += value(req, "Authorization")
				}
			}
			if own := name == "the carrier's, another"; own != (got != "") {
				t.Errorf("it is the carrier's: %v, and it was handed %q", own, got)
			}
		})
	}
}
