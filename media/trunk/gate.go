package trunk

import "sync"

// spawn runs fn on a goroutine that Stop waits for. When Stop is done waiting it runs at once, on the caller's.
func (s *Server) spawn(fn func()) {
	if s.gate.enter() {
		go func() {
			defer s.gate.leave()
			fn()
		}()
		return
	}
	fn()
}

// gate counts goroutines; after shut no more are let in.
type gate struct {
	mu   sync.Mutex
	n    int
	shut bool
	none chan struct{} // closed when shut and empty
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.shut && g.n == 0 {
		close(g.none)
	}
}

// wait shuts the gate and waits until everybody has left. It may be repeated.
func (g *gate) wait() {
	g.mu.Lock()
	if !g.shut {
		g.shut, g.none = true, make(chan struct{})
		if g.n == 0 {
			close(g.none)
		}
	}
	none := g.none
	g.mu.Unlock()
	<-none
}
