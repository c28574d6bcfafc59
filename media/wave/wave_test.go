package wave_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/media/wave"
)

// file is a WAV file of a tone: seconds of hz at an amplitude of full scale.
type file struct {
	tag, channels, bits, rate int
	hz, seconds, amplitude    float64
}

func (f file) bytes() []byte {
	var data []byte
	for n := range int(f.seconds * float64(f.rate)) {
		v := f.amplitude * math.Sin(2*math.Pi*f.hz*float64(n)/float64(f.rate))
		for range f.channels {
			switch {
			case f.tag == 7:
				data = codec.Encode(data, media.PCMU, []int16{int16(v * 32767)})
			case f.tag == 6:
				data = codec.Encode(data, media.PCMA, []int16{int16(v * 32767)})
			case f.bits == 8:
				data = append(data, byte(math.Round(v*127)+128))
			case f.bits == 16:
				data = binary.LittleEndian.AppendUint16(data, uint16(int16(v*32767)))
			default:
				s := int32(v * (1<<23 - 1))
				data = append(data, byte(s), byte(s>>8), byte(s>>16))
			}
		}
	}
	return riff(chunk("LIST", []byte("odd")), chunk("fmt ", f.format()), chunk("data", data))
}

func (f file) format() []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(f.tag))
	b = binary.LittleEndian.AppendUint16(b, uint16(f.channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.rate*f.channels*f.bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(f.channels*f.bits/8))
	return binary.LittleEndian.AppendUint16(b, uint16(f.bits))
}

func chunk(id string, body []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	out = append(out, body...)
	return append(out, make([]byte, len(body)%2)...)
}

