package load

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay sends what comes from one address to another and back, and drops every drop-th packet (0: none).
func relay(t *testing.T, a, b netip.AddrPort, drop int) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for i := 1; ; i++ {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			to := a
			if from == a {
				to = b
			}
			if drop == 0 || i%drop != 0 {
				_, _ = c.WriteToUDPAddrPort(buf[:n], to)
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestAStudioCountsWhatARelayLoses(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]int{"nothing": 0, "half": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := NewStudio(netip.MustParseAddr("127.0.41.1"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			at := relay(t, s.CallerAddr(), s.OperatorAddr(0), drop)
			s.AddCaller(at)
			s.AddOperator(at)
			s.Talk(1)
			got := s.Measure(500*time.Millisecond, 500*time.Millisecond)
			switch {
			case got.Sent == 0 || got.Received == 0:
				t.Errorf("sent %d, received %d", got.Sent, got.Received)
			case drop == 0 && got.LossPercent() != 0:
				t.Errorf("%.1f %% are lost on a relay that loses nothing", got.LossPercent())
			case drop == 2 && (got.LossPercent() < 30 || got.LossPercent() > 70):
				t.Errorf("%.1f %% are lost on a relay that loses half", got.LossPercent())
			case got.Delay(0.5) <= 0 || got.Delay(0.5) > time.Second:
				t.Errorf("the delay is %v", got.Delay(0.5))
			}
		})
	}
}

func TestAPhoneIsAnsweredAndHangsUp(t *testing.T) {
	t.Parallel()
	for name, crosses := range map[string]bool{"first": false, "while the server does": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answeredAndHungUp(t, crosses)
		})
	}
}

// answeredAndHungUp is a call whose caller hangs up; with crosses the server has hung up as well, which the caller does not know.
func answeredAndHungUp(t *testing.T, crosses bool) {
	t.Helper()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = server.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 65535)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			answer := "SIP/2.0 200 OK\r\nTo: <sip:x>;tag=t\r\nCall-ID: " + string(header(buf[:n], "Call-ID")) +
				"\r\nCSeq: " + string(header(buf[:n], "CSeq")) + "\r\nContact: <sip:me@127.0.0.1:9>\r\n\r\nv=0\r\nc=IN IP4 127.0.0.9\r\nm=audio 4000 RTP/AVP 0\r\n"
			if crosses && string(buf[:3]) == "BYE" {
				_, _ = server.WriteToUDPAddrPort([]byte("BYE sip:x SIP/2.0\r\nCall-ID: "+string(header(buf[:n], "Call-ID"))+"\r\nCSeq: 1 BYE\r\n\r\n"), from)
			}
			if string(buf[:3]) != "ACK" {
				_, _ = server.WriteToUDPAddrPort([]byte(answer), from)
			}
		}
	}()
	p, err := NewPhone(netip.MustParseAddr("127.0.0.1"), server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c := p.Invite("answer", netip.MustParseAddrPort("127.0.0.1:9"))
	if err := p.Settled([]*Call{c}); err != nil {
		t.Fatal(err)
	}
	if !c.Answered() || c.Media != netip.MustParseAddrPort("127.0.0.9:4000") || c.AnsweredAt.Before(c.InvitedAt) {
		t.Fatalf("%+v", c)
	}
	if !p.Bye(c) || p.Bye(c) {
		t.Error("a call is hung up once")
	}
	if err := p.Settled([]*Call{c}); err != nil {
		t.Error(err)
	}
	<-c.Gone()
	if c.Left != crosses || c.LeftAt.Before(c.AnsweredAt) {
		t.Errorf("left by the server: %v, at %v", c.Left, c.LeftAt)
	}
}

func TestACallerUnderstandsWhenToComeAgain(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"2": 2 * time.Second, "5;duration=3600": 5 * time.Second, "18 (in a meeting)": 18 * time.Second, "0": 0, "999999": mostAfter,
		"": -1, "soon": -1, "-3": -1, "99999999999999999999": -1,
	} {
		got, ok := retryAfter([]byte(value))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %v, %t", value, got, ok)
		}
	}
}
