package udp

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// readyAtOnce is how many ports the kernel is asked for at once.
	readyAtOnce = 128
	// drainRounds bounds what is read of a port that is read to its end: six seconds of audio, gather packets a round.
	drainRounds = 20
	// rounds is how often a poller asks again before it looks after other things, so that a flood holds up none of them.
	rounds = 8
	// soon is how long who yields waits at most for its next turn, unless there is a crowd.
	soon = 2 * time.Millisecond
	// nap is what a crowd has between two rounds, of which the longest take twice as long.
	nap = 500 * time.Microsecond
)

// poller reads many ports on one goroutine. A packet that comes while it sleeps wakes it; it takes all that has come by
// then, from whichever ports, and hands each packet to who listens to its port, which sends it on there and then. Waking up
// costs more than relaying, so what counts is that many packets share one wake-up, that none wakes a poller which is
// awake, and that none passes from goroutine to goroutine. Without ports it does not run.
type poller struct {
	of    *Network
	epoll int // of all ports
	// bell is an epoll of its own, with epoll in it, and rings once each time that it was set (EPOLLONESHOT). It is what
	// Go's own poller waits for: no thread of ours sits in the kernel, and packets that come while we read ring nothing.
	bell   *os.File
	ringer int // its descriptor
	wait   syscall.RawConn
	rang   func(fd uintptr) bool

	mu      sync.Mutex
	ports   []*Port // by number, which the kernel tells with each event; nil: none
	free    []int32 // numbers without a socket
	leaving []*Port // closed, but for their descriptors, which only the goroutine gives back
	asked   []drain // of ports that are to be read to the end now
	woken   bool    // by one of the two
	weight  int     // of the ports that it reads
	runs    bool

	// Of the goroutine.
	events [readyAtOnce]unix.EpollEvent
	ready  [readyAtOnce]*Port
	full   []*Port // have more packets than were read
	late   []*Port // were full a round ago
	idle   bool    // nothing had come when it looked last
	inbox  inbox

	crowded atomic.Bool // whoever yields waits for long: see yield
}

func newPoller(of *Network) (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("media poller: %w", err)
	}
	p := &poller{of: of, epoll: epoll}
	if err := p.makeBell(); err != nil {
		_ = unix.Close(epoll) // nothing is in it
		return nil, fmt.Errorf("media poller's bell: %w", err)
	}
	p.inbox.init()
	return p, nil
}

// makeBell makes what wakes the goroutine.
func (p *poller) makeBell() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err //nolint:wrapcheck // newPoller says what it is of
	}
	_ = unix.SetNonblock(fd, true) // this is what makes os.NewFile wait by Go's poller; it never fails
	p.ringer, p.bell = fd, os.NewFile(uintptr(fd), "media poller's bell")
	if p.wait, err = p.bell.SyscallConn(); err == nil {
		err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, p.epoll, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
	}
	if err != nil {
		_ = p.bell.Close() // nothing is in it
		return err         //nolint:wrapcheck // as above
	}
	p.rang = func(fd uintptr) bool {
		var event [1]unix.EpollEvent
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&event[0])), 1, 0, 0, 0)
		return errno == 0 && n > 0
	}
	return nil
}

func (p *poller) release() {
	_ = p.bell.Close() // nothing can be lost in either
	_ = unix.Close(p.epoll)
}

// load is how many ports it has; a shared one counts as many.
func (p *poller) load() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weight
}

// add begins reading a port.
func (p *poller) add(s *Port) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.ports = append(p.ports, nil)
		p.free = append(p.free, int32(len(p.ports)-1)) //nolint:gosec // as many as there are ports
	}
	number := p.free[len(p.free)-1]
	// Edge-triggered: told once for each packet that comes, not again for what was read.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: number}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
		return fmt.Errorf("read a media port: %w", err)
	}
	p.free = p.free[:len(p.free)-1]
	p.ports[number], s.number = s, number
	p.weight += s.weight()
	if !p.runs {
		p.runs = true
		p.of.running.Go(p.run)
	}
	return nil
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// drop asks the goroutine to give a closed port back: it alone reads, so that it never reads what is no longer its.
func (p *poller) drop(s *Port) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = append(p.leaving, s)
	p.wake()
}

// wake has the goroutine look at what it was asked for. Under mu.
func (p *poller) wake() {
	p.woken = true
	_ = p.bell.SetReadDeadline(longAgo) // cannot fail on what Go's poller waits for
}

// drain is a port that is to be read to its end.
type drain struct {
	port *Port
	done chan struct{} // closed once it was
}

