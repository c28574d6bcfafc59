package trunk

import (
	"errors"
	"testing"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
)

func TestOnlyWhatTheTrunkCouldNotDoGoesToTheNext(t *testing.T) {
	t.Parallel()
	n := newNode(t, givesUpSoon)
	mute, broken, good := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.1")
	n.outward(mute, broken, good)
	leg, events := n.out(t)
	silent := mute.request(sip.INVITE)
	broken.says(broken.request(sip.INVITE), 500, "x", "")
	invite := good.request(sip.INVITE)
	good.says(invite, 200, "them", offer("", ""))
	good.request(sip.ACK)
	event(t, events, media.Connected)
	if silent.CallID().Value() == invite.CallID().Value() {
		t.Error("two trunks, one Call-ID")
	}
	mute.says(silent, 200, "late", offer("", "")) // far too late: nobody must be left in a call with nobody
	mute.request(sip.ACK)
	mute.send(okTo(mute.request(sip.BYE)))
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	good.send(okTo(good.request(sip.BYE)))

	n.outward(broken, good)
	_, events = n.out(t)
	broken.says(broken.request(sip.INVITE), 486, "x", "")
	if e := event(t, events, media.Ended).Ending; e.Reason != media.EndedBusy {
		t.Errorf("ended %+v", e)
	}
}

func TestACarrierThatReachesNobodyIsNotAPartyThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	first, second := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.1")
	n.outward(first, second)
	for _, c := range []struct {
		rings  bool
		status int
		reason string // with which it ends at once; "": the second carrier is tried
	}{
		{false, 408, ""}, {false, 500, ""}, {false, 480, media.EndedNoAnswer}, {true, 408, media.EndedNoAnswer}, {true, 500, ""},
	} {
		leg, events := n.out(t)
		invite := first.request(sip.INVITE)
		first.says(invite, 100, "", "")
		if c.rings {
			first.says(invite, 180, "x", "")
			event(t, events, media.Ringing)
		}
		first.says(invite, c.status, "x", "")
		first.request(sip.ACK)
		if c.reason != "" {
			ended(t, leg, events, c.reason, c.status)
			continue
		}
		invite = second.request(sip.INVITE)
		second.says(invite, c.status, "y", "")
		second.request(sip.ACK)
		ended(t, leg, events, media.EndedUnreachable, c.status)
	}
}

func TestACallForOneTrunkGoesToNoOther(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	other, meant := n.dial(t, "udp", "127.0.0.1"), n.dial(t, "udp", "127.0.0.1")
	n.outward(other, meant)
	to := someone
	to.To, to.Trunk = "a07", "b"
	leg, err := n.Dial(to)
	if err != nil {
		t.Fatal(err)
	}
	invite := meant.request(sip.INVITE)
	if invite.Recipient.User != "a07" || invite.From().Address.User != someone.From {
		t.Errorf("%s from %s", invite.Recipient.String(), invite.From().Value())
	}
	meant.says(invite, 503, "x", "")
	ended(t, leg, listen(leg), media.EndedUnreachable, 503)
	to.Trunk = "c"
	if _, err := n.Dial(to); !errors.Is(err, media.ErrNoRoute) {
		t.Errorf("by a trunk that does not exist: %v", err)
	}
}

func TestATrunkThatWakesUpLateIsCancelled(t *testing.T) {
	t.Parallel()
	n := newNode(t, givesUpSoon)
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	ended(t, leg, events, media.EndedUnreachable, 0)
	p.says(invite, 180, "them", "")
	cancel := p.request(sip.CANCEL)
	p.send(okTo(cancel))
	p.says(invite, 487, "them", "")
	p.request(sip.ACK)
}

func TestAWithdrawnCallIsCancelledOnceItMayBe(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	ended(t, leg, events, "hangup", 0)
	p.says(invite, 180, "them", "")
	cancel := p.request(sip.CANCEL)
	if branch, _ := cancel.Via().Params.Get("branch"); branch != branchOf(invite) || cancel.CSeq().SeqNo != invite.CSeq().SeqNo {
		t.Errorf("the CANCEL is of another INVITE: %s", cancel)
	}
	p.send(okTo(cancel))
	p.says(invite, 487, "them", "")
	p.request(sip.ACK)

	// And the race: they picked up before the CANCEL came.
	leg, events = n.out(t)
	invite = p.request(sip.INVITE)
	p.says(invite, 180, "them", "")
	event(t, events, media.Ringing)
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p.send(okTo(p.request(sip.CANCEL)))
	p.says(invite, 200, "them", offer("", ""))
	p.request(sip.ACK)
	p.send(okTo(p.request(sip.BYE)))
	ended(t, leg, events, "hangup", 0)
	waitFor(t, func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.placed) == 0 && len(n.dialogs) == 0 })
}

func branchOf(req *sip.Request) string {
	b, _ := req.Via().Params.Get("branch")
	return b
}

func TestOfAForkTheFirstWinsAndTheOthersAreHungUp(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.dial(t, "udp", "127.0.0.1")
	n.outward(p)
	leg, events := n.out(t)
	invite := p.request(sip.INVITE)
	p.says(invite, 200, "first", offer("", ""))
	p.request(sip.ACK)
	event(t, events, media.Connected)
	p.says(invite, 200, "second", offer("", ""))
	for _, method := range []sip.RequestMethod{sip.ACK, sip.BYE} {
		req := p.request(method)
		if tag, _ := req.To().Params.Get("tag"); tag != "second" {
			t.Errorf("%s to %q", method, tag)
		}
		if method == sip.BYE {
			p.send(okTo(req))
		}
	}
	select {
	case <-leg.Done():
		t.Error("the first call ended")
	default:
	}
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	bye := p.request(sip.BYE)
	if tag, _ := bye.To().Params.Get("tag"); tag != "first" {
		t.Errorf("BYE to %q", tag)
	}
	p.send(okTo(bye))
}
