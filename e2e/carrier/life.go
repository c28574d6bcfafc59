package carrier

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media/sdp"
)

// setUp dials and waits for the answer. It returns true when there is one.
func (c *Call) setUp(ctx context.Context) bool {
	invite := c.script.invite(sdp.Offer(c.local))
	c.set(func(r *Result) { r.InviteSent = time.Now() })
	if err := c.wire.send(invite); err != nil {
		c.over(ByError, fmt.Errorf("%w: %w", ErrWire, err))
		return false
	}
	pause := t1
	again := time.NewTimer(pause)
	nobody := time.NewTimer(silent)
	ring := time.NewTimer(time.Duration(c.o.Ring) * time.Second)
	defer again.Stop()
	defer nobody.Stop()
	defer ring.Stop()
	hang, ended := c.hang, ctx.Done()
	var giveUp <-chan time.Time // set when the INVITE was taken back
	takeBack := func(by EndedBy, err error) {
		c.over(by, err)
		hang, ended, giveUp = nil, nil, time.After(farewell)
		_ = c.wire.send(c.script.cancel())
	}
	for {
		select {
		case m := <-c.wire.in:
			nobody.Stop()
			switch c.response(m) {
			case progress:
				again.Stop()
			case answered:
				return true
			case refused:
				return false
			}
		case <-again.C:
			if !c.wire.reliable {
				pause *= 2
				again.Reset(pause)
				_ = c.wire.send(invite)
			}
		case <-nobody.C:
			c.over(ByError, ErrNoResponse)
			return false
		case <-ring.C:
			takeBack(ByError, ErrRing)
		case <-hang:
			takeBack(ByCaller, nil)
		case <-ended:
			takeBack(ByCaller, nil)
		case <-giveUp:
			return false
		case <-c.wire.gone:
			c.over(ByError, ErrWire)
			return false
		}
	}
}

// step is what a message meant for the INVITE.
type step int

const (
	nothing step = iota
	progress
	answered
	refused
)

// response takes a message while the INVITE is open.
func (c *Call) response(m sip.Message) step {
	res, ok := m.(*sip.Response)
	if !ok || res.CSeq() == nil || res.CSeq().MethodName != sip.INVITE || res.To() == nil || !c.ours(m) {
		return nothing
	}
	switch {
	case res.IsProvisional():
		return progress
	case !res.IsSuccess():
		_ = c.wire.send(c.script.ackRefusal(res))
		c.set(func(r *Result) {
			r.SIPStatus = res.StatusCode
			if h := res.GetHeader("Retry-After"); h != nil {
				r.RetryAfter = h.Value()
			}
		})
		c.over(ByServer, nil)
		return refused
	}
	c.script.answered(res)
	_ = c.wire.send(c.script.ack())
	now := time.Now()
	c.set(func(r *Result) {
		r.SIPStatus, r.AnsweredAt = res.StatusCode, now
		r.AnswerMS = max(1, now.Sub(r.InviteSent).Milliseconds())
		if h := res.GetHeader("X-Holdfast-Call"); h != nil {
			r.CallID = h.Value()
		}
	})
	if err := c.agree(res.Body()); err != nil {
		c.over(ByError, err) // talk hangs up at once
	}
	return answered
}

// ours says whether a message belongs to this call.
func (c *Call) ours(m sip.Message) bool {
	return m.CallID() != nil && m.CallID().Value() == c.script.callID
}

// agree reads the node's SDP and starts media.
func (c *Call) agree(body []byte) error {
	desc, err := sdp.Parse(body)
	if err != nil {
		return fmt.Errorf("the node's answer: %w", err)
	}
	m, err := sdp.Accept(desc, c.local)
	if err != nil {
		return fmt.Errorf("the node's answer: %w", err)
	}
	c.follow(m)
	c.set(func(r *Result) { r.Encrypted = m.Crypto != nil })
	return nil
}

// follow takes what was agreed on.
func (c *Call) follow(m sdp.Media) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agreed = m
	c.session.Load().Set(m)
	c.local.Secure.Now = m.Crypto
}

