package trunk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/tenants/routing"
)

// A carrier may be known by a name, and the DNS may be dead when somebody calls out, also right after a new start. So where a name
// led the last time is kept, in memory and on disk, and serves for as long as nobody answers that question: an old address is a
// better guess than none.

const (
	lookUpLimit   = 2 * time.Second // for the name of a trunk's target
	mostAddresses = 16              // of one name
	keepAgain     = time.Hour       // between two writings of what stays as it was
)

// lastSeen is where a trunk's name led when it was last looked up.
type lastSeen struct {
	Host  string       `json:"host"`
	Addrs []netip.Addr `json:"addresses"` // of the trunk's own only
	At    time.Time    `json:"at"`
}

// names is what trunks' names stood for, by the name of the trunk: no more than there are trunks.
type names struct {
	resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)

	file keptFile

	mu    sync.Mutex
	known map[string]lastSeen
}

var errOutside = errors.New("the target is not among the trunk's own addresses, so its answers would not be heard")

// errHost says that a text is no host: it would go into the headers of every call.
var errHost = errors.New("no host")

// isHost says whether a text is a name or an address, without port. The brackets of an IPv6 address are sipgo's to write; it writes
// none around an IPv4 address in IPv6's clothes.
func isHost(text string) bool {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Zone() == "" && !a.Is4In6()
	}
	return text != "" && !strings.ContainsFunc(text, unfit)
}

// locate finds where a trunk's INVITEs go. A name is looked up here, on the call's own goroutine; what it stood for the
// last time serves while nobody answers that question. Only an address of the trunk's own will do: from any other we
// would not hear the answer.
func (s *Server) locate(t routing.Trunk) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(t.Out.Target)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("target %q: %w", t.Out.Target, err)
	}
	if !isHost(domainOf(t.Out)) {
		return netip.AddrPort{}, fmt.Errorf("domain %q: %w", domainOf(t.Out), errHost)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("target %q: %w", t.Out.Target, err)
	}
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = own(t, []netip.Addr{a})
	} else if addrs, err = s.lookUp(t, host); err != nil {
		return netip.AddrPort{}, fmt.Errorf("target %q: %w", t.Out.Target, err)
	}
	if len(addrs) == 0 {
		return netip.AddrPort{}, errOutside
	}
	return netip.AddrPortFrom(addrs[0], uint16(number)), nil
}

// own are those addresses from which a trunk's answers would be heard.
func own(t routing.Trunk, addrs []netip.Addr) (own []netip.Addr) {
	for _, a := range addrs {
		a = a.Unmap()
		if len(own) < mostAddresses && narrowest(t.Signal, a) >= 0 {
			own = append(own, a)
		}
	}
	return own
}

// lookUp finds a trunk's own addresses by a name. An answer that names none of them is as good as no answer.
func (s *Server) lookUp(t routing.Trunk, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpLimit)
	defer cancel()
	addrs, err := s.names.resolve(ctx, "ip", host)
	if addrs = own(t, addrs); err == nil && len(addrs) > 0 {
		s.names.seen(t.Name, lastSeen{host, addrs, s.cfg.Now()})
		s.cfg.Stale(t.Name, time.Time{}, "")
		return addrs, nil
	}
	if err == nil {
		err = errOutside
	}
	s.names.mu.Lock()
	before := s.names.known[t.Name]
	s.names.mu.Unlock()
	if addrs = own(t, before.Addrs); before.Host != host || len(addrs) == 0 {
		return nil, err
	}
	s.cfg.Log.Warn("a trunk's name cannot be looked up: where it was serves", "trunk", t.Name, "since", before.At, "error", clean(err.Error()))
	s.cfg.Stale(t.Name, before.At, fmt.Sprintf("the name %s of trunk %s cannot be looked up: calls go where it was at %s (%s)",
		clean(host), t.Name, before.At.UTC().Format("2006-01-02 15:04 UTC"), clean(err.Error())))
	return addrs, nil
}

// seen notes where a trunk's name led. That it still leads there is noted once an hour, so that not each call is written down.
func (n *names) seen(trunk string, is lastSeen) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if was := n.known[trunk]; was.Host != is.Host || !same(was.Addrs, is.Addrs) || is.At.Sub(was.At) >= keepAgain {
		n.known[trunk] = is
		n.file.changed.Store(true)
	}
}

// same says whether two answers name the same addresses: name servers change their order from one to the next.
func same(a, b []netip.Addr) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x netip.Addr) bool { return !slices.Contains(b, x) })
}

// namesToKeep is what the file says of the trunks that there are.
func (s *Server) namesToKeep() any {
	there := map[string]bool{}
	for _, t := range *s.trunks.Load() {
		there[t.Name] = true
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	maps.DeleteFunc(s.names.known, func(trunk string, _ lastSeen) bool { return !there[trunk] })
	return maps.Clone(s.names.known)
}

// restoreNames takes in where names led before this process began.
func (s *Server) restoreNames() {
	var all map[string]lastSeen
	if !s.readBack(s.cfg.NamesFile, &all) {
		return
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	for trunk, k := range all {
		if _, newer := s.names.known[trunk]; !newer {
			s.names.known[trunk] = k
		}
	}
}
