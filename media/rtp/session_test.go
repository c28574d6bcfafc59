package rtp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/rtp"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/mediatest"
)

func TestTwoPartiesHearEachOtherAcrossCodecs(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	a, b := open(t, e, media.PCMA), open(t, e, media.PCMU)
	a.Receive(b)
	b.Receive(a)
	a.peer.Talk(a.Addr(), 440)
	b.peer.Talk(b.Addr(), 1000)
	b.peer.Heard.WaitTone(t, 440, limit)
	a.peer.Heard.WaitTone(t, 1000, limit)
	if got := b.peer.Heard.Last().Codec; got != media.PCMU {
		t.Errorf("B hears %v", got)
	}
	if got := a.peer.Heard.Last().Codec; got != media.PCMA {
		t.Errorf("A hears %v", got)
	}
	if a.peer.Heard.Lost()+b.peer.Heard.Lost() != 0 {
		t.Errorf("lost %d and %d", a.peer.Heard.Lost(), b.peer.Heard.Lost())
	}
	if a.peer.Source() != a.Addr() {
		t.Errorf("media comes from %v, but %v was told", a.peer.Source(), a.Addr())
	}
}

func TestLossAndOrderReachTheFarEndAsTheyAre(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	a, b := open(t, e, media.PCMU), open(t, e, media.PCMU)
	a.Receive(b)
	tone := mediatest.NewTone(media.PCMU, 440)
	var packets [][]byte
	for range 20 {
		packets = append(packets, a.peer.Packet(tone.Next().Payload, nil))
	}
	packets[5], packets[6] = packets[6], packets[5]
	for i, p := range packets {
		if i != 10 && i != 11 { // two are lost
			a.peer.Send(a.Addr(), p)
		}
	}
	b.peer.Heard.WaitFrames(t, 18, limit)
	if got := b.peer.Heard.Lost(); got != 2 {
		t.Errorf("the far end sees %d lost, want 2", got)
	}
	st := a.Stats()
	if st.Lost != 2 || st.Received != 18 || st.Dropped != 0 || st.FirstReceived.IsZero() || st.LastReceived.Before(st.FirstReceived) {
		t.Errorf("stats %+v", st)
	}
	if sent := b.Stats().Sent; sent != 18 {
		t.Errorf("sent %d", sent)
	}
}

func TestTheStreamRunsOnWhenTheSourceChanges(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	var last media.Frame
	for range 5 { // five players, each with numbers of its own
		tone := mediatest.NewTone(media.PCMU, 440)
		for range 4 {
			k.Audio(tone.Next())
		}
		k.peer.Heard.WaitFrames(t, 1, limit)
		last = k.peer.Heard.Last()
	}
	k.peer.Heard.WaitFrames(t, 20, limit)
	if lost, marked := k.peer.Heard.Lost(), k.peer.Heard.Marked(); lost != 0 || marked != 5 {
		t.Errorf("lost %d, marked %d, want 0 and 5", lost, marked)
	}
	if step := int32(k.peer.Heard.Last().Timestamp - last.Timestamp); step < 0 || step > 8000 {
		t.Errorf("the timestamp went %d", step)
	}
}

func TestDigitsAreToldOnceAndLeaveNoGap(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	a, b := open(t, e, media.PCMU), open(t, e, media.PCMU)
	a.Receive(b)
	a.peer.Tone(a.Addr(), 440, 3)
	for _, key := range []byte("1*#") {
		a.peer.Press(a.Addr(), key)
		a.peer.Tone(a.Addr(), 440, 3)
		if got := a.event(t, media.Digit); got.Digit != key || got.At.IsZero() {
			t.Errorf("told %+v, want %c", got, key)
		}
	}
	b.peer.Heard.WaitFrames(t, 12, limit)
	if lost := b.peer.Heard.Lost(); lost != 0 {
		t.Errorf("digits look like %d lost packets to the far end", lost)
	}
}

func TestDigitsAreSentAndAudioWaits(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	tone := mediatest.NewTone(media.PCMU, 440)
	k.Audio(tone.Next())
	k.peer.Heard.WaitFrames(t, 1, limit)
	for _, key := range []byte("19#x") { // x is no key
		k.SendDigit(key, 60)
	}
	for _, want := range []byte("19#") {
		if got := k.peer.WaitDigit(limit); got != want {
			t.Errorf("digit %c, want %c", got, want)
		}
	}
}

