package record

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/tenants"
)

const keyBytes = 32

var (
	// ErrKey says that a master key cannot be used: it has the wrong length, or others may read its file.
	ErrKey = errors.New("the master key cannot be used")
	// ErrOtherKey says that a recording was sealed under another master key than the one given.
	ErrOtherKey = errors.New("the recording was sealed under another master key")
)

// Keys hold the master key. They are never printed or logged.
type Keys struct{ master []byte }

// NewKeys returns Keys for a master key of 32 bytes, or ErrKey.
func NewKeys(master []byte) (*Keys, error) {
	if len(master) != keyBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", ErrKey, len(master), keyBytes)
	}
	return &Keys{master: append([]byte(nil), master...)}, nil
}

// LoadKeys reads the master key from the file at path. Where there is none, it makes one with mode 0600, in a folder
// with mode 0700, and returns only once the key is on the disk for good. A key that others may read is refused.
func LoadKeys(path string) (*Keys, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, fmt.Errorf("make the master key: %w", err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others may read %s (mode %04o, want 0600)", ErrKey, path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	return NewKeys(b)
}

// makeKey writes a fresh key. Of two processes that do this at once, one key wins and both read it afterwards.
func makeKey(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".master-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// derive returns 32 bytes for one purpose. HKDF fails only for absurd lengths.
func derive(secret, salt []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, info, keyBytes)
	if err != nil {
		panic(err)
	}
	return key
}

// tenant returns the tenant's key.
func (k *Keys) tenant(id tenants.TenantID) []byte {
	return derive(k.master, nil, "holdfast tenant key 1 "+string(id))
}

// fingerprint names the master key without telling anything about it.
func (k *Keys) fingerprint() []byte {
	return derive(k.master, nil, "holdfast master fingerprint 1")[:4]
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open a folder: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync a folder: %w", err)
	}
	return nil
}
