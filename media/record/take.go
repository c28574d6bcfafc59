package record

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/tenants"
)

const (
	// longestGap is the longest loss that is filled with silence; more is a source that began anew.
	longestGap = 5 * media.SampleRate

	// quietLevel is the level below which a caller is taken to say nothing, in dBFS.
	quietLevel = -45

	// keepChunks is how much of a take without a limit stays in memory for the case that its folder fails.
	keepChunks = 120
)

// quietSquare is the mean square of samples at quietLevel.
var quietSquare = 32768 * 32768 * math.Pow(10, quietLevel/10.0)

// Event is something a take notices by itself. The take goes on until it is stopped.
type Event uint8

// The events of a take; each comes at most once.
const (
	Silent  Event = iota + 1 // nothing was heard for Limits.Silence
	Full                     // Limits.Longest is reached; what follows is not recorded
	Failed                   // audio was lost: no disk took it, and memory for it is spent
	TooLate                  // the recording became durable after Stop had said that it was not
)

// Limits end a take. A zero limit does not.
type Limits struct {
	Silence time.Duration // of hearing nothing, or nothing above -45 dBFS
	Longest time.Duration
}

// ErrNotDurable says that a recording is not on a disk for good: the caller must be told that it was not stored.
var ErrNotDurable = errors.New("the recording is not stored")

// Take is one recording being made: a media.Sink. Audio may come from one goroutine at a time; everything else is safe
// from any.
type Take struct {
	store  *Store
	tenant tenants.TenantID
	id     tenants.VoicemailID
	limits Limits
	tell   func(Event)
	seal   *seal
	header []byte
	queue  chan *Take

	mu      sync.Mutex
	chunks  [][]byte // whole chunks from number first on, and after the end the short one
	first   int      // chunks before this number were let go of, being durable
	current []byte   // being filled
	next    uint32   // timestamp expected next
	begun   bool
	samples int64
	loud    float64 // sum of squared samples
	heard   time.Time
	came    time.Time
	told    [TooLate + 1]bool
	ended   bool
	final   *Summary // as the trailer says it
	summary *Summary // final, once that is durable

	queued    bool
	retryAt   time.Time
	movedAt   time.Time // when it last went to another place at once
	attempt   *attempt
	leftovers []string // files that another one replaces
	durable   chan struct{}
	isDurable bool
	discarded bool
	late      bool // Stop gave up waiting

	hashing sync.Mutex
	hash    hash.Hash
	hashed  int // chunks
}

// Audio takes a frame: it copies, converts A-law, fills what was lost, and never waits for a disk.
func (t *Take) Audio(f media.Frame) {
	now := t.store.cfg.Now()
	t.mu.Lock()
	if t.ended || t.told[Full] || len(f.Payload) == 0 {
		t.mu.Unlock()
		return
	}
	before := len(t.chunks)
	if t.begun {
		if !t.align(f, now) {
			t.mu.Unlock()
			return // a packet too late to matter
		}
	}
	t.begun = true
	t.next = f.Timestamp + uint32(len(f.Payload))
	t.came = now
	loud := t.add(f.Codec, f.Payload)
	if loud/float64(len(f.Payload)) > quietSquare {
		t.heard = now
	}
	full := t.isFull() && !t.told[Full]
	if full {
		t.told[Full] = true
	}
	if len(t.chunks) > before {
		t.store.enqueue(t)
	}
	t.mu.Unlock()
	if full {
		t.tell(Full)
	}
}

// align fills the time between what was recorded and f with silence. It returns false when f was dealt with or is too
// old. Under mu.
func (t *Take) align(f media.Frame, now time.Time) bool {
	gap := int64(int32(f.Timestamp - t.next))
	switch {
	case gap == 0:
	case gap > 0 && gap <= longestGap:
		t.fill(gap)
	case gap < 0 && gap >= -longestGap && !f.Marker:
		t.mend(int(-gap), f)
		return false
	default: // another source, or a very long pause: the wall clock says how long it was
		apart := now.Sub(t.came) - time.Duration(len(f.Payload))*time.Second/media.SampleRate
		if apart > 2*media.FrameTime {
			t.fill(min(int64(apart.Seconds()*media.SampleRate), longestGap))
		}
	}
	return true
}

// mend puts a reordered packet in its place where that is not sealed yet. Under mu.
func (t *Take) mend(back int, f media.Frame) {
	if back > len(t.current) {
		return
	}
	at := t.current[len(t.current)-back:]
	n := min(len(at), len(f.Payload))
	codec.Convert(at[:0:n], media.PCMU, f.Codec, f.Payload[:n])
}

