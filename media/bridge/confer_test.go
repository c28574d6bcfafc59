package bridge

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/mediatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// speaker is a party who says a tone in the time of the simulation: frames leave every pace, and reach the conference
// when the network lets them.
type speaker struct {
	leg  *mediatest.Leg
	tone *mediatest.Tone
	hz   float64
	pace time.Duration                                // between two frames
	lost func() bool                                  // nil: none
	held func(sent time.Duration) (got time.Duration) // nil: at once
	till time.Duration                                // 0: speaks for ever
	next time.Duration
	sent []arrival // on the way
}

type arrival struct {
	at time.Duration
	f  media.Frame
}

func speaks(c media.Codec, hz float64) *speaker {
	return &speaker{leg: mediatest.NewLeg(), tone: mediatest.NewTone(c, hz), hz: hz, pace: media.FrameTime}
}

// until lets everything be sent and arrive that is due by now.
func (s *speaker) until(now time.Duration) {
	for ; s.next <= now && (s.till == 0 || s.next < s.till); s.next += s.pace {
		f := s.tone.Next()
		if s.lost != nil && s.lost() {
			continue
		}
		f.Payload = append([]byte(nil), f.Payload...)
		at := s.next
		if s.held != nil {
			at = s.held(at)
		}
		s.sent = append(s.sent, arrival{at, f})
	}
	for len(s.sent) > 0 && s.sent[0].at <= now {
		s.leg.Say(s.sent[0].f)
		s.sent = s.sent[1:]
	}
}

// talk runs a conference for d of simulated time; each is called after every beat.
func talk(m *Mixer, d time.Duration, each func(now time.Duration), all ...*speaker) {
	for now := media.FrameTime / 2; now < d; now += media.FrameTime {
		for _, s := range all {
			s.until(now)
		}
		m.tick()
		if each != nil {
			each(now)
		}
	}
}

// part is how much of what a party hears is a tone of hz; a tone that is caught up with, and so is higher or lower by the
// hundred-and-sixtieth part, is the same tone.
func part(p *mediatest.Probe, hz float64) float64 {
	return max(p.Share(hz), p.Share(hz*161/160), p.Share(hz*159/160))
}

func confer(all ...*speaker) (*Mixer, *Conference) {
	m := NewMixer(Config{})
	legs := make([]media.Leg, len(all))
	for i, s := range all {
		legs[i] = s.leg
	}
	return m, m.Confer(legs...)
}

// hearsOthers says that the last 200 ms at a party are the tones of all others in equal parts, and nothing of its own.
func hearsOthers(t *testing.T, me *speaker, all ...*speaker) {
	t.Helper()
	for _, s := range all {
		want := 1 / float64(len(all)-1)
		if s == me {
			want = 0
		}
		if got := me.leg.Heard.Share(s.hz); math.Abs(got-want) > 0.06 {
			t.Errorf("the party of %v Hz hears %.2f of %v Hz, want %.2f", me.hz, got, s.hz, want)
		}
	}
}

func TestEachOfThreeHearsTheOtherTwoAndNotItself(t *testing.T) {
	t.Parallel()
	a, b, c := speaks(media.PCMU, 440), speaks(media.PCMA, 1000), speaks(media.PCMU, 1650)
	m, _ := confer(a, b, c)
	talk(m, time.Second, nil, a, b, c)
	for _, me := range []*speaker{a, b, c} {
		hearsOthers(t, me, a, b, c)
		if h := me.leg.Heard; h.Frames() != 50 || h.Lost() != 0 || h.Marked() != 1 {
			t.Errorf("%v Hz: %d frames, %d lost, %d marked in 50 beats", me.hz, h.Frames(), h.Lost(), h.Marked())
		}
	}
	if got := b.leg.Heard.Last().Codec; got != media.PCMA {
		t.Errorf("who speaks A-law is played %v", got)
	}
}

func TestWhoIsTooLoudIsClippedAndDoesNotWrap(t *testing.T) {
	t.Parallel()
	if clip(40000) != math.MaxInt16 || clip(-40000) != math.MinInt16 || clip(-7) != -7 {
		t.Error("sums wrap")
	}
	a, b, c := mediatest.NewLeg(), mediatest.NewLeg(), mediatest.NewLeg()
	m := NewMixer(Config{})
	m.Confer(a, b, c)
	loud := codec.Encode(nil, media.PCMU, []int16{32000, 32000, 32000, 32000})
	for range media.FrameBytes / 4 {
		a.Say(media.Frame{Payload: loud})
		b.Say(media.Frame{Payload: loud})
	}
	for range 4 {
		m.tick()
	}
	for _, v := range codec.Decode(nil, media.PCMU, c.Heard.Last().Payload) {
		if v < 0 {
			t.Fatalf("two loud voices became %d", v)
		}
	}
}

