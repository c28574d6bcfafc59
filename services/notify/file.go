package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is a notice on the disk: a line with the SHA-256 of the rest, in hex, and the rest, JSON. Its file is named after
// what it is about. One that is settled is in the folder done, without what it said.
type record struct {
	Notice Notice    `json:"notice"`
	MailID string    `json:"mail_id"`
	Urgent bool      `json:"urgent,omitempty"`
	ToldAt time.Time `json:"told_at"`
	Seq    uint64    `json:"seq"` // of the story's last event
	Tries  int       `json:"tries,omitempty"`
	Error  string    `json:"error,omitempty"`
	Next   time.Time `json:"next,omitzero"`

	Settled  time.Time `json:"settled,omitzero"`
	Accepted bool      `json:"accepted,omitempty"`
	Reply    string    `json:"reply,omitempty"`
}

const (
	fileSuffix = ".notice"
	badSuffix  = ".bad"
	newSuffix  = ".new"
	doneFolder = "done"
	// doneFor is how long it is known that a notice was settled.
	doneFor = 7 * 24 * time.Hour
	// noticeBytes bounds a notice: a message with all its additions, with room.
	noticeBytes = 4 << 20
)

// errDamaged says that a file does not hold what was written to it.
var errDamaged = errors.New("the file is damaged")

// nameOf is what a notice is about, as a file's name.
func nameOf(n Notice) string {
	about, _ := json.Marshal([]string{string(n.Tenant), string(n.Kind), n.Key, n.To}) // strings: cannot fail
	sum := sha256.Sum256(about)
	return hex.EncodeToString(sum[:16])
}

// isName keeps foreign files out.
func isName(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 16 && s == strings.ToLower(s)
}

func (r record) encode() ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a notice: %w", err)
	}
	if len(body) > noticeBytes {
		return nil, fmt.Errorf("a notice of %d bytes is too large", len(body))
	}
	sum := sha256.Sum256(body)
	return append([]byte(hex.EncodeToString(sum[:])+"\n"), body...), nil
}

func decode(name string, b []byte) (r record, err error) {
	sum, body, ok := strings.Cut(string(b), "\n")
	real := sha256.Sum256([]byte(body))
	if !ok || sum != hex.EncodeToString(real[:]) {
		return r, errDamaged
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return r, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if nameOf(r.Notice) != name {
		return r, fmt.Errorf("%w: it is about something else", errDamaged)
	}
	return r, nil
}

// path is where a notice that waits is kept, donePath where it goes.
func (o *Outbox) path(name string) string { return filepath.Join(o.cfg.Dir, name+fileSuffix) }

func (o *Outbox) donePath(name string) string {
	return filepath.Join(o.cfg.Dir, doneFolder, name+fileSuffix)
}

func (o *Outbox) write(name string, r record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	return WriteFile(o.path(name), b)
}

// settle makes a record done: first there, then no longer here.
func (o *Outbox) settle(name string, r record) error {
	r.Notice.Data = nil
	b, err := r.encode()
	if err != nil {
		return err
	}
	if err := WriteFile(o.donePath(name), b); err != nil {
		return err
	}
	return os.Remove(o.path(name))
}

// settled reads the record of a notice that is done.
func (o *Outbox) settled(name string) (record, bool) {
	b, err := os.ReadFile(o.donePath(name))
	if err != nil {
		return record{}, false
	}
	r, err := decode(name, b)
	return r, err == nil
}

// WriteFile writes a file that is there whole or not at all, and on the disk for good when it returns. Its folder is made.
func WriteFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*"+newSuffix) // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error that matters is on its way
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
