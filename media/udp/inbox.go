package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxPacket is the longest datagram that is read, in bytes: more than any Ethernet carries unfragmented. A longer one is cut, and
// told by having this length.
const MaxPacket = 2048

// gather is how many packets of one port are read at once. More than one wait only behind a network that stood still, or
// in a flood.
const gather = 16

// inbox is where packets are read to. Who opens SRTP does it into a buffer of its own, so that nothing is needed behind them.
type inbox struct {
	messages [gather]message
	vectors  [gather]unix.Iovec
	sources  [gather]unix.RawSockaddrInet6
	packets  [gather][MaxPacket]byte
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
		in.vectors[i].SetLen(MaxPacket)
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
