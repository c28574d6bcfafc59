package trunk

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
)

func TestACallIsAnsweredTalksAndIsHungUpByTheCaller(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			p := n.dial(t, network, "127.0.0.1")
			c := p.caller("talk")
			audio := mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
			c.invite(offer(audio.Addr().String(), ""), "X-Holdfast-Call: earlier-1", "Diversion: <sip:+16085550001@pbx>;reason=no-answer")
			p.response(sip.INVITE, 100)
			in := n.call(t)
			inv := in.Invite()
			if inv.Trunk != "t" || inv.Transport != network || inv.RequestURI.User != "+16085550101" || inv.From.User != "+16085551234" ||
				inv.From.Display != "Caller" || inv.MaxForwards != 70 || len(inv.EarlierCalls) != 1 || len(inv.Diversions) != 1 || inv.Source.String() != p.addr() {
				t.Errorf("facts: %+v", inv)
			}
			leg, err := in.Answer("call-1")
			if err != nil {
				t.Fatal(err)
			}
			res := c.answered("")
			if got := res.GetHeader("X-Holdfast-Call"); got == nil || got.Value() != "call-1" {
				t.Errorf("X-Holdfast-Call: %v", got)
			}
			events := listen(leg)
			heard := mediatest.NewProbe()
			leg.Receive(heard)
			hush := audio.Talk(portOf(t, res), 440)
			heard.WaitTone(t, 440, patience)
			hush()
			c.next("BYE", "")
			p.response(sip.BYE, 200)
			if e := event(t, events, media.Ended); e.Ending != (media.Ending{By: media.ByPeer, Reason: "bye"}) {
				t.Errorf("ended: %+v", e.Ending)
			}
			within(t, leg.Done(), "the end")
			if leg.Stats().Received == 0 {
				t.Error("nothing was counted")
			}
			c.next("BYE", "")
			p.response(sip.BYE, 481)
		})
	}
}

func TestAHangupOfOursReachesThePeer(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		n := newNode(t)
		p := n.dial(t, network, "127.0.0.1")
		c, leg, events := n.up(t, p, "ours-"+network)
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "second"})
		bye := p.request(sip.BYE)
		from, _ := bye.From().Params.Get("tag")
		to, _ := bye.To().Params.Get("tag")
		if from != c.toTag || to != c.tag || bye.Recipient.User != "caller" {
			t.Errorf("BYE: %s", bye)
		}
		p.send(okTo(bye))
		if e := event(t, events, media.Ended); e.Ending.Reason != "hangup" {
			t.Errorf("ended: %+v", e.Ending)
		}
		within(t, leg.Done(), "the end")
	}
}

func TestABYEFollowsTheRouteSet(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	proxy := n.dial(t, "udp", "127.0.0.2")
	c := p.caller("routes")
	c.invite(offer("", ""), "Record-Route: <sip:"+proxy.addr()+";lr>, <sip:10.255.0.1;lr>", "Record-Route: <sip:10.255.0.2;lr>")
	leg := n.answer(t, "routes")
	if res := c.answered(""); len(res.GetHeaders("Record-Route")) != 3 {
		t.Errorf("the answer lost Record-Routes: %s", res)
	}
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	bye := proxy.request(sip.BYE)
	if got := len(bye.GetHeaders("Route")); got != 3 || bye.Recipient.Host+fmt.Sprint(":", bye.Recipient.Port) != p.addr() {
		t.Errorf("BYE with %d routes: %s", got, bye)
	}
	proxy.send(okTo(bye))
}

func TestAStrictRouterGetsItselfInTheRequestLine(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("strict")
	c.invite(offer("", ""), "Record-Route: <sip:old@"+p.addr()+">, <sip:10.255.0.1;lr>")
	leg := n.answer(t, "strict")
	c.answered("")
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	bye := p.request(sip.BYE)
	routes := bye.GetHeaders("Route")
	if bye.Recipient.User != "old" || len(routes) != 2 || !strings.Contains(routes[1].Value(), "caller@") {
		t.Errorf("BYE: %s", bye)
	}
	p.send(okTo(bye))
}

