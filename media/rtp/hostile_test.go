package rtp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"holdfast/media"
	"holdfast/media/mediatest"
)

// The defects that other engines had, each as the packet that showed it. The bar is the same for all: the call goes on.

// spareExtension is an RTP packet with a one-byte header extension of two words, of which one is used: the spare word
// made another engine panic.
func spareExtension(seq uint16, ts, ssrc uint32) []byte {
	b := []byte{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xBE, 0xDE, 0, 2, 0x10, 0xAA, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, make([]byte, 160)...)
}

func TestAHeaderExtensionWithASpareWordIsSteppedOver(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	k.peer.Send(k.Addr(), spareExtension(1, 160, 5))
	k.heard.WaitFrames(t, 1, limit)
	if got := len(k.heard.Last().Payload); got != 160 {
		t.Errorf("payload of %d bytes", got)
	}
	mediatest.NewCarrier(t, outside, media.PCMU).Send(k.Addr(), spareExtension(2, 320, 5))
	dropped(t, e, "stranger", 1)
	k.peer.Send(k.Addr(), spareExtension(2, 320, 5))
	k.heard.WaitFrames(t, 2, limit)
}

func TestGarbageFromAnybodyEndsNothing(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	stranger := mediatest.NewCarrier(t, outside, media.PCMU)
	k.peer.Tone(k.Addr(), 440, 5)
	good := k.peer.Packet(make([]byte, 160), nil)
	garbage := [][]byte{
		{}, {0}, {0x80}, good[:11], append([]byte{0x40}, good[1:]...), // nothing, too short, version 1
		append([]byte{0x8f}, good[1:20]...),                    // 15 CSRCs that are not there
		append([]byte{0x90}, good[1:14]...),                    // extension cut off
		append(append([]byte{0xa0}, good[1:12]...), 255),       // padding longer than the packet
		append(append([]byte{0xa0}, good[1:12]...), 0),         // padding of nothing
		append([]byte{0x80, 200, 0, 0}, 1), {0x80, 203, 0, 99}, // RTCP where RTP belongs, cut off
		make([]byte, 3000), // longer than any packet
	}
	for _, b := range garbage {
		stranger.Send(k.Addr(), b)
		k.peer.Send(k.Addr(), b)
	}
	dropped(t, e, "stranger", uint64(len(garbage)))
	dropped(t, e, "malformed", uint64(len(garbage)))
	k.peer.Send(k.Addr(), good)
	k.heard.WaitFrames(t, 6, limit)
	if lost := k.Stats().Lost; lost != 0 {
		t.Errorf("garbage made %d packets look lost", lost)
	}
}

func TestAStrangerIsNeverHeardAndNeverSentTo(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	stranger := mediatest.NewCarrier(t, outside, media.PCMU)
	tone := mediatest.NewTone(media.PCMU, 1000)
	stranger.Tone(k.Addr(), 440, 5) // first of all, before the peer
	dropped(t, e, "stranger", 5)
	k.Audio(tone.Next())
	k.peer.Heard.WaitFrames(t, 1, limit) // where the SDP said, though it was silent so far
	k.peer.Tone(k.Addr(), 440, 5)
	k.heard.WaitFrames(t, 5, limit)
	stranger.Tone(k.Addr(), 440, 5)
	dropped(t, e, "stranger", 10)
	k.Audio(tone.Next())
	k.peer.Heard.WaitFrames(t, 2, limit)
	if n := stranger.Heard.Frames(); n != 0 || stranger.Source().IsValid() {
		t.Errorf("the stranger was sent %d frames", n)
	}
	if k.heard.Frames() != 5 {
		t.Errorf("%d frames heard, want the peer's 5", k.heard.Frames())
	}
}

func TestAnotherPortOfTheSameOutsideHostIsAStranger(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	s, err := e.Open(nil) // no prefix: the SDP's address alone
	if err != nil {
		t.Fatal(err)
	}
	heard := mediatest.NewProbe()
	s.Receive(heard)
	peer, other := mediatest.NewCarrier(t, outside, media.PCMU), mediatest.NewCarrier(t, outside, media.PCMU)
	s.Set(agreed(peer, media.PCMU))
	other.Tone(s.Addr(), 440, 3)
	dropped(t, e, "stranger", 3)
	peer.Tone(s.Addr(), 440, 3)
	heard.WaitFrames(t, 3, limit)
}

