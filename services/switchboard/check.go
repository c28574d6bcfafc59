package switchboard

import (
	"context"
	"math"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/services/duty"
)

const (
	// checkTime is how long the line check listens: one sentence.
	checkTime = 3 * time.Second
	// checkLeast is what must arrive of it: the page opens the microphone within that time.
	checkLeast = checkTime / 2
	// checkQuiet is the level (dBFS, loudest 300 ms) below which a microphone is as good as off.
	checkQuiet = -50.0
	// checkLossy is the share of lost packets (percent) at which speech is hard to follow.
	checkLossy = 5.0
	// levelWindow is the stretch whose level counts.
	levelWindow = 300 * time.Millisecond
)

// Checked is the result of a line check. Why is "" when OK, else "no_media", "nothing_heard", "too_quiet" or "lossy".
type Checked struct {
	OK      bool
	Heard   time.Duration
	LevelDB float64
	LostPct float64
	Playing bool
	Why     string
}

// checkWish and checkOver are what the duty's mailbox takes for a line check.
type (
	checkWish struct{ reply chan Checked }
	checkOver struct {
		leg   media.Leg
		tape  *tape
		reply chan Checked
	}
)

// Check listens to the operator for three seconds, plays back what it heard, and says what it was worth. It works
// while the line is being checked and in a pause; elsewhere the result is "no_media".
func (s *Seat) Check(ctx context.Context) (Checked, error) {
	s.Alive(false)
	w := checkWish{make(chan Checked, 1)}
	if !s.duty.mail.post(w) {
		return Checked{Why: "no_media"}, nil
	}
	select {
	case c := <-w.reply:
		return c, nil
	case <-ctx.Done():
		return Checked{}, ctx.Err()
	}
}

func (d *liveDuty) mayCheck() bool {
	return d.state.Phase == duty.Checking || d.state.Phase == duty.Paused
}

func (d *liveDuty) beginCheck(w checkWish) {
	leg := d.audio()
	if leg == nil || !d.state.Media || !d.mayCheck() {
		w.reply <- Checked{Why: "no_media"}
		return
	}
	t := &tape{}
	leg.Receive(t)
	time.AfterFunc(checkTime, func() {
		if !d.mail.post(checkOver{leg, t, w.reply}) {
			w.reply <- Checked{Why: "no_media"}
		}
	})
}

func (d *liveDuty) endCheck(o checkOver) {
	if d.audio() != o.leg || !d.mayCheck() {
		o.reply <- Checked{Why: "no_media"}
		return
	}
	o.leg.Receive(nil)
	audio, lost := o.tape.stop()
	c := judge(audio, lost)
	if len(audio) > 0 {
		d.replay = d.board.cfg.Player.Play(o.leg, [][]byte{audio}, false, nil)
		c.Playing = true
	}
	o.reply <- c
}

// judge says what a line check's audio (µ-law) was worth.
func judge(audio []byte, lostPct float64) Checked {
	c := Checked{
		Heard:   time.Duration(len(audio)) * time.Second / media.SampleRate,
		LevelDB: loudest(audio),
		LostPct: lostPct,
	}
	switch {
	case c.Heard < checkLeast:
		c.Why = "nothing_heard"
	case c.LevelDB < checkQuiet:
		c.Why = "too_quiet"
	case c.LostPct > checkLossy:
		c.Why = "lossy"
	default:
		c.OK = true
	}
	return c
}

// loudest is the level of the loudest levelWindow, in dBFS; -96 for nothing.
func loudest(audio []byte) float64 {
	const window = int(levelWindow * media.SampleRate / time.Second)
	best := -96.0
	for i := 0; i < len(audio); i += window {
		best = math.Max(best, codec.Level(media.PCMU, audio[i:min(i+window, len(audio))]))
	}
	return best
}

// tape keeps what a leg says as µ-law, for the time of a line check.
type tape struct {
	mu          sync.Mutex // one leg writes, the duty reads once
	audio       []byte
	first, last uint16
	got         int
	stopped     bool
}

// tapeLimit bounds a tape whatever a page sends: twice the time of a check.
const tapeLimit = 2 * int(checkTime/time.Second) * media.SampleRate

// Audio takes a frame.
func (t *tape) Audio(f media.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || len(t.audio)+len(f.Payload) > tapeLimit {
		return
	}
	if t.got == 0 {
		t.first = f.Seq
	}
	t.last = f.Seq
	t.got++
	t.audio = codec.Convert(t.audio, media.PCMU, f.Codec, f.Payload)
}

// stop returns what was heard and the share of packets lost, in percent.
func (t *tape) stop() (audio []byte, lostPct float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if expected := int(t.last-t.first) + 1; t.got > 0 && expected > t.got {
		lostPct = 100 * float64(expected-t.got) / float64(expected)
	}
	return t.audio, lostPct
}
