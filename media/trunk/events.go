package trunk

import (
	"sync"

	"holdfast/media"
)

// maxKept is how many events are kept for a listener who is late. More than a handful before Listen means that nobody
// will ever come.
const maxKept = 64

// events hands a leg's events to its listener, one after the other and in order, without holding a lock while it does:
// a listener may call back into the leg.
type events struct {
	mu      sync.Mutex
	fn      func(media.Event)
	queue   []media.Event
	running bool // somebody is delivering
	over    bool // Ended is in: nothing follows
}

// listen sets the listener and delivers what was kept.
func (e *events) listen(fn func(media.Event)) {
	e.mu.Lock()
	if e.fn == nil {
		e.fn = fn
	}
	e.mu.Unlock()
	e.deliver()
}

// tell adds an event and delivers it, or leaves that to whoever is delivering now.
func (e *events) tell(ev media.Event) {
	e.mu.Lock()
	if e.over || len(e.queue) >= maxKept && ev.Kind != media.Ended {
		e.mu.Unlock()
		return
	}
	e.over = ev.Kind == media.Ended
	e.queue = append(e.queue, ev)
	e.mu.Unlock()
	e.deliver()
}

func (e *events) deliver() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running || e.fn == nil {
		return
	}
	e.running = true
	defer func() { e.running = false }()
	for len(e.queue) > 0 {
		ev, fn := e.queue[0], e.fn
		e.queue = e.queue[1:]
		e.call(fn, ev)
	}
}

// call runs the listener without the lock, and takes it back even when the listener panics.
func (e *events) call(fn func(media.Event), ev media.Event) {
	e.mu.Unlock()
	defer e.mu.Lock()
	fn(ev)
}