func TestAPeerThatHearsNothingIsSentALittleSilence(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, func(c *Config) { c.KeepAlive, c.SilenceAfter = 50*time.Millisecond, 400*time.Millisecond })
	k := open(t, e, media.PCMA)
	k.peer.Heard.WaitFrames(t, 3, limit)
	f := k.peer.Heard.Last()
	if codec.Level(f.Codec, f.Payload) > -60 || len(f.Payload) != media.FrameBytes || f.Codec != media.PCMA || !f.Marker {
		t.Errorf("what keeps the call alive is %v of %d bytes at %.0f dBFS", f.Codec, len(f.Payload), codec.Level(f.Codec, f.Payload))
	}
	seq, stamp, before := f.Seq, f.Timestamp, k.peer.Heard.Frames()
	tone := mediatest.NewTone(media.PCMU, 440)
	for range 10 {
		k.Audio(tone.Next())
	}
	k.peer.Heard.WaitFrames(t, before+10, limit) // the tone may be heard before its last frame has come
	k.peer.Heard.WaitTone(t, 440, limit)
	if got := k.peer.Heard.Last(); int16(got.Seq-seq) < 10 || int32(got.Timestamp-stamp) < 10*media.FrameBytes || k.peer.Heard.Lost() > 0 {
		t.Errorf("the stream does not run on: %d, %d after %d, %d; %d lost", got.Seq, got.Timestamp, seq, stamp, k.peer.Heard.Lost())
	}
	held := agreed(k.peer, media.PCMA)
	held.Send = false
	k.Set(held)
	k.peer.Heard.Forget()
	k.event(t, media.Silent)               // eight looks of the clock later
	if n := k.peer.Heard.Frames(); n > 1 { // one may have been on its way
		t.Errorf("%d frames to a peer that wants none", n)
	}
}

func TestAPeerOnHoldIsSentNothing(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	held := agreed(k.peer, media.PCMU)
	held.Send, held.Remote = false, netip.AddrPort{}
	k.Set(held)
	tone := mediatest.NewTone(media.PCMU, 440)
	k.Audio(tone.Next())
	if sent := k.Stats().Sent; sent != 0 {
		t.Errorf("sent %d packets to a peer on hold", sent)
	}
	k.Set(agreed(k.peer, media.PCMU))
	k.Audio(tone.Next())
	k.peer.Heard.WaitFrames(t, 1, limit)
}

func TestSilenceIsToldOnceAndItsEndToo(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, func(c *Config) { c.UnheardAfter, c.SilenceAfter = 20*time.Millisecond, 50*time.Millisecond })
	k := open(t, e, media.PCMU)
	for range 2 {
		k.event(t, media.Unheard)
		k.event(t, media.Silent)
		k.peer.Tone(k.Addr(), 440, 1)
		k.event(t, media.Audible)
	}
	k.event(t, media.Unheard)
	k.event(t, media.Silent)
	held := agreed(k.peer, media.PCMU)
	held.Receive = false
	k.Set(held)
	if unheard, hushed, silent := k.in.quiet(time.Now().Add(time.Hour), time.Second, time.Second, time.Second); unheard || hushed || silent {
		t.Error("silence of a peer that may not send was told")
	}
}

func TestPacketsWithoutSoundAreToldOnceAndTheFirstSoundToo(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, func(c *Config) { c.HushedAfter = 500 * time.Millisecond })
	for _, codec := range []media.Codec{media.PCMU, media.PCMA} {
		k := open(t, e, codec)
		pace := time.NewTicker(media.FrameTime)
		defer pace.Stop()
		says := func(sample byte, until media.EventKind) {
			t.Helper()
			payload, over := bytes.Repeat([]byte{sample}, media.FrameBytes), time.After(limit)
			for {
				select {
				case <-pace.C:
					k.peer.Send(k.Addr(), k.peer.Packet(payload, nil))
				case got := <-k.told:
					if got.Kind != until {
						t.Fatalf("event %d, want %d", got.Kind, until)
					}
					return
				case <-over:
					t.Fatalf("no event %d", until)
				}
			}
		}
		for range 2 {
			says(codec.Silence(), media.Hushed)
			says(codec.Silence()^0x7F, media.Audible)
		}
	}
}

