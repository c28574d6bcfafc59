package udp

import (
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bundle is how many packets leave together at most. With as few as these the system call is as good as free, and the first one
// waits for less than a tenth of a millisecond's work.
const bundle = 8

// maxPost is the longest packet that waits, in bytes: what fits an Ethernet frame.
const maxPost = 1500

// outbox is where packets wait for the end of a round.
type outbox struct {
	mu       sync.Mutex
	waiting  int
	messages [bundle]message
	vectors  [bundle]unix.Iovec
	targets  [bundle]unix.RawSockaddrInet6
	packets  [bundle][maxPost]byte
}

func (out *outbox) init() {
	for i := range out.messages {
		out.vectors[i].Base = &out.packets[i][0]
		h := &out.messages[i].header
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&out.targets[i])), &out.vectors[i]
		h.SetIovlen(1)
	}
}

// put takes one more packet.
func (out *outbox) put(to netip.AddrPort, packet []byte, four bool) bool {
	i := out.waiting
	size := rawName(&out.targets[i], to, four)
	if size == 0 {
		return false
	}
	out.vectors[i].SetLen(copy(out.packets[i][:], packet))
	out.messages[i].header.Namelen = uint32(size)
	out.waiting++
	return true
}

// Post sends one packet with the others of this round; outside a round, where the port is not shared, or where it is longer than
// an Ethernet frame (1,500 bytes), at once. It keeps nothing of packet. What the kernel has no room for then is lost, as it might
// be a hop further on.
func (s *Port) Post(to netip.AddrPort, packet []byte) error {
	out := s.outbox
	if out == nil || len(packet) == 0 || len(packet) > maxPost {
		return s.Send(to, packet)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if s.network.rounds.Load() == 0 { // looked at under the lock that the end of a round takes after it has said so
		return s.Send(to, packet)
	}
	if !out.put(to, packet, s.four) {
		return unix.EINVAL
	}
	if out.waiting == bundle {
		s.empty()
	}
	return nil
}

// flush lets go of what waits.
func (s *Port) flush() {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	s.empty()
}

// empty is flush for whoever holds the outbox. A packet that cannot be sent costs itself only.
func (s *Port) empty() {
	out := s.outbox
	if out.waiting == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for from := 0; from < out.waiting && !s.closed; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&out.messages[from])),
			uintptr(out.waiting-from), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			from += int(n) //nolint:gosec // at most bundle
		case unix.EINTR:
		default:
			from++ // the first one failed
		}
	}
	out.waiting = 0
}
