package journal

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

func TestTheDiskKeepsWhatAFollowerHasNotRead(t *testing.T) {
	t.Parallel()
	const written = recentEvents + 500
	dir := t.TempDir()
	j := open(t, Config{Dir: dir, SegmentBytes: 4000})
	f := j.Follow()
	s := NewShipper(ShipperConfig{Journal: j, Store: &shelf{stored: map[string]int{}}})
	s.Start()
	t.Cleanup(s.Stop)
	for seq := uint64(1); seq <= written; seq++ {
		j.Append(final(event("a", seq)))
	}
	eventually(t, "all is shipped", func() bool { return s.Behind() == 0 })
	read := uint64(0)
	next := func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		events, err := f.Next(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", read, err)
		}
		for _, e := range ofCalls(events) {
			if read++; e.Seq != read {
				t.Fatalf("event %d has number %d", read, e.Seq)
			}
		}
	}
	for read < written {
		next()
	}
	seq := uint64(written)
	eventually(t, "what was shipped and read is gone", func() bool {
		seq++
		j.Append(final(event("a", seq))) // segments go with the next events that are shipped
		for read < seq {
			next()
		}
		left, err := listSegments(dir)
		return err == nil && len(left) <= 2
	})
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	for {
		events, err := f.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(ofCalls(events)) > 0 {
			t.Fatalf("after the end: %v, %v", events, err)
		}
	}
}

func TestAFollowerGoesPastWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, Config{Dir: dir, SegmentBytes: 1000})
	for seq := uint64(1); seq <= 30; seq++ {
		j.Append(event("a", seq))
	}
	synced(t, j)
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	j = open(t, Config{Dir: dir, SegmentBytes: 1000})
	segments, err := listSegments(dir)
	if err != nil || len(segments) < 4 {
		t.Fatal(segments, err)
	}
	lost, first := uint64(0), uint64(0)
	if _, err := scan(segments[1].path, func(e Event, _, _ int64) { lost, first = lost+1, e.Seq-lost }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(segments[1].path), os.Mkdir(segments[1].path, 0o700)); err != nil {
		t.Fatal(err)
	}

	f, failed, read := j.Follow(), 0, uint64(0)
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	for read < 30 {
		events, err := f.Next(hurry)
		switch {
		case err != nil && failed >= poisonTries:
			t.Fatalf("after number %d: %v", read, err)
		case err != nil:
			failed++
		}
		for _, e := range ofCalls(events) {
			if read++; read == first {
				read += lost
			}
			if e.Seq != read {
				t.Fatalf("number %d comes after %d", e.Seq, read-1)
			}
		}
	}
	if failed != poisonTries {
		t.Errorf("it was tried %d times to read what cannot be read, want %d", failed, poisonTries)
	}
	if events, err := f.Next(hurry); !errors.Is(err, context.Canceled) {
		t.Errorf("behind the end: %v, %v", events, err)
	}
	seq := uint64(31)
	j.Append(event("a", seq))
	if events, err := f.Next(t.Context()); err != nil || len(events) != 1 || events[0].Seq != seq {
		t.Errorf("what came next: %v, %v", events, err)
	}
}
