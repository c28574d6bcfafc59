package trunk

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/media"
)

func prefixesOf(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }

// bad is a network between a caller at one side and the node: of what goes through, a tenth is lost, a tenth comes twice, and
// a tenth late, behind what was sent after it.
type bad struct {
	front, back *net.UDPConn // the caller's side, the node's side
	caller      atomic.Pointer[net.UDPAddr]
	lost, twice atomic.Int64
	late        atomic.Int64
}

func newBad(t *testing.T, n *node) *bad {
	t.Helper()
	b := &bad{}
	var err error
	if b.front, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if b.back, err = net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, net.UDPAddrFromAddrPort(n.Addr())); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		b.carry(b.front, func(from *net.UDPAddr) { b.caller.Store(from) }, func(p []byte) { _, _ = b.back.Write(p) })
	})
	running.Go(func() {
		b.carry(b.back, func(*net.UDPAddr) {}, func(p []byte) {
			if to := b.caller.Load(); to != nil {
				_, _ = b.front.WriteToUDP(p, to)
			}
		})
	})
	t.Cleanup(func() { _ = b.front.Close(); _ = b.back.Close(); running.Wait() })
	return b
}

// carry takes from one side to the other, until the socket is closed. What is late waits for the next two datagrams.
func (b *bad) carry(in *net.UDPConn, from func(*net.UDPAddr), out func([]byte)) {
	chance := rand.New(rand.NewPCG(1, 2)) // the same bad luck each time, as far as the order of packets is the same
	var held [][]byte
	buf := make([]byte, 65535)
	for {
		n, addr, err := in.ReadFromUDP(buf)
		if err != nil {
			if strings.Contains(err.Error(), "closed") {
				return
			}
			continue
		}
		from(addr)
		p := bytes.Clone(buf[:n])
		switch c := chance.IntN(10); {
		case c == 0:
			b.lost.Add(1)
		case c == 1:
			b.twice.Add(1)
			out(p)
			out(p)
		case c == 2 && len(held) < 2:
			b.late.Add(1)
			held = append(held, p)
			continue
		default:
			out(p)
		}
		for _, p := range held {
			out(p)
		}
		held = held[:0]
	}
}

// badCall is one call of SIPp through a bad network: answered, held a moment, ended by its caller.
const badCall = `<?xml version="1.0" encoding="UTF-8"?><scenario name="call">
<send retrans="100" start_txn="call"><![CDATA[
INVITE sip:+16085550101@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:+16085551234@x>;tag=[call_number]
To: <sip:+16085550101@x>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[remote_ip]:[remote_port]>
Content-Type: application/sdp
Content-Length: [len]

` + "v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio 9 RTP/AVP 0\n" + `]]></send>
<recv response="100" optional="true" response_txn="call"/>
<recv response="200" rrs="true" response_txn="call"/>
<send ack_txn="call"><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:+16085551234@x>;tag=[call_number]
To: <sip:+16085550101@x>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>
<pause milliseconds="400"/>
<send retrans="100" start_txn="end"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:+16085551234@x>;tag=[call_number]
To: <sip:+16085550101@x>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Content-Length: 0

]]></send>
<recv response="200" response_txn="end"/>
</scenario>`

// TestABadNetworkMakesNoCallTwiceAndLosesNone is 10 % loss, 10 % copies and 10 % reordering both ways under a caller of another
// make: each call rings once, ends once by its caller's BYE, and leaves nothing behind.
func TestABadNetworkMakesNoCallTwiceAndLosesNone(t *testing.T) {
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("sipp is not installed: apt-get install sip-tester")
	}
	const calls = 100
	var mu sync.Mutex
	rang, ended := map[string]int{}, map[string][]string{}
	over := make(chan struct{}, 10*calls)
	handler := func(in media.Incoming) {
		id := in.Invite().SIPCallID
		mu.Lock()
		rang[id]++
		name := fmt.Sprint("c-", len(rang))
		mu.Unlock()
		leg, err := in.Answer(name)
		if err != nil {
			t.Errorf("answer: %v", err)
			return
		}
		leg.Listen(func(e media.Event) {
			if e.Kind == media.Ended {
				mu.Lock()
				ended[id] = append(ended[id], e.Ending.Reason)
				mu.Unlock()
				over <- struct{}{}
			}
		})
	}
	n := newNode(t, func(s *Server) {
		s.cfg.Handler, s.timing.ackLimit = handler, 32*time.Second
	})
	base := runtime.NumGoroutine()
	network := newBad(t, n)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s.xml"), []byte(badCall), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, network.front.LocalAddr().String(), "-sf", "s.xml", "-i", "127.0.0.1",
		"-m", fmt.Sprint(calls), "-r", "50", "-nostdin", "-max_retrans", "20", "-default_behaviors", "all,-abortunexp", "-trace_err", "-error_file", "err")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		raw, _ := os.ReadFile(filepath.Join(dir, "err"))
		t.Fatalf("SIPp: %v\n%s\n%s", err, raw[:min(len(raw), 3000)], out[max(0, len(out)-1500):])
	}
	for range calls {
		within(t, over, "a call's end")
	}
	waitFor(t, func() bool { return n.Calls() == 0 })
	mu.Lock()
	defer mu.Unlock()
	for id, times := range rang {
		if times != 1 || len(ended[id]) != 1 || ended[id][0] != "bye" {
			t.Errorf("call %s rang %d times and ended %v", id, times, ended[id])
		}
	}
	if len(rang) != calls || network.lost.Load() == 0 || network.twice.Load() == 0 || network.late.Load() == 0 {
		t.Errorf("%d calls; %d packets lost, %d twice, %d late", len(rang), network.lost.Load(), network.twice.Load(), network.late.Load())
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() <= base+5 }) // the network itself has two
	t.Logf("%d calls; %d packets lost, %d twice, %d late", calls, network.lost.Load(), network.twice.Load(), network.late.Load())
}
