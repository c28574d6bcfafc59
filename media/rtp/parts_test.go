package rtp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/rtp"

	"holdfast/media"
	"holdfast/media/mediatest"
)

func TestSequenceSeesLossRepetitionAndNewRuns(t *testing.T) {
	t.Parallel()
	type step struct {
		ssrc uint32
		seq  uint16
		want verdict
	}
	var s sequence
	steps := []step{
		{1, 65534, restart},
		{1, 65535, fresh},
		{1, 0, fresh},
		{1, 0, double},
		{1, 3, fresh},
		{1, 2, fresh},
		{1, 2, double},
		{1, 65533, fresh}, // from before the first: no gain
		{1, 103, fresh},
		{1, 103 - 80, tooLate}, // out of the window
		{1, 30000, leap},
		{1, 104, fresh},
		{1, 30001, leap},
		{1, 30002, restart},
		{1, 30003, fresh},
		{2, 7, restart},
	}
	for i, st := range steps {
		if got := s.take(st.ssrc, st.seq); got != st.want {
			t.Errorf("step %d %+v: verdict %d", i, st, got)
		}
	}
	// Of 65534..104 (107 numbers) came 65534 65535 0 3 2 103 104 and the straggler, which counts as one of them.
	if got := s.lost(); got != 107-8 {
		t.Errorf("lost %d, want 99", got)
	}
}

func TestPortsRestBeforeTheirNextUse(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := newPorts(10001, 10007, 5*time.Second) // 10002, 10004, 10006
	var got []uint16
	for {
		port, ok := p.take(now)
		if !ok {
			break
		}
		got = append(got, port)
	}
	if len(got) != 3 || got[0] != 10002 || got[2] != 10006 {
		t.Fatalf("ports %v", got)
	}
	p.give(10006, now)
	p.give(10002, now.Add(time.Second))
	for _, is := range []struct {
		after time.Duration
		port  uint16 // 0: none
	}{{4 * time.Second, 0}, {5 * time.Second, 10006}, {5 * time.Second, 0}, {6 * time.Second, 10002}} {
		if port, _ := p.take(now.Add(is.after)); port != is.port {
			t.Errorf("after %v port %d was given, want the longest-rested, %d", is.after, port, is.port)
		}
	}
}

func TestOpenGivesNoPortWhenAllAreTaken(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	a, err := e.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().Addr(), a.Addr().Port()+3)))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if _, err := e.Open(nil); !errors.Is(err, media.ErrNoPort) { // its RTCP port is somebody else's
		t.Errorf("error %v", err)
	}
	a.Close()
	if _, err := e.Open(nil); !errors.Is(err, media.ErrNoPort) {
		t.Errorf("a resting port was used: %v", err)
	}
	if a.Addr().Port()%2 != 0 || e.Sessions() != 0 {
		t.Errorf("port %d, sessions %d", a.Addr().Port(), e.Sessions())
	}
}

func TestStopIsFinalAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	k := open(t, e, media.PCMU)
	k.SendDigit('1', 5000)
	e.Stop()
	e.Stop()
	<-k.done
	if _, err := e.Open(nil); !errors.Is(err, ErrStopped) {
		t.Errorf("open after stop: %v", err)
	}
	if err := e.Start(); !errors.Is(err, ErrStopped) {
		t.Errorf("start after stop: %v", err)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"nothing to tell":  {Bind: netip.IPv4Unspecified()},
		"two families":     {Bind: netip.MustParseAddr("127.0.0.1"), Public: netip.MustParseAddr("2001:db8::1")},
		"no pair of ports": {Low: 20001, High: 20002},
		"ports of others":  {Low: 100, High: 200},
		"from high to low": {Low: 30000, High: 20000},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	e, err := New(Config{Bind: netip.IPv4Unspecified(), Public: netip.MustParseAddr("192.0.2.1"), Low: 18000, High: 18999})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	s, err := e.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr().Addr() != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("tells %v", s.Addr())
	}
}

