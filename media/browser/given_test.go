package browser

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"holdfast/media"
)

// TestALegThatHasEndedIsForgotten looks at what nobody may hold: an operator's keys and buffers, once the duty is over.
func TestALegThatHasEndedIsForgotten(t *testing.T) {
	e := start(t)
	gone := func() weak.Pointer[Leg] {
		page := newPage(t)
		leg, _ := connect(t, e, page)
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "went_home"})
		<-leg.Done()
		page.close()
		return weak.Make(leg.(*Leg))
	}()
	connect(t, e, newPage(t)) // whose checks let the reader forget others' addresses
	limit := time.After(bar)
	look := time.NewTicker(tick)
	defer look.Stop()
	for gone.Value() != nil {
		select {
		case <-look.C:
			runtime.GC()
		case <-limit:
			t.Fatal("somebody holds a leg that has ended")
		}
	}
}
