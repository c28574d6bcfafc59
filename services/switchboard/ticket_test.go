package switchboard

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"holdfast/services/ticket"
	"holdfast/tenants"
)

// pad is what messages would be written on: it only notes for whom it was opened.
type pad struct {
	mu    sync.Mutex
	notes []string
}

func (p *pad) Joined(o ticket.Origin, _ tenants.OperatorID, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, fmt.Sprintf("%s for %s, %s", name, o.AccountName, o.Caller))
}

func (p *pad) Over(tenants.CallID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, "over")
}

func (p *pad) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%q", p.notes)
}

func TestEveryConnectedCallerHasAMessageAndTheNextOperatorGetsTheSame(t *testing.T) {
	inHouse(t, func(h *house) {
		p := &pad{}
		h.board.cfg.Tickets = p
		ada := h.ready("ada")
		c := h.dial(lakeside)
		ada.accept()
		ben := h.ready("ben")
		ada.seat.Leave()
		h.pass(12 * time.Second)
		ben.accept()
		c.leg.Leave()
		h.pass(time.Second)
		want := `["Ada Novak for Lakeside Cardiology, +16085550177" "Ben Ito for Lakeside Cardiology, +16085550177" "over"]`
		if got := p.String(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	})
}
