package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"
	"golang.org/x/sys/unix"
)

const (
	frameMS    = 20
	rtpHeader  = 12
	frameBytes = 160
	magic      = 0x48465254 // starts each payload of ours
	// checkEvery is how often an operator's path is checked (STUN); the server gives one up after 3 s of silence.
	checkEvery = 1500 // ms
	// keepDelays is how many delays of a window are kept.
	keepDelays = 4 << 20
)

// The two ends of a call.
const (
	FromCaller   = 0
	FromOperator = 1
)

// end is one party's audio.
type end struct {
	path   *path
	ssrc   uint32
	seq    uint16
	number uint32 // of the frame, from 0
	plain  [rtpHeader + frameBytes]byte
	sealed [rtpHeader + frameBytes + 32]byte
	srtp   *keys  // nil: plain RTP
	check  []byte // STUN request that keeps the path open, or nil
}

// Studio sends and receives the audio of all calls on a thread of its own.
type Studio struct {
	callers, operators *socket
	callerAt           netip.AddrPort
	control            *socket // the callers' RTCP port; what comes there is not looked at

	orders chan func()
	quit   chan struct{}
	done   chan struct{}

	mu    sync.Mutex
	inbox map[netip.Addr]chan []byte // STUN and DTLS of operators that are connecting

	// By the thread only.
	ends    [2][]*end
	byAddr  map[netip.Addr]*end
	active  int
	stamped bool // payloads carry who, number and time; else what frame says
	frame   func(call int, number uint32, payload []byte)
	ms      uint64
	window  uint32
	tally   Tally
	header  rtp.Header
	clear   []byte
}

// Tally is what happened in a window.
type Tally struct {
	Sent, Received uint64
	Delays         []time.Duration // from our send to the kernel's receipt, sorted
}

// LossPercent is how much of what was sent did not come.
func (t Tally) LossPercent() float64 {
	if t.Sent == 0 {
		return 100
	}
	return 100 * float64(t.Sent-min(t.Sent, t.Received)) / float64(t.Sent)
}

// Delay returns the delay that the share q of the packets did not exceed.
func (t Tally) Delay(q float64) time.Duration {
	if len(t.Delays) == 0 {
		return 0
	}
	return t.Delays[min(len(t.Delays)-1, int(q*float64(len(t.Delays))))]
}

// NewStudio opens the sockets; callers' audio has one address at host, which all calls name in their SDP.
func NewStudio(host netip.Addr) (*Studio, error) {
	s := &Studio{
		orders: make(chan func(), 64), quit: make(chan struct{}), done: make(chan struct{}),
		inbox: map[netip.Addr]chan []byte{}, byAddr: map[netip.Addr]*end{}, stamped: true, clear: make([]byte, 0, maxPacket),
	}
	var err error
	for port := uint16(61000); port < 65000; port += 4 { // above the ephemeral ports and those of servers
		s.close()
		if s.callers, err = listen(netip.AddrPortFrom(host, port)); err != nil {
			continue
		}
		if s.control, err = listen(netip.AddrPortFrom(host, port+1)); err != nil {
			continue
		}
		if s.operators, err = listen(netip.AddrPortFrom(netip.IPv4Unspecified(), port+2)); err != nil {
			continue
		}
		s.callerAt = netip.AddrPortFrom(host, port)
		go s.run()
		return s, nil
	}
	s.close()
	return nil, err
}

func (s *Studio) close() {
	for _, one := range []**socket{&s.callers, &s.control, &s.operators} {
		if *one != nil {
			(*one).close()
			*one = nil
		}
	}
}

// Stop ends the thread and closes the sockets.
func (s *Studio) Stop() {
	close(s.quit)
	<-s.done
	s.close()
}

// CallerAddr is where callers' audio is wanted: for their SDP.
func (s *Studio) CallerAddr() netip.AddrPort { return s.callerAt }

// OperatorAddr is the address of operator i.
func (s *Studio) OperatorAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i / 250), byte(1 + i%250)}), s.operators.port)
}

