package harness

import (
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// resend is how long a lost segment is missing until TCP has sent it again.
const resend = 300 * time.Millisecond

// Wire is the network between a node and one of its stores, which a story may slow down and cut.
type Wire struct {
	to func(context.Context) (net.Conn, error)

	mu     sync.Mutex
	delay  time.Duration
	loss   float64
	silent bool
	heal   chan struct{} // closed when a silent wire speaks again
	conns  map[net.Conn]struct{}
	open   sync.WaitGroup
}

// wire lays a wire to the store at a URL, and returns the URL by which the store is reached over it.
func wire(t testing.TB, store string) (*Wire, string) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{conns: map[net.Conn]struct{}{}}
	network, address := "tcp", u.Host
	switch query := u.Query(); {
	case u.Scheme == "unix": // Redis on a socket
		network, address = "unix", u.Path
		u.Scheme, u.Path = "redis", "/0"
		query.Del("db")
		u.RawQuery = query.Encode()
	case query.Get("host") != "": // PostgreSQL on a socket
		network, address = "unix", query.Get("host")+"/.s.PGSQL."+portOf(u, query.Get("port"))
		query.Del("host")
		query.Del("port")
		u.RawQuery = query.Encode()
	}
	w.to = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, network, address) }
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	w.open.Go(func() { w.accept(l) })
	t.Cleanup(func() {
		_ = l.Close()
		w.Heal()
		w.mu.Lock()
		for c := range w.conns {
			_ = c.Close()
		}
		w.mu.Unlock()
		w.open.Wait()
	})
	return w, u.String()
}

func portOf(u *url.URL, port string) string {
	switch {
	case port != "":
		return port
	case u.Port() != "":
		return u.Port()
	}
	return "5432"
}

// Slow makes each answer of the store come so much later, and loses a share of the segments, which TCP sends again.
func (w *Wire) Slow(delay time.Duration, loss float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay, w.loss = delay, loss
}

// Silence takes whatever is sent from now on and delivers nothing, as a network that is cut does.
func (w *Wire) Silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.silent {
		w.silent, w.heal = true, make(chan struct{})
	}
}

// Heal makes the wire good again. What was cut stays cut: connections that were open are closed.
func (w *Wire) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay, w.loss = 0, 0
	if w.silent {
		w.silent = false
		close(w.heal)
		for c := range w.conns {
			_ = c.Close()
		}
	}
}

func (w *Wire) accept(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		w.open.Go(func() { w.join(near) })
	}
}

// join carries one connection.
func (w *Wire) join(near net.Conn) {
	defer w.close(near)
	w.keep(near)
	w.pause(false)
	ctx, cancel := context.WithTimeout(context.Background(), requestBar)
	defer cancel()
	far, err := w.to(ctx)
	if err != nil {
		return // the store is down: so is the connection
	}
	defer w.close(far)
	w.keep(far)
	var both sync.WaitGroup
	both.Go(func() { w.carry(far, near, false) })
	both.Go(func() { w.carry(near, far, true) })
	both.Wait()
}

func (w *Wire) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = struct{}{}
}

func (w *Wire) close(c net.Conn) {
	w.mu.Lock()
	delete(w.conns, c)
	w.mu.Unlock()
	_ = c.Close()
}

// carry copies one direction.
func (w *Wire) carry(to, from net.Conn, answers bool) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			w.pause(answers)
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pause waits as long as the network takes.
func (w *Wire) pause(answer bool) {
	w.mu.Lock()
	delay, heal, silent := time.Duration(0), w.heal, w.silent
	if answer {
		delay = w.delay
	}
	if w.loss > 0 && rand.Float64() < w.loss { //nolint:gosec // chance
		delay += resend
	}
	w.mu.Unlock()
	if silent {
		<-heal
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		<-timer.C
	}
}
