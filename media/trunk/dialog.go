package trunk

import (
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/media/sdp"
	"holdfast/tenants/routing"
)

// twice is how soon the same key over both ways (RFC 4733 and INFO) is one press: some peers send both.
const twice = 400 * time.Millisecond

// dialog is one answered call: RFC 3261 section 12 beside an rtp.Session. It implements media.Leg and media.Keypad.
type dialog struct {
	s         *Server
	id        dialogID
	invite    inviteID
	callID    string   // ours, of X-Holdfast-Call
	transport string   // "UDP", "TCP", "TLS"
	trunk     string   // its name; until a call of ours is answered under mu, for it changes with each that is tried
	sips      bool     // the INVITE asked for TLS all the way
	source    string   // HOST:PORT the INVITE came from
	phone     *binding // the peer, where it is a registered telephone: it is reached at source alone, whatever it says
	us, them  sip.Uri
	usName    string
	themName  string
	routes    []sip.Uri      // the route set, fixed by the INVITE
	carrier   *routing.Trunk // of a call of ours: whose challenges we answer; nil: nobody's
	session   *rtp.Session
	events    events

	mu        sync.Mutex
	target    sip.Uri // where requests of ours go; the peer may change it
	remoteSeq uint32  // highest CSeq of the peer
	localSeq  uint32  // last CSeq of ours
	sdpID     uint64
	version   uint64
	described []byte          // our description as it was said the last time
	eventIn   uint8           // payload type under which the peer sends us keys; 0: none
	secure    sdp.Secure      // whether and how media is encrypted
	said      media.EventKind // Encrypted or InClear, whichever was told last
	held      bool
	ended     bool
	changing  bool // a change of the peer's is being looked at
	asking    bool // a change of ours is out
	updates   bool // the peer takes UPDATE
	life      lifetime
	kicked    bool                // the peer was asked for its media anew
	quiet     bool                // nothing is heard of the peer, which is asked for signs of life
	watched   bool                // it is asked for signs of life
	waits     map[uint32]*ackWait // our 200s that the peer has not acknowledged, by CSeq
	lastKey   byte
	lastKeyAt time.Time
	lastInfo  bool // the last key came by INFO

	informing sync.Mutex    // keys by INFO go one after another
	leave     func()        // tells the peer that we are going
	confirm   func()        // closes ackSeen, once
	ackSeen   chan struct{} // the first ACK came, or will never come
	done      chan struct{} // the leg is over and its ports are free
	told      chan struct{} // nothing is left to say to the peer
}

// newDialog makes the dialog that our 200 to in will open (RFC 3261 section 12.1.1).
func (s *Server) newDialog(in *incoming, callID string, session *rtp.Session) *dialog {
	req := in.req
	local, _ := req.To().Params.Get("tag")
	d := &dialog{
		s: s, id: dialogID{in.id.callID, local, in.id.from}, invite: in.id, callID: callID,
		transport: req.Transport(), source: req.Source(), trunk: in.trunk.Name, sips: askedForTLS(req),
		secure: secureOf(in.trunk, req.Transport()),
		us:     *req.To().Address.Clone(), usName: req.To().DisplayName,
		them: *req.From().Address.Clone(), themName: req.From().DisplayName,
		session: session, remoteSeq: req.CSeq().SeqNo, sdpID: uint64(s.cfg.Now().UnixMicro()), //nolint:gosec // after 1970
	}
	d.prepare()
	d.leave = d.bye
	for _, h := range req.GetHeaders("Record-Route") {
		if rr, ok := h.(*sip.RecordRouteHeader); ok && len(d.routes) < maxOfKind {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	d.setTarget(req)
	return d
}

// prepare makes what a dialog waits by.
func (d *dialog) prepare() {
	d.waits, d.ackSeen = make(map[uint32]*ackWait), make(chan struct{})
	d.done, d.told = make(chan struct{}), make(chan struct{})
	d.confirm = sync.OnceFunc(func() { close(d.ackSeen) })
}

// setTarget takes the peer's Contact; without one, requests go back to where the INVITE came from.
func (d *dialog) setTarget(msg message) {
	if c := msg.Contact(); c != nil && c.Address.Host != "" && (c.Address.Scheme == "sip" || c.Address.Scheme == "sips") {
		d.target = *c.Address.Clone()
	} else if d.target.Host == "" {
		host, port, _ := sip.ParseAddr(d.source)
		d.target = sip.Uri{Scheme: "sip", Host: host, Port: port}
	}
}

// add makes the dialog known, and with it the first 200 that waits for an ACK.
func (s *Server) add(d *dialog, seq uint32, offered bool) (*ackWait, error) {
	wait := d.expect(seq, offered)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errStopped
	}
	s.dialogs[d.id] = d
	return wait, nil
}

// remove forgets the dialog: whatever comes for it gets 481.
func (s *Server) remove(d *dialog) {
	s.mu.Lock()
	delete(s.dialogs, d.id)
	s.mu.Unlock()
}

// localSDP is our side as it is now. The caller holds d.mu.
func (d *dialog) localSDP() sdp.Local {
	return sdp.Local{Addr: d.session.Addr(), SessionID: d.sdpID, Version: d.version, Secure: d.secure}
}

// takeSeq takes the CSeq of a request of the peer, unless it is not higher than the last.
func (d *dialog) takeSeq(seq uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq <= d.remoteSeq {
		return false
	}
	d.remoteSeq = seq
	return true
}

// request takes a BYE, UPDATE or INFO of the peer.
func (d *dialog) request(req *sip.Request, tx *sip.ServerTx) {
	if req.Method == sip.BYE {
		d.s.reply(req, tx, success)
		d.finish(media.Ending{By: media.ByPeer, Reason: "bye"}, false)
		return
	}
	if req.Method == sip.UPDATE {
		d.update(req, tx)
		return
	}
	if d.over() {
		d.s.reply(req, tx, noSuchCall)
		return
	}
	kind, _ := contentType(req)
	key, known := digitOf(kind, req.Body())
	switch {
	case !known && len(req.Body()) > 0:
		d.s.reply(req, tx, answer{status: 415, reason: "Unsupported Media Type", headers: []sip.Header{sip.NewHeader("Accept", infoTypes)}})
		return
	case key != 0:
		d.pressed(media.Event{Kind: media.Digit, At: d.s.cfg.Now(), Digit: key}, true)
	}
	d.s.reply(req, tx, success)
}

// trunkName is the trunk that the call goes over, or tries just now.
func (d *dialog) trunkName() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trunk
}