func TestReportsAreWholeAndTrue(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	listener := mediatest.NewCarrier(t, homeA, media.PCMU)
	m := agreed(k.peer, media.PCMU)
	m.RTCP = listener.Addr()
	k.Set(m)
	port := netip.AddrPortFrom(k.Addr().Addr(), k.Addr().Port()+1)
	for i := range 10 {
		p := k.peer.Packet(make([]byte, 160), nil)
		if i != 3 && i != 4 {
			k.peer.Send(k.Addr(), p)
		}
	}
	k.heard.WaitFrames(t, 8, limit)
	k.Audio(mediatest.NewTone(media.PCMU, 440).Next())
	sr, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: k.in.sequence.ssrc, NTPTime: 0x1111222233334444}, &rtcp.Goodbye{Sources: []uint32{5}}})
	if err != nil {
		t.Fatal(err)
	}
	listener.Send(port, sr)
	listener.Send(port, []byte{1}) // is judged after the report
	dropped(t, e, "malformed", 1)

	now := time.Now().Add(time.Second)
	_, block, ok := k.in.block(now)
	if !ok {
		t.Fatal("nowhere to report to")
	}
	info := senderInfo{sending: true, ssrc: k.out.ssrc, packets: 1, octets: 160, timestamp: 77}
	packets, err := rtcp.Unmarshal(appendReport(nil, info, block, [cnameBytes]byte([]byte("abcdefgh")), now))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := packets[0].(*rtcp.SenderReport)
	if !ok || len(got.Reports) != 1 || got.PacketCount != 1 || got.OctetCount != 160 || got.RTPTime != 77 {
		t.Fatalf("report %+v", packets[0])
	}
	r := got.Reports[0]
	if r.TotalLost != 2 || r.FractionLost != 2*256/10 || r.LastSenderReport != 0x22223333 || r.Delay < 60000 {
		t.Errorf("block %+v", r)
	}
	if want := uint64(now.Unix()+ntpEpoch) << 32; got.NTPTime-want >= 1<<32 {
		t.Errorf("time %x, want %x and a fraction", got.NTPTime, want)
	}
	if sdes, ok := packets[1].(*rtcp.SourceDescription); !ok || sdes.Chunks[0].Items[0].Text != "abcdefgh" {
		t.Errorf("description %+v", packets[1])
	}
	info.sending = false
	packets, err = rtcp.Unmarshal(appendReport(nil, info, reportBlock{}, [cnameBytes]byte{}, now))
	if _, ok := packets[0].(*rtcp.ReceiverReport); err != nil || !ok {
		t.Errorf("receiver report %+v, %v", packets, err)
	}
}

func TestAReportIsSentWhenItIsDue(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(homeA)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m := agreedAt(conn.LocalAddr().(*net.UDPAddr).AddrPort(), media.PCMU)
	m.RTCP = m.Remote
	e, err := New(Config{Bind: netip.MustParseAddr("127.0.7.2"), Low: 18000, High: 18999, KeepAlive: -1}) // not started: the clock is ours
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	s, err := e.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	s.Set(m)
	s.tick(time.Now())
	s.tick(time.Now().Add(2 * reportEvery))
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, src, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rtcp.Unmarshal(buf[:n]); err != nil || src.Port() != s.Addr().Port()+1 {
		t.Errorf("from %v: %v", src, err)
	}
}

func FuzzParseAgreesWithPion(f *testing.F) {
	f.Add(spareExtension(1, 2, 3))
	f.Add([]byte{0x80})
	f.Add(append(header{seq: 1}.append(nil), 1, 2, 3))
	f.Add([]byte{0xbf, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, ok := parse(b)
		if !ok {
			return
		}
		var p pion.Packet
		if p.Unmarshal(b) != nil { // pion also looks into extensions; we step over them
			return
		}
		if p.SequenceNumber != h.seq || p.Timestamp != h.timestamp || p.SSRC != h.ssrc ||
			p.PayloadType != h.payloadType || p.Marker != h.marker || !bytes.Equal(p.Payload, payload) {
			t.Errorf("%x: %+v %x, pion %+v %x", b, h, payload, p.Header, p.Payload)
		}
	})
}

