package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// secretVersion is the first byte of a sealed secret.
const secretVersion = 1

// SealSecret seals a small secret that is kept elsewhere than on this disk, e.g. a carrier's password in the database. It
// opens only under the same name: whoever can write where it is kept cannot put it in another's place.
func (k *Keys) SealSecret(name string, secret []byte) []byte {
	box := k.secrets()
	out := make([]byte, 1+box.NonceSize(), 1+box.NonceSize()+len(secret)+box.Overhead())
	out[0] = secretVersion
	_, _ = rand.Read(out[1:]) // never fails
	return box.Seal(out, out[1:], secret, []byte(name))
}

// OpenSecret opens what SealSecret made under the same name, or returns ErrOtherKey: it was sealed by another master key,
// under another name, or was changed.
func (k *Keys) OpenSecret(name string, sealed []byte) ([]byte, error) {
	box := k.secrets()
	n := box.NonceSize()
	if len(sealed) < 1+n || sealed[0] != secretVersion {
		return nil, fmt.Errorf("open the secret %q: %w", name, ErrOtherKey)
	}
	secret, err := box.Open(nil, sealed[1:1+n], sealed[1+n:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("open the secret %q: %w", name, ErrOtherKey)
	}
	return secret, nil
}

// Chance is what a coin says that was tossed for a name: the same wherever the master key is, and foreseen by nobody without it.
func (k *Keys) Chance(name string) bool {
	return derive(k.master, []byte(name), "holdfast chance 1")[0]&1 == 1
}

// secrets is the box of all small secrets. AES-GCM's random nonces last for four billion of them.
func (k *Keys) secrets() cipher.AEAD {
	block, err := aes.NewCipher(derive(k.master, nil, "holdfast secrets key 1"))
	if err != nil {
		panic(err) // only for a key of another length
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // never for AES
	}
	return box
}