var silence = func() (b [media.FrameBytes]byte) {
	for i := range b {
		b[i] = media.PCMU.Silence()
	}
	return b
}()

func (t *Take) fill(n int64) {
	for ; n > 0 && !t.isFull(); n -= int64(len(silence)) {
		t.add(media.PCMU, silence[:min(n, int64(len(silence)))])
	}
}

// add appends payload up to the limit and returns the sum of its squared samples. Under mu.
func (t *Take) add(c media.Codec, payload []byte) (sum float64) {
	if t.limits.Longest > 0 {
		payload = payload[:min(int64(len(payload)), t.most()-t.samples)]
	}
	for len(payload) > 0 {
		at := len(t.current)
		n := min(chunkBytes-at, len(payload))
		t.current = codec.Convert(t.current, media.PCMU, c, payload[:n])
		sum += codec.Energy(media.PCMU, t.current[at:])
		payload = payload[n:]
		t.samples += int64(n)
		if len(t.current) == chunkBytes {
			t.chunks = append(t.chunks, t.current)
			t.current = make([]byte, 0, chunkBytes) // once a second
		}
	}
	t.loud += sum
	return sum
}

func (t *Take) most() int64 { return int64(t.limits.Longest.Seconds() * media.SampleRate) }

func (t *Take) isFull() bool { return t.limits.Longest > 0 && t.samples >= t.most() }

// once tells an event the first time.
func (t *Take) once(e Event) {
	t.mu.Lock()
	first := !t.told[e]
	t.told[e] = true
	t.mu.Unlock()
	if first {
		t.tell(e)
	}
}

// checkSilence is called by the store's clock.
func (t *Take) checkSilence(now time.Time) {
	t.mu.Lock()
	silent := !t.ended && t.limits.Silence > 0 && now.Sub(t.heard) >= t.limits.Silence
	t.mu.Unlock()
	if silent {
		t.once(Silent)
	}
}

// Played returns a copy of what was recorded so far, as µ-law: what "listen to your message" plays. Of a take without
// a limit only about the last two minutes are there.
func (t *Take) Played() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]byte, 0, (len(t.chunks)+1)*chunkBytes)
	for _, c := range t.chunks {
		out = append(out, c...)
	}
	return append(out, t.current...)
}

// end closes the take for audio; its last chunk may be short. It may be repeated.
func (t *Take) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	if len(t.current) > 0 {
		t.chunks = append(t.chunks, t.current)
		t.current = nil
	}
	t.store.enqueue(t)
}

// Stop ends the take and waits until all of it is on a disk for good: until ctx ends, at most 5 s where ctx has
// no deadline. It returns an error
// that wraps ErrNotDurable when it is not; the store then goes on trying and tells TooLate if it succeeds. It may be
// repeated.
func (t *Take) Stop(ctx context.Context) (Summary, error) {
	t.end()
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.store.cfg.StopWait)
		defer cancel()
	}
	select {
	case <-t.durable:
	case <-ctx.Done():
		t.mu.Lock()
		durable := t.isDurable
		t.late = t.late || !durable
		t.mu.Unlock()
		if !durable {
			return Summary{}, fmt.Errorf("%w: %w", ErrNotDurable, ctx.Err())
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.discarded || t.summary == nil {
		return Summary{}, fmt.Errorf("%w: it was discarded", ErrNotDurable)
	}
	return *t.summary, nil
}

// Discard ends the take and deletes what is on disk of it. It returns at once and may be called after Stop.
func (t *Take) Discard() {
	t.end()
	t.mu.Lock()
	t.discarded = true
	t.store.keep(t)
	t.store.enqueue(t)
	t.mu.Unlock()
}

// digest hashes chunks in order and returns the sum of all up to upTo. Chunks are numbered from the take's first.
func (t *Take) digest(chunks [][]byte, from int, final bool) []byte {
	t.hashing.Lock()
	defer t.hashing.Unlock()
	if t.hash == nil {
		t.hash = sha256.New()
	}
	for i, c := range chunks {
		if from+i == t.hashed {
			t.hash.Write(c)
			t.hashed++
		}
	}
	if !final {
		return nil
	}
	return t.hash.Sum(nil)
}

// conclude returns the ended take's summary. It is made once: a trailer that is written again is the same to the bit.
func (t *Take) conclude(sum []byte) Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final == nil {
		final := summarise(t.samples, sum, t.loud, t.told[Failed])
		t.final = &final
	}
	return *t.final
}
