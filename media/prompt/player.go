package prompt

import (
	"cmp"
	"log/slog"
	"sync"

	"holdfast/media"
	"holdfast/media/pace"
)

// Config says how a player works. The zero Config is usable.
type Config struct {
	Log *slog.Logger // default slog.Default()
}

// Player plays clips to legs: one goroutine, one clock, all legs. A frame costs a copy of 160 bytes, no allocation.
type Player struct {
	log *slog.Logger

	mu      sync.Mutex
	added   []*play // not yet taken by the clock
	stopped bool

	active []*play // the clock's own
	start  sync.Once
	quit   chan struct{}
	gone   chan struct{} // closed when the clock's goroutine has ended
}

// NewPlayer returns a player that plays from Start on.
func NewPlayer(cfg Config) *Player {
	return &Player{
		log:  cmp.Or(cfg.Log, slog.Default()),
		quit: make(chan struct{}),
		gone: make(chan struct{}),
	}
}

// Start starts the clock. It may be repeated; a stopped player does not start again.
func (p *Player) Start() {
	p.start.Do(func() { go p.run() })
}

// Stop ends the clock and waits for it: after Stop no sink gets a frame, and no done is called. It may be repeated.
func (p *Player) Stop() {
	p.mu.Lock()
	if !p.stopped {
		p.stopped = true
		close(p.quit)
	}
	p.mu.Unlock()
	p.start.Do(func() { close(p.gone) }) // never started
	<-p.gone
}

// Play plays the clips one after another to the sink, from the next 20 ms on; with loop again and again. done, which may
// be nil, is called once when the end was played (or the sink panicked), never after Stop; it runs on the clock's
// goroutine and must not block. Nothing to play is finished at once. A stopped player plays nothing.
//
// stop ends the playing: after it has returned the sink gets no further frame of it, and done is not called (unless it
// was running already). It may be repeated, from any goroutine but the sink's own Audio.
func (p *Player) Play(to media.Sink, clips [][]byte, loop bool, done func()) (stop func()) {
	pl := &play{to: to, clips: clips, loop: loop, done: done, first: true}
	for _, c := range clips {
		pl.left += len(c)
	}
	pl.empty = pl.left == 0
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		pl.over = true
		return pl.stop
	}
	p.added = append(p.added, pl)
	return pl.stop
}

// run is the clock.
func (p *Player) run() {
	defer close(p.gone)
	pace.Keep(p.quit, p.tick)
}

// tick sends one frame of everything that plays.
func (p *Player) tick() {
	p.mu.Lock()
	p.active = append(p.active, p.added...)
	clear(p.added)
	p.added = p.added[:0]
	p.mu.Unlock()

	kept := p.active[:0]
	for _, pl := range p.active {
		switch p.step(pl) {
		case playing:
			kept = append(kept, pl)
		case finished:
			p.finish(pl)
		case cut:
		}
	}
	clear(p.active[len(kept):])
	p.active = kept
}

// step sends one frame; a sink that panics loses its playing and nothing else.
func (p *Player) step(pl *play) (s status) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("a sink panicked while a prompt was played to it", "panic", r)
			s = finished
		}
	}()
	return pl.step()
}

func (p *Player) finish(pl *play) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("the end of a prompt panicked", "panic", r)
		}
	}()
	if pl.done != nil {
		pl.done()
	}
}

type status uint8

const (
	playing  status = iota // more frames follow
	finished               // the end was played: done is due
	cut                    // stopped by Stop
)

// play is one stretch of audio on its way to one sink.
type play struct {
	to    media.Sink
	done  func()
	loop  bool
	empty bool

	mu    sync.Mutex // held while a frame is in the sink
	over  bool
	clips [][]byte
	clip  int // index in clips
	at    int // offset in that clip
	left  int // bytes not yet played in this round
	first bool
	seq   uint16
	stamp uint32
	frame [media.FrameBytes]byte
}

func (pl *play) stop() {
	pl.mu.Lock()
	pl.over = true
	pl.mu.Unlock()
}

func (pl *play) step() status {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.over {
		return cut
	}
	if pl.empty {
		pl.over = true
		return finished
	}
	pl.fill()
	pl.to.Audio(media.Frame{Codec: media.PCMU, Seq: pl.seq, Timestamp: pl.stamp, Marker: pl.first, Payload: pl.frame[:]})
	pl.first = false
	pl.seq++
	pl.stamp += media.FrameBytes
	if pl.left == 0 {
		pl.over = true
		return finished
	}
	return playing
}

// fill takes the next 160 bytes, over the edges of clips, and pads the very end with silence.
func (pl *play) fill() {
	n := 0
	for n < len(pl.frame) {
		if pl.clip == len(pl.clips) {
			if !pl.loop {
				break
			}
			pl.rewind()
		}
		c := copy(pl.frame[n:], pl.clips[pl.clip][pl.at:])
		n, pl.at, pl.left = n+c, pl.at+c, pl.left-c
		if pl.at == len(pl.clips[pl.clip]) {
			pl.clip, pl.at = pl.clip+1, 0
		}
	}
	for ; n < len(pl.frame); n++ {
		pl.frame[n] = media.PCMU.Silence()
	}
	if pl.left == 0 && pl.loop {
		pl.rewind()
	}
}

func (pl *play) rewind() {
	pl.clip, pl.at, pl.left = 0, 0, 0
	for _, c := range pl.clips {
		pl.left += len(c)
	}
}
