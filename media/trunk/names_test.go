package trunk

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/tenants/routing"
)

// nameServer is what a DNS says at the moment.
type nameServer struct {
	says []string
	err  error
}

func (d *nameServer) resolve(context.Context, string, string) (all []netip.Addr, err error) {
	for _, a := range d.says {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, d.err
}

// A carrier stays where it was last while the DNS is dead, over a new start and for as long as it takes, and somebody is told.
func TestACarrierIsWhereItWasWhileNobodyKnowsItsName(t *testing.T) {
	t.Parallel()
	file, now, since := filepath.Join(t.TempDir(), "carriers"), time.Now().Truncate(0), time.Time{}
	dns := &nameServer{says: []string{"192.0.2.66", "::ffff:127.0.0.7"}}
	trunk := routing.Trunk{Name: "a", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}, Out: &routing.WayOut{Target: "sip.carrier.example:5070"}}
	start := func(trunks ...routing.Trunk) *node {
		return newNode(t, func(s *Server) {
			s.names.resolve, s.cfg.NamesFile = dns.resolve, file
			s.cfg.Now = func() time.Time { return now }
			s.cfg.Stale = func(_ string, at time.Time, _ string) { since = at }
			s.SetTrunks(trunks)
		})
	}
	is := func(n *node, want string, old time.Time) {
		t.Helper()
		got, err := n.locate(trunk)
		if want == "" {
			if err == nil {
				t.Errorf("%s is nobody's", got)
			}
			return
		}
		if err != nil || got != netip.MustParseAddrPort(want) || !since.Equal(old) {
			t.Errorf("at %v, %v, as of %v; want %s as of %v", got, err, since, want, old)
		}
	}
	written := func(text string) {
		t.Helper()
		waitFor(t, func() bool { raw, _ := os.ReadFile(file); return bytes.Contains(raw, []byte(text)) })
	}

	first := start(trunk, routing.Trunk{Name: "b", Signal: trunk.Signal})
	is(first, "127.0.0.7:5070", time.Time{})
	written("127.0.0.7")
	learned := now
	for _, wrong := range []nameServer{{err: errors.New("dead")}, {}, {says: []string{"192.0.2.66"}}} { // the last is of a page that sells the name
		*dns = wrong
		is(first, "127.0.0.7:5070", learned)
	}
	first.Stop()

	now = now.Add(72 * time.Hour)
	second := start(trunk)
	is(second, "127.0.0.7:5070", learned)
	*dns = nameServer{says: []string{"127.0.0.8"}}
	is(second, "127.0.0.8:5070", time.Time{})
	written("127.0.0.8")
	*dns = nameServer{err: errors.New("dead")}
	trunk.Out = &routing.WayOut{Target: "sip.other.example:5070"}
	is(second, "", time.Time{}) // another name is another carrier
	*dns = nameServer{says: []string{"127.0.0.9"}}
	is(second, "127.0.0.9:5070", time.Time{})
	written("sip.other.example")
	second.Stop()

	*dns = nameServer{err: errors.New("dead")}
	trunk.Signal = []netip.Prefix{netip.MustParsePrefix("127.0.9.0/24")}
	is(start(trunk), "", time.Time{}) // what was the trunk's own once may be a stranger's now
	trunk.Signal = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}
	for _, spoilt := range []string{"", "{", "[]", `{"a":{"host":"sip.other.example","addresses":["here"]}}`, `{"a":{"host":"sip.other.example","addresses":[""]}}`} {
		if err := os.WriteFile(file, []byte(spoilt), 0o600); err != nil {
			t.Fatal(err)
		}
		is(start(trunk), "", time.Time{})
	}
}

func TestWhatStandsForAHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"a", "carrier.example", "192.0.2.1", "::1", "2001:db8::1"} {
		if !isHost(host) {
			t.Errorf("%q is taken for none", host)
		}
	}
	for _, host := range []string{"", "[", "[a]", "[::1]", "[::1", "::1]", "a:b", "carrier.example:5080", "[::1]:5060", "fe80::1%eth0", "::ffff:192.0.2.1", "a b", "a\r\nX: y", "a;b", "a@b"} {
		if isHost(host) {
			t.Errorf("%q is taken for one", host)
		}
	}
}
