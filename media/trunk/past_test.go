package trunk

import (
	"strconv"
	"testing"
	"time"
)

func TestAnINVITEOfACallThatIsOverIsKnownForAWhileAndCostsLittle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	p := newPast()
	id := func(n int) inviteID { return inviteID{callID: "call-" + strconv.Itoa(n), from: "tag", seq: 1} }
	p.add(id(0), now)
	if p.has(id(1), now) || p.has(inviteID{callID: "call-0", from: "tag", seq: 2}, now) {
		t.Error("an INVITE that never came is known")
	}
	for _, later := range []time.Duration{time.Second, 9 * time.Minute, 10 * time.Minute} {
		if !p.has(id(0), now.Add(later)) {
			t.Errorf("after %v it is new", later)
		}
	}
	if p.has(id(0), now.Add(21*time.Minute)) {
		t.Error("it is known for ever")
	}
	now = now.Add(time.Hour)
	for n := range 5 * pastMost {
		p.add(id(n), now)
	}
	if known := len(p.young) + len(p.old); known > 2*pastMost {
		t.Errorf("%d are known", known)
	}
	if !p.has(id(4*pastMost), now) || p.has(id(pastMost), now) {
		t.Error("not the newest are known")
	}
}
