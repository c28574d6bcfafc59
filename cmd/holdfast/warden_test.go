package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/media/prompt"
	"holdfast/media/record"
	"holdfast/services/call"
	"holdfast/services/journal"
)

func TestADiskIsToldOfBeforeItIsFull(t *testing.T) {
	t.Parallel()
	space, calls, open := record.Space{Total: 100e9}, 0, map[string]journal.Severity{}
	said := ""
	w := &warden{
		disks: []watchedDisk{{"disk_recordings", "/data/recordings", "recordings"}},
		space: func(string) (record.Space, error) { return space, nil }, calls: func() int { return calls },
		refused: none, heap: noHeap,
		raise: func(key, text string, severity journal.Severity) { open[key], said = severity, text },
		clear: func(key string) { delete(open, key) }, now: time.Now,
	}
	for _, is := range []struct {
		free  uint64
		calls int
		want  journal.Severity
	}{
		{50e9, 0, ""},
		{10.1e9, 0, ""},
		{10e9, 0, journal.Warning},
		{10.5e9, 0, journal.Warning}, // not on and off
		{3e9, 0, journal.Critical},
		{20e9, 0, ""},
		{20e9, 500, journal.Warning}, // 500 callers for 2 hours are 28.8 GB
		{28e9, 0, journal.Warning},   // that many may come again
		{40e9, 3, ""},
	} {
		space.Free, calls = is.free, is.calls
		w.look()
		if got := open["disk_recordings"]; got != is.want {
			t.Errorf("%d bytes free, %d calls: the alarm is %q, not %q", is.free, is.calls, got, is.want)
		}
	}
	if !strings.Contains(said, "20.0 GB") || !strings.Contains(said, "500 callers") {
		t.Errorf("the alarm says %q", said)
	}
}

// none and noHeap are nothing to look at.
func none() uint64 { return 0 }

func noHeap() heap { return heap{} }

func TestWhatARushOfCallsNeededIsGivenBackOnceItIsOver(t *testing.T) {
	t.Parallel()
	now, is, released, left := time.Now(), heap{}, 0, room{ours: 1000e6}
	w := &warden{
		limits: &limits{sessions: func() int { return 0 }, memory: func() (room, error) { return left, nil }},
		calls:  func() int { return 0 }, refused: none, now: func() time.Time { return now },
		heap: func() heap { return is }, release: func() { released++; is.unused = 0 },
	}
	for i, look := range []struct {
		asked, unused uint64 // since the look before; then
		after         time.Duration
		free          uint64 // MB
		released      int
	}{
		{0, spare, wardenEvery, 1000, 0},
		{50 * quiet, 5 * spare, wardenEvery, 1000, 0}, // they come
		{quiet, 5 * spare, wardenEvery, 1000, 0},
		{quiet - 1, 5 * spare, wardenEvery, 1000, 1},
		{0, 5 * spare, afterEvery, 1000, 1}, // too soon after the last time
		{0, 5 * spare, afterEvery, 1000, 2},
		{50 * quiet, 5 * spare, afterEvery, 430, 2},
		{50 * quiet, 5 * spare, wardenEvery, 420, 3}, // before they are sent away
		{50 * quiet, 5 * spare, wardenEvery, 420, 3},
	} {
		left.free = look.free * 1e6
		is = heap{look.unused, is.asked + look.asked}
		if w.look(); released != look.released {
			t.Errorf("look %d: given back %d times, want %d", i+1, released, look.released)
		}
		now = now.Add(look.after)
	}
	if m := heapNow(); m.unused == 0 || m.asked == 0 {
		t.Errorf("the measure measures nothing: %+v", m)
	}
}

// What was refused for want of time is told of at each look that finds more, with how many.
func TestACrowdIsToldOf(t *testing.T) {
	t.Parallel()
	refused, said := uint64(0), ""
	w := &warden{
		calls: func() int { return 0 }, refused: func() uint64 { return refused }, heap: noHeap, now: time.Now,
		raise: func(key, text string, severity journal.Severity) { said = fmt.Sprint(key, " ", severity, ": ", text) },
	}
	for _, is := range []struct {
		refused uint64
		said    string
	}{{0, ""}, {12, "12 calls"}, {12, ""}, {20, "8 calls, messages or connections were refused within 1s (20 since"}} {
		refused, said = is.refused, ""
		w.look()
		if (said == "") != (is.said == "") || !strings.Contains(said, is.said) || said != "" && !strings.HasPrefix(said, "crowd critical") {
			t.Errorf("%d refused: the alarm says %q", refused, said)
		}
	}
}

