package trunk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
)

func TestRequestsWithinACallKeepTheirOrder(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c, _, events := n.up(t, p, "order")
	c.seq = 10
	c.next("INFO", "Signal=5\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay")
	p.response(sip.INFO, 200)
	if e := event(t, events, media.Digit); e.Digit != '5' {
		t.Errorf("digit %q", e.Digit)
	}
	for _, seq := range []int{11, 3} { // the same number by another path, and a lower one
		p.send(c.text("INFO", seq, fmt.Sprintf("z9hG4bK-again-%d", seq), "Signal=6", "Content-Type: application/dtmf-relay"))
		p.response(sip.INFO, 500)
	}
	p.send(c.text("BYE", 2, "z9hG4bK-low", ""))
	p.response(sip.BYE, 500)
	stranger := p.caller("order")
	stranger.toTag = "wrong"
	stranger.next("BYE", "")
	p.response(sip.BYE, 481)
	stranger.next("INVITE", offer("", ""))
	p.response(sip.INVITE, 481)
}

func TestAnINFOOfAnyShapeIsSurvived(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c, _, events := n.up(t, p, "info")
	bare := func(body string, want int) {
		t.Helper()
		c.seq++
		text := c.text("INFO", c.seq, fmt.Sprint("z9hG4bK-info-", c.seq), "x", "Content-Type: remove/me")
		text = strings.Replace(text, "Content-Type: remove/me\r\n", "", 1)
		text = strings.Replace(text, "Content-Length: 1", fmt.Sprint("Content-Length: ", len(body)), 1)
		p.send(strings.TrimSuffix(text, "x") + body)
		p.response(sip.INFO, want)
	}
	bare("", 200)
	bare("Signal=1", 415)
	c.next("INFO", "#", "Content-Type: application/dtmf")
	p.response(sip.INFO, 200)
	if e := event(t, events, media.Digit); e.Digit != '#' {
		t.Errorf("digit %q", e.Digit)
	}
	for _, body := range []string{"Signal=", "Signal=!", "=", "\x00\xff", "Signal=99"} {
		c.next("INFO", body, "Content-Type: application/dtmf-relay")
		p.response(sip.INFO, 200)
	}
	c.next("INFO", "<xml/>", "Content-Type: application/media_control+xml")
	p.response(sip.INFO, 415)
	for _, method := range []string{"NOTIFY", "REFER", "MESSAGE", "PUBLISH"} {
		c.next(method, "")
		p.response(sip.RequestMethod(method), 405)
	}
	if len(events) != 0 {
		t.Errorf("unexpected %+v", <-events)
	}
}

func TestThePeerHoldsAndTakesBack(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c, _, events := n.up(t, p, "hold")
	steps := []struct {
		body, want string
		kind       media.EventKind
	}{
		{offer("", "a=sendonly\r\n"), "a=recvonly", media.Held},
		{offer("", "a=inactive\r\n"), "a=inactive", 0},
		{offer("", "a=sendrecv\r\n"), "a=sendrecv", media.Resumed},
		{strings.Replace(offer("", ""), "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0", 1), "m=audio", media.Held},
	}
	for _, s := range steps {
		c.next("INVITE", s.body)
		if res := c.answered(""); !strings.Contains(string(res.Body()), s.want) {
			t.Errorf("answer to %q: %s", s.body, res.Body())
		}
		if s.kind != 0 {
			event(t, events, s.kind)
		}
	}
	c.next("INVITE", "garbage") // the call stays as it is
	p.response(sip.INVITE, 488)
	p.send(c.text("ACK", c.seq, fmt.Sprintf("%s-%d", c.branch, c.seq), ""))
	if n.Calls() != 1 {
		t.Error("the call is gone")
	}
}

func TestAReINVITEMovesTheMedia(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c, leg, _ := n.up(t, p, "move")
	audio := mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
	c.next("INVITE", offer(audio.Addr().String(), ""))
	res := c.answered("")
	heard := mediatest.NewProbe()
	leg.Receive(heard)
	hush := audio.Talk(portOf(t, res), 440)
	heard.WaitTone(t, 440, patience)
	hush()
	c.next("INVITE", "")                                                          // the question for our offer
	for res = c.p.response(sip.INVITE, 200); res.CSeq().SeqNo != uint32(c.seq); { // a copy of the last 200
		res = c.p.response(sip.INVITE, 200)
	}
	if !strings.Contains(string(res.Body()), "m=audio") {
		t.Errorf("no offer: %s", res)
	}
	p.send(c.text("INVITE", c.seq+1, "z9hG4bK-glare", offer("", "")))
	for p.response(sip.INVITE, 491, 200).StatusCode != 491 {
	}
	c.ack(offer(audio.Addr().String(), ""))
	c.seq++
	hush = audio.Talk(portOf(t, res), 1000)
	heard.WaitTone(t, 1000, patience)
	hush()
}
