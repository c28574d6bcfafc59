package trunk

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/tenants/routing"
)

// Errors of Answer beside those of package media.
var (
	// ErrDecided says that the call was answered or refused before.
	ErrDecided = errors.New("the call was decided before")
	// ErrCallID says that a call id would break the header it goes into.
	ErrCallID = errors.New("the call id is not fit for a header")
)

// incoming is an INVITE that waits for our decision. It implements media.Incoming.
type incoming struct {
	s      *Server
	req    *sip.Request
	tx     *sip.ServerTx
	id     inviteID
	trunk  routing.Trunk
	offer  []byte // the caller's SDP; nil: we make the offer
	invite *media.Invite

	decided   atomic.Bool
	cancelled atomic.Bool
	gone      chan struct{}
}

// Invite returns what the INVITE said.
func (in *incoming) Invite() *media.Invite { return in.invite }

// Gone is closed when the caller cancelled before we answered.
func (in *incoming) Gone() <-chan struct{} { return in.gone }

// cancel is told of a CANCEL that came before our decision. sipgo calls it inside the transaction, which has sent the
// 487 or is about to: an answer that comes now changes nothing any more, and one that came before kept us from here.
func (in *incoming) cancel() {
	if !in.cancelled.Swap(true) {
		close(in.gone)
		if in.decide() {
			in.s.passInvite(in.id)
		}
		in.s.crowd.decided(in.req)
	}
}

// decide takes the decision; only the first has it.
func (in *incoming) decide() bool {
	if in.decided.Swap(true) {
		return false
	}
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	delete(in.s.undecided, in)
	return true
}

// wait notes that in waits for a decision.
func (s *Server) wait(in *incoming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undecided[in] = struct{}{}
}

// waiting is how many INVITEs wait for a decision.
func (s *Server) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.undecided)
}

// Refuse sends a final failure. Reasons are cut to what a status line may hold; statuses that are none become 500.
func (in *incoming) Refuse(status int, reason string) {
	if !in.decide() {
		return
	}
	in.refuse(status, reason)
}

func (in *incoming) refuse(status int, reason string) {
	defer in.s.crowd.decided(in.req)
	if status < 300 || status > 699 {
		status = 500
	}
	a := answer{status: status, reason: clean(reason)}
	if status == unavailable.status {
		a.headers = unavailable.headers
	}
	in.s.forgetInvite(in.id) // before: what follows the refusal may be quick
	in.s.reply(in.req, in.tx, a)
}

// Answer opens media and sends the 200.
func (in *incoming) Answer(callID string) (media.Leg, error) {
	if callID == "" || len(callID) > maxText || strings.ContainsFunc(callID, unfit) {
		return nil, ErrCallID
	}
	if !in.decide() {
		if in.cancelled.Load() {
			return nil, media.ErrGone
		}
		return nil, ErrDecided
	}
	defer in.s.crowd.decided(in.req)
	from := in.trunk.Media
	if len(from) == 0 {
		from = in.trunk.Signal
	}
	session, err := in.s.cfg.Media.Open(from)
	if err != nil {
		in.refuse(503, "No Media Port")
		return nil, fmt.Errorf("answer %s: %w", callID, err)
	}
	session.Await(in.trunk.Encryption != routing.EncryptionOff)
	leg, err := in.answer(callID, session)
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("answer %s: %w", callID, err)
	}
	return leg, nil
}

// unfit says whether a character may not stand in a call id, which goes into a header and a URI as it is.
func unfit(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.'
}

func (in *incoming) answer(callID string, session *rtp.Session) (*dialog, error) {
	d := in.s.newDialog(in, callID, session)
	body, agreed, err := d.negotiate(in.offer)
	if err != nil {
		in.refuse(badMedia.status, badMedia.reason)
		return nil, err
	}
	d.agree(agreed)
	wait, err := in.s.add(d, in.req.CSeq().SeqNo, in.offer == nil)
	if err != nil {
		in.refuse(unavailable.status, unavailable.reason)
		return nil, err
	}
	w := wishOf(in.req)
	t := w.grant()
	res := d.okWith(in.req, body, t.headers(w)...)
	err = in.tx.Respond(res)
	if in.cancelled.Load() {
		err = media.ErrGone
	} else if err != nil {
		err = fmt.Errorf("%w: %w", media.ErrGone, err)
	}
	if err != nil {
		in.s.remove(d)
		in.s.passInvite(in.id)
		return nil, err
	}
	d.learn(in.req)
	d.lasts(t)
	session.Listen(d.fromMedia)
	in.s.spawn(func() { d.repeat(in.tx, res, wait) })
	return d, nil
}

// forgetInvite ends what is kept of an INVITE that was refused: nobody heard it ring. A proxy that sends it anew by another way, or
// with a description that we can speak, has not been here.
func (s *Server) forgetInvite(id inviteID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.invites, id)
}

// passInvite ends what is kept of an INVITE that was answered or cancelled, but for its name: a copy by another path may still be
// under way, or be sent again later.
func (s *Server) passInvite(id inviteID) {
	if id == (inviteID{}) {
		return // a call that we placed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.invites, id)
	s.past.add(id, s.cfg.Now())
}
