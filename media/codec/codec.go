// Package codec converts the two companding laws of ITU-T G.711 into each other and into linear samples.
//
// Callers mostly speak one law and browsers the other, so the common work is one table look-up a byte: [Convert].
// [Decode], [Encode], [Level] and [Energy] are for those who must understand the sound: prompts, recordings, meters. Every
// function appends to the caller's buffer; with enough capacity nothing is allocated.
package codec

import (
	"math"

	"holdfast/media"
)

// Floor is the level of absolute silence, in dBFS: the lowest that RFC 6464 can say.
const Floor = -127.0

// The tables are small (2,560 bytes together) and are computed once from the formulas of G.711, so that no table of
// 256 numbers has to be believed.
var (
	muLinear, aLinear = linearTable(muToLinear), linearTable(aToLinear)
	muToA             = table(func(b byte) byte { return linearToA(muToLinear(b)) })
	aToMu             = table(func(b byte) byte { return linearToMu(aToLinear(b)) })
)

func table(f func(byte) byte) (t [256]byte) {
	for i := range t {
		t[i] = f(byte(i))
	}
	return t
}

func linearTable(f func(byte) int16) (t [256]int16) {
	for i := range t {
		t[i] = f(byte(i))
	}
	return t
}

// Convert appends src, which is in from, to dst in to. When both are the same it only copies.
func Convert(dst []byte, to, from media.Codec, src []byte) []byte {
	if to == from {
		return append(dst, src...)
	}
	laws := &muToA
	if from == media.PCMA {
		laws = &aToMu
	}
	for _, b := range src {
		dst = append(dst, laws[b])
	}
	return dst
}

// Decode appends the linear 16-bit samples of src to dst.
func Decode(dst []int16, c media.Codec, src []byte) []int16 {
	linear := linearOf(c)
	for _, b := range src {
		dst = append(dst, linear[b])
	}
	return dst
}

// Encode appends linear 16-bit samples to dst, one byte each.
func Encode(dst []byte, c media.Codec, src []int16) []byte {
	if c == media.PCMA {
		for _, s := range src {
			dst = append(dst, linearToA(s))
		}
		return dst
	}
	for _, s := range src {
		dst = append(dst, linearToMu(s))
	}
	return dst
}

// Level is the loudness of a payload: its root mean square in dB below full scale, from Floor to 0. A full-scale sine
// is -3.
func Level(c media.Codec, payload []byte) float64 {
	if len(payload) == 0 {
		return Floor
	}
	return max(Floor, 10*math.Log10(Energy(c, payload)/float64(len(payload))/(32768*32768)))
}

// Energy is the sum of a payload's squared samples, each of which is from -32,768 to 32,767.
func Energy(c media.Codec, payload []byte) (sum float64) {
	linear := linearOf(c)
	for _, b := range payload {
		s := float64(linear[b])
		sum += s * s
	}
	return sum
}

func linearOf(c media.Codec) *[256]int16 {
	if c == media.PCMA {
		return &aLinear
	}
	return &muLinear
}
