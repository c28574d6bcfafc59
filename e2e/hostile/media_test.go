package hostile

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"holdfast/e2e/harness"
)

const (
	lowPort    = 16384            // of the harness; also the browsers' port
	knocks     = 1000             // a second
	knockedFor = 10 * time.Second // until an operator is back on duty
)

// lies are packets that other engines fell over, and what makes sound without the right to.
func lies(random *rand.Rand) [][]byte {
	head := func(first, kind byte, seq uint16) []byte {
		b := []byte{first, kind, 0, 0, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef}
		binary.BigEndian.PutUint16(b[2:], seq)
		return b
	}
	sound := make([]byte, 160)
	for i := range sound {
		sound[i] = byte(random.Uint32())
	}
	with := func(b []byte, more ...[]byte) []byte {
		for _, m := range more {
			b = append(b, m...)
		}
		return b
	}
	noise := make([]byte, 1+random.IntN(1400))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	return [][]byte{
		{},
		{0x80},
		{0},
		noise,
		with(head(0x80, 0, uint16(random.Uint32())), sound),                                   // sound, as it would be in order
		with(head(0x90, 0, 1), []byte{0xbe, 0xde, 0, 2, 0x10, 0xff, 0, 0, 0, 0, 0, 0}, sound), // an extension with a spare word
		with(head(0x90, 0, 2), []byte{0xbe, 0xde, 0xff, 0xff}, sound),                         // one that is longer than the packet
		with(head(0x90, 0, 3), []byte{0x10, 0, 0, 200}, make([]byte, 800), sound),             // a bomb of empty elements
		with(head(0xa0, 0, 4), sound, []byte{255}),                                            // padding
		with(head(0x8f, 0, 5), sound), with(head(0xbf, 0, 6), sound),                          // 15 sources
		with(head(0x80, 13, 7), make([]byte, 1400)),                                           // comfort noise of 1,400 bytes
		with(head(0x80, 101, 8), []byte{255, 255, 255, 255}), with(head(0x80, 127, 9), sound), // a key that is none; a kind that nobody agreed on
		{0x81, 203, 0, 1, 0, 0, 0, 5},
		{0x80, 200, 0xff, 0xff},
		{0x81, 203, 0, 0}, // reports: goodbye, and two that are cut
	}
}

// spray sends all lies to every media port from an address, and returns how many packets came back.
func (s *siege) spray(t *testing.T, from string) (back int) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
	must(t, err)
	defer func() { _ = conn.Close() }()
	random := rand.New(rand.NewPCG(1, 2))
	to := &net.UDPAddr{IP: net.ParseIP(s.n.Host)}
	for range 3 {
		packets := lies(random)
		for port := lowPort; port < lowPort+200; port++ { // those of the calls are among them
			to.Port = port
			for _, p := range packets {
				_, _ = conn.WriteToUDP(p, to)
			}
		}
	}
	must(t, conn.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	b := make([]byte, 2048)
	for {
		if _, err := conn.Read(b); errors.Is(err, os.ErrDeadlineExceeded) {
			return back
		} else if err == nil {
			back++
		}
	}
}

// sprayed sends forged sound to all ports, from an address of nobody and from one of the trunk that has no call.
func (s *siege) sprayed(t *testing.T) {
	for _, from := range []string{"127.66.0.9", "127.0.66.9"} {
		if back := s.spray(t, from); back != 0 {
			t.Errorf("%s was sent %d packets of somebody's call", from, back)
		}
	}
}

// hello is the first message of a DTLS handshake, cookie and all left out.
func hello(random *rand.Rand) []byte {
	body := make([]byte, 42)
	body[0], body[1] = 0xfe, 0xfd
	for i := 2; i < 34; i++ {
		body[i] = byte(random.Uint32())
	}
	copy(body[34:], []byte{0, 0, 0, 2, 0xc0, 0x2b, 1, 0})
	handshake := append([]byte{1, 0, 0, byte(len(body)), 0, 0, 0, 0, 0, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(handshake))}, handshake...)
}

// knocked sends hellos and unsigned checks to the port of the browsers, while an operator comes back again and again.
func (s *siege) knocked(t *testing.T) {
	to := &net.UDPAddr{IP: net.ParseIP(s.n.Host), Port: lowPort}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 66, 0, 11)})
	must(t, err)
	defer func() { _ = conn.Close() }()
	stop, done, sent := make(chan struct{}), make(chan struct{}), 0
	halt := sync.OnceFunc(func() { close(stop); <-done })
	defer halt() // an operator who does not come back ends the test
	go func() {
		defer close(done)
		random := rand.New(rand.NewPCG(3, 4))
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
			}
			for range knocks / 100 {
				_, _ = conn.WriteToUDP(hello(random), to)
				_, _ = conn.WriteToUDP([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, to)
				sent++
			}
		}
	}()
	for range 5 {
		began := time.Now()
		s.idle.Drop()
		must(t, s.idle.Resume(harness.Limited(t, knockedFor)))
		t.Logf("the operator is back after %v", time.Since(began).Round(time.Millisecond))
	}
	halt()
	must(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	if n, _ := conn.Read(make([]byte, 2048)); n > 0 {
		t.Error("a stranger was answered")
	}
	t.Logf("%d hellos", sent)
}
