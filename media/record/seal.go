package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"holdfast/media"
	"holdfast/tenants"
)

const (
	magic   = "HFAUDIO"
	version = 1

	chunkBytes   = media.SampleRate // a second: what a crash may cost
	tagBytes     = 16
	lengthBytes  = 4
	sealedChunk  = lengthBytes + chunkBytes + tagBytes
	trailerBytes = 64
	sealedEnd    = lengthBytes + trailerBytes + tagBytes

	saltAt      = 28
	saltBytes   = 16
	wrappedAt   = saltAt + saltBytes
	headerBytes = wrappedAt + keyBytes + tagBytes
)

// kind tells chunks apart; it is part of the nonce.
type kind byte

const (
	audioChunk    kind = 0
	trailerChunk  kind = 1
	repairedChunk kind = 2
)

var (
	// ErrFormat says that a file is no recording of a version this build knows.
	ErrFormat = errors.New("not a recording of a known version")
	// ErrDamaged says that a chunk was changed, moved or torn.
	ErrDamaged = errors.New("the recording is damaged")
)

// seal closes and opens the chunks of one recording.
type seal struct {
	aead cipher.AEAD
	name string // authenticated with every chunk
}

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func objectName(tenant tenants.TenantID, id tenants.VoicemailID) string {
	return "holdfast recording 1\x00" + string(tenant) + "\x00" + string(id) + "\x00"
}

// newSeal makes a fresh key for a recording and returns its seal and the header to be written.
func newSeal(keys *Keys, tenant tenants.TenantID, id tenants.VoicemailID, now time.Time) (*seal, []byte) {
	secret := make([]byte, keyBytes+saltBytes)
	_, _ = rand.Read(secret) // never fails
	return sealWith(keys, tenant, id, now, secret[:keyBytes], secret[keyBytes:])
}

func sealWith(keys *Keys, tenant tenants.TenantID, id tenants.VoicemailID, now time.Time, key, salt []byte) (*seal, []byte) {
	h := make([]byte, wrappedAt, headerBytes)
	copy(h, magic)
	h[7] = version
	h[8] = byte(media.PCMU)
	binary.LittleEndian.PutUint32(h[12:], chunkBytes)
	copy(h[16:], keys.fingerprint())
	binary.LittleEndian.PutUint64(h[20:], uint64(now.UnixMilli()))
	copy(h[saltAt:], salt)
	name := objectName(tenant, id)
	wrap := newAEAD(derive(keys.tenant(tenant), salt, name))
	// The wrapping key is used for this one text, so its nonce may be zero.
	h = wrap.Seal(h, make([]byte, wrap.NonceSize()), key, append([]byte(name), h...))
	return &seal{aead: newAEAD(key), name: name}, h
}

// openSeal reads a header. Errors: ErrFormat, ErrOtherKey, ErrDamaged.
func openSeal(keys *Keys, tenant tenants.TenantID, id tenants.VoicemailID, h []byte) (*seal, error) {
	if len(h) < headerBytes || string(h[:7]) != magic || h[7] != version || h[8] != byte(media.PCMU) ||
		binary.LittleEndian.Uint32(h[12:]) != chunkBytes {
		return nil, ErrFormat
	}
	if string(h[16:20]) != string(keys.fingerprint()) {
		return nil, ErrOtherKey
	}
	name := objectName(tenant, id)
	wrap := newAEAD(derive(keys.tenant(tenant), h[saltAt:wrappedAt], name))
	key, err := wrap.Open(nil, make([]byte, wrap.NonceSize()), h[wrappedAt:headerBytes], append([]byte(name), h[:wrappedAt]...))
	if err != nil {
		return nil, fmt.Errorf("%w: header", ErrDamaged)
	}
	return &seal{aead: newAEAD(key), name: name}, nil
}

// terms returns nonce and additional data of a chunk.
func (s *seal) terms(k kind, number, length int) (nonce, data []byte) {
	nonce = make([]byte, s.aead.NonceSize())
	nonce[0] = byte(k)
	binary.BigEndian.PutUint64(nonce[4:], uint64(number))
	data = append([]byte(s.name), nonce...)
	return nonce, binary.LittleEndian.AppendUint32(data, uint32(length))
}

// add appends the sealed chunk to dst.
func (s *seal) add(dst []byte, k kind, number int, plain []byte) []byte {
	nonce, data := s.terms(k, number, len(plain))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(plain)))
	return s.aead.Seal(dst, nonce, plain, data)
}

// open returns the plain content of the sealed chunk that b begins with, and the chunk's length in b.
func (s *seal) open(k kind, number int, b []byte) (plain []byte, n int, err error) {
	if len(b) < lengthBytes {
		return nil, 0, ErrDamaged
	}
	length := int64(binary.LittleEndian.Uint32(b))
	if length > chunkBytes || int64(len(b)) < lengthBytes+length+tagBytes {
		return nil, 0, ErrDamaged
	}
	n = lengthBytes + int(length) + tagBytes
	nonce, data := s.terms(k, number, int(length))
	plain, err = s.aead.Open(nil, nonce, b[lengthBytes:n], data)
	if err != nil {
		return nil, 0, ErrDamaged
	}
	return plain, n, nil
}

// Summary is what is known of a recording once it has ended.
type Summary struct {
	Duration time.Duration
	Bytes    int64   // of µ-law audio: its samples
	SHA256   string  // of the µ-law audio, hex
	Empty    bool    // under 1 s
	CutShort bool    // the process died while it was recorded
	Level    float64 // root mean square of all of it, in dBFS; -127 where there is no sound
}

// emptyBelow is the shortest recording that is not called empty.
const emptyBelow = time.Second

// silenceLevel is the level of digital silence, in dBFS: the lowest that RFC 6464 can say.
const silenceLevel = -127

const flagCutShort = 1

func summarise(samples int64, sum []byte, squares float64, cutShort bool) Summary {
	s := Summary{Bytes: samples, SHA256: hex.EncodeToString(sum), CutShort: cutShort, Level: silenceLevel}
	s.Duration = time.Duration(samples) * time.Second / media.SampleRate
	s.Empty = s.Duration < emptyBelow
	if samples > 0 && squares > 0 {
		s.Level = max(silenceLevel, math.Round(100*math.Log10(squares/float64(samples)/(32768*32768)))/10)
	}
	return s
}

// trailer returns the summary as the trailer's content.
func (s Summary) trailer() []byte {
	b := make([]byte, trailerBytes)
	_, _ = hex.Decode(b[:32], []byte(s.SHA256))
	binary.LittleEndian.PutUint64(b[32:], uint64(s.Bytes))
	if s.CutShort {
		binary.LittleEndian.PutUint32(b[40:], flagCutShort)
	}
	binary.LittleEndian.PutUint16(b[44:], uint16(int16(math.Round(10*s.Level))))
	return b
}

// readTrailer is the reverse of trailer.
func readTrailer(b []byte) (Summary, error) {
	if len(b) != trailerBytes {
		return Summary{}, ErrDamaged
	}
	s := summarise(int64(binary.LittleEndian.Uint64(b[32:])), b[:32], 0, binary.LittleEndian.Uint32(b[40:])&flagCutShort != 0)
	s.Level = float64(int16(binary.LittleEndian.Uint16(b[44:]))) / 10
	return s, nil
}