func TestAPeerBehindNATIsLatchedToAndLocked(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	nat, rival := mediatest.NewCarrier(t, homeA, media.PCMU), mediatest.NewCarrier(t, homeB, media.PCMU)
	defer nat.Talk(k.Addr(), 440)()
	until(t, func() bool { k.in.mu.Lock(); defer k.in.mu.Unlock(); return k.in.latch.locked == nat.Addr() }, func() any { return k.Stats() })
	k.Audio(mediatest.NewTone(media.PCMU, 1000).Next())
	nat.Heard.WaitFrames(t, 1, limit)
	rival.Tone(k.Addr(), 700, 4)
	dropped(t, e, "stranger", 4)
	if n := k.peer.Heard.Frames() + rival.Heard.Frames(); n != 0 {
		t.Errorf("%d frames went elsewhere", n)
	}
}

func TestARepeatedPacketIsHeardOnce(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	p := k.peer.Packet(make([]byte, 160), nil)
	for range 3 {
		k.peer.Send(k.Addr(), p)
	}
	dropped(t, e, "duplicate", 2)
	if n := k.heard.Frames(); n != 1 {
		t.Errorf("heard %d times", n)
	}
}

func TestANewSSRCAndALeapOfNumbersAreFollowed(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	k.peer.Tone(k.Addr(), 440, 3)
	for i := range 3 {
		k.peer.Send(k.Addr(), k.peer.Packet(make([]byte, 160), func(p *pion.Packet) {
			p.SSRC, p.SequenceNumber = 99, 40000+uint16(i)
		}))
	}
	for i := range 3 { // the first of the leap is refused: it might be forged or damaged
		k.peer.Send(k.Addr(), k.peer.Packet(make([]byte, 160), func(p *pion.Packet) {
			p.SSRC, p.SequenceNumber = 99, 10000+uint16(i)
		}))
	}
	k.heard.WaitFrames(t, 8, limit)
	dropped(t, e, "jump", 1)
	if got := k.Stats().Lost; got != 0 {
		t.Errorf("%d look lost", got)
	}
	if got := k.heard.Marked(); got != 3 {
		t.Errorf("%d frames are marked, want one a run", got)
	}
}

func TestUnknownPayloadTypesAreCountedAndDoNotLatch(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	rival := mediatest.NewCarrier(t, homeB, media.PCMU)
	rival.Send(k.Addr(), rival.Packet(make([]byte, 160), func(p *pion.Packet) { p.PayloadType = 18 }))
	dropped(t, e, "unknown_pt", 1)
	k.peer.Tone(k.Addr(), 440, 1)
	k.heard.WaitFrames(t, 1, limit)
}

func TestAFloodFromThePeerIsCutToItsRate(t *testing.T) {
	t.Parallel()
	var r receiver
	r.out = newSender(time.Now)
	r.latch.allowed = home
	src, now := netip.MustParseAddrPort(homeA+":4000"), time.Unix(1000, 0)
	took := 0
	for i := range 10 * maxRate {
		b := header{seq: uint16(i), timestamp: uint32(i), ssrc: 1}.append(nil)
		if r.take(src, append(b, 1), now.Add(time.Duration(i)*time.Second/(10*maxRate))).refused == none {
			took++
		}
	}
	if took < maxRate || took > 2*maxRate {
		t.Errorf("%d packets taken in the first second, want between %d and %d", took, maxRate, 2*maxRate)
	}
}

func TestForgedRTCPHasNoEffect(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	port := netip.AddrPortFrom(k.Addr().Addr(), k.Addr().Port()+1)
	stranger := mediatest.NewCarrier(t, outside, media.PCMU)
	bye := []byte{0x81, 203, 0, 1, 0, 0, 0, 5}
	stranger.Send(port, bye)
	dropped(t, e, "stranger", 1)
	for _, b := range [][]byte{{0x80, 200, 0, 0}, {0x81, 201, 0, 1, 0, 0, 0, 0}, {0x80}, {0x80, 203, 255, 255}} {
		k.peer.Send(port, b)
	}
	k.peer.Send(k.Addr(), bye) // muxed, though nobody asked for it
	dropped(t, e, "malformed", 4)
	k.peer.Tone(k.Addr(), 440, 3)
	k.heard.WaitFrames(t, 3, limit)
}

func TestRandomPacketsNeverEndACall(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	rnd := rand.New(rand.NewPCG(1, 2))
	for batch := range 6 {
		for range 50 {
			b := make([]byte, 1+rnd.IntN(200))
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			b[0] = b[0]&0x3f | 0x80 // so that it looks like RTP
			k.peer.Send(k.Addr(), b)
		}
		k.peer.Send(k.Addr(), []byte{0x40}) // malformed for sure
		judged(t, k, uint64(51*(batch+1)))  // or the socket's buffer would run over
	}
	before := k.heard.Frames()
	k.peer.Tone(k.Addr(), 440, 5)
	k.heard.WaitFrames(t, before+5, limit)
	if n := e.Dropped()["panic"]; n != 0 {
		t.Errorf("%d panics", n)
	}
}
