package hostile

import (
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
)

const (
	redRock = demo.RedRock // of mesa, live
	zoe     = demo.Zoe
	ada     = demo.Ada

	talkers    = 10
	joinBar    = 5 * time.Second
	memoryMore = float64(50 << 20) // bytes that any attack may cost
	callMemory = float64(60 << 10) // and each call that is up
	givenBack  = 45 * time.Second  // until what was used for a moment is given back: of a call, its answer is kept for 32 s (RFC 3261 section 13.3.1.4)
	lossIn     = 200               // one packet in so many may be lost: 0.5 %
	operatorHz = 1000
)

func TestMain(m *testing.M) { harness.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// siege is a node under attack. Ten callers hear themselves, and one talks with an operator, from the first attack to the last.
type siege struct {
	n        *harness.Node
	talking  []*carrier.Call
	tones    []float64
	witness  *carrier.Call
	operator *operator.Operator
	idle     *operator.Operator // on duty, without a call
	admin    *harness.Client
	memory   float64 // bytes resident at the best moment so far
}

// besiege starts a node and its calls.
func besiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{n: harness.Start(t, harness.Options{Env: []string{"HOLDFAST_BENCH=1", "HOLDFAST_RTP_PORTS=16384-32767"}})}
	long := func(o *carrier.Options) { o.Seconds = 600 }
	for i := range talkers {
		s.tones = append(s.tones, 400+float64(50*i))
		s.talking = append(s.talking, s.n.Call("echo", long, func(o *carrier.Options) { o.Tone = s.tones[i] }))
	}
	s.operator, s.idle = s.n.Operator(zoe), s.n.Operator(ada)
	s.witness = s.n.Call(redRock, long)
	harness.Event(t, s.operator, operator.Offer, joinBar)
	must(t, s.operator.Accept(harness.Limited(t, joinBar)))
	s.witness.Say(440)
	s.heard(t)
	s.admin = s.n.SignIn(demo.HarborAdmin) // now: checking a password takes 32 MiB
	s.memory = s.resident(t)
	return s
}

// heard waits until everybody hears what they ought to.
func (s *siege) heard(t *testing.T) {
	t.Helper()
	for i, c := range s.talking {
		harness.Eventually(t, joinBar, "a caller hears itself", func() bool { return c.Heard(s.tones[i]) })
	}
	harness.Eventually(t, joinBar, "the operator hears the caller", func() bool { return s.operator.Heard(440) })
	harness.Eventually(t, joinBar, "the caller hears the operator", func() bool { return s.witness.Heard(operatorHz) })
}

func (s *siege) resident(t *testing.T) (bytes float64) {
	t.Helper()
	return s.metric(t, "process_resident_memory_bytes")
}

// metric is one of the node's, by its name.
func (s *siege) metric(t *testing.T, name string) (value float64) {
	t.Helper()
	harness.Eventually(t, joinBar, name, func() (ok bool) {
		value, ok = s.n.Metric(name)
		return ok
	})
	return value
}

// orLong is what an attack without an end of its own is given: usual, or with HOLDFAST_LONG long.
func orLong[T any](usual, long T) T {
	if os.Getenv("HOLDFAST_LONG") != "" {
		return long
	}
	return usual
}

// traffic is what all of them received, and what of it was missing.
func (s *siege) traffic() (received, lost uint64) {
	for _, c := range append([]*carrier.Call{s.witness}, s.talking...) {
		stats := c.Stats()
		received, lost = received+stats.Received, lost+stats.Lost
	}
	heard := s.operator.Count()
	return received + heard.Received, lost + heard.Lost
}

// under tells of one attack, and then holds what must hold after each.
func (s *siege) under(t *testing.T, name string, attack func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		began := time.Now()
		receivedBefore, lostBefore := s.traffic()
		attack(t)
		took := time.Since(began)
		select {
		case <-s.n.Ended():
			t.Fatal("the process is gone")
		default:
		}
		s.n.Healthy()
		s.heard(t)
		received, lost := s.traffic()
		received, lost = received-receivedBefore, max(lost, lostBefore)-lostBefore // what only came late is no longer lost
		if lost*lossIn > received {
			t.Errorf("the others lost %d packets and received %d", lost, received)
		}
		memory := s.resident(t)
		peak := memory
		harness.Eventually(t, givenBack, "the memory is given back", func() bool {
			memory = s.resident(t)
			return memory <= s.memory+memoryMore
		})
		if strings.Contains(s.n.Log(), "panic") {
			t.Error("there was a panic")
		}
		t.Logf("%v: %d received, %d lost; %.0f MB at best, %+.1f right after it, %+.1f now", took.Round(time.Millisecond), received, lost, s.memory/1e6, (peak-s.memory)/1e6, (memory-s.memory)/1e6)
		s.memory = min(s.memory, memory)
	})
}

// over hangs up, and finds nobody cut off.
func (s *siege) over(t *testing.T) {
	t.Helper()
	for _, c := range append([]*carrier.Call{s.witness}, s.talking...) {
		select {
		case <-c.Done():
			t.Errorf("a call was cut off: %+v", c.Result())
		default:
			c.Hangup()
		}
	}
	for _, c := range s.talking {
		s.n.Over(c, joinBar)
	}
	s.n.Over(s.witness, joinBar)
}

// TestNothingThatIsSentBreaksANode is one siege of one node, an attack after the other.
func TestNothingThatIsSentBreaksANode(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	// First, while all callers are heard: whoever has not been heard yet may be anywhere inside the trunk's addresses, and the
	// attacks after it leave such calls behind. Then, while the operator is idle: those ring there, too.
	s.under(t, "sound that nobody may send", s.sprayed)
	s.under(t, "callers who are not who they say", s.impersonated)
	s.under(t, "messages that no one should take", s.malformed)
	s.under(t, "numbers that are out of order", s.miscounted)
	s.under(t, "messages that are far too great", s.swollen)
	s.under(t, "more calls over connections than it can answer", s.overrun)
	s.under(t, "a scanner that no trunk knows", s.scannedByAStranger)
	s.under(t, "a scanner at a trunk's address", s.scannedFromATrunk)
	s.under(t, "a flood from 50,000 addresses", s.flooded)
	s.under(t, "all that a machine can send, from strangers", s.drowned)
	s.under(t, "connections that say nothing, or too much", s.connected)
	s.under(t, "more connections than there may be, and slow ones", s.stalled)
	s.under(t, "a flood at the browsers' port", s.knocked)
	s.under(t, "words that are commands elsewhere", s.worded)
	s.over(t)
}
