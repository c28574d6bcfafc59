package rtp

import (
	"encoding/binary"

	"holdfast/media/udp"
)

// header is the fixed part of an RTP packet (RFC 3550 section 5.1), without what we never look at.
type header struct {
	marker      bool
	payloadType uint8
	seq         uint16
	timestamp   uint32
	ssrc        uint32
}

const (
	headerBytes = 12
	version     = 2
	// maxPacket is the longest datagram that we read. One that fills the buffer was cut and is refused.
	maxPacket = udp.MaxPacket
	// maxPayload is the longest that we send: 175 ms, still one Ethernet frame.
	maxPayload = 1400
	// tailroom is free behind every packet that is to be sent: it is protected in place, which makes it longer.
	tailroom = 64
)

// parse reads a packet without copying: payload is a part of b. CSRCs, header extensions and padding are stepped over;
// what they claim is believed only as far as the packet reaches.
func parse(b []byte) (h header, payload []byte, ok bool) {
	if len(b) < headerBytes || len(b) >= maxPacket || b[0]>>6 != version {
		return header{}, nil, false
	}
	start, end := headerBytes+4*int(b[0]&0x0f), len(b)
	if b[0]&0x10 != 0 { // extension: profile (2), length in words (2), words
		if start+4 > end {
			return header{}, nil, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	if b[0]&0x20 != 0 { // padding: its length, itself included, is the last byte
		padding := int(b[end-1])
		if padding == 0 {
			return header{}, nil, false
		}
		end -= padding
	}
	if start > end {
		return header{}, nil, false
	}
	return header{
		marker:      b[1]&0x80 != 0,
		payloadType: b[1] & 0x7f,
		seq:         binary.BigEndian.Uint16(b[2:]),
		timestamp:   binary.BigEndian.Uint32(b[4:]),
		ssrc:        binary.BigEndian.Uint32(b[8:]),
	}, b[start:end], true
}

// append writes the header to dst.
func (h header) append(dst []byte) []byte {
	second := h.payloadType
	if h.marker {
		second |= 0x80
	}
	dst = append(dst, version<<6, second)
	dst = binary.BigEndian.AppendUint16(dst, h.seq)
	dst = binary.BigEndian.AppendUint32(dst, h.timestamp)
	return binary.BigEndian.AppendUint32(dst, h.ssrc)
}
