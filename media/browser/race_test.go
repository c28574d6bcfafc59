package browser

import (
	"crypto/rand"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// hello is the first message of a DTLS handshake, with another sequence number each time.
func hello(n uint16) []byte {
	body := make([]byte, 42)
	_, _ = rand.Read(body[2:34])
	copy(body, []byte{0xfe, 0xfd})
	copy(body[34:], []byte{0, 0, 0, 2, 0xc0, 0x2b, 1, 0})
	head := []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, byte(n >> 8), byte(n), 0, byte(12 + len(body)), 1, 0, 0, byte(len(body)), 0, 0, 0, 0, 0, 0, 0, byte(len(body))}
	return append(head, body...)
}

// TestNobodysHelloComesBeforeTheBrowsersOwn is the race for a handshake: whoever knows the port sends hellos, alerts and checks
// of its own making while browsers connect. Every browser connects, and the other gets no byte.
func TestNobodysHelloComesBeforeTheBrowsersOwn(t *testing.T) {
	browsers := 20
	if os.Getenv("HOLDFAST_LONG") != "" {
		browsers = 200
	}
	e := start(t)
	rival, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 66, 1)})
	must(t, err)
	to := net.UDPAddrFromAddrPort(e.Addr())
	forged, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("ours:theirs"), stun.NewShortTermIntegrity("guessed"), stun.Fingerprint)
	must(t, err)
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				sent <- n
				return
			case <-pace.C:
			}
			for range 5 { // 1,000 a second
				n++
				_, _ = rival.WriteToUDP(hello(uint16(n)), to) //nolint:gosec // any number
				_, _ = rival.WriteToUDP([]byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}, to)
				_, _ = rival.WriteToUDP(forged.Raw, to)
			}
		}
	}()
	var answered atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n, _ := rival.Read(make([]byte, 1500)); n > 0 {
			answered.Store(true)
		}
	}()
	began, slowest := time.Now(), time.Duration(0)
	for range browsers {
		from, page := time.Now(), newPage(t)
		connect(t, e, page)
		slowest = max(slowest, time.Since(from))
		page.close()
	}
	close(stop)
	t.Logf("%d browsers connected in %v, the slowest in %v, beside %d hellos", browsers, time.Since(began), slowest, <-sent)
	must(t, rival.Close())
	<-done
	if answered.Load() {
		t.Error("a stranger was answered")
	}
}
