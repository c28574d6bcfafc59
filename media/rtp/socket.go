package rtp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// sockets is the network as the engine sees it.
type sockets interface {
	// open binds a UDP port. take is called for each packet that arrives, one at a time, and owns the bytes until it
	// returns; sources are plain IPv4 or IPv6 addresses, never IPv4 in IPv6.
	open(at netip.AddrPort, take func(src netip.AddrPort, packet []byte)) (conn, error)
	// wait returns when no take is running or will run; all conns must be closed before.
	wait()
}

// conn is one bound port.
type conn interface {
	// send may be called from any goroutine and keeps nothing of packet.
	send(to netip.AddrPort, packet []byte) error
	// close unbinds. It does not wait: a take may still be running, so that a take may call it.
	close()
}

// readPause is how long a reader rests after a read error other than its end. UDP reads hardly ever fail; when they
// do (no buffers), spinning would make it worse.
const readPause = 10 * time.Millisecond

// perSocket reads each socket on a goroutine of its own.
type perSocket struct {
	log     *slog.Logger
	readers sync.WaitGroup
}

func (p *perSocket) open(at netip.AddrPort, take func(netip.AddrPort, []byte)) (conn, error) {
	network := "udp4" // a socket of one family: sources come unmapped
	if at.Addr().Is6() {
		network = "udp6"
	}
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", at, err)
	}
	p.readers.Go(func() { p.read(c, take) })
	return udpConn{c}, nil
}

func (p *perSocket) wait() { p.readers.Wait() }

func (p *perSocket) read(c *net.UDPConn, take func(netip.AddrPort, []byte)) {
	buf := make([]byte, maxPacket)
	for {
		n, src, err := c.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			p.log.Warn("media socket: read failed", "local", c.LocalAddr().String(), "error", err)
			time.Sleep(readPause)
			continue
		}
		take(src, buf[:n])
	}
}

type udpConn struct{ c *net.UDPConn }

func (u udpConn) send(to netip.AddrPort, packet []byte) error {
	_, err := u.c.WriteToUDPAddrPort(packet, to)
	return err
}

func (u udpConn) close() { _ = u.c.Close() } // closing a UDP socket loses nothing
