package hostile

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sources    = 50_000
	closedBar  = 15 * time.Second // until a connection that gets nowhere is closed; the first byte must come within 5 s
	manyConns  = 300
	greatBytes = 64 << 10
)

// flooded sends calls from fifty thousand addresses that belong to no trunk. Nobody gets a byte, and none is remembered.
func (s *siege) flooded(t *testing.T) {
	to, err := netip.ParseAddrPort(s.n.SIP)
	must(t, err)
	conn, err := net.ListenUDP("udp4", nil) // on all addresses: each packet says whose it is, and an answer to any comes here
	must(t, err)
	defer func() { _ = conn.Close() }()
	invite := []byte(message(parts[0], "INVITE", "flood", "127.66.0.1:5060", "127.66.0.1"))
	p := dial(t, "127.0.66.5", s.n.SIP)
	for i := range sources {
		from := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte{127, 66, byte(i >> 8), byte(i)}})
		_, _, err := conn.WriteMsgUDPAddrPort(invite, from, to)
		must(t, err)
		if i%500 == 0 && !p.alive() { // which also lets it keep up: what the kernel drops proves nothing
			t.Fatalf("no answer to OPTIONS after %d calls of strangers", i)
		}
	}
	must(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	if n, from, _ := conn.ReadFromUDPAddrPort(make([]byte, 2048)); n > 0 {
		t.Errorf("a stranger was answered by %v", from)
	}
}

// held is a connection from a trunk's address, to one of the node's ports.
func held(t *testing.T, i int, to string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 66, 10+byte(i/100))}, Timeout: joinBar}).DialContext(t.Context(), "tcp", to)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// shut waits until the node closes a connection, for at most closedBar after a moment, and returns what it said before.
func shut(t *testing.T, since time.Time, conn net.Conn, what string) string {
	t.Helper()
	must(t, conn.SetReadDeadline(since.Add(closedBar)))
	said, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%s: still open after %v", what, closedBar)
	}
	return string(said)
}

// connected opens connections from a trunk's address that say nothing, half of a handshake, or what has no end.
func (s *siege) connected(t *testing.T) {
	var idle []net.Conn
	for i := range manyConns {
		idle = append(idle, held(t, i, s.n.SIP), held(t, i, s.n.SIPTLS))
	}
	for _, conn := range idle[:manyConns] {
		if conn.RemoteAddr().String() == s.n.SIPTLS {
			_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1}) // the beginning of a hello
		}
	}
	invite := message(parts[0], "INVITE", "tcp", "127.0.66.10:5060", "127.0.66.10")
	head := strings.Replace(invite[:strings.Index(invite, "Content-Length")], "/UDP", "/TCP", 1)
	nested := ""
	for i := range 2000 {
		nested += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n", i, i+1)
	}
	for what, text := range map[string]string{
		"a header of 64 KiB":    head + "X: " + strings.Repeat("a", greatBytes) + "\r\nContent-Length: 0\r\n\r\n",
		"10,000 headers":        head + strings.Repeat("X: y\r\n", 10_000) + "Content-Length: 0\r\n\r\n",
		"a header without end":  head + "X: " + strings.Repeat("a", 2*greatBytes),
		"a body of 2 GiB":       head + "Content-Length: 2147483648\r\n\r\n" + strings.Repeat("a", 2*greatBytes),
		"a body of less than 0": head + "Content-Length: -1\r\n\r\n",
		"two lengths":           head + "Content-Length: 3\r\nl: 5\r\n\r\nabcde",
		"no SIP at all":         strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100),
		"a hello of TLS":        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 2*greatBytes),
		"NULs":                  strings.Repeat("\x00", 2*greatBytes),
		"parts within parts":    strings.Replace(head, "application/sdp", "multipart/mixed;boundary=b0", 1) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", min(len(nested), 60000), nested[:min(len(nested), 60000)]),
	} {
		conn := held(t, 1, s.n.SIP)
		began := time.Now()
		_, _ = conn.Write([]byte(text))
		_ = conn.(*net.TCPConn).CloseWrite()
		said := shut(t, began, conn, what)
		t.Logf("%s: %.40q after %v", what, said, time.Since(began).Round(time.Millisecond))
		if strings.HasPrefix(said, "SIP/2.0 2") {
			t.Errorf("%s was taken for a call", what)
		}
	}
	p := dial(t, "127.0.66.3", s.n.SIP)
	if !p.alive() {
		t.Fatal("no answer to OPTIONS beside the idle connections")
	}
	conn := held(t, manyConns+9, s.n.SIPTLS)
	must(t, conn.SetDeadline(time.Now().Add(joinBar)))
	must(t, tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context())) //nolint:gosec // who it is does not matter
	began := time.Now()
	for i, c := range idle {
		shut(t, began, c, fmt.Sprintf("idle connection %d", i))
	}
}
