package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	partSuffix = ".part" // being written
	fullSuffix = ".rec"  // sealed
	badSuffix  = ".bad"  // set aside
)

// attempt is a take's file in one place. All fields but place and path are touched only by the writer that has it.
type attempt struct {
	place  *place
	path   string
	file   File
	saved  int     // chunks that are whole in the file
	synced int     // and on the disk for good
	size   int64   // of what is whole
	torn   bool    // the file may be longer than size
	named  bool    // the folder's entry was synced
	waits  *writer // in whose unsynced it is; under the take's mu
}

// bring writes everything of t that a's file lacks, and begins to bring it to the disk. When t has ended it is synced,
// sealed and named there and then.
func (s *Store) bring(w *writer, t *Take, a *attempt) error {
	if err := s.openAttempt(t, a); err != nil {
		return err
	}
	t.mu.Lock()
	from := max(a.saved-t.first, 0)
	chunks, number := t.chunks[from:len(t.chunks):len(t.chunks)], t.first+from
	ended := t.ended
	t.mu.Unlock()

	for i, c := range chunks {
		w.sealed = t.seal.add(w.sealed[:0], audioChunk, number+i, c)
		if err := a.append(w.sealed); err != nil {
			return err
		}
		a.saved++
	}
	sum := t.digest(chunks, number, ended)
	if !ended {
		if len(chunks) > 0 {
			a.startWriteback()
		}
		return nil
	}
	summary := t.conclude(sum)
	audio := a.size
	err := a.append(t.seal.add(nil, trailerChunk, a.saved, summary.trailer()))
	if err == nil {
		err = a.sync()
	}
	if err == nil {
		err = s.finish(t, a, summary)
	}
	if err != nil { // the trailer is written again, behind the audio
		a.size, a.torn = audio, true
	}
	return err
}

// startWriteback lets the disk begin with what was written, without waiting for it; the sync says whether that went well.
func (a *attempt) startWriteback() {
	file, ok := a.file.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), 0, 0, unix.SYNC_FILE_RANGE_WRITE) })
	}
}

// sync makes what is written, and the file's name, last.
func (a *attempt) sync() error {
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errSync, err)
	}
	if a.named {
		return nil
	}
	if err := syncDir(filepath.Dir(a.path)); err != nil {
		return fmt.Errorf("%w: %w", errSync, err)
	}
	a.named = true
	return nil
}

// errSync says that what was written may be gone: the file is made anew.
var errSync = errors.New("sync")

// openAttempt opens the file and writes its header, or goes on behind what is whole after a failed write.
func (s *Store) openAttempt(t *Take, a *attempt) error {
	if a.file != nil {
		if a.torn {
			if err := os.Truncate(a.path, a.size); err != nil {
				return fmt.Errorf("cut off a torn chunk: %w", err)
			}
			a.torn = false
		}
		if a.size == 0 {
			return a.append(t.header)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.Remove(a.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a former file: %w", err)
	}
	file, err := s.cfg.Files(a.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("open a recording: %w", err)
	}
	a.file = file
	return a.append(t.header)
}

// append writes b whole or marks the file as torn.
func (a *attempt) append(b []byte) error {
	n, err := a.file.Write(b)
	if err == nil && n < len(b) {
		err = errors.New("short write")
	}
	if err != nil {
		a.torn = n > 0
		return fmt.Errorf("write a recording: %w", err)
	}
	a.size += int64(len(b))
	return nil
}
