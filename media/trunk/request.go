package trunk

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// byeLimit is how long a peer may take to confirm our BYE; Timer F of RFC 3261 section 17.1.2.2.
const byeLimit = 32 * time.Second

// at is where we are reached by a transport.
func (s *Server) at(transport string) netip.AddrPort {
	if secured(transport) {
		return s.tls.local
	}
	return s.local
}

// contact is where a call of ours is reached, in the form sip:CALL@HOST:PORT.
func (s *Server) contact(user, transport string) sip.Header {
	at := s.at(transport)
	uri := sip.Uri{Scheme: "sip", User: user, Host: at.Addr().String(), Port: int(at.Port())}
	if t := strings.ToLower(transport); t != "udp" {
		uri.UriParams.Add("transport", t)
	}
	return &sip.ContactHeader{Address: uri}
}

// contact is where the call is reached. What was asked for by a sips URI is reached by one (RFC 3261 section 12.1.1), which
// needs no word of the transport.
func (d *dialog) contact() sip.Header {
	c := d.s.contact(d.callID, d.transport)
	if h, ok := c.(*sip.ContactHeader); ok && d.sips {
		h.Address.Scheme, h.Address.UriParams = "sips", nil
	}
	return c
}

// via is the top of our own requests.
func (s *Server) via(transport string) *sip.ViaHeader {
	at := s.at(transport)
	v := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: transport, Host: at.Addr().String(), Port: int(at.Port()),
	}
	v.Params.Add("branch", sip.GenerateBranch())
	v.Params.Add("rport", "")
	return v
}

// bye tells the peer that the call is over. Before the peer's ACK that would be against RFC 3261 section 15, so the ACK
// is waited for, as long as we would wait for it anyway.
func (d *dialog) bye() {
	select {
	case <-d.ackSeen:
	case <-time.After(d.s.timing.ackLimit):
	case <-d.s.quit:
	}
	ctx, cancel := context.WithTimeout(context.Background(), byeLimit)
	defer cancel()
	if res, err := d.exchange(ctx, d.newRequest(sip.BYE)); err != nil {
		d.s.cfg.Log.Info("BYE not confirmed", "call", d.callID, "error", clean(err.Error()))
	} else if res.StatusCode >= 300 {
		d.s.cfg.Log.Debug("BYE refused", "call", d.callID, "status", res.StatusCode)
	}
}

// exchange sends a request within the dialog and waits for its final response, if need be with credentials.
func (d *dialog) exchange(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	res, err := d.s.exchange(ctx, d.trunkName(), req)
	if err != nil {
		return nil, err
	}
	if again := d.authorized(req, res); again != nil {
		return d.s.exchange(ctx, d.trunkName(), again)
	}
	return res, nil
}

// authorized is a request once more, with the answer to the challenge that it met; nil: there was none, or it is not for us to
// answer. A caller's side gets no answer at all, whatever realm it names: its challenge to a BYE or re-INVITE of ours would
// make it a password to guess. Nor does whomever the called side has these go to in place of the carrier.
func (d *dialog) authorized(req *sip.Request, res *sip.Response) *sip.Request {
	if d.carrier == nil || res.StatusCode != 401 && res.StatusCode != 407 {
		return nil
	}
	if !d.s.theirs(d.carrier, d.transport, d.source, req.Destination()) {
		d.s.cfg.Log.Warn("a challenge is not answered: it is not the carrier's", "trunk", d.carrier.Name, "from", req.Destination())
		return nil
	}
	g := digest{way: d.carrier.Out, name: d.carrier.Name, unseal: d.s.cfg.Unseal}
	if err := g.take(res); err != nil {
		d.s.cfg.Log.Warn("a carrier's challenge is not answered", "trunk", d.carrier.Name, "error", clean(err.Error()))
		return nil
	}
	d.mu.Lock()
	d.localSeq++
	seq := d.localSeq
	d.mu.Unlock()
	again := req.Clone()
	again.Via().Params.Add("branch", sip.GenerateBranch())
	again.CSeq().SeqNo = seq
	for _, h := range g.headers(string(req.Method), req.Recipient.String()) {
		again.AppendHeader(h)
	}
	d.s.address(again, d.transport, req.Destination())
	return again
}

