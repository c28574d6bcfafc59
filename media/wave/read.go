package wave

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"holdfast/media"
	"holdfast/media/codec"
)

var (
	// ErrFormat says that this is no WAV file of a kind that is taken: PCM of 8, 16 or 24 bits or G.711, 8 to 48 kHz, one or two
	// channels.
	ErrFormat = errors.New("not a WAV file that can be played")
	// ErrTooLong says that the sound is longer than [Longest] seconds.
	ErrTooLong = errors.New("longer than 60 seconds")
	// ErrSilent says that nothing can be heard in it.
	ErrSilent = errors.New("nothing can be heard in it")
)

// Longest is how much sound is taken, in seconds.
const Longest = 60

// The format tags of WAVE that are known (RFC 2361, and WAVE_FORMAT_EXTENSIBLE, whose own tag stands in its GUID).
const (
	tagPCM        = 1
	tagALaw       = 6
	tagMuLaw      = 7
	tagExtensible = 0xfffe
)

const (
	leastRate, mostRate = 8000, 48000
	mostChunks          = 1000 // before the sound: a file of nothing but headers is none
	fmtLeast            = 16
	fmtMost             = 64 // bytes of a fmt chunk that are looked at
	extensibleTag       = 24 // offset of the tag in its GUID
	unknownSize         = 0xffffffff
)

// format is what a fmt chunk says.
type format struct {
	tag, channels, bits int
	rate                int
}

// width is the number of bytes of one sample.
func (f format) width() int { return f.bits / 8 }

// Read reads a WAV file into a clip: µ-law, 8 kHz, mono, as loud as the prompts. Errors: ErrFormat, ErrTooLong, ErrSilent, and
// those of r.
func Read(r io.Reader) ([]byte, error) {
	in := bufio.NewReader(r)
	f, size, err := header(in)
	if err != nil {
		return nil, err
	}
	samples, err := mono(in, f, size)
	if err != nil {
		return nil, err
	}
	samples = resample(samples, f.rate)
	if err := level(samples); err != nil {
		return nil, err
	}
	linear := make([]int16, len(samples))
	for i, s := range samples {
		linear[i] = int16(s * 32767)
	}
	return codec.Encode(make([]byte, 0, len(linear)), media.PCMU, linear), nil
}

// header reads up to the samples and says how many bytes of them there are to be.
func header(in *bufio.Reader) (f format, size int64, err error) {
	var head [12]byte
	if err := full(in, head[:]); err != nil {
		return f, 0, err
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return f, 0, ErrFormat
	}
	known := false
	for range mostChunks {
		var chunk [8]byte
		if err := full(in, chunk[:]); err != nil {
			return f, 0, err
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "data":
			if !known {
				return f, 0, ErrFormat
			}
			return f, size, nil
		case "fmt ":
			if f, err = readFormat(in, size); err != nil {
				return f, 0, err
			}
			known = true
		default:
			if err := skip(in, size+size%2); err != nil { // chunks are padded to even lengths
				return f, 0, err
			}
		}
	}
	return f, 0, ErrFormat
}

func readFormat(in *bufio.Reader, size int64) (f format, err error) {
	if size < fmtLeast {
		return f, ErrFormat
	}
	raw := make([]byte, min(size, fmtMost))
	if err := full(in, raw); err != nil {
		return f, err
	}
	if err := skip(in, size-int64(len(raw))+size%2); err != nil {
		return f, err
	}
	word := func(at int) int { return int(binary.LittleEndian.Uint16(raw[at:])) }
	f = format{tag: word(0), channels: word(2), bits: word(14)}
	rate, align := binary.LittleEndian.Uint32(raw[4:]), word(12)
	if f.tag == tagExtensible {
		if len(raw) < extensibleTag+2 {
			return f, ErrFormat
		}
		f.tag = word(extensibleTag)
	}
	fits := f.tag == tagPCM && (f.bits == 8 || f.bits == 16 || f.bits == 24) || (f.tag == tagALaw || f.tag == tagMuLaw) && f.bits == 8
	if !fits || f.channels < 1 || f.channels > 2 || rate < leastRate || rate > mostRate || align != f.channels*f.width() {
		return f, ErrFormat
	}
	f.rate = int(rate)
	return f, nil
}

// mono reads the samples, -1 to 1, channels mixed. A size that was never filled in (0, or all ones) lasts to the end of the file.
func mono(in *bufio.Reader, f format, size int64) ([]float32, error) {
	if size == 0 || size == unknownSize {
		size = 1 << 40
	}
	frame := make([]byte, f.channels*f.width())
	most := Longest * f.rate
	var out []float32
	for size >= int64(len(frame)) {
		size -= int64(len(frame))
		_, err := io.ReadFull(in, frame)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break // what is there counts
		}
		if err != nil {
			return nil, fmt.Errorf("read sound: %w", err)
		}
		if len(out) == most {
			return nil, ErrTooLong
		}
		var sum float32
		for c := range f.channels {
			sum += f.sample(frame[c*f.width():])
		}
		out = append(out, sum/float32(f.channels))
	}
	return out, nil
}

// sample reads one sample, -1 to 1.
func (f format) sample(b []byte) float32 {
	switch {
	case f.tag != tagPCM:
		law := media.PCMU
		if f.tag == tagALaw {
			law = media.PCMA
		}
		var one [1]int16
		return float32(codec.Decode(one[:0], law, b[:1])[0]) / 32768
	case f.bits == 8:
		return (float32(b[0]) - 128) / 128 // unsigned, alone of all
	case f.bits == 16:
		return float32(int16(binary.LittleEndian.Uint16(b))) / 32768
	default:
		return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
	}
}

// full fills b; a file that ends before is none.
func full(in *bufio.Reader, b []byte) error {
	return whole(io.ReadFull(in, b))
}

func skip(in *bufio.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, in, n)
	return whole(0, err)
}

func whole(_ int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrFormat
	}
	if err != nil {
		return fmt.Errorf("read sound: %w", err)
	}
	return nil
}

// Write is the WAV file of a clip: 8 kHz, mono, 16 bit, which every player knows.
func Write(clip []byte) []byte {
	samples := codec.Decode(make([]int16, 0, len(clip)), media.PCMU, clip)
	const headerSize = 44
	size := uint32(2 * len(samples))
	out := make([]byte, 0, headerSize+int(size))
	out = append(out, "RIFF"...)
	out = binary.LittleEndian.AppendUint32(out, headerSize-8+size)
	out = append(out, "WAVEfmt "...)
	out = binary.LittleEndian.AppendUint32(out, fmtLeast)
	for _, v := range []uint16{tagPCM, 1} {
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	out = binary.LittleEndian.AppendUint32(out, media.SampleRate)
	out = binary.LittleEndian.AppendUint32(out, 2*media.SampleRate)
	for _, v := range []uint16{2, 16} {
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	out = append(out, "data"...)
	out = binary.LittleEndian.AppendUint32(out, size)
	for _, s := range samples {
		out = binary.LittleEndian.AppendUint16(out, uint16(s))
	}
	return out
}
