package trunk

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/tenants/routing"
)

// office knows ada's telephone, and ben's, which knows MD5 only. A secret is its own seal.
type office struct {
	mu    sync.Mutex
	know  map[string]routing.Phone
	news  chan string
	opens int
}

func newOffice() *office {
	secret := func(h func() hash.Hash, user string) []byte {
		return []byte(algorithm{hash: h}.ha1(user, routing.PhoneRealm, "secret"))
	}
	return &office{news: make(chan string, 100), know: map[string]routing.Phone{
		"ada.harbor": {User: "ada", Sealed: secret(sha256.New, "ada.harbor")},
		"ben.harbor": {User: "ben", MD5: true, Sealed: secret(md5.New, "ben.harbor")},
	}}
}

func (o *office) Phone(user string) (routing.Phone, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, ok := o.know[user]
	return p, ok
}

func (o *office) change(user string, p routing.Phone) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.know[user] = p
	if p.User == "" {
		delete(o.know, user)
	}
}

func (o *office) Open(_ string, p routing.Phone) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.opens++; p.User == "" {
		return "", errors.New("nobody")
	}
	return string(p.Sealed), nil
}

// opened is how many secrets were opened since it was asked last.
func (o *office) opened() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer func() { o.opens = 0 }()
	return o.opens
}

func (o *office) Registered(user string, until time.Time) {
	if until.IsZero() {
		o.news <- user + " gone"
		return
	}
	o.news <- user + " here"
}

func (o *office) hears(t *testing.T, want string) {
	t.Helper()
	if got := within(t, o.news, want); got != want {
		t.Fatalf("%q was told, want %q", got, want)
	}
}

// extension is a telephone over a bare socket.
type extension struct {
	p              *peer
	user, password string
	transport      string
	seq            int
}

func (p *peer) extension(user, password string) *extension {
	return &extension{p: p, user: user, password: password, transport: p.caller("x").transport}
}

// register sends a REGISTER and returns its answer; with a challenge, the proof is in it.
func (e *extension) register(challenge string, headers ...string) *sip.Response {
	e.p.t.Helper()
	e.seq++
	if challenge != "" {
		headers = append(headers, "Authorization: "+e.proof(challenge))
	}
	text := strings.NewReplacer("ada.harbor", e.user, "SIP/2.0/UDP", "SIP/2.0/"+e.transport, "branch=z9hG4bK", "branch=z9hG4bK"+e.p.addr()).
		Replace(registering("reg-"+e.p.addr(), e.seq, headers...))
	e.p.send(text)
	return e.p.response(sip.REGISTER, 200, 400, 401, 423, 503)
}

func (e *extension) proof(challenge string) string {
	_, nonce, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	h, name := func() hash.Hash { return sha256.New() }, "SHA-256"
	if strings.Contains(challenge, "MD5") {
		h, name = md5.New, "MD5"
	}
	sum := func(s string) string { x := h(); x.Write([]byte(s)); return hex.EncodeToString(x.Sum(nil)) }
	response := sum(sum(e.user+":holdfast:"+e.password) + ":" + nonce + ":00000001:c:auth:" + sum("REGISTER:sip:127.0.0.1"))
	return fmt.Sprintf(`Digest username="%s", realm="holdfast", nonce="%s", uri="sip:127.0.0.1", response="%s", cnonce="c", nc=00000001, qop=auth, algorithm=%s`,
		e.user, nonce, response, name)
}

// in registers the whole way.
func (e *extension) in(headers ...string) *sip.Response {
	e.p.t.Helper()
	return e.register(value(e.register("", headers...), "WWW-Authenticate"), headers...)
}

const deskContact = "Contact: <sip:ada@10.0.0.7:5060>"

func TestATelephoneProvesWhoItIsAndStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	o := newOffice()
	n := newNode(t, func(s *Server) { s.cfg.Phones = o })
	for _, network := range []string{"udp", "tcp", "tls"} {
		e := n.dial(t, network, "127.0.0.1").extension("ada.harbor", "secret")
		if res := e.in(deskContact, "Expires: 60"); res.StatusCode != 200 || value(res, "Contact") != "<sip:ada@10.0.0.7:5060>;expires=60" {
			t.Errorf("%s: %d %s", network, res.StatusCode, value(res, "Contact"))
		}
		o.hears(t, "ada.harbor here")
		if res := e.in(deskContact, "Expires: 10"); res.StatusCode != 423 || value(res, "Min-Expires") != "60" {
			t.Errorf("%s: %d %s", network, res.StatusCode, value(res, "Min-Expires"))
		}
	}
	ben := n.dial(t, "udp", "127.0.0.1").extension("ben.harbor", "secret")
	if asked := ben.register("", deskContact); strings.Contains(asked.String(), "SHA-256") || ben.register(value(asked, "WWW-Authenticate"), deskContact).StatusCode != 200 {
		t.Error("a telephone that knows MD5 alone")
	}
	o.hears(t, "ben.harbor here")

	shape := func(res *sip.Response) string {
		text := value(res, "WWW-Authenticate")
		for _, a := range []string{"SHA-256", "MD5"} { // which is asked of whom nobody knows is left to chance
			text = strings.Replace(text, a, "X", 1)
		}
		before, nonce, _ := strings.Cut(text, `nonce="`)
		_, after, _ := strings.Cut(nonce, `"`)
		return fmt.Sprint(res.StatusCode, before, after, len(res.GetHeaders("WWW-Authenticate")))
	}
	wrong, nobody := n.dial(t, "udp", "127.0.0.1").extension("ada.harbor", "guess"), n.dial(t, "udp", "127.0.0.1").extension("eve.harbor", "guess")
	o.opened()
	for _, asked := range []bool{true, false} {
		a, b := wrong.register("", deskContact), nobody.register("", deskContact)
		if !asked {
			a, b = wrong.register(value(a, "WWW-Authenticate"), deskContact), nobody.register(value(b, "WWW-Authenticate"), deskContact)
		}
		if shape(a) != shape(b) || a.StatusCode != 401 || strings.Contains(shape(a), "stale") {
			t.Errorf("a wrong password gets %s, a user who is none %s", shape(a), shape(b))
		}
	}
	if opens := o.opened(); opens != 2 {
		t.Errorf("%d secrets were opened for two guesses", opens)
	}
	good := n.dial(t, "udp", "127.0.0.1").extension("ada.harbor", "secret")
	challenge := value(good.register("", deskContact), "WWW-Authenticate")
	good.register(challenge, deskContact)
	o.hears(t, "ada.harbor here")
	if again := good.register(challenge, "Contact: *", "Expires: 0"); again.StatusCode != 401 || !strings.Contains(value(again, "WWW-Authenticate"), "stale=true") {
		t.Errorf("a proof served twice: %d", again.StatusCode)
	}
	stranger := n.dial(t, "udp", "127.66.0.1")
	stranger.send(registering("s", 1, deskContact))
	waitFor(t, func() bool { return n.Dropped()["stranger"] == 1 })
	if len(stranger.in) != 0 || len(o.news) != 0 {
		t.Error("a stranger was answered, or somebody told")
	}
}

