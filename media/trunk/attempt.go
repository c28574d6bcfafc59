package trunk

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
	"holdfast/tenants/routing"
)

// maxForks is how many parties may answer one INVITE (a carrier that rings several telephones); more are not believed.
const maxForks = 16

// attempt is a call of ours on its way through one trunk: one Call-ID, and an INVITE for each round of digest.
type attempt struct {
	o       *outgoing
	trunk   routing.Trunk
	to      netip.AddrPort
	via     string // the transport
	callID  string
	tag     string // ours
	seq     uint32
	digest  digest
	invite  *sip.Request
	tx      *sip.ClientTx
	replied bool // something came: only then may it be cancelled
	rang    bool // it reached somebody: an 18x came
	least   int  // Min-SE that a 422 asked for

	mu     sync.Mutex
	opened map[string]*early       // by the tag of who rings
	acks   map[string]*sip.Request // of each 2xx, by its tag: who answers again is acknowledged again
}

func newAttempt(o *outgoing, t routing.Trunk, to netip.AddrPort) *attempt {
	return &attempt{
		o: o, trunk: t, to: to, via: o.over(t), acks: make(map[string]*sip.Request), opened: make(map[string]*early),
		callID: sip.GenerateTagN(24) + "@" + o.s.local.Addr().String(), tag: sip.GenerateTagN(16),
		digest: digest{way: t.Out, name: t.Name, unseal: o.s.cfg.Unseal},
	}
}

// run sends the INVITE and follows it to its end, or to where it is given up.
func (a *attempt) run(ring <-chan time.Time) (media.Ending, verdict) {
	unreachable := media.Ending{By: media.ByError, Reason: media.EndedUnreachable}
	if err := a.send(); err != nil {
		if a.o.withdrawn.Err() != nil {
			return media.Ending{}, settled
		}
		a.o.s.cfg.Log.Info("INVITE not sent", "call", a.o.callID, "trunk", a.trunk.Name, "error", clean(err.Error()))
		return unreachable, next
	}
	defer a.forgetEarly()
	mute := time.NewTimer(a.o.s.timing.noReply)
	defer mute.Stop()
	for {
		select {
		case res := <-a.tx.Responses():
			mute.Stop()
			a.replied = true
			switch {
			case res.To() == nil: // nothing can be told apart by it
				a.abandon()
				return unreachable, next
			case res.IsProvisional():
				a.progress(res)
			case res.IsSuccess():
				return a.answer(res)
			case a.challenged(res) || a.lengthened(res): // a new INVITE, to which nothing was said yet
				a.replied = false
				mute.Reset(a.o.s.timing.noReply)
			default:
				return reasonOf(res.StatusCode, a.rang)
			}
		case <-a.tx.Done():
			return unreachable, next
		case <-mute.C:
			a.abandon()
			return unreachable, next
		case <-ring:
			a.abandon()
			return media.Ending{By: media.ByServer, Reason: media.EndedNoAnswer}, final
		case <-a.o.withdrawn.Done():
			a.abandon()
			return media.Ending{}, settled
		case <-a.o.s.quit:
			a.tx.Terminate()
			return media.Ending{By: media.ByServer, Reason: "shutdown"}, final
		}
	}
}

// send sends the INVITE, with credentials where they were asked for.
func (a *attempt) send() error {
	s := a.o.s
	a.seq++
	a.invite = a.request(a.o.localOffer())
	s.address(a.invite, a.via, a.to.String())
	ctx, cancel := context.WithTimeout(a.o.withdrawn, s.timing.noReply) // whoever is not there is not waited for longer than whoever is mute
	defer cancel()
	if err := s.connect(ctx, a.trunk.Name, a.invite); err != nil {
		return err
	}
	tx, err := s.tx.NewClientTransaction(context.Background(), a.invite)
	if err != nil {
		return err //nolint:wrapcheck // logged with what it was for
	}
	tx.OnRetransmission(a.again)
	if err := tx.Init(); err != nil {
		tx.Terminate()
		return err //nolint:wrapcheck // as above
	}
	a.tx = tx
	return nil
}

// challenged answers a challenge by sending the INVITE again; false says that there is nothing (more) to answer it with.
func (a *attempt) challenged(res *sip.Response) bool {
	if res.StatusCode != 401 && res.StatusCode != 407 {
		return false
	}
	if err := a.digest.take(res); err != nil {
		a.o.s.cfg.Log.Warn("a carrier's challenge is not answered", "trunk", a.trunk.Name, "error", clean(err.Error()))
		return false
	}
	return a.resend()
}

