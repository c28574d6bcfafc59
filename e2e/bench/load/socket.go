package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch      = 64
	maxPacket  = 1500
	readBuffer = 32 << 20 // bytes; what a stalled generator must not lose
)

// mmsghdr is struct mmsghdr of recvmmsg(2) on 64-bit Linux.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   uint32
}

// socket is a UDP socket that is read and written in batches. One thread uses in and out; sendOne may be called by any.
type socket struct {
	fd   int
	port uint16
	in   [batch]mmsghdr
	out  [batch]mmsghdr
	due  int // of out
	keep struct {
		buf  [batch][maxPacket]byte
		oob  [batch][128]byte
		name [batch]unix.RawSockaddrInet4
		iov  [batch]unix.Iovec
		oiov [batch]unix.Iovec
	}
}

// listen opens a socket; it tells when packets came and to which of our addresses.
func listen(at netip.AddrPort) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &socket{fd: fd, port: at.Port()}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, readBuffer) != nil { // not root: as much as we get
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, readBuffer)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
	)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open a socket at %s: %w", at, err)
	}
	for i := range s.in {
		s.keep.iov[i].Base = &s.keep.buf[i][0]
		s.keep.iov[i].SetLen(maxPacket)
		h := &s.in[i].hdr
		h.Iov, h.Name = &s.keep.iov[i], (*byte)(unsafe.Pointer(&s.keep.name[i]))
		h.SetIovlen(1)
		s.out[i].hdr.Iov = &s.keep.oiov[i]
		s.out[i].hdr.SetIovlen(1)
	}
	return s, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// got is one packet; its bytes are valid until the next read.
type got struct {
	bytes []byte
	at    time.Time  // when the kernel had it
	to    netip.Addr // which of our addresses it came to
	name  *unix.RawSockaddrInet4
}

// from is where the packet came from.
func (g got) from() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(g.name.Addr), binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&g.name.Port))[:]))
}

// read gives up to batch packets to take and returns how many there were.
func (s *socket) read(take func(got)) int {
	for i := range s.in {
		h := &s.in[i].hdr
		h.Namelen = unix.SizeofSockaddrInet4
		h.Control = &s.keep.oob[i][0]
		h.SetControllen(len(s.keep.oob[i]))
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	for i := range int(n) {
		at, to := ancillary(s.keep.oob[i][:s.in[i].hdr.Controllen])
		take(got{bytes: s.keep.buf[i][:s.in[i].n], at: at, to: to, name: &s.keep.name[i]})
	}
	return int(n)
}

// ancillary reads SCM_TIMESTAMPNS and IP_PKTINFO without allocating.
func ancillary(oob []byte) (at time.Time, to netip.Addr) {
	for len(oob) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		if h.Len < unix.SizeofCmsghdr || int(h.Len) > len(oob) {
			break
		}
		data := oob[unix.SizeofCmsghdr:h.Len]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16:
			at = time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:]))) //nolint:gosec // the kernel's
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			to = netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr
		}
		oob = oob[min(len(oob), (int(h.Len)+7)&^7):]
	}
	return at, to
}

// path is where packets go, and from which of our addresses. It is made once and not changed.
type path struct {
	name unix.RawSockaddrInet4
	oob  [24]byte // IP_PKTINFO
}

func newPath(from netip.Addr, to netip.AddrPort) *path {
	p := &path{name: unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&p.name.Port))[:], to.Port())
	info := p.oob[:]
	*(*unix.Cmsghdr)(unsafe.Pointer(&info[0])) = unix.Cmsghdr{
		Len: unix.SizeofCmsghdr + unix.SizeofInet4Pktinfo, Level: unix.IPPROTO_IP, Type: unix.IP_PKTINFO,
	}
	source := from.As4()
	copy(info[unix.SizeofCmsghdr+4:], source[:]) // ipi_spec_dst
	return p
}

func (p *path) fill(h *unix.Msghdr) {
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&p.name)), unix.SizeofSockaddrInet4
	h.Control = &p.oob[0]
	h.SetControllen(unix.SizeofCmsghdr + unix.SizeofInet4Pktinfo)
}

// add puts a packet into the batch; it must not change before flush.
func (s *socket) add(p *path, packet []byte) {
	if s.due == batch {
		s.flush()
	}
	s.keep.oiov[s.due].Base = &packet[0]
	s.keep.oiov[s.due].SetLen(len(packet))
	p.fill(&s.out[s.due].hdr)
	s.due++
}

// flush sends the batch. What the kernel refuses is lost, as on any network.
func (s *socket) flush() {
	for first := 0; first < s.due; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[first])), uintptr(s.due-first), 0, 0, 0)
		if errno != 0 {
			n = 1 // an ICMP of an earlier packet, or this one is refused
		}
		first += int(n) //nolint:gosec // at most batch
	}
	s.due = 0
}

// sendOne sends one packet now.
func (s *socket) sendOne(p *path, packet []byte) error {
	if len(packet) == 0 {
		return nil
	}
	iov := unix.Iovec{Base: &packet[0]}
	iov.SetLen(len(packet))
	h := unix.Msghdr{Iov: &iov}
	h.SetIovlen(1)
	p.fill(&h)
	if _, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&h)), 0); errno != 0 {
		return errno
	}
	return nil
}
