package rtp

import (
	"net/netip"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/dtmf"
	"holdfast/media/mediatest"
	"holdfast/media/sdp"
)

func TestLatch(t *testing.T) {
	t.Parallel()
	sdp, nat, rival := addr("127.0.0.1:4000"), addr("127.0.0.2:5000"), addr("127.0.0.3:6000")
	away := addr("127.66.0.1:4000")
	now := time.Unix(1000, 0)
	l := latch{allowed: home}
	check := func(what string, src netip.AddrPort, want bool) {
		t.Helper()
		if got := l.admits(src, now); got != want {
			t.Errorf("%s: %v admitted: %v", what, src, got)
		}
	}
	check("before anything is named, inside", nat, true)
	check("before anything is named, outside", away, false)
	check("nobody", netip.AddrPort{}, false)
	l.take(nat, 1, false, now)
	l.name(sdp, now)
	check("it spoke sooner than it was named, from behind its NAT", nat, true)
	if l.target() != sdp {
		t.Errorf("target %v before the first packet", l.target())
	}
	l.take(nat, 1, false, now)
	if l.target() != nat {
		t.Errorf("target %v after the latch", l.target())
	}
	check("locked", nat, true)
	check("locked, another inside", rival, false)
	check("locked, the SDP's own", sdp, true)
	now = now.Add(relockAfter)
	check("quiet for long enough, another inside", rival, true)
	check("quiet for long enough, outside", away, false)
	if l.name(netip.AddrPort{}, now) || l.target() != nat {
		t.Error("a hold without address moved the latch")
	}
	if !l.name(away, now) || l.target() != away {
		t.Errorf("target %v after a new name", l.target())
	}
	check("named, though outside", away, true)
	check("moved, from where it was before", nat, false)
	check("moved, another inside", rival, true)
	now = now.Add(relockAfter)
	check("moved long ago, still from where it was before", nat, true)
}

func TestAConfinedPeerNamesNobodyElse(t *testing.T) {
	t.Parallel()
	now, victim, nat := time.Unix(1000, 0), addr("127.66.0.1:4000"), addr("127.0.0.2:5000")
	r := receiver{out: newSender(time.Now)}
	set := func(to netip.AddrPort) {
		t.Helper()
		if err := r.set(sdp.Media{Remote: to, RTCP: netip.AddrPortFrom(to.Addr(), to.Port()+1), Send: true, Receive: true}, now); err != nil {
			t.Fatal(err)
		}
	}
	r.allow(home, true)
	set(victim)
	if to, _, ok := r.block(now); ok || r.latch.target().IsValid() {
		t.Errorf("media goes to %v, reports to %v", r.latch.target(), to)
	}
	if r.latch.admits(victim, now) || r.admitsRTCP(victim) || !r.latch.admits(nat, now) {
		t.Error("heard is who was named, and not who is inside")
	}
	r.latch.take(nat, 1, false, now)
	set(victim)
	if r.latch.target() != nat {
		t.Errorf("said once more, it is no news: target %v", r.latch.target())
	}
	set(addr("127.66.0.1:4002"))
	if r.latch.target().IsValid() {
		t.Errorf("moved to nobody knows where: target %v", r.latch.target())
	}
	set(addr("127.0.0.7:4000"))
	if to, _, ok := r.block(now); !ok || r.latch.target() != addr("127.0.0.7:4000") || to != addr("127.0.0.7:4001") {
		t.Errorf("named inside: target %v, reports to %v", r.latch.target(), to)
	}
	r.allow(nil, true)
	if r.latch.target().IsValid() {
		t.Errorf("it may be there no more: target %v", r.latch.target())
	}
}

// stage is a session without sockets, on a clock of its own, that plays a frame every 20 ms.
type stage struct {
	t     *testing.T
	s     *Session
	now   time.Time
	peer  netip.AddrPort // as the SDP names it
	sent  map[netip.AddrPort]int
	heard int
	keys  string
}

// actor is somebody who sends.
type actor struct {
	at   netip.AddrPort
	ssrc uint32
	seq  uint16
	step uint16 // from one number to the next; 1: in order
}

// post is a socket that counts to whom it sends.
type post map[netip.AddrPort]int

