package carrier

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
)

// script writes the requests of one call.
type script struct {
	o         Options
	node      netip.AddrPort
	local     netip.AddrPort
	callID    string
	tag       string
	branch    string   // of the INVITE
	uri       string   // request line; after the answer the node's Contact
	remote    string   // To, with the node's tag after the answer
	routes    []string // route set after the answer
	seq       int
	transport string
}

func newScript(o Options, node, local netip.AddrPort) *script {
	return &script{
		o: o, node: node, local: local, transport: strings.ToUpper(o.Transport), seq: 1,
		callID: sip.GenerateTagN(24) + "@" + local.Addr().String(), tag: sip.GenerateTagN(12),
		branch: sip.GenerateBranch(), uri: uriOf(o.To, node.String()), remote: "<" + uriOf(o.To, node.String()) + ">",
	}
}

// host is our address as it stands in a URI: IPv6 in brackets.
func (s *script) host() string {
	if a := s.local.Addr(); a.Is6() {
		return "[" + a.String() + "]"
	}
	return s.local.Addr().String()
}

// uriOf makes a SIP URI of a number, unless it is one.
func uriOf(who, host string) string {
	if strings.HasPrefix(who, "sip:") || strings.HasPrefix(who, "sips:") || strings.HasPrefix(who, "tel:") {
		return who
	}
	return "sip:" + who + "@" + host
}

// write makes a request. The branch is fresh unless given.
func (s *script) write(method, branch string, seq int, headers []string, body string) string {
	if branch == "" {
		branch = sip.GenerateBranch()
	}
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\r\n", args...) }
	line("%s %s SIP/2.0", method, s.uri)
	line("Via: SIP/2.0/%s %s;branch=%s;rport", s.transport, s.local, branch)
	for _, r := range s.routes {
		line("Route: %s", r)
	}
	line("Max-Forwards: 70")
	line("From: <%s>;tag=%s", uriOf(s.o.From, s.host()), s.tag)
	line("To: %s", s.remote)
	line("Call-ID: %s", s.callID)
	line("CSeq: %d %s", seq, method)
	for _, h := range headers {
		line("%s", h)
	}
	line("User-Agent: holdfast-call")
	line("Content-Length: %d", len(body))
	line("")
	return b.String() + body
}

func (s *script) invite(offer []byte) string {
	headers := []string{"Contact: " + s.contact(), "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO", "Content-Type: application/sdp"}
	if d := s.o.Diversion; d != "" {
		if !strings.Contains(d, "<") {
			d = "<" + uriOf(d, s.host()) + ">;reason=no-answer;counter=1"
		}
		headers = append(headers, "Diversion: "+d)
	}
	if h := s.o.HistoryInfo; h != "" {
		if !strings.Contains(h, "<") {
			h = fmt.Sprintf("<%s?Reason=SIP%%3Bcause%%3D302>;index=1, <%s>;index=1.1", uriOf(h, s.host()), s.uri)
		}
		headers = append(headers, "History-Info: "+h)
	}
	return s.write("INVITE", s.branch, s.seq, append(headers, s.o.Headers...), string(offer))
}

func (s *script) contact() string {
	user := s.o.From
	if strings.Contains(user, ":") {
		user = "caller"
	}
	uri := fmt.Sprintf("sip:%s@%s", user, s.local)
	if s.transport != "UDP" {
		uri += ";transport=" + strings.ToLower(s.transport)
	}
	return "<" + uri + ">"
}

// cancel takes the INVITE back (RFC 3261 section 9.1).
func (s *script) cancel() string { return s.write("CANCEL", s.branch, s.seq, nil, "") }

// ackRefusal acknowledges a refusal, within the INVITE's transaction (RFC 3261 section 17.1.1.3).
func (s *script) ackRefusal(res *sip.Response) string {
	remote := s.remote
	defer func() { s.remote = remote }()
	s.remote = res.To().Value()
	return s.write("ACK", s.branch, s.seq, nil, "")
}

// answered takes what a 200 says: the peer's tag, contact and route set (RFC 3261 section 12.1.2).
func (s *script) answered(res *sip.Response) {
	s.remote = res.To().Value()
	if c := res.Contact(); c != nil {
		s.uri = c.Address.String()
	}
	for _, h := range res.GetHeaders("Record-Route") {
		s.routes = append(s.routes, h.Value())
	}
	slices.Reverse(s.routes)
}

func (s *script) ack() string { return s.write("ACK", "", s.seq, nil, "") }

func (s *script) bye() string { return s.write("BYE", "", s.seq+1, nil, "") }

// reply answers a request of the node.
func reply(req *sip.Request, status int, reason string, body []byte, headers ...sip.Header) string {
	res := sip.NewResponseFromRequest(req, status, reason, body)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	return res.String()
}

// codecs is the one-codec list of our SDP.
func (o Options) codecs() []media.Codec { return []media.Codec{o.Codec} }

// secure is our part in keys.
func (o Options) secure() sdp.Secure {
	switch o.SRTP {
	case "required":
		return sdp.Secure{Policy: sdp.Require, Keys: sdp.NewKeys()}
	case "preferred":
		return sdp.Secure{Policy: sdp.Prefer, Keys: sdp.NewKeys()}
	}
	return sdp.Secure{}
}
