package browser

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"

	"holdfast/media"
)

// wiretap is a leg whose keys the test has: a browser that needs no handshake.
type wiretap struct {
	leg    *Leg
	reader *reader
	seal   *srtp.Context
	seq    uint16
	now    time.Time
}

func tap(t testing.TB, e *Endpoint) *wiretap {
	t.Helper()
	from, err := readOffer(chromeOffer)
	must(t, err)
	leg, err := e.newLeg(from)
	must(t, err)
	leg.answer(from)
	key, salt := make([]byte, 16), make([]byte, 12)
	context := func() *srtp.Context {
		c, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTPReplayProtection(replayWindow))
		must(t, err)
		return c
	}
	leg.keys.Store(&keys{context(), context()})
	leg.connected()
	t.Cleanup(func() { leg.Hangup(media.Ending{}); <-leg.Done() })
	return &wiretap{leg: leg, reader: &reader{endpoint: e, port: e.port, paths: make(map[netip.AddrPort]*path)}, seal: context(), now: time.Now()}
}

// checks lets a signed check of the browser arrive.
func (w *wiretap) checks(t testing.TB, from netip.AddrPort, priority byte, use bool) {
	t.Helper()
	in := w.leg.logins[len(w.leg.logins)-1]
	setters := []stun.Setter{
		stun.TransactionID, stun.BindingRequest, stun.NewUsername(in.ours + ":" + in.theirs),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{priority, 0, 0, 0}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
	}
	if use {
		setters = append(setters, stun.RawAttribute{Type: stun.AttrUseCandidate})
	}
	m, err := stun.Build(append(setters, in.key, stun.Fingerprint)...)
	must(t, err)
	w.reader.take(m.Raw, from, w.now)
}

// packet is the next packet of the browser's microphone, sealed.
func (w *wiretap) packet(t testing.TB) []byte {
	t.Helper()
	w.seq++
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7, SequenceNumber: w.seq, Timestamp: 160 * uint32(w.seq)}, Payload: make([]byte, 160)}
	raw, err := p.Marshal()
	must(t, err)
	sealed, err := w.seal.EncryptRTP(nil, raw, nil)
	must(t, err)
	return sealed
}

func (w *wiretap) used() netip.AddrPort {
	if p := w.leg.path.Load(); p != nil {
		return p.addr
	}
	return netip.AddrPort{}
}

var (
	home   = netip.MustParseAddrPort("127.0.9.1:4000")
	mobile = netip.MustParseAddrPort("127.0.9.2:4000")
)

func TestAudioGoesWhereTheBrowserIs(t *testing.T) {
	t.Parallel()
	w := tap(t, start(t))
	w.reader.take(w.packet(t), home, w.now)
	if w.used().IsValid() || w.leg.Stats().Received != 0 {
		t.Fatal("an address that nobody proved is believed")
	}
	w.checks(t, home, 100, true)
	w.checks(t, mobile, 50, true) // a phone's second network, named too
	if w.used() != home {
		t.Errorf("the worse path %v is used", w.used())
	}
	w.now = w.now.Add(2 * time.Second)
	w.checks(t, mobile, 50, true)
	if w.used() != mobile {
		t.Errorf("%v has been silent for 2 s and is used", w.used())
	}
	w.reader.take(w.packet(t), home, w.now)
	if w.used() != home || w.leg.Stats().Received != 1 {
		t.Errorf("audio comes from %v and goes to %v", home, w.used())
	}
	again := readAgain(t)
	w.leg.answer(again) // an ICE restart: the former path stays in use until the new one is proven
	w.checks(t, mobile, 1, false)
	if w.used() != home {
		t.Errorf("%v is used before the browser has chosen it", w.used())
	}
	w.checks(t, mobile, 1, true)
	if w.used() != mobile {
		t.Errorf("%v is used after the browser began anew", w.used())
	}
}

func readAgain(t testing.TB) offer {
	t.Helper()
	o, err := readOffer(chromeOffer)
	must(t, err)
	o.user = "Again"
	return o
}

func TestNobodyTakesAnothersPath(t *testing.T) {
	t.Parallel()
	e := start(t)
	w := tap(t, e)
	w.checks(t, home, 100, true)
	other := tap(t, e)
	other.reader = w.reader
	other.checks(t, home, 255, true) // signed by its own login, but from a source that another one is using
	if other.used().IsValid() || w.reader.paths[home].leg != w.leg {
		t.Error("an operator took the path of another one")
	}
	other.now = w.now.Add(disconnectedAfter)
	other.checks(t, home, 255, true) // a router gave the address to somebody else
	if other.used() != home {
		t.Error("an address that is free again is of no use")
	}
}

