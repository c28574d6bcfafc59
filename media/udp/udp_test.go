package udp

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is the longest that anything here may take; all of it is expected within milliseconds.
const limit = 10 * time.Second

var (
	four = netip.MustParseAddrPort("127.0.0.1:0")
	six  = netip.MustParseAddrPort("[::1]:0")
)

// network makes one whose ports must be closed by the end of the test.
func network(t testing.TB) (net *Network, log *bytes.Buffer) {
	log = &bytes.Buffer{}
	net = New(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(net.Stop)
	return net, log
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened is a port that hands its packets to take.
func opened(t testing.TB, net *Network, at netip.AddrPort, shared bool, take func(netip.AddrPort, []byte)) *Port {
	t.Helper()
	open := net.Open
	if shared {
		open = net.OpenShared
	}
	p, err := open(at)
	must(t, err)
	must(t, p.Listen(take))
	t.Cleanup(p.Close)
	return p
}

// ear is somebody out there.
type ear struct{ conn *net.UDPConn }

func listening(t testing.TB, at netip.AddrPort) ear {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	must(t, err)
	must(t, conn.SetDeadline(time.Now().Add(limit)))
	t.Cleanup(func() { must(t, conn.Close()) })
	return ear{conn}
}

func (e ear) addr() netip.AddrPort { return e.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (e ear) say(t testing.TB, to netip.AddrPort, text string) {
	t.Helper()
	_, err := e.conn.WriteToUDPAddrPort([]byte(text), to)
	must(t, err)
}

func (e ear) hears(t testing.TB, want string) {
	t.Helper()
	var b [MaxPacket]byte
	n, _, err := e.conn.ReadFromUDPAddrPort(b[:])
	must(t, err)
	if string(b[:n]) != want {
		t.Fatalf("heard %q, want %q", b[:n], want)
	}
}

func TestWhatARoundPostsLeavesWithIt(t *testing.T) {
	t.Parallel()
	for _, at := range []netip.AddrPort{four, six} {
		t.Run(at.Addr().String(), func(t *testing.T) {
			t.Parallel()
			net, _ := network(t)
			caller, browser := listening(t, at), listening(t, at)
			shared, err := net.OpenShared(at)
			must(t, err)
			t.Cleanup(shared.Close) // and nobody reads it: a poller of its own would end rounds of its own
			const many = 2*bundle + 3
			waits := make(chan int, 1)
			port := opened(t, net, at, false, func(src netip.AddrPort, packet []byte) {
				if src != caller.addr() || string(packet) != "go" {
					t.Errorf("%q from %v", packet, src)
				}
				for i := range many {
					must(t, shared.Post(browser.addr(), fmt.Append(nil, "packet ", i)))
				}
				waits <- shared.outbox.waiting // the caller's turn is the only poller's: nobody changes it
			})
			for range 3 {
				caller.say(t, port.Addr(), "go")
				if n := <-waits; n != many%bundle {
					t.Errorf("%d packets wait for the end of the round", n)
				}
				for i := range many {
					browser.hears(t, fmt.Sprint("packet ", i))
				}
			}
			must(t, shared.Post(browser.addr(), []byte("from nobody's round"))) // at once
			browser.hears(t, "from nobody's round")
		})
	}
}

func TestAPacketThatCannotBeSentCostsItselfOnly(t *testing.T) {
	t.Parallel()
	net, _ := network(t)
	caller, browser := listening(t, four), listening(t, four)
	shared := opened(t, net, four, true, func(netip.AddrPort, []byte) {})
	nowhere := netip.MustParseAddrPort("255.255.255.255:9") // no leave to broadcast
	port := opened(t, net, four, false, func(netip.AddrPort, []byte) {
		for i := range 5 {
			_ = shared.Post(nowhere, []byte("lost"))
			_ = shared.Post(netip.AddrPort{}, []byte("lost"))
			must(t, shared.Post(browser.addr(), fmt.Append(nil, i)))
		}
		panic("a fault after all that") // it costs the rest of the round, and no packet that was on its way
	})
	for range 2 {
		caller.say(t, port.Addr(), "go")
		for i := range 5 {
			browser.hears(t, fmt.Sprint(i))
		}
	}
}

func TestAPortThatIsClosedWithPacketsLeftIsReadNoMore(t *testing.T) {
	t.Parallel()
	net, log := network(t)
	caller := listening(t, four)
	in, out := make(chan struct{}), make(chan struct{})
	busy := opened(t, net, four, false, func(netip.AddrPort, []byte) { in <- struct{}{}; <-out })
	var gone *Port
	taken, closed := 0, make(chan struct{})
	once := sync.OnceFunc(func() { close(closed) })
	gone = opened(t, net, four, true, func(netip.AddrPort, []byte) { taken++; gone.Close(); gone.Close(); once() })
	heard := make(chan string, 1)
	other := opened(t, net, four, false, func(_ netip.AddrPort, packet []byte) { heard <- string(packet) })
	caller.say(t, busy.Addr(), "hold")
	<-in
	at := gone.Addr()
	for range rounds*gather + gather { // more than is read before closed ports are given back
		caller.say(t, at, "left")
	}
	close(out)
	caller.say(t, other.Addr(), "on it goes")
	if text := <-heard; text != "on it goes" {
		t.Errorf("heard %q", text)
	}
	<-closed // another poller may look after it than after the ports above
	if err := gone.Send(caller.addr(), []byte("no")); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed port sends: %v", err)
	}
	busy.Close()
	other.Close()
	net.Stop()
	if taken == 0 || log.Len() > 0 || len(*net.shared.Load()) != 0 {
		t.Errorf("%d packets taken; %d ports shared; logged: %s", taken, len(*net.shared.Load()), log)
	}
}

// What came to a port before somebody asked is handed over before the answer, though the poller has been busy elsewhere until then.
func TestAPortIsReadToItsEndBeforeItCloses(t *testing.T) {
	t.Parallel()
	net, _ := network(t)
	caller := listening(t, four)
	in, out := make(chan struct{}), make(chan struct{})
	busy := opened(t, net, four, false, func(netip.AddrPort, []byte) { in <- struct{}{}; <-out })
	var taken atomic.Int64
	port := opened(t, net, four, false, func(netip.AddrPort, []byte) { taken.Add(1) })
	empty := opened(t, net, four, false, func(netip.AddrPort, []byte) {})
	caller.say(t, busy.Addr(), "hold")
	<-in
	const many = (rounds+2)*gather + 1 // more than is read before anything that was asked for is looked at
	for range many {
		caller.say(t, port.Addr(), "said before the end")
	}
	drained := make(chan int64)
	go func() {
		empty.Drain(limit) // nothing is there to be waited for
		port.Drain(time.Millisecond)
		if n := taken.Load(); n != 0 {
			t.Errorf("%d packets taken by a poller that is held up", n)
		}
		drained <- 0
		port.Drain(limit)
		drained <- taken.Load()
	}()
	<-drained
	close(out)
	if n := <-drained; n != many {
		t.Errorf("%d packets taken of %d", n, many)
	}
	port.Close()
	port.Drain(limit) // of a closed port
}

func TestPortsComeAndGoAndNothingRunsWithoutThem(t *testing.T) {
	t.Parallel()
	net, _ := network(t)
	caller := listening(t, four)
	heard := make(chan struct{}, 1)
	for range 20 {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				p, err := net.OpenShared(four)
				if err != nil || p.Listen(func(netip.AddrPort, []byte) { heard <- struct{}{} }) != nil {
					t.Error("no port", err)
					return
				}
				p.Close()
			})
		}
		group.Wait()
		p := opened(t, net, four, false, func(netip.AddrPort, []byte) { heard <- struct{}{} })
		caller.say(t, p.Addr(), "anybody?")
		<-heard
		p.Close()
	}
	net.running.Wait() // the goroutines are gone, though the network was not stopped
	if _, err := net.Open(netip.MustParseAddrPort("192.0.2.1:4000")); err == nil {
		t.Error("a port at an address of somebody else")
	}
}

func TestAPostedPacketCostsNoMemory(t *testing.T) {
	net, _ := network(t)
	browser := listening(t, four)
	shared := opened(t, net, four, true, func(netip.AddrPort, []byte) {})
	packet := make([]byte, 200)
	to := browser.addr()
	if n := testing.AllocsPerRun(500, func() {
		net.begin()
		_ = shared.Post(to, packet)
		_ = shared.Post(to, packet)
		net.end()
	}); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}