// talk is the call after the answer, until one side hangs up.
func (c *Call) talk(ctx context.Context) {
	close(c.answered)
	c.workers.Go(func() { c.mouth.talk(c, c.talking) })
	c.workers.Go(c.press)
	if c.o.OnAnswered != nil {
		c.o.OnAnswered(c)
	}
	if c.Result().EndedBy != "" {
		c.goodbye()
		return
	}
	limit := time.NewTimer(time.Duration(c.o.Seconds) * time.Second)
	defer limit.Stop()
	for {
		select {
		case m := <-c.wire.in:
			if c.within(m) {
				return
			}
			continue
		case <-limit.C:
		case <-c.hang:
		case <-ctx.Done():
		case <-c.vanish:
			c.over(ByCaller, nil)
			return
		case <-c.wire.gone:
			c.over(ByError, ErrWire)
			return
		}
		c.over(ByCaller, nil)
		c.goodbye()
		return
	}
}

// within takes a message within the call. It returns true when the node has hung up.
func (c *Call) within(m sip.Message) bool {
	if !c.ours(m) {
		return false
	}
	req, ok := m.(*sip.Request)
	if !ok { // our ACK was lost, and the 200 comes again
		if res, ok := m.(*sip.Response); ok && res.IsSuccess() && res.CSeq() != nil && res.CSeq().MethodName == sip.INVITE {
			_ = c.wire.send(c.script.ack())
		}
		return false
	}
	switch req.Method {
	case sip.BYE:
		_ = c.wire.send(reply(req, 200, "OK", nil))
		c.over(ByServer, nil)
		return true
	case sip.ACK:
	case sip.INVITE:
		c.reinvited(req)
	case sip.INFO, sip.OPTIONS:
		_ = c.wire.send(reply(req, 200, "OK", nil))
	default:
		_ = c.wire.send(reply(req, 405, "Method Not Allowed", nil))
	}
	return false
}

// reinvited follows the node to another address. A re-INVITE without SDP is none that a node of ours sends.
func (c *Call) reinvited(req *sip.Request) {
	desc, err := sdp.Parse(req.Body())
	if err != nil {
		_ = c.wire.send(reply(req, 488, "Not Acceptable Here", nil))
		return
	}
	c.local.Version++
	if c.local.Secure.Now != nil {
		c.local.Secure.Keys = sdp.NewKeys()
	}
	body, m, err := sdp.Answer(desc, c.local)
	if err != nil {
		_ = c.wire.send(reply(req, 488, "Not Acceptable Here", nil))
		return
	}
	c.follow(m)
	c.set(func(r *Result) { r.Asked++ })
	_ = c.wire.send(reply(req, 200, "OK", body,
		sip.NewHeader("Contact", c.script.contact()), sip.NewHeader("Content-Type", "application/sdp")))
}

// goodbye sends a BYE until it is answered, or long enough.
func (c *Call) goodbye() {
	bye := c.script.bye()
	_ = c.wire.send(bye)
	limit := time.After(farewell)
	pause := t1
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case m := <-c.wire.in:
			if res, ok := m.(*sip.Response); ok && res.CSeq() != nil && res.CSeq().MethodName == sip.BYE && !res.IsProvisional() {
				return
			}
			if c.within(m) {
				return // both hung up at once
			}
		case <-again.C:
			pause = min(2*pause, t2)
			again.Reset(pause)
			if !c.wire.reliable {
				_ = c.wire.send(bye)
			}
		case <-limit:
			return
		case <-c.wire.gone:
			return
		}
	}
}

// press presses keys as they are asked for.
func (c *Call) press() {
	if c.o.DTMF != "" {
		c.pressAll(c.o.DTMF)
	}
	for {
		select {
		case keys := <-c.keys:
			c.pressAll(keys)
		case <-c.talking:
			return
		}
	}
}

func (c *Call) pressAll(keys string) {
	for _, key := range strings.ToUpper(keys) {
		wait := comma
		if key != ',' {
			wait = keyStep
			c.session.Load().SendDigit(byte(key), keyMS) //nolint:gosec // checked to be one of the keys
		}
		select {
		case <-time.After(wait):
		case <-c.talking:
			return
		}
	}
}
