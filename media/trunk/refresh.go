package trunk

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
)

// refreshPause is how long after a refresh that came to nothing the next is tried.
const refreshPause = 10 * time.Second

// lifetime is the session timer of a dialog, under its lock.
type lifetime struct {
	term
	least       int // Min-SE that a 422 asked for
	wake, death *time.Timer
	asked       uint64 // counts agreements: a timer of an earlier one does nothing
}

func (l *lifetime) stop() {
	l.asked++
	for _, t := range []*time.Timer{l.wake, l.death} {
		if t != nil {
			t.Stop()
		}
	}
}

// lasts begins the session's time anew: a sign of life was given just now.
func (d *dialog) lasts(t term) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life.stop()
	d.life.term = t
	if t.seconds == 0 || d.ended {
		return
	}
	d.life.death = time.AfterFunc(t.endAt(d.s.timing.second), func() {
		d.s.cfg.Log.Info("nobody refreshed the session", "call", d.callID, "seconds", t.seconds)
		d.finish(media.Ending{By: media.ByError, Reason: "session_expired"}, true)
	})
	if t.ours {
		d.wakeIn(t.refreshAt(d.s.timing.second))
	}
}

// wakeIn refreshes after a while, unless a new agreement comes first. The caller holds d.mu.
func (d *dialog) wakeIn(after time.Duration) {
	turn := d.life.asked
	d.life.wake = time.AfterFunc(after, func() {
		d.s.spawn(func() {
			defer d.s.recovered("refresh", nil)
			d.refresh(turn)
		})
	})
}

