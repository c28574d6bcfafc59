package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/e2e/bench/load"
	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/record"
	"holdfast/tenants"
)

const (
	maxRecordings = 4000
	setUpRate     = 200 // calls a second; setting up is not what is measured here
	voidTries     = 2   // of a number whose try proved nothing
	beepFor       = 2 * time.Second
	storedIn      = 20 * time.Second
	benchTenant   = "bench"
	recSuffix     = ".rec"
	wavHeader     = 44
)

// Each frame says which call's it is and its number, in digits to the base of 100, each a µ-law code of its own, after
// three codes that mark the beginning. Codes 0 to 99 are distinct and loud.
var (
	mark  = [3]byte{100, 0, 100}
	digit = func() map[int16]int {
		all := map[int16]int{}
		for i := range 101 {
			all[linear(byte(i))] = i
		}
		return all
	}()
)

func linear(law byte) int16 { return codec.Decode(nil, media.PCMU, []byte{law})[0] }

// speak writes a frame.
func speak(call int, number uint32, payload []byte) {
	n := int(number)
	copy(payload, mark[:])
	for i, d := range []int{call / 100 % 100, call % 100, n / 10000 % 100, n / 100 % 100, n % 100} {
		payload[len(mark)+i] = byte(d)
	}
	for i := len(mark) + 5; i < len(payload); i++ {
		payload[i] = 50
	}
}

// voicemail is the benchmark voicemail.
func (b *bench) voicemail(ctx context.Context) error {
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	defer n.stopNode()
	phone, err := load.NewPhone(callerHost, n.sip)
	if err != nil {
		return err
	}
	defer phone.Close()
	studio, err := load.NewStudio(callerHost)
	if err != nil {
		return err
	}
	defer studio.Stop()
	studio.Say(speak)
	if err := warm(phone, "answer"); err != nil {
		return err
	}
	t := &tape{bench: b, node: n, phone: phone, studio: studio, talkFor: 4 * time.Second}
	if t.keys, err = record.LoadKeys(filepath.Join(n.data, "keys", "master")); err != nil {
		return err
	}
	where := search{steps: []int{500, 1000, 2000, 3000, maxRecordings}}
	if b.quick {
		t.talkFor, where = 2*time.Second, search{steps: []int{20}}
	}
	if b.calls > 0 {
		where = search{steps: []int{min(b.calls, maxRecordings)}}
	}
	rated := 0
	for run := range b.runs {
		var best taken
		count, err := where.largest(func(count int) (bool, error) {
			r, whole, err := t.whole(ctx, run, count)
			if whole {
				best = r
			}
			return whole, err
		})
		if err := firstError(err, ifZero(count, "not even one recording is whole")); err != nil {
			return err
		}
		b.out.add("voicemail", "recordings_per_core", "recordings", float64(count))
		b.out.add("voicemail", "loss_pct", "percent", best.missing)
		b.out.add("voicemail", "redialled", "calls", float64(best.redialled))
		b.out.share("voicemail", best.core)
		where, rated = where.again(count), count
	}
	if b.profile != "" {
		if _, err := t.record(ctx, max(1, rated*4/5), true); err != nil {
			return err
		}
	}
	return b.out.print()
}

// whole says whether count recordings at once lack nearly nothing. A try that proves nothing is repeated.
func (t *tape) whole(ctx context.Context, run, count int) (r taken, ok bool, err error) {
	for range voidTries {
		r, err = t.record(ctx, count, false)
		note("voicemail run %d: %d recordings: %.3f %% of the frames missing, %v%s", run+1, count, r.missing, r.core, behind(r.paced))
		if err != nil || r.paced || t.bench.quick {
			break
		}
	}
	return r, err == nil && r.paced && r.missing < lossLimit, err
}

// tape makes recordings and reads them back.
type tape struct {
	bench   *bench
	node    *node
	phone   *load.Phone
	studio  *load.Studio
	keys    *record.Keys
	talkFor time.Duration
}

// taken is how a set of recordings went.
type taken struct {
	missing   float64 // percent of the frames
	redialled int     // calls of callers who had been told to come again
	core      share
	paced     bool
}

