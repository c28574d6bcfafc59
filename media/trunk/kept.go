package trunk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// A telephone registers anew every few minutes, and does not know that a node was started anew in between. So where telephones are is
// written down, about a second later, and read at the start, and so is where carriers are that have a name. Of telephones only what is
// reached by UDP: connections end with the process.

// keptPhone is a binding in the file.
type keptPhone struct {
	User    string         `json:"user"`
	Contact string         `json:"contact"`
	Source  netip.AddrPort `json:"source"`
	CallID  string         `json:"call_id"`
	Seq     uint32         `json:"seq"`
	Until   time.Time      `json:"until"`
	Secret  []byte         `json:"secret"` // sealed
}

// restorePhones takes in the telephones that were here before. The sweep looks at whether they may still.
func (s *Server) restorePhones() {
	var all []keptPhone
	if !s.readBack(s.cfg.PhonesFile, &all) {
		return
	}
	now := s.cfg.Now()
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for _, k := range all {
		if s.registry.bound[k.User] != nil {
			continue // it has registered anew already
		}
		b := &binding{user: k.User, source: k.Source, transport: "UDP", callID: k.CallID, seq: k.Seq, until: k.Until, secret: k.Secret}
		phone, known := s.cfg.Phones.Phone(k.User)
		good := known && bytes.Equal(phone.Sealed, k.Secret) && k.Source.IsValid() && sip.ParseUri(k.Contact, &b.contact) == nil
		if good && k.Until.After(now) && !k.Until.After(now.Add(longestStay)) {
			s.registry.put(b, s.cfg.Phones)
		}
	}
}

// phonesToKeep is what the file says of the telephones.
func (r *registry) phonesToKeep() any {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []keptPhone{}
	for _, b := range r.bound {
		if b.transport == "UDP" {
			all = append(all, keptPhone{b.user, b.contact.String(), b.source, b.callID, b.seq, b.until, b.secret})
		}
	}
	return all
}

// keptFile is a file of what must outlive the process.
type keptFile struct {
	changed atomic.Bool // what it says, since it was written
	writing atomic.Bool
}

// writeDown writes a file if what it is to say has changed. A disk that stalls keeps nobody: nothing waits for it.
func (s *Server) writeDown(f *keptFile, path string, all func() any) {
	if path == "" || !f.changed.Load() || !f.writing.CompareAndSwap(false, true) {
		return
	}
	f.changed.Store(false) // before it is looked at: what changes from now on is written the next time
	is := all()
	go func() {
		defer f.writing.Store(false)
		defer s.recovered("kept file", nil)
		if err := replaceFile(path, is); err != nil {
			f.changed.Store(true)
			s.cfg.Log.Warn("not written down, and lost if the node starts anew now", "file", path, "error", err)
		}
	}()
}

// readBack reads what was written down; false: nothing was, or it cannot be read and has to be learned anew.
func (s *Server) readBack(path string, all any) bool {
	if path == "" {
		return false
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = json.Unmarshal(raw, all)
	}
	if err != nil {
		s.cfg.Log.Warn("not read again, and to be learned anew", "file", path, "error", err)
	}
	return err == nil
}

// replaceFile writes a file whole: after a power cut, too, it is the old one or the new one.
func replaceFile(path string, all any) (err error) {
	raw, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
