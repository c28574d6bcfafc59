package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/tenants"
)

const goldenID = tenants.VoicemailID("01932f6e-0000-7000-8000-000000000001")

// goldenAudio is a rising ramp of µ-law bytes over 2.5 seconds.
func goldenAudio() []byte {
	b := make([]byte, 2*chunkBytes+4000)
	for i := range b {
		b[i] = byte(i / 80)
	}
	return b
}

// build returns a whole sealed file.
func build(t testing.TB, audio []byte) (*seal, []byte) {
	t.Helper()
	key, salt := bytes.Repeat([]byte{1}, keyBytes), bytes.Repeat([]byte{2}, saltBytes)
	sl, b := sealWith(testKeys(t), tenant, goldenID, time.UnixMilli(1795316460000), key, salt)
	take := &Take{}
	number := 0
	for rest := audio; len(rest) > 0; number++ {
		n := min(chunkBytes, len(rest))
		b = sl.add(b, audioChunk, number, rest[:n])
		take.digest([][]byte{rest[:n]}, number, false)
		rest = rest[n:]
	}
	sum := summarise(int64(len(audio)), take.digest(nil, number, true), codec.Energy(media.PCMU, audio), false)
	return sl, sl.add(b, trailerChunk, number, sum.trailer())
}

func place1(t *testing.T, s *Store, id tenants.VoicemailID, suffix string, b []byte) string {
	t.Helper()
	path := s.places[0].path(tenant, id, suffix)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A recording of version 1, as written by the build that introduced it, is read by every later build.
func TestRecordingVersion1IsRead(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "v1.rec")
	_, built := build(t, goldenAudio())
	if *update {
		if err := os.WriteFile(golden, built, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, built) {
		t.Error("version 1 is no longer written as it was")
	}
	s := newStore(t, Config{})
	place1(t, s, goldenID, fullSuffix, b)
	mustHear(t, s, goldenID, goldenAudio())
}

// Cut at every byte of its last two chunks and its trailer, a recording keeps every whole chunk.
func TestARecordingTornAnywhereKeepsItsWholeChunks(t *testing.T) {
	t.Parallel()
	audio := goldenAudio()
	sl, b := build(t, audio)
	for cut := headerBytes + sealedChunk; cut <= len(b); cut++ {
		sum, end, whole := inspect(sl, b[:cut])
		want := int64(chunkBytes)
		switch {
		case cut >= len(b)-sealedEnd:
			want = int64(len(audio))
		case cut >= headerBytes+2*sealedChunk:
			want = 2 * chunkBytes
		}
		if sum.Bytes != want || whole != (cut == len(b)) || sum.CutShort == whole || end > cut {
			t.Fatalf("cut at %d: %+v, end %d, whole %v", cut, sum, end, whole)
		}
	}
}

func TestRepairSealsTornFilesAndMayItselfDieAnywhere(t *testing.T) {
	t.Parallel()
	audio := goldenAudio()
	_, b := build(t, audio)
	for _, cut := range []int{headerBytes, headerBytes + 1, headerBytes + sealedChunk, headerBytes + sealedChunk + 999, len(b) - sealedEnd, len(b) - 1} {
		s := newStore(t, Config{})
		path := place1(t, s, goldenID, partSuffix, b[:cut])
		repaired, err := s.Repair()
		if err != nil || len(repaired) != 1 || repaired[0].Err != nil || !repaired[0].Summary.CutShort {
			t.Fatalf("cut at %d: %+v %v", cut, repaired, err)
		}
		n := repaired[0].Summary.Bytes
		if stored := mustHear(t, s, goldenID, audio[:n]); stored != repaired[0].Summary {
			t.Errorf("cut at %d: stored %+v", cut, stored)
		}
		sealed, err := os.ReadFile(s.places[0].path(tenant, goldenID, fullSuffix))
		if err != nil {
			t.Fatal(err)
		}
		// The repair died while it wrote its own trailer.
		for _, again := range []int{len(sealed) - sealedEnd, len(sealed) - 1, len(sealed)} {
			if err := os.Remove(s.places[0].path(tenant, goldenID, fullSuffix)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, sealed[:again], 0o600); err != nil {
				t.Fatal(err)
			}
			if r, err := s.Repair(); err != nil || len(r) != 1 || r[0].Summary != repaired[0].Summary {
				t.Errorf("repaired again: %+v %v", r, err)
			}
			if b, err := os.ReadFile(s.places[0].path(tenant, goldenID, fullSuffix)); err != nil || !bytes.Equal(b, sealed) {
				t.Error("the second repair wrote something else under the same nonce")
			}
		}
		if r, err := s.Repair(); err != nil || len(r) != 0 {
			t.Errorf("nothing is left, but %+v %v", r, err)
		}
	}
}

func TestATakeWhoseProcessDiedIsCutShortAndPlayable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newStore(t, Config{Dir: dir})
	take := create(t, s, Limits{Longest: time.Minute}, nil)
	said := noise(9, 3*chunkBytes+5000)
	say(take, media.PCMU, 0, said)
	eventually(t, "three seconds are on disk", func() bool { return fileSize(dir, take.id, partSuffix) == headerBytes+3*sealedChunk })
	next := newStore(t, Config{Dir: dir})
	r, err := next.Repair()
	if err != nil || len(r) != 1 || r[0].ID != take.id || r[0].Tenant != tenant || r[0].Summary.Duration != 3*time.Second {
		t.Fatalf("%+v %v", r, err)
	}
	mustHear(t, next, take.id, said[:3*chunkBytes])
	take.Discard()
}

