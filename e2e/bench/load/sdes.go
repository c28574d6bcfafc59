package load

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/pion/srtp/v3"
)

// sdes are the SRTP profiles that an operator takes whose keys are in SDP (RFC 4568), in the order in which a browser wants them.
var sdes = []struct {
	name    string
	profile srtp.ProtectionProfile
}{
	{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm},
	{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80},
}

// sdesKey is a key that SDP has told.
type sdesKey struct {
	tag     string // of the line, by which it is answered
	name    string
	profile srtp.ProtectionProfile
	key     []byte
	salt    []byte
}

// sealing finds the best profile that an SDP offers, and its key.
func sealing(sdp []byte) (sdesKey, error) {
	for _, want := range sdes {
		for line := range bytes.Lines(sdp) {
			fields := bytes.Fields(line) // a=crypto:TAG PROFILE inline:KEY
			if len(fields) != 3 || string(fields[1]) != want.name {
				continue
			}
			tag, ok := bytes.CutPrefix(fields[0], []byte("a=crypto:"))
			text, ok2 := bytes.CutPrefix(fields[2], []byte("inline:"))
			key, err := base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(text, "=")))
			if !ok || !ok2 || err != nil {
				return sdesKey{}, fmt.Errorf("the SDP's line %q has no key", line)
			}
			s := sdesKey{tag: string(tag), name: want.name, profile: want.profile}
			err = s.split(key)
			return s, err
		}
	}
	return sdesKey{}, errors.New("the SDP offers no SRTP that a browser would take")
}

// split takes a key apart that has its salt behind it.
func (s *sdesKey) split(key []byte) error {
	n, err := s.profile.KeyLen()
	m, err2 := s.profile.SaltLen()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if len(key) != n+m {
		return fmt.Errorf("a key of %s has %d bytes, not %d", s.name, n+m, len(key))
	}
	s.key, s.salt = key[:n], key[n:]
	return nil
}

// answer makes a key of our own for the same profile, and the line that tells it.
func (s sdesKey) answer() (own sdesKey, line string, err error) {
	key := make([]byte, len(s.key)+len(s.salt))
	if _, err := rand.Read(key); err != nil {
		return own, "", err
	}
	own = s
	err = own.split(key)
	return own, fmt.Sprintf("a=crypto:%s %s inline:%s\r\n", s.tag, s.name, base64.StdEncoding.EncodeToString(key)), err
}

// keysOf are an operator's who reads with the server's key and writes with its own.
func keysOf(server, own sdesKey) (*keys, error) {
	in, err := srtp.CreateContext(server.key, server.salt, server.profile)
	out, err2 := srtp.CreateContext(own.key, own.salt, own.profile)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("SRTP: %w", err)
	}
	return &keys{in: in, out: out, profile: own.profile}, nil
}