func TestARegisteredTelephoneIsCalledWhereItIs(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp", "tls"} {
		o := newOffice()
		n := newNode(t, func(s *Server) { s.cfg.Phones = o })
		to := media.Destination{To: "ada.harbor", Registered: true, From: "+16085550177", FromName: "Lakeside Cardiology", Call: "c-1"}
		if _, err := n.Dial(to); !errors.Is(err, media.ErrNoRoute) {
			t.Errorf("%s: before it registered: %v", network, err)
		}
		p, k := n.dial(t, network, "127.0.0.1"), mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
		e := p.extension("ada.harbor", "secret")
		e.in(deskContact) // behind a NAT: nobody can be called at its contact
		o.hears(t, "ada.harbor here")
		leg, err := n.Dial(to)
		if err != nil {
			t.Fatal(network, err)
		}
		events := listen(leg)
		invite := p.request(sip.INVITE)
		if got := invite.Recipient.String(); got != "sip:ada@10.0.0.7:5060" || !strings.Contains(invite.From().Value(), `"Lakeside Cardiology" <sip:+16085550177@`) {
			t.Errorf("%s: INVITE %s from %s", network, got, invite.From().Value())
		}
		p.says(invite, 180, "them", "")
		event(t, events, media.Ringing)
		res := sip.NewResponseFromRequest(invite, 200, "OK", []byte(offer(k.Addr().String(), "")))
		res.To().Params.Remove("tag")
		res.To().Params.Add("tag", "them")
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		res.AppendHeader(sip.NewHeader("Contact", "<sip:ada@10.0.0.7:5060>"))
		p.send(res.String())
		p.request(sip.ACK)
		event(t, events, media.Connected)
		if network == "udp" { // its time is over, and its call goes on
			e.in("Contact: *", "Expires: 0")
			o.hears(t, "ada.harbor gone")
		}
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
		p.send(okTo(p.request(sip.BYE)))
		ended(t, leg, events, "hangup", 0)
	}
}

