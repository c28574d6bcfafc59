package rtp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockets is the network as the engine sees it.
type sockets interface {
	// open binds a UDP port. Nothing is read from it before listen.
	open(at netip.AddrPort) (conn, error)
	// stop returns when no take is running or will run; all conns must be closed before. Nothing can be opened after it.
	stop()
}

// conn is one bound port.
type conn interface {
	// listen begins reading; it is called once. take gets each packet that arrives, one at a time, and owns the bytes until
	// it returns; sources are plain IPv4 or IPv6 addresses, never IPv4 in IPv6.
	listen(take func(src netip.AddrPort, packet []byte)) error
	// send may be called from any goroutine and keeps nothing of packet.
	send(to netip.AddrPort, packet []byte) error
	// close unbinds. It does not wait: a take may still be running, so that a take may call it.
	close()
}

// errClosed says that a port was closed.
var errClosed = errors.New("the media port is closed")

// socket is a port that a poller reads.
type socket struct {
	pollers *pollers
	port    uint16
	four    bool // IPv4
	take    func(src netip.AddrPort, packet []byte)
	poller  *poller // nil: nobody reads
	number  int32   // of the poller

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

func (s *socket) listen(take func(netip.AddrPort, []byte)) error {
	p, err := s.pollers.least()
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

func (s *socket) close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	switch {
	case closed:
	case s.poller == nil:
		s.release()
	default:
		s.poller.drop(s)
	}
}

// release gives the descriptor back.
func (s *socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = unix.Close(s.fd) // closing a UDP socket loses nothing
	s.closed, s.fd = true, -1
}

// send writes one packet now, without a word to the Go scheduler: the socket never blocks.
func (s *socket) send(to netip.AddrPort, packet []byte) error {
	var name unix.RawSockaddrInet6 // the larger one
	size := s.name(&name, to)
	if len(packet) == 0 || size == 0 {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&packet[0])), uintptr(len(packet)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&name)), size)
	if errno != 0 {
		return errno
	}
	return nil
}

// name writes an address as the kernel wants it; 0: it is of the other family.
func (s *socket) name(dst *unix.RawSockaddrInet6, to netip.AddrPort) (size uintptr) {
	if to.Addr().Is4() != s.four || !to.IsValid() {
		return 0
	}
	dst.Port = swap(to.Port())
	if s.four {
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

// gather is how many packets of one port are read at once. More than one wait only behind a network that stood still, or
// in a flood.
const gather = 16

// inbox is where packets are read to. SRTP is opened into a buffer of its session, so that nothing is needed behind them.
type inbox struct {
	messages [gather]message
	vectors  [gather]unix.Iovec
	sources  [gather]unix.RawSockaddrInet6
	packets  [gather][maxPacket]byte
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	size   uint32
	_      [4]byte
}

func (in *inbox) init() {
	for i := range in.messages {
		in.vectors[i].Base = &in.packets[i][0]
		in.vectors[i].SetLen(maxPacket)
		h := &in.messages[i].header
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&in.sources[i])), &in.vectors[i]
		h.SetIovlen(1)
		h.Namelen = unix.SizeofSockaddrInet6
	}
}

// fill reads what waits at a port, without waiting itself.
func (in *inbox) fill(fd int) (n int, errno unix.Errno) {
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.messages[0])), gather, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(got), 0 //nolint:gosec // at most gather
}

// packet is packet i of the last fill, and where it came from.
func (in *inbox) packet(i int) (src netip.AddrPort, b []byte, ok bool) {
	m, name := &in.messages[i], &in.sources[i]
	b = in.packets[i][:m.size]
	m.header.Namelen = unix.SizeofSockaddrInet6 // the kernel has written how much it used
	switch name.Family {
	case unix.AF_INET:
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), swap(four.Port)), b, true
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr), swap(name.Port)), b, true
	}
	return netip.AddrPort{}, nil, false
}
