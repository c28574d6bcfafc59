package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/tenants"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = tenants.TenantID("harbor")

func testKeys(t testing.TB) *Keys {
	t.Helper()
	k, err := NewKeys(bytes.Repeat([]byte{7}, keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newID() tenants.VoicemailID { return tenants.VoicemailID(tenants.NewID()) }

func newStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Keys == nil {
		cfg.Keys = testKeys(t)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

func create(t testing.TB, s *Store, limits Limits, tell func(Event)) *Take {
	t.Helper()
	take, err := s.Create(tenant, newID(), limits, tell)
	if err != nil {
		t.Fatal(err)
	}
	return take
}

// noise returns n µ-law bytes that no other place of a recording has.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// say sends audio as frames of 20 ms that begin at timestamp ts.
func say(to media.Sink, c media.Codec, ts uint32, audio []byte) {
	for at := 0; at < len(audio); at += media.FrameBytes {
		end := min(at+media.FrameBytes, len(audio))
		to.Audio(media.Frame{Codec: c, Timestamp: ts + uint32(at), Payload: audio[at:end]})
	}
}

// wav returns what a reader of the recording must get for that µ-law audio.
func wav(audio []byte) []byte {
	out := wavHeader(int64(len(audio)))
	for _, s := range codec.Decode(nil, media.PCMU, audio) {
		out = append(out, byte(s), byte(uint16(s)>>8))
	}
	return out
}

func mustHear(t *testing.T, s *Store, id tenants.VoicemailID, want []byte) Summary {
	t.Helper()
	a, err := s.Open(tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	got, err := io.ReadAll(a)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, wav(want)) {
		t.Fatalf("heard %d samples, said %d, or other ones", (len(got)-wavHeaderBytes)/2, len(want))
	}
	if sum := sha256.Sum256(want); a.Summary().SHA256 != hex.EncodeToString(sum[:]) {
		t.Error("another checksum")
	}
	return a.Summary()
}

func TestWhatIsSaidIsHeardAgainFromAnywhere(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	for _, n := range []int{0, 1, 160, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2*chunkBytes + 4000} {
		take := create(t, s, Limits{Longest: 180 * time.Second}, nil)
		said := noise(uint64(n), n)
		say(take, media.PCMU, 0xFFFFF000, said) // timestamps wrap
		sum, err := take.Stop(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if sum.Bytes != int64(n) || sum.Empty != (n < chunkBytes) || sum.CutShort {
			t.Errorf("%+v", sum)
		}
		if again, err := take.Stop(t.Context()); err != nil || again != sum {
			t.Errorf("stopped twice: %+v %v", again, err)
		}
		if !bytes.Equal(take.Played(), said) {
			t.Error("plays something else")
		}
		if stored := mustHear(t, s, take.id, said); stored != sum {
			t.Errorf("stored %+v, told %+v", stored, sum)
		}
		a, err := s.Open(tenant, take.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(a, wav(said)); err != nil {
			t.Error(err)
		}
		_ = a.Close()
	}
}

func TestALawIsKeptAsMuLaw(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	take := create(t, s, Limits{}, nil)
	said := noise(1, 12000)
	say(take, media.PCMA, 5, said)
	if _, err := take.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustHear(t, s, take.id, codec.Convert(nil, media.PCMU, media.PCMA, said))
}

func TestLossIsSilenceOfTheSameLengthAndReorderedPacketsFindTheirPlace(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	take := create(t, s, Limits{}, nil)
	said := noise(1, 9*160)
	frame := func(n int) media.Frame {
		return media.Frame{Timestamp: uint32(1000 + n*160), Payload: said[n*160 : (n+1)*160]}
	}
	for _, n := range []int{0, 1, 1, 3, 2, 4, 8} { // 1 twice, 2 after 3, 5 to 7 lost
		take.Audio(frame(n))
	}
	// Another source begins at its own timestamp: nothing is added.
	take.Audio(media.Frame{Timestamp: 4_000_000_000, Marker: true, Payload: said[:160]})
	if _, err := take.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append([]byte(nil), said[:5*160]...)
	want = append(want, bytes.Repeat([]byte{0xFF}, 3*160)...)
	want = append(want, said[8*160:]...)
	want = append(want, said[:160]...)
	mustHear(t, s, take.id, want)
}

func TestATakeThatIsFullTakesNoMoreAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	var told []Event
	s := newStore(t, Config{})
	take := create(t, s, Limits{Longest: 2 * time.Second}, func(e Event) { told = append(told, e) })
	said := noise(3, 3*chunkBytes)
	say(take, media.PCMU, 0, said)
	if !slices.Equal(told, []Event{Full}) {
		t.Errorf("told %v", told)
	}
	sum, err := take.Stop(t.Context())
	if err != nil || sum.Duration != 2*time.Second {
		t.Errorf("%+v %v", sum, err)
	}
	mustHear(t, s, take.id, said[:2*chunkBytes])
}

func TestACallerWhoSaysNothingIsNoticedWithAndWithoutPackets(t *testing.T) {
	t.Parallel()
	for _, packets := range []bool{true, false} {
		var mu sync.Mutex
		now := time.Now()
		clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		told := make(chan Event, 10)
		s := newStore(t, Config{Now: clock})
		take := create(t, s, Limits{Silence: 10 * time.Second}, func(e Event) { told <- e })
		step := func(d time.Duration, b byte) {
			mu.Lock()
			now = now.Add(d)
			mu.Unlock()
			if packets || b == 0 {
				take.Audio(media.Frame{Marker: true, Payload: bytes.Repeat([]byte{b}, 160)})
			}
		}
		step(9*time.Second, 0) // loud
		step(9900*time.Millisecond, 0xFE)
		s.look()
		if len(told) != 0 {
			t.Error("told too soon")
		}
		step(200*time.Millisecond, 0xFE)
		if e := <-told; e != Silent {
			t.Errorf("told %v", e)
		}
		s.look()
		if len(told) != 0 {
			t.Error("told twice")
		}
		take.Discard()
	}
}

func TestADiscardedTakeLeavesNoFile(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	before, after := create(t, s, Limits{}, nil), create(t, s, Limits{}, nil)
	for _, take := range []*Take{before, after} {
		say(take, media.PCMU, 0, noise(1, 20000))
	}
	before.Discard()
	if _, err := before.Stop(t.Context()); !errors.Is(err, ErrNotDurable) {
		t.Errorf("stopped: %v", err)
	}
	if _, err := after.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	after.Discard()
	eventually(t, "all files are gone", func() bool {
		files, err := filepath.Glob(filepath.Join(s.cfg.Dir, "*", "*"))
		return err == nil && len(files) == 0
	})
	if _, err := s.Open(tenant, after.id); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !cond() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("did not happen: " + what)
		}
	}
}

func TestALongTakeWithoutALimitKeepsLittleInMemory(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	take := create(t, s, Limits{}, nil)
	said := noise(1, 400*chunkBytes)
	for sec := range 400 {
		say(take, media.PCMU, uint32(sec*chunkBytes), said[sec*chunkBytes:(sec+1)*chunkBytes])
		if sec%50 == 49 {
			eventually(t, "it is let go of", func() bool {
				take.mu.Lock()
				defer take.mu.Unlock()
				return len(take.chunks) <= keepChunks
			})
		}
	}
	if _, err := take.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustHear(t, s, take.id, said)
}

func TestManyTakesAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	var wait sync.WaitGroup
	for n := range 100 {
		wait.Go(func() {
			take, err := s.Create(tenant, newID(), Limits{Longest: time.Minute}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			say(take, media.PCMU, 0, noise(uint64(n), 20000+n))
			if sum, err := take.Stop(context.Background()); err != nil || sum.Bytes != int64(20000+n) {
				t.Errorf("%+v %v", sum, err)
			}
		})
	}
	wait.Wait()
}

func TestAudioAllocatesNothingPerFrame(t *testing.T) {
	s := newStore(t, Config{})
	take := create(t, s, Limits{Longest: time.Hour}, nil)
	f := media.Frame{Payload: noise(1, 160)}
	if n := testing.AllocsPerRun(500, func() {
		take.Audio(f)
		f.Timestamp += 160
	}); n > 0.5 { // a chunk a second, and its way to the disk on other goroutines
		t.Errorf("%v allocations a frame", n)
	}
	take.Discard()
}

func BenchmarkAudio(b *testing.B) {
	s := newStore(b, Config{})
	take := create(b, s, Limits{}, nil)
	f := media.Frame{Payload: noise(1, 160)}
	b.ReportAllocs()
	for b.Loop() {
		take.Audio(f)
		f.Timestamp += 160
	}
	take.Discard()
}

// Seconds of audio a second that reach the disk for good, from many takes at once.
func BenchmarkSeconds(b *testing.B) {
	s := newStore(b, Config{})
	const takes = 200
	var all []*Take
	for range takes {
		all = append(all, create(b, s, Limits{Longest: time.Hour}, nil))
	}
	second := noise(1, chunkBytes)
	for n := range b.N {
		for _, take := range all {
			say(take, media.PCMU, uint32(n*chunkBytes), second)
			for { // as a caller would: not faster than the disk
				take.mu.Lock()
				behind := take.attempt == nil || len(take.chunks)-take.attempt.synced > 2
				take.mu.Unlock()
				if !behind {
					break
				}
				runtime.Gosched()
			}
		}
	}
	for _, take := range all {
		if _, err := take.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(takes*b.N)/b.Elapsed().Seconds(), "recordings")
}
