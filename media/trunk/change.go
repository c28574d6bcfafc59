package trunk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
)

// pending refuses a change while one of ours is under way (RFC 3261 section 14.2, RFC 3311 section 5.2).
var pending = answer{status: 491, reason: "Request Pending"}

// crowded refuses a change while another of the peer's is being looked at; it shall come again after a moment of chance.
func crowded() answer {
	after := 0
	if n, err := rand.Int(rand.Reader, big.NewInt(11)); err == nil {
		after = int(n.Int64())
	}
	return answer{status: 500, reason: "Server Internal Error", headers: []sip.Header{sip.NewHeader("Retry-After", strconv.Itoa(after))}}
}

// reinvite takes a change of the call: hold, resume, another address, a sign of life, or the question for our offer.
func (d *dialog) reinvite(req *sip.Request, tx *sip.ServerTx) {
	res, wait, refused := d.change(req, true)
	if refused.status != 0 {
		d.s.reply(req, tx, refused)
		return
	}
	if err := tx.Respond(res); err != nil {
		d.s.cfg.Log.Debug("answer to re-INVITE not sent", "call", d.callID, "error", clean(err.Error()))
	}
	d.s.spawn(func() { d.repeat(tx, res, wait) })
}

// update takes an UPDATE (RFC 3311): the same changes without an ACK, and mostly nothing but a sign of life.
func (d *dialog) update(req *sip.Request, tx *sip.ServerTx) {
	res, _, refused := d.change(req, false)
	if refused.status != 0 {
		d.s.reply(req, tx, refused)
		return
	}
	if err := tx.Respond(res); err != nil {
		d.s.cfg.Log.Debug("answer to UPDATE not sent", "call", d.callID, "error", clean(err.Error()))
	}
}

// change looks at a change when no other is looked at, and gives the 200 to send or why not. With the 200 to an INVITE comes
// the wait for its ACK.
func (d *dialog) change(req *sip.Request, invite bool) (*sip.Response, *ackWait, answer) {
	if refused := d.claim(invite || len(req.Body()) > 0); refused.status != 0 {
		return nil, nil, refused
	}
	defer d.unclaim()
	res, refused := d.changed(req, invite)
	if refused.status != 0 || !invite {
		return res, nil, refused
	}
	return res, d.expect(req.CSeq().SeqNo, len(req.Body()) == 0), answer{}
}

// claim lets one change in at a time, and none that speaks of media while an offer of ours is out.
func (d *dialog) claim(media bool) answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ended:
		return noSuchCall
	case media && (d.asking || d.offering()):
		return pending
	case d.changing:
		return crowded()
	}
	d.changing = true
	return answer{}
}

func (d *dialog) unclaim() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changing = false
}

// changed does what a re-INVITE or UPDATE asks and builds the 200; a refusal leaves the call as it was. Without a description
// an INVITE asks for our offer, and an UPDATE says nothing of media.
func (d *dialog) changed(req *sip.Request, invite bool) (*sip.Response, answer) {
	w := wishOf(req)
	if refused := w.tooShort(); refused.status != 0 {
		return nil, refused
	}
	offer, refused := sdpOf(req)
	if refused.status != 0 {
		return nil, refused
	}
	var body []byte
	if invite || offer != nil {
		var agreed *sdp.Media
		var err error
		if body, agreed, err = d.negotiate(offer); err != nil {
			return nil, badMedia
		}
		d.agree(agreed)
	}
	d.mu.Lock()
	d.setTarget(req)
	d.mu.Unlock()
	d.learn(req)
	t := w.grant()
	d.lasts(t)
	return d.okWith(req, body, t.headers(w)...), answer{}
}

// learn notes whether the peer takes UPDATE; a message that does not say changes nothing.
func (d *dialog) learn(msg message) {
	methods := tokens(msg, "Allow")
	if len(methods) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.updates = slices.Contains(methods, "update")
}

// okWith builds a 200 with our description, if there is one.
func (d *dialog) okWith(req *sip.Request, body []byte, more ...sip.Header) *sip.Response {
	headers := append([]sip.Header{
		sip.NewHeader(callHeader, d.callID), d.contact(),
		sip.NewHeader("Allow", allowed), sip.NewHeader("Accept", sdpType),
	}, more...)
	if body != nil {
		headers = append(headers, sip.NewHeader("Content-Type", sdpType))
	}
	res := d.s.response(req, answer{status: 200, reason: "OK", headers: headers})
	res.SetBody(body)
	return res
}

// negotiate answers the peer's offer, or makes ours when there is none (then the outcome comes with the ACK).
func (d *dialog) negotiate(offer []byte) (body []byte, agreed *sdp.Media, err error) {
	d.mu.Lock()
	if d.secure.Now != nil && offer != nil {
		d.secure.Keys = sdp.NewKeys() // in case the peer changes its own
	}
	local := d.localSDP()
	d.mu.Unlock()
	local.Version++
	if offer == nil && local.Secure.Policy == sdp.Require && local.Secure.Keys == nil {
		return nil, nil, d.refused(sdp.ErrClear)
	}
	if offer == nil {
		d.describe(sdp.Offer(local), local.Version)
		return d.description(), nil, nil
	}
	desc, err := sdp.Parse(offer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", media.ErrNoCodec, err)
	}
	body, m, err := sdp.Answer(desc, local)
	switch {
	case errors.Is(err, sdp.ErrClear):
		return nil, nil, d.refused(err)
	case errors.Is(err, media.ErrNoCodec):
		return nil, nil, err
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", media.ErrNoCodec, err)
	}
	d.describe(body, local.Version)
	return body, &m, nil
}

// describe keeps what we say of our side from now on; description is what we said the last time.
func (d *dialog) describe(body []byte, version uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.described, d.version = body, version
}

func (d *dialog) description() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.described
}

// agree puts a negotiation's outcome to work and tells when the peer holds us or takes us back.
func (d *dialog) agree(m *sdp.Media) {
	if m == nil {
		return
	}
	d.confine()
	d.session.Set(*m)
	d.encrypted(m.Crypto)
	held := !m.Send
	d.mu.Lock()
	changed := held != d.held
	d.held, d.eventIn = held, m.EventIn
	d.mu.Unlock()
	if !changed {
		return
	}
	kind := media.Resumed
	if held {
		kind = media.Held
	}
	d.events.tell(media.Event{Kind: kind, At: d.s.cfg.Now()})
	d.mind()
}
