package trunk

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/tenants/routing"
)

// bystander is a socket of somebody who has nothing to do with a call.
func bystander(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 66)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// spared says whether nothing came there before what it is told now.
func spared(t *testing.T, conn *net.UDPConn) bool {
	t.Helper()
	if _, err := conn.WriteTo([]byte("now"), conn.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2048)
	n, _, err := conn.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n]) == "now"
}

func speak(leg media.Leg, n int) {
	for i := range n {
		leg.Audio(media.Frame{Codec: media.PCMU, Seq: uint16(i), Timestamp: uint32(i * media.FrameBytes), Payload: make([]byte, media.FrameBytes)})
	}
}

func TestATelephoneHasAudioSentToNobodyElse(t *testing.T) {
	t.Parallel()
	o := newOffice()
	n := newNode(t, func(s *Server) { s.cfg.Phones = o })
	p, victim := n.dial(t, "udp", "127.0.0.1"), bystander(t)
	p.extension("ada.harbor", "secret").in(deskContact)
	o.hears(t, "ada.harbor here")
	call := func(names string) (media.Leg, chan media.Event, *sip.Request) {
		t.Helper()
		leg, err := n.Dial(media.Destination{To: "ada.harbor", Registered: true})
		if err != nil {
			t.Fatal(err)
		}
		events, invite := listen(leg), p.request(sip.INVITE)
		p.says(invite, 183, "them", names)
		p.says(invite, 200, "them", names)
		p.request(sip.ACK)
		event(t, events, media.Connected)
		speak(leg, 50)
		return leg, events, invite
	}
	over := func(leg media.Leg, events chan media.Event) {
		t.Helper()
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
		p.send(okTo(p.request(sip.BYE)))
		ended(t, leg, events, "hangup", 0)
	}
	// The victim's address is among those that SIP may come from, and it is named for everything.
	names := offer(victim.LocalAddr().String(), "")
	leg, events, invite := call(names)
	if sent := leg.Stats().Sent; sent != 0 || !spared(t, victim) {
		t.Errorf("%d packets were sent before anything was heard of the telephone", sent)
	}
	k := mediatest.NewCarrier(t, "127.0.0.1", media.PCMU) // behind its NAT, whatever its description says
	hush := k.Talk(offered(t, invite), 440)
	waitFor(t, func() bool { speak(leg, 1); return leg.Stats().Sent > 0 }) // it is known within some packets
	hush()
	said := k.Heard.Frames()
	speak(leg, 10)
	k.Heard.WaitFrames(t, said+10, patience)
	theirs(p, invite, "them").next("UPDATE", names)
	p.response(sip.UPDATE, 200)
	speak(leg, 10)
	k.Heard.WaitFrames(t, said+20, patience)
	if !spared(t, victim) {
		t.Error("the victim was sent packets")
	}
	over(leg, events)

	// An administrator who names the office's relay for media has it believed.
	n.SetTrunks([]routing.Trunk{{Name: "t", Signal: prefixesOf("127.0.0.0/16"), Media: []netip.Prefix{netip.MustParsePrefix("127.0.0.66/32")}}})
	leg, events, _ = call(names)
	if spared(t, victim) || leg.Stats().Sent != 50 {
		t.Errorf("a relay that the trunk names got %d of 50 packets", leg.Stats().Sent)
	}
	over(leg, events)
}
