package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

const (
	beepHz     = 1000
	beepFrames = 5                      // of the beep in a row: no word sounds like that for so long
	wholeBeep  = 18                     // frames of it, but for one or two
	beepOver   = 60 * time.Millisecond  // without a packet after the whole beep: what follows may be silence that is not sent
	beepCut    = 2 * time.Second        // the same after a part of it: the rest may be late
	mostBehind = 200 * time.Millisecond // what a stalled machine was late for any longer is not said
	loudness   = 8000                   // of 32,767
	// ToneStep is what tones are multiples of, in Hz, so that each frame of one is like the next.
	ToneStep = 50
)

// Voices says what callers say who come and go, each a tone of its own, and hears the beep for them. One thread does it for all.
type Voices struct {
	sock, control *socket
	at            netip.AddrPort
	quit, done    chan struct{}

	mu     sync.Mutex
	slots  [frameMS][]*Voice // who speaks in which millisecond of a frame
	far    map[netip.AddrPort]*Voice
	joined int
	pcm    []int16 // of the thread
}

// Voice is what one caller says.
type Voice struct {
	path   *path
	far    netip.AddrPort
	slot   int
	packet [rtpHeader + frameBytes]byte
	tone   [frameBytes]byte
	seq    uint16
	at     uint32 // timestamp
	beeps  int    // frames of the beep so far, in a row
	speaks bool
	heard  time.Time // when something came last
	begun  chan struct{}
	said   Speech
}

// Speech is what somebody has said: when, and how many frames of 20 ms.
type Speech struct {
	From, To time.Time
	Frames   int
}

// NewVoices opens the sockets; the audio of all callers has one address at host.
func NewVoices(host netip.Addr) (*Voices, error) {
	v := &Voices{quit: make(chan struct{}), done: make(chan struct{}), far: map[netip.AddrPort]*Voice{}}
	err := errors.New("no port is free")
	for port := uint16(61000); err != nil && port < 65000; port += 4 { // above the ephemeral ports and those of servers
		if v.sock, err = listen(netip.AddrPortFrom(host, port)); err != nil {
			continue
		}
		if v.control, err = listen(netip.AddrPortFrom(host, port+1)); err != nil {
			v.sock.close()
		}
		v.at = netip.AddrPortFrom(host, port)
	}
	if err != nil {
		return nil, fmt.Errorf("open the voices: %w", err)
	}
	go v.run()
	return v, nil
}

// Stop ends the thread and closes the sockets.
func (v *Voices) Stop() {
	close(v.quit)
	<-v.done
	v.sock.close()
	v.control.close()
}

// Addr is where the callers' audio is wanted: for their SDP.
func (v *Voices) Addr() netip.AddrPort { return v.at }

// Join lets a caller be heard at far: silent, and after the beep with a tone of hz, 0 or a multiple of [ToneStep]. Whoever spoke to
// that address before has been forgotten there.
func (v *Voices) Join(far netip.AddrPort, hz float64) *Voice {
	one := &Voice{path: newPath(v.at.Addr(), far), far: far, begun: make(chan struct{}), heard: time.Now()}
	pcm := make([]int16, frameBytes)
	for i := range pcm {
		pcm[i] = int16(loudness * math.Sin(2*math.Pi*hz*float64(i)/media.SampleRate))
	}
	copy(one.tone[:], codec.Encode(nil, media.PCMU, pcm))
	for i := rtpHeader; i < len(one.packet); i++ {
		one.packet[i] = media.PCMU.Silence()
	}
	one.packet[0], one.packet[1] = 0x80, 0x80 // version 2; a marker, of PCMU
	v.mu.Lock()
	defer v.mu.Unlock()
	binary.BigEndian.PutUint32(one.packet[8:], uint32(v.joined)) //nolint:gosec // wraps around by design
	one.slot = v.joined % frameMS
	v.joined++
	if before := v.far[far]; before != nil {
		v.remove(before)
	}
	v.far[far] = one
	v.slots[one.slot] = append(v.slots[one.slot], one)
	return one
}

// Begun is closed when the caller has heard the beep.
func (o *Voice) Begun() <-chan struct{} { return o.begun }

// begin lets the caller speak. Under mu.
func (o *Voice) begin(now time.Time) {
	copy(o.packet[rtpHeader:], o.tone[:])
	o.speaks, o.said.From = true, now
	close(o.begun)
}

// Leave ends what a caller says.
func (v *Voices) Leave(o *Voice) Speech {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remove(o)
	return o.said
}

// remove silences a voice, once. Under mu.
func (v *Voices) remove(o *Voice) {
	if v.far[o.far] != o {
		return
	}
	delete(v.far, o.far)
	if o.speaks {
		o.said.To = time.Now()
	}
	all := v.slots[o.slot]
	for i, one := range all {
		if one == o {
			all[i] = all[len(all)-1]
			all[len(all)-1] = nil
			v.slots[o.slot] = all[:len(all)-1]
			return
		}
	}
}

// Silent is for how long a caller has heard nothing.
func (v *Voices) Silent(o *Voice) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Since(o.heard)
}

func (v *Voices) run() {
	defer close(v.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, v.sock.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(v.sock.fd)}) //nolint:gosec // a descriptor
	}
	if err != nil {
		panic(fmt.Sprintf("epoll: %v", err)) // no descriptors: nothing can be said
	}
	defer func() { _ = unix.Close(poll) }()
	start, ms := time.Now(), int64(0)
	events := make([]unix.EpollEvent, 1)
	for {
		select {
		case <-v.quit:
			return
		default:
		}
		due := time.Since(start).Milliseconds()
		ms = max(ms, due-mostBehind.Milliseconds())
		v.mu.Lock()
		for ; ms < due; ms++ {
			v.tick(int(ms % frameMS))
		}
		read := v.sock.read(v.take)
		v.mu.Unlock()
		v.control.read(func(got) {}) // what comes there is not looked at
		if read == 0 {
			_, _ = unix.EpollWait(poll, events, 1)
		}
	}
}

// tick sends what is due in a millisecond of a frame. Under mu.
func (v *Voices) tick(slot int) {
	now := time.Now()
	for _, o := range v.slots[slot] {
		if silent := now.Sub(o.heard); !o.speaks && (o.beeps >= wholeBeep && silent > beepOver || o.beeps >= beepFrames && silent > beepCut) {
			o.begin(now)
		}
		binary.BigEndian.PutUint16(o.packet[2:], o.seq)
		binary.BigEndian.PutUint32(o.packet[4:], o.at)
		if o.seq++; o.seq > 1 {
			o.packet[1] = 0
		}
		o.at += frameBytes
		if o.speaks {
			o.said.Frames++
		}
		v.sock.add(o.path, o.packet[:])
	}
	v.sock.flush()
}

// take hears one packet. Under mu.
func (v *Voices) take(g got) {
	o := v.far[g.from()]
	if o == nil || len(g.bytes) < rtpHeader {
		return
	}
	o.heard = g.at
	if o.speaks {
		return
	}
	v.pcm = codec.Decode(v.pcm[:0], media.PCMU, g.bytes[rtpHeader:])
	switch {
	case sound.Has(v.pcm, beepHz):
		o.beeps++
	case o.beeps >= beepFrames:
		o.begin(time.Now())
	default:
		o.beeps = 0
	}
}
