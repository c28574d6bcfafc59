package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const (
	drownRate    = 100_000 // datagrams a second
	drownFor     = 2 * time.Second
	drownLong    = 10 * time.Second // with HOLDFAST_LONG
	drownSources = 64
)

// drowned sends up to 100,000 datagrams a second from addresses of nobody, for seconds. None gets a byte back, each is counted, and
// a carrier is answered meanwhile. A machine that cannot send as many, beside the node that it tries, says with how many it was tried.
func (s *siege) drowned(t *testing.T) {
	to, err := net.ResolveUDPAddr("udp", s.n.SIP)
	must(t, err)
	var strangers []*net.UDPConn
	for i := range drownSources {
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 66, 8, byte(1+i))}, to)
		must(t, err)
		defer func() { _ = conn.Close() }()
		strangers = append(strangers, conn)
	}
	var texts [][]byte
	for _, method := range []string{"INVITE", "OPTIONS", "REGISTER"} {
		texts = append(texts, []byte(message(parts[0], method, "drown", "127.66.8.1:5060", "127.66.8.1")))
	}
	texts = append(texts, []byte(strings.Repeat("\x00garbage", 20)), nil)
	before, lostBefore := s.metric(t, `holdfast_dropped_packets_total{why="stranger"}`), kernelDrops(t, to.AddrPort())
	cpu := s.cpu(t)

	sent, began, lasts := 0, time.Now(), orLong(drownFor, drownLong)
	done := make(chan time.Duration)
	go func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for time.Since(began) < lasts {
			for due := int(time.Since(began).Seconds() * drownRate); sent < due && time.Since(began) < lasts; sent++ {
				_, _ = strangers[sent%drownSources].Write(texts[sent%len(texts)]) // refused: the node is gone, and others say so
			}
			<-pace.C
		}
		done <- time.Since(began)
	}()
	p := dial(t, "127.0.66.4", s.n.SIP)
	asked, slowest := 0, time.Duration(0)
	var took time.Duration
	for took == 0 {
		at := time.Now()
		if !p.alive() {
			t.Error("a carrier gets no answer beside the strangers")
		}
		asked, slowest = asked+1, max(slowest, time.Since(at))
		select {
		case took = <-done:
		case <-time.After(20 * time.Millisecond): // a carrier's next question
		}
	}
	counted, lost := 0.0, 0.0
	harness.Eventually(t, joinBar, "each is counted", func() bool {
		counted, lost = s.metric(t, `holdfast_dropped_packets_total{why="stranger"}`)-before, kernelDrops(t, to.AddrPort())-lostBefore
		return counted+lost >= float64(sent)
	})
	if counted > 1.001*float64(sent) { // the scanners before may have said something more
		t.Errorf("%.0f of %d are counted", counted, sent)
	}
	limit := time.Now().Add(300 * time.Millisecond)
	for _, conn := range strangers {
		must(t, conn.SetReadDeadline(limit))
		if n, err := conn.Read(make([]byte, 2048)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a stranger got %d bytes, %v", n, err)
		}
	}
	if rate := float64(sent) / took.Seconds(); rate < 0.9*drownRate {
		t.Logf("this machine sent %.0f %% of %d a second: that is what was tried", 100*rate/drownRate, drownRate)
	}
	t.Logf("%d datagrams in %v, %.0f a second: %.0f counted, %.0f lost by the kernel; %v of CPU; %d questions of a carrier, the slowest answered after %v", sent,
		took.Round(time.Millisecond), float64(sent)/took.Seconds(), counted, lost, (s.cpu(t) - cpu).Round(time.Millisecond), asked, slowest.Round(time.Millisecond))
}

// kernelDrops is how many datagrams found no room in the buffer of a UDP socket.
func kernelDrops(t *testing.T, at netip.AddrPort) float64 {
	t.Helper()
	b := at.Addr().Unmap().As4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], at.Port())
	f, err := os.Open("/proc/net/udp")
	must(t, err)
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 13 && fields[1] == local {
			n, err := strconv.ParseUint(fields[12], 10, 64)
			must(t, err)
			return float64(n)
		}
	}
	t.Fatalf("no socket at %v", at)
	return 0
}
