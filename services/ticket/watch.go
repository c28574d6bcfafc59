package ticket

import (
	"cmp"
	"slices"
	"sync"

	"holdfast/tenants"
)

// Watcher hears of every change of those of one tenant's tickets that it wants. Nobody waits for it: what it has not taken yet is
// replaced by what is newer, ticket by ticket.
type Watcher struct {
	ready chan struct{}
	wants func(State) bool
	stop  func()

	mu      sync.Mutex
	changed map[tenants.TicketID]State
}

// Watch begins to watch a tenant's tickets, of which wants picks those whose change matters: a desk of many is woken by its own
// only. wants is asked on the desk's goroutine and must not block. Close ends watching.
func (d *Desk) Watch(tenant tenants.TenantID, wants func(State) bool) *Watcher {
	w := &Watcher{ready: make(chan struct{}, 1), wants: wants, changed: map[tenants.TicketID]State{}}
	d.post(func() { d.watchers[tenant] = append(d.watchers[tenant], w) })
	w.stop = func() {
		d.post(func() {
			d.watchers[tenant] = slices.DeleteFunc(d.watchers[tenant], func(o *Watcher) bool { return o == w })
			if len(d.watchers[tenant]) == 0 {
				delete(d.watchers, tenant)
			}
		})
	}
	return w
}

// Ready has a value whenever there is something to take.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Take returns the tickets that changed since the last Take, as they are now, oldest change first.
func (w *Watcher) Take() []State {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]State, 0, len(w.changed))
	for _, s := range w.changed {
		out = append(out, s)
	}
	clear(w.changed)
	slices.SortFunc(out, func(a, b State) int { return cmp.Or(a.ChangedAt.Compare(b.ChangedAt), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Close ends watching.
func (w *Watcher) Close() { w.stop() }

func (w *Watcher) add(s State) {
	w.mu.Lock()
	w.changed[s.ID] = s
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// tell shows a change; on the owner's goroutine.
func (d *Desk) tell(s State) {
	for _, w := range d.watchers[s.Tenant] {
		if w.wants(s) {
			w.add(s)
		}
	}
	if d.cfg.Moved != nil {
		d.cfg.Moved(s.Tenant)
	}
}
