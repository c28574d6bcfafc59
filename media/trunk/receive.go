package trunk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
)

// dialogID names a dialog (RFC 3261 section 12): the Call-ID, our tag and the peer's.
type dialogID struct{ callID, local, remote string }

// inviteID names an INVITE on its way to us, by whatever path (RFC 3261 section 8.2.2.2).
type inviteID struct {
	callID, from string
	seq          uint32
}

// before sees every message on the goroutine that read it, before sipgo's transactions do. It tidies what they would
// trip over, and writes our tag into a fresh INVITE or its CANCEL, so that every response to them has the same (RFC
// 3261 section 8.2.6.2), those that sipgo writes itself included.
func (s *Server) before(msg sip.Message) {
	defer s.recovered("message", nil)
	req, ok := msg.(*sip.Request)
	if !ok {
		return
	}
	tidy(req)
	if via := req.Via(); via != nil && !via.Params.Has("rport") {
		if from, err := netip.ParseAddrPort(req.Source()); err == nil && via.Host != from.Addr().String() {
			via.Params.Add("received", from.Addr().String()) // RFC 3261 section 18.2.1; sipgo does it beside rport
		}
	}
	if cseq := req.CSeq(); cseq != nil {
		cseq.MethodName = sip.RequestMethod(strings.TrimSpace(string(cseq.MethodName)))
	}
	if req.Method != sip.INVITE && req.Method != sip.CANCEL {
		return
	}
	if !complete(req) {
		if req.IsInvite() && req.CallID() != nil && req.CSeq() != nil {
			s.crowd.decided(req) // nobody else will, where sipgo refuses it
		}
		return
	}
	if to := req.To(); !to.Params.Has("tag") {
		to.Params.Add("tag", s.tagFor(req))
	}
}

// tidy takes the spaces from around the parameters of Via, From and To, which RFC 3261 section 7.3.1 allows there and sipgo
// leaves in their names: a tag and a branch would not be found.
func tidy(req *sip.Request) {
	var all []sip.HeaderParams
	if via := req.Via(); via != nil {
		all = append(all, via.Params)
	}
	if from := req.From(); from != nil {
		all = append(all, from.Params)
	}
	if to := req.To(); to != nil {
		all = append(all, to.Params)
	}
	for _, params := range all {
		for i := range params {
			params[i].K, params[i].V = strings.TrimSpace(params[i].K), strings.TrimSpace(params[i].V)
		}
	}
}