// A certificate is told of in time, and a new one is used without a restart.
func TestACertificateIsToldOfAndRenewedInPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &settings{PublicURL: "https://answer.example", TLSCert: filepath.Join(dir, "crt"), TLSKey: filepath.Join(dir, "key")}
	issue := func() {
		if err := selfSign(s.PublicURL, s.TLSCert, s.TLSKey); err != nil {
			t.Fatal(err)
		}
	}
	issue()
	r, _, err := newRenewed(s, time.Now(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	former := r.pair.Load()
	ends, now, count, text := former.Leaf.NotAfter, time.Now(), 0, ""
	w := &warden{
		certs: []*renewed{r}, calls: func() int { return 0 }, refused: none, heap: noHeap, now: func() time.Time { return now },
		raise: func(_, said string, _ journal.Severity) { count, text = count+1, said }, clear: func(string) { text = "" },
	}
	for _, is := range []struct {
		left  time.Duration
		count int
		text  string
	}{
		{22 * day, 0, ""}, {21 * day, 1, "in 21 days"}, {21*day - time.Minute, 1, "in 21 days"}, {7 * day, 2, "in 7 days"}, {day, 3, "within a day"}, {-time.Minute, 4, "ended"},
	} {
		now = ends.Add(-is.left)
		w.look()
		if count != is.count || !strings.Contains(text, is.text) {
			t.Errorf("%v before its end, alarm %d says %q", is.left, count, text)
		}
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(s.TLSCert, []byte("half"), 0o600))
	now = time.Now()
	w.look()
	if shown, _ := r.current(); shown != former || !strings.Contains(text, "cannot be used") {
		t.Errorf("a broken file: the alarm says %q", text)
	}
	must(os.Remove(s.TLSCert))
	issue()
	w.look()
	if shown, _ := r.current(); shown == former || text != "" {
		t.Errorf("renewed: %v, the alarm says %q", shown != former, text)
	}
}

func TestAtFourFifthsOfALimitNewCallsGoElsewhere(t *testing.T) {
	t.Parallel()
	const gb = 1e9
	sessions := 0
	l := newLimits(func() int { return sessions }, 100)
	if l.ours.Load() == 0 || l.mayHave.Load() <= l.ours.Load() {
		t.Errorf("%d of %d bytes of memory: the measure measures nothing", l.ours.Load(), l.mayHave.Load())
	}
	l.files = int(l.open.Load()) + 1000
	for _, is := range []struct {
		calls, sessions, pairs int
		ours, free             int64
		full                   string
	}{
		{0, 0, 100, gb, 9 * gb, ""},
		{70, 79, 100, gb, 9 * gb, ""},
		{70, 80, 100, gb, 9 * gb, "media ports"},
		{80, 10, 100, gb, 9 * gb, "media ports"},
		{79, 79, 100, gb, 9 * gb, ""},
		{10, 400, 1000, gb, 9 * gb, "files"},
		{10, 10, 1000, gb, 9 * gb, ""},
		{10, 10, 1000, 4 * gb, gb, "4000 of 5000 MB of memory"},
		{10, 10, 1000, 4*gb - memoryACall, gb + memoryACall, "memory"}, // those who came since have not all of theirs yet
		{10, 10, 1000, 4*gb - 11*memoryACall, gb + 11*memoryACall, ""},
		{10, 10, 1000, 0, 0, ""}, // nobody knows
	} {
		sessions, l.pairs = is.sessions, is.pairs
		l.ours.Store(is.ours)
		l.mayHave.Store(is.ours + is.free)
		most, why := l.most(is.calls)
		if full := most <= is.calls; full != (is.full != "") || !strings.Contains(why(), is.full) {
			t.Errorf("%+v: at most %d, %q", is, most, why())
		}
	}
}

// A prompt without its recording would be silence where a caller is to be told something.
func TestEveryPromptOfACallHasItsRecording(t *testing.T) {
	t.Parallel()
	library, err := prompt.Base()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []call.Prompt{
		call.Greeting, call.Comfort, call.Position, call.Unavailable, call.Standby, call.Unknown, call.TooLong, call.Leave, call.Emergency,
		call.Menu, call.Again, call.Reconnecting, call.Marked, call.Saved, call.NotSaved, call.NoRoom, call.NoRoomWait,
	} {
		for _, language := range []string{"en", "hu"} {
			if len(library.Clips([]string{string(p)}, language)) != 1 {
				t.Errorf("%q is silence", p)
			}
		}
	}
}

func TestSIPShowsTheConfiguredCertificateOrOneOfItsOwn(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	s := &settings{Data: dir, PublicURL: "http://127.0.0.1:8080"}
	if r, err := sipCertificate(s, nil, time.Now(), log); r != nil || err != nil {
		t.Errorf("without TLS: %v, %v", r, err)
	}
	s.SIPTLS = "127.0.0.1:5061"
	if r, err := sipCertificate(s, nil, time.Now(), log); r != nil || err == nil {
		t.Errorf("without a folder for it: %v, %v", r, err)
	}
	if err := os.MkdirAll(s.dir("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	own, err := sipCertificate(s, nil, time.Now(), log)
	if err != nil {
		t.Fatal(err)
	}
	if pair, err := own.current(); err != nil || pair.Leaf.VerifyHostname("127.0.0.1") != nil || own.alarm != sipCertificateAlarm {
		t.Errorf("its own: %v, %v", pair, err)
	}
	s.TLSCert, s.TLSKey = filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	if err := selfSign("https://answer.example", s.TLSCert, s.TLSKey); err != nil {
		t.Fatal(err)
	}
	web, _, err := newRenewed(s, time.Now(), log)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := sipCertificate(s, web, time.Now(), log); r != web || err != nil {
		t.Errorf("the configured one is not shared: %v, %v", r, err)
	}
}
