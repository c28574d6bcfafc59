package rtp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"holdfast/media"
	"holdfast/media/sdp"
)

// far is the far end of an encrypted call: keys by a real offer and answer, and contexts of its own on pion/srtp, none of
// which goes through the code under test.
type far struct {
	t       testing.TB
	s       *Session
	src     netip.AddrPort
	ours    sdp.Media // as the session has it
	send    *srtp.Context
	hear    *srtp.Context
	ssrc    uint32
	theirs  sdp.Media
	heard   [][]byte // plain packets that our side sent
	refused int      // packets of our side that it could not open
	frames  int      // that our side heard
}

// negotiate makes both ends' outcome of one offer and answer for a suite.
func negotiate(t testing.TB, suite sdp.Suite, caller, us sdp.Secure, at netip.AddrPort) (theirs, ours sdp.Media) {
	t.Helper()
	var only []sdp.Key
	for _, k := range caller.Keys {
		if k.Suite == suite {
			only = append(only, k)
		}
	}
	caller.Keys = only
	local := sdp.Local{Addr: at, SessionID: 1, Version: 1, Secure: caller}
	offer, err := sdp.Parse(sdp.Offer(local))
	if err != nil {
		t.Fatal(err)
	}
	text, ours, err := sdp.Answer(offer, sdp.Local{Addr: at, Secure: us})
	if err != nil {
		t.Fatalf("%s: %v", suite, err)
	}
	answer, err := sdp.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = sdp.Accept(answer, local); err != nil {
		t.Fatal(err)
	}
	return theirs, ours
}

func required() sdp.Secure { return sdp.Secure{Policy: sdp.Require, Keys: sdp.NewKeys()} }

// wire is a socket that hands what is sent to a function.
type wire func([]byte)

func (w wire) Send(_ netip.AddrPort, b []byte) error { w(bytes.Clone(b)); return nil }

func (wire) Drain(time.Duration) {}

func (wire) Close() {}

// secure makes an encrypted call without sockets.
func secure(t testing.TB, suite sdp.Suite) *far {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := &far{t: t, src: netip.MustParseAddrPort("127.0.0.1:4000"), ssrc: rand.Uint32()}
	f.s = &Session{engine: e, out: newSender(e.config.Now), rtp: wire(f.take), rtcp: nobody{}, done: make(chan struct{})}
	f.s.in.out, f.s.out.conn = f.s.out, f.s.rtp
	f.s.in.latch.allowed = home
	f.s.Receive(sinkFunc(func(media.Frame) { f.frames++ }))
	f.theirs, f.ours = negotiate(t, suite, required(), required(), f.src)
	f.s.Set(f.ours)
	f.keys(f.theirs)
	return f
}

// keys takes the far end's outcome of a negotiation.
func (f *far) keys(m sdp.Media) {
	f.t.Helper()
	context := func(k sdp.Key) *srtp.Context {
		c, err := srtp.CreateContext(k.Master(), k.Salt(), profiles[k.Suite].profile, srtp.SRTPReplayProtection(64))
		if err != nil {
			f.t.Fatal(err)
		}
		return c
	}
	f.theirs, f.send, f.hear = m, context(m.Crypto.Out), context(m.Crypto.In[0])
}

func (f *far) take(b []byte) {
	clear, err := f.hear.DecryptRTP(nil, b, nil)
	if err != nil {
		f.refused++
		return
	}
	f.heard = append(f.heard, clear)
}

// packet is one packet of the far end as it goes over the network.
func (f *far) packet(seq uint16) []byte {
	f.t.Helper()
	p := pion.Packet{Header: pion.Header{Version: 2, SSRC: f.ssrc, SequenceNumber: seq, Timestamp: 160 * uint32(seq)}, Payload: make([]byte, 160)}
	b, err := p.Marshal()
	if err != nil {
		f.t.Fatal(err)
	}
	if b, err = f.send.EncryptRTP(nil, b, nil); err != nil {
		f.t.Fatal(err)
	}
	return b
}

// plainReport is a sender report of a source.
func plainReport(ssrc uint32) []byte {
	b := append([]byte{0x80, typeSR, 0, 6}, make([]byte, 24)...)
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return b
}

// report is one of the far end as it goes over the network.
func (f *far) report(ssrc uint32) []byte {
	f.t.Helper()
	b, err := f.send.EncryptRTCP(nil, plainReport(ssrc), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// give lets the session receive a packet.
func (f *far) give(b []byte) { f.s.takeRTP(f.src, bytes.Clone(b)) }

func (f *far) dropped(why string, want uint64) {
	f.t.Helper()
	if got := f.s.engine.Dropped()[why]; got != want {
		f.t.Errorf("%d packets dropped as %s, want %d; all: %v", got, why, want, f.s.engine.Dropped())
	}
}
