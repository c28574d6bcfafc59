package trunk

import "sync"

// maxOpen is how many connections may be open, those of TLS included; a carrier needs a handful.
const maxOpen = 2000

// open counts connections, by trunk. The last quarter is for trunks that have less than half of all there may be: who opens them
// without end, by mistake or on purpose, keeps no other carrier out.
type open struct {
	most int

	mu  sync.Mutex
	all int
	of  map[string]int // by name; those that have any
}

// enter counts a connection of a trunk until leave is called, once; false: there is no room for it. One that we open is never in
// the others' way.
func (o *open) enter(trunk string, ours bool) (leave func(), ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all >= o.most || !ours && 4*o.all >= 3*o.most && 2*o.of[trunk] >= o.most {
		return nil, false
	}
	if o.of == nil {
		o.of = make(map[string]int)
	}
	o.all++
	o.of[trunk]++
	return sync.OnceFunc(func() { o.leave(trunk) }), true
}

func (o *open) leave(trunk string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all--
	if o.of[trunk]--; o.of[trunk] == 0 {
		delete(o.of, trunk)
	}
}

func (o *open) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all
}
