package trunk

import (
	"cmp"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/tenants/routing"
)

const (
	// usualRate is how many new calls a second a trunk may bring that has no rate of its own: more than one node answers.
	usualRate = 2000
	// burst is for how many seconds' worth of calls the room of a trunk suffices that was quiet before.
	burst = 2
)

// contract is what is left for now of what a trunk may bring: a bucket that fills at the contracted rate.
type contract struct {
	left float64
	at   time.Time
}

// bucket names a contract: a trunk's, for calls or for REGISTERs.
type bucket struct {
	trunk  string
	phones bool
}

// tooMany refuses what a trunk brings beyond its contract. The time after which it may come again is short: the bucket fills
// while it waits.
var tooMany = answer{status: 503, reason: "Too Many Calls", headers: []sip.Header{sip.NewHeader("Retry-After", "2")}}

// within takes one call from a trunk's contract; false: it has none left, so that one carrier's flood does not take the
// node from the others.
func (s *Server) within(t routing.Trunk) bool {
	return s.left(bucket{trunk: t.Name}, cmp.Or(t.Rate, usualRate), 1)
}

// left takes n, one or none, from a bucket that fills at so many a second; false: it has not even one.
func (s *Server) left(of bucket, perSecond int, n float64) bool {
	now, rate := s.cfg.Now(), float64(perSecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.contracts[of]
	if c == nil {
		c = &contract{left: rate * burst, at: now}
		s.contracts[of] = c
	}
	c.left = min(rate*burst, c.left+max(0, now.Sub(c.at).Seconds())*rate)
	c.at = now
	if c.left < 1 {
		return false
	}
	c.left -= n
	return true
}
