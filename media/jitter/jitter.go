// Package jitter lines up audio that comes by packets with somebody else's clock.
//
// A [Buffer] takes frames whenever they come, in whatever order, and gives out samples at a steady pace. It waits 40 ms
// before it plays a new source, so that packets which are a little late are not missed. A source that is later than that
// makes the wait grow by exactly what was missing. From one that has been early for two seconds, or whose clock is faster
// than ours, a sample is dropped here and there until the wait is 40 ms again, and to a slower one some are added: nobody
// hears that. Never more than 120 ms are kept.
//
// It is a value: no goroutine, no lock, no allocation.
package jitter

import (
	"holdfast/media"
	"holdfast/media/codec"
)

const (
	target = 2 * media.FrameBytes // what waits, beyond the frame that is due, when all is well: 40 ms
	most   = 6 * media.FrameBytes // what may wait: 120 ms
	size   = 2048                 // of the ring: most, and the longest frame, fit
	slack  = media.FrameBytes / 4 // 5 ms: so much above target is no excess, and less than that is too little
	window = 100                  // frames over which the least that waited is taken: 2 s
	absent = 5                    // frames without a sample after which the source is gone, and the next is a new one
	repeat = 3                    // frames by which a hole is covered with the sound before it
)

// Buffer lines up one source. The zero value is ready.
type Buffer struct {
	ring    [size]int16 // silence wherever nothing was written
	read    int64       // place of the next sample to give out
	end     int64       // behind the newest sample written; never before read
	at      int64       // place of the newest frame in order
	stamp   uint32      // its timestamp
	playing bool
	empty   int // frames in a row with nothing to give
	least   int // the least that waited in this window
	count   int // frames of this window
	excess  int // samples yet to be dropped; below 0: to be added
	scratch [media.FrameBytes + 1]int16
}

// Put takes a frame. What comes after its time is dropped; what is longer than 120 ms is cut.
func (b *Buffer) Put(f media.Frame) {
	payload := f.Payload[:min(len(f.Payload), most)]
	if len(payload) == 0 {
		return
	}
	step := int64(int32(f.Timestamp - b.stamp)) //nolint:gosec // timestamps wrap
	if !b.playing || step > size || step < -size || f.Marker && b.empty > 0 {
		b.begin()
		step = b.end - b.at
	}
	at := b.at + step
	end := at + int64(len(payload))
	if b.read == b.end { // what was lost while there was nothing to give has been heard as silence: it is not waited for again
		b.skip(min(at, b.read+int64(b.empty)*media.FrameBytes))
	}
	b.skip(end - most)
	if !f.Marker {
		b.cover(at)
	}
	if step >= 0 {
		b.at, b.stamp = at, f.Timestamp
	}
	if end > b.end {
		b.end = end
	}
	late := int(min(max(b.read-at, 0), int64(len(payload))))
	b.write(at+int64(late), f.Codec, payload[late:])
}

// begin takes the next frame as the first of a source: it is heard after the wait.
func (b *Buffer) begin() {
	clear(b.ring[:])
	b.playing, b.empty, b.excess = true, 0, 0
	b.end, b.at = b.read+target, b.read+target
	b.restart()
}

// cover fills the hole before a frame with the sound before the hole, fainter: a lost packet is then hardly heard, where
// silence would click.
func (b *Buffer) cover(at int64) {
	if at-b.end > repeat*media.FrameBytes {
		return
	}
	for p := b.end; p < at; p++ {
		b.ring[p&(size-1)] = b.ring[(p-media.FrameBytes)&(size-1)] / 4 * 3
	}
}

// skip goes on to a place: what is before it will not be heard.
func (b *Buffer) skip(to int64) {
	for ; b.read < to; b.read++ {
		b.ring[(b.read-size/2)&(size-1)] = 0
	}
	b.end = max(b.end, b.read)
}

func (b *Buffer) write(at int64, c media.Codec, payload []byte) {
	for len(payload) > 0 {
		from := int(at & (size - 1))
		n := min(size-from, len(payload))
		codec.Decode(b.ring[from:from], c, payload[:n])
		at, payload = at+int64(n), payload[n:]
	}
}

// Take fills out with the next 20 ms, with silence where there is nothing, and says whether there was any sound.
func (b *Buffer) Take(out *[media.FrameBytes]int16) bool {
	if !b.playing {
		clear(out[:])
		return false
	}
	have := int(b.end - b.read)
	if have == 0 {
		if b.empty++; b.empty >= absent {
			b.playing = false
		}
		b.restart()
		clear(out[:])
		return false
	}
	b.empty = 0
	b.watch(have - media.FrameBytes)
	if b.adjusts(have) {
		b.adjust(out)
		return true
	}
	n := min(have, media.FrameBytes)
	b.shift(out[:n])
	clear(out[n:])
	return true
}

// adjusts says whether this frame is made of a sample more or less: every fourth, or all while much waits.
func (b *Buffer) adjusts(have int) bool {
	if b.excess > media.FrameBytes || b.count%4 == 0 {
		return b.excess > 0 && have > media.FrameBytes || b.excess < 0 && have >= media.FrameBytes
	}
	return false
}

func (b *Buffer) adjust(out *[media.FrameBytes]int16) {
	if b.excess > 0 {
		b.excess--
		b.shift(b.scratch[:])
		squeeze(out, b.scratch[:])
		return
	}
	b.excess++
	b.shift(b.scratch[:media.FrameBytes-1])
	stretch(out, b.scratch[:media.FrameBytes-1])
}

// shift gives out samples. What was given stays for a while, in case that a hole follows it.
func (b *Buffer) shift(out []int16) {
	for i := range out {
		p := b.read + int64(i)
		out[i] = b.ring[p&(size-1)]
		b.ring[(p-size/2)&(size-1)] = 0
	}
	b.read += int64(len(out))
}

// watch notes what waited beyond the frame that is due, and once a window decides what is too much or too little.
func (b *Buffer) watch(waits int) {
	b.least = min(b.least, waits)
	if b.count++; b.count < window {
		return
	}
	switch {
	case b.least > target+slack:
		b.excess = b.least - target
	case b.least < slack:
		b.excess = b.least - 2*slack
	default:
		b.excess = 0
	}
	b.restart()
}

func (b *Buffer) restart() { b.least, b.count = most, 0 }

// squeeze makes one sample fewer out of a frame and one, by going a little faster through it.
func squeeze(out *[media.FrameBytes]int16, in []int16) {
	for i := range out {
		out[i] = between(in[i], in[i+1], i)
	}
}

// stretch makes one sample more out of a frame less one.
func stretch(out *[media.FrameBytes]int16, in []int16) {
	out[0], out[len(in)] = in[0], in[len(in)-1]
	for i := 1; i < len(in); i++ {
		out[i] = between(in[i], in[i-1], i)
	}
}

// between is the sample i of a frame's length on the way from one to another.
func between(from, to int16, i int) int16 {
	return int16(int(from) + (int(to)-int(from))*i/media.FrameBytes) //nolint:gosec // between two samples
}

// Waiting is how many samples wait to be given out.
func (b *Buffer) Waiting() int { return int(b.end - b.read) }
