package rtp

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/sdp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is the longest that anything in these tests may take; all of it is expected within milliseconds.
const limit = 10 * time.Second

// home is where the peers of tests live, and stranger's address is outside.
var home = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}

const (
	homeA, homeB = "127.0.0.11", "127.0.0.12"
	outside      = "127.66.0.1"
)

// nextPorts gives each test a range of its own, so that they may run in parallel.
var nextPorts atomic.Uint32

// engine makes one with n pairs of ports of its own, on an address of this package.
func engine(t testing.TB, n int, change func(*Config)) *Engine {
	t.Helper()
	low := 20000 + uint16(nextPorts.Add(8)%12000) // the tests that run at one time need a few dozen
	c := Config{
		Bind: netip.MustParseAddr("127.0.7.1"), Low: low, High: low + uint16(2*n) - 1,
		Log: slog.New(slog.DiscardHandler), KeepAlive: -1, // tests count packets
	}
	if change != nil {
		change(&c)
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// call is a session with its peer, agreed, and a probe that hears the peer.
type call struct {
	*Session
	peer  *mediatest.Carrier
	heard *mediatest.Probe
	told  chan media.Event
}

func open(t testing.TB, e *Engine, c media.Codec) *call {
	t.Helper()
	s, err := e.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	k := &call{s, mediatest.NewCarrier(t, homeA, c), mediatest.NewProbe(), make(chan media.Event, 100)}
	s.Set(agreed(k.peer, c))
	s.Receive(k.heard)
	s.Listen(func(ev media.Event) { k.told <- ev })
	return k
}

// agreed is what a negotiation with the peer gives.
func agreed(peer *mediatest.Carrier, c media.Codec) sdp.Media { return agreedAt(peer.Addr(), c) }

func agreedAt(at netip.AddrPort, c media.Codec) sdp.Media {
	return sdp.Media{
		Remote: at, RTCP: netip.AddrPortFrom(at.Addr(), at.Port()+1), Codec: c, PayloadType: uint8(c),
		EventType: mediatest.EventType, EventIn: mediatest.EventType, Send: true, Receive: true,
	}
}

// event waits for the next event and checks its kind.
func (k *call) event(t testing.TB, want media.EventKind) media.Event {
	t.Helper()
	select {
	case ev := <-k.told:
		if ev.Kind != want {
			t.Fatalf("told %+v, want kind %v", ev, want)
		}
		return ev
	case <-time.After(limit):
		t.Fatalf("nothing told, want kind %v", want)
		return media.Event{}
	}
}

// dropped waits until n packets were refused for a reason: packets are read in their order, so whatever was sent to the
// same port before was judged by then.
func dropped(t testing.TB, e *Engine, why string, n uint64) {
	t.Helper()
	until(t, func() bool { return e.Dropped()[why] >= n }, func() any { return e.Dropped() })
}

// judged waits until a session has seen n packets, good or bad.
func judged(t testing.TB, k *call, n uint64) {
	t.Helper()
	until(t, func() bool { s := k.Stats(); return s.Received+s.Dropped >= n }, func() any { return k.Stats() })
}

// until waits for what a counter must come to.
func until(t testing.TB, ok func() bool, now func() any) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("still %+v after %v", now(), limit)
		}
	}
}
