package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrClosed says that a port was closed.
var ErrClosed = errors.New("the media port is closed")

// Port is one UDP port. All its methods are safe from any goroutine.
type Port struct {
	network *Network
	at      netip.AddrPort // as it was asked for
	four    bool           // IPv4
	take    func(src netip.AddrPort, packet []byte)
	poller  *poller // nil: nobody reads
	number  int32   // of the poller
	outbox  *outbox // nil: not shared

	mu     sync.Mutex // a descriptor that was given back may be another call's: nothing is sent by it
	fd     int
	closed bool
}

// bindUDP opens a port of one family, so that sources come unmapped.
func bindUDP(at netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	var name unix.Sockaddr
	if a := at.Addr(); a.Is4() {
		name = &unix.SockaddrInet4{Port: int(at.Port()), Addr: a.As4()}
	} else {
		family, name = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: a.As16()}
	}
	if fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("open a media port: %w", err)
	}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err = errors.Join(err, unix.Bind(fd, name)); err != nil {
		_ = unix.Close(fd) // it never carried anything
		return -1, fmt.Errorf("bind %s: %w", at, err)
	}
	return fd, nil
}

// weight is how much of a poller it takes.
func (s *Port) weight() int {
	if s.outbox != nil {
		return fewPorts
	}
	return 1
}

// Addr is where the port is; with number 0 asked for, the number that it got.
func (s *Port) Addr() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.at.Port() != 0 {
		return s.at
	}
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return s.at
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		s.at = netip.AddrPortFrom(s.at.Addr(), uint16(name.Port)) //nolint:gosec // a port
	case *unix.SockaddrInet6:
		s.at = netip.AddrPortFrom(s.at.Addr(), uint16(name.Port)) //nolint:gosec // as above
	}
	return s.at
}

// Listen begins reading; it is called once. take gets each packet that arrives, one at a time, and owns the bytes until it
// returns; sources are plain IPv4 or IPv6 addresses, never IPv4 in IPv6. A packet may be empty. take must not block.
func (s *Port) Listen(take func(src netip.AddrPort, packet []byte)) error {
	p, err := s.network.least()
	if err != nil {
		return err
	}
	s.take, s.poller = take, p
	if err := p.add(s); err != nil {
		s.poller = nil
		return err
	}
	return nil
}

// Drain returns once take has had every packet that was there when it was called, and after limit at the latest. It is for whoever
// is about to end a call: what the peer sent before it hung up came in time, however late this node is with reading. It must not be
// called from a take.
func (s *Port) Drain(limit time.Duration) {
	if s.poller == nil || !s.waits() {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.poller.ask(s):
	case <-timer.C:
	}
}

// waits says whether a packet is there that nobody has read.
func (s *Port) waits() bool {
	var b [1]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), 1, unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
	return errno == 0
}

// open says whether it was not closed.
func (s *Port) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed
}

// Close unbinds. It does not wait: a take may still be running, so that a take may call it. It may be repeated.
func (s *Port) Close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if s.outbox != nil && !closed {
		s.network.share(func(all []*Port) []*Port { return slices.DeleteFunc(all, func(p *Port) bool { return p == s }) })
	}
	switch {
	case closed:
	case s.poller == nil:
		s.release()
	default:
		s.poller.drop(s)
	}
}

// release gives the descriptor back.
func (s *Port) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = unix.Close(s.fd) // closing a UDP socket loses nothing
	s.closed, s.fd = true, -1
}

// Send writes one packet now, without a word to the Go scheduler: the socket never blocks. It keeps nothing of packet.
func (s *Port) Send(to netip.AddrPort, packet []byte) error {
	var name unix.RawSockaddrInet6 // the larger one
	size := rawName(&name, to, s.four)
	if len(packet) == 0 || size == 0 {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&packet[0])), uintptr(len(packet)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&name)), size)
	if errno != 0 {
		return errno
	}
	return nil
}

// rawName writes an address as the kernel wants it; 0: it is of the other family.
func rawName(dst *unix.RawSockaddrInet6, to netip.AddrPort, four bool) (size uintptr) {
	if to.Addr().Is4() != four || !to.IsValid() {
		return 0
	}
	dst.Port = swap(to.Port())
	if four {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(dst)) // port and family are in the same places
		four.Family, four.Addr = unix.AF_INET, to.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	dst.Family, dst.Addr = unix.AF_INET6, to.Addr().As16()
	return unix.SizeofSockaddrInet6
}

// swap turns a port from the network's order of bytes into ours, or back.
func swap(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}