func TestAConferenceFollowsAClockThatIsAHairFaster(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]float64{"8000.4 Hz": 8000.4, "7999.6 Hz": 7999.6, "a bad crystal": 8004, "another": 7996} {
		a, b, c := speaks(media.PCMU, 440), speaks(media.PCMU, 1000), speaks(media.PCMU, 1650)
		a.pace = time.Duration(float64(media.FrameTime) * 8000 / rate)
		m, conf := confer(a, b, c)
		worst := 1.0
		var waits int
		talk(m, 5*time.Minute, func(now time.Duration) {
			if now > time.Second && now%(5*media.FrameTime) < media.FrameTime {
				worst = min(worst, part(b.leg.Heard, 440))
			}
			waits = max(waits, conf.parties[0].line.Waiting())
		}, a, b, c)
		if worst < 0.25 || waits > 4*media.FrameBytes {
			t.Errorf("%s: in 5 minutes the tone falls to %.2f of the sound, and %d samples wait", name, worst, waits)
		}
	}
}

func TestLossAndAPartyWhoFallsSilentHurtNobodyElse(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	a, b, c := speaks(media.PCMU, 440), speaks(media.PCMU, 1000), speaks(media.PCMU, 1650)
	a.lost = func() bool { return random.IntN(20) == 0 }
	b.till = 5 * time.Second
	m, _ := confer(a, b, c)
	least := 1.0
	talk(m, 10*time.Second, func(now time.Duration) {
		if now > time.Second && now < 5*time.Second {
			least = min(least, c.leg.Heard.Share(440))
		}
	}, a, b, c)
	if least < 0.3 {
		t.Errorf("with one packet in twenty lost, the tone fell to %.2f of what is heard", least)
	}
	if got := c.leg.Heard.Share(440); got < 0.85 {
		t.Errorf("after one party fell silent, the other is %.2f of what the third hears", got)
	}
	if got := b.leg.Heard; got.Frames() != 500 || got.Share(440) < 0.35 || got.Share(1650) < 0.45 {
		t.Errorf("who sends nothing hears %d frames, %.2f and %.2f", got.Frames(), got.Share(440), got.Share(1650))
	}
}

func TestAPartyOnABadNetworkIsHeardWhole(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for name, held := range map[string]func(time.Duration) time.Duration{
		"bursts of 100 ms": func(sent time.Duration) time.Duration {
			const every = 100 * time.Millisecond
			return (sent + every - 1).Truncate(every)
		},
		"60 ms of jitter": func(sent time.Duration) time.Duration {
			return sent + time.Duration(random.Int64N(int64(60*time.Millisecond)))
		},
		"a standstill of a second every ten": func(sent time.Duration) time.Duration {
			if phase := sent % (10 * time.Second); phase > 8*time.Second && phase < 9*time.Second {
				return sent - phase + 9*time.Second
			}
			return sent
		},
	} {
		a, b, c := speaks(media.PCMU, 440), speaks(media.PCMU, 1000), speaks(media.PCMU, 1650)
		a.held = held
		m, conf := confer(a, b, c)
		whole, beats, waits := 0, 0, 0
		talk(m, time.Minute, func(now time.Duration) {
			waits = max(waits, conf.parties[0].line.Waiting())
			if standstill := now % (10 * time.Second); now < 2*time.Second || standstill > 8*time.Second {
				return
			}
			if beats++; part(b.leg.Heard, 440) > 0.35 {
				whole++
			}
		}, a, b, c)
		if share := float64(whole) / float64(beats); share < 0.95 || waits > 6*media.FrameBytes {
			t.Errorf("%s: the tone is whole in %.3f of the time, at most %d samples wait", name, share, waits)
		}
	}
}

