package sdp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The keys of SRTP as a description carries them: RFC 4568 (SDES) with the suites of RFC 4568, 6188 and 7714. Whoever reads
// the description reads the keys, so that all of this is worth as much as the TLS around the signalling.

// Suite is how media is encrypted and authenticated.
type Suite uint8

// The suites, in the order in which we offer them. Those with a short tag are taken where a peer has nothing better, and
// never offered.
const (
	NoSuite Suite = iota
	AES128GCM
	AES256GCM
	AES128CM80
	AES256CM80
	AES128CM32
	AES256CM32
	suites
)

// shapes are the suites' names in SDP and the lengths of their master keys and salts, in bytes. Of what a peer offers, the
// first of the lowest rank is taken.
var shapes = [suites]struct {
	name      string
	key, salt int
	rank      int
}{
	AES128GCM:  {"AEAD_AES_128_GCM", 16, 12, 1},
	AES256GCM:  {"AEAD_AES_256_GCM", 32, 12, 1},
	AES128CM80: {"AES_CM_128_HMAC_SHA1_80", 16, 14, 2},
	AES256CM80: {"AES_256_CM_HMAC_SHA1_80", 32, 14, 2},
	AES128CM32: {"AES_CM_128_HMAC_SHA1_32", 16, 14, 3},
	AES256CM32: {"AES_256_CM_HMAC_SHA1_32", 32, 14, 3},
}

// offered is what our own offers list.
var offered = []Suite{AES128GCM, AES256GCM, AES128CM80, AES256CM80}

// String returns the suite's name in SDP.
func (s Suite) String() string {
	if s == NoSuite || s >= suites {
		return "none"
	}
	return shapes[s].name
}

// Limits on what is read of one a=crypto line, and on how many lines.
const (
	maxCrypto = 16
	maxKeys   = 8
	maxMKI    = 16 // bytes; a number, and written with leading zeros when it is longer than that
)

// Key is one master key with its salt. It shows its secret to nobody who prints it.
type Key struct {
	Suite Suite
	Tag   uint32 // of the line that carries it
	MKI   string // by which packets say that they use it, as it stands in them; "": they do not say
	bits  *[]byte
}

// Master returns the master key; it is not to be changed.
func (k Key) Master() []byte { return (*k.bits)[:shapes[k.Suite].key] }

// Salt returns the master salt; it is not to be changed.
func (k Key) Salt() []byte { return (*k.bits)[shapes[k.Suite].key:] }

// Is says whether both are the same key of the same suite.
func (k Key) Is(other Key) bool {
	return k.Suite == other.Suite && k.bits != nil && other.bits != nil && subtle.ConstantTimeCompare(*k.bits, *other.bits) == 1
}

// Format writes the suite, whatever the verb: a key that is printed by accident must not be one that is known.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key of "+k.Suite.String()) }

// NewKeys makes a fresh key of each suite that we offer, and of those that we only take.
func NewKeys() []Key {
	keys := make([]Key, 0, suites)
	for s := AES128GCM; s < suites; s++ {
		bits := make([]byte, shapes[s].key+shapes[s].salt)
		_, _ = rand.Read(bits) // never fails (crypto/rand)
		keys = append(keys, Key{Suite: s, Tag: uint32(s), bits: &bits})
	}
	return keys
}

// Crypto is what was agreed of SRTP.
type Crypto struct {
	In  []Key // the peer's; more than one where it may change between them, by MKI
	Out Key   // ours
}

// Policy says whether audio has to be encrypted.
type Policy uint8

// The policies.
const (
	Clear   Policy = iota // plain RTP; keys are not looked at
	Prefer                // SRTP where the peer knows it, else plain RTP
	Require               // SRTP or nothing
)

// Secure is our side's part in keys.
type Secure struct {
	Policy Policy
	Keys   []Key   // ours, of NewKeys, when Policy is not Clear
	Now    *Crypto // what is in use; a call that is encrypted stays so, whatever Policy says
}

// policy is the one that holds for what comes now.
func (s Secure) policy() Policy {
	if s.Now != nil {
		return Require
	}
	return s.Policy
}

// ours is our key of a suite.
func (s Secure) ours(suite Suite) (Key, bool) {
	for _, k := range s.Keys {
		if k.Suite == suite {
			return k, true
		}
	}
	return Key{}, false
}

// offers are the keys that an offer of ours lists. Within a call that is encrypted it is the one in use: a new one would
// interrupt what is said.
func (s Secure) offers() []Key {
	switch {
	case s.Now != nil:
		return []Key{s.Now.Out}
	case s.Policy == Clear:
		return nil
	}
	var keys []Key
	for _, suite := range offered {
		if k, ok := s.ours(suite); ok {
			keys = append(keys, k)
		}
	}
	return keys
}

// crypto is one a=crypto line that we can use.
type crypto struct {
	tag   uint32
	suite Suite
	keys  []Key
}

