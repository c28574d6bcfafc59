package record

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	// FullAt is the part of the disk, 0 to 1, that new recordings may use: the rest is for those under way, and for whatever
	// else lives there.
	FullAt = 0.97
	// measureEvery is how often disks are measured: at 3 % of a disk a second is nothing.
	measureEvery = time.Second
)

// Space is what a folder's disk has, in bytes.
type Space struct{ Free, Total uint64 }

// Used is the part of the disk that is in use, 0 to 1.
func (s Space) Used() float64 {
	if s.Total == 0 {
		return 0
	}
	return 1 - float64(s.Free)/float64(s.Total)
}

// SpaceOf measures the disk of a folder, or of the nearest folder above that is there. It may hang with its disk.
func SpaceOf(dir string) (Space, error) {
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = syscall.Statfs(dir, &st)
	}
	if err != nil {
		return Space{}, fmt.Errorf("measure the disk of %s: %w", dir, err)
	}
	block := uint64(st.Bsize) //nolint:gosec // never negative
	return Space{Free: st.Bavail * block, Total: (st.Blocks - st.Bfree + st.Bavail) * block}, nil
}

// measuring looks at the places' disks again and again. It has a goroutine of its own, since a disk may hang.
func (s *Store) measuring() {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	for {
		s.measure()
		select {
		case <-s.closing:
			return
		case <-ticker.C:
		}
	}
}

func (s *Store) measure() {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("record: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	for _, p := range s.places {
		space, err := s.cfg.Space(p.dir)
		if err != nil {
			continue // what is wrong shows when it is written to
		}
		full := space.Used() >= FullAt
		p.mu.Lock()
		changed := full != p.full
		p.full = full
		p.mu.Unlock()
		if changed {
			s.cfg.Log.Warn("record: room for recordings", "folder", p.dir, "full", full, "free", space.Free, "of", space.Total)
		}
	}
}

// rank is how good a place is for a take's file.
type rank uint8

const (
	hangs  rank = iota // a writer hangs in it: of no use
	ailing             // it failed lately: better than nothing
	well               // but full: the rest of its disk is for those that have no better place
	roomy
)

func (p *place) rank(now time.Time) rank {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stalled > 0:
		return hangs
	case p.failing && now.Sub(p.failedAt) <= restFor:
		return ailing
	case p.full:
		return well
	}
	return roomy
}

// best is the place of the highest rank beside not, the first of equals; nil: none answers.
func (s *Store) best(now time.Time, not *place) (best *place, highest rank) {
	for _, p := range s.places {
		if p == not {
			continue
		}
		if r := p.rank(now); r > highest {
			best, highest = p, r
		}
	}
	return best, highest
}

// Room says whether some place would take another recording now. It never blocks.
func (s *Store) Room() bool {
	_, rank := s.best(time.Now(), nil)
	return rank == roomy
}