func TestRepairPassesOverWhatIsNoRecording(t *testing.T) {
	t.Parallel()
	s := newStore(t, Config{})
	_, b := build(t, goldenAudio())
	short, foreign, garbage, stranger := newID(), newID(), newID(), newID()
	place1(t, s, short, partSuffix, b[:headerBytes-1])
	place1(t, s, garbage, partSuffix, bytes.Repeat([]byte("x"), 500))
	moved := place1(t, s, foreign, partSuffix, b) // another recording's content
	other := append([]byte(nil), b...)
	other[16] ^= 1 // sealed under another master key
	kept := place1(t, s, stranger, partSuffix, other)
	r, err := s.Repair()
	if err != nil || len(r) != 3 {
		t.Fatalf("%+v %v", r, err)
	}
	for _, one := range r {
		if one.Err == nil {
			t.Errorf("%+v", one)
		}
	}
	if _, err := os.Stat(moved + badSuffix); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error("the right key may come back, but the file is gone")
	}
}

func TestAChangedSwappedOrForeignChunkIsNeverPlayed(t *testing.T) {
	t.Parallel()
	_, b := build(t, goldenAudio())
	change := func(at int) []byte {
		c := append([]byte(nil), b...)
		c[at] ^= 1
		return c
	}
	swapped := append([]byte(nil), b...)
	copy(swapped[headerBytes:], b[headerBytes+sealedChunk:headerBytes+2*sealedChunk])
	copy(swapped[headerBytes+sealedChunk:], b[headerBytes:headerBytes+sealedChunk])
	dropped := append(append([]byte(nil), b[:headerBytes]...), b[headerBytes+sealedChunk:]...)
	for name, file := range map[string][]byte{
		"audio changed":  change(headerBytes + 100),
		"length changed": change(headerBytes),
		"key changed":    change(wrappedAt),
		"time changed":   change(20),
		"trailer":        change(len(b) - 20),
		"swapped":        swapped,
		"dropped":        dropped,
		"cut":            b[:len(b)-1],
		"longer":         append(append([]byte(nil), b...), 0),
	} {
		s := newStore(t, Config{})
		place1(t, s, goldenID, fullSuffix, file)
		a, err := s.Open(tenant, goldenID)
		if err == nil {
			_, err = new(bytes.Buffer).ReadFrom(a)
			_ = a.Close()
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newStore(t, Config{})
	foreign := newID()
	place1(t, s, foreign, fullSuffix, b)
	if _, err := s.Open(tenant, foreign); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another id: %v", err)
	}
	if _, err := s.Open("mesa", goldenID); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another tenant: %v", err)
	}
	if _, err := s.Open("..", "../../etc/passwd"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Create("harbor", "../x", Limits{}, nil); !errors.Is(err, tenants.ErrBadID) {
		t.Error(err)
	}
}

func TestNoAudioIsReadableOnDisk(t *testing.T) {
	t.Parallel()
	_, b := build(t, bytes.Repeat([]byte("SECRET-MESSAGE-"), 1000))
	if bytes.Contains(b, []byte("SECRET")) {
		t.Error("plain audio in the file")
	}
}

func TestTheMasterKeyIsMadeOnceAndKeptFromOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "master")
	first, err := LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := LoadKeys(path); err != nil || !bytes.Equal(again.master, first.master) {
		t.Errorf("read again: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != keyBytes {
		t.Errorf("%v %v", info, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(path); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "0640") {
		t.Error(err)
	}
	if _, err := NewKeys([]byte("short")); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	_, b := build(t, goldenAudio())
	s := newStore(t, Config{Keys: first})
	place1(t, s, goldenID, fullSuffix, b)
	if _, err := s.Open(tenant, goldenID); !errors.Is(err, ErrOtherKey) {
		t.Error(err)
	}
}

func FuzzRecording(f *testing.F) {
	keys := testKeys(f)
	sl, b := build(f, goldenAudio()[:9000])
	f.Add(b, true)
	f.Add(b[:headerBytes+100], false)
	f.Add([]byte{}, false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte, headed bool) {
		if headed && len(b) >= headerBytes {
			if sum, end, _ := inspect(sl, b); end > len(b) || sum.Bytes > int64(len(b)) {
				t.Fatalf("%+v %d", sum, end)
			}
		}
		file, err := os.CreateTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Remove(file.Name()) }()
		defer func() { _ = file.Close() }()
		if _, err := file.Write(b); err != nil {
			t.Fatal(err)
		}
		a, err := openAudio(file, keys, tenant, goldenID)
		if err != nil {
			return
		}
		if a.Size() > wavHeaderBytes+2*int64(len(b)) {
			t.Fatal("more audio than there is")
		}
	})
}
