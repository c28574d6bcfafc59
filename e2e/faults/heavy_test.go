package faults

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
)

const (
	// wantedShare is how much of its one core a node is to have to do while nothing is wrong: with the moments at which it was dead, and
	// those after them, some 60 % remain.
	wantedShare = 0.65
	// leastShare is how much of it the node must have had to do in all, the moments included at which it was dead: with less the story
	// shows nothing of a node at work.
	leastShare = 0.4
	// step and stepFor are how many callers join the crowd at a time, and how long the node is then watched.
	step    = 40
	stepFor = 2 * time.Second
	// mostCallers is more than the ports of media are for.
	mostCallers = 4000
	// oneInSo many callers leaves a message; the others wait in queues. Messages are kept, on a disk that is not endless.
	oneInSo = 12
	// beepIn is how long a caller waits for the beep.
	beepIn = 15 * time.Second
	// deaf is how long a caller who waits stays who hears nothing any more.
	deaf = 3 * time.Second
	// lowTone and highTones are the tones of this crowd, in Hz and in steps from there: all but those near the beep.
	lowTone, highTones = 350, 40
)

// heavy is a crowd that gives a node the work of 60 % of its core. Its callers cost little: one thread speaks for all.
type heavy struct {
	*day
	phone  *load.Phone
	voices *load.Voices
	began  time.Time // the measuring
	before time.Duration
	here   int // callers

	mu        sync.Mutex
	now, most int // calls that are up; the most that were
}

// crowd lets callers come until the node has work for wantedShare of its core.
func (d *day) crowd(seed uint64) *heavy {
	d.t.Helper()
	host := netip.MustParseAddr("127.0.40.1")
	phone, err := load.NewPhone(host, netip.MustParseAddrPort(d.n.SIP))
	must(d.t, err)
	voices, err := load.NewVoices(host)
	must(d.t, err)
	h := &heavy{day: d, phone: phone, voices: voices}
	d.t.Cleanup(func() {
		d.stop()
		d.work.Wait()
		voices.Stop()
		phone.Close()
	})
	for share := 0.0; share < wantedShare; {
		if h.here >= mostCallers {
			d.t.Fatalf("%d callers are not enough: the node works for %.0f %% of its core", h.here, 100*share)
		}
		for range step {
			h.here++
			one := seed + uint64(h.here) //nolint:gosec // small
			d.work.Go(func() { h.caller(one) })
		}
		share = h.watched()
	}
	d.t.Logf("%d callers give the node work for %.0f %% of its core", h.here, 100*h.watched())
	h.begin()
	return h
}

// watched is how much of its core the node uses, once the newest callers have come.
func (h *heavy) watched() float64 {
	h.pass(stepFor)
	h.begin()
	h.pass(stepFor)
	return h.share()
}

// begin begins to measure.
func (h *heavy) begin() { h.began, h.before = time.Now(), h.n.CPU() }

// share is how much of its core the node has used since.
func (h *heavy) share() float64 {
	return float64(h.n.CPU()-h.before) / float64(time.Since(h.began))
}

// caller calls one number after another.
func (h *heavy) caller(seed uint64) {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a story, not a secret
	some := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) }
	for h.ctx.Err() == nil {
		h.pass(some(0, 2*time.Second))
		if h.ctx.Err() != nil {
			return
		}
		to := []string{prairie, lakeside}[r.IntN(2)]
		message := r.IntN(oneInSo) == 0
		if message {
			to = []string{redRock, kovacs}[r.IntN(2)]
		}
		c := h.phone.Invite(to, h.voices.Addr())
		index, _ := load.Numbered(c.From())
		e := &harness.Entry{To: to, From: c.From(), Tone: toneOf(index)}
		<-c.Decided()
		var said load.Speech
		switch {
		case c.Answered():
			h.up(1)
			said = h.speak(c, e, message, some)
			h.phone.Bye(c)
			<-c.Gone()
			h.up(-1)
		case c.Later:
			h.pass(c.After)
		}
		h.l.Tell(e, told(c), said)
	}
}

// up counts a call that begins or ends.
func (h *heavy) up(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now += n
	h.most = max(h.most, h.now)
}

// toneOf is the tone of a call, by its number.
func toneOf(n int) float64 {
	const beep = 1000
	hz := lowTone + load.ToneStep*(n%highTones)
	if hz >= beep-2*load.ToneStep && hz <= beep+2*load.ToneStep {
		hz += highTones * load.ToneStep
	}
	return float64(hz)
}

// speak is what a caller does who was answered: says a message after the beep, or waits. It returns what was said into the message.
func (h *heavy) speak(c *load.Call, e *harness.Entry, message bool, some func(from, to time.Duration) time.Duration) (said load.Speech) {
	if !message {
		h.wait(c, some(4*time.Second, 12*time.Second))
		return load.Speech{}
	}
	v := h.voices.Join(c.Media, e.Tone)
	gone := h.until(c, beepIn, v.Begun())
	select {
	case <-v.Begun():
		h.until(c, some(time.Second, 5*time.Second), nil)
	default:
		if gone || h.ctx.Err() == nil {
			e.Missed = fmt.Errorf("no beep in %v, or in the whole call", beepIn)
		}
	}
	return h.voices.Leave(v)
}

// wait is what a caller does in a queue: says nothing for so long, and hangs up before that where a message is asked for, or where
// nobody is there any more.
func (h *heavy) wait(c *load.Call, long time.Duration) {
	v := h.voices.Join(c.Media, 0)
	defer h.voices.Leave(v)
	for until := time.Now().Add(long); time.Now().Before(until) && h.ctx.Err() == nil && h.voices.Silent(v) < deaf; {
		if h.until(c, time.Second, v.Begun()) {
			return
		}
		select {
		case <-v.Begun():
			return
		default:
		}
	}
}

// until waits for so long, or until something has happened. It reports whether the call was over by then.
func (h *heavy) until(c *load.Call, long time.Duration, happened <-chan struct{}) (gone bool) {
	over := time.NewTimer(long)
	defer over.Stop()
	select {
	case <-c.Gone():
		return true
	case <-happened:
	case <-over.C:
	case <-h.ctx.Done():
	}
	return false
}

// told is what a caller of this crowd knows of a call that is over.
func told(c *load.Call) carrier.Result {
	r := carrier.Result{CallID: c.ID, SIPStatus: c.Status, InviteSent: c.InvitedAt, AnsweredAt: c.AnsweredAt, EndedBy: carrier.ByServer}
	switch {
	case c.Answered():
		r.AnswerMS = max(1, c.AnsweredAt.Sub(c.InvitedAt).Milliseconds())
		r.DurationMS = max(1, c.LeftAt.Sub(c.AnsweredAt).Milliseconds())
		if !c.Left {
			r.EndedBy = carrier.ByCaller
		}
	case c.GivenUp:
		r.EndedBy, r.Err = carrier.ByError, carrier.ErrRing
	case c.Later:
		r.RetryAfter = c.After.String()
	}
	return r
}

// close ends the measuring, fails the test where the node had too little to do, and says what it had.
func (h *heavy) close() string {
	share, calls := h.share(), h.phone.Placed()
	if share < leastShare {
		h.t.Errorf("the node used %.0f %% of its core: that is not the load that this story is about", 100*share)
	}
	return fmt.Sprintf("%.0f %% of a core: %d callers, %d calls, %.0f calls/s, at most %d at once",
		100*share, h.here, calls, float64(calls)/time.Since(h.began).Seconds(), h.most)
}