func TestTheAnswerIsRepeatedUntilTheACK(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		n := newNode(t)
		p := n.dial(t, network, "127.0.0.1")
		c := p.caller("repeat-" + network)
		c.invite(offer("", ""))
		n.answer(t, "repeat")
		first := p.response(sip.INVITE, 200)
		second := p.response(sip.INVITE, 200)
		if first.String() != second.String() {
			t.Errorf("the copy differs:\n%s\n%s", first, second)
		}
		c.answered("")
		drain(p)
		c.next("INFO", "") // an ordered way to see that all before has been dealt with
		p.response(sip.INFO, 200)
		select {
		case m := <-p.in:
			t.Errorf("after the ACK came %s", m)
		case <-time.After(5 * quick.t1):
		}
	}
}

func TestACallerWhoNeverAcknowledgesIsToldBYE(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("noack")
	c.invite(offer("", ""))
	events := listen(n.answer(t, "noack"))
	bye := p.request(sip.BYE)
	p.send(okTo(bye))
	if e := event(t, events, media.Ended); e.Ending != (media.Ending{By: media.ByError, Reason: "no_ack"}) {
		t.Errorf("ended: %+v", e.Ending)
	}
}

func TestABYEOfOursWaitsForTheACK(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("early")
	c.invite(offer("", ""))
	leg := n.answer(t, "early")
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	within(t, leg.Done(), "the end") // media is over at once
	p.response(sip.INVITE, 200)
	for len(p.in) > 0 {
		if req, ok := (<-p.in).(*sip.Request); ok {
			t.Fatalf("%s before the ACK", req.Method)
		}
	}
	c.answered("")
	p.send(okTo(p.request(sip.BYE)))
}

func TestALateOfferIsMadeInTheAnswer(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("late")
	audio := mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
	c.invite("")
	leg := n.answer(t, "late")
	res := c.answered(offer(audio.Addr().String(), ""))
	if !strings.Contains(string(res.Body()), "m=audio") {
		t.Fatalf("no offer in %s", res)
	}
	heard := mediatest.NewProbe()
	leg.Receive(heard)
	defer audio.Talk(portOf(t, res), 440)()
	heard.WaitTone(t, 440, patience)

	without := p.caller("late-none")
	without.invite("")
	events := listen(n.answer(t, "late-none"))
	without.answered("")
	p.send(okTo(p.request(sip.BYE)))
	if e := event(t, events, media.Ended); e.Ending.Reason != "no_answer" {
		t.Errorf("ended: %+v", e.Ending)
	}
}