// do runs fn on the thread and waits for it.
func (s *Studio) do(fn func()) {
	ran := make(chan struct{})
	select {
	case s.orders <- func() { fn(); close(ran) }:
	case <-s.done:
		return
	}
	select {
	case <-ran:
	case <-s.done:
	}
}

// AddCaller lets caller i, the next one, talk to the address that its answer named.
func (s *Studio) AddCaller(to netip.AddrPort) {
	s.do(func() {
		n := len(s.ends[FromCaller])
		s.ends[FromCaller] = append(s.ends[FromCaller], newEnd(n, FromCaller, newPath(s.callerAt.Addr(), to)))
	})
}

// AddOperator lets operator i, the next one, talk in plain RTP.
func (s *Studio) AddOperator(to netip.AddrPort) {
	s.do(func() { s.addOperator(to, nil, nil) })
}

func (s *Studio) addOperator(to netip.AddrPort, k *keys, check []byte) {
	n := len(s.ends[FromOperator])
	e := newEnd(n, FromOperator, newPath(s.OperatorAddr(n).Addr(), to))
	e.srtp, e.check = k, check
	s.ends[FromOperator] = append(s.ends[FromOperator], e)
	s.byAddr[s.OperatorAddr(n).Addr()] = e
}

// Profile is the SRTP of the newest operator; "" of plain RTP.
func (s *Studio) Profile() (name string) {
	s.do(func() {
		if all := s.ends[FromOperator]; len(all) > 0 && all[len(all)-1].srtp != nil {
			name = all[len(all)-1].srtp.profile.String()
		}
	})
	return name
}

// Clear forgets all callers and operators.
func (s *Studio) Clear() {
	s.do(func() {
		s.active, s.ends, s.byAddr = 0, [2][]*end{}, map[netip.Addr]*end{}
	})
}

func newEnd(n, side int, p *path) *end {
	e := &end{path: p, ssrc: 0x10000000*uint32(side+1) + uint32(n)} //nolint:gosec // small
	e.plain[0] = 0x80
	binary.BigEndian.PutUint32(e.plain[8:], e.ssrc)
	for i := rtpHeader; i < len(e.plain); i++ {
		e.plain[i] = byte(0x40 + i%64) // something that is not silence
	}
	return e
}

// Talk lets the first n calls talk, both ends.
func (s *Studio) Talk(n int) { s.do(func() { s.active = n }) }

// Say makes callers say what frame writes (160 bytes of µ-law) instead of measurable packets. It is called on the thread.
func (s *Studio) Say(frame func(call int, number uint32, payload []byte)) {
	s.do(func() { s.frame, s.stamped = frame, frame == nil })
}

// Spoken is how many frames each caller has sent.
func (s *Studio) Spoken() []uint32 {
	var all []uint32
	s.do(func() {
		for _, e := range s.ends[FromCaller] {
			all = append(all, e.number)
		}
	})
	return all
}

// Measure counts what is sent for d, gives it grace to arrive, and returns the figures.
func (s *Studio) Measure(d, grace time.Duration) Tally {
	s.do(func() { s.window++; s.tally = Tally{Delays: make([]time.Duration, 0, 1<<16)} })
	time.Sleep(d)
	s.do(func() { s.window++ }) // later packets belong to nobody
	time.Sleep(grace)
	var t Tally
	s.do(func() { t, s.tally = s.tally, Tally{}; s.window++ })
	slices.Sort(t.Delays)
	return t
}

func (s *Studio) run() {
	defer close(s.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		panic(fmt.Sprintf("epoll: %v", err)) // no descriptors: nothing can be measured
	}
	defer func() { _ = unix.Close(poll) }()
	for _, fd := range []int{s.callers.fd, s.operators.fd} {
		if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			panic(fmt.Sprintf("epoll: %v", err))
		}
	}
	start := time.Now()
	events := make([]unix.EpollEvent, 4)
	for {
		select {
		case <-s.quit:
			return
		case fn := <-s.orders:
			fn()
		default:
		}
		for due := uint64(time.Since(start).Milliseconds()); s.ms < due; s.ms++ { //nolint:gosec // not negative
			s.tick()
		}
		read := s.callers.read(s.atCaller) + s.operators.read(s.atOperator)
		for range 16 {
			if s.control.read(func(got) {}) == 0 {
				break
			}
		}
		if read == 0 {
			_, _ = unix.EpollWait(poll, events, 1)
		}
	}
}

