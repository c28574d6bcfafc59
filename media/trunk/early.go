package trunk

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// early is a dialog that a provisional response to an INVITE of ours opened (RFC 3261 section 12.1.2), as far as PRACK and
// UPDATE need it: its media is that of the call. A fork has several.
type early struct {
	*dialog
	o      *outgoing
	rseq   uint32 // of the run goroutine: the last reliable response that was taken; 0: none
	agreed bool   // under dialog.mu: a reliable response answered our offer, so that there may be another
}

// earlyOf finds or begins the early dialog of a provisional response; nil: it names none, or there are too many.
func (a *attempt) earlyOf(res *sip.Response) *early {
	tag, _ := res.To().Params.Get("tag")
	if tag == "" {
		return nil
	}
	a.mu.Lock()
	e := a.opened[tag]
	full := len(a.opened) >= maxForks
	a.mu.Unlock()
	if e != nil || full {
		return e
	}
	e = &early{dialog: a.dialogOf(res), o: a.o}
	a.mu.Lock()
	a.opened[tag] = e
	a.mu.Unlock()
	a.o.s.mu.Lock()
	a.o.s.opened[e.id] = e
	a.o.s.mu.Unlock()
	return e
}

// confirmReliable sends a PRACK where a provisional response wants one (RFC 3262 section 4). false says that the response must
// be treated as if it had not come: it is a copy, or one before it is missing and will come again.
func (a *attempt) confirmReliable(res *sip.Response, e *early) bool {
	if !slices.Contains(tokens(res, "Require"), "100rel") {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(value(res, "RSeq")), 10, 32)
	if rseq := uint32(n); err != nil || rseq == 0 || e == nil || e.rseq != 0 && rseq != e.rseq+1 { //nolint:gosec // 32 bits
		return false
	}
	e.rseq = uint32(n) //nolint:gosec // 32 bits
	e.mu.Lock()
	e.agreed = e.agreed || len(res.Body()) > 0
	e.setTarget(res)
	e.mu.Unlock()
	req := e.newRequest(sip.PRACK)
	req.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", n, a.seq)))
	if a.trusts(req) {
		for _, h := range a.digest.headers(string(sip.PRACK), req.Recipient.String()) {
			req.AppendHeader(h)
		}
	}
	a.o.s.spawn(func() {
		defer a.o.s.recovered("PRACK", nil)
		ctx, cancel := context.WithTimeout(context.Background(), a.o.s.timing.ackLimit)
		defer cancel()
		if status, err := a.o.s.ask(ctx, a.trunk.Name, req); err != nil || status >= 300 {
			a.o.s.cfg.Log.Info("PRACK not taken", "call", a.o.callID, "status", status)
		}
	})
	return true
}

// forgetEarly ends the early dialogs: the call is answered, or this attempt is over.
func (a *attempt) forgetEarly() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.o.s.mu.Lock()
	defer a.o.s.mu.Unlock()
	for _, e := range a.opened {
		delete(a.o.s.opened, e.id)
	}
}

// earlyDialog finds the early dialog of a request of the peer.
func (s *Server) earlyDialog(req *sip.Request) *early {
	id := idOf(req)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened[id]
}

// update takes an UPDATE before the answer (RFC 3311): the called side moves its media, say from an announcement to a
// telephone. While our own offer is unanswered for certain there can be no other.
func (e *early) update(req *sip.Request, tx *sip.ServerTx) {
	s := e.o.s
	if !e.takeSeq(req.CSeq().SeqNo) {
		s.reply(req, tx, outOfOrder)
		return
	}
	body, refused := e.changed(req)
	if refused.status != 0 {
		s.reply(req, tx, refused)
		return
	}
	if err := tx.Respond(e.okWith(req, body, sip.NewHeader("Supported", extensions))); err != nil {
		s.cfg.Log.Debug("answer to UPDATE not sent", "call", e.o.callID, "error", clean(err.Error()))
	}
}

// changed does what an UPDATE asks; without a description that is next to nothing.
func (e *early) changed(req *sip.Request) ([]byte, answer) {
	offer, refused := sdpOf(req)
	if refused.status != 0 {
		return nil, refused
	}
	e.mu.Lock()
	agreed := e.agreed
	e.setTarget(req)
	e.mu.Unlock()
	switch {
	case offer == nil:
		return nil, answer{}
	case !agreed:
		return nil, pending
	}
	if refused := e.o.claim(true); refused.status != 0 {
		return nil, refused
	}
	defer e.o.unclaim()
	body, m, err := e.o.negotiate(offer)
	if err != nil {
		return nil, badMedia
	}
	e.o.session.Set(*m)
	return body, answer{}
}
