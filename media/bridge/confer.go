package bridge

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/jitter"
	"holdfast/media/pace"
)

// Config says how a mixer works. The zero Config is usable.
type Config struct {
	Log *slog.Logger // default slog.Default()
}

// Mixer is the clock of all conferences: one goroutine, a beat every 20 ms. Two parties need none; see [Join].
type Mixer struct {
	log *slog.Logger

	mu      sync.Mutex
	added   []*Conference // not yet taken by the clock
	stopped bool

	active []*Conference // the clock's own
	start  sync.Once
	quit   chan struct{}
	gone   chan struct{} // closed when the clock's goroutine has ended
}

// NewMixer returns a mixer whose conferences are heard from Start on.
func NewMixer(cfg Config) *Mixer {
	return &Mixer{log: cmp.Or(cfg.Log, slog.Default()), quit: make(chan struct{}), gone: make(chan struct{})}
}

// Start starts the clock. It may be repeated; a stopped mixer does not start again.
func (m *Mixer) Start() {
	m.start.Do(func() {
		go func() {
			defer close(m.gone)
			pace.Keep(m.quit, m.tick)
		}()
	})
}

// Stop ends the clock and waits for it: after Stop nobody in any conference hears anything. It may be repeated.
func (m *Mixer) Stop() {
	m.mu.Lock()
	if !m.stopped {
		m.stopped = true
		close(m.quit)
	}
	m.mu.Unlock()
	m.start.Do(func() { close(m.gone) }) // never started
	<-m.gone
}

// tick sends one frame to everybody in every conference.
func (m *Mixer) tick() {
	m.mu.Lock()
	m.active = append(m.active, m.added...)
	clear(m.added)
	m.added = m.added[:0]
	m.mu.Unlock()
	m.active = slices.DeleteFunc(m.active, func(c *Conference) bool { return !c.tick() })
}

// Confer begins a conference of these legs: each hears all others, and not itself. What a leg gave its audio to before
// hears nothing more. Others may come and go; see [Conference.Add].
func (m *Mixer) Confer(legs ...media.Leg) *Conference {
	c := &Conference{log: m.log}
	for _, l := range legs {
		c.Add(l)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stopped {
		m.added = append(m.added, c)
	}
	return c
}

// Conference is several legs, in practice three, who all hear each other. Every 20 ms what the parties said is added up,
// and each is played the sum of the others: their packets are lined up first (media/jitter), and what is too loud is
// clipped. All methods are safe from any goroutine but that of a leg's Audio.
type Conference struct {
	log *slog.Logger

	mu      sync.Mutex // held while frames are played: who is removed hears and says nothing after
	parties []*party
	over    bool
	linear  [media.FrameBytes]int16
	sum     [media.FrameBytes]int32
	payload [media.FrameBytes]byte
}

// Add takes one more leg in; taps hear what it says, as it came and on the goroutine that read it, as those of [Tap] do.
// A leg that is in already only gets the taps. After End it does nothing.
func (c *Conference) Add(leg media.Leg, taps ...media.Sink) {
	p := &party{leg: leg, taps: slices.DeleteFunc(slices.Clone(taps), func(t media.Sink) bool { return t == nil })}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	if i := c.index(leg); i >= 0 {
		c.parties[i].tap(p.taps)
		return
	}
	c.parties = append(c.parties, p)
	leg.Receive(p)
}

// Remove lets a leg go: it lives on, hears nothing, and nothing more of it is heard, not even what it had said already.
// It must come before the leg is joined to anything else. A leg that is not in is left alone.
func (c *Conference) Remove(leg media.Leg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.index(leg); i >= 0 {
		c.parties = slices.Delete(c.parties, i, i+1)
		leg.Receive(nil)
	}
}

// End removes everybody. It may be repeated; only the first counts.
func (c *Conference) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, p := range c.parties {
		p.leg.Receive(nil)
	}
	c.parties = nil
}

// index finds a leg; mu is held.
func (c *Conference) index(leg media.Leg) int {
	return slices.IndexFunc(c.parties, func(p *party) bool { return p.leg == leg })
}

// tick plays 20 ms to everybody; false says that the conference is over.
func (c *Conference) tick() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.sum[:])
	for _, p := range c.parties {
		p.take()
		for i, v := range &p.said {
			c.sum[i] += int32(v)
		}
	}
	broken := false
	for _, p := range c.parties {
		for i, all := range &c.sum {
			c.linear[i] = clip(all - int32(p.said[i]))
		}
		broken = !c.play(p) || broken
	}
	if broken {
		c.parties = slices.DeleteFunc(c.parties, func(p *party) bool { return p.broken })
	}
	return !c.over
}

// play sends linear to one party. One that panics is out of the conference, and the others go on.
func (c *Conference) play(p *party) (whole bool) {
	defer func() {
		if cause := recover(); cause != nil {
			c.log.Error("a party of a conference panicked", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			p.broken, whole = true, false
		}
	}()
	p.next.Payload = codec.Encode(c.payload[:0], p.next.Codec, c.linear[:])
	p.next.Marker = p.next.Seq == 0 && p.next.Timestamp == 0 // for its listener the source has changed
	p.leg.Audio(p.next)
	p.next.Seq++
	p.next.Timestamp += media.FrameBytes
	return true
}

// clip holds a sum where a sample can be: too loud is distorted a little, where a wrap-around would be a bang.
func clip(v int32) int16 {
	return int16(min(max(v, math.MinInt16), math.MaxInt16)) //nolint:gosec // as just said
}

// party is one leg in a conference, and the sink of what it says.
type party struct {
	leg    media.Leg
	next   media.Frame             // the clock's: the next to be played to it
	said   [media.FrameBytes]int16 // the clock's: its part of this beat
	broken bool

	mu    sync.Mutex
	line  jitter.Buffer
	codec media.Codec // of what it sends; what it is played is coded alike
	taps  []media.Sink
}

// Audio takes what the party says.
func (p *party) Audio(f media.Frame) {
	p.mu.Lock()
	p.line.Put(f)
	p.codec = f.Codec
	taps := p.taps
	p.mu.Unlock()
	for _, t := range taps {
		t.Audio(f)
	}
}

func (p *party) tap(more []media.Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taps = slices.Concat(p.taps, more) // never the same array: Audio may be going through it
}

// take fills said with what the party said in this beat.
func (p *party) take() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Take(&p.said)
	p.next.Codec = p.codec
}