func (a *attempt) resend() bool {
	if err := a.send(); err != nil {
		a.o.s.cfg.Log.Info("INVITE not sent", "trunk", a.trunk.Name, "error", clean(err.Error()))
		return false
	}
	return true
}

// lengthened sends the INVITE again with the session's length that a 422 asks for, once.
func (a *attempt) lengthened(res *sip.Response) bool {
	if least := wishOf(res).least; res.StatusCode == 422 && a.least == 0 && least > 0 {
		a.least = max(shortestSession, min(least, longestLeast))
		return a.resend()
	}
	return false
}

// progress takes a provisional response: it rings, or is heard already (early media, RFC 3960).
func (a *attempt) progress(res *sip.Response) {
	o := a.o
	a.rang = a.rang || res.StatusCode >= 180
	if res.StatusCode > 100 && !a.confirmReliable(res, a.earlyOf(res)) {
		return
	}
	if res.StatusCode > 100 && len(res.Body()) > 0 && !o.early {
		o.mu.Lock()
		local := o.localSDP()
		o.mu.Unlock()
		if m, err := accept(res, local); err == nil {
			o.early = true
			o.session.Set(m)
		}
	}
	if res.StatusCode == 180 && !o.rang {
		o.rang = true
		o.events.tell(media.Event{Kind: media.Ringing, At: o.s.cfg.Now()})
	}
}

// answer takes the first 2xx. The leg becomes a call, unless somebody hung up in the same moment.
func (a *attempt) answer(res *sip.Response) (media.Ending, verdict) {
	o := a.o
	won := a.dialogOf(res)
	o.mu.Lock()
	local, late := o.localSDP(), o.ended
	if !late {
		o.answered, o.carrier = true, &a.trunk
		o.id, o.source, o.us, o.usName, o.them, o.transport = won.id, won.source, won.us, won.usName, won.them, won.transport
		o.routes, o.target, o.localSeq, o.remoteSeq = won.routes, won.target, won.localSeq, won.remoteSeq
	}
	o.mu.Unlock()
	if late {
		a.refuse(won)
		return media.Ending{}, settled
	}
	o.s.keep(o.dialog)
	a.forgetEarly()
	a.acknowledge(won)
	o.confirm()
	o.learn(res)
	o.lasts(wishOf(res).accepted(term{}))
	m, err := accept(res, local)
	switch {
	case err == nil:
		o.session.Set(sdp.Media{Remote: m.Remote, Codec: m.Codec, Crypto: m.Crypto}) // nothing was expected so far: the wait for packets begins
		o.agree(&m)
	case !o.early || len(res.Body()) > 0: // without any description, what came before the answer holds
		o.s.cfg.Log.Info("no usable answer to our offer", "call", o.callID, "error", clean(err.Error()))
		o.finish(media.Ending{By: media.ByError, Reason: o.unanswered(err, "no_codec")}, true)
		return media.Ending{}, settled
	}
	o.events.tell(media.Event{Kind: media.Connected, At: o.s.cfg.Now()})
	return media.Ending{}, settled
}

// keep makes an answered call of ours known. One that is answered while the server stops is hung up on by endAll, which
// has it among those that were placed.
func (s *Server) keep(d *dialog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialogs[d.id] = d
}

