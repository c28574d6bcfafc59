package trunk

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/tenants/routing"
)

func TestADrainingNodeTakesNoNewCalls(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	c, _, events := n.up(t, p, "before")
	n.Drain(true)
	p.caller("drained").invite(offer("", ""))
	if res := p.response(sip.INVITE, 503); res.GetHeader("Retry-After") == nil {
		t.Error("no Retry-After")
	}
	p.send(p.caller("o").text("OPTIONS", 1, "z9hG4bK-o1", ""))
	p.response(sip.OPTIONS, 503)
	c.next("BYE", "")
	p.response(sip.BYE, 200)
	event(t, events, media.Ended)
	n.Drain(false)
	alive(t, n)
}

func TestNoFreePortIsA503(t *testing.T) {
	t.Parallel()
	engine, err := rtp.New(rtp.Config{Low: 30000, High: 30001, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	defer engine.Stop()
	n := newNode(t, func(s *Server) { s.cfg.Media = engine })
	p := n.dial(t, "udp", "127.0.0.1")
	n.up(t, p, "first")
	p.caller("second").invite(offer("", ""))
	if _, err := n.call(t).Answer("x"); err == nil {
		t.Error("answered without a port")
	}
	p.response(sip.INVITE, 503)
	n.Stop()
}

func TestAPortInUseIsOneClearError(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	other, err := New(Config{Listen: n.Addr().String(), Media: n.cfg.Media, Handler: n.cfg.Handler})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err == nil || !strings.Contains(err.Error(), n.Addr().String()) {
		t.Errorf("error: %v", err)
	}
	other.Stop()
	if _, err := New(Config{}); err == nil {
		t.Error("an empty configuration passed")
	}
	all, err := New(Config{Listen: "0.0.0.0:0", Media: n.cfg.Media, Handler: n.cfg.Handler})
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Start(); err == nil {
		t.Error("0.0.0.0 would stand in our Contact")
	}
	all.Stop()
}

func TestANodeOnAllAddressesSpeaksFromItsPort(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.cfg.Listen, s.cfg.Public = "0.0.0.0:0", netip.MustParseAddr("127.0.0.1") })
	p := n.dial(t, "udp", "127.0.0.1") // hears this one address and port only
	_, leg, _ := n.up(t, p, "all")
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p.send(okTo(p.request(sip.BYE)))
	if size := n.tp.Pool("udp").Size(); size != 2 {
		t.Errorf("%d sockets and sources, want 2", size)
	}
}

func TestStopEndsCallsAndTellsEverybody(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	_, leg, events := n.up(t, p, "up")
	p.caller("waiting").invite(offer("", ""))
	in := n.call(t)
	go func() { p.send(okTo(p.request(sip.BYE))) }()
	n.Stop()
	n.Stop()
	if e := event(t, events, media.Ended); e.Ending.Reason != "shutdown" {
		t.Errorf("ended: %+v", e.Ending)
	}
	within(t, leg.Done(), "the end")
	within(t, in.Gone(), "the news for the handler")
	if err := n.Start(); err == nil {
		t.Error("started again")
	}
}

func TestStopDoesNotWaitForAPeerThatIsGone(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.up(t, p, "gone")
	began := time.Now()
	n.Stop()
	if took := time.Since(began); took > quick.farewell+time.Second {
		t.Errorf("took %v", took)
	}
}

func TestATrunkIsKnownToBeUpOrDown(t *testing.T) {
	t.Parallel()
	told := make(chan Status, 100)
	n := newNode(t, func(s *Server) {
		s.cfg.Changed = func(now Status) {
			if now.Probed {
				told <- now
			}
		}
	})
	p := n.dial(t, "udp", "127.0.0.1")
	n.SetTrunks([]routing.Trunk{
		{Name: "probed", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}, Options: p.addr()},
		{Name: "plain"},
	})
	state := func() Status { return n.Status()[1] }
	p.send(sip.NewResponseFromRequest(p.request(sip.OPTIONS), 503, "Away", nil).String())
	waitFor(t, func() bool { return !state().Up && state().LastError != "" })
	if now := within(t, told, "the news that it is down"); now.Name != "probed" || now.Up {
		t.Errorf("told of %+v", now)
	}
	for !state().Up {
		p.send(okTo(p.request(sip.OPTIONS)))
		alive(t, n)
	}
	if now := within(t, told, "the news that it is back"); now.Name != "probed" || !now.Up {
		t.Errorf("told of %+v", now)
	}
	if s := n.Status(); s[0].Name != "plain" || s[0].Probed || !s[0].Up || !s[1].Probed || s[1].LastError != "" {
		t.Errorf("status: %+v", s)
	}
}

func TestOfATrunkThatIsAskedNothingNobodyIsLeftWaiting(t *testing.T) {
	t.Parallel()
	var told []Status
	s, err := New(Config{Listen: "127.0.0.1:0", Media: &rtp.Engine{}, Handler: func(media.Incoming) {}, Log: quiet(), Changed: func(now Status) { told = append(told, now) }})
	if err != nil {
		t.Fatal(err)
	}
	probed := routing.Trunk{Name: "t", Options: "127.0.0.1:9"}
	plain := routing.Trunk{Name: "t"}
	expect := func(why string, want ...bool) {
		t.Helper()
		var got []bool
		for _, now := range told {
			got = append(got, now.Up)
		}
		if told = nil; !slices.Equal(got, want) {
			t.Errorf("%s: told %v, want %v", why, got, want)
		}
	}
	s.SetTrunks([]routing.Trunk{plain}) // it may have been down in an earlier process
	expect("new", true)
	s.SetTrunks([]routing.Trunk{plain})
	expect("the same")
	s.SetTrunks([]routing.Trunk{probed})
	expect("with an address: its first answer says more")
	s.heard(probed, errTrunkDown)
	expect("down", false)
	s.SetTrunks([]routing.Trunk{plain})
	expect("its address is taken away", true)
	s.heard(probed, errTrunkDown) // was under way
	expect("too late")
	s.SetTrunks([]routing.Trunk{probed})
	s.SetTrunks(nil) // before anything was heard
	expect("gone", true)
}

func TestATrunkTakenAwayIsAStranger(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "tcp", "127.0.0.1")
	p.send(p.caller("o").text("OPTIONS", 1, "z9hG4bK-o1", ""))
	p.response(sip.OPTIONS, 200)
	n.SetTrunks(nil)
	p.caller("late").invite(offer("", ""))
	waitFor(t, func() bool { return n.Dropped()["stranger"] == 1 })
	if len(n.calls) != 0 {
		t.Error("a stranger's call came in")
	}
}
