package trunk

import (
	"maps"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// maxHeaders is how many header lines a request may have; real ones stay under 60.
const maxHeaders = 256

// methods are what we understand; the Allow header says so.
const (
	allowed   = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK"
	sdpType   = "application/sdp"
	infoTypes = "application/dtmf-relay, application/dtmf"
)

// understood are the methods of allowed, and REGISTER, which only who registers telephones answers; known are those that exist beside them: 405 rather than 501.
var (
	understood = map[sip.RequestMethod]bool{
		sip.INVITE: true, sip.ACK: true, sip.CANCEL: true, sip.BYE: true, sip.OPTIONS: true, sip.INFO: true,
		sip.UPDATE: true, sip.PRACK: true, sip.REGISTER: true,
	}
	known = map[sip.RequestMethod]bool{
		sip.REGISTER: true, sip.SUBSCRIBE: true, sip.NOTIFY: true, sip.REFER: true, sip.MESSAGE: true,
		sip.PUBLISH: true,
	}
	// once are headers that may stand in a request only once (RFC 3261 section 7.3.1), with their compact forms.
	once = map[string][]string{
		"From": {"from", "f"}, "To": {"to", "t"}, "Call-ID": {"call-id", "i"}, "CSeq": {"cseq"},
		"Content-Length": {"content-length", "l"}, "Max-Forwards": {"max-forwards"}, "Content-Type": {"content-type", "c"},
	}
)

// answer is a final response: what to refuse with, or zero when there is nothing to refuse.
type answer struct {
	status  int
	reason  string
	headers []sip.Header
}

// validate finds the first reason to refuse a request that has a transaction, in the order of RFC 3261 section 8.2.
// sipgo accepts all of these, some rightly: they are for its user to refuse.
func validate(req *sip.Request) answer {
	switch {
	case req.SipVersion != "SIP/2.0":
		return answer{status: 505, reason: "Version Not Supported"}
	case !complete(req):
		return answer{status: 400, reason: "Missing Header"}
	case len(req.Headers()) > maxHeaders:
		return answer{status: 400, reason: "Too Many Headers"}
	case repeated(req) != "":
		return answer{status: 400, reason: "Repeated " + repeated(req)}
	case !strings.EqualFold(string(req.CSeq().MethodName), string(req.Method)): // sipgo gives Method in upper case
		return answer{status: 400, reason: "CSeq Method Mismatch"}
	case !goodVia(req.Via()):
		return answer{status: 400, reason: "Bad Via"}
	case !understood[req.Method]:
		return refuseMethod(req.Method)
	}
	if !schemes[req.Recipient.Scheme] {
		return answer{status: 416, reason: "Unsupported URI Scheme"}
	}
	if req.Method == sip.CANCEL || req.Method == sip.BYE {
		return answer{}
	}
	if m := req.MaxForwards(); m != nil && m.Val() == 0 {
		return answer{status: 483, reason: "Too Many Hops"}
	}
	if tags := required(req); tags != "" {
		return answer{status: 420, reason: "Bad Extension", headers: []sip.Header{sip.NewHeader("Unsupported", tags)}}
	}
	return answer{}
}

// complete says whether the headers are there without which no response can be matched (RFC 3261 section 8.1.1).
func complete(req *sip.Request) bool {
	return req.Via() != nil && req.From() != nil && req.To() != nil && req.CallID() != nil && req.CSeq() != nil
}

// repeated names a header that stands more often than it may, or returns "".
func repeated(req *sip.Request) string {
	seen := make(map[string]int, len(once))
	for _, h := range req.Headers() {
		seen[strings.ToLower(h.Name())]++
	}
	for _, name := range slices.Sorted(maps.Keys(once)) { // the same answer to the same request
		forms := once[name]
		n := 0
		for _, form := range forms {
			n += seen[form]
		}
		if n > 1 {
			return name
		}
	}
	return ""
}

// goodVia refuses another protocol's hop, and a branch that promises to be unique but is empty.
func goodVia(via *sip.ViaHeader) bool {
	branch, _ := via.Params.Get("branch")
	return strings.EqualFold(via.ProtocolName, "SIP") && via.ProtocolVersion == "2.0" && branch != sip.RFC3261BranchMagicCookie
}

func refuseMethod(m sip.RequestMethod) answer {
	allow := []sip.Header{sip.NewHeader("Allow", allowed)}
	if known[m] {
		return answer{status: 405, reason: "Method Not Allowed", headers: allow}
	}
	return answer{status: 501, reason: "Not Implemented", headers: allow}
}

// required lists the extensions the caller insists on and we have not. Who requires reliable provisional responses
// (RFC 3262) gets none at all, which is allowed: we answer at once, and say nothing before.
func required(req *sip.Request) string {
	var tags []string
	for _, h := range req.GetHeaders("Require") {
		for _, v := range split(h.Value(), ',', 2*maxOfKind) {
			if v = clean(v); v != "" && !ours[strings.ToLower(v)] {
				tags = append(tags, v)
			}
		}
	}
	return strings.Join(tags, ", ")
}

// ours are the words of extensions.
var ours = map[string]bool{"timer": true, "100rel": true}

// values returns the texts of all headers of a name, in the order written.
func values(msg message, name string) []string {
	var all []string
	for _, h := range msg.GetHeaders(name) {
		all = append(all, h.Value())
	}
	return all
}

// value returns the text of the first header of a name, or "".
func value(msg message, name string) string {
	if h := msg.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}
