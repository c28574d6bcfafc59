package sound

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"holdfast/media"
	"holdfast/media/codec"
)

// ErrWAV says that a file is no WAV that we can say.
var ErrWAV = errors.New("not a WAV file of 8 kHz, one channel, 16 bit or µ-law")

const (
	formatPCM  = 1
	formatALaw = 6
	formatMu   = 7
	maxWAV     = 64 << 20 // bytes: more than an hour
)

// LoadWAV reads a file of 8 kHz, one channel, 16 bit, µ-law or A-law, and codes it. It returns ErrWAV for anything else.
func LoadWAV(path string, to media.Codec) ([]byte, error) {
	raw, err := os.ReadFile(path) // the user names it
	if err != nil {
		return nil, fmt.Errorf("read what to say: %w", err)
	}
	if len(raw) > maxWAV {
		return nil, fmt.Errorf("%s: %w: over %d MiB", path, ErrWAV, maxWAV>>20)
	}
	audio, err := parseWAV(raw, to)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return audio, nil
}

// parseWAV walks the chunks of a RIFF file; sizes that lie are cut to what is there.
func parseWAV(raw []byte, to media.Codec) ([]byte, error) {
	if len(raw) < 12 || string(raw[:4]) != "RIFF" || string(raw[8:12]) != "WAVE" {
		return nil, ErrWAV
	}
	var format uint16
	for rest := raw[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:8]))
		rest = rest[8:]
		chunk := rest[:min(size, uint64(len(rest)))]
		switch name {
		case "fmt ":
			if len(chunk) < 16 {
				return nil, ErrWAV
			}
			format = binary.LittleEndian.Uint16(chunk)
			channels, rate := binary.LittleEndian.Uint16(chunk[2:]), binary.LittleEndian.Uint32(chunk[4:])
			bits := binary.LittleEndian.Uint16(chunk[14:])
			if channels != 1 || rate != media.SampleRate || format == formatPCM && bits != 16 {
				return nil, ErrWAV
			}
		case "data":
			return code(format, chunk, to)
		}
		rest = rest[min(size+size%2, uint64(len(rest))):]
	}
	return nil, ErrWAV
}

func code(format uint16, data []byte, to media.Codec) ([]byte, error) {
	switch format {
	case formatMu:
		return codec.Convert(nil, to, media.PCMU, data), nil
	case formatALaw:
		return codec.Convert(nil, to, media.PCMA, data), nil
	case formatPCM:
		samples := make([]int16, len(data)/2)
		for i := range samples {
			samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:])) // two's complement
		}
		return codec.Encode(nil, to, samples), nil
	}
	return nil, ErrWAV
}

// SaveWAV writes 16-bit samples of 8 kHz, one channel.
func SaveWAV(path string, samples []int16) error {
	var b bytes.Buffer
	size := uint32(2 * len(samples)) // a call of 74 hours would be too long
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, 36+size)
	b.WriteString("WAVEfmt ")
	for _, v := range []any{
		uint32(16), uint16(formatPCM), uint16(1), uint32(media.SampleRate), uint32(2 * media.SampleRate), uint16(2), uint16(16),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, size)
	_ = binary.Write(&b, binary.LittleEndian, samples)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil { // a recording for the user to read
		return fmt.Errorf("write the recording: %w", err)
	}
	return nil
}
