package backup_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/deploy/backup"
)

// An open story moves to a new segment, and its old one goes, again and again while the journal is copied: each copy has it.
func TestACopyOfTheJournalHasWhatMovesMeanwhile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	at := func(n int) string { return filepath.Join(data, "spool", fmt.Sprintf("%016x.spool", n)) }
	story := []byte("an open story")
	if err := os.Mkdir(filepath.Join(data, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at(0), bytes.Repeat([]byte("what takes a while to copy "), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at(1), story, 0o600); err != nil {
		t.Fatal(err)
	}
	quit, done := make(chan struct{}), make(chan error, 1)
	go func() {
		pace := time.NewTicker(time.Millisecond) // a thousand times that of a busy node
		defer pace.Stop()
		for n := 1; ; n++ {
			select {
			case <-quit:
				done <- nil
				return
			case <-pace.C:
			}
			if err := os.WriteFile(at(n+1), story, 0o600); err != nil {
				done <- err
				return
			}
			if err := os.Remove(at(n)); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 20 {
		folder := t.TempDir()
		kept, err := backup.CopySpool(data, folder)
		if err != nil {
			t.Error(err)
			break
		}
		found := false
		for _, f := range kept {
			b, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(f.Path)))
			found = found || err == nil && bytes.Equal(b, story)
		}
		if !found {
			t.Errorf("a copy of %d segments lacks the story", len(kept))
		}
	}
	close(quit)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
