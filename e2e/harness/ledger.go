package harness

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/carrier"
	"holdfast/media"
)

// beepHz is the tone after which a message is recorded.
const beepHz = 1000

const (
	beepLimit   = 15 * time.Second // from the answer to the beep, the longest announcement included
	firstTone   = 320.0            // Hz; of the first call of a ledger
	toneStep    = 25.0             // Hz; an ear tells tones apart that are 10 Hz apart
	tones       = 90               // then they come again
	firstNumber = 5560000          // of the callers
	farFromBeep = 60.0             // Hz; as near as a caller's tone comes to the beep and to what operators say
)

// Ledger is what the callers of a story know: each has a number and a tone of its own. After whatever happened it is
// held against what Holdfast says happened, with [Ledger.Balance]: nothing lost, nothing twice, nothing that nobody did.
type Ledger struct {
	// Busy says that the story has more going on than the machine has cores for: caller and node may see an answer or a hang-up
	// seconds apart.
	Busy bool
	// Answers says that each caller waits for an answer, and has one to get whenever the node is there ([Ledger.Trouble]).
	Answers bool

	node *Node

	mu       sync.Mutex
	made     int
	entries  []*Entry
	crashes  []time.Time // when the node was killed
	troubles []trouble
	others   map[string]int // answered calls by number of callers who keep no entries
}

// Entry is one call of a ledger, from the caller's side. What the story knows of the call's end it says before the
// ledger is compared.
type Entry struct {
	*carrier.Call // nil of a call that was told of, with [Ledger.Tell]
	To, From      string
	Tone          float64
	// Result is how the call must have ended ("answered", "voicemail", ...); "" when the story cannot know.
	Result string
	// Crashed says that the node died in this call: its end is the node's to find, and of its message the last second may be missing.
	Crashed bool
	// Told says that the caller was told that the message was not stored: it may be there all the same.
	Told bool
	// Vanished says that the caller was gone without a word: when the call was over is the node's to find.
	Vanished bool
	// Lossy says that packets of this call were lost on the way by the story's own doing.
	Lossy bool
	// Late is how long after the beep the caller begins to speak. A machine that is short of time may stand still within the beep, and
	// that sounds like its end.
	Late time.Duration
	// Missed is what did not happen after the answer that had to, such as the beep; it is nobody's fault when the node died in this call.
	Missed error

	told   carrier.Result // without a Call
	frames int            // spoken between from and to, without a Call

	mu       sync.Mutex
	from, to time.Time // when the caller spoke into a message
}

// Ledger opens a ledger for the node's calls.
func (n *Node) Ledger() *Ledger { return &Ledger{node: n} }

// Call lets somebody call a number, silent at first.
func (l *Ledger) Call(to string, change ...func(*carrier.Options)) *Entry {
	l.node.t.Helper()
	e, err := l.Try(l.node.SIP, to, change...)
	if err != nil {
		l.node.t.Fatal(err)
	}
	l.node.t.Cleanup(func() { e.Hangup(); <-e.Done() })
	return e
}

// Try is Call from any goroutine, towards any node; the caller of it hangs up.
func (l *Ledger) Try(node, to string, change ...func(*carrier.Options)) (*Entry, error) {
	l.mu.Lock()
	n := l.made
	l.made++
	l.mu.Unlock()
	e := &Entry{To: to, From: fmt.Sprintf("+1202%07d", firstNumber+n), Tone: toneOf(n)}
	o := carrier.Options{To: to, From: e.From, Node: node, Seconds: 3600}
	for _, fn := range change {
		fn(&o)
	}
	var err error
	if e.Call, err = carrier.Start(context.WithoutCancel(l.node.t.Context()), o); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.entries = append(l.entries, e)
	l.mu.Unlock()
	return e, nil
}

