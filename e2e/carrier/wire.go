package carrier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// wire carries SIP messages to and from the node.
type wire struct {
	conn     net.Conn
	reliable bool
	in       chan sip.Message
	gone     chan struct{} // closed when reading has ended
	closed   chan struct{}
	close    func()
}

// towards finds the local address from which an address is reached.
func towards(node netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(node))
	if err != nil {
		return netip.Addr{}, err //nolint:wrapcheck // wrapped by check
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// dial opens the wire. Datagrams of anybody but the node never come out of it: the socket is connected.
func dial(o Options, node netip.AddrPort) (*wire, error) {
	bind := o.Bind
	w := &wire{in: make(chan sip.Message, 16), gone: make(chan struct{}), closed: make(chan struct{})}
	from := netip.AddrPortFrom(bind, 0)
	var err error
	if o.Transport == "udp" {
		w.conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(node))
	} else {
		w.reliable = true
		w.conn, err = net.DialTCP("tcp", net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(node))
	}
	if err == nil && o.Transport == "tls" {
		w.conn, err = secure(w.conn, o)
	}
	if err != nil {
		return nil, fmt.Errorf("reach %s from %s: %w", node, bind, err)
	}
	w.close = sync.OnceFunc(func() { close(w.closed); _ = w.conn.Close() })
	go w.read()
	return w, nil
}

// secure makes a connection one of TLS.
func secure(conn net.Conn, o Options) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(o.Node)
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: o.CA == ""} //nolint:gosec // a test caller
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if config.RootCAs = x509.NewCertPool(); err != nil || !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.Join(err, conn.Close(), fmt.Errorf("%w: no certificate is in %s", ErrUsage, o.CA))
		}
	}
	safe := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := safe.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return safe, nil
}

// local is our end.
func (w *wire) local() netip.AddrPort { return netip.MustParseAddrPort(w.conn.LocalAddr().String()) }

func (w *wire) read() {
	defer close(w.gone)
	buf := make([]byte, 65535)
	parser := sip.NewParser()
	stream := parser.NewSIPStream()
	give := func(m sip.Message) {
		select {
		case w.in <- m:
		case <-w.closed:
		}
	}
	for {
		n, err := w.conn.Read(buf)
		switch {
		case err != nil && w.reliable, errors.Is(err, net.ErrClosed):
			return
		case err != nil: // a port that is closed right now (ICMP); it may open
			continue
		case w.reliable:
			_ = stream.ParseSIPStream(buf[:n], give) // partial messages are errors too
		default:
			if m, err := parser.ParseSIP(buf[:n]); err == nil {
				give(m)
			}
		}
	}
}

// send writes one message. A datagram that cannot be sent is as good as lost: it is sent again anyway.
func (w *wire) send(text string) error {
	if _, err := w.conn.Write([]byte(text)); err != nil && w.reliable {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}
