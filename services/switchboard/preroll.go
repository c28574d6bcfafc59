package switchboard

import (
	"sync"
	"sync/atomic"

	"holdfast/media"
)

const (
	// prerollRoom is how many frames a preroll has room for from the start: 300 ms, more than a node with time to spare needs.
	prerollRoom = 15
	// prerollBytes and prerollFrames bound it: 5 s, in frames of 5 ms or longer. Then something is wrong that no buffer mends.
	prerollBytes  = 250 * media.FrameBytes
	prerollFrames = 1000
)

// preroll keeps what the caller says from the end of the beep on until the recorder is there. That is some goroutines, the journal
// and the making of a file later: no time on a node at rest, half a sentence on one that has just been started and is rung by
// everybody at once.
type preroll struct {
	rolls atomic.Bool

	mu      sync.Mutex
	frames  []media.Frame
	payload []byte // of frames, copied
	to      media.Sink
}

// Audio implements media.Sink.
func (p *preroll) Audio(f media.Frame) {
	if !p.rolls.Load() {
		return // the announcement is still playing
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.to != nil:
		p.to.Audio(f)
	case len(p.frames) < prerollFrames && len(p.payload)+len(f.Payload) <= prerollBytes:
		at := len(p.payload)
		p.payload = append(p.payload, f.Payload...)
		f.Payload = p.payload[at:len(p.payload):len(p.payload)]
		p.frames = append(p.frames, f)
	}
}

// roll begins: what comes from now on is kept.
func (p *preroll) roll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = make([]media.Frame, 0, prerollRoom)
	p.payload = make([]byte, 0, prerollRoom*media.FrameBytes)
	p.rolls.Store(true)
}

// handOver gives what was kept, and what is still to come, to a recorder.
func (p *preroll) handOver(to media.Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		to.Audio(f)
	}
	p.frames, p.payload, p.to = nil, nil, to
	p.rolls.Store(true) // whatever became of the beep
}
