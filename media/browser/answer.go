package browser

import (
	"fmt"
	"strings"
)

// topPriority is that of our one host candidate (RFC 8445 section 5.1.2.1: type 126, local preference 65535, component 1).
const topPriority = 126<<24 | 65535<<8 | 255

// answer writes the answer to an offer: an ICE-lite, DTLS-passive speaker of G.711 (RFC 8829, RFC 8839, RFC 8842).
func (l *Leg) answer(from offer) string {
	l.negotiation.Lock()
	defer l.negotiation.Unlock()
	in := l.admit(from)
	l.version++
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=holdfast %d %d IN IP4 0.0.0.0", uint32(l.born.UnixNano()), l.version)
	line("s=-")
	line("t=0 0")
	if from.mid != "" {
		line("a=group:BUNDLE %s", from.mid)
	}
	line("a=ice-lite")
	formats := ""
	for _, law := range l.laws {
		formats += fmt.Sprintf(" %d", law.pt)
	}
	line("m=audio 9 %s%s", from.proto, formats)
	line("c=IN IP4 0.0.0.0")
	line("a=ice-ufrag:%s", in.ours)
	line("a=ice-pwd:%s", in.password)
	line("a=fingerprint:%s", sha256Of(l.cert.Certificate[0]))
	line("a=setup:passive")
	if from.mid != "" {
		line("a=mid:%s", from.mid)
	}
	line("a=sendrecv")
	line("a=rtcp-mux")
	for _, law := range l.laws {
		line("a=rtpmap:%d %s/8000", law.pt, law.codec)
	}
	line("a=msid:holdfast caller")
	line("a=ssrc:%d cname:holdfast", l.out.ssrc())
	host := l.endpoint.host()
	line("a=candidate:1 1 udp %d %s %d typ host", topPriority, host.Addr(), host.Port())
	line("a=end-of-candidates")
	return b.String()
}