// dialogOf is the dialog that a 2xx opens (RFC 3261 section 12.1.2), as far as ACK and BYE need it.
func (a *attempt) dialogOf(res *sip.Response) *dialog {
	remote, _ := res.To().Params.Get("tag")
	d := &dialog{
		s: a.o.s, id: dialogID{a.callID, a.tag, remote}, callID: a.o.callID, transport: a.via, source: a.to.String(), trunk: a.trunk.Name,
		us: a.us(), usName: shown(a.o.to.FromName), them: a.invite.Recipient, localSeq: a.seq, phone: a.o.phone,
	}
	a.mu.Lock()
	if e := a.opened[remote]; e != nil { // the same dialog, confirmed: its numbers go on
		e.mu.Lock()
		d.localSeq, d.remoteSeq = e.localSeq, e.remoteSeq
		e.mu.Unlock()
	}
	a.mu.Unlock()
	for _, h := range res.GetHeaders("Record-Route") {
		if rr, ok := h.(*sip.RecordRouteHeader); ok && len(d.routes) < maxOfKind {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	slices.Reverse(d.routes)
	d.setTarget(res)
	return d
}

// acknowledge sends the ACK of a 2xx (RFC 3261 section 13.2.2.4). false says that it had been acknowledged before, or that
// too many have answered.
func (a *attempt) acknowledge(d *dialog) bool {
	a.mu.Lock()
	ack, again := a.acks[d.id.remote]
	if !again && len(a.acks) < maxForks {
		ack = d.build(sip.ACK, a.seq)
		if a.trusts(ack) {
			for _, name := range []string{"Authorization", "Proxy-Authorization"} { // an ACK cannot be challenged
				for _, h := range a.invite.GetHeaders(name) {
					ack.AppendHeader(sip.HeaderClone(h))
				}
			}
		}
		a.acks[d.id.remote] = ack
	}
	a.mu.Unlock()
	if ack == nil {
		return false
	}
	if err := a.o.s.write(a.trunk.Name, ack); err != nil {
		a.o.s.cfg.Log.Info("ACK not sent", "call", a.o.callID, "error", clean(err.Error()))
	}
	return !again
}

// trusts says whether a request of this call may hold the carrier's credentials.
func (a *attempt) trusts(req *sip.Request) bool {
	return a.o.s.theirs(&a.trunk, a.via, a.to.String(), req.Destination())
}

// again takes every 2xx after the first: the same once more, or another party of a fork, who is hung up on.
func (a *attempt) again(res *sip.Response) {
	defer a.o.s.recovered("2xx", nil)
	if res.To() == nil || res.StatusCode > 299 {
		return
	}
	a.refuse(a.dialogOf(res))
}

// refuse acknowledges a 2xx that came too late, or second, and hangs up.
func (a *attempt) refuse(d *dialog) {
	if !a.acknowledge(d) {
		return
	}
	d.ackSeen = make(chan struct{})
	close(d.ackSeen)
	a.o.s.spawn(func() {
		defer a.o.s.recovered("fork", nil)
		d.bye()
	})
}

// abandon gives the attempt up: it is cancelled as soon as that is allowed, and answered no more.
func (a *attempt) abandon() {
	a.o.loose.Add(1)
	a.o.s.spawn(func() {
		defer a.o.loose.Done()
		defer a.o.s.recovered("withdrawn call", nil)
		a.linger()
	})
}

// linger waits for the end of an attempt that was given up (RFC 3261 section 9.1).
func (a *attempt) linger() {
	cancel := sync.OnceFunc(a.cancel)
	if a.replied {
		cancel()
	}
	limit := time.NewTimer(a.o.s.timing.ackLimit)
	defer limit.Stop()
	for {
		select {
		case res := <-a.tx.Responses():
			switch {
			case res.IsProvisional():
				cancel()
				continue
			case res.IsSuccess():
				a.again(res)
			}
			return // sipgo acknowledges failures, and tells again of any further 2xx
		case <-a.tx.Done():
			return
		case <-limit.C:
			a.tx.Terminate()
			return
		case <-a.o.s.quit:
			a.tx.Terminate()
			return
		}
	}
}

// cancel sends the CANCEL; what is said to it does not matter, only what is said to the INVITE.
func (a *attempt) cancel() {
	req := sip.NewRequest(sip.CANCEL, a.invite.Recipient)
	hops := sip.MaxForwardsHeader(70)
	for _, h := range []sip.Header{
		a.invite.Via().Clone(), &hops, sip.HeaderClone(a.invite.From()), sip.HeaderClone(a.invite.To()),
		sip.HeaderClone(a.invite.CallID()), &sip.CSeqHeader{SeqNo: a.seq, MethodName: sip.CANCEL},
	} {
		req.AppendHeader(h)
	}
	req.SetBody(nil)
	a.o.s.address(req, a.via, a.to.String())
	a.o.s.spawn(func() {
		defer a.o.s.recovered("CANCEL", nil)
		ctx, stop := context.WithTimeout(context.Background(), byeLimit)
		defer stop()
		if _, err := a.o.s.ask(ctx, a.trunk.Name, req); err != nil && !errors.Is(err, errStopped) {
			a.o.s.cfg.Log.Debug("CANCEL not confirmed", "call", a.o.callID, "error", clean(err.Error()))
		}
	})
}
