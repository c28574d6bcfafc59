package trunk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
)

func TestSessionsLastAsRFC4028Says(t *testing.T) {
	t.Parallel()
	const can = "Supported: timer"
	for _, c := range []struct {
		name    string
		headers []string
		answer  string // Session-Expires of our 200, or the status
		require string
		ours    bool
	}{
		{"nobody speaks of timers", nil, "", "", false},
		{"they can: we ask and refresh", []string{can}, "1800;refresher=uas", "timer", true},
		{"they can, and list it", []string{"Supported: replaces, Timer,path"}, "1800;refresher=uas", "timer", true},
		{"compact", []string{"k: timer", "x: 600"}, "600;refresher=uas", "timer", true},
		{"they choose us", []string{can, "Session-Expires: 600;refresher=uas"}, "600;refresher=uas", "timer", true},
		{"they choose themselves", []string{can, "Session-Expires: 600 ; Refresher = UAC"}, "600;refresher=uac", "timer", false},
		{"they require it", []string{"Require: timer", "Session-Expires: 600;refresher=uac"}, "600;refresher=uac", "timer", false},
		{"a day is too long", []string{can, "Session-Expires: 86400"}, "1800;refresher=uas", "timer", true},
		{"but not shorter than they bear", []string{can, "Session-Expires: 86400", "Min-SE: 3600"}, "3600;refresher=uas", "timer", true},
		{"a Min-SE above what they ask", []string{can, "Session-Expires: 600", "Min-SE: 3600"}, "600;refresher=uas", "timer", true},
		{"nothing asked, a Min-SE said", []string{can, "Min-SE: 2000"}, "2000;refresher=uas", "timer", true},
		{"a proxy asks for a caller that cannot", []string{"Session-Expires: 600"}, "600;refresher=uas", "", true},
		{"a proxy asks, and chooses who cannot", []string{"Session-Expires: 600;refresher=uac"}, "600;refresher=uas", "", true},
		{"a proxy asks for too little", []string{"Session-Expires: 30"}, "", "", false},
		{"too little", []string{can, "Session-Expires: 89"}, "422", "", false},
		{"just enough", []string{can, "Session-Expires: 90"}, "90;refresher=uas", "timer", true},
		{"no number", []string{can, "Session-Expires: soon"}, "1800;refresher=uas", "timer", true},
		{"nothing", []string{can, "Session-Expires: 0"}, "1800;refresher=uas", "timer", true},
		{"below nothing", []string{can, "Session-Expires: -5"}, "1800;refresher=uas", "timer", true},
		{"more than anybody lives", []string{can, "Session-Expires: 99999999999999999999"}, "1800;refresher=uas", "timer", true},
		{"who is nobody", []string{can, "Session-Expires: 600;refresher=proxy"}, "600;refresher=uas", "timer", true},
	} {
		w := wishOf(requestWith(t, c.headers...))
		if refused := w.tooShort(); refused.status != 0 {
			if got := fmt.Sprint(refused.status); got != c.answer || refused.headers[0].Value() != "90" {
				t.Errorf("%s: refused by %s", c.name, got)
			}
			continue
		}
		granted := w.grant()
		res := sip.NewResponse(200, "OK")
		for _, h := range granted.headers(w) {
			res.AppendHeader(h)
		}
		if got := value(res, "Session-Expires"); got != c.answer || value(res, "Require") != c.require || granted.ours != c.ours {
			t.Errorf("%s: %q, Require %q, ours %v", c.name, got, value(res, "Require"), granted.ours)
		}
	}
}

func TestASessionIsRefreshedAtHalfAndEndsInTime(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int][2]int{90: {45, 60}, 96: {48, 64}, 600: {300, 568}, 1800: {900, 1768}} {
		granted := term{seconds, true}
		if at, end := granted.refreshAt(time.Second), granted.endAt(time.Second); at != time.Duration(want[0])*time.Second || end != time.Duration(want[1])*time.Second {
			t.Errorf("%d s: refreshed at %v, ended at %v", seconds, at, end)
		}
	}
	for _, c := range []struct {
		said   string
		before term
		want   term
	}{
		{"", term{}, term{}},
		{"", term{600, true}, term{600, true}}, // the peer has no timers: a proxy asked
		{"", term{600, false}, term{}},
		{"600", term{}, term{600, true}},
		{"600;refresher=uac", term{}, term{600, true}},
		{"600;refresher=uas", term{1800, true}, term{600, false}},
		{"5;refresher=uas", term{}, term{90, false}},
	} {
		if got := wishOf(requestWith(t, "Session-Expires: "+c.said)).accepted(c.before); got != c.want {
			t.Errorf("%q after %v: %v, want %v", c.said, c.before, got, c.want)
		}
	}
}