// record lets count callers leave messages at once, and looks at what was kept.
func (t *tape) record(ctx context.Context, count int, profiled bool) (r taken, err error) {
	folder := filepath.Join(t.node.data, "recordings", benchTenant)
	if err := clean(folder); err != nil {
		return r, err
	}
	dialled, err := t.dial(ctx, count)
	if err != nil {
		return r, err
	}
	calls := dialled.answered
	r.redialled = dialled.redialled
	time.Sleep(beepFor)
	wait := func() {}
	if profiled {
		wait = t.bench.record(t.node.process, "voicemail")
	}
	r.core, err = t.node.load(func() error {
		t.studio.Talk(len(calls))
		time.Sleep(t.talkFor)
		t.studio.Talk(0)
		return ctx.Err()
	})
	wait()
	if err != nil {
		return r, err
	}
	time.Sleep(graceFor)
	spoken, frames := t.studio.Spoken(), 0.0
	for _, n := range spoken {
		frames += float64(n)
	}
	r.paced = frames > pacedShare*t.talkFor.Seconds()*float64(framesASecond*len(calls))
	if err := endAll(t.phone, calls, setUpRate); err != nil {
		return r, err
	}
	unheard := 0
	for _, c := range calls {
		if c.GivenUp {
			unheard++
		}
	}
	if unheard > 0 {
		note("voicemail: %d of %d BYEs were never answered", unheard, len(calls))
	}
	if r.missing, err = t.missing(folder, spoken); len(spoken) < count {
		r.missing = 100
	}
	return r, err
}

// dial lets count callers call; those who are answered are ready to talk.
func (t *tape) dial(ctx context.Context, count int) (reached, error) {
	t.studio.Clear()
	if err := t.node.rest(ctx); err != nil { // what the recordings before left to do is not what is measured
		return reached{}, err
	}
	var r reached
	core, err := t.node.load(func() (err error) {
		r, err = callers{t.phone, func() *load.Call { return t.phone.Invite("record", t.studio.CallerAddr()) }, setUpRate}.reach(ctx, count)
		return err
	})
	if err != nil {
		return r, err
	}
	for _, c := range r.answered {
		t.studio.AddCaller(c.Media)
	}
	if r.refused > 0 {
		note("voicemail: %d of %d callers were told to come again within %v, and called %d times more; meanwhile %v", r.refused, count, r.after, r.redialled, core)
	}
	if r.never > 0 {
		note("voicemail: %d of %d callers were never answered", r.never, count)
	}
	return r, nil
}

func clean(folder string) error {
	old, err := filepath.Glob(filepath.Join(folder, "*"+recSuffix))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// missing waits for the recordings and counts the frames that are in none of them.
func (t *tape) missing(folder string, spoken []uint32) (float64, error) {
	var paths []string
	for deadline := time.Now().Add(storedIn); ; time.Sleep(100 * time.Millisecond) {
		var err error
		if paths, err = filepath.Glob(filepath.Join(folder, "*"+recSuffix)); err != nil {
			return 0, err
		}
		if len(paths) >= len(spoken) || time.Now().After(deadline) {
			break
		}
	}
	if len(paths) < len(spoken) {
		note("voicemail: only %d of %d recordings are there %v after the end", len(paths), len(spoken), storedIn)
		t.node.keep = true // a voicemail that is lost is never just load
	}
	store, err := record.New(record.Config{Dir: filepath.Dir(folder), Keys: t.keys}) // reads only: it is not started
	if err != nil {
		return 0, err
	}
	found := make([]map[int]bool, len(spoken))
	for _, path := range paths {
		id := tenants.VoicemailID(strings.TrimSuffix(filepath.Base(path), recSuffix))
		if err := read(store, id, found); err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
	}
	all, there := 0, 0
	for call, n := range spoken {
		all += int(n)
		there += min(int(n), len(found[call]))
	}
	return 100 * float64(all-there) / float64(max(1, all)), nil
}

// read adds the frames of one recording to what was found of each call.
func read(store *record.Store, id tenants.VoicemailID, found []map[int]bool) error {
	audio, err := store.Open(benchTenant, id)
	if err != nil {
		return err
	}
	wav, err := io.ReadAll(audio)
	if err := errors.Join(err, audio.Close()); err != nil {
		return err
	}
	sample := func(i int) int16 { return int16(binary.LittleEndian.Uint16(wav[wavHeader+2*i:])) } //nolint:gosec // two's complement
	begins := func(i int) bool {
		for k, m := range mark {
			if d, known := digit[sample(i+k)]; !known || d != int(m) {
				return false
			}
		}
		return true
	}
	for i, n := 0, (len(wav)-wavHeader)/2; i+media.FrameBytes <= n; {
		if !begins(i) {
			i++
			continue
		}
		value := func(k int) int { return digit[sample(i+len(mark)+k)] }
		call, number := 100*value(0)+value(1), 10000*value(2)+100*value(3)+value(4)
		if call < len(found) {
			if found[call] == nil {
				found[call] = map[int]bool{}
			}
			found[call][number] = true
		}
		i += media.FrameBytes
	}
	return nil
}
