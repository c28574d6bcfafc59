package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/bridge"
	"holdfast/media/browser"
	"holdfast/media/rtp"
	"holdfast/media/trunk"
	"holdfast/media/udp"
	"holdfast/tenants/routing"
)

// emptyIn is how long everybody may take to be gone.
const emptyIn = 10 * time.Second

// pairs joins callers with operators by number.
type pairs struct {
	log  *slog.Logger
	page *browser.Endpoint
	mu   sync.Mutex
	legs map[int]media.Leg
	all  []media.Leg          // whoever came
	lone map[string]media.Leg // callers of "aN" or "bN" whose other is not there yet
}

// Bridge serves on host until standard input ends.
func Bridge(host string) error {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("the bridge's address: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	network := udp.New(log)
	engine, err := rtp.New(rtp.Config{Bind: addr, Low: PortLow, High: PortHigh, Network: network, Log: log})
	if err != nil {
		return err
	}
	page, err := browser.New(browser.Config{Listen: netip.AddrPortFrom(addr, webrtcPort), Network: network, Log: log})
	if err != nil {
		return err
	}
	p := &pairs{log: log, page: page, legs: map[int]media.Leg{}, lone: map[string]media.Leg{}}
	server, err := trunk.New(trunk.Config{Listen: host + ":" + sipPort, Media: engine, Handler: p.arrive, Log: log})
	if err != nil {
		return err
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	server.SetTrunks([]routing.Trunk{{Name: "bench", Signal: loopback, Media: loopback}})
	for _, start := range []func() error{engine.Start, page.Start, server.Start} {
		if err := start(); err != nil {
			return err
		}
	}
	defer func() { server.Stop(); page.Stop(); engine.Stop(); network.Stop() }()
	return control(host, map[string]func(int, string) (string, error){"operator": p.operator, "empty": p.empty})
}

// empty hangs everybody up, and answers when all are gone.
func (p *pairs) empty(int, string) (string, error) {
	p.mu.Lock()
	all := p.all
	p.all, p.legs, p.lone = nil, map[int]media.Leg{}, map[string]media.Leg{}
	p.mu.Unlock()
	for _, leg := range all {
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	}
	limit := time.NewTimer(emptyIn)
	defer limit.Stop()
	for _, leg := range all {
		select {
		case <-leg.Done():
		case <-limit.C:
			return "", errors.New("a leg does not end")
		}
	}
	return "", nil
}

// operator answers the offer of operator n.
func (p *pairs) operator(n int, offer string) (string, error) {
	answer, leg, err := p.page.Answer(offer)
	if err != nil {
		return "", err
	}
	leg.Listen(func(e media.Event) {
		if e.Kind == media.Ended || e.Kind == media.Unreachable {
			p.log.Warn("an operator is lost", "n", n, "ending", e.Ending)
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.legs[n], p.all = leg, append(p.all, leg)
	return answer, nil
}

// arrive answers a caller and joins it with the operator whose number was called.
func (p *pairs) arrive(in media.Incoming) {
	user := in.Invite().RequestURI.User
	if name := strings.TrimLeft(user, "ab"); name != user {
		p.pair(name, in)
		return
	}
	n, err := strconv.Atoi(user)
	p.mu.Lock()
	operator := p.legs[n]
	p.mu.Unlock()
	if err != nil || operator == nil {
		in.Refuse(404, "Not Found")
		return
	}
	caller, err := in.Answer("bench-" + strconv.Itoa(n))
	if err != nil {
		if !errors.Is(err, media.ErrGone) {
			p.log.Warn("a caller was not answered", "n", n, "err", err)
		}
		return
	}
	p.mu.Lock()
	p.all = append(p.all, caller)
	p.mu.Unlock()
	joined := bridge.Join(caller, operator)
	caller.Listen(func(e media.Event) {
		if e.Kind == media.Ended {
			joined.Part()
		}
	})
}

// pair joins the callers of "aN" and "bN", whoever comes first.
func (p *pairs) pair(name string, in media.Incoming) {
	leg, err := in.Answer("bench-" + name)
	if err != nil {
		p.log.Warn("a caller was not answered", "name", name, "err", err)
		return
	}
	p.mu.Lock()
	other := p.lone[name]
	p.lone[name] = leg
	p.all = append(p.all, leg)
	p.mu.Unlock()
	joined := func() {}
	if other != nil {
		joined = bridge.Join(leg, other).Part
	}
	leg.Listen(func(e media.Event) {
		if e.Kind == media.Ended {
			joined()
		}
	})
}
