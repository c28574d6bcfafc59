package prompt

import (
	"math"
	"strings"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/codec"
)

// Duration is how long a clip lasts.
func Duration(clip []byte) time.Duration {
	return time.Duration(len(clip)) * time.Second / media.SampleRate
}

// Silence returns d of no sound.
func Silence(d time.Duration) []byte {
	s := make([]byte, samples(d))
	for i := range s {
		s[i] = media.PCMU.Silence()
	}
	return s
}

// cadence is a call progress tone: the sum of some sines, on and off (ITU-T E.180 supplement 2).
type cadence struct {
	hz    []float64
	level float64         // amplitude of each sine; 1 is full scale
	beat  []time.Duration // on, off, on, off ...
}

// ringbacks by country; a country not named here rings like most of Europe.
var (
	ringbackNorthAmerica = cadence{hz: []float64{440, 480}, level: 0.09, beat: []time.Duration{2 * time.Second, 4 * time.Second}}
	ringbackEurope       = cadence{hz: []float64{425}, level: 0.13, beat: []time.Duration{time.Second, 4 * time.Second}}

	ringbacks = map[string]cadence{
		"US": ringbackNorthAmerica,
		"CA": ringbackNorthAmerica,
		"PR": ringbackNorthAmerica,
		"HU": {hz: []float64{425}, level: 0.13, beat: []time.Duration{1250 * time.Millisecond, 3750 * time.Millisecond}},
		"ES": {hz: []float64{425}, level: 0.13, beat: []time.Duration{1500 * time.Millisecond, 3 * time.Second}},
		"GB": {hz: []float64{400, 450}, level: 0.09, beat: []time.Duration{
			400 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second,
		}},
	}
)

// rendered holds a beat of each country in ringbacks, and of Europe under "".
var rendered = sync.OnceValue(func() map[string][]byte {
	all := map[string][]byte{"": ringbackEurope.render()}
	for country, c := range ringbacks {
		all[country] = c.render()
	}
	return all
})

// Ringback returns one beat of the ringback tone of a country (ISO 3166-1 alpha-2), made to be looped; it begins with
// sound, so that the caller hears at once that it rings.
func (*Library) Ringback(country string) []byte {
	if clip, known := rendered()[strings.ToUpper(country)]; known {
		return clip
	}
	return rendered()[""]
}

var beep = sync.OnceValue(func() []byte {
	return cadence{hz: []float64{1000}, level: 0.3, beat: []time.Duration{400 * time.Millisecond}}.render()
})

// compute makes every sound that is computed.
func compute() {
	music()
	beep()
	rendered()
}

// Beep returns the tone after which a caller speaks: 1,000 Hz for 400 ms.
func (*Library) Beep() []byte { return beep() }

// fade is how long a tone takes to swell and to die away; an abrupt edge is heard as a click.
const fade = 5 * time.Millisecond

func (c cadence) render() []byte {
	var wave []float64
	for i, d := range c.beat {
		n := samples(d)
		start := len(wave)
		wave = append(wave, make([]float64, n)...)
		if i%2 == 1 {
			continue
		}
		for _, hz := range c.hz {
			for k := range n {
				edge := min(1, float64(min(k, n-1-k))/float64(samples(fade)))
				wave[start+k] += c.level * edge * math.Sin(2*math.Pi*hz*float64(k)/media.SampleRate)
			}
		}
	}
	return encode(wave)
}

// encode turns a wave of -1 to 1 into µ-law; silence becomes true silence.
func encode(wave []float64) []byte {
	linear := make([]int16, len(wave))
	for i, v := range wave {
		linear[i] = int16(32767 * max(-1, min(1, v)))
	}
	return codec.Encode(make([]byte, 0, len(linear)), media.PCMU, linear)
}

func samples(d time.Duration) int { return int(d * media.SampleRate / time.Second) }
