package rtp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/sdp"
)

var every = []sdp.Suite{sdp.AES128GCM, sdp.AES256GCM, sdp.AES128CM80, sdp.AES256CM80}

func TestBothHearEachOtherInEverySuite(t *testing.T) {
	for _, suite := range every {
		f := secure(t, suite)
		tone := mediatest.NewTone(media.PCMU, 440)
		for i := range 10 {
			f.give(f.packet(uint16(i)))
			f.s.Audio(tone.Next())
		}
		if f.frames != 10 || len(f.heard) != 10 || f.refused != 0 {
			t.Errorf("%s: %d heard here, %d there, %d refused there", suite, f.frames, len(f.heard), f.refused)
		}
		if h := f.heard[0]; binary.BigEndian.Uint16(h[2:]) >= longestStart {
			t.Errorf("the first number is %d", binary.BigEndian.Uint16(h[2:]))
		}
	}
}

func TestForgeriesAndReplaysEndNothingAndTeachNothing(t *testing.T) {
	forged := 100_000
	if os.Getenv("HOLDFAST_LONG") != "" {
		forged = 1_000_000
	}
	for _, suite := range every {
		synctest.Test(t, func(t *testing.T) { // no time passes: the rate limit gives nothing back
			f := secure(t, suite)
			stranger := netip.MustParseAddrPort("127.0.0.9:9") // inside what the trunk may send from
			n := forged
			if suite != sdp.AES128CM80 {
				n = 1000
			}
			bad := f.packet(0)
			bad[len(bad)-1] ^= 1
			for i := range n {
				binary.BigEndian.PutUint16(bad[2:], uint16(i))
				f.s.takeRTP(stranger, bytes.Clone(bad))
				f.s.takeRTP(f.src, bytes.Clone(bad))
			}
			plain := append(header{ssrc: 9, seq: 1}.append(nil), make([]byte, 160)...)
			f.s.takeRTP(stranger, plain)
			f.give(plain)
			if f.frames != 0 || f.s.in.latch.locked.IsValid() || f.s.out.to != f.src {
				t.Fatalf("%s: forgeries were heard (%d) or learned from (%v)", suite, f.frames, f.s.in.latch.locked)
			}
			f.dropped("auth", uint64(2*n+2))
			f.dropped("rate", 0)
			good := make([][]byte, 100)
			for i := range good {
				good[i] = f.packet(uint16(i + 1))
				f.give(good[i])
			}
			for _, b := range good {
				f.give(b)
				f.s.takeRTP(stranger, bytes.Clone(b))
			}
			if f.frames != len(good) {
				t.Errorf("%s: %d frames heard of %d that came, each three times", suite, f.frames, len(good))
			}
		})
	}
}

// FuzzOpen gives an encrypted call whatever comes to its ports: none of it is heard, and what the peer says then is.
func FuzzOpen(f *testing.F) {
	for i, suite := range every {
		c := secure(f, suite)
		good := c.packet(1)
		f.Add(uint8(i), false, good)
		f.Add(uint8(i), false, good[:len(good)-1])
		f.Add(uint8(i), true, append([]byte{0x81, 203, 0, 1}, good...))
	}
	f.Add(uint8(0), false, spareExtension(1, 2, 3))
	f.Add(uint8(1), false, []byte{0xbf, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255})
	f.Fuzz(func(t *testing.T, which uint8, report bool, raw []byte) {
		c := secure(t, every[int(which)%len(every)])
		for range 2 {
			if report {
				c.s.takeRTCP(c.src, bytes.Clone(raw))
			} else {
				c.s.takeRTP(c.src, bytes.Clone(raw))
			}
		}
		if c.frames != 0 {
			t.Fatalf("%x was heard", raw)
		}
		c.give(c.packet(7))
		if c.frames != 1 {
			t.Errorf("after %x the peer is not heard", raw)
		}
	})
}

func TestTheCountRunsOnOverAHundredThousandPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := secure(t, sdp.AES128GCM)
		tone := mediatest.NewTone(media.PCMU, 440)
		frame := tone.Next()
		const n = 3 << 16
		clock := time.NewTicker(media.FrameTime) // of the bubble: an hour of packets takes a second
		defer clock.Stop()
		for i := range n {
			<-clock.C
			if i%7 != 3 { // some are lost, at the wraps too
				f.give(f.packet(uint16(i + 60000)))
			} else {
				f.packet(uint16(i + 60000))
			}
			frame.Seq, frame.Timestamp, frame.Marker = uint16(i), uint32(160*i), i == 0
			f.s.Audio(frame)
			f.heard = f.heard[:0]
		}
		roc, _ := f.s.in.opener.now.ROC(f.ssrc)
		if want := n - (n+3)/7; f.frames != want || roc != 3 || f.refused != 0 {
			t.Errorf("%d frames heard of %d, turned over %d times; %d refused there", f.frames, want, roc, f.refused)
		}
	})
}

