package trunk

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/tenants/routing"
)

var someone = media.Destination{To: "+16085550199", From: "+16085550101", FromName: "Lakeside \"Cardiology\"\r\nX: y", Call: "c-1"}

// outward gives the node trunks "a", "b" ... with these peers as their carriers.
func (n *node) outward(carriers ...*peer) {
	var trunks []routing.Trunk
	for i, p := range carriers {
		trunks = append(trunks, routing.Trunk{
			Name: string(rune('a' + i)), Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}, Out: &routing.WayOut{Target: p.addr()},
		})
	}
	n.SetTrunks(trunks)
}

// out places a call to someone.
func (n *node) out(t *testing.T) (media.Leg, chan media.Event) {
	t.Helper()
	leg, err := n.Dial(someone)
	if err != nil {
		t.Fatal(err)
	}
	return leg, listen(leg)
}

// says answers a request of the node; with a description when body is not empty.
func (p *peer) says(req *sip.Request, status int, tag, body string, headers ...string) {
	p.t.Helper()
	res := sip.NewResponseFromRequest(req, status, "As Said", nil)
	res.To().Params.Remove("tag") // sipgo makes up one
	if tag != "" {
		res.To().Params.Add("tag", tag)
	}
	if body != "" {
		headers = append(headers, "Content-Type: application/sdp")
		res.SetBody([]byte(body))
	}
	headers = append(headers, "Contact: <sip:them@"+p.addr()+">")
	for _, h := range headers {
		name, val, _ := strings.Cut(h, ": ")
		res.AppendHeader(sip.NewHeader(name, val))
	}
	p.send(res.String())
}

// ended waits for the end and checks its reason.
func ended(t *testing.T, leg media.Leg, events chan media.Event, reason string, status int) {
	t.Helper()
	if e := event(t, events, media.Ended).Ending; e.Reason != reason || e.Status != status {
		t.Errorf("ended %+v, want %s by %d", e, reason, status)
	}
	within(t, leg.Done(), "the leg's end")
}

