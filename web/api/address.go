package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// trustedProxies are the proxies whose X-Forwarded-For is believed; of anybody else's it is ignored.
type trustedProxies []netip.Prefix

// ParseProxies reads HOLDFAST_TRUSTED_PROXIES: addresses or CIDRs with commas between; "" trusts nobody.
func ParseProxies(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := parsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("trusted proxies: %q is neither an address nor a CIDR: %w", part, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// parsePrefix reads a CIDR, or a single address as the CIDR of just that.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a.WithZone(""), a.BitLen()), nil
}

func (p trustedProxies) trust(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// client is the address a request comes from: the connection's, or, behind trusted proxies, the last address of
// X-Forwarded-For that is not one of them.
func (p trustedProxies) client(r *http.Request) string {
	peer := peerOf(r)
	if !p.trust(peer) {
		return peer.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		peer = a.Unmap()
		if !p.trust(peer) {
			break
		}
	}
	return peer.String()
}

// peerOf is the other end of the connection; the zero Addr when it cannot be read.
func peerOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// limiter bounds what one address may ask: burst at once, then one every refill.
type limiter struct {
	burst  float64
	refill time.Duration
	now    func() time.Time

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// mostBuckets bounds the limiter's memory; when it is reached, addresses that are full again are forgotten.
const mostBuckets = 20_000

func newLimiter(burst int, refill time.Duration, now func() time.Time) *limiter {
	return &limiter{burst: float64(burst), refill: refill, now: now, buckets: map[string]bucket{}}
}

// take reports whether one more is allowed, and when it will be.
func (l *limiter) take(address string) (ok bool, retry time.Duration) {
	key, now := network(address), l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) >= mostBuckets {
		for k, b := range l.buckets {
			if l.filled(b, now) >= l.burst {
				delete(l.buckets, k)
			}
		}
		if len(l.buckets) >= mostBuckets {
			return false, l.refill
		}
	}
	b, known := l.buckets[key]
	left := l.burst
	if known {
		left = l.filled(b, now)
	}
	if left < 1 {
		return false, l.refill
	}
	l.buckets[key] = bucket{left: left - 1, at: now}
	return true, 0
}

func (l *limiter) filled(b bucket, now time.Time) float64 {
	return min(l.burst, b.left+float64(now.Sub(b.at))/float64(l.refill))
}

// network is what one customer of a provider has: an IPv4 address, or an IPv6 /64.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