func TestAChangeOfKeysInterruptsNothing(t *testing.T) {
	for name, goesOn := range map[string]bool{"the count goes on (RFC 3711)": true, "the count begins anew": false} {
		synctest.Test(t, func(t *testing.T) {
			f := secure(t, sdp.AES128CM80)
			seq := uint16(65000)
			clock := time.NewTicker(media.FrameTime)
			defer clock.Stop()
			for range 1000 { // over a wrap, so that the count is 1
				<-clock.C
				f.give(f.packet(seq))
				seq++
			}
			late := f.packet(seq) // still under way when the key changes
			us := sdp.Secure{Policy: sdp.Require, Keys: sdp.NewKeys(), Now: f.ours.Crypto}
			theirs, ours := negotiate(t, sdp.AES128CM80, required(), us, f.src)
			before := f.s.out.ssrc
			f.s.Set(ours)
			f.keys(theirs)
			if goesOn {
				f.send.SetROC(f.ssrc, 1)
			}
			f.give(late)
			for range 100 {
				seq++
				f.give(f.packet(seq))
			}
			f.s.Audio(mediatest.NewTone(media.PCMU, 440).Next())
			if f.frames != 1101 || len(f.heard) != 1 || f.s.out.ssrc == before {
				t.Errorf("%s: %d of 1101 heard, %d there; a stream of its own: %v", name, f.frames, len(f.heard), f.s.out.ssrc != before)
			}
			<-time.After(overlap + time.Second)
			f.give(late)
			f.dropped("auth", 1) // the former key is of no use any more
		})
	}
}

func TestTheSameKeysAgainKeepTheirMemory(t *testing.T) {
	f := secure(t, sdp.AES256GCM)
	b := f.packet(7)
	f.give(b)
	f.s.Set(f.ours) // a re-INVITE that changes nothing, as a session timer's
	f.give(b)
	f.give(f.packet(8))
	if f.frames != 2 {
		t.Errorf("%d frames heard, want 2: the packet before the re-INVITE came twice", f.frames)
	}
}

func TestNoNumberIsUsedTwiceUnderOneKey(t *testing.T) {
	f := secure(t, sdp.AES128GCM)
	tone := mediatest.NewTone(media.PCMU, 440)
	frame := tone.Next()
	for _, seq := range []uint16{1, 2, 4, 3, 3, 2, 5} { // a source that gives the same number twice
		frame.Seq, frame.Timestamp, frame.Marker = seq, 160*uint32(seq), seq == 1
		f.s.Audio(frame)
	}
	numbers := map[uint16]bool{}
	for _, b := range f.heard {
		numbers[binary.BigEndian.Uint16(b[2:])] = true
	}
	if len(f.heard) != 5 || len(numbers) != 5 || f.refused != 0 {
		t.Errorf("%d packets with %d numbers went out, %d could not be opened; want 5", len(f.heard), len(numbers), f.refused)
	}
}

func TestNothingIsHeardBeforeTheKeysAreKnown(t *testing.T) {
	e := engine(t, 1, nil)
	s, err := e.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	s.Await(true)
	peer, heard := mediatest.NewCarrier(t, homeA, media.PCMU), mediatest.NewProbe()
	s.Receive(heard)
	peer.Tone(s.Addr(), 440, 5)
	dropped(t, e, "auth", 5)
	if heard.Frames() != 0 || s.in.latch.locked.IsValid() {
		t.Errorf("%d frames heard before anything was agreed", heard.Frames())
	}
	s.Set(agreed(peer, media.PCMU))
	peer.Tone(s.Addr(), 440, 5)
	heard.WaitFrames(t, 5, limit)
	s.Await(true) // the call is tried at another trunk
	peer.Tone(s.Addr(), 440, 5)
	dropped(t, e, "auth", 10)
	if heard.Frames() != 5 {
		t.Errorf("%d frames heard before anything was agreed with the second trunk", heard.Frames()-5)
	}
	s.Set(agreed(peer, media.PCMU))
	peer.Tone(s.Addr(), 440, 5)
	heard.WaitFrames(t, 10, limit)
}

