package serve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// floor relays between callers, each on a port of its own, and operators, who share one or have a port each too.
type floor struct {
	host   [4]byte
	poll   int
	shared int

	mu       sync.RWMutex
	byFD     map[int32]*route
	byFar    map[int32]*route
	byRemote map[netip.AddrPort]*route
}

// route is one call.
type route struct {
	fd, far          int // the callers', and the operator's where that is not shared
	caller, operator unix.RawSockaddrInet4
}

// Floor serves on host until standard input ends. POST /pair/N with "CALLER OPERATOR" answers with the two addresses to
// which they are to send.
func Floor(host string) error {
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is4() {
		return fmt.Errorf("the floor's address must be IPv4: %w", err)
	}
	f := &floor{host: addr.As4(), byFD: map[int32]*route{}, byFar: map[int32]*route{}, byRemote: map[netip.AddrPort]*route{}}
	if f.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if f.shared, err = f.open(webrtcPort); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(f.shared, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20) // as media/browser asks
	go f.relay()
	return control(host, map[string]func(int, string) (string, error){"pair": f.pair, "apart": f.apart})
}

func (f *floor) open(port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open a socket: %w", err)
	}
	if err := errors.Join(
		unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: f.host}),
		unix.EpollCtl(f.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}),
	); err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("open port %d: %w", port, err)
	}
	return fd, nil
}

func (f *floor) pair(n int, body string) (string, error) {
	a, b, _ := strings.Cut(body, " ")
	caller, err := netip.ParseAddrPort(a)
	operator, err2 := netip.ParseAddrPort(b)
	if err := errors.Join(err, err2); err != nil {
		return "", err
	}
	port := PortLow + 2*n
	fd, err := f.open(port)
	if err != nil {
		return "", err
	}
	r := &route{fd: fd, far: f.shared, caller: rawOf(caller), operator: rawOf(operator)}
	f.mu.Lock()
	f.byFD[int32(fd)], f.byRemote[operator] = r, r
	f.mu.Unlock()
	host := netip.AddrFrom4(f.host)
	return fmt.Sprintf("%s %s", netip.AddrPortFrom(host, uint16(port)), netip.AddrPortFrom(host, webrtcPort)), nil //nolint:gosec // a port
}

// apart is pair with a port of its own for the operator.
func (f *floor) apart(n int, body string) (string, error) {
	reply, err := f.pair(2*n, body)
	if err != nil {
		return "", err
	}
	port := PortLow + 2*(2*n+1)
	fd, err := f.open(port)
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, b, _ := strings.Cut(body, " ")
	r := f.byRemote[netip.MustParseAddrPort(b)] // pair has read it
	r.far, f.byFar[int32(fd)] = fd, r
	caller, _, _ := strings.Cut(reply, " ")
	return fmt.Sprintf("%s %s", caller, netip.AddrPortFrom(netip.AddrFrom4(f.host), uint16(port))), nil //nolint:gosec // a port
}

func rawOf(a netip.AddrPort) unix.RawSockaddrInet4 {
	raw := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:], a.Port())
	return raw
}

// relay is the whole work: read, look up, write.
func (f *floor) relay() {
	runtime.LockOSThread()
	events := make([]unix.EpollEvent, 256)
	buf := make([]byte, 1500)
	var from unix.RawSockaddrInet4
	for {
		n, err := unix.EpollWait(f.poll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			fmt.Fprintln(os.Stderr, "epoll:", err)
			return
		}
		for _, e := range events[:max(0, n)] {
			for f.one(int(e.Fd), buf, &from) {
			}
		}
	}
}

// one relays one packet; false when there is none.
func (f *floor) one(fd int, buf []byte, from *unix.RawSockaddrInet4) bool {
	size := uint32(unix.SizeofSockaddrInet4)
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
		0, uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return errno != unix.EAGAIN
	}
	if n == 0 {
		return true
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	to, via := (*unix.RawSockaddrInet4)(nil), 0
	if r := f.byFD[int32(fd)]; r != nil {
		to, via = &r.operator, r.far
	} else if r := f.byFar[int32(fd)]; r != nil {
		to, via = &r.caller, r.fd
	} else {
		port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&from.Port))[:])
		if r := f.byRemote[netip.AddrPortFrom(netip.AddrFrom4(from.Addr), port)]; r != nil {
			to, via = &r.caller, r.fd
		} else {
			return true
		}
	}
	_, _, _ = unix.Syscall6(unix.SYS_SENDTO, uintptr(via), uintptr(unsafe.Pointer(&buf[0])), n, 0,
		uintptr(unsafe.Pointer(to)), unix.SizeofSockaddrInet4) // refused is lost
	return true
}
