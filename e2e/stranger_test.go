package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const options = "OPTIONS sip:holdfast SIP/2.0\r\nVia: SIP/2.0/%T 127.66.0.1;branch=z9hG4bKstranger;rport\r\nFrom: <sip:x@127.66.0.1>;tag=1\r\n" +
	"To: <sip:holdfast>\r\nCall-ID: stranger\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

func TestAStrangerGetsNoByte(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	for network, local := range map[string]net.Addr{
		"udp": &net.UDPAddr{IP: net.IPv4(127, 66, 0, 1)},
		"tcp": &net.TCPAddr{IP: net.IPv4(127, 66, 0, 1)},
	} {
		t.Run(network, func(t *testing.T) {
			conn, err := (&net.Dialer{LocalAddr: local}).DialContext(t.Context(), network, n.SIP)
			must(t, err)
			defer func() { _ = conn.Close() }()
			_, _ = conn.Write([]byte(strings.ReplaceAll(options, "%T", strings.ToUpper(network)))) // TCP may be closed already
			must(t, conn.SetReadDeadline(time.Now().Add(2*time.Second)))
			got, err := conn.Read(make([]byte, 1))
			switch {
			case got > 0:
				t.Error("a stranger was answered")
			case network == "udp" && !errors.Is(err, os.ErrDeadlineExceeded):
				t.Errorf("over UDP: %v", err)
			case network == "tcp" && errors.Is(err, os.ErrDeadlineExceeded):
				t.Error("over TCP the connection is kept open")
			case network == "tcp" && err != nil && !errors.Is(err, io.EOF):
				t.Logf("over TCP: %v", err) // a reset is silence too
			}
		})
	}
}
