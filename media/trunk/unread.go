package trunk

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
)

const (
	// unreadLines and unreadBytes bound what is looked at, and what is sent back, of a request that cannot be read, or that there is
	// no time to read.
	unreadLines = 64
	unreadBytes = 4096
)

// echoed are the headers that a response takes from its request (RFC 3261 section 8.2.6.2), with their compact forms.
var echoed = map[string]string{
	"via": "Via", "v": "Via", "from": "From", "f": "From", "to": "To", "t": "To", "call-id": "Call-ID", "i": "Call-ID", "cseq": "CSeq",
}

var (
	token   = regexp.MustCompile("^[A-Za-z0-9.!%*_+`'~-]+$")             // RFC 3261 section 25.1
	foreign = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):[^ <>"]+$`) // RFC 3986 section 3.1
	schemes = map[string]bool{"sip": true, "sips": true, "tel": true}
)

// unread writes the refusal of a request that came by UDP from one of our trunks and that no parser takes: a carrier that
// hears nothing sends it again for 32 seconds, and one that is told looks for its mistake. It returns nil where there is
// nobody to answer: responses, ACKs, and whatever has not the headers by which a response is known.
func unread(data []byte) []byte {
	data = bytes.TrimLeft(data[:min(len(data), unreadBytes)], "\r\n")
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if len(lines) > unreadLines {
		return nil
	}
	first := strings.Fields(lines[0])
	if len(first) < 3 || !strings.HasPrefix(first[len(first)-1], "SIP/") || !token.MatchString(first[0]) || strings.HasPrefix(first[0], "SIP/") || first[0] == "ACK" {
		return nil
	}
	status := "400 Bad Request"
	if m := foreign.FindStringSubmatch(first[1]); len(first) == 3 && m != nil && !schemes[strings.ToLower(m[1])] {
		status = "416 Unsupported URI Scheme"
	}
	return respond(lines[1:], status, "", "")
}

// echo is a response to a request that nobody has parsed; nil where it has not the headers by which a response is known. tag is
// added to its To, headers to the end.
func echo(request []byte, status, tag, headers string) []byte {
	head, _, _ := bytes.Cut(request[:min(len(request), unreadBytes)], []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if len(lines) > unreadLines {
		return nil
	}
	return respond(lines[1:], status, tag, headers)
}

func respond(lines []string, status, tag, headers string) []byte {
	var out strings.Builder
	out.WriteString("SIP/2.0 " + status + "\r\n")
	seen := map[string]bool{}
	name := ""
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil // a bare CR or LF would become a line of ours
		}
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") { // folded: belongs to the line before
			if name != "" {
				out.WriteString(line + "\r\n")
			}
			continue
		}
		written, value, ok := strings.Cut(line, ":")
		name = echoed[strings.ToLower(strings.TrimSpace(written))]
		if !ok || name == "" || seen[name] && name != "Via" {
			name = ""
			continue
		}
		seen[name] = true
		if name == "To" {
			value += tag
		}
		out.WriteString(name + ":" + value + "\r\n")
	}
	if len(seen) != 5 { // Via, From, To, Call-ID, CSeq
		return nil
	}
	out.WriteString(headers + "Content-Length: 0\r\n\r\n")
	return []byte(out.String())
}

// answerUnread sends the refusal, if there is one. It goes to where the request came from, which is a trunk's address.
func (s *Server) answerUnread(data string, to netip.AddrPort) {
	if refusal := unread([]byte(data)); refusal != nil && to.IsValid() {
		_, _ = s.udp.WriteToUDPAddrPort(refusal, to) // a datagram: lost or not
	}
}