func (p post) Send(to netip.AddrPort, _ []byte) error { p[to]++; return nil }
func (post) Drain(time.Duration)                      {}
func (post) Close()                                   {}

func newStage(t *testing.T, named string) *stage {
	t.Helper()
	st := &stage{t: t, now: time.Unix(1000, 0), peer: addr(named), sent: map[netip.AddrPort]int{}}
	e, err := New(Config{Now: func() time.Time { return st.now }})
	if err != nil {
		t.Fatal(err)
	}
	st.s = &Session{engine: e, out: newSender(e.config.Now), rtp: post(st.sent), rtcp: nobody{}, done: make(chan struct{})}
	st.s.in.out, st.s.out.conn = st.s.out, st.s.rtp
	st.s.in.latch.allowed = home
	st.s.Receive(sinkFunc(func(media.Frame) { st.heard++ }))
	st.s.Listen(func(ev media.Event) {
		if ev.Kind == media.Digit {
			st.keys += string(ev.Digit)
		}
	})
	st.s.Set(agreedAt(st.peer, media.PCMU))
	return st
}

// send sends one packet of somebody, of the kind that the payload is.
func (st *stage) send(a *actor, payloadType uint8, payload []byte) {
	a.seq += a.step
	h := header{payloadType: payloadType, seq: a.seq, timestamp: uint32(a.seq) * media.FrameBytes, ssrc: a.ssrc}
	st.s.takeRTP(a.at, append(h.append(nil), payload...))
}

// run lets time pass; all who are named speak.
func (st *stage) run(d time.Duration, who ...*actor) {
	for end := st.now.Add(d); st.now.Before(end); st.now = st.now.Add(media.FrameTime) {
		for _, a := range who {
			st.send(a, 0, make([]byte, media.FrameBytes))
		}
		st.s.Audio(media.Frame{Codec: media.PCMU, Payload: make([]byte, media.FrameBytes)})
	}
}

// got checks how many packets somebody was sent since the last time, and forgets.
func (st *stage) got(what string, a *actor, least, most int) {
	st.t.Helper()
	if n := st.sent[a.at]; n < least || n > most {
		st.t.Errorf("%s: %v was sent %d packets, want %d to %d", what, a.at, n, least, most)
	}
	delete(st.sent, a.at)
}

const (
	inside  = homeA + ":4000"      // what a carrier's own gateway names
	private = "192.168.1.10:40000" // what a telephone behind a NAT names
	breath  = 100 * time.Millisecond
	anyMany = 1 << 20
)

func speaker(at string, ssrc uint32) *actor { return &actor{at: addr(at), ssrc: ssrc, step: 1} }

func TestARivalWhoSpeaksFirstLosesToTheNamedPeer(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"another machine": "127.0.0.99:7000", "the peer's own machine": homeA + ":7000"} {
		st := newStage(t, inside)
		rival, peer := speaker(at, 666), speaker(inside, 5)
		st.run(breath, rival)
		st.got(name+", before the peer spoke", rival, 0, 5)
		st.run(time.Second, rival, peer)
		st.got(name+", since", rival, 0, 0)
		st.got(name, peer, 50, 60)
	}
}

func TestARivalWhoOutlastsThePeersFirstSilenceLosesToo(t *testing.T) {
	t.Parallel()
	st := newStage(t, inside)
	rival, peer := speaker("127.0.0.99:7000", 666), speaker(inside, 5)
	st.run(provenLate-breath, rival)
	st.got("almost for a second", rival, 0, 0)
	st.run(10*time.Second, rival)
	st.got("it may be the peer", rival, 400, 500)
	st.run(time.Second, rival, peer)
	st.got("the peer spoke", rival, 0, 0)
}