func TestWhoIsRemovedIsHeardByNobodyAndMayBeJoinedElsewhere(t *testing.T) {
	t.Parallel()
	a, b, c := speaks(media.PCMU, 440), speaks(media.PCMU, 1000), speaks(media.PCMU, 1650)
	m, conf := confer(a, b, c)
	talk(m, time.Second, nil, a, b, c)
	conf.Remove(a.leg)
	for _, s := range []*speaker{a, b, c} {
		s.leg.Heard.Forget()
	}
	m.tick() // what a had said waits in the line: it must not be heard any more
	if f := b.leg.Heard.Last(); codec.Level(f.Codec, f.Payload) > -12 || a.leg.Heard.Frames() > 0 {
		t.Error("the removed party is heard, or hears")
	}
	d := mediatest.NewLeg()
	Join(a.leg, d)
	conf.Remove(a.leg) // again: cuts nothing
	conf.Add(d)        // and never mind where d was
	conf.Remove(d)
	Join(a.leg, d)
	conf.End()
	conf.End()
	a.leg.SayTone(media.PCMU, 440, time.Second)
	if !d.Heard.Hears(440) {
		t.Error("a late Remove or End cut the next call")
	}
	b.leg.Heard.Forget()
	m.tick()
	m.tick()
	if b.leg.Heard.Frames() > 0 || len(m.active) > 0 {
		t.Errorf("%d frames after the end, %d conferences", b.leg.Heard.Frames(), len(m.active))
	}
}

func TestTapsHearEachPartyAsItCame(t *testing.T) {
	t.Parallel()
	a, b, tap, late := speaks(media.PCMA, 440), speaks(media.PCMU, 1000), mediatest.NewProbe(), mediatest.NewProbe()
	m := NewMixer(Config{})
	conf := m.Confer(b.leg)
	conf.Add(a.leg, tap, nil)
	conf.Add(a.leg, late)
	talk(m, time.Second, nil, a, b)
	for _, p := range []*mediatest.Probe{tap, late} {
		if p.Frames() != 50 || !p.Hears(440) || p.Last().Codec != media.PCMA {
			t.Errorf("a tap has %d frames, hears the tone: %v", p.Frames(), p.Hears(440))
		}
	}
}

func TestAPartyThatPanicsIsOutAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	a, b := speaks(media.PCMU, 440), speaks(media.PCMU, 1000)
	m, conf := confer(a, b)
	conf.Add(&panicLeg{})
	talk(m, time.Second, nil, a, b)
	hearsOthers(t, a, a, b)
	if len(conf.parties) != 2 {
		t.Errorf("%d parties left", len(conf.parties))
	}
}

func TestAMixerRunsByItself(t *testing.T) {
	t.Parallel()
	m := NewMixer(Config{})
	m.Start()
	m.Start()
	a, b := mediatest.NewLeg(), mediatest.NewLeg()
	m.Confer(a, b)
	a.Heard.WaitFrames(t, 5, 20*time.Second)
	m.Stop()
	m.Stop()
	n := a.Heard.Frames()
	m.Confer(a, b)
	if a.Heard.Frames() != n {
		t.Error("a stopped mixer plays")
	}
	NewMixer(Config{}).Stop()
}

// panicLeg is a leg with a defect.
type panicLeg struct{ quietLeg }

func (*panicLeg) Audio(media.Frame) { panic("a defect") }

func TestAConferenceAllocatesNothing(t *testing.T) {
	m, legs := NewMixer(Config{}), []*quietLeg{{}, {}, {}}
	m.Confer(legs[0], legs[1], legs[2])
	f := media.Frame{Payload: make([]byte, media.FrameBytes)}
	beat := func() {
		for _, l := range legs {
			l.to.Audio(f)
		}
		f.Seq++
		f.Timestamp += media.FrameBytes
		m.tick()
	}
	beat()
	if n := testing.AllocsPerRun(100, beat); n != 0 {
		t.Errorf("%v allocations a beat", n)
	}
}

// BenchmarkConference is the mixer's own cost of one frame of one of three parties, in and out.
func BenchmarkConference(b *testing.B) {
	m := NewMixer(Config{})
	const conferences = 100
	var legs []*quietLeg
	for range conferences {
		three := []*quietLeg{{}, {}, {}}
		m.Confer(three[0], three[1], three[2])
		legs = append(legs, three...)
	}
	tone := mediatest.NewTone(media.PCMA, 440)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += len(legs) {
		b.StopTimer()
		f := tone.Next()
		b.StartTimer()
		for _, l := range legs {
			l.to.Audio(f)
		}
		m.tick()
	}
}
