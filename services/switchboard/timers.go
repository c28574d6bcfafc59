package switchboard

import "time"

// timers are the named timers of one owner. Only the owner touches them; a fired timer posts to its mailbox, and one that
// was cleared or set again meanwhile is known by its generation.
type timers struct {
	running map[string]*timer
	fire    func(name string, generation uint64)
	next    uint64
}

type timer struct {
	t          *time.Timer
	generation uint64
}

func newTimers(fire func(name string, generation uint64)) *timers {
	return &timers{running: map[string]*timer{}, fire: fire}
}

func (t *timers) set(name string, after time.Duration) {
	t.clear(name)
	t.next++
	generation := t.next
	t.running[name] = &timer{
		t:          time.AfterFunc(after, func() { t.fire(name, generation) }),
		generation: generation,
	}
}

func (t *timers) clear(name string) {
	if old := t.running[name]; old != nil {
		old.t.Stop()
		delete(t.running, name)
	}
}

// due reports whether a fired timer is still the current one of its name, and forgets it.
func (t *timers) due(name string, generation uint64) bool {
	if now := t.running[name]; now == nil || now.generation != generation {
		return false
	}
	delete(t.running, name)
	return true
}

func (t *timers) stop() {
	for name := range t.running {
		t.clear(name)
	}
}
