package wave

import (
	"math"

	"holdfast/media"
)

const (
	// passes is where the low-pass begins to close, in Hz: a telephone carries 300 to 3400, and 4000 is where 8 kHz ends.
	passes = 3550
	// lobes is how many zero crossings of the sinc stand on each side: some 70 dB down at 4 kHz and beyond.
	lobes = 24
)

// resample lowers the rate to 8 kHz. Output n stands at n*rate/8000 of the input; its weights repeat with the phase of that
// position, and are made once for each phase.
func resample(in []float32, rate int) []float32 {
	if rate == media.SampleRate {
		return in
	}
	divisor := gcd(rate, media.SampleRate)
	phases, step := media.SampleRate/divisor, rate/divisor
	half := int(math.Ceil(lobes * float64(rate) / (2 * passes)))
	weights := make([][]float32, phases)
	out := make([]float32, 0, len(in)*phases/step+1)
	for n := 0; n*step/phases < len(in); n++ {
		at, phase := n*step/phases, n*step%phases
		if weights[phase] == nil {
			weights[phase] = taps(float64(phase)/float64(phases), half, rate)
		}
		var sum float32
		for k, w := range weights[phase] {
			if i := at - half + 1 + k; i >= 0 && i < len(in) {
				sum += w * in[i]
			}
		}
		out = append(out, sum)
	}
	return out
}

// taps are the weights of the input samples around a position that lies offset (0 to 1) behind one of them: a sinc under a
// Blackman window, scaled so that what does not change stays as it is.
func taps(offset float64, half, rate int) []float32 {
	w := make([]float64, 2*half)
	total := 0.0
	for k := range w {
		x := float64(k-half+1) - offset // in input samples
		arg := 2 * math.Pi * passes * x / float64(rate)
		w[k] = 1
		if arg != 0 {
			w[k] = math.Sin(arg) / arg
		}
		turn := math.Pi * x / float64(half)
		w[k] *= 0.42 + 0.5*math.Cos(turn) + 0.08*math.Cos(2*turn)
		total += w[k]
	}
	out := make([]float32, len(w))
	for k := range w {
		out[k] = float32(w[k] / total)
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

const (
	frame    = media.SampleRate / 50 // 20 ms
	wanted   = -19.0                 // dB of full scale, of what is spoken; the prompts lie near -20 with their pauses
	audible  = -60.0                 // dB: below it nothing was said
	pauses   = 25.0                  // dB below the loudest frame: not counted as speech
	mostGain = 30.0                  // dB: more would lift the noise of the room
	knee     = 0.7                   // of full scale: above it peaks are bent, not cut
)

// level takes the offset away and makes the speech as loud as wanted, in place. ErrSilent when there is none.
func level(samples []float32) error {
	mean := 0.0
	for _, s := range samples {
		mean += float64(s)
	}
	mean /= math.Max(1, float64(len(samples)))
	loudest := 0.0
	var powers []float64
	for from := 0; from+frame <= len(samples); from += frame {
		power := 0.0
		for i := from; i < from+frame; i++ {
			samples[i] -= float32(mean)
			power += float64(samples[i]) * float64(samples[i])
		}
		powers = append(powers, power/frame)
		loudest = math.Max(loudest, power/frame)
	}
	for i := len(samples) / frame * frame; i < len(samples); i++ {
		samples[i] -= float32(mean)
	}
	if 10*math.Log10(loudest) < audible {
		return ErrSilent
	}
	spoken, count := 0.0, 0.0
	for _, p := range powers {
		if p >= loudest*math.Pow(10, -pauses/10) {
			spoken += p
			count++
		}
	}
	gain := float32(math.Pow(10, math.Min(mostGain, wanted-10*math.Log10(spoken/count))/20))
	for i, s := range samples {
		samples[i] = bend(s * gain)
	}
	return nil
}

// bend keeps a sample below full scale without a corner.
func bend(s float32) float32 {
	size := math.Abs(float64(s))
	if size <= knee {
		return s
	}
	size = knee + (1-knee)*math.Tanh((size-knee)/(1-knee))
	return float32(math.Copysign(size, float64(s)))
}