// What a caller said before it hung up is heard before the call ends, though the node has been too busy to read it until then.
func TestACallEndsOnceAllIsHeardThatTheCallerSaid(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	talk := func(id string, to media.Sink) (c *caller, events chan media.Event, say func(packets int)) {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c = p.caller(id)
		c.invite(offer(conn.LocalAddr().String(), ""))
		leg := n.answer(t, id)
		leg.Receive(to)
		at := net.UDPAddrFromAddrPort(portOf(t, c.answered("")))
		packet := make([]byte, 12+media.FrameBytes)
		packet[0] = 0x80
		return c, listen(leg), func(packets int) {
			for range packets {
				packet[3]++
				if _, err := conn.WriteTo(packet, at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	in, out := make(chan struct{}, 1), make(chan struct{})
	release := sync.OnceFunc(func() { close(out) })
	defer release()
	_, _, hold := talk("holds", sinkFunc(func(media.Frame) { in <- struct{}{}; <-out }))
	heard := mediatest.NewProbe()
	c, events, say := talk("says", heard)
	hold(1)
	within(t, in, "what keeps the node busy")
	const packets = 50
	say(packets)
	c.next("BYE", "")
	p.response(sip.BYE, 200)
	release()
	event(t, events, media.Ended)
	if heard.Frames() != packets {
		t.Errorf("%d packets heard of %d", heard.Frames(), packets)
	}
}

// sinkFunc is a sink.
type sinkFunc func(media.Frame)

func (f sinkFunc) Audio(frame media.Frame) { f(frame) }

func TestACANCELBeforeTheAnswerTakesTheCallBack(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("cancel")
	c.invite(offer("", ""))
	p.response(sip.INVITE, 100)
	in := n.call(t)
	p.send(c.text("CANCEL", 1, c.branch, ""))
	cancelled := p.response(sip.CANCEL, 200)
	terminated := p.response(sip.INVITE, 487)
	a, _ := cancelled.To().Params.Get("tag")
	b, _ := terminated.To().Params.Get("tag")
	if a != b || a == "" {
		t.Errorf("tags differ: %q %q", a, b)
	}
	c.toTag = b
	p.send(c.text("ACK", 1, c.branch, ""))
	within(t, in.Gone(), "the news of it")
	if _, err := in.Answer("x"); !errors.Is(err, media.ErrGone) {
		t.Errorf("answered: %v", err)
	}
	if n.Calls() != 0 || n.waiting() != 0 {
		t.Error("the call is still there")
	}
}

func TestCANCELAndAnswerAtOnceAgreeOnOneOutcome(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	for i := range 60 {
		c := p.caller(fmt.Sprintf("race-%d", i))
		c.invite(offer("", ""))
		in := n.call(t)
		p.send(c.text("CANCEL", 1, c.branch, ""))
		leg, err := in.Answer("race")
		res := p.response(sip.INVITE, 200, 487)
		c.toTag, _ = res.To().Params.Get("tag")
		if (res.StatusCode == 200) != (err == nil) {
			t.Fatalf("the peer got %d, we think %v", res.StatusCode, err)
		}
		if err == nil {
			c.ack("")
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
			p.send(okTo(p.request(sip.BYE)))
		} else {
			p.send(c.text("ACK", 1, c.branch, ""))
		}
	}
}

func TestARefusalIsSentAndKeptInOneLine(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	p.caller("refuse").invite(offer("", ""))
	in := n.call(t)
	in.Refuse(503, "Busy\r\nEvil: yes")
	in.Refuse(486, "Too Late")
	res := p.response(sip.INVITE, 503)
	if res.GetHeader("Evil") != nil || res.GetHeader("Retry-After") == nil {
		t.Errorf("got %s", res)
	}
	if _, err := in.Answer("x"); !errors.Is(err, ErrDecided) {
		t.Errorf("answered: %v", err)
	}
	p.caller("badid").invite(offer("", ""))
	if _, err := n.call(t).Answer("x\r\nEvil: yes"); !errors.Is(err, ErrCallID) {
		t.Errorf("answered: %v", err)
	}
}

func TestAnOfferWithoutOurCodecsIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	for i, body := range []string{
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n",
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n",
		"\n", "c=IN", "v=0\r\n\n\nc=IN\r\nm=audio", "garbage",
	} {
		p.caller(fmt.Sprint("codec-", i)).invite(body)
		if _, err := n.call(t).Answer("x"); !errors.Is(err, media.ErrNoCodec) {
			t.Errorf("%q: %v", body, err)
		}
		p.response(sip.INVITE, 488)
	}
}

func TestCopiesOfAnINVITEMakeOneCall(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("copies")
	for range 5 {
		c.invite(offer("", ""))
	}
	n.answer(t, "copies")
	c.answered("")
	c.invite(offer("", "")) // a copy that was late
	p.send(strings.Replace(c.text("INVITE", 1, "z9hG4bK-other-path", offer("", "")), ";tag="+c.toTag, "", 1))
	res := p.response(sip.INVITE, 482, 200)
	for res.StatusCode == 200 { // copies of the answer
		res = p.response(sip.INVITE, 482, 200)
	}
	if len(n.calls) != 0 || n.Calls() != 1 {
		t.Errorf("%d more calls, %d up", len(n.calls), n.Calls())
	}
}

// TestAnINVITEThatWasRecordedRingsNoSecondTime: a transaction is forgotten after half a minute, and whoever saw the INVITE on the wire
// sends it when it likes.
func TestAnINVITEThatWasRecordedRingsNoSecondTime(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c, _, events := n.up(t, p, "recorded")
	c.next("BYE", "")
	p.response(sip.BYE, 200)
	event(t, events, media.Ended)
	c.toTag, c.branch, c.seq = "", "z9hG4bK-minutes-later", 1
	for deadline := time.Now().Add(patience); n.knowsLive(inviteID{callID: c.id, from: c.tag, seq: 1}); {
		if time.Now().After(deadline) {
			t.Fatal("the call is never over")
		}
		runtime.Gosched()
	}
	n.crowd.mu.Lock()
	n.crowd.let = recent{} // which remembers for less long
	n.crowd.mu.Unlock()
	c.invite(offer("", ""))
	p.response(sip.INVITE, 482)
	if again := n.Dropped()["again"]; len(n.calls) != 0 || again != 1 {
		t.Errorf("%d more calls, %d known", len(n.calls), again)
	}
	waitFor(t, func() bool { // nobody is waited for
		n.crowd.mu.Lock()
		defer n.crowd.mu.Unlock()
		return len(n.crowd.in) == 0
	})
}

// TestAnINVITEThatWasRefusedMayComeAnew: a proxy tries its next way, or another description, with the Call-ID and the number it has.
func TestAnINVITEThatWasRefusedMayComeAnew(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("anew")
	refused := func(status int) {
		t.Helper()
		res := p.response(sip.INVITE, 488, 503)
		for res.StatusCode != status { // copies of the one before
			res = p.response(sip.INVITE, 488, 503)
		}
		c.toTag, _ = res.To().Params.Get("tag")
		p.send(c.text("ACK", c.seq, c.branch, ""))
		c.toTag, c.branch = "", c.branch+"-anew"
	}
	c.invite("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n")
	if _, err := n.call(t).Answer("anew"); !errors.Is(err, media.ErrNoCodec) {
		t.Error(err)
	}
	refused(488)
	c.invite(offer("", ""))
	n.call(t).Refuse(503, "Service Unavailable")
	refused(503)
	c.invite(offer("", ""))
	n.answer(t, "anew")
	c.answered("")
	if again := n.Dropped()["again"]; again != 0 {
		t.Errorf("%d were taken for copies", again)
	}
}

// knowsLive says whether a call still holds its INVITE.
func (n *node) knowsLive(id inviteID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, live := n.invites[id]
	return live
}

func TestAnACKWithTheINVITEsBranchCounts(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("oldack")
	c.invite(offer("", ""))
	leg := n.answer(t, "oldack")
	c.toTag, _ = p.response(sip.INVITE, 200).To().Params.Get("tag")
	p.send(c.text("ACK", 1, c.branch, ""))
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	limit := time.Now().Add(quick.ackLimit / 2)
	p.send(okTo(p.request(sip.BYE)))
	if time.Now().After(limit) {
		t.Error("the BYE did not follow the ACK")
	}
}

func TestAnAnswerLargerThanOneDatagramIsSent(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("large")
	var routes []string
	for i := range 16 {
		routes = append(routes, fmt.Sprintf("Record-Route: <sip:proxy-%02d.a-rather-long-name.carrier.example;lr;ftag=%s>", i, strings.Repeat("x", 80)))
	}
	c.invite(offer("", ""), routes...)
	n.answer(t, "large")
	if res := c.answered(""); len(res.String()) < 2000 || len(res.GetHeaders("Record-Route")) != 16 {
		t.Errorf("answer of %d bytes", len(res.String()))
	}
}

func TestSDPIsFoundBesideOtherParts(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c := p.caller("multipart")
	body := "--b\r\nContent-Type: application/isup;version=itu\r\n\r\n\x01\x02\r\n--b\r\nContent-Type: application/sdp\r\n\r\n" + offer("", "") + "\r\n--b--\r\n"
	c.invite(body, `Content-Type: multipart/mixed;boundary="b"`)
	n.answer(t, "multipart")
	c.answered("")
	p.caller("nosdp").invite("x", "Content-Type: text/plain")
	p.response(sip.INVITE, 415)
	p.caller("packed").invite(offer("", ""), "Content-Encoding: gzip")
	p.response(sip.INVITE, 415)
}
