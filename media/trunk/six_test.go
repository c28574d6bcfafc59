package trunk

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/tenants/routing"
)

// TestACallOverIPv6IsAnsweredAndHeard is a call whose every address is of IPv6 (RFC 5118): of the request, of the media, and of the answer.
func TestACallOverIPv6IsAnsweredAndHeard(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		engine, err := rtp.New(rtp.Config{Bind: netip.IPv6Loopback(), Low: 16384, High: 24000, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(engine.Stop)
		n := newNode(t, func(s *Server) {
			s.cfg.Listen, s.cfg.TLS, s.cfg.Media = "[::1]:0", "[::1]:0", engine
			s.SetTrunks([]routing.Trunk{{Name: "six", Signal: []netip.Prefix{netip.MustParsePrefix("::1/128")}}})
		})
		audio, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = audio.Close() })
		c := n.dial(t, network, "::1").caller("six-" + network)
		c.to, c.uri = "sip:+16085550101@[::1]", "sip:+16085550101@[::1]"
		c.invite(strings.ReplaceAll(offer(audio.LocalAddr().String(), ""), "IP4", "IP6"))
		in := n.call(t)
		if inv := in.Invite(); inv.RequestURI.User != "+16085550101" || inv.RequestURI.Host != "::1" || inv.Source.String() != c.p.addr() {
			t.Errorf("%s: %+v", network, inv)
		}
		leg, err := in.Answer("call-six")
		if err != nil {
			t.Fatal(err)
		}
		res := c.answered("")
		if !strings.Contains(string(res.Body()), "c=IN IP6 ::1\r\n") || !strings.Contains(value(res, "Contact"), "@[::1]:") {
			t.Errorf("%s: answered with\n%s", network, res)
		}
		if _, err := audio.WriteToUDPAddrPort(append([]byte{0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 9}, make([]byte, media.FrameBytes)...), netip.AddrPortFrom(netip.IPv6Loopback(), portOf(t, res).Port())); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return leg.Stats().Received == 1 })
		c.next("BYE", "")
		c.p.response(sip.BYE, 200)
		within(t, leg.Done(), "the end")
	}
}