// ask asks the goroutine to read a port to its end, before anything else.
func (p *poller) ask(s *Port) (done <-chan struct{}) {
	d := drain{s, make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runs {
		close(d.done)
		return d.done
	}
	p.asked = append(p.asked, d)
	p.wake()
	return d.done
}

// drain reads a port to its end, unless it was closed meanwhile. What comes faster than that is left to the rounds.
func (p *poller) drain(d drain) {
	defer close(d.done)
	defer p.survive()
	for n := drainRounds; n > 0 && d.port.open(); n-- {
		if got, _ := p.once(d.port); got < gather {
			return
		}
	}
}

// run reads until no port is left.
func (p *poller) run() {
	for {
		asked, left := p.settle()
		for _, d := range asked {
			p.drain(d)
		}
		if !left {
			p.crowded.Store(false)
			return
		}
		switch {
		case p.idle && p.crowded.Load():
			time.Sleep(nap)
		case p.idle:
			// Set anew, the bell rings at once where a packet came since the last look. Neither can fail.
			_ = unix.EpollCtl(p.ringer, unix.EPOLL_CTL_MOD, p.epoll, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
			_ = p.wait.Read(p.rang)
		}
		p.look()
	}
}

// settle gives back the ports that were closed. It returns those that are to be read to their end, and whether any port is left.
func (p *poller) settle() (asked []drain, left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken {
		_ = p.bell.SetReadDeadline(time.Time{}) // as in wake
		p.woken = false
	}
	for i, s := range p.leaving {
		p.leaving[i] = nil
		p.ports[s.number] = nil
		p.free = append(p.free, s.number)
		p.weight -= s.weight()
		p.full = slices.DeleteFunc(p.full, func(full *Port) bool { return full == s })
		_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, s.fd, nil) // a child process that was just started may hold it still
		s.release()
	}
	p.leaving = p.leaving[:0]
	p.runs = len(p.ports) > len(p.free)
	asked, p.asked = p.asked, nil
	return asked, p.runs
}

// look takes the packets that have come, and lets others go on in between: calls are set up by them. It is idle only once
// nothing has come since it had its turn again. Where all cores are busy Go looks at what became readable once in 10 ms, if
// that, so that who sleeps there is late; who yields has a turn within milliseconds. A panic, from which listeners recover by
// themselves, costs the rest of one round.
func (p *poller) look() {
	defer p.survive()
	for range rounds {
		n := p.round()
		if p.idle = n == 0 && len(p.full) == 0; p.idle {
			return
		}
		p.yield()
	}
}

// yield lets others go on. Where hundreds of calls begin or end at once, who yields comes last in a queue that takes up to a second,
// and so does who was woken by the bell: all audio would be as late. Who slept is the next to run once it wakes. So in such a crowd
// the poller sleeps, until somebody else who yields has a turn soon again.
func (p *poller) yield() {
	if p.crowded.Load() {
		time.Sleep(nap)
		return
	}
	if turn() {
		return
	}
	p.crowded.Store(true)
	p.of.running.Go(func() {
		for p.crowded.Load() && !turn() {
			continue
		}
		p.crowded.Store(false)
	})
}

// turn yields, and reports whether the caller had its turn again soon.
func turn() bool {
	began := time.Now()
	runtime.Gosched()
	return time.Since(began) < soon
}

func (p *poller) survive() {
	if cause := recover(); cause != nil {
		p.of.log.Error("media poller panicked", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	}
}

// round reads the ports that have packets, and the rest of those that had too many a round ago. What was posted meanwhile leaves
// with it.
func (p *poller) round() (n int) {
	p.of.begin()
	defer p.of.end()
	n = p.find()
	p.late, p.full = p.full, p.late[:0]
	for i, s := range p.late {
		p.late[i] = nil
		p.read(s)
	}
	for i, s := range p.ready[:n] {
		p.ready[i] = nil
		p.read(s)
	}
	return n
}

// find asks for the ports that have packets.
func (p *poller) find() (n int) {
	found, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events[0])), readyAtOnce, 0, 0, 0)
	if errno != 0 {
		return 0 // interrupted: they are found the next time
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events[:found] {
		if s := p.ports[e.Fd]; s != nil {
			p.ready[n] = s
			n++
		}
	}
	return n
}

// read hands one port's packets to who listens to it, as many as the inbox holds. An edge is told once: what is left is read in
// the next round.
func (p *poller) read(s *Port) {
	switch n, errno := p.once(s); {
	case n == gather, errno == unix.EINTR:
		p.full = append(p.full, s)
	case errno != 0 && errno != unix.EAGAIN:
		// Reading UDP hardly ever fails; what is behind the failure comes with the next packet.
		p.of.log.Warn("media port: read failed", "port", s.Addr(), "error", errno)
	}
}

// once hands over what one reading gives.
func (p *poller) once(s *Port) (n int, errno unix.Errno) {
	n, errno = p.inbox.fill(s.fd)
	for i := range n {
		if src, packet, ok := p.inbox.packet(i); ok {
			s.take(src, packet)
		}
	}
	return n, errno
}