func TestACallOfOursRingsIsAnsweredHeardAndHungUp(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p, k := n.dial(t, "udp", "127.0.0.1"), mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	if got := invite.From().Value(); !strings.Contains(got, `"Lakeside 'Cardiology'X: y" <sip:+16085550101@127.0.0.1>`) {
		t.Errorf("From: %s", got)
	}
	for name, want := range map[string]string{
		"P-Asserted-Identity": "<sip:+16085550101@127.0.0.1>", "X-Holdfast-Call": "c-1", "Max-Forwards": "70", "Supported": "timer, 100rel", "Session-Expires": "1800;refresher=uac", "X": "",
	} {
		if got := value(invite, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if invite.Recipient.User != someone.To || !strings.Contains(string(invite.Body()), "RTP/AVP 0 8 101") {
		t.Errorf("%s\n%s", invite.Recipient.String(), invite.Body())
	}
	p.says(invite, 100, "", "")
	p.says(invite, 180, "them", "")
	p.says(invite, 180, "them", "")
	event(t, events, media.Ringing)
	p.says(invite, 200, "them", offer(k.Addr().String(), ""))
	if e := within(t, events, "the answer"); e.Kind != media.Connected {
		t.Fatalf("event %d, want Connected", e.Kind)
	}
	if ack := p.request(sip.ACK); ack.CSeq().SeqNo != invite.CSeq().SeqNo || ack.Recipient.User != "them" {
		t.Errorf("ACK %v to %s", ack.CSeq(), ack.Recipient.String())
	}
	p.says(invite, 200, "them", offer(k.Addr().String(), "")) // our ACK was lost
	p.request(sip.ACK)
	heard := mediatest.NewProbe()
	leg.Receive(heard)
	at := offered(t, invite)
	hush := k.Talk(at, 440)
	heard.WaitTone(t, 440, patience)
	hush()
	leg.(media.Keypad).SendDigits("5x#")
	if a, b := k.WaitDigit(patience), k.WaitDigit(patience); a != '5' || b != '#' {
		t.Errorf("keys %c %c", a, b)
	}
	c := theirs(p, invite, "them")
	c.next("INVITE", offer(k.Addr().String(), "a=sendonly\r\n"))
	c.answered("")
	event(t, events, media.Held)
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	ended(t, leg, events, "hangup", 0)
	bye := p.request(sip.BYE)
	p.send(okTo(bye))
	if bye.CSeq().SeqNo <= invite.CSeq().SeqNo {
		t.Errorf("BYE %v after INVITE %v", bye.CSeq(), invite.CSeq())
	}
	waitFor(t, func() bool { return n.Calls() == 0 })
}

// offered is where an INVITE of ours wants its media.
func offered(t *testing.T, invite *sip.Request) netip.AddrPort {
	t.Helper()
	res := sip.NewResponseFromRequest(invite, 200, "OK", nil)
	res.SetBody(invite.Body())
	return portOf(t, res)
}

func TestTheCalledPartyHangsUp(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	p.says(invite, 200, "them", offer("", ""), "Record-Route: <sip:127.0.0.1:9;lr>", "Record-Route: <sip:"+p.addr()+";lr>")
	if ack := p.request(sip.ACK); len(ack.GetHeaders("Route")) != 2 || !strings.Contains(value(ack, "Route"), p.addr()) {
		t.Errorf("the ACK's way: %v", values(ack, "Route"))
	}
	c := theirs(p, invite, "them")
	c.next("BYE", "")
	p.response(sip.BYE, 200)
	ended(t, leg, events, "bye", 0)
}

func TestEarlyMediaIsHeardAndAnAnswerWithoutADescriptionKeepsIt(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p, k := n.dial(t, "udp", "127.0.0.1"), mediatest.NewCarrier(t, "127.0.0.1", media.PCMA)
	n.outward(p)
	leg, events := n.out(t)
	heard := mediatest.NewProbe()
	leg.Receive(heard)
	invite := p.request(sip.INVITE)
	p.says(invite, 183, "them", offer(k.Addr().String(), ""))
	defer k.Talk(offered(t, invite), 1000)()
	heard.WaitTone(t, 1000, patience)
	k.Press(offered(t, invite), '1') // nobody's business before the answer
	p.says(invite, 200, "them", "")
	if e := within(t, events, "the answer"); e.Kind != media.Connected {
		t.Errorf("event %d before the answer", e.Kind)
	}
	heard.Forget()
	heard.WaitTone(t, 1000, patience)
}

func TestWhatTheCalledPartySaysIsAReason(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	for status, reason := range map[int]string{
		486: media.EndedBusy, 600: media.EndedBusy, 480: media.EndedNoAnswer, 603: media.EndedDeclined, 404: media.EndedNoNumber,
		484: media.EndedNoNumber, 403: media.EndedForbidden, 407: media.EndedForbidden, 302: media.EndedUnreachable, 503: media.EndedUnreachable, 699: media.EndedUnreachable,
	} {
		leg, events := n.out(t)
		invite := p.request(sip.INVITE)
		p.says(invite, status, "them", "", "Contact: <sip:elsewhere@127.66.0.1>")
		p.request(sip.ACK)
		ended(t, leg, events, reason, status)
	}
	if free := n.cfg.Media.Sessions(); free != 0 {
		t.Errorf("%d media sessions left", free)
	}
}

func TestNobodyIsRungForEver(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.ring = 100 * time.Millisecond })
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	p.says(invite, 180, "them", "")
	ended(t, leg, events, media.EndedNoAnswer, 0)
	p.send(okTo(p.request(sip.CANCEL)))
	p.says(invite, 487, "them", "")
}

func TestStopWithdrawsWhatStillRings(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	p.says(invite, 180, "them", "")
	event(t, events, media.Ringing)
	go func() {
		p.send(okTo(p.request(sip.CANCEL)))
		p.says(invite, 487, "them", "")
	}()
	n.Stop()
	ended(t, leg, events, "shutdown", 0)
	if _, err := n.Dial(someone); !errors.Is(err, errStopped) {
		t.Errorf("a stopped server dials: %v", err)
	}
}