// parseCrypto reads `1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4 WSH=128`. ok is false when the line is malformed or asks
// for anything that we do not do: such a line is passed over, another one may serve.
func parseCrypto(value string) (c crypto, ok bool) {
	f := strings.Fields(value)
	if len(f) < 3 || len(f[0]) > 9 || !digits(f[0]) {
		return crypto{}, false
	}
	tag, _ := strconv.ParseUint(f[0], 10, 32) // nine digits
	c.tag = uint32(tag)
	for s := AES128GCM; s < suites; s++ {
		if shapes[s].name == f[1] {
			c.suite = s
		}
	}
	if c.suite == NoSuite {
		return crypto{}, false
	}
	for _, param := range f[3:] {
		if !harmless(param) {
			return crypto{}, false
		}
	}
	for param := range strings.SplitSeq(f[2], ";") {
		k, err := parseKey(param, c.suite)
		if err != nil || len(c.keys) == maxKeys || !fits(k, c.keys) {
			return crypto{}, false
		}
		k.Tag = c.tag
		c.keys = append(c.keys, k)
	}
	return c, true
}

// harmless says whether a session parameter asks for nothing of us: a hint for our window, which is wide enough, a key
// derivation rate of none, or an extension that is marked as one we need not know (RFC 4568 section 6.3).
func harmless(param string) bool {
	name, value, _ := strings.Cut(param, "=")
	switch name {
	case "WSH":
		n, err := strconv.ParseUint(value, 10, 16)
		return err == nil && n >= 64
	case "KDR":
		return value == "0"
	}
	return strings.HasPrefix(param, "-") && len(param) > 1
}

// fits says whether a key may stand beside the others of its line: each has an identifier, all equally long, none twice.
func fits(k Key, others []Key) bool {
	for _, o := range others {
		if k.MKI == "" || len(k.MKI) != len(o.MKI) || k.MKI == o.MKI || k.Is(o) {
			return false
		}
	}
	return true
}

var errKey = errors.New("malformed key")

// parseKey reads `inline:KEY[|LIFETIME][|MKI:LENGTH]`. A lifetime is checked and not counted: it is the sender's to keep.
func parseKey(param string, suite Suite) (Key, error) {
	text, found := strings.CutPrefix(param, "inline:")
	if !found {
		return Key{}, errKey
	}
	parts := strings.Split(text, "|")
	bits, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(parts[0], "="))
	if shape := shapes[suite]; err != nil || len(bits) != shape.key+shape.salt {
		return Key{}, errKey
	}
	k := Key{Suite: suite, bits: &bits}
	rest := parts[1:]
	if len(rest) > 0 && !strings.Contains(rest[0], ":") {
		if !lifetime(rest[0]) {
			return Key{}, errKey
		}
		rest = rest[1:]
	}
	if len(rest) == 1 {
		k.MKI, err = parseMKI(rest[0])
	} else if len(rest) > 1 {
		err = errKey
	}
	return k, err
}

// lifetime says whether a text is a number of packets that a key may last: 1 to 2^48, written so or in digits.
func lifetime(s string) bool {
	if power, found := strings.CutPrefix(s, "2^"); found {
		n, err := strconv.ParseUint(power, 10, 8)
		return err == nil && digits(power) && n <= 48
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && digits(s) && n >= 1 && n <= 1<<48
}

// parseMKI reads `1:4`: the number and how many bytes it takes in a packet.
func parseMKI(s string) (string, error) {
	value, length, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(value, 10, 64)
	size, err2 := strconv.ParseUint(length, 10, 8)
	if err != nil || err2 != nil || !digits(value) || !digits(length) || size < 1 || size > maxMKI {
		return "", errKey
	}
	var b [maxMKI]byte
	binary.BigEndian.PutUint64(b[maxMKI-8:], n)
	start := maxMKI - int(size) //nolint:gosec // at most maxMKI
	for _, left := range b[:start] {
		if left != 0 {
			return "", errKey // the number needs more bytes than it is given
		}
	}
	return string(b[start:]), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// write is the line for a key of ours.
func (k Key) write() string {
	return fmt.Sprintf("crypto:%d %s inline:%s", k.Tag, k.Suite, base64.StdEncoding.EncodeToString(*k.bits))
}

// best is the line to take of an offer: the one in use, so that nothing is interrupted, else the best suite, and among equal
// ones the offerer's first.
func best(lines []crypto, s Secure) (crypto, bool) {
	var found crypto
	for _, c := range lines {
		if s.Now != nil && c.keys[0].Is(s.Now.In[0]) {
			return c, true
		}
		if _, ok := s.ours(c.suite); ok && (found.suite == NoSuite || shapes[c.suite].rank < shapes[found.suite].rank) {
			found = c
		}
	}
	return found, found.suite != NoSuite
}

// answered is what an offer's line and our key for it amount to. Our key changes when the peer's did: whoever knew the former
// may not be the one who listens now.
func (c crypto) answered(s Secure) *Crypto {
	out, _ := s.ours(c.suite)
	if s.Now != nil && s.Now.Out.Suite == c.suite && c.keys[0].Is(s.Now.In[0]) {
		out = s.Now.Out
	}
	out.Tag = c.tag
	return &Crypto{In: c.keys, Out: out}
}

// accepted is what an answer's lines and the keys that we offered amount to; nil when none belongs to ours. A peer that sends
// our own key back would have both ways encrypted alike, which gives both away.
func accepted(lines []crypto, s Secure) *Crypto {
	for _, c := range lines {
		for _, out := range s.offers() {
			if out.Tag != c.tag || out.Suite != c.suite {
				continue
			}
			for _, in := range c.keys {
				if in.Is(out) {
					return nil
				}
			}
			return &Crypto{In: c.keys, Out: out}
		}
	}
	return nil
}
