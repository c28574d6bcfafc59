// Package dtmf reads and writes the keys that a party presses, as named telephone events (RFC 4733).
//
// A press is a series of packets that share one RTP timestamp; each says how long the key has been held so far, and the
// last of them, sent three times, carries the end bit. Any of them may be lost. [Decoder] therefore reports a key at the
// first packet that it sees of a press, and never again for the same timestamp: a lost beginning, a lost end and
// repeated ends all give exactly one digit.
package dtmf

import (
	"encoding/binary"
	"errors"
)

// ErrNoKey says that a byte is none of the sixteen keys.
var ErrNoKey = errors.New("not a key of a telephone")

// keys are the events 0 to 15 of RFC 4733 section 3.2 in their order.
const keys = "0123456789*#ABCD"

// PayloadBytes is the length of one event (RFC 4733 section 2.3).
const PayloadBytes = 4

const (
	endBit  = 0x80
	volume  = 10     // dBm0 below zero that we claim: the usual one
	maxAge  = 8000   // samples: what is at most a second older than the newest press is a straggler, not a new press
	longest = 0xFFFF // samples: the longest duration that one segment can say, 8.2 s
)

// Event is one packet's content.
type Event struct {
	Key      byte   // one of 0-9 * # A-D
	End      bool   // the key is up
	Duration uint16 // how long it has been down, in samples
}

// Parse reads one event. ok is false when the payload is too short or names no key (flash, tones, line states).
// RFC 4733 allows several events in one payload for lost packets; the first is the newest and the only one read.
func Parse(payload []byte) (e Event, ok bool) {
	if len(payload) < PayloadBytes || int(payload[0]) >= len(keys) {
		return Event{}, false
	}
	return Event{
		Key:      keys[payload[0]],
		End:      payload[1]&endBit != 0,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, true
}

// Append appends the event's payload to dst. It returns dst unchanged and ErrNoKey for a Key that does not exist;
// a and b, c and d are taken in either case.
func Append(dst []byte, e Event) ([]byte, error) {
	code, err := codeOf(e.Key)
	if err != nil {
		return dst, err
	}
	second := byte(volume)
	if e.End {
		second |= endBit
	}
	return binary.BigEndian.AppendUint16(append(dst, code, second), e.Duration), nil
}

// Valid says whether key is one that can be sent.
func Valid(key byte) bool {
	_, err := codeOf(key)
	return err == nil
}

func codeOf(key byte) (byte, error) {
	if key >= 'a' && key <= 'd' {
		key -= 'a' - 'A'
	}
	for i := range len(keys) {
		if keys[i] == key {
			return byte(i), nil
		}
	}
	return 0, ErrNoKey
}

// Decoder turns packets into presses. Its zero value is ready; it is a plain value, used by one goroutine. Reset it (by
// assigning the zero value) when the peer's SSRC changes, because its timestamps then start anew.
type Decoder struct {
	seen   bool
	began  uint32 // timestamp of the newest press
	latest uint32 // the same, or that of its newest segment
	key    byte
}

// Feed takes one packet of the event payload type and returns a key the first time that a packet of its press is seen.
// The marker bit is the beginning of a press (RFC 4733 section 2.5.1.1); it is not needed, because a beginning may be
// lost, but it tells a new press from a straggler where a sender's clock runs backwards.
func (d *Decoder) Feed(payload []byte, timestamp uint32, marker bool) (key byte, pressed bool) {
	e, ok := Parse(payload)
	if !ok {
		return 0, false
	}
	if d.seen && !marker {
		switch age := int32(d.latest - timestamp); { // RTP timestamps wrap: their difference is signed
		case age >= 0 && age <= maxAge:
			return 0, false // a later packet of the press, or a late one of the press before it
		case age == -longest && e.Key == d.key:
			d.latest = timestamp // held so long that the duration ran over: a new segment, RFC 4733 section 2.5.1.3
			return 0, false
		}
	}
	if d.seen && (timestamp == d.began || marker && timestamp == d.latest) {
		return 0, false // a straggler of a long press's first segment; some senders mark every packet
	}
	d.seen, d.began, d.latest, d.key = true, timestamp, timestamp, e.Key
	return e.Key, true
}
