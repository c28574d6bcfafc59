package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/tenants"
)

// ErrNotFound says that there is no such recording, or that it is still being made. It is an fs.ErrNotExist too.
var ErrNotFound = fmt.Errorf("no such recording: %w", fs.ErrNotExist)

// wavHeaderBytes is a RIFF header with one format and one data chunk.
const wavHeaderBytes = 44

// Audio is a recording as a WAV file: 8 kHz, mono, 16-bit samples. It is an io.ReadSeekCloser that opens a chunk when it
// is read; its length is known from the start. Its methods are safe from any goroutine, but share one position.
type Audio struct {
	summary Summary

	mu     sync.Mutex
	file   *os.File
	seal   *seal
	header []byte
	at     int64  // position in the WAV
	number int    // of the chunk in wave; -1: none
	wave   []byte // a chunk as 16-bit samples, little endian
}

var _ io.ReadSeekCloser = (*Audio)(nil)

// Open returns a stored recording. Errors wrap ErrNotFound, ErrFormat, ErrOtherKey or ErrDamaged, or are the disk's.
func (s *Store) Open(tenant tenants.TenantID, id tenants.VoicemailID) (*Audio, error) {
	if checkNames(tenant, id) != nil {
		return nil, ErrNotFound
	}
	all := ErrNotFound
	for _, p := range s.places {
		a, err := s.openFile(p.path(tenant, id, fullSuffix), tenant, id)
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			all = err
		}
	}
	return nil, all
}

func (s *Store) openFile(path string, tenant tenants.TenantID, id tenants.VoicemailID) (*Audio, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open a recording: %w", err)
	}
	a, err := openAudio(f, s.cfg.Keys, tenant, id)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return a, nil
}

func openAudio(f *os.File, keys *Keys, tenant tenants.TenantID, id tenants.VoicemailID) (*Audio, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open a recording: %w", err)
	}
	h := make([]byte, headerBytes)
	if _, err := f.ReadAt(h, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	sl, err := openSeal(keys, tenant, id, h)
	if err != nil {
		return nil, err
	}
	summary, err := readEnd(f, sl, info.Size())
	if err != nil {
		return nil, err
	}
	return &Audio{summary: summary, file: f, seal: sl, header: wavHeader(summary.Bytes), number: -1}, nil
}

// readEnd reads the trailer of a file of that size and checks that it fits.
func readEnd(f io.ReaderAt, sl *seal, size int64) (Summary, error) {
	area := size - headerBytes - sealedEnd
	if area < 0 {
		return Summary{}, ErrDamaged
	}
	b := make([]byte, sealedEnd)
	if _, err := f.ReadAt(b, size-sealedEnd); err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	chunks := int((area + sealedChunk - 1) / sealedChunk)
	plain, _, err := sl.open(trailerChunk, chunks, b)
	if err != nil {
		plain, _, err = sl.open(repairedChunk, chunks, b)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("%w: trailer", ErrDamaged)
	}
	s, err := readTrailer(plain)
	if err == nil && area != sealedSize(s.Bytes) {
		err = fmt.Errorf("%w: length", ErrDamaged)
	}
	return s, err
}

// sealedSize is how long so many samples are once sealed.
func sealedSize(samples int64) int64 {
	size := samples / chunkBytes * sealedChunk
	if rest := samples % chunkBytes; rest > 0 {
		size += lengthBytes + rest + tagBytes
	}
	return size
}

// Summary returns what is known of a stored recording. Errors as [Store.Open]. After a crash it tells whether a take whose
// end was never journaled was stored all the same.
func (s *Store) Summary(tenant tenants.TenantID, id tenants.VoicemailID) (Summary, error) {
	a, err := s.Open(tenant, id)
	if err != nil {
		return Summary{}, err
	}
	return a.Summary(), a.Close()
}

// Summary returns what the recording's trailer says.
func (a *Audio) Summary() Summary { return a.summary }

// Size returns the length of the WAV in bytes.
func (a *Audio) Size() int64 { return wavHeaderBytes + 2*a.summary.Bytes }

// Close ends the use of the recording.
func (a *Audio) Close() error { return a.file.Close() }

// Seek sets the position, as io.Seeker says.
func (a *Audio) Seek(offset int64, whence int) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += a.at
	case io.SeekEnd:
		offset += a.Size()
	default:
		return 0, fmt.Errorf("seek a recording: whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek a recording: before its start")
	}
	a.at = offset
	return offset, nil
}

// Read reads the WAV from the position on. A chunk that was changed gives ErrDamaged, never other audio.
func (a *Audio) Read(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at >= a.Size() {
		return 0, io.EOF
	}
	var n int
	if a.at < wavHeaderBytes {
		n = copy(b, a.header[a.at:])
	} else {
		at := a.at - wavHeaderBytes
		if err := a.load(int(at / (2 * chunkBytes))); err != nil {
			return 0, err
		}
		n = copy(b, a.wave[at%(2*chunkBytes):])
	}
	a.at += int64(n)
	return n, nil
}

// load opens chunk number, which is within the recording. Under mu.
func (a *Audio) load(number int) error {
	if a.number == number {
		return nil
	}
	length := min(chunkBytes, a.summary.Bytes-int64(number)*chunkBytes)
	b := make([]byte, lengthBytes+length+tagBytes)
	if _, err := a.file.ReadAt(b, headerBytes+int64(number)*sealedChunk); err != nil {
		return fmt.Errorf("%w: chunk %d: %w", ErrDamaged, number, err)
	}
	plain, _, err := a.seal.open(audioChunk, number, b)
	if err != nil || int64(len(plain)) != length {
		return fmt.Errorf("%w: chunk %d", ErrDamaged, number)
	}
	a.wave = a.wave[:0]
	for _, sample := range codec.Decode(nil, media.PCMU, plain) {
		a.wave = binary.LittleEndian.AppendUint16(a.wave, uint16(sample))
	}
	a.number = number
	return nil
}

// wavHeader is the RIFF header of so many 16-bit samples at 8 kHz, mono.
func wavHeader(samples int64) []byte {
	size := uint32(2 * samples)
	h := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, size+wavHeaderBytes-8)...)
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16)                 // length of what follows
	h = binary.LittleEndian.AppendUint16(h, 1)                  // PCM
	h = binary.LittleEndian.AppendUint16(h, 1)                  // channels
	h = binary.LittleEndian.AppendUint32(h, media.SampleRate)   // samples a second
	h = binary.LittleEndian.AppendUint32(h, 2*media.SampleRate) // bytes a second
	h = binary.LittleEndian.AppendUint16(h, 2)                  // bytes a frame
	h = binary.LittleEndian.AppendUint16(h, 16)                 // bits a sample
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, size)
}