func FuzzParseRTCP(f *testing.F) {
	f.Add(appendReport(nil, senderInfo{sending: true}, reportBlock{present: true}, [cnameBytes]byte{}, time.Unix(0, 0)))
	f.Add([]byte{0x80, 200, 0, 0})
	f.Add([]byte{0x81, 203, 0, 1, 0, 0, 0, 5})
	two, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 5, NTPTime: 1 << 20}, &rtcp.SenderReport{SSRC: 6, NTPTime: 1 << 21}, &rtcp.Goodbye{Sources: []uint32{5}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(two)
	peer, now := addr(homeA+":4000"), time.Unix(1000, 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		lastSR, of, ok := parseRTCP(b)
		if ok && (len(b) < 4 || len(b)%4 != 0 || len(b) >= maxPacket) || !ok && lastSR != 0 {
			t.Errorf("%x: %v, %x", b, ok, lastSR)
		}
		if reports, err := rtcp.Unmarshal(b); ok && err == nil && lastSR != 0 && !reported(reports, of, lastSR) {
			t.Errorf("%x: report %x of %x, pion %v", b, lastSR, of, reports)
		}
		r := receiver{out: newSender(time.Now)}
		if err := r.set(agreedAt(peer, media.PCMU), now); err != nil {
			t.Fatal(err)
		}
		r.take(peer, append(header{ssrc: 5, seq: 7}.append(nil), 1), now)
		latched, numbers, heard := r.latch.locked, r.sequence, r.stats.Received
		if why := r.takeRTCP(addr(outside+":4001"), b, now); why != stranger || r.control != (control{}) {
			t.Errorf("a stranger's %x: %d", b, why)
		}
		if why := r.takeRTCP(addr(homeA+":4001"), b, now); (why == none) != ok {
			t.Errorf("%x: refused as %d", b, why)
		}
		if _, block, _ := r.block(now.Add(time.Second)); block.ssrc != 5 || (block.lastSR != 0) != (lastSR != 0 && of == 5) {
			t.Errorf("%x: %x of %x is told of %x", b, block.lastSR, of, block.ssrc)
		}
		if latched != r.latch.locked || r.latch.target() != peer || numbers != r.sequence || r.stats.Received != heard {
			t.Errorf("%x changed more than reports", b)
		}
	})
}

// reported says whether one of the reports is of a source and has this time.
func reported(reports []rtcp.Packet, of, lastSR uint32) bool {
	for _, p := range reports {
		if sr, is := p.(*rtcp.SenderReport); is && sr.SSRC == of && uint32(sr.NTPTime>>16) == lastSR {
			return true
		}
	}
	return false
}

// nobody is a conn that sends nowhere.
type nobody struct{}

func (nobody) Send(netip.AddrPort, []byte) error { return nil }
func (nobody) Drain(time.Duration)               {}
func (nobody) Close()                            {}

// relay is a session that plays to another, without sockets.
func relay(t testing.TB) (from *Session, src netip.AddrPort) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	src = addr("127.0.0.1:4000")
	make1 := func(c media.Codec) *Session {
		s := &Session{engine: e, out: newSender(e.config.Now), rtp: nobody{}, rtcp: nobody{}, done: make(chan struct{})}
		s.in.out, s.out.conn = s.out, nobody{}
		s.sink.Store(nowhere)
		m := agreedAt(src, c)
		s.Set(m)
		return s
	}
	from, to := make1(media.PCMA), make1(media.PCMU)
	from.Receive(to)
	return from, src
}

func TestAPacketIsRelayedWithoutAllocation(t *testing.T) {
	from, src := relay(t)
	b := append(header{payloadType: 8, ssrc: 1}.append(nil), make([]byte, 160)...)
	seq := uint16(0)
	send := func() {
		seq++
		b[2], b[3] = byte(seq>>8), byte(seq)
		from.in.tokens = maxRate // no limit: this is faster than speech
		from.takeRTP(src, b)
	}
	if n := testing.AllocsPerRun(1000, send); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	if got := from.Stats(); got.Received < 1000 || got.Dropped != 0 {
		t.Errorf("stats %+v", got)
	}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
