package udp

import (
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrStopped says that the network was stopped and opens no more ports.
var ErrStopped = errors.New("the network of media is stopped")

// fewPorts is how many ports a poller has before another one begins to share them. A shared port counts as many: what comes to
// it is half of all calls' packets.
const fewPorts = 256

// sharedBuffer is how many bytes a shared port asks the kernel to keep each way: some 20 ms of 1,000 browsers, twenty times over.
const sharedBuffer = 4 << 20

// Network is the ports of a node, shared out among a few goroutines: at most one a core. All its methods are safe from any
// goroutine.
type Network struct {
	log     *slog.Logger
	running sync.WaitGroup
	rounds  atomic.Int32 // that are under way

	mu      sync.Mutex
	pollers []*poller
	stopped bool

	sharing sync.Mutex              // of whoever changes shared
	shared  atomic.Pointer[[]*Port] // the ports in which packets wait for the end of a round
}

// New returns a network without ports; nothing runs before the first one is listened to.
func New(log *slog.Logger) *Network {
	net := &Network{log: log}
	net.shared.Store(new([]*Port))
	return net
}

// Open binds a port for one peer; with number 0 any that is free. Nothing is read from it before Listen.
func (net *Network) Open(at netip.AddrPort) (*Port, error) {
	fd, err := bindUDP(at)
	if err != nil {
		return nil, err
	}
	return &Port{network: net, at: at, fd: fd, four: at.Addr().Is4()}, nil
}

// OpenShared binds a port for many peers: its buffers are large, and Post lets packets leave together.
func (net *Network) OpenShared(at netip.AddrPort) (*Port, error) {
	p, err := net.Open(at)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(KeepIn(p.fd, sharedBuffer), keepOut(p.fd, sharedBuffer)); err != nil {
		net.log.Warn("a port that is shared has small buffers", "port", at, "err", err)
	}
	p.outbox = &outbox{}
	p.outbox.init()
	net.share(func(all []*Port) []*Port { return append(all, p) })
	return p, nil
}

// share changes the list of shared ports; rounds go on with the former one meanwhile.
func (net *Network) share(change func([]*Port) []*Port) {
	net.sharing.Lock()
	defer net.sharing.Unlock()
	all := change(slices.Clone(*net.shared.Load()))
	net.shared.Store(&all)
}

// Stop returns when no port is read any more; all must be closed before. Nothing can be listened to after it.
func (net *Network) Stop() {
	net.mu.Lock()
	net.stopped = true
	net.mu.Unlock()
	net.running.Wait()
	net.mu.Lock()
	defer net.mu.Unlock()
	for _, p := range net.pollers {
		p.release()
	}
	net.pollers = nil
}

// begin and end enclose a round. What is posted between them leaves with the end of one, whichever ends first.
func (net *Network) begin() { net.rounds.Add(1) }

func (net *Network) end() {
	net.rounds.Add(-1)
	for _, p := range *net.shared.Load() {
		p.flush()
	}
}

// least returns the poller for one more port: the first that has few, or else the one that has fewest.
func (net *Network) least() (*poller, error) {
	net.mu.Lock()
	defer net.mu.Unlock()
	if net.stopped {
		return nil, ErrStopped
	}
	var best *poller
	fewest := 0
	for _, p := range net.pollers {
		n := p.load()
		if n < fewPorts {
			return p, nil
		}
		if best == nil || n < fewest {
			best, fewest = p, n
		}
	}
	if len(net.pollers) >= runtime.GOMAXPROCS(0) {
		return best, nil
	}
	p, err := newPoller(net)
	if err != nil {
		if best != nil {
			return best, nil // no descriptors for another: this one does
		}
		return nil, err
	}
	net.pollers = append(net.pollers, p)
	return p, nil
}
