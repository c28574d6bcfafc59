package trunk

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/emiago/sipgo/sip"

	"holdfast/media/sdp"
)

// maxParts is how many parts of a multipart body are looked at: SDP, ISUP, location and a little more.
const maxParts = 10

// message is a request or a response.
type message interface {
	Body() []byte
	GetHeader(name string) sip.Header
	GetHeaders(name string) []sip.Header
	ContentType() *sip.ContentTypeHeader
	Contact() *sip.ContactHeader
}

// sdpOf finds the session description in a message: its body, or a part of it where the carrier adds others (ISUP,
// location). Nil without a refusal means that there is none, which in an INVITE asks for our offer.
func sdpOf(msg message) ([]byte, answer) {
	wrong := answer{status: 415, reason: "Unsupported Media Type", headers: []sip.Header{
		sip.NewHeader("Accept", sdpType), sip.NewHeader("Accept-Encoding", "identity"),
	}}
	body := msg.Body()
	if len(body) == 0 {
		return nil, answer{}
	}
	for _, name := range []string{"Content-Encoding", "e"} {
		if enc := value(msg, name); enc != "" && !strings.EqualFold(enc, "identity") {
			return nil, wrong
		}
	}
	kind, params := contentType(msg)
	switch {
	case kind == sdpType:
		return body, answer{}
	case strings.HasPrefix(kind, "multipart/"):
		if part := sdpPart(body, params["boundary"]); part != nil {
			return part, answer{}
		}
	}
	return nil, wrong
}

// contentType is the type of the body in lower case with its parameters; "" when the header is missing or unreadable.
func contentType(msg message) (string, map[string]string) {
	h := msg.ContentType()
	if h == nil {
		return "", nil
	}
	kind, params, err := mime.ParseMediaType(h.Value())
	if err != nil {
		kind, _, _ = strings.Cut(h.Value(), ";")
		return strings.ToLower(strings.TrimSpace(kind)), nil
	}
	return kind, params
}

func sdpPart(body []byte, boundary string) []byte {
	if boundary == "" {
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := parts.NextRawPart()
		if err != nil {
			return nil
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if kind != sdpType {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, sdp.MaxBody+1))
		if err != nil || len(text) == 0 {
			return nil
		}
		return text
	}
	return nil
}

// digitOf reads the key out of an INFO: "Signal=5" of application/dtmf-relay, or the bare key of application/dtmf.
// known is false when the type is neither; a known type may still hold no key of ours (a hook flash), then key is 0.
func digitOf(kind string, body []byte) (key byte, known bool) {
	text := strings.TrimSpace(string(body[:min(len(body), maxText)]))
	switch kind {
	case "application/dtmf-relay":
		for line := range strings.Lines(text) {
			name, val, _ := strings.Cut(line, "=")
			if strings.EqualFold(strings.TrimSpace(name), "signal") {
				return keyOf(strings.TrimSpace(val)), true
			}
		}
		return 0, true
	case "application/dtmf":
		return keyOf(text), true
	}
	return 0, false
}

// keyOf reads one key; some senders write the event codes of RFC 4733 for the star and the hash.
func keyOf(s string) byte {
	switch s = strings.ToUpper(s); {
	case s == "10":
		return '*'
	case s == "11":
		return '#'
	case len(s) == 1 && strings.Contains("0123456789*#ABCD", s):
		return s[0]
	}
	return 0
}
