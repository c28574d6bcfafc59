package trunk

import (
	"fmt"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/tenants/routing"
)

func TestATrunkBringsAsManyCallsAsItsContractHas(t *testing.T) {
	t.Parallel()
	var clock wall
	clock.set(time.Now())
	n := newNode(t, func(s *Server) { s.cfg.Now = clock.get })
	all := (*n.trunks.Load())[0]
	small, large := all, all
	small.Name, small.Signal, small.Rate = "small", prefixesOf("127.0.0.1/32"), 2
	large.Name, large.Signal = "large", prefixesOf("127.0.0.2/32")
	n.SetTrunks([]routing.Trunk{small, large})
	p, q := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.2")
	ring := func(p *peer, id string, want int) *sip.Response {
		t.Helper()
		p.caller(id).invite(offer("", ""))
		return p.response(sip.INVITE, want)
	}
	for i := range 2 * burst {
		ring(p, fmt.Sprint("within-", i), 100)
	}
	if res := ring(p, "beyond", 503); value(res, "Retry-After") != "2" {
		t.Errorf("Retry-After: %q", value(res, "Retry-After"))
	}
	for i := range 20 { // the others notice nothing
		ring(q, fmt.Sprint("other-", i), 100)
	}
	clock.set(clock.get().Add(time.Second))
	ring(p, "later", 100)
	ring(p, "later-too", 100)
	ring(p, "too-many", 503)
	clock.set(clock.get().Add(-time.Hour)) // a clock that is set back brings nothing and takes nothing
	ring(p, "back", 503)
	clock.set(clock.get().Add(time.Second))
	ring(p, "on", 100)
	if n.Dropped()["rate"] != 3 {
		t.Errorf("dropped %v", n.Dropped())
	}
	n.mayRegister(large, 1)
	n.SetTrunks([]routing.Trunk{large}) // what a trunk that is gone had left is kept for nobody
	if len(n.contracts) != 2 {          // for calls and for REGISTERs
		t.Errorf("%d contracts", len(n.contracts))
	}
}

func TestATrunkForTelephonesBringsNoCallsAndTelephonesAreCalledThere(t *testing.T) {
	t.Parallel()
	o := newOffice()
	n := newNode(t, func(s *Server) { s.cfg.Phones = o })
	office, carrier := (*n.trunks.Load())[0], (*n.trunks.Load())[0]
	office.Name, office.RegisterOnly = "office", true
	carrier.Name, carrier.Signal = "ours", prefixesOf("127.0.0.2/32") // in the midst of the office's network
	n.SetTrunks([]routing.Trunk{office, carrier})
	p, q := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.2")
	for _, network := range []string{"udp", "tcp"} {
		r := n.dial(t, network, "127.0.0.3")
		r.caller("from-" + network).invite(offer("", ""))
		if r.response(sip.INVITE, 403); len(n.calls) != 0 {
			t.Error("a call was taken over " + network)
		}
	}
	if n.Dropped()["register_only"] != 2 {
		t.Errorf("dropped %v", n.Dropped())
	}
	q.caller("carrier").invite(offer("", ""))
	n.call(t).Refuse(486, "Busy Here")

	p.extension("ada.harbor", "secret").in(deskContact)
	o.hears(t, "ada.harbor here")
	leg, err := n.Dial(media.Destination{To: "ada.harbor", Registered: true})
	if err != nil {
		t.Fatal(err)
	}
	events, invite := listen(leg), p.request(sip.INVITE)
	p.says(invite, 200, "them", offer("", ""))
	p.request(sip.ACK)
	event(t, events, media.Connected)
	c := theirs(p, invite, "them")
	c.next("INVITE", offer("", "a=sendonly\r\n"))
	p.response(sip.INVITE, 200)
	c.next("BYE", "")
	p.response(sip.BYE, 200)
	ended(t, leg, events, "bye", 0)
}
