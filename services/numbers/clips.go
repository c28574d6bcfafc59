package numbers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// heldBytes is how much sound is kept in memory: some two thousand greetings as people record them.
	heldBytes = 128 << 20
	// readFor is how long a caller's greeting waits for the disk; then the general one is heard.
	readFor = 200 * time.Millisecond
	// keptFor is how long a recording that nothing names any more stays on the disk: an earlier copy may come back.
	keptFor = 7 * 24 * time.Hour
)

// errClip says that a file on the disk is not the recording it is called after.
var errClip = errors.New("a recording on this disk is damaged")

// Clips are the recordings that routing copies name, in a folder beside them: one file each, called by the SHA-256 of its samples,
// which are µ-law at 8 kHz. The zero value needs a Dir; it may be used by many at once.
type Clips struct {
	Dir string

	mu     sync.Mutex
	held   map[string][]byte
	recent []string // hashes, the one used last at the end
	size   int
}

// Clip returns a recording for a caller. It waits for a stalled disk for a moment only; ok is false when there is none by then.
func (c *Clips) Clip(hash string) (clip []byte, ok bool) {
	if clip, ok := c.remember(hash); ok {
		return clip, true
	}
	read := make(chan []byte, 1)
	go func() {
		clip, err := c.Read(hash)
		if err != nil {
			clip = nil
		}
		read <- clip
	}()
	wait := time.NewTimer(readFor)
	defer wait.Stop()
	select {
	case clip := <-read:
		return clip, clip != nil
	case <-wait.C:
		return nil, false
	}
}

// Read returns a recording from memory or disk.
func (c *Clips) Read(hash string) ([]byte, error) {
	if clip, ok := c.remember(hash); ok {
		return clip, nil
	}
	path, err := c.path(hash)
	if err != nil {
		return nil, err
	}
	clip, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	if hashOf(clip) != hash {
		return nil, errors.Join(errClip, os.Rename(path, path+bad))
	}
	c.hold(hash, clip)
	return clip, nil
}

// Save keeps a recording in memory, and on the disk if that is possible.
func (c *Clips) Save(hash string, clip []byte) error {
	path, err := c.path(hash)
	if err != nil {
		return err
	}
	if hashOf(clip) != hash {
		return errClip
	}
	c.hold(hash, clip)
	err = os.MkdirAll(c.Dir, 0o700)
	if err == nil {
		err = writeSynced(path+unfinished, clip)
	}
	if err == nil {
		err = os.Rename(path+unfinished, path)
	}
	if err == nil {
		err = syncFolder(c.Dir)
	}
	if err != nil {
		return fmt.Errorf("keep a recording: %w", err)
	}
	return nil
}

// Sweep removes what nothing has named for a week. used are the hashes that are named.
func (c *Clips) Sweep(used map[string]bool, now time.Time) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return // nothing there yet
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && !used[e.Name()] && now.Sub(info.ModTime()) > keptFor {
			_ = os.Remove(filepath.Join(c.Dir, e.Name())) // the next sweep tries again
		}
	}
}

func (c *Clips) path(hash string) (string, error) {
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%q names no recording", hash)
	}
	return filepath.Join(c.Dir, hash), nil
}

func hashOf(clip []byte) string {
	sum := sha256.Sum256(clip)
	return hex.EncodeToString(sum[:])
}

func (c *Clips) remember(hash string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clip, ok := c.held[hash]
	if ok {
		at := slices.Index(c.recent, hash)
		c.recent = append(slices.Delete(c.recent, at, at+1), hash)
	}
	return clip, ok
}

func (c *Clips) hold(hash string, clip []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[hash]; ok {
		return
	}
	if c.held == nil {
		c.held = make(map[string][]byte)
	}
	c.held[hash] = clip
	c.recent = append(c.recent, hash)
	for c.size += len(clip); c.size > heldBytes; {
		c.size -= len(c.held[c.recent[0]])
		delete(c.held, c.recent[0])
		c.recent = c.recent[1:]
	}
}
