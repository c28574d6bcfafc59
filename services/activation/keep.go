package activation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/services/journal"
	"holdfast/tenants"
)

// kept is the form of a tenant's file: the version of the form, and the state.
type kept struct {
	Form  int   `json:"form"`
	State State `json:"state"`
}

const (
	form   = 1
	suffix = ".json"
)

// Restore brings back what earlier processes of this node knew: the files, and what the journal has beyond them. It needs the
// disk only; what cannot be read is set aside, told, and done without. It returns how many tenants it knows.
func (s *Service) Restore() int {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.Error("activation: the folder cannot be read", "error", err)
	}
	s.mu.Lock()
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		tenant, bad := tenants.ParseTenantID(name)
		if !ok || bad != nil {
			continue
		}
		st, err := s.read(filepath.Join(s.cfg.Dir, e.Name()))
		if err != nil {
			s.cfg.Log.Error("activation: a file was set aside", "tenant", tenant, "error", err)
			continue
		}
		s.states[tenant] = st
		s.cfg.Book.Stand(tenant, st.Standing())
	}
	s.mu.Unlock()
	err = s.cfg.Journal.Replay(journal.Cursor{}, func(e journal.Event) error {
		s.Hear(e)
		return nil
	})
	if err != nil {
		s.cfg.Log.Error("activation: the journal could not be read to its end", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.states)
}

func (s *Service) read(path string) (State, error) {
	var k kept
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err == nil && k.Form > form {
		return State{}, fmt.Errorf("%s is of a newer build", filepath.Base(path)) // left where it is
	}
	if err == nil && k.Form != form {
		err = errors.New("no form")
	}
	if err != nil {
		return State{}, errors.Join(fmt.Errorf("read %s: %w", filepath.Base(path), err), os.Rename(path, path+".bad"))
	}
	return k.State, nil
}

// save writes the files of what changed. One that cannot be written is tried again with the next turn; the journal has it.
func (s *Service) save() {
	s.mu.Lock()
	todo := map[tenants.TenantID]State{}
	for t := range s.dirty {
		todo[t] = s.states[t]
	}
	clear(s.dirty)
	s.mu.Unlock()
	for t, st := range todo {
		raw, err := json.Marshal(kept{Form: form, State: st})
		if err == nil {
			err = replace(s.cfg.Dir, string(t)+suffix, raw)
		}
		if err != nil {
			s.cfg.Log.Error("activation: not written to its file", "tenant", t, "error", err)
			s.mu.Lock()
			s.dirty[t] = true
			s.mu.Unlock()
		}
	}
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(dir, name string, raw []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