func TestAPanicInASinkEndsThatLegAlone(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	bad, good := open(t, e, media.PCMU), open(t, e, media.PCMU)
	bad.Receive(sinkFunc(func(media.Frame) { panic("a bug") }))
	bad.peer.Tone(bad.Addr(), 440, 2)
	if ev := bad.event(t, media.Ended); ev.Ending != (media.Ending{By: media.ByError, Reason: "panic"}) {
		t.Errorf("ended as %+v", ev.Ending)
	}
	good.peer.Tone(good.Addr(), 440, 10)
	good.heard.WaitFrames(t, 10, limit)
	if n := e.Sessions(); n != 1 {
		t.Errorf("%d sessions live, want 1", n)
	}
	if n := e.Dropped()["panic"]; n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

func TestAPanicInTheListenerOfAPanicIsSurvivedToo(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	s, err := e.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	peer := mediatest.NewCarrier(t, homeA, media.PCMU)
	s.Set(agreed(peer, media.PCMU))
	s.Listen(func(media.Event) { panic("a bug") })
	peer.Press(s.Addr(), '1')
	dropped(t, e, "panic", 1)
	<-s.done
}

func TestEventsBeforeListenAreKept(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	s, err := e.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	peer := mediatest.NewCarrier(t, homeA, media.PCMU)
	heard := mediatest.NewProbe()
	s.Receive(heard)
	s.Set(agreed(peer, media.PCMU))
	peer.Press(s.Addr(), '7')
	peer.Tone(s.Addr(), 440, 1)
	heard.WaitFrames(t, 1, limit)
	got := make(chan media.Event, 1)
	s.Listen(func(ev media.Event) { got <- ev })
	if ev := <-got; ev.Digit != '7' {
		t.Errorf("told %+v", ev)
	}
}

func TestStatsStandStillAfterClose(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	k.peer.Tone(k.Addr(), 440, 3)
	k.heard.WaitFrames(t, 3, limit)
	k.Close()
	before := k.Stats()
	k.in.take(k.peer.Addr(), k.peer.Packet(make([]byte, 160), nil), time.Now())
	k.Audio(mediatest.NewTone(media.PCMU, 440).Next())
	k.SendDigit('1', 100)
	k.Set(agreed(k.peer, media.PCMU))
	k.Close()
	if after := k.Stats(); after != before || after.Received != 3 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestComfortNoiseAndEmptyPacketsKeepALegAlive(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	k.peer.Send(k.Addr(), k.peer.Packet([]byte{70}, func(p *pion.Packet) { p.PayloadType = comfortNoise }))
	k.peer.Send(k.Addr(), k.peer.Packet(nil, nil))
	k.peer.Tone(k.Addr(), 440, 1)
	k.heard.WaitFrames(t, 1, limit)
	if st := k.Stats(); st.Received != 3 || st.Dropped != 0 || k.heard.Frames() != 1 {
		t.Errorf("stats %+v, %d frames", st, k.heard.Frames())
	}
}

func TestComfortNoiseIsNoLackOfSound(t *testing.T) {
	t.Parallel()
	k := open(t, engine(t, 1, nil), media.PCMU)
	comfort := func(p *pion.Packet) { p.PayloadType = comfortNoise }
	k.peer.Send(k.Addr(), k.peer.Packet(bytes.Repeat([]byte{media.PCMU.Silence()}, media.FrameBytes), nil))
	k.peer.Send(k.Addr(), k.peer.Packet([]byte{70}, comfort))
	k.peer.Send(k.Addr(), k.peer.Packet([]byte{70}, comfort))
	look := time.NewTicker(media.FrameTime)
	defer look.Stop()
	for over := time.After(limit); k.Stats().Received < 3; {
		select {
		case <-look.C:
		case <-over:
			t.Fatal("the packets did not come")
		}
	}
	if _, hushed, _ := k.in.quiet(time.Now().Add(time.Minute), time.Hour, time.Second, time.Hour); hushed {
		t.Error("who listens was taken for who cannot be heard")
	}
}

func TestACodecUnderTheirNumberIsUnderstoodAndSpoken(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	m := agreed(k.peer, media.PCMA)
	m.PayloadType = 97
	k.Set(m)
	sound := codec.Encode(nil, media.PCMA, []int16{1000, -1000})
	k.peer.Send(k.Addr(), k.peer.Packet(sound, func(p *pion.Packet) { p.PayloadType = 97 }))
	k.heard.WaitFrames(t, 1, limit)
	if got := k.heard.Last(); got.Codec != media.PCMA || string(got.Payload) != string(sound) {
		t.Errorf("heard %+v", got)
	}
}

func TestAReINVITEMovesTheMediaAndItsStragglersDoNotCallItBack(t *testing.T) {
	t.Parallel()
	e := engine(t, 1, nil)
	k := open(t, e, media.PCMU)
	k.peer.Tone(k.Addr(), 440, 2)
	k.heard.WaitFrames(t, 2, limit)
	moved := mediatest.NewCarrier(t, homeB, media.PCMA)
	k.Set(agreed(moved, media.PCMA))
	k.peer.Tone(k.Addr(), 440, 2)
	dropped(t, e, "stranger", 2)
	k.Audio(mediatest.NewTone(media.PCMU, 1000).Next())
	moved.Heard.WaitFrames(t, 1, limit)
	if got := moved.Heard.Last().Codec; got != media.PCMA {
		t.Errorf("the moved peer hears %v", got)
	}
	moved.Tone(k.Addr(), 440, 2)
	k.heard.WaitFrames(t, 4, limit)
}

func TestALegMayHearItself(t *testing.T) {
	t.Parallel()
	k := open(t, engine(t, 1, nil), media.PCMU)
	k.Receive(k)
	k.peer.Talk(k.Addr(), 440)
	k.peer.Heard.WaitTone(t, 440, limit)
}

func TestAMarkerOnEveryPacketKeepsTheSourcesTime(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	o := newSender(func() time.Time { return now })
	first, _ := o.place(media.Frame{Seq: 1, Timestamp: 160, Marker: true, Payload: make([]byte, 160)}, now)
	for i := range uint16(50) {
		now = now.Add(15 * time.Millisecond * time.Duration(1+i%2)) // 15 and 30 ms: a network that jitters
		at, marker := o.place(media.Frame{Seq: 2 + i, Timestamp: 320 + 160*uint32(i), Marker: true, Payload: make([]byte, 160)}, now)
		if at.timestamp != first.timestamp+160*(1+uint32(i)) || at.seq != first.seq+1+i || !marker {
			t.Fatalf("frame %d is at %+v, the first was at %+v", i, at, first)
		}
	}
}

func TestAPanicOnTheWayOutEndsTheLegThatPlays(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	bad, good := open(t, e, media.PCMU), open(t, e, media.PCMU)
	bad.out.mu.Lock()
	bad.out.conn = nil // what a bug might leave
	bad.out.mu.Unlock()
	good.Receive(bad)
	good.peer.Tone(good.Addr(), 440, 2)
	bad.event(t, media.Ended)
	good.Receive(good.heard)
	good.peer.Tone(good.Addr(), 440, 2)
	good.heard.WaitFrames(t, 2, limit)
}

func TestDigitsToAPeerThatTakesNoneDoNotHoldUpAudio(t *testing.T) {
	t.Parallel()
	k := open(t, engine(t, 1, nil), media.PCMU)
	m := agreed(k.peer, media.PCMU)
	m.EventType = 0
	k.Set(m)
	if _, ok := k.out.key(); ok {
		t.Error("a digit was begun")
	}
	k.Audio(mediatest.NewTone(media.PCMU, 440).Next())
	k.peer.Heard.WaitFrames(t, 1, limit)
}

// sinkFunc is a sink that is a function.
type sinkFunc func(media.Frame)

func (f sinkFunc) Audio(fr media.Frame) { f(fr) }

var _ media.Sink = (*Session)(nil)
