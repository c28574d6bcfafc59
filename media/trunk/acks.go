package trunk

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
)

var errStopped = errors.New("the SIP server is stopping")

// ackWait is a 200 of ours to an INVITE that the peer has not acknowledged yet.
type ackWait struct {
	offered bool // it carried our offer, so that the ACK must carry the answer
	acked   chan struct{}
}

// expect notes that a 200 to the INVITE with this CSeq is about to go out.
func (d *dialog) expect(seq uint32, offered bool) *ackWait {
	wait := &ackWait{offered: offered, acked: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits[seq] = wait
	return wait
}

// offering says whether an offer of ours in a 200 is unanswered. The caller holds d.mu.
func (d *dialog) offering() bool {
	for _, w := range d.waits {
		if w.offered {
			return true
		}
	}
	return false
}

// ack takes an ACK to a 200. One that belongs to nothing is dropped: an ACK is never answered.
func (s *Server) ack(req *sip.Request) {
	if d := s.dialogOf(req); d != nil {
		d.acknowledged(req)
	}
}

func (d *dialog) acknowledged(req *sip.Request) {
	seq := req.CSeq().SeqNo
	d.mu.Lock()
	wait := d.waits[seq]
	delete(d.waits, seq)
	local := d.localSDP()
	d.mu.Unlock()
	if wait == nil {
		return // a copy
	}
	close(wait.acked)
	d.confirm()
	if !wait.offered {
		return
	}
	m, err := accept(req, local)
	if err != nil {
		d.s.cfg.Log.Info("no usable answer to our offer", "call", d.callID, "error", clean(err.Error()))
		d.finish(media.Ending{By: media.ByError, Reason: d.unanswered(err, "no_answer")}, true)
		return
	}
	d.agree(&m)
}

// accept reads the answer to our offer out of an ACK or a response.
func accept(msg message, local sdp.Local) (sdp.Media, error) {
	body, refused := sdpOf(msg)
	if refused.status != 0 {
		return sdp.Media{}, errors.New(refused.reason)
	}
	desc, err := sdp.Parse(body)
	if err != nil {
		return sdp.Media{}, err //nolint:wrapcheck // logged where it is used
	}
	return sdp.Accept(desc, local) //nolint:wrapcheck // logged where it is used
}

// repeat sends our 200 again until the peer acknowledges it, over TCP too since a proxy on the way may speak UDP
// further on (RFC 3261 section 13.3.1.4). A peer that never does is told BYE.
func (d *dialog) repeat(tx *sip.ServerTx, res *sip.Response, wait *ackWait) {
	defer d.s.recovered("answer", func() { d.finish(media.Ending{By: media.ByError, Reason: "panic"}, true) })
	pause := d.s.timing.t1
	next, limit := time.NewTimer(pause), time.NewTimer(d.s.timing.ackLimit)
	defer next.Stop()
	defer limit.Stop()
	for {
		select {
		case <-wait.acked:
			return
		case <-d.told:
			return
		case req := <-tx.Acks(): // with the INVITE's branch, as before RFC 3261
			d.acknowledged(req)
		case <-next.C:
			pause = min(2*pause, d.s.timing.t2)
			next.Reset(pause)
			_ = tx.Respond(res) // a transport that fails now may be back the next time
		case <-limit.C:
			d.confirm()
			d.finish(media.Ending{By: media.ByError, Reason: "no_ack"}, true)
			return
		case <-d.s.quit:
			return
		}
	}
}