func TestKeysGoByInfoToWhoTakesNoEvents(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("keys")
	c.invite(strings.ReplaceAll(offer("", ""), " 0 101", " 0"))
	leg := n.answer(t, "keys")
	c.answered("")
	leg.(media.Keypad).SendDigits("7?*")
	for _, want := range "7*" {
		info := p.request(sip.INFO)
		if kind, _ := contentType(info); kind != "application/dtmf-relay" || !strings.Contains(string(info.Body()), fmt.Sprintf("Signal=%c\r\n", want)) {
			t.Errorf("INFO: %s", info)
		}
		p.send(okTo(info))
	}
}

func TestWhatCannotBeDialledIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	if _, err := n.Dial(someone); !errors.Is(err, media.ErrNoRoute) {
		t.Errorf("without a way out: %v", err)
	}
	n.outward(p)
	for _, to := range []media.Destination{
		{}, {To: "+1 608"}, {To: "+1\r\nX: y"}, {To: "a@b"}, {To: "+1", From: "x>"}, {To: "+1", Call: "c\r\n"}, {To: strings.Repeat("1", 40)},
	} {
		if _, err := n.Dial(to); !errors.Is(err, media.ErrNumber) {
			t.Errorf("%+v: %v", to, err)
		}
	}
	n.SetTrunks([]routing.Trunk{{Name: "a", Signal: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Out: &routing.WayOut{Target: p.addr()}}})
	leg, events := n.out(t)
	ended(t, leg, events, media.EndedUnreachable, 0)
}

// FuzzDial lets anybody choose every text of a call to the outside, and of the trunk that it goes through. What Dial takes has as many
// headers as any other call, and the name stands where names stand.
func FuzzDial(f *testing.F) {
	f.Add("+16085550199", "+16085550101", "Lakeside \"Cardiology\"\r\nX: y", "c-1", "carrier.example", "u", "r")
	f.Add("a", "", "\\", "", "", "u\r\nX: y", "r\r\nX: y")
	f.Add("+1\r\nX: y", "x>", "<sip:a@b>;tag=1", "c\r\n", "d\r\nX: y", "\"", "\\")
	f.Add("1%0d%0a", "1;x=y", "\u2028, <", "a b", "d>;x=y", "u", "\x00")
	f.Add("1", "2", "", "", "d\r\nX: y", "u\nX: y", "\r")
	s := &Server{cfg: Config{Now: time.Now, Node: "holdfast"}, door: newDoor(time.Now), local: netip.MustParseAddrPort("127.0.0.1:5060")}
	carrier := routing.Trunk{Name: "a", Signal: prefixesOf("127.0.0.2/32"), Out: &routing.WayOut{Target: "127.0.0.2:5060", Sealed: []byte("x")}}
	request := func(to media.Destination, realm string) *sip.Request {
		o := &outgoing{to: to, dialog: &dialog{s: s, callID: cmp.Or(to.Call, "id")}}
		a := newAttempt(o, carrier, netip.MustParseAddrPort("127.0.0.2:5060"))
		a.digest.given = []given{{challenge: challenge{realm: realm, nonce: "n"}, header: "Authorization"}}
		a.digest.unseal = func(string, []byte) ([]byte, error) { return []byte("p"), nil }
		return a.request([]byte("v=0\r\n"))
	}
	usual := strings.Count(request(someone, "r").String(), "\r\n")
	f.Fuzz(func(t *testing.T, to, from, name, call, domain, user, realm string) {
		d := media.Destination{To: to, From: from, FromName: name, Call: call}
		carrier.Out.Domain, carrier.Out.User = domain, user
		if _, err := s.locate(carrier); err != nil || !fit(d) {
			return
		}
		want := usual
		if from == "" {
			want-- // nobody is asserted
		}
		text := request(d, realm).String()
		if got := strings.Count(text, "\r\n"); got != want || strings.Count(text, "\n") != got || strings.Count(text, "\r") != got {
			t.Fatalf("%d lines, not %d, of %+v:\n%s", got, want, d, text)
		}
		again, err := sip.ParseMessage([]byte(text))
		if err != nil {
			t.Fatalf("%+v cannot be read again: %v", d, err)
		}
		req := again.(*sip.Request)
		if req.Recipient.User != to || req.From() == nil || req.From().Address.User != cmp.Or(from, "anonymous") || len(req.From().Params.Keys()) != 1 {
			t.Errorf("%+v is sent as\n%s", d, text)
		}
	})
}
