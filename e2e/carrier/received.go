package carrier

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/media/sdp"
)

// Received is one call that came to an Exchange.
type Received struct {
	To, From  string // users of the request line and of From
	Name      string // shown beside From
	Asserted  string // value of P-Asserted-Identity
	CallID    string // X-Holdfast-Call
	SIPCallID string

	x       *Exchange
	plan    Plan
	invite  *sip.Request
	tag     string
	local   sdp.Local
	session *rtp.Session // nil until there is media
	ear     ear
	mouth   mouth

	talking  chan struct{} // closed to stop the mouth
	workers  sync.WaitGroup
	answered chan struct{} // the ACK of our 200 is in
	accepted sync.Once
	done     chan struct{}

	mu     sync.Mutex
	from   netip.AddrPort // of the last request
	last   string         // response to the INVITE, for copies of it
	status int            // of the final response
	seq    uint32
	keys   []byte
	by     EndedBy
}

func newReceived(x *Exchange, from netip.AddrPort, req *sip.Request, p Plan) *Received {
	r := &Received{
		To: req.Recipient.User, From: req.From().Address.User, Name: req.From().DisplayName, SIPCallID: req.CallID().Value(),
		x: x, plan: p, invite: req, tag: sip.GenerateTagN(12), from: from, seq: 1,
		talking: make(chan struct{}), answered: make(chan struct{}), done: make(chan struct{}),
		ear: ear{now: time.Now}, mouth: mouth{codec: p.Codec, tone: p.Tone, fresh: true},
	}
	if h := req.GetHeader("P-Asserted-Identity"); h != nil {
		r.Asserted = h.Value()
	}
	if h := req.GetHeader("X-Holdfast-Call"); h != nil {
		r.CallID = h.Value()
	}
	return r
}

// begin says what the plan says first.
func (r *Received) begin() {
	r.respond(100, "Trying", nil)
	if r.plan.Early {
		if body := r.open(); body != nil {
			r.respond(183, "Session Progress", body)
		}
	}
	if r.plan.Rings {
		r.respond(180, "Ringing", nil)
	}
	if !r.plan.Waits {
		r.Answer()
	}
}

// Answer sends the final response of the plan. It may be repeated.
func (r *Received) Answer() {
	r.accepted.Do(func() {
		status := cmp.Or(r.plan.Status, 200)
		if status >= 300 {
			r.respond(status, "As Planned", nil)
			r.end(ByServer)
			return
		}
		body := r.open()
		if body == nil {
			r.respond(488, "Not Acceptable Here", nil)
			r.end(ByError)
			return
		}
		r.respond(200, "OK", body)
		r.workers.Go(r.repeat)
	})
}

// open takes media by the INVITE's offer, and returns our description; the same again when that was done before.
func (r *Received) open() []byte {
	desc, err := sdp.Parse(r.invite.Body())
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.session == nil
	if r.by != "" {
		return nil
	}
	if first {
		node := r.from.Addr()
		session, err := r.x.engine.Open([]netip.Prefix{netip.PrefixFrom(node, node.BitLen())})
		if err != nil {
			return nil
		}
		r.session = session
		r.local = sdp.Local{Addr: r.session.Addr(), SessionID: rand.Uint64() >> 1, Version: 1, Codecs: []media.Codec{r.plan.Codec}}
	}
	body, m, err := sdp.Answer(desc, r.local)
	if err != nil || !first {
		return body
	}
	r.session.Receive(&r.ear)
	r.session.Listen(r.event)
	r.session.Set(m)
	r.workers.Go(func() { r.mouth.talk(r.session, r.talking) })
	return body
}

func (r *Received) event(e media.Event) {
	if e.Kind == media.Digit {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keys = append(r.keys, e.Digit)
	}
}

// repeat sends the 200 until it is acknowledged.
func (r *Received) repeat() {
	again := time.NewTicker(t1)
	defer again.Stop()
	limit := time.NewTimer(silent)
	defer limit.Stop()
	for {
		select {
		case <-r.answered:
			return
		case <-r.talking:
			return
		case <-again.C:
			r.again()
		case <-limit.C:
			r.end(ByError)
			return
		}
	}
}