// refresh gives the peer a sign of life and asks for one. What fails is tried again until the session's time is over; only a
// peer that knows nothing of the call ends it at once (RFC 4028 section 10).
func (d *dialog) refresh(turn uint64) {
	d.mu.Lock()
	least, stale := d.life.least, turn != d.life.asked
	d.mu.Unlock()
	if stale || d.over() {
		return
	}
	status := d.sign(d.s.timing.ackLimit)
	d.s.cfg.Log.Debug("session refreshed", "call", d.callID, "status", status)
	if status == noSuchCall.status {
		d.finish(media.Ending{By: media.ByError, Reason: "session_expired", Status: status}, true)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if turn != d.life.asked {
		return // it went well, or the peer was faster
	}
	pause := refreshPause * d.s.timing.second / time.Second
	switch status {
	case statusGlare:
		pause = glarePause(d.id.local < d.id.remote) * d.s.timing.second / time.Second
	case 0: // a middle that drops UPDATE may know re-INVITE
		d.updates = false
	case 422:
		if d.life.least > least { // with what it asks for, then; if that is refused too, later
			pause = 0
		}
	}
	d.wakeIn(pause)
}

const statusGlare = 491

// glarePause is how long after a 491 to try again: one side in ten milliseconds up to two seconds, the other after it, so that
// they do not meet for ever (RFC 3261 section 14.1). The RFC goes by who made the Call-ID; any order will do that both sides
// do not share.
func glarePause(first bool) time.Duration {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	chance := time.Duration(binary.BigEndian.Uint16(b[:]))
	if first {
		return chance % 200 * 10 * time.Millisecond
	}
	return 2100*time.Millisecond + chance%190*10*time.Millisecond
}

// sendUpdate asks the peer for a sign of life without speaking of media; 0: nothing came.
func (d *dialog) sendUpdate(headers []sip.Header, limit time.Duration) int {
	req := d.newRequest(sip.UPDATE)
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	req.AppendHeader(sip.NewHeader("Supported", "timer"))
	for _, h := range headers {
		req.AppendHeader(h)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	res, err := d.exchange(ctx, req)
	if err != nil {
		return 0
	}
	return d.outcome(res)
}

// outcome takes what a final response to a refresh means for the session's time.
func (d *dialog) outcome(res *sip.Response) int {
	switch {
	case res.StatusCode == 422:
		d.mu.Lock()
		d.life.least = max(shortestSession, min(wishOf(res).least, longestLeast))
		d.mu.Unlock()
	case res.IsSuccess():
		d.mu.Lock()
		before := d.life.term
		d.setTarget(res)
		d.mu.Unlock()
		d.learn(res)
		d.lasts(wishOf(res).accepted(before))
	}
	return res.StatusCode
}

// longestLeast bounds the Min-SE that we obey: a day.
const longestLeast = 24 * 60 * 60

// sendInvite says again what we said of our side the last time: nothing changes, and the peer must say that it is there and
// where its media is. 0: nothing came.
func (d *dialog) sendInvite(headers []sip.Header, limit time.Duration) int {
	d.mu.Lock()
	if d.ended || d.changing || d.asking || len(d.waits) > 0 {
		d.mu.Unlock()
		return statusGlare
	}
	d.asking = true
	body, eventIn := d.described, d.eventIn
	local := d.localSDP()
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.asking = false
		d.mu.Unlock()
	}()
	req := d.newRequest(sip.INVITE)
	for _, h := range append([]sip.Header{
		sip.NewHeader("Allow", allowed), sip.NewHeader("Accept", sdpType), sip.NewHeader(callHeader, d.callID),
		sip.NewHeader("Supported", "timer"), sip.NewHeader("Content-Type", sdpType),
	}, headers...) {
		req.AppendHeader(h)
	}
	req.SetBody(body)
	res, err := d.inviteAgain(req, limit)
	if err == nil {
		if again := d.authorized(req, res); again != nil {
			res, err = d.inviteAgain(again, limit)
		}
	}
	if err != nil {
		d.s.cfg.Log.Info("re-INVITE not answered", "call", d.callID, "error", clean(err.Error()))
		return 0
	}
	if res.IsSuccess() {
		if m, err := accept(res, local); err == nil {
			if m.EventIn != 0 && eventIn != 0 {
				m.EventIn = eventIn // as our description says, which may have been an answer
			}
			d.agree(&m)
		}
	}
	return d.outcome(res)
}

var errNoFinal = errors.New("no final response")

// inviteAgain sends a re-INVITE, waits for its end, and acknowledges it as often as the peer asks.
func (d *dialog) inviteAgain(req *sip.Request, within time.Duration) (*sip.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := d.s.connect(ctx, d.trunkName(), req); err != nil {
		return nil, err
	}
	tx, err := d.s.tx.NewClientTransaction(context.Background(), req)
	if err != nil {
		return nil, err //nolint:wrapcheck // logged with what it was for
	}
	tx.OnRetransmission(func(res *sip.Response) {
		defer d.s.recovered("2xx", nil)
		if res.IsSuccess() {
			d.acknowledge(req)
		}
	})
	if err := tx.Init(); err != nil {
		tx.Terminate()
		return nil, err //nolint:wrapcheck // as above
	}
	for {
		select {
		case res := <-tx.Responses():
			switch {
			case res.IsProvisional():
				continue
			case res.IsSuccess():
				d.acknowledge(req)
			}
			return res, nil
		case <-tx.Done():
			return nil, errors.Join(errNoFinal, tx.Err())
		case <-ctx.Done():
			tx.Terminate()
			return nil, errNoFinal
		case <-d.done: // the BYE is on its way
			tx.Terminate()
			return nil, errNoFinal
		case <-d.s.quit:
			tx.Terminate()
			return nil, errStopped
		}
	}
}

// acknowledge sends the ACK of a 2xx to a re-INVITE of ours.
func (d *dialog) acknowledge(invite *sip.Request) {
	ack := d.build(sip.ACK, invite.CSeq().SeqNo)
	if err := d.s.write(d.trunkName(), ack); err != nil {
		d.s.cfg.Log.Info("ACK not sent", "call", d.callID, "error", clean(err.Error()))
	}
}