func (d *dialog) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended
}

// fromMedia passes on what the media engine noticed.
func (d *dialog) fromMedia(ev media.Event) {
	switch ev.Kind {
	case media.Ended:
		d.finish(ev.Ending, true)
	case media.Unheard, media.Hushed:
		d.unheard(ev)
	case media.Silent:
		d.quieten(ev)
	case media.Audible:
		d.audible(ev)
	case media.Digit:
		d.pressed(ev, false)
	default:
		d.events.tell(ev)
	}
}

// pressed tells of a key once, though the peer may send it both ways.
func (d *dialog) pressed(ev media.Event, info bool) {
	d.mu.Lock()
	again := d.lastKey == ev.Digit && d.lastInfo != info && ev.At.Sub(d.lastKeyAt) < twice
	d.lastKey, d.lastInfo, d.lastKeyAt = ev.Digit, info, ev.At
	if again {
		d.lastKey = 0
	}
	d.mu.Unlock()
	if !again {
		d.events.tell(ev)
	}
}

// finish ends the leg, once: ports, event, Done, and a BYE if the peer does not know.
func (d *dialog) finish(e media.Ending, tell bool) {
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return
	}
	d.ended = true
	d.life.stop()
	d.mu.Unlock()
	d.s.spawn(func() {
		defer d.s.recovered("end of call", nil)
		defer close(d.told)
		d.session.Drain() // a BYE may overtake what was said before it
		d.session.Close()
		close(d.done)
		d.s.missed(d.phone, e)
		d.tellEnd(e)
		if tell {
			d.leave()
		}
		d.confirm()
		d.s.remove(d)
		d.s.passInvite(d.invite)
	})
}

// tellEnd tells the listener; one that panics must not keep the peer from its BYE.
func (d *dialog) tellEnd(e media.Ending) {
	defer d.s.recovered("listener", nil)
	d.events.tell(media.Event{Kind: media.Ended, At: d.s.cfg.Now(), Ending: e})
}

// Audio plays a frame to the caller.
func (d *dialog) Audio(f media.Frame) { d.session.Audio(f) }

// Receive says where the caller's audio goes.
func (d *dialog) Receive(to media.Sink) { d.session.Receive(to) }

// Listen says who is told of the leg's events.
func (d *dialog) Listen(fn func(media.Event)) { d.events.listen(fn) }

// Hangup ends the call; the peer gets a BYE, after its ACK if that is still missing.
func (d *dialog) Hangup(e media.Ending) { d.finish(e, true) }

// Done is closed when the leg is over and its ports are free.
func (d *dialog) Done() <-chan struct{} { return d.done }

// Stats returns what the media engine counted.
func (d *dialog) Stats() media.Stats { return d.session.Stats() }
