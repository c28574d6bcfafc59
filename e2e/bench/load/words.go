package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// describe is the SDP of somebody who wants audio at media.
func describe(media netip.AddrPort) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
		media.Addr(), media.Addr(), media.Port())
}

// mostAfter bounds what a caller believes of when to come again.
const mostAfter = time.Minute

// retryAfter reads Retry-After (RFC 3261 section 20.33): seconds, and perhaps a comment or parameters. false: there is none.
func retryAfter(value []byte) (after time.Duration, ok bool) {
	end := bytes.IndexFunc(value, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(value)
	}
	seconds, err := strconv.ParseUint(string(value[:end]), 10, 32)
	return min(time.Duration(seconds)*time.Second, mostAfter), err == nil //nolint:gosec // 32 bits
}

// header finds the first header of a name, written as Holdfast and diago write it.
func header(m []byte, name string) []byte {
	for line := range bytes.Lines(m) {
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	return nil
}

// mediaOf reads address and port of the audio out of an answer's SDP.
func mediaOf(m []byte) netip.AddrPort {
	var addr netip.Addr
	var port uint64
	for line := range bytes.Lines(m) {
		fields := bytes.Fields(line)
		switch {
		case len(fields) == 3 && bytes.Equal(fields[0], []byte("c=IN")):
			addr, _ = netip.ParseAddr(string(fields[2])) // not valid: no audio will come, and that is seen
		case len(fields) > 2 && bytes.Equal(fields[0], []byte("m=audio")):
			port, _ = strconv.ParseUint(string(fields[1]), 10, 16)
		}
	}
	return netip.AddrPortFrom(addr, uint16(port)) //nolint:gosec // 16 bits
}