func TestATelephoneIsForgottenWhenItsTimeIsOverOrItIsTakenAway(t *testing.T) {
	t.Parallel()
	var clock wall
	clock.set(time.Now())
	o := newOffice()
	n := newNode(t, func(s *Server) { s.cfg.Phones, s.cfg.Now, s.door.now = o, clock.get, clock.get })
	e := n.dial(t, "udp", "127.0.0.1").extension("ada.harbor", "secret")
	ada, _ := o.Phone("ada.harbor")
	for _, goes := range []func(){
		func() { clock.set(clock.get().Add(time.Minute)) },
		func() { o.change("ada.harbor", routing.Phone{}) },
		func() { o.change("ada.harbor", routing.Phone{User: "ada", Sealed: []byte("another")}) },
	} {
		o.change("ada.harbor", ada)
		if res := e.in(deskContact, "Expires: 60"); res.StatusCode != 200 || !staysUntil(n, "ada.harbor").Equal(clock.get().Add(time.Minute)) {
			t.Fatalf("%d, until %s", res.StatusCode, staysUntil(n, "ada.harbor"))
		}
		o.hears(t, "ada.harbor here")
		goes()
		o.hears(t, "ada.harbor gone")
		if _, err := n.Dial(media.Destination{To: "ada.harbor", Registered: true}); !errors.Is(err, media.ErrNoRoute) || !staysUntil(n, "ada.harbor").IsZero() {
			t.Errorf("it is called: %v", err)
		}
	}
	o.change("ada.harbor", ada)
	e.in(deskContact)
	n.SetTrunks([]routing.Trunk{{Name: "t", Signal: []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")}}})
	if _, err := n.Dial(media.Destination{To: "ada.harbor", Registered: true}); !errors.Is(err, media.ErrNoRoute) {
		t.Errorf("called where no trunk is any more: %v", err)
	}
	o.hears(t, "ada.harbor here")
	o.hears(t, "ada.harbor gone")
}

func TestATelephoneThatIsFoundGoneCostsTheNextCallerNoTime(t *testing.T) {
	t.Parallel()
	o := newOffice()
	n := newNode(t, func(s *Server) { s.cfg.Phones, s.timing.noReply = o, 100*time.Millisecond })
	udp := n.dial(t, "udp", "127.0.0.1")
	ada := udp.extension("ada.harbor", "secret")
	call := func() (media.Leg, chan media.Event) {
		t.Helper()
		ada.in(deskContact)
		o.hears(t, "ada.harbor here")
		leg, err := n.Dial(media.Destination{To: "ada.harbor", Registered: true})
		if err != nil {
			t.Fatal(err)
		}
		return leg, listen(leg)
	}
	leg, events := call()
	udp.says(udp.request(sip.INVITE), 503, "them", "")
	ended(t, leg, events, media.EndedUnreachable, 503)
	if staysUntil(n, "ada.harbor").IsZero() {
		t.Error("a telephone that says that it cannot is forgotten")
	}
	leg, events = call()
	udp.request(sip.INVITE) // and nothing is said
	ended(t, leg, events, media.EndedUnreachable, 0)
	if len(o.news) != 1 || !staysUntil(n, "ada.harbor").IsZero() {
		t.Error("a telephone that says nothing is still there when its call has ended")
	}
	o.hears(t, "ada.harbor gone")
	tcp := n.dial(t, "tcp", "127.0.0.1")
	tcp.extension("ada.harbor", "secret").in(deskContact)
	o.hears(t, "ada.harbor here")
	_ = tcp.conn.Close() // it has no power any more, and its exchange says so
	o.hears(t, "ada.harbor gone")
}

func TestATelephoneIsKnownAfterANewStart(t *testing.T) {
	t.Parallel()
	o, file := newOffice(), filepath.Join(t.TempDir(), "telephones")
	node := func(news string) *node {
		n := newNode(t, func(s *Server) { s.cfg.Phones, s.cfg.PhonesFile = o, file })
		if news != "" {
			o.hears(t, news)
		}
		return n
	}
	first := node("")
	ada, ben := first.dial(t, "udp", "127.0.0.1"), first.dial(t, "tcp", "127.0.0.1")
	ada.extension("ada.harbor", "secret").in(deskContact)
	ben.extension("ben.harbor", "secret").in(deskContact)
	o.hears(t, "ada.harbor here")
	o.hears(t, "ben.harbor here")
	until := staysUntil(first, "ada.harbor")
	waitFor(t, func() bool { raw, _ := os.ReadFile(file); return bytes.Contains(raw, []byte("ada.harbor")) })
	first.Stop()
	second := node("ada.harbor here")
	if !staysUntil(second, "ada.harbor").Equal(until) || !staysUntil(second, "ben.harbor").IsZero() {
		t.Errorf("ada until %s, ben until %s", staysUntil(second, "ada.harbor"), staysUntil(second, "ben.harbor"))
	}
	if _, err := second.Dial(media.Destination{To: "ada.harbor", Registered: true}); err != nil {
		t.Error(err)
	}
	second.Stop()
	for _, spoilt := range []string{"", "{", `[{"user":"ada.harbor"}]`, `[{"user":"ada.harbor","contact":"sip:a@b","source":"127.0.0.1:9","until":"2999-01-01T00:00:00Z"}]`} {
		if err := os.WriteFile(file, []byte(spoilt), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := node(""); !staysUntil(n, "ada.harbor").IsZero() || len(o.news) != 0 {
			t.Errorf("%s is believed", spoilt)
		}
	}
}

func TestPasswordsOfTelephonesAreNotGuessedAtFullSpeed(t *testing.T) {
	t.Parallel()
	o := newOffice()
	var clock wall
	clock.set(time.Now())
	n := newNode(t, func(s *Server) { s.cfg.Phones, s.cfg.Now = o, clock.get })
	e := n.dial(t, "tcp", "127.0.0.1").extension("ada.harbor", "guess")
	for range burst * mostRegistered {
		if res := e.register("", deskContact); res.StatusCode != 401 {
			t.Fatal(res.StatusCode)
		}
	}
	if res := e.register("", deskContact); res.StatusCode != 503 || value(res, "Retry-After") == "" {
		t.Errorf("%d", res.StatusCode)
	}
	u := n.dial(t, "udp", "127.0.0.1")
	u.send(registering("flood", 1, deskContact)) // the reader of the socket throws it away, and takes a call
	u.caller("in").invite(offer("", ""))
	n.call(t)
	if n.Dropped()["rate"] != 2 || len(u.in) > 1 {
		t.Errorf("%d were too many, and were told %d things", n.Dropped()["rate"], len(u.in))
	}
	clock.set(clock.get().Add(time.Second))
	if res := e.register("", deskContact); res.StatusCode != 401 {
		t.Errorf("a second later: %d", res.StatusCode)
	}
}

func staysUntil(s interface {
	PhoneAt(user string) (time.Time, netip.AddrPort, string)
}, user string,
) time.Time {
	t, _, _ := s.PhoneAt(user)
	return t
}
