package codec

import "math/bits"

// Both laws cut the magnitude into eight segments, each twice as wide as the one below, with 16 steps in a segment:
// sign (1 bit), segment (3), step (4). Samples are taken as 16-bit: 14-bit µ-law and 13-bit A-law shifted up.

const (
	muBias = 0x84  // added before finding the segment, so that each segment starts at a power of two
	muClip = 32635 // the largest magnitude that still fits after the bias
)

func muToLinear(b byte) int16 {
	b = ^b // µ-law is sent inverted, so that silence has many ones
	segment, step := b>>4&7, int16(b&15)
	v := (step<<3+muBias)<<segment - muBias
	if b&0x80 != 0 {
		return -v
	}
	return v
}

func linearToMu(s int16) byte {
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, muClip) + muBias
	segment := bits.Len(uint(v)) - 8 // v is at least 0x84, so never below 0
	return ^(sign | byte(segment)<<4 | byte(v>>(segment+3))&15)
}

// aEven is A-law's pattern of inverted bits: every second one.
const aEven = 0x55

func aToLinear(b byte) int16 {
	b ^= aEven
	segment, step := b>>4&7, int16(b&15)
	v := step<<4 + 8 // the middle of the step
	if segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 { // A-law's sign bit is one for positive samples
		return -v
	}
	return v
}

func linearToA(s int16) byte {
	v, sign := int(s), byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0 // -1 keeps the steps below zero as wide as those above
	}
	segment := max(bits.Len(uint(v))-8, 0)
	step := v >> max(segment+3, 4)
	return (sign | byte(segment)<<4 | byte(step)&15) ^ aEven
}