func TestWhatWasAgreedWithTheTrunkBeforeOpensNothing(t *testing.T) {
	f := secure(t, sdp.AES128GCM)
	f.s.Await(true)
	f.give(f.packet(1))
	f.s.takeRTCP(f.src, f.report(f.ssrc))
	f.dropped("auth", 2)
	f.s.Set(f.ours)
	f.give(f.packet(2))
	f.s.takeRTCP(f.src, f.report(f.ssrc))
	f.dropped("auth", 2)
}

func TestALegWithoutAKeyEndsRatherThanGoOnInClear(t *testing.T) {
	for name, lack := range map[string]func(*sdp.Crypto){
		"of the peer's": func(c *sdp.Crypto) { c.In = nil },
		"of ours":       func(c *sdp.Crypto) { c.Out = sdp.Key{} },
	} {
		e := engine(t, 2, nil)
		for _, before := range []bool{false, true} { // encrypted with both keys
			s, err := e.Open(home)
			if err != nil {
				t.Fatal(err)
			}
			_, ours := negotiate(t, sdp.AES128GCM, required(), required(), netip.MustParseAddrPort("127.0.0.1:4000"))
			if before {
				s.Set(ours)
			}
			keys := *ours.Crypto
			lack(&keys)
			ours.Crypto = &keys
			s.Set(ours)
			select {
			case <-s.done:
			default:
				t.Errorf("without a key %s (encrypted before: %v) the leg goes on", name, before)
			}
		}
	}
}

func TestNoPeerFillsTheMemoryWithReports(t *testing.T) {
	f := secure(t, sdp.AES128CM80)
	for i := range uint32(maxStreams) {
		f.s.takeRTCP(f.src, f.report(i))
	}
	f.dropped("auth", 0)
	for i := range uint32(3) {
		f.s.takeRTCP(f.src, f.report(maxStreams+i))
		f.s.takeRTCP(f.src, f.report(i)) // who was met before is heard
	}
	f.dropped("auth", 3)
	if _, met := f.s.in.opener.now.Index(maxStreams); met {
		t.Error("a source too many was noted")
	}
}

func TestReportsAreProtectedBothWays(t *testing.T) {
	for _, suite := range every {
		f := secure(t, suite)
		var sent []byte
		f.s.rtcp = wire(func(b []byte) { sent = b })
		now := f.s.engine.config.Now()
		f.give(f.packet(1))
		f.s.report(now.Add(10 * time.Second))
		if clear, err := f.hear.DecryptRTCP(nil, sent, nil); err != nil || clear[1] != typeRR {
			t.Errorf("%s: our report: %v", suite, err)
		}
		b := f.report(f.ssrc)
		f.s.takeRTCP(f.src, plainReport(f.ssrc))
		f.dropped("auth", 1)
		f.s.takeRTCP(f.src, b)
		f.s.takeRTCP(f.src, b) // again
		f.dropped("auth", 2)
		if f.s.in.control.source != f.src {
			t.Errorf("%s: its report was not taken: %v", suite, f.s.engine.Dropped())
		}
	}
}

// spare is how many allocations a packet may cost; see race_test.go.
var spare = 0.0

func TestAnEncryptedPacketIsRelayedWithoutAllocation(t *testing.T) {
	for _, suite := range every {
		a, b := secure(t, suite), secure(t, suite)
		b.s.rtp, b.s.out.conn = nobody{}, nobody{}
		a.s.Receive(b.s)
		packets := make([][]byte, 2000)
		for i := range packets {
			packets[i] = a.packet(uint16(i))
		}
		i := 0
		if n := testing.AllocsPerRun(len(packets)-2, func() {
			a.s.in.tokens = maxRate
			a.s.takeRTP(a.src, packets[i])
			i++
		}); n > spare {
			t.Errorf("%s: %v allocations a packet", suite, n)
		}
		if b.s.Stats().Sent < uint64(len(packets)-2) {
			t.Errorf("%s: %d packets relayed", suite, b.s.Stats().Sent)
		}
	}
}

func BenchmarkRelaySecure(b *testing.B) {
	for _, suite := range every {
		b.Run(suite.String(), func(b *testing.B) {
			from, to := secure(b, suite), secure(b, suite)
			to.s.rtp, to.s.out.conn = nobody{}, nobody{}
			from.s.Receive(to.s)
			packets := make([][]byte, 1<<15)
			for i := range packets {
				packets[i] = from.packet(uint16(i))
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if i == len(packets) { // the same once more, to a receiver that knows none of them
					b.StopTimer()
					i = 0
					from.s.in.opener, from.s.in.sequence = inward{}, sequence{}
					from.s.Set(from.ours)
					b.StartTimer()
				}
				from.s.in.tokens = maxRate
				from.s.takeRTP(from.src, packets[i])
				i++
			}
		})
	}
}
