package trunk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/tenants/routing"
)

// exchange is a carrier that takes calls over TLS.
func exchange(t *testing.T, show *tls.Certificate) (at string, calls <-chan *peer) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{*show}}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	came, done := make(chan *peer, 10), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).HandshakeContext(t.Context()) != nil {
				_ = conn.Close()
				continue
			}
			came <- peerOn(t, conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), came
}

// outTLS gives the node one trunk that takes calls over TLS.
func (n *node) outTLS(at string, change func(*routing.Trunk)) {
	n.overTLS(func(r *routing.Trunk) {
		r.Out = &routing.WayOut{Target: at, Domain: "carrier.example"}
		if change != nil {
			change(r)
		}
	})
}

func TestACallOfOursOverTLSComesBackOverANewConnection(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	at, calls := exchange(t, trusted().issue(time.Now().Add(time.Hour), "carrier.example"))
	n.outTLS(at, nil)
	leg, events := n.out(t)
	p := within(t, calls, "a connection")
	invite := p.request(sip.INVITE)
	if via, contact := invite.Via(), value(invite, "Contact"); via.Transport != "TLS" || !strings.Contains(contact, fmt.Sprintf("@%s;transport=tls", n.tlsAddr())) {
		t.Errorf("Via %s, Contact %s", via.Value(), contact)
	}
	p.says(invite, 200, "them", offer("", ""), "Record-Route: <sip:"+at+";transport=tls;lr>")
	event(t, events, media.Connected)
	p.request(sip.ACK)
	leg2, events2 := n.out(t) // over the same connection
	p.says(p.request(sip.INVITE), 486, "them", "")
	ended(t, leg2, events2, "busy", 486)
	carrier, elsewhere := (*n.trunks.Load())[0], "127.0.0.1:9"
	if !n.theirs(&carrier, "TLS", elsewhere, at) || n.theirs(&carrier, "TLS", elsewhere, p.conn.RemoteAddr().String()) {
		t.Error("credentials go to whoever has not shown the carrier's certificate, or not to who has")
	}
	_ = p.conn.Close()
	waitFor(t, func() bool { return !n.connected("TLS", at) && !n.theirs(&carrier, "TLS", elsewhere, at) })
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p = within(t, calls, "a new connection")
	p.send(okTo(p.request(sip.BYE)))
	ended(t, leg, events, "hangup", 0)
}

func TestOurCallsGoToNobodyElse(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour)
	for name, show := range map[string]*tls.Certificate{
		"another name": trusted().issue(soon, "other.example"), "another authority": newAuthority("other").issue(soon, "carrier.example"),
		"over": trusted().issue(time.Now().Add(-time.Hour), "carrier.example"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			at, calls := exchange(t, show)
			n.outTLS(at, nil)
			leg, events := n.out(t)
			ended(t, leg, events, media.EndedUnreachable, 0)
			select {
			case p := <-calls: // TLS 1.3: its half of the handshake was done
				if m, open := <-p.in; open {
					t.Errorf("it got %v", m)
				}
			default:
			}
			if n.Dropped()["handshake"] != 1 || n.open.count() != 0 {
				t.Errorf("dropped %v, %d open", n.Dropped(), n.open.count())
			}
		})
	}
}

// silent is a carrier that takes connections and says nothing.
func silent(t *testing.T) (at string, came func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() net.Conn {
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// behind gives the node TLS trunks "a", "b" ... that share the address 127.0.0.1, each with its target and name.
func (n *node) behind(carriers ...[2]string) {
	var trunks []routing.Trunk
	for i, c := range carriers {
		trunks = append(trunks, routing.Trunk{
			Name: string(rune('a' + i)), Signal: prefixesOf("127.0.0.1/32"), TLS: &routing.TLS{CA: trusted().pem, Name: c[1]}, Out: &routing.WayOut{Target: c[0]},
		})
	}
	n.SetTrunks(trunks)
}

func TestACarrierThatNeverBecomesSecureKeepsNobody(t *testing.T) {
	t.Parallel()
	n := newNode(t, givesUpSoon, func(s *Server) { s.timing.handshake = time.Minute })
	mute, _ := silent(t)
	at, calls := exchange(t, trusted().issue(time.Now().Add(time.Hour), "carrier.example"))
	n.behind([2]string{mute, "carrier.example"}, [2]string{at, "carrier.example"})
	leg, events := n.out(t)
	p := within(t, calls, "the next trunk's turn")
	p.says(p.request(sip.INVITE), 486, "them", "")
	ended(t, leg, events, media.EndedBusy, 486)
}

func TestWhoHangsUpDoesNotWaitForAConnection(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) {
		s.timing.handshake, s.timing.firstByte, s.timing.noReply = time.Minute, time.Minute, time.Minute
	})
	at, came := silent(t)
	n.behind([2]string{at, "carrier.example"})
	leg, events := n.out(t)
	came()
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	ended(t, leg, events, "hangup", 0)
	waitFor(t, func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.placed) == 0 })
}

func TestAllWhoWaitForAConnectionLearnWhyThereIsNone(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(s *Server) { s.timing.handshake = time.Minute })
	at, came := silent(t)
	n.behind([2]string{at, "carrier.example"})
	ctx, giveUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- n.tls.reach(ctx, "a", at) }()
	conn := came()
	giveUp()
	if err := within(t, first, "the end of the first's patience"); !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	d := n.tls.making("a", at) // as the next finds it
	_ = conn.Close()
	within(t, d.done, "the end")
	if d.err == nil || errors.Is(d.err, errNoTLS) || errors.Is(d.err, context.Canceled) || n.Dropped()["handshake"] != 1 {
		t.Errorf("the others: %v; dropped %v", d.err, n.Dropped())
	}
	n.tls.mu.Lock()
	n.tls.dials[at] = d
	n.tls.mu.Unlock()
	if err := n.tls.reach(t.Context(), "a", at); !errors.Is(err, d.err) {
		t.Errorf("who waited was told %v", err)
	}
}

func TestTwoTrunksBehindOneAddressAreJudgedEachByItsOwnName(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	soon := time.Now().Add(time.Hour)
	one, ones := exchange(t, trusted().issue(soon, "one.example"))
	two, twos := exchange(t, trusted().issue(soon, "two.example"))
	n.behind([2]string{one, "one.example"}, [2]string{two, "two.example"})
	for name, calls := range map[string]<-chan *peer{"a": ones, "b": twos} {
		to := someone
		to.Trunk = name
		leg, err := n.Dial(to)
		if err != nil {
			t.Fatal(err)
		}
		p := within(t, calls, "a call over trunk "+name)
		p.says(p.request(sip.INVITE), 486, "them", "")
		ended(t, leg, listen(leg), media.EndedBusy, 486)
	}
}