// tagFor is our tag for a new call: the same for an INVITE, its copies and its CANCEL, and not to be guessed.
func (s *Server) tagFor(req *sip.Request) string {
	from, _ := req.From().Params.Get("tag")
	branch, _ := req.Via().Params.Get("branch")
	h := sha256.New()
	_, _ = h.Write(s.secret[:])
	_, _ = fmt.Fprintf(h, "%q %q %q %q %d", req.CallID().Value(), from, branch, req.Via().Host, req.CSeq().SeqNo)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// request takes every request for which sipgo opened a transaction. It runs on a goroutine of its own.
func (s *Server) request(req *sip.Request, tx *sip.ServerTx) {
	s.busy.Add(1)
	defer s.busy.Add(-1)
	defer s.recovered("request", func() { s.reply(req, tx, answer{status: 500, reason: "Server Internal Error"}) })
	if req.IsAck() {
		defer tx.Terminate()
		if complete(req) {
			s.ack(req)
		}
		return
	}
	if refused := validate(req); refused.status != 0 {
		if req.IsInvite() && complete(req) {
			s.crowd.decided(req)
		}
		s.reply(req, tx, refused)
		return
	}
	switch req.Method {
	case sip.INVITE:
		s.invited(req, tx)
	case sip.OPTIONS:
		s.options(req, tx)
	case sip.REGISTER:
		s.register(req, tx)
	case sip.BYE, sip.INFO, sip.UPDATE:
		if e := s.earlyDialog(req); e != nil && req.Method == sip.UPDATE && s.dialogOf(req) == nil {
			e.update(req, tx)
			return
		}
		if d := s.inDialog(req, tx); d != nil {
			d.request(req, tx)
		}
	default: // a CANCEL that matched nothing (RFC 3261 section 9.2), a PRACK: nothing of ours before the 200 wants one
		s.reply(req, tx, noSuchCall)
	}
}

var (
	outOfOrder  = answer{status: 500, reason: "CSeq Out Of Order"}
	noSuchCall  = answer{status: 481, reason: "Call/Transaction Does Not Exist"}
	success     = answer{status: 200, reason: "OK"}
	badMedia    = answer{status: 488, reason: "Not Acceptable Here"}
	unavailable = answer{status: 503, reason: "Service Unavailable", headers: []sip.Header{sip.NewHeader("Retry-After", "5")}}
)

// options answers the peer's question whether we are there and want calls.
func (s *Server) options(req *sip.Request, tx *sip.ServerTx) {
	if s.draining.Load() {
		s.reply(req, tx, unavailable)
		return
	}
	s.reply(req, tx, answer{status: 200, reason: "OK", headers: []sip.Header{
		sip.NewHeader("Allow", allowed), sip.NewHeader("Accept", sdpType), sip.NewHeader("Supported", extensions),
	}})
}

// inDialog finds the dialog of a request and takes its CSeq. It answers itself, and returns nil, when there is none or
// when the number is not higher than the last (RFC 3261 section 12.2.2).
func (s *Server) inDialog(req *sip.Request, tx *sip.ServerTx) *dialog {
	d := s.dialogOf(req)
	if d == nil {
		s.reply(req, tx, noSuchCall)
		return nil
	}
	if !d.takeSeq(req.CSeq().SeqNo) {
		s.reply(req, tx, outOfOrder)
		return nil
	}
	return d
}

func (s *Server) dialogOf(req *sip.Request) *dialog {
	id := idOf(req)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogs[id]
}

// idOf names the dialog that a request of the peer belongs to.
func idOf(req *sip.Request) dialogID {
	local, _ := req.To().Params.Get("tag")
	remote, _ := req.From().Params.Get("tag")
	return dialogID{req.CallID().Value(), local, remote}
}

// invited takes an INVITE: a new call, or a change to one.
func (s *Server) invited(req *sip.Request, tx *sip.ServerTx) {
	if tag, _ := req.To().Params.Get("tag"); tag != s.tagFor(req) {
		if d := s.inDialog(req, tx); d != nil {
			d.reinvite(req, tx)
		}
		return
	}
	waits := false
	defer func() {
		if !waits {
			s.crowd.decided(req)
		}
	}()
	source, _ := netip.ParseAddrPort(req.Source())
	trunk, known := s.trunkOf(source.Addr(), secured(req.Transport()))
	if !known { // its trunk was taken away while its TCP connection was open
		s.dropped.stranger.Add(1)
		tx.Terminate()
		return
	}
	if trunk.RegisterOnly {
		s.dropped.noCalls.Add(1)
		s.brush(req, tx, noCalls)
		return
	}
	if s.draining.Load() {
		s.reply(req, tx, unavailable)
		return
	}
	in := &incoming{s: s, req: req, tx: tx, trunk: trunk, gone: make(chan struct{}), id: inviteIDOf(req)}
	if s.waiting() >= s.timing.pending {
		s.brush(req, tx, unavailable)
		return
	}
	live, past := s.knows(in.id)
	switch {
	case live || past: // by another path, or seen on the wire and sent again: no second ring, and no new challenge
		waits = live // the first one may
		s.dropped.again.Add(1)
		s.reply(req, tx, merged)
		return
	case !s.enter(req, tx, trunk, source.Addr()):
		return
	case !s.within(trunk):
		s.dropped.rate.Add(1)
		s.brush(req, tx, tooMany)
		return
	}
	body, refused := sdpOf(req)
	if refused.status == 0 {
		refused = wishOf(req).tooShort()
	}
	if refused.status != 0 {
		s.reply(req, tx, refused)
		return
	}
	in.offer, in.invite = body, s.facts(req, source, trunk.Name)
	if trunk.IgnoreAsserted {
		in.invite.Asserted = nil
	}
	waits = true
	s.present(in)
}

// noCalls refuses an INVITE of a trunk that is there for telephones to register.
var noCalls = answer{status: 403, reason: "Forbidden"}

// merged refuses an INVITE that is known already (RFC 3261 section 8.2.2.2).
var merged = answer{status: 482, reason: "Loop Detected"}

func inviteIDOf(req *sip.Request) inviteID {
	from, _ := req.From().Params.Get("tag")
	return inviteID{callID: req.CallID().Value(), from: from, seq: req.CSeq().SeqNo}
}

// knows says whether an INVITE has come before: of a call that is there, or of one that is over.
func (s *Server) knows(id inviteID) (live, past bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knowsNow(id)
}

// knowsNow is knows, under mu.
func (s *Server) knowsNow(id inviteID) (live, past bool) {
	_, live = s.invites[id]
	return live, !live && s.past.has(id, s.cfg.Now())
}

// present gives a new call to the handler, unless it is one that came over another path before.
func (s *Server) present(in *incoming) {
	s.mu.Lock()
	live, past := s.knowsNow(in.id)
	known := live || past
	if !known {
		s.invites[in.id] = struct{}{}
	}
	s.mu.Unlock()
	if known {
		s.dropped.again.Add(1)
		s.reply(in.req, in.tx, merged)
		return
	}
	s.wait(in)
	if !in.tx.OnCancel(func(*sip.Request) { in.cancel() }) {
		in.cancel()
	}
	s.reply(in.req, in.tx, answer{status: 100, reason: "Trying"})
	s.spawn(func() {
		defer s.recovered("handler", func() { in.Refuse(500, "Server Internal Error") })
		s.cfg.Handler(in)
	})
}

// facts reads what an INVITE says.
func (s *Server) facts(req *sip.Request, source netip.AddrPort, trunk string) *media.Invite {
	one := func(text string) media.Identity {
		a, _ := parseAddress(text)
		return a.Identity
	}
	inv := &media.Invite{
		SIPCallID:   clean(req.CallID().Value()),
		Trunk:       trunk,
		Source:      source,
		Transport:   strings.ToLower(req.Transport()),
		At:          s.cfg.Now(),
		RequestURI:  one("<" + req.Recipient.String() + ">"),
		To:          one(req.To().Value()),
		From:        one(req.From().Value()),
		Asserted:    identities(values(req, "P-Asserted-Identity")),
		CalledParty: identities(values(req, "P-Called-Party-ID")),
		Diversions:  diversions(values(req, "Diversion")),
		History:     history(values(req, "History-Info")),
		Privacy:     clean(value(req, "Privacy")),
		UserAgent:   clean(value(req, "User-Agent")),
		MaxForwards: 70,
	}
	if m := req.MaxForwards(); m != nil {
		inv.MaxForwards = int(m.Val())
	}
	for _, id := range values(req, callHeader) {
		if id = clean(id); id != "" && len(inv.EarlierCalls) < maxOfKind {
			inv.EarlierCalls = append(inv.EarlierCalls, id)
		}
	}
	return inv
}

// callHeader carries the call's id in the 200, and ids of earlier calls in an INVITE that comes back to us.
const callHeader = "X-Holdfast-Call"

// response builds a response with our headers.
func (s *Server) response(req *sip.Request, a answer) *sip.Response {
	res := sip.NewResponseFromRequest(req, a.status, a.reason, nil)
	res.SipVersion = "SIP/2.0" // whatever the request said
	for _, h := range a.headers {
		res.AppendHeader(sip.HeaderClone(h))
	}
	return res
}

// reply sends a response. That it cannot be sent is the transaction's end and nobody else's news.
func (s *Server) reply(req *sip.Request, tx *sip.ServerTx, a answer) {
	if err := tx.Respond(s.response(req, a)); err != nil {
		s.cfg.Log.Debug("SIP response not sent", "status", a.status, "to", req.Source(), "error", clean(err.Error()))
	}
}

// recovered keeps a panic from ending the process: it is logged, counted, and then may be answered.
func (s *Server) recovered(where string, then func()) {
	p := recover()
	if p == nil {
		return
	}
	s.dropped.panics.Add(1)
	s.cfg.Log.Error("panic in SIP", "where", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if then == nil {
		return
	}
	defer func() { _ = recover() }() // the request itself may be what cannot be handled
	then()
}
