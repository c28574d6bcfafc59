package trunk

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"holdfast/media/sdp"
)

// localOffer is our description, the same for every attempt.
func (d *dialog) localOffer() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.described = sdp.Offer(d.localSDP())
	return d.described
}

// request builds the INVITE (RFC 3261 section 8.1.1).
func (a *attempt) request(body []byte) *sip.Request {
	o, s, domain := a.o, a.o.s, domainOf(a.trunk.Out)
	whom := sip.Uri{Scheme: "sip", User: o.to.To, Host: domain}
	if domain == a.to.Addr().String() {
		whom.Port = int(a.to.Port())
	}
	if o.phone != nil {
		whom = *o.phone.contact.Clone()
	}
	us := a.us()
	req := sip.NewRequest(sip.INVITE, whom)
	hops, callID := sip.MaxForwardsHeader(70), sip.CallIDHeader(a.callID)
	from := &sip.FromHeader{DisplayName: shown(o.to.FromName), Address: us}
	from.Params.Add("tag", a.tag)
	for _, h := range []sip.Header{
		s.via(a.via), &hops, from, &sip.ToHeader{Address: whom}, &callID,
		&sip.CSeqHeader{SeqNo: a.seq, MethodName: sip.INVITE}, s.contact(o.callID, a.via),
		sip.NewHeader("Allow", allowed), sip.NewHeader("Accept", sdpType), sip.NewHeader("User-Agent", s.cfg.Node),
		sip.NewHeader(callHeader, o.callID),
	} {
		req.AppendHeader(h)
	}
	if o.to.From != "" {
		req.AppendHeader(sip.NewHeader("P-Asserted-Identity", "<"+us.String()+">"))
	}
	for _, h := range a.digest.headers(string(sip.INVITE), whom.String()) {
		req.AppendHeader(h)
	}
	req.AppendHeader(sip.NewHeader("Supported", extensions))
	for _, h := range (term{usualSession, true}).ask(a.least) {
		req.AppendHeader(h)
	}
	req.AppendHeader(sip.NewHeader("Content-Type", sdpType))
	req.SetBody(body)
	return req
}

// us is who we are towards the trunk: the caller id.
func (a *attempt) us() sip.Uri {
	user := a.o.to.From
	if user == "" {
		user = "anonymous"
	}
	return sip.Uri{Scheme: "sip", User: user, Host: domainOf(a.trunk.Out)}
}

// shown is a name as it may stand between quotes.
func shown(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, clean(name))
}
