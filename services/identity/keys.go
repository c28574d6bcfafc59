package identity

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// mostKeys is how many keys are valid at once: the newest signs, the one before still proves what it signed.
const mostKeys = 2

// key is one signing key and its public name.
type key struct {
	name    string
	private ed25519.PrivateKey
}

// Keys are the token keys of a node: a text file with one key a line, newest first ("ed25519 NAME SEED", both hex), mode
// 0600. Nodes of one installation share the file's content.
type Keys struct {
	path string

	mu   sync.RWMutex
	keys []key
}

// OpenKeys reads the file at path, making it with one key when it is not there. A file that cannot be read in full is an
// error and stays as it is: signing with a fresh key would sign everybody out.
func OpenKeys(path string) (*Keys, error) {
	k := &Keys{path: path}
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := k.Rotate(); err != nil {
			return nil, err
		}
		return k, nil
	case err != nil:
		return nil, fmt.Errorf("read the token keys: %w", err)
	}
	if k.keys, err = parseKeys(raw); err != nil {
		return nil, fmt.Errorf("token keys %s: %w", path, err)
	}
	return k, nil
}

// Rotate makes a new key that signs from now on. Tokens of the key before stay good until the next rotation, so two
// rotations must be further apart than the longest token lives (16 hours).
func (k *Keys) Rotate() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a token key: %w", err)
	}
	public, _ := private.Public().(ed25519.PublicKey) // always is one
	k.mu.Lock()
	defer k.mu.Unlock()
	next := append([]key{{name: hex.EncodeToString(public[:8]), private: private}}, k.keys...)
	next = next[:min(len(next), mostKeys)]
	if err := writeKeys(k.path, next); err != nil {
		return err
	}
	k.keys = next
	return nil
}

func (k *Keys) newest() key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[0]
}

// public finds the key that a token names.
func (k *Keys) public(name string) (ed25519.PublicKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, each := range k.keys {
		if each.name == name {
			public, ok := each.private.Public().(ed25519.PublicKey)
			return public, ok
		}
	}
	return nil, false
}

func parseKeys(raw []byte) ([]key, error) {
	var keys []key
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 || fields[0] != "ed25519" {
			return nil, errors.New("a line is not \"ed25519 NAME SEED\"")
		}
		seed, err := hex.DecodeString(fields[2])
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, errors.New("a seed is not 32 bytes in hex")
		}
		keys = append(keys, key{name: fields[1], private: ed25519.NewKeyFromSeed(seed)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return keys[:min(len(keys), mostKeys)], nil
}

// writeKeys replaces the file whole: a torn key file would sign everybody out.
func writeKeys(path string, keys []key) error {
	var text bytes.Buffer
	for _, k := range keys {
		fmt.Fprintf(&text, "ed25519 %s %s\n", k.name, hex.EncodeToString(k.private.Seed()))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep the token keys: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the token keys: %w", err)
	}
	_, err = f.Write(text.Bytes())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("keep the token keys: %w", err)
	}
	return nil
}
