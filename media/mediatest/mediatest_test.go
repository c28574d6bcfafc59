package mediatest

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAProbeTellsTonesApart(t *testing.T) {
	t.Parallel()
	for _, c := range []media.Codec{media.PCMU, media.PCMA} {
		for _, hz := range []float64{440, 1000, 2000} {
			p, tone := NewProbe(), NewTone(c, hz)
			for range 10 {
				p.Audio(tone.Next())
			}
			for _, other := range []float64{440, 1000, 2000} {
				if got := p.Hears(other); got != (other == hz) {
					t.Errorf("%v %v Hz: hears %v Hz: %v", c, hz, other, got)
				}
			}
			if p.Level() < -14 || p.Level() > -12 {
				t.Errorf("%v: level %.1f", c, p.Level())
			}
		}
	}
}

func TestAProbeHearsNoToneInSilenceAndTooLittle(t *testing.T) {
	t.Parallel()
	p, silence, tone := NewProbe(), NewTone(media.PCMA, 0), NewTone(media.PCMU, 440)
	for range 9 {
		p.Audio(tone.Next())
	}
	if p.Hears(440) {
		t.Error("judged by 180 ms")
	}
	p.Forget()
	for range 20 {
		p.Audio(silence.Next())
	}
	if p.Hears(440) || p.Hears(0) || p.Heard() != 400*time.Millisecond {
		t.Errorf("silence: level %.0f, %v heard", p.Level(), p.Heard())
	}
}

func TestAProbeCountsWhatIsMissing(t *testing.T) {
	t.Parallel()
	p := NewProbe()
	for _, seq := range []uint16{65534, 1, 65535, 4} { // 0, 2 and 3 are missing
		p.Audio(media.Frame{Seq: seq})
	}
	if p.Lost() != 3 {
		t.Errorf("lost %d", p.Lost())
	}
}

func TestALegEndsOnceAndSaysHow(t *testing.T) {
	t.Parallel()
	l := NewLeg()
	l.Press("1")
	var told []media.Event
	l.Listen(func(e media.Event) { told = append(told, e) })
	l.Leave()
	l.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	l.Press("2")
	l.Audio(NewTone(media.PCMU, 440).Next())
	<-l.Done()
	if len(told) != 2 || told[0].Digit != '1' || told[1].Kind != media.Ended || told[1].Ending != l.Ending() || l.Ending().Reason != "bye" {
		t.Errorf("told %+v", told)
	}
	if l.Heard.Frames() != 0 {
		t.Error("a leg that ended hears")
	}
}

func TestCarriersHearEachOther(t *testing.T) {
	t.Parallel()
	a, b := NewCarrier(t, "127.0.0.21", media.PCMU), NewCarrier(t, "127.0.0.22", media.PCMA)
	hush := a.Talk(b.Addr(), 440)
	b.Heard.WaitTone(t, 440, 5*time.Second)
	hush()
	a.Press(b.Addr(), '#')
	if got := b.WaitDigit(5 * time.Second); got != '#' || b.Source() != a.Addr() {
		t.Errorf("digit %c from %v", got, b.Source())
	}
}
