package trunk

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/rtp"
)

// impatient gives the node media that misses packets after 50 ms, and gives them up after 200.
func impatient(t *testing.T) func(*Server) {
	t.Helper()
	engine, err := rtp.New(rtp.Config{Low: 24200, High: 24400, UnheardAfter: 50 * time.Millisecond, SilenceAfter: 200 * time.Millisecond, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Stop)
	return func(s *Server) { s.cfg.Media = engine }
}

func TestWhoIsNotHeardIsAskedForTheMediaOnceAndKeptWhileItIsThere(t *testing.T) {
	t.Parallel()
	n := newNode(t, impatient(t))
	t.Cleanup(n.Stop)
	p, k := n.dial(t, "udp", "127.0.0.1"), mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
	c := p.caller("quiet")
	c.invite(offer("", ""), "Allow: INVITE, ACK, BYE, UPDATE")
	leg := n.answer(t, "quiet")
	events := listen(leg)
	res := c.answered("")
	event(t, events, media.Unheard)
	again := p.request(sip.INVITE)
	if string(again.Body()) != string(res.Body()) {
		t.Errorf("asked with another description:\n%s\nbefore:\n%s", again.Body(), res.Body())
	}
	p.says(again, 200, "", offer(k.Addr().String(), ""))
	p.request(sip.ACK)
	hush := k.Talk(portOf(t, res), 440)
	event(t, events, media.Audible)
	hush()
	event(t, events, media.Unheard)
	event(t, events, media.Silent)
	var invites int
	sign := func() *sip.Request {
		t.Helper()
		for m := range p.in {
			if req, ok := m.(*sip.Request); ok && req.Method == sip.UPDATE {
				return req
			} else if ok && req.Method == sip.INVITE {
				invites++
			}
		}
		t.Fatal("closed")
		return nil
	}
	for range 3 { // it is there, and only its sound is not
		p.says(sign(), 200, "", "")
	}
	if len(events) != 0 || n.Calls() != 1 || invites != 0 {
		t.Errorf("%d events, %d calls, %d more re-INVITEs", len(events), n.Calls(), invites)
	}
	sign() // it is gone
	if e := event(t, events, media.Ended).Ending; e.Reason != "media_timeout" || e.By != media.ByError {
		t.Errorf("ended %+v", e)
	}
	p.send(okTo(p.request(sip.BYE)))
}

func TestWhoKnowsNothingOfTheCallIsGone(t *testing.T) {
	t.Parallel()
	n := newNode(t, impatient(t))
	t.Cleanup(n.Stop)
	p := n.dial(t, "udp", "127.0.0.1")
	c, _, events := n.up(t, p, "gone")
	p.says(p.request(sip.INVITE), 200, "", offer("", "a=sendonly\r\n")) // held: who holds us need send nothing
	p.request(sip.ACK)
	event(t, events, media.Held)
	event(t, events, media.Silent)
	c.next("INVITE", offer("", ""))
	c.answered("")
	req := p.request(sip.INVITE) // a peer without UPDATE
	p.says(req, 481, "", "")
	if e := event(t, events, media.Ended).Ending; e.Reason != "media_timeout" || e.Status != 481 {
		t.Errorf("ended %+v", e)
	}
	p.send(okTo(p.request(sip.BYE)))
}
