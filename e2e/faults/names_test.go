package faults

import (
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
)

// nameBar is how long a call to the outside may take to be tried while no name can be looked up: the asking, and a second.
const nameBar = 3 * time.Second

// names is a DNS server that knows one address for every name, until it falls silent.
type names struct {
	silent atomic.Bool
	asked  atomic.Int64
}

// listen answers at a host until the test ends.
func (s *names) listen(t *testing.T, host string, knows netip.Addr) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(host+":53")))
	must(t, err)
	over := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-over })
	go func() {
		defer close(over)
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(query)
			if err != nil {
				return
			}
			s.asked.Add(1)
			if answer := reply(query[:n], knows); answer != nil && !s.silent.Load() {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
}

// reply answers a query with one question (RFC 1035 section 4.1); nil where there is none.
func reply(query []byte, knows netip.Addr) []byte {
	const header, a = 12, 1
	end := header
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	if end > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end-4:])
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x81, 0x80
	clear(answer[6:header]) // no answer, no authority, nothing more
	if kind != a {
		return answer
	}
	answer[7] = 1
	answer = append(answer, 0xC0, header, 0, a, 0, 1, 0, 0, 0, 0, 0, 4) // the name asked for, good for no time at all
	return append(answer, knows.AsSlice()...)
}

// The DNS goes silent. Who calls notices nothing; a carrier that is known by name stays where it was last, and one that is known
// by address needs nobody's help.
func TestACarrierIsFoundWhenNamesAreNot(t *testing.T) {
	t.Parallel()
	harness.NeedsRoot(t, "mounts files and listens at port 53")
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	n := harness.Start(t, harness.Options{
		Through: []string{"unshare", "--mount", "sh", "-c", `touch "$0" && mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolv},
	})
	net24 := n.Host[:len(n.Host)-2]
	var dns names
	dns.listen(t, net24+".53", netip.MustParseAddr(net24+".77"))
	must(t, os.WriteFile(resolv, []byte("nameserver "+net24+".53\noptions timeout:1 attempts:1\n"), 0o600))
	rings := func(string) carrier.Plan { return carrier.Plan{Rings: true} }
	named, err := carrier.Listen(net24+".77:0", rings)
	must(t, err)
	t.Cleanup(named.Close)
	numbered, err := carrier.Listen(net24+".78:0", rings)
	must(t, err)
	t.Cleanup(numbered.Close)
	_, port, _ := net.SplitHostPort(named.Addr())
	api := n.SignIn(noc)
	for name, out := range map[string][2]string{"a-named": {net24 + ".77/32", "sip.carrier.example:" + port}, "b-numbered": {net24 + ".78/32", numbered.Addr()}} {
		api.Do(http.MethodPost, "/api/v1/trunks", map[string]any{"name": name, "signal": []string{out[0]}, "out": map[string]string{"target": out[1]}}, nil)
	}
	l := n.Ledger()
	o := n.Operator(ada)
	reaches := func(when string, x *carrier.Exchange) {
		t.Helper()
		e := l.Call(prairie)
		joined(t, l, e, o)
		if took := time.Duration(e.Call.Result().AnswerMS) * time.Millisecond; took > answerBar {
			t.Errorf("%s: a caller was answered after %v", when, took)
		}
		harness.Eventually(t, offerBar, "calls to the outside are possible", func() bool { return o.View().MayDial })
		asked := time.Now()
		must(t, o.DialOut(harness.Limited(t, offerBar), "+16085550111"))
		select {
		case third := <-x.Calls():
			t.Logf("%s: reached after %v", when, time.Since(asked).Round(time.Millisecond))
			<-third.Answered()
		case <-time.After(nameBar):
			t.Fatalf("%s: the carrier was not reached in %v", when, nameBar)
		}
		must(t, o.LetGo(harness.Limited(t, offerBar)))
		e.Hangup()
		n.Over(e.Call, byeBar)
		e.Result = "answered"
		next(t, n, o)
	}
	reaches("the DNS answers", named)
	if dns.asked.Load() == 0 {
		t.Fatal("the node asked another DNS than the story's")
	}
	dns.silent.Store(true)
	reaches("the DNS is silent", named)
	raised(t, api, "trunk_name:a-named", byeBar)
	again := func() {
		n.Run()
		n.Healthy()
		harness.Event(t, o, operator.Resumed, 15*time.Second)
		n.Phase(o, byeBar, duty.Available) // a caller who comes before that is asked for a message
	}
	l.Kill() // what it learned is on its disk
	again()
	reaches("the DNS is silent, and the node is new", named)
	l.Kill()
	must(t, os.Remove(filepath.Join(n.Data, "run", "carriers")))
	again()
	reaches("nobody ever knew the name", numbered)
	dns.silent.Store(false)
	reaches("the DNS answers again", named)
	over(t, api, "trunk_name:a-named", byeBar)
	l.Balance(booksBar)
}
