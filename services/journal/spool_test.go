package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A crash may leave any number of bytes of the last write.
func TestATailTornAtAnyByteLosesOnlyTheTornEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, Config{Dir: dir})
	ends := []int{int(headerBytes)}
	for seq := uint64(1); seq <= 4; seq++ {
		e, record := encode(event("a", seq))
		j.Append(e)
		ends = append(ends, ends[len(ends)-1]+len(record))
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil || len(whole) != ends[4] {
		t.Fatalf("%d bytes, want %d: %v", len(whole), ends[4], err)
	}
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 0), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for want < 4 && ends[want+1] <= cut {
			want++
		}
		j, err := Open(Config{Dir: dir, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		j.Append(event("b", 1))
		synced(t, j)
		got := ofCalls(replay(t, j))
		if len(got) != want+1 || got[want].ID != "b" || alarmed(j, AlarmSpool) {
			t.Fatalf("cut at %d: %d events, want %d and the new one; alarms %v", cut, len(got), want, j.Alarms(platform))
		}
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASegmentThatIsNotOursIsSetAsideAndTheStartGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(segmentPath(dir, 7), []byte("HFSPOOL\x63 of another age"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	j.Append(event("a", 1))
	synced(t, j)
	if got := calls(replay(t, j)); len(got) != 1 {
		t.Errorf("events %v", got)
	}
	if !alarmed(j, AlarmSpool) {
		t.Errorf("alarms %+v", j.Alarms(platform))
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, Config{Dir: dir}); !alarmed(again, AlarmSpool) || again.Stop() != nil {
		t.Error("the alarm ended though the file is still there")
	}
	if err := os.Remove(segmentPath(dir, 7) + badSuffix); err != nil { // a person looked at it
		t.Fatal(err)
	}
	if third := open(t, Config{Dir: dir}); alarmed(third, AlarmSpool) {
		t.Error("the alarm did not end")
	}
}

func TestDamageInTheMiddleCostsOnlyWhatItHit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := header()
	var hit int
	for seq := uint64(1); seq <= 5; seq++ {
		if seq == 3 {
			hit = len(b) + 20
		}
		_, record := encode(event("a", seq))
		b = append(b, record...)
	}
	b[hit] ^= 0x10
	if err := os.WriteFile(segmentPath(dir, 0), b, 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	if got := fmt.Sprint(calls(replay(t, j))); got != "[1 2 4 5]" {
		t.Errorf("events %s", got)
	}
	if !alarmed(j, AlarmSpool) {
		t.Errorf("alarms %+v", j.Alarms(platform))
	}
}

// The spool of version 1, as written by the build that introduced it, is read by every later build.
func TestSpoolVersion1IsRead(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "v1.spool")
	want := []Event{event("a", 1), event("b", 1), final(event("a", 2))}
	if *update {
		b := header()
		for _, e := range want {
			_, record := encode(e)
			b = append(b, record...)
		}
		if err := os.WriteFile(golden, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(segmentPath(dir, 0), b, 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, Config{Dir: dir})
	got, err := json.Marshal(ofCalls(replay(t, j)))
	if err != nil {
		t.Fatal(err)
	}
	if wanted, _ := json.Marshal(want); !bytes.Equal(got, wanted) {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
	if s := j.OpenStories(); len(s) != 1 || s[0].ID != "b" {
		t.Errorf("open %+v", s)
	}
}

func FuzzSpool(f *testing.F) {
	_, record := encode(event("a", 1))
	f.Add(record)
	f.Add(append(append([]byte{1, 2, 3}, record...), record[:20]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		at := 0
		for at < len(b) {
			skipped, _, n, ok := next(b[at:])
			if !ok {
				break
			}
			if n <= 0 || skipped < 0 || at+skipped+n > len(b) {
				t.Fatalf("skipped %d, length %d of %d", skipped, n, len(b)-at)
			}
			at += skipped + n
		}
		readRecords(b, 10, false)
	})
}

func TestAnEventIsWrittenAsJSONWhoeverWroteItsData(t *testing.T) {
	t.Parallel()
	fact := map[string]any{"plan": "a <b> & \"c\" \u00e1", "n": 1}
	data, err := json.Marshal(fact)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 13, 4, 5, 123456000, time.FixedZone("", 3600))
	for _, e := range []Event{
		{Tenant: "harbor", Kind: Call, ID: "c-1", Seq: 1, At: at, Node: "n1", Type: "invited"},
		{Tenant: "harbor", Kind: Call, ID: "c-1", Seq: 1 << 63, At: at.UTC(), Node: "n1", Type: "ended", Final: true},
		{Tenant: "harbor", Kind: Ticket, ID: "t \"1\"\n<&>", Seq: 2, At: at.Truncate(time.Second), Node: "n\u00e9", Type: "\x00\xff", Restated: true, Final: true},
		{Kind: Call, ID: "\u2028", Seq: 3},
	} {
		e.Data = data
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, e.Fact = range []any{nil, fact} {
			kept, record := encode(e)
			if got := record[recordHead:]; string(got) != string(want) {
				t.Errorf("written %s\nwanted  %s", got, want)
			}
			back, n, ok := sound(record)
			if !ok || n != len(record) || back.Fact != nil || string(back.Data) != string(data) || !back.At.Equal(e.At) {
				t.Errorf("read back: %+v %v", back, ok)
			}
			if told, err := FactOf[map[string]any](kept); err != nil || told["plan"] != fact["plan"] {
				t.Errorf("its fact: %v %v", told, err)
			}
		}
	}
	e := Event{Kind: Call, ID: "c-1", Seq: 1, At: at, Data: []byte(strings.Repeat("x", maxRecord)), Fact: fact}
	if kept, record := encode(e); kept.Fact != nil || !json.Valid(record[recordHead:]) {
		t.Errorf("too much data: %d bytes, %v", len(record), kept.Fact)
	}
}