func TestAPathIsProvenByTheRightSignatureOnly(t *testing.T) {
	t.Parallel()
	w := tap(t, start(t))
	in := *w.leg.logins[0]
	forged := in
	forged.key = stun.NewShortTermIntegrity("another password, long enough")
	w.leg.logins[0] = &forged
	w.checks(t, home, 100, true)
	w.leg.logins[0] = &login{ours: in.ours, theirs: "4ZcE", key: in.key}
	w.checks(t, home, 100, true)
	w.leg.logins[0] = &in
	if len(w.reader.paths) != 0 {
		t.Error("a forged check is believed")
	}
	w.checks(t, home, 100, true)
	for range 10_000 { // a flood of bad seals, and the same packet again and again
		bad := w.packet(t)
		bad[len(bad)-1] ^= 1
		w.reader.take(bad, home, w.now)
	}
	good := w.packet(t)
	for range 10 {
		w.reader.take(append([]byte(nil), good...), home, w.now)
	}
	if s := w.leg.Stats(); s.Received != 1 || s.Dropped != 10_009 {
		t.Errorf("%+v", s)
	}
}

func TestABrowserHasAFewPathsAndStreamsOnly(t *testing.T) {
	t.Parallel()
	w := tap(t, start(t))
	for port := range 1000 {
		w.checks(t, netip.AddrPortFrom(home.Addr(), uint16(5000+port)), 100, port == 0)
	}
	if len(w.reader.paths) > maxPaths || len(w.leg.paths) > maxPaths || w.used().Port() != 5000 {
		t.Errorf("%d addresses are known, %v is used", len(w.reader.paths), w.used())
	}
	for ssrc := range maxSources + 1 {
		raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: uint32(100 + ssrc)}, Payload: make([]byte, 160)}).Marshal()
		must(t, err)
		sealed, err := w.seal.EncryptRTP(nil, raw, nil)
		must(t, err)
		w.reader.take(sealed, w.used(), w.now)
	}
	if !w.leg.over() {
		t.Error("a browser may begin streams without end")
	}
}

func TestReportsBeginAFewStreamsOnly(t *testing.T) {
	t.Parallel()
	w := tap(t, start(t))
	w.checks(t, home, 100, true)
	for ssrc := range maxSources + 1 {
		raw, err := (&rtcp.ReceiverReport{SSRC: uint32(100 + ssrc)}).Marshal()
		must(t, err)
		sealed, err := w.seal.EncryptRTCP(nil, raw, nil)
		must(t, err)
		if w.leg.over() {
			t.Fatalf("over after %d streams", ssrc)
		}
		w.reader.take(sealed, home, w.now)
	}
	if !w.leg.over() {
		t.Error("a browser may report for streams without end")
	}
}

func TestAListenerThatPanicsEndsItsLegOnly(t *testing.T) {
	t.Parallel()
	e := start(t)
	w, other := tap(t, e), tap(t, e)
	w.leg.Listen(func(media.Event) { panic("a fault in a listener") })
	<-w.leg.Done()
	if w.leg.ending.Reason != "panic" || other.leg.over() {
		t.Errorf("ended %+v; the other is over: %v", w.leg.ending, other.leg.over())
	}
}

func TestAPacketCostsNoMemory(t *testing.T) {
	w := tap(t, start(t))
	w.checks(t, home, 100, true)
	sealed := make([][]byte, 2001)
	for i := range sealed {
		sealed[i] = w.packet(t)
	}
	next := 0
	if n := testing.AllocsPerRun(2000, func() { w.reader.take(sealed[next], home, w.now); next++ }); n != 0 {
		t.Errorf("%v allocations a packet that comes", n)
	}
	f := media.Frame{Payload: make([]byte, 160)}
	if n := testing.AllocsPerRun(2000, func() { f.Seq, f.Timestamp = f.Seq+1, f.Timestamp+160; w.leg.Audio(f) }); n != 0 {
		t.Errorf("%v allocations a packet that goes", n)
	}
}