// tick sends what is due in this millisecond: a twentieth of all calls.
func (s *Studio) tick() {
	slot := int(s.ms % frameMS) //nolint:gosec // < 20
	for i := slot; i < min(s.active, len(s.ends[FromCaller])); i += frameMS {
		s.send(s.callers, i, FromCaller)
	}
	for i := (slot + frameMS/2) % frameMS; i < min(s.active, len(s.ends[FromOperator])); i += frameMS {
		s.send(s.operators, i, FromOperator)
	}
	for i := int(s.ms % checkEvery); i < len(s.ends[FromOperator]); i += checkEvery { //nolint:gosec // small
		if e := s.ends[FromOperator][i]; e.check != nil {
			s.operators.add(e.path, e.check)
		}
	}
	s.callers.flush()
	s.operators.flush()
}

func (s *Studio) send(via *socket, call, side int) {
	e := s.ends[side][call]
	p := e.plain[:]
	p[1] = 0 // PCMU
	if e.number == 0 {
		p[1] |= 0x80 // marker
	}
	binary.BigEndian.PutUint16(p[2:], e.seq)
	binary.BigEndian.PutUint32(p[4:], e.number*frameBytes)
	payload := p[rtpHeader:]
	if s.stamped {
		binary.BigEndian.PutUint32(payload, magic)
		binary.BigEndian.PutUint32(payload[4:], s.window)
		binary.BigEndian.PutUint32(payload[8:], uint32(call)) //nolint:gosec // small
		binary.BigEndian.PutUint64(payload[12:], uint64(time.Now().UnixNano()))
		if s.window == s.measured() {
			s.tally.Sent++
		}
	} else {
		s.frame(call, e.number, payload)
	}
	e.seq++
	e.number++
	if e.srtp != nil {
		sealed, err := e.srtp.out.EncryptRTP(e.sealed[:0], p, &s.header)
		if err != nil {
			return // counted as sent and lost: it shows
		}
		p = sealed
	}
	via.add(e.path, p)
}

func (s *Studio) atCaller(g got) { s.arrived(g.bytes, g.at) }

func (s *Studio) atOperator(g got) {
	if len(g.bytes) == 0 {
		return
	}
	if b := g.bytes[0]; b < 64 { // STUN or DTLS (RFC 7983)
		s.mu.Lock()
		box := s.inbox[g.to]
		s.mu.Unlock()
		select {
		case box <- append([]byte(nil), g.bytes...):
		default: // nobody waits for it
		}
		return
	}
	e := s.byAddr[g.to]
	if e == nil {
		return
	}
	if e.srtp == nil {
		s.arrived(g.bytes, g.at)
		return
	}
	if len(g.bytes) > 1 && g.bytes[1]&0x7f >= 64 { // RTCP (RFC 5761)
		return
	}
	clear, err := e.srtp.in.DecryptRTP(s.clear[:0], g.bytes, &s.header)
	if err != nil {
		return
	}
	s.arrived(clear, g.at)
}

func (s *Studio) arrived(p []byte, at time.Time) {
	if len(p) < rtpHeader+20 {
		return
	}
	p = p[rtpHeader:]
	if binary.BigEndian.Uint32(p) != magic || binary.BigEndian.Uint32(p[4:]) != s.measured() {
		return
	}
	s.tally.Received++
	if len(s.tally.Delays) < keepDelays {
		s.tally.Delays = append(s.tally.Delays, at.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(p[12:]))))) //nolint:gosec // our own
	}
}

// measured is the window whose packets count: the present one, or, in its grace, the one before.
func (s *Studio) measured() uint32 { return s.window - (s.window+2)%3 }
