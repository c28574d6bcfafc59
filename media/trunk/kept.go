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
	"time"

	"github.com/emiago/sipgo/sip"
)

// A telephone registers anew every few minutes, and does not know that a node was started anew in between. So where telephones are is
// written down, about a second later, and read at the start. Only what is reached by UDP: connections end with the process.

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
	if s.cfg.PhonesFile == "" {
		return
	}
	raw, err := os.ReadFile(s.cfg.PhonesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var all []keptPhone
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		s.cfg.Log.Warn("where telephones were cannot be read: they ring when they have registered anew", "error", err)
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

// writePhones writes down where telephones are, if that has changed. A disk that stalls keeps nobody: nothing waits for it.
func (s *Server) writePhones() {
	r := &s.registry
	if s.cfg.PhonesFile == "" || !r.writing.CompareAndSwap(false, true) {
		return
	}
	r.mu.Lock()
	if !r.changed {
		r.mu.Unlock()
		r.writing.Store(false)
		return
	}
	r.changed = false
	all := []keptPhone{}
	for _, b := range r.bound {
		if b.transport == "UDP" {
			all = append(all, keptPhone{b.user, b.contact.String(), b.source, b.callID, b.seq, b.until, b.secret})
		}
	}
	r.mu.Unlock()
	go func() {
		defer r.writing.Store(false)
		defer s.recovered("telephones", nil)
		if err := replaceFile(s.cfg.PhonesFile, all); err != nil {
			r.mu.Lock()
			r.changed = true
			r.mu.Unlock()
			s.cfg.Log.Warn("where telephones are cannot be written down: after a new start they ring when they have registered anew", "error", err)
		}
	}()
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