func (r *Received) again() {
	r.mu.Lock()
	text, to := r.last, r.from
	r.mu.Unlock()
	if text != "" {
		r.x.send(to, text)
	}
}

// respond answers the INVITE.
func (r *Received) respond(status int, reason string, body []byte) {
	headers := []sip.Header{sip.NewHeader("Contact", r.contact())}
	if body != nil {
		headers = append(headers, sip.NewHeader("Content-Type", "application/sdp"))
	}
	res := sip.NewResponseFromRequest(r.invite, status, reason, body)
	res.To().Params.Remove("tag")
	if status > 100 {
		res.To().Params.Add("tag", r.tag)
	}
	for _, h := range headers {
		res.AppendHeader(h)
	}
	r.mu.Lock()
	r.last = res.String()
	if status >= 200 {
		r.status = status
	}
	r.mu.Unlock()
	r.again()
}

func (r *Received) contact() string { return "<sip:" + r.To + "@" + r.x.Addr() + ">" }

// take is a message of this call.
func (r *Received) take(from netip.AddrPort, m sip.Message) {
	req, asks := m.(*sip.Request)
	if !asks {
		return // to our BYE
	}
	r.mu.Lock()
	r.from = from
	status := r.status
	r.mu.Unlock()
	switch req.Method {
	case sip.INVITE:
		if req.CSeq().SeqNo == r.invite.CSeq().SeqNo {
			r.again()
			return
		}
		r.x.send(from, reply(req, 488, "Not Acceptable Here", nil)) // nobody changes a call with us
	case sip.ACK:
		if status == 200 {
			r.acked()
		}
	case sip.CANCEL:
		r.x.send(from, reply(req, 200, "OK", nil))
		if status == 0 {
			r.accepted.Do(func() { r.respond(487, "Request Terminated", nil) })
			r.end(ByCaller)
		}
	case sip.BYE:
		r.x.send(from, reply(req, 200, "OK", nil))
		r.end(ByCaller)
	case sip.INFO:
		r.x.send(from, reply(req, 200, "OK", nil))
		if _, after, found := strings.Cut(string(req.Body()), "Signal="); found && after != "" {
			r.event(media.Event{Kind: media.Digit, Digit: after[0]})
		}
	default:
		r.x.send(from, reply(req, 200, "OK", nil))
	}
}

func (r *Received) acked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.answered:
	default:
		close(r.answered)
	}
}

// end notes who ended the call, once, and stops all that it does.
func (r *Received) end(by EndedBy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by != "" {
		return
	}
	r.by = by
	close(r.talking)
	session := r.session
	go func() {
		r.workers.Wait()
		if session != nil {
			session.Close()
		}
		close(r.done)
	}()
}

// Hangup ends an answered call.
func (r *Received) Hangup() {
	r.mu.Lock()
	r.seq++
	seq, to := r.seq, r.from
	r.mu.Unlock()
	us, them := r.invite.To(), r.invite.From()
	text := fmt.Sprintf("BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=%s\r\nTo: %s\r\n"+
		"Call-ID: %s\r\nCSeq: %d BYE\r\nContent-Length: 0\r\n\r\n",
		r.invite.Contact().Address.String(), r.x.Addr(), sip.GenerateBranch(), us.Address.String(), r.tag, them.Value(), r.SIPCallID, seq)
	r.x.send(to, text)
	r.end(ByServer)
}

// Answered is closed when an answered call is acknowledged.
func (r *Received) Answered() <-chan struct{} { return r.answered }

// Done is closed when the call is over and its ports are free.
func (r *Received) Done() <-chan struct{} { return r.done }

// EndedBy is who ended it: ByCaller is Holdfast, ByServer this exchange; "" while it is not over.
func (r *Received) EndedBy() EndedBy { r.mu.Lock(); defer r.mu.Unlock(); return r.by }

// Heard says whether a tone of hz is most of what came in the last 200 ms.
func (r *Received) Heard(hz float64) bool { return r.ear.heard(hz) }

// Say speaks a tone from now on; 0 is silence.
func (r *Received) Say(hz float64) { r.mouth.say(hz) }

// Keys are the keys that were pressed at us so far.
func (r *Received) Keys() string { r.mu.Lock(); defer r.mu.Unlock(); return string(r.keys) }
