package trunk

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
)

// theirs is the called side of an INVITE of ours, as who may send requests.
func theirs(p *peer, invite *sip.Request, tag string) *caller {
	c := &caller{
		p: p, id: invite.CallID().Value(), tag: tag, branch: "z9hG4bK-" + tag, transport: "UDP",
		uri: "sip:x@127.0.0.1", to: "sip:x@127.0.0.1",
	}
	c.toTag, _ = invite.From().Params.Get("tag")
	return c
}

func TestReliableRingingIsConfirmedInOrder(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p, k := n.dial(t, "udp", "127.0.0.1"), mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	reliable := func(status int, rseq, body string) {
		p.says(invite, status, "them", body, "Require: 100rel", "RSeq: "+rseq, "Record-Route: <sip:"+p.addr()+";lr>")
	}
	confirmed := func(rack string, seq uint32) {
		t.Helper()
		req := p.request(sip.PRACK)
		if got := value(req, "RAck"); got != rack || req.CSeq().SeqNo != seq || req.Recipient.User != "them" || len(req.GetHeaders("Route")) != 1 {
			t.Fatalf("want RAck %s, CSeq %d:\n%s", rack, seq, req)
		}
		p.says(req, 200, "", "")
	}
	reliable(183, "100", offer("", ""))
	confirmed("100 1 INVITE", 2)
	for _, rseq := range []string{"100", "102", "0", "-1", "4294967296", "", "x"} { // a copy, one too early, and nonsense
		reliable(180, rseq, "")
	}
	other := theirs(p, invite, "other") // of a fork, and not reliable
	p.says(invite, 183, "other", offer("", ""))
	for other.next("UPDATE", offer("", "")); p.response(sip.UPDATE, 481, 491).StatusCode == 481; {
		other.next("UPDATE", offer("", "")) // the 183 is still under way
	}
	reliable(180, "101", "")
	confirmed("101 1 INVITE", 3)
	event(t, events, media.Ringing)
	c := theirs(p, invite, "them")
	c.next("UPDATE", "")
	if res := p.response(sip.UPDATE, 200); len(res.Body()) != 0 {
		t.Errorf("an answer to nothing: %s", res)
	}
	c.next("UPDATE", offer(k.Addr().String(), "")) // from the announcement to the telephone
	p.response(sip.UPDATE, 200)
	heard := mediatest.NewProbe()
	leg.Receive(heard)
	hush := k.Talk(offered(t, invite), 440)
	heard.WaitTone(t, 440, patience)
	hush()
	p.send(c.text("UPDATE", c.seq, "z9hG4bK-replay", ""))
	p.response(sip.UPDATE, 500)
	p.says(invite, 200, "them", "")
	if ack := p.request(sip.ACK); ack.CSeq().SeqNo != 1 {
		t.Errorf("ACK %v", ack.CSeq())
	}
	event(t, events, media.Connected)
	p.send(c.text("UPDATE", c.seq, "z9hG4bK-replay-2", "")) // the numbers go on after the answer
	p.response(sip.UPDATE, 500)
	other.next("UPDATE", "")
	p.response(sip.UPDATE, 481)
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	bye := p.request(sip.BYE)
	if bye.CSeq().SeqNo != 4 {
		t.Errorf("BYE %v", bye.CSeq())
	}
	p.send(okTo(bye))
	ended(t, leg, events, "hangup", 0)
}

// TestAChangeBeforeTheAnswerOverTLSIsTakenOverTLS is about the Contact of our 200: the peer's BYE would go there.
func TestAChangeBeforeTheAnswerOverTLSIsTakenOverTLS(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	at, calls := exchange(t, trusted().issue(time.Now().Add(time.Hour), "carrier.example"))
	n.outTLS(at, nil)
	_, events := n.out(t)
	p := within(t, calls, "a connection")
	invite := p.request(sip.INVITE)
	p.says(invite, 180, "them", "")
	event(t, events, media.Ringing)
	c := theirs(p, invite, "them")
	c.transport = "TLS"
	c.next("UPDATE", "")
	if got, want := value(p.response(sip.UPDATE, 200), "Contact"), value(invite, "Contact"); got != want {
		t.Errorf("Contact: %s, not %s", got, want)
	}
}

func TestACallerThatRequiresReliableRingingIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("100rel")
	c.invite(offer("", ""), "Require: 100rel, timer", "Supported: timer")
	n.answer(t, "100rel")
	if res := c.answered(""); !strings.Contains(value(res, "Supported"), "100rel") {
		t.Errorf("Supported: %s", value(res, "Supported"))
	}
	c.next("PRACK", "", "RAck: 1 1 INVITE") // of what we never sent
	p.response(sip.PRACK, 481)
	c = p.caller("replaces")
	c.invite(offer("", ""), "Require: 100rel, Replaces", "Require: path")
	if res := p.response(sip.INVITE, 420); value(res, "Unsupported") != "Replaces, path" {
		t.Errorf("Unsupported: %s", value(res, "Unsupported"))
	}
}
