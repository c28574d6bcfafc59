package prompt

import (
	"math"
	"sync"
	"time"

	"holdfast/media"
)

// A chord is four notes as semitones from A4 (440 Hz).
type chord [4]int

// The progression of the waiting music, one bar each: quiet, major, without an ending, so that it may begin again for ever.
var bars = []chord{
	{-12, -5, -1, 4},  // A
	{-15, -8, -3, 1},  // F#m
	{-19, -7, -3, 2},  // D
	{-17, -10, -5, 2}, // E
	{-12, -5, -1, 4},
	{-8, -5, -1, 4},
	{-19, -7, -3, 2},
	{-17, -13, -5, -1},
}

const (
	bar        = 3 * time.Second
	notesInBar = 8
	noteLevel  = 0.055 // of full scale: well under speech, as it plays for minutes
	ring       = 1800 * time.Millisecond
)

// order in which a bar's notes are plucked, as indices of the chord.
var order = [notesInBar]int{0, 2, 3, 1, 2, 3, 2, 1}

var music = sync.OnceValue(func() []byte {
	wave := make([]float64, samples(bar)*len(bars))
	for b, notes := range bars {
		for i, n := range order {
			at := samples(bar)*b + samples(bar)*i/notesInBar
			pluck(wave, at, 440*math.Pow(2, float64(notes[n])/12))
		}
	}
	return encode(wave)
})

// Music returns 24 s of quiet music, computed once, made to be looped: its last notes ring on over its beginning.
func (*Library) Music() []byte { return music() }

// pluck adds one note that swells for 12 ms and dies away, wrapping over the end of the wave.
func pluck(wave []float64, at int, hz float64) {
	n := samples(ring)
	fades, dulls := math.Exp(-2.6/media.SampleRate), math.Exp(-3.0/media.SampleRate) // a sample
	loud, bright := 1.0, 1.0                                                         // the note as a whole; its overtones besides
	for k := range n {
		t := float64(k) / media.SampleRate
		swell := math.Min(1, t/0.012)
		sin, cos := math.Sincos(2 * math.Pi * hz * t)
		second, third := 2*sin*cos, sin*(3-4*sin*sin)
		v := swell * loud * (1 - float64(k)/float64(n))
		v *= sin + 0.35*bright*second + 0.12*bright*bright*third
		wave[(at+k)%len(wave)] += noteLevel * v
		loud *= fades
		bright *= dulls
	}
}