func BenchmarkReceive(b *testing.B) {
	w := tap(b, start(b))
	w.checks(b, home, 100, true)
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7}, Payload: make([]byte, 160)}).Marshal()
	must(b, err)
	header, buffer := rtp.Header{}, make([]byte, 1500)
	for b.Loop() { // sealing is a third of it
		w.seq++
		raw[2], raw[3] = byte(w.seq>>8), byte(w.seq)
		sealed, err := w.seal.EncryptRTP(buffer[:0], raw, &header)
		must(b, err)
		w.reader.take(sealed, home, w.now)
	}
}

func BenchmarkSend(b *testing.B) {
	w := tap(b, start(b))
	w.checks(b, home, 100, true)
	f := media.Frame{Payload: make([]byte, 160)}
	for b.Loop() {
		f.Seq, f.Timestamp = f.Seq+1, f.Timestamp+160
		w.leg.Audio(f)
	}
}

// TestALegIsSmall measures what 40 legs with audio cost, and that they give it back.
func TestALegIsSmall(t *testing.T) {
	e := start(t)
	before := runtime.NumGoroutine()
	legs := make([]*wiretap, 40)
	for i := range legs {
		legs[i] = tap(t, e)
	}
	if n := runtime.NumGoroutine() - before; n > 0 {
		t.Errorf("%d goroutines for %d legs", n, len(legs))
	}
}

// signed is a check with attributes of anybody's choice, each as type (2), length (1) and value, with the leg's signature behind them.
func (w *wiretap) signed(attributes []byte) []byte {
	in := w.leg.logins[len(w.leg.logins)-1]
	setters := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(in.ours + ":" + in.theirs)}
	for len(attributes) >= 3 {
		kind, end := stun.AttrType(binary.BigEndian.Uint16(attributes)), min(3+int(attributes[2]), len(attributes))
		setters = append(setters, stun.RawAttribute{Type: kind, Value: attributes[3:end]})
		attributes = attributes[end:]
	}
	m, err := stun.Build(append(setters, in.key)...)
	if err != nil {
		return nil // something that may not stand before a signature
	}
	return m.Raw
}

// FuzzPacket takes anything that may arrive at the port, from an address that is a browser's, and checks that the browser signs
// over whatever they say. Only those are answered, and shortly.
func FuzzPacket(f *testing.F) {
	still := time.Now() // and no end to a handshake: or the leg ends after some seconds, and nothing is tried any more
	w := tap(f, start(f, func(c *Config) { c.Now, c.ConnectIn = func() time.Time { return still }, time.Hour }))
	w.now = still
	w.checks(f, home, 100, true)
	in := w.leg.logins[0]
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(in.ours+":"+in.theirs), in.key, stun.Fingerprint)
	must(f, err)
	f.Add(m.Raw, false)
	f.Add(w.packet(f), false)
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1}, false)
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 7}, false)
	f.Add([]byte{0, 0x24, 4, 1, 2, 3, 4, 0, 0x25, 0, 0x80, 0x2a, 8, 1, 2, 3, 4, 5, 6, 7, 8}, true) // priority, use-candidate, controlling
	f.Add([]byte{0x80, 0x29, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x28, 4, 0, 0, 0, 0}, true)          // controlled; a fingerprint that is none
	f.Add([]byte{0, 6, 3, 'a', ':', 'b', 0, 0x20, 0, 0, 0x24, 1, 0, 0, 9, 200}, true)              // another name, an address of nothing, cut short
	f.Fuzz(func(t *testing.T, packet []byte, sign bool) {
		if sign {
			packet = w.signed(packet)
		}
		if len(packet) == 0 || len(packet) > packetBytes {
			return
		}
		w.reader.reply = stun.Message{}
		asked := stun.Message{Raw: slices.Clone(packet)}
		w.reader.take(packet, home, w.now)
		if w.leg.over() || len(w.leg.paths) != 1 || w.reader.paths[home] != w.leg.path.Load() {
			t.Fatalf("%x ended the leg or changed its path", packet)
		}
		answer := w.reader.reply.Raw
		if len(answer) == 0 {
			return
		}
		if asked.Decode() != nil || in.key.Check(&asked) != nil {
			t.Errorf("%x, which is not signed, was answered with %x", packet, answer)
		}
		back := stun.Message{Raw: slices.Clone(answer)}
		if err := back.Decode(); err != nil || back.TransactionID != asked.TransactionID || in.key.Check(&back) != nil || len(answer) > 100 {
			t.Errorf("%x is answered with %x (%v)", packet, answer, err)
		}
	})
}