func riff(chunks ...[]byte) []byte {
	body := []byte("WAVE")
	for _, c := range chunks {
		body = append(body, c...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// heard is how loud a frequency is in a clip, in dB of full scale of a sine.
func heard(clip []byte, hz float64) float64 {
	samples := codec.Decode(nil, media.PCMU, clip)
	samples = samples[len(samples)/4 : 3*len(samples)/4]
	var re, im float64
	for n, s := range samples {
		turn := 2 * math.Pi * hz * float64(n) / 8000
		re += float64(s) * math.Cos(turn)
		im += float64(s) * math.Sin(turn)
	}
	return 20 * math.Log10(2*math.Hypot(re, im)/float64(len(samples))/32768)
}

func TestAToneOfEveryFormatArrivesAsLoudAsThePrompts(t *testing.T) {
	t.Parallel()
	for _, f := range []file{
		{1, 1, 16, 8000, 440, 2, 0.5},
		{1, 2, 16, 44100, 440, 2, 0.05},
		{1, 2, 24, 48000, 440, 2, 0.9},
		{1, 1, 8, 11025, 440, 2, 0.5},
		{1, 1, 16, 47999, 440, 1, 0.5},
		{1, 1, 16, 22050, 3000, 2, 0.5},
		{7, 1, 8, 8000, 440, 2, 0.3},
		{6, 2, 8, 16000, 440, 2, 0.3},
	} {
		clip, err := wave.Read(bytes.NewReader(f.bytes()))
		if err != nil {
			t.Errorf("%+v: %v", f, err)
			continue
		}
		if want := f.seconds * 8000; math.Abs(float64(len(clip))-want) > 1 {
			t.Errorf("%+v: %d samples", f, len(clip))
		}
		// -19 dB of power is a sine of -16.
		if at := heard(clip, f.hz); math.Abs(at+16) > 1 {
			t.Errorf("%+v: %.1f dB", f, at)
		}
		again, err := wave.Read(bytes.NewReader(wave.Write(clip)))
		if err != nil || math.Abs(heard(again, f.hz)+16) > 1 {
			t.Errorf("%+v: what is written is not read: %v", f, err)
		}
	}
}

func TestWhatATelephoneCannotCarryDoesNotComeBackAsAWhistle(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{16000, 44100, 48000} {
		low, high := file{1, 1, 16, rate, 500, 1, 0.2}, file{1, 1, 16, rate, 5000, 1, 0.7}
		both := low.bytes()
		for at, other := len(both)-2*rate, high.bytes(); at < len(both); at += 2 {
			sum := int16(binary.LittleEndian.Uint16(both[at:])) + int16(binary.LittleEndian.Uint16(other[at:]))
			binary.LittleEndian.PutUint16(both[at:], uint16(sum))
		}
		clip, err := wave.Read(bytes.NewReader(both))
		if err != nil {
			t.Fatal(err)
		}
		if tone, alias := heard(clip, 500), heard(clip, 3000); tone-alias < 45 {
			t.Errorf("%d Hz: the tone is at %.1f dB, the whistle at %.1f", rate, tone, alias)
		}
	}
}

func TestHostileFilesAreRefusedInWords(t *testing.T) {
	t.Parallel()
	good := file{1, 1, 16, 8000, 440, 1, 0.5}
	with := func(change func(*file)) []byte {
		f := good
		f.seconds = 0.1
		change(&f)
		return riff(chunk("fmt ", f.format()), chunk("data", make([]byte, 4000)))
	}
	zip := append([]byte("PK\x03\x04"), make([]byte, 100)...)
	lying := append([]byte(nil), good.bytes()...)
	copy(lying[12:], "LIST\xff\xff\xff\xff")
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":                 {nil, wave.ErrFormat},
		"a zip":                   {zip, wave.ErrFormat},
		"a playlist":              {[]byte("#EXTM3U\nhttp://169.254.169.254/\n"), wave.ErrFormat},
		"a size that lies":        {lying, wave.ErrFormat},
		"768 kHz":                 {with(func(f *file) { f.rate = 768000 }), wave.ErrFormat},
		"no rate":                 {with(func(f *file) { f.rate = 0 }), wave.ErrFormat},
		"64 channels":             {with(func(f *file) { f.channels = 64 }), wave.ErrFormat},
		"no channel":              {with(func(f *file) { f.channels = 0 }), wave.ErrFormat},
		"ADPCM":                   {with(func(f *file) { f.tag = 2 }), wave.ErrFormat},
		"float":                   {with(func(f *file) { f.tag, f.bits = 3, 32 }), wave.ErrFormat},
		"sound before its format": {riff(chunk("data", make([]byte, 100))), wave.ErrFormat},
		"headers without end":     {riff(bytes.Repeat(chunk("junk", nil), 5000)), wave.ErrFormat},
		"silence":                 {with(func(*file) {}), wave.ErrSilent},
		"no sound":                {riff(chunk("fmt ", good.format()), chunk("data", nil)), wave.ErrSilent},
		"61 seconds":              {file{1, 1, 16, 8000, 440, 61, 0.5}.bytes(), wave.ErrTooLong},
	} {
		if _, err := wave.Read(bytes.NewReader(c.raw)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	endless := io.MultiReader(bytes.NewReader(riff(chunk("fmt ", good.format()), []byte("data\xff\xff\xff\xff"))), noise{})
	if _, err := wave.Read(endless); !errors.Is(err, wave.ErrTooLong) {
		t.Errorf("sound without end: %v", err)
	}
	cut := good.bytes()
	if clip, err := wave.Read(bytes.NewReader(cut[:len(cut)/2])); err != nil || len(clip) < 3000 {
		t.Errorf("a file that was cut short: %d samples, %v", len(clip), err)
	}
}

// noise never ends.
type noise struct{}

func (noise) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(rand.Int())
	}
	return len(b), nil
}

func FuzzRead(f *testing.F) {
	f.Add(file{1, 2, 24, 48000, 440, 0.05, 0.5}.bytes())
	f.Add(file{7, 1, 8, 8000, 440, 0.05, 0.5}.bytes())
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if clip, err := wave.Read(bytes.NewReader(b)); err == nil && len(clip) > len(b)+1 {
			t.Errorf("%d bytes became %d samples", len(b), len(clip))
		}
	})
}