// newRequest builds a request within the dialog (RFC 3261 section 12.2.1.1).
func (d *dialog) newRequest(method sip.RequestMethod) *sip.Request {
	d.mu.Lock()
	d.localSeq++
	seq := d.localSeq
	d.mu.Unlock()
	return d.build(method, seq)
}

// build writes a request with a given number: that of its INVITE for an ACK.
func (d *dialog) build(method sip.RequestMethod, seq uint32) *sip.Request {
	d.mu.Lock()
	target := *d.target.Clone()
	d.mu.Unlock()
	routes := d.routes
	hop := target
	if len(routes) > 0 {
		hop = routes[0]
		if !hop.UriParams.Has("lr") { // a strict router wants itself in the request line
			routes = append(append([]sip.Uri{}, routes[1:]...), target)
			target = *hop.Clone()
		}
	}
	req := sip.NewRequest(method, target)
	req.Recipient.Headers = nil
	req.AppendHeader(d.s.via(d.transport))
	for _, r := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	hops := sip.MaxForwardsHeader(70)
	from := &sip.FromHeader{DisplayName: d.usName, Address: d.us}
	from.Params.Add("tag", d.id.local)
	to := &sip.ToHeader{DisplayName: d.themName, Address: d.them}
	if d.id.remote != "" {
		to.Params.Add("tag", d.id.remote)
	}
	callID := sip.CallIDHeader(d.id.callID)
	for _, h := range []sip.Header{
		&hops, from, to, &callID, &sip.CSeqHeader{SeqNo: seq, MethodName: method},
		d.contact(), sip.NewHeader("User-Agent", d.s.cfg.Node),
	} {
		req.AppendHeader(h)
	}
	req.SetBody(nil)
	d.s.address(req, d.transport, d.nextHop(hop))
	return req
}

// nextHop is the address of a hop. A connection that the INVITE came over is used again while it is there, since its
// caller may not be reachable otherwise; so is the INVITE's source when the hop is a name: we never look names up.
func (d *dialog) nextHop(hop sip.Uri) string {
	if d.transport != "UDP" {
		if d.s.connected(d.transport, d.source) {
			return d.source
		}
	}
	host := strings.TrimSuffix(strings.TrimPrefix(hop.Host, "["), "]")
	if _, err := netip.ParseAddr(host); err != nil || d.phone != nil {
		return d.source
	}
	port := hop.Port
	if port == 0 {
		port = sip.DefaultUdpPort
		if secured(d.transport) {
			port = sip.DefaultTlsPort
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// connected says whether there is a connection to this address; a transport without any has none.
func (s *Server) connected(transport, to string) bool {
	pool := s.tp.Pool(transport)
	if pool == nil {
		return false
	}
	conn := pool.Get(to)
	if conn == nil {
		return false
	}
	_, _ = conn.TryClose() // gives back the reference that Get took
	return true
}

// address says by which transport and to where a request goes; over UDP from our listening socket.
func (s *Server) address(req *sip.Request, transport, to string) {
	req.SetTransport(transport)
	req.SetDestination(to)
	if transport == "UDP" {
		bound := s.udp.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
		req.Laddr = sip.Addr{IP: bound.Addr().AsSlice(), Port: int(bound.Port()), Zone: bound.Addr().Zone()}
	}
}

// write sends an ACK, to which nothing is said.
func (s *Server) write(trunk string, ack *sip.Request) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timing.ackLimit)
	defer cancel()
	if err := s.connect(ctx, trunk, ack); err != nil {
		return err
	}
	return s.tp.WriteMsg(ack) //nolint:wrapcheck // logged by the caller with what it was for
}

// ask sends a request to a trunk and waits for its final status.
func (s *Server) ask(ctx context.Context, trunk string, req *sip.Request) (int, error) {
	res, err := s.exchange(ctx, trunk, req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}

// exchange sends a request to a trunk and waits for its final response.
func (s *Server) exchange(ctx context.Context, trunk string, req *sip.Request) (*sip.Response, error) {
	if err := s.connect(ctx, trunk, req); err != nil {
		return nil, err
	}
	tx, err := s.tx.Request(ctx, req)
	if err != nil {
		return nil, err //nolint:wrapcheck // logged by the caller with what it was for
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, tx.Err() //nolint:wrapcheck // as above
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // as above
		case <-s.quit:
			return nil, errStopped
		}
	}
}