// Tell enters a call that is over, of a caller with other means than a [carrier.Call]. It has a number of its own.
func (l *Ledger) Tell(e *Entry, knows carrier.Result, said load.Speech) {
	e.told, e.from, e.to, e.frames = knows, said.From, said.To, said.Frames
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// Known is what the caller knows of the call.
func (e *Entry) Known() carrier.Result {
	if e.Call == nil {
		return e.told
	}
	return e.Call.Result()
}

func (e *Entry) over() bool {
	if e.Call == nil {
		return true
	}
	select {
	case <-e.Done():
		return true
	default:
		return false
	}
}

// Others says that so many more calls of a number that has no entries were answered.
func (l *Ledger) Others(from string, answered int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.others == nil {
		l.others = map[string]int{}
	}
	l.others[from] += answered
}

// Kill kills the node as a crash would. Of what was said at that moment the last second may be missing.
func (l *Ledger) Kill() {
	l.node.t.Helper()
	now := time.Now()
	l.node.Kill()
	l.mu.Lock()
	l.crashes = append(l.crashes, now)
	l.mu.Unlock()
}

// crashed is when the node died between two moments, or the zero time.
func (l *Ledger) crashed(from, to time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.crashes {
		if at.After(from) && at.Before(to) {
			return at
		}
	}
	return time.Time{}
}

func toneOf(n int) float64 {
	hz := firstTone + toneStep*float64(n%tones)
	if hz > beepHz-farFromBeep && hz < beepHz+farFromBeep {
		hz += tones * toneStep
	}
	return hz
}

// Answered waits until the call is answered, and returns its id.
func (l *Ledger) Answered(e *Entry, bar time.Duration) string {
	l.node.t.Helper()
	return l.node.Answered(e.Call, bar)
}

// Leave waits for the beep and lets the caller say its tone for so long.
func (l *Ledger) Leave(e *Entry, long time.Duration) {
	l.node.t.Helper()
	if err := e.Leave(l.node.t.Context(), long); err != nil {
		l.node.t.Fatal(err)
	}
}

// Leave waits for the beep and says the caller's tone for so long, from any goroutine.
func (e *Entry) Leave(ctx context.Context, long time.Duration) error {
	limit := time.NewTimer(beepLimit)
	defer limit.Stop()
	ask := time.NewTicker(tick)
	defer ask.Stop()
	beep := e.Beep(beepHz)
	for beeped := false; ; {
		heard := e.Heard(beepHz)
		if beeped && !heard {
			break // what follows is recorded
		}
		beeped = beeped || heard
		select {
		case <-beep: // heard by the ear, though a busy machine asked too late
			beeped = true
		case <-ask.C:
		case <-e.Done():
			return fmt.Errorf("the call to %s ended before the beep: %+v", e.To, e.Call.Result())
		case <-limit.C:
			return fmt.Errorf("the call to %s heard no beep in %v", e.To, beepLimit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	breath := time.NewTimer(e.Late)
	defer breath.Stop()
	select {
	case <-breath.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	e.mu.Lock()
	e.from = time.Now()
	e.mu.Unlock()
	e.Say(e.Tone)
	over := time.NewTimer(long)
	defer over.Stop()
	select {
	case <-over.C:
		e.Say(0)
	case <-e.Done():
	case <-ctx.Done():
	}
	e.mu.Lock()
	e.to = time.Now()
	e.mu.Unlock()
	return ctx.Err()
}

// Said is how long the caller spoke into a message.
func (e *Entry) Said() time.Duration {
	e.mu.Lock()
	to := e.to
	e.mu.Unlock()
	return e.saidBy(to)
}

// saidBy is how much of it was said by a moment. It goes by the frames spoken, not by the clock: a busy machine keeps a
// caller from speaking, and what was never said cannot be lost.
func (e *Entry) saidBy(at time.Time) time.Duration {
	e.mu.Lock()
	from, to := e.from, e.to
	e.mu.Unlock()
	if at.After(to) {
		at = to
	}
	if from.IsZero() || at.Before(from) {
		return 0
	}
	if e.Call == nil {
		return min(at.Sub(from), time.Duration(e.frames)*media.FrameTime)
	}
	return time.Duration(e.Spoken(at)-e.Spoken(from)) * media.FrameTime
}

// spoken is when the caller had done speaking; zero: the caller never spoke.
func (e *Entry) spoken() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.to
}

// Balance waits until every call is over and kept, and fails the test for each difference between the ledger and call log,
// journal and recordings. The stores must be up.
func (l *Ledger) Balance(bar time.Duration) {
	l.node.t.Helper()
	for _, d := range l.Differences(bar) {
		l.node.t.Error(d)
	}
}

// Entries are the calls so far.
func (l *Ledger) Entries() []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Entry(nil), l.entries...)
}
