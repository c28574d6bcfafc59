package switchboard

import (
	"testing"
	"time"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/tenants/routing"
)

// dialledOn calls the load generators' user "bridge".
func (h *house) dialledOn() (*caller, *handset) {
	h.home.Tenant, h.home.Accounts[0].ID, h.home.Numbers[0] = benchTenant, "bridge", routing.Number{E164: "bridge", Account: "bridge"}
	c := h.dial("bridge")
	return c, h.line.newest()
}

func TestACallToBridgeIsAnsweredOnceTheFarEndIsAndTheTwoHearEachOther(t *testing.T) {
	inHouse(t, func(h *house) {
		c, far := h.dialledOn()
		if c.id != "" || h.line.to[0].To != call.BridgeTo || h.line.to[0].From != "+16085550177" {
			t.Errorf("answered as %q before the far end, which was dialled as %+v", c.id, h.line.to[0])
		}
		far.Emit(media.Event{Kind: media.Ringing})
		far.Emit(media.Event{Kind: media.Connected})
		h.pass(0)
		h.hears(map[string]string{"caller": "far", "far": "caller"}, party{"caller", 440, c.leg}, party{"far", 700, far.Leg})
		h.pass(time.Minute)
		c.leg.Leave()
		h.pass(0)
		if s := h.story(c); s.Result != call.Answered || far.Ending().By != media.ByServer {
			t.Errorf("%s, the far end: %+v", s.Result, far.Ending())
		}
	})
}

func TestACallToBridgeWhoseFarEndDoesNotAnswerIsRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		c, far := h.dialledOn()
		far.Hangup(media.Ending{By: media.ByPeer, Reason: media.EndedBusy})
		h.pass(0)
		if c.id != "" || c.refused != 503 {
			t.Errorf("answered %q, refused %d", c.id, c.refused)
		}
	})
}