func requestWith(t *testing.T, headers ...string) *sip.Request {
	t.Helper()
	msg, err := sip.ParseMessage([]byte("INVITE sip:x@127.0.0.1 SIP/2.0\r\n" + strings.Join(headers, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*sip.Request)
}

// timed is an answered call of a peer whose INVITE had these headers; a second lasts 3 ms.
func timed(t *testing.T, headers ...string) (*node, *caller, chan media.Event, *sip.Response) {
	t.Helper()
	n := newNode(t, func(s *Server) { s.timing.second = 3 * time.Millisecond })
	c := n.dial(t, "udp", "127.0.0.1").caller("timed")
	c.invite(offer("", ""), headers...)
	leg := n.answer(t, "timed")
	return n, c, listen(leg), c.answered("")
}

func TestACallerThatGivesNoSignOfLifeIsHungUpOn(t *testing.T) {
	t.Parallel()
	_, c, events, res := timed(t, "Supported: timer", "Session-Expires: 3600;refresher=uac", "Min-SE: 3600")
	if got := value(res, "Session-Expires"); got != "3600;refresher=uac" {
		t.Errorf("Session-Expires: %s", got)
	}
	c.next("UPDATE", "", "Supported: timer", "Session-Expires: 30")
	if res := c.p.response(sip.UPDATE, 422); value(res, "Min-SE") != "90" {
		t.Errorf("Min-SE: %s", value(res, "Min-SE"))
	}
	c.next("UPDATE", "", "Supported: timer", "Session-Expires: 90;refresher=uac")
	if res := c.p.response(sip.UPDATE, 200); value(res, "Session-Expires") != "90;refresher=uac" || len(res.Body()) != 0 {
		t.Errorf("%s", res)
	}
	if e := event(t, events, media.Ended).Ending; e.Reason != "session_expired" || e.By != media.ByError {
		t.Errorf("ended %+v", e)
	}
	c.p.send(okTo(c.p.request(sip.BYE)))
}

func TestWeRefreshByUPDATEWhereThePeerTakesIt(t *testing.T) {
	t.Parallel()
	_, c, events, _ := timed(t, "Supported: timer", "Session-Expires: 600", "Allow: INVITE, ACK, BYE, UPDATE")
	for range 2 {
		req := c.p.request(sip.UPDATE)
		if got := value(req, "Session-Expires"); got != "600;refresher=uac" || len(req.Body()) != 0 || value(req, "Supported") == "" {
			t.Errorf("%s", req)
		}
		c.p.says(req, 200, "", "", "Session-Expires: 600;refresher=uac", "Require: timer")
	}
	c.p.says(c.p.request(sip.UPDATE), 481, "", "") // it knows nothing of the call any more
	if e := event(t, events, media.Ended).Ending; e.Reason != "session_expired" || e.Status != 481 {
		t.Errorf("ended %+v", e)
	}
	c.p.send(okTo(c.p.request(sip.BYE)))
}

func TestWeRefreshByReINVITEElse(t *testing.T) {
	t.Parallel()
	_, c, events, res := timed(t, "Supported: timer", "Session-Expires: 600", "Allow: INVITE, ACK, BYE, UPDATE")
	c.p.says(c.p.request(sip.UPDATE), 405, "", "") // it said otherwise
	again := func() *sip.Request {
		t.Helper()
		req := c.p.request(sip.INVITE)
		if string(req.Body()) != string(res.Body()) || value(req, "Session-Expires") != "600;refresher=uac" {
			t.Errorf("%s\nbefore:\n%s", req, res.Body())
		}
		return req
	}
	req := again()
	c.p.send(c.text("INVITE", 50, "z9hG4bK-cross", offer("", ""))) // at the same time
	c.p.response(sip.INVITE, 491)
	c.seq = 50
	c.next("UPDATE", offer("", ""))
	c.p.response(sip.UPDATE, 491)
	c.p.says(req, 491, "", "")
	req = again()
	c.p.says(req, 100, "", "")
	for range 2 { // our ACK was lost
		c.p.says(req, 200, "", offer("", "a=sendonly\r\n"), "Session-Expires: 600")
		if ack := c.p.request(sip.ACK); ack.CSeq().SeqNo != req.CSeq().SeqNo {
			t.Errorf("ACK %v of %v", ack.CSeq(), req.CSeq())
		}
	}
	event(t, events, media.Held)
	c.p.says(again(), 422, "", "", "Min-SE: 1200") // a proxy has another opinion now
	req = c.p.request(sip.INVITE)
	if value(req, "Session-Expires") != "1200;refresher=uac" || value(req, "Min-SE") != "1200" {
		t.Errorf("%s", req)
	}
	if e := event(t, events, media.Ended).Ending; e.Reason != "session_expired" { // nothing comes any more
		t.Errorf("ended %+v", e)
	}
	c.p.send(okTo(c.p.request(sip.BYE)))
}

func TestACallOfOursAgreesOnATimer(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.second = 3 * time.Millisecond })
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	p.says(p.request(sip.INVITE), 422, "proxy", "", "Min-SE: 2000")
	invite := p.request(sip.INVITE)
	for invite.CSeq().SeqNo != 2 {
		invite = p.request(sip.INVITE)
	}
	if value(invite, "Session-Expires") != "2000;refresher=uac" || value(invite, "Min-SE") != "2000" {
		t.Errorf("%s", invite)
	}
	p.says(invite, 200, "them", offer("", ""), "Session-Expires: 600;refresher=uas", "Allow: UPDATE")
	p.request(sip.ACK)
	event(t, events, media.Connected)
	c := theirs(p, invite, "them")
	c.next("UPDATE", offer("", "a=inactive\r\n"), "Supported: timer", "Session-Expires: 600;refresher=uas") // ours from now on
	if res := p.response(sip.UPDATE, 200); !strings.Contains(string(res.Body()), "a=inactive") {
		t.Errorf("%s", res)
	}
	event(t, events, media.Held)
	p.says(p.request(sip.UPDATE), 200, "", "", "Session-Expires: 600;refresher=uac")
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	ended(t, leg, events, "hangup", 0)
	p.send(okTo(p.request(sip.BYE)))
}