func TestWhoSpraysIsSentNothing(t *testing.T) {
	t.Parallel()
	st := newStage(t, private)
	peer := speaker("127.0.0.2:5000", 5)
	sound := make([]byte, media.FrameBytes)
	burst, forged, repeated := speaker("127.0.0.98:7000", 666), speaker("127.0.0.99:7000", 667), speaker("127.0.0.99:7002", 668)
	forged.step, repeated.step = 7919, 0
	for range 100 {
		st.send(burst, 0, sound)
	}
	st.run(time.Second, forged, repeated)
	if st.heard == 0 {
		t.Error("while nobody is believed, all from inside are heard")
	}
	before := st.heard
	st.run(media.FrameTime, peer)
	if st.heard != before+1 {
		t.Error("the peer behind its NAT is not heard at once")
	}
	st.run(breath, peer, forged, repeated)
	st.got("the peer is known within 100 ms", peer, 1, 5)
	st.run(time.Second, forged, peer, repeated)
	st.got("the peer", peer, 50, 60)
	for _, a := range []*actor{burst, forged, repeated} {
		st.got("who sprays", a, 0, 0)
	}
}

func TestARivalInThePeersSilenceLosesWhenItSpeaksAgain(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]string{"from where it was": "127.0.0.2:5000", "from a new port of its NAT": "127.0.0.2:5555"} {
		st := newStage(t, private)
		peer, rival, second := speaker("127.0.0.2:5000", 5), speaker("127.0.0.99:7000", 666), speaker("127.0.0.99:7002", 667)
		st.run(time.Second, peer, rival)
		st.got(name+": the peer and a rival spoke together", rival, 0, 0)
		before := st.heard
		st.run(relockAfter+provenLate-breath, rival)
		st.got(name+": a pause of the peer", rival, 0, 0)
		if st.heard != before {
			t.Errorf("%s: %d packets of a rival were heard in a pause", name, st.heard-before)
		}
		st.run(10*time.Second, rival)
		st.got(name+": it may be the peer", rival, 1, anyMany)
		st.run(10*time.Second, second) // and another one after the first
		clear(st.sent)
		peer.at = addr(back)
		st.run(time.Second, second, peer, rival)
		st.got(name+": since the peer is back", rival, 0, 0)
		st.got(name+": since the peer is back", second, 0, 0)
		st.got(name, peer, 49, 51)
	}
}

func TestAPeerWhoseNATForgotIsHeardAndSentToAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ssrc uint32
		in   time.Duration
	}{"its stream goes on": {5, relockAfter}, "its stream begins anew": {6, relockAfter + breath}} {
		st := newStage(t, private)
		peer := speaker("127.0.0.2:5000", 5)
		st.run(time.Second, peer)
		peer.at, peer.ssrc = addr("127.0.0.2:6000"), c.ssrc
		st.run(c.in, peer)
		before := st.heard
		st.run(time.Second, peer)
		st.got(name, peer, 50, 55)
		if st.heard != before+50 {
			t.Errorf("%s: %d of 50 heard", name, st.heard-before)
		}
	}
}

func TestKeysCountOnlyOfWhoIsBelieved(t *testing.T) {
	t.Parallel()
	st := newStage(t, private)
	rival, peer := speaker("127.0.0.99:7000", 666), speaker("127.0.0.2:5000", 5)
	key := func(a *actor, which byte) {
		b, err := dtmf.Append(nil, dtmf.Event{Key: which, Duration: 160})
		if err != nil {
			t.Fatal(err)
		}
		a.seq++
		h := header{payloadType: mediatest.EventType, seq: a.seq, timestamp: 8000, ssrc: a.ssrc}
		st.s.takeRTP(a.at, append(h.append(nil), b...))
		st.now = st.now.Add(media.FrameTime)
	}
	for range 2 {
		key(rival, '9')
	}
	for range 7 {
		key(peer, '1') // the first thing that it ever sends is a key
	}
	if st.keys != "1" {
		t.Errorf("keys %q", st.keys)
	}
}

func TestAFloodOfStrangersFromInsideLeavesThePeerItsRate(t *testing.T) {
	t.Parallel()
	st := newStage(t, inside)
	flood, peer := speaker("127.0.0.99:7000", 666), speaker(inside, 5)
	flood.step = 7919
	for range 20 * maxRate {
		st.send(flood, 0, make([]byte, media.FrameBytes))
	}
	before := st.heard
	st.run(time.Second, peer)
	if st.heard != before+50 {
		t.Errorf("%d of the peer's 50 packets were heard", st.heard-before)
	}
}
