package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Parameters of new hashes: argon2id (RFC 9106) with 32 MiB and two passes, about 60 ms of one processor here. More memory
// would be stronger and is not wanted beside live calls; guessing over the network is stopped by the lock long before.
const (
	argonMemory  = 32 * 1024 // KiB
	argonTime    = 2         // passes
	argonLanes   = 1
	argonKey     = 32 // bytes
	argonSalt    = 16 // bytes
	hashesAtOnce = 2  // bounds memory (64 MiB) and leaves processors to the calls

	// longestPassword bounds the work of one try, in bytes.
	longestPassword = 256
	// mostMemory and mostTime bound what a stored hash may ask for: a hash is data, and data may be wrong.
	mostMemory = 256 * 1024
	mostTime   = 10
)

// NoPassword is kept for somebody who has not chosen one yet: no password has this hash.
const NoPassword = "$argon2id$none"

// HashPassword returns password as argon2id in the usual text form ("$argon2id$v=19$m=...").
func HashPassword(password string) (string, error) {
	if password == "" || len(password) > longestPassword {
		return "", fmt.Errorf("a password has 1 to %d bytes", longestPassword)
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonMemory, argonTime, argonLanes, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// checkPassword reports whether password has this hash. An unreadable hash has no password.
func checkPassword(hash, password string) bool {
	h, err := parseHash(hash)
	if err != nil {
		return false
	}
	got := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(got, h.key) == 1
}

type parsedHash struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parseHash(text string) (parsedHash, error) {
	var h parsedHash
	bad := errors.New("not an argon2id hash")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); err != nil {
		return h, bad
	}
	if h.memory == 0 || h.memory > mostMemory || h.time == 0 || h.time > mostTime || h.lanes == 0 {
		return h, bad
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return h, bad
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return h, bad
	}
	return h, nil
}
