package trunk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sort"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

// Status is what we know of a trunk's carrier.
type Status struct {
	Name      string
	Probed    bool      // it has an address for OPTIONS; otherwise Up is only what we assume
	Up        bool      // it answered the last OPTIONS, or none was sent yet
	Since     time.Time // of Up
	LastError string    // why the last OPTIONS failed; "" when it did not
}

// health is a Status that we keep, with the address it is asked at.
type health struct {
	Status
	at    string
	asked bool // at least once
}

// Status returns what is known of every trunk, sorted by name.
func (s *Server) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.status))
	for _, h := range s.status {
		all = append(all, h.Status)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// knowTrunks keeps the status of trunks that stay and begins that of new ones. Of those that are gone, or are asked nothing,
// it is told that nobody waits for them any more: they may have been down the last time, in an earlier process too.
func (s *Server) knowTrunks(trunks []routing.Trunk) {
	s.telling.Lock()
	defer s.telling.Unlock()
	for _, calm := range s.replace(trunks) {
		s.cfg.Changed(calm)
	}
}

// replace does that, and returns what is to be told.
func (s *Server) replace(trunks []routing.Trunk) (calm []Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status
	s.status = make(map[string]*health, len(trunks))
	for _, t := range trunks {
		h := before[t.Name]
		if h == nil || h.at != t.Options {
			h = &health{at: t.Options, Status: Status{Name: t.Name, Up: true, Since: s.cfg.Now(), Probed: t.Options != ""}}
			if !h.Probed {
				calm = append(calm, h.Status)
			}
		}
		s.status[t.Name] = h
	}
	for name := range before {
		if s.status[name] == nil {
			calm = append(calm, Status{Name: name, Up: true, Since: s.cfg.Now()})
		}
	}
	maps.DeleteFunc(s.contracts, func(of bucket, _ *contract) bool { return s.status[of.trunk] == nil })
	return calm
}

// keepAlive asks every trunk that has an address for it whether it is there, again and again.
func (s *Server) keepAlive() {
	defer s.recovered("keep-alive", nil)
	every := time.NewTicker(s.timing.probe)
	defer every.Stop()
	for {
		s.probeAll()
		select {
		case <-every.C:
		case <-s.quit:
			return
		}
	}
}

func (s *Server) probeAll() {
	var round sync.WaitGroup
	for _, t := range *s.trunks.Load() {
		if t.Options == "" {
			continue
		}
		round.Go(func() {
			defer s.recovered("keep-alive", nil)
			s.heard(t, s.probe(t))
		})
	}
	round.Wait()
}

// probe sends one OPTIONS, over TLS where the trunk speaks it. Any answer but 408 and 503 says that somebody is there.
func (s *Server) probe(t routing.Trunk) error {
	to, transport := t.Options, transportOf(t)
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return fmt.Errorf("OPTIONS need an IP address and port: %w", err)
	}
	uri := sip.Uri{Scheme: "sip", Host: addr.Addr().String(), Port: int(addr.Port())}
	own := s.at(transport)
	us := sip.Uri{Scheme: "sip", User: "holdfast", Host: own.Addr().String(), Port: int(own.Port())}
	req := sip.NewRequest(sip.OPTIONS, uri)
	hops, callID := sip.MaxForwardsHeader(70), sip.CallIDHeader(sip.GenerateTagN(24)+"@"+us.Host)
	from := &sip.FromHeader{Address: us}
	from.Params.Add("tag", sip.GenerateTagN(16))
	for _, h := range []sip.Header{
		s.via(transport), &hops, from, &sip.ToHeader{Address: uri}, &callID,
		&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS}, s.contact("holdfast", transport), sip.NewHeader("User-Agent", s.cfg.Node),
	} {
		req.AppendHeader(h)
	}
	req.SetBody(nil)
	s.address(req, transport, addr.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.timing.probeWait)
	defer cancel()
	status, err := s.ask(ctx, t.Name, req)
	switch {
	case err != nil:
		return fmt.Errorf("OPTIONS to %s: %w", to, err)
	case status == 408 || status == 503:
		return fmt.Errorf("OPTIONS to %s: %w %d", to, errTrunkDown, status)
	}
	return nil
}

var errTrunkDown = errors.New("the carrier answered")

// heard notes how a probe went, and tells where that is news.
func (s *Server) heard(t routing.Trunk, err error) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if now, changed := s.note(t, err); changed {
		s.cfg.Changed(now)
	}
}

// note keeps how a probe went, and reports whether somebody is to be told.
func (s *Server) note(t routing.Trunk, err error) (now Status, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.status[t.Name]
	if h == nil || h.at != t.Options {
		return Status{}, false // replaced meanwhile
	}
	first := !h.asked
	h.asked = true
	h.LastError = ""
	if err != nil {
		h.LastError = clean(err.Error())
	}
	if up := err == nil; up != h.Up {
		h.Up, h.Since = up, s.cfg.Now()
		s.cfg.Log.Warn("trunk changed", "trunk", t.Name, "up", up, "error", h.LastError)
		return h.Status, true
	}
	return h.Status, first
}
