package rtp

import (
	"net"
	"testing"
	"time"

	"holdfast/media"
)

func BenchmarkRelay(b *testing.B) {
	from, src := relay(b)
	p := append(header{payloadType: 8, ssrc: 1}.append(nil), make([]byte, media.FrameBytes)...)
	seq := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		p[2], p[3] = byte(seq>>8), byte(seq)
		from.in.tokens = maxRate // no limit: this is faster than speech
		from.takeRTP(src, p)
	}
}

// BenchmarkRelayOverSockets relays over loopback, with up to 16 packets under way. Its time holds the peer's half too:
// per packet, two reads and two writes.
func BenchmarkRelayOverSockets(b *testing.B) {
	e := engine(b, 2, nil)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(homeA)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil { // a lost packet ends it
		b.Fatal(err)
	}
	peer := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	var legs [2]*Session
	for i := range legs {
		if legs[i], err = e.Open(nil); err != nil {
			b.Fatal(err)
		}
		legs[i].Set(agreedAt(peer, media.PCMU))
	}
	legs[0].Receive(sinkFunc(func(f media.Frame) {
		legs[0].in.mu.Lock()
		legs[0].in.tokens = maxRate
		legs[0].in.mu.Unlock()
		legs[1].Audio(f)
	}))
	p := append(header{ssrc: 1}.append(nil), make([]byte, media.FrameBytes)...)
	buf := make([]byte, maxPacket)
	b.ReportAllocs()
	sent, seen := 0, 0
	for b.Loop() {
		sent++
		p[2], p[3] = byte(sent>>8), byte(sent)
		if _, err := conn.WriteToUDPAddrPort(p, legs[0].Addr()); err != nil {
			b.Fatal(err)
		}
		for sent-seen >= 16 {
			if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
				b.Fatal(err)
			}
			seen++
		}
	}
}
