package trunk

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// How long a telephone is taken to be where it said (RFC 3261 section 10.2.1.1): what it asks for, between these; the longest
// where it says nothing that can be read. Over UDP from behind a NAT it is the shortest: a NAT may forget a way that was not used for
// two minutes (RFC 4787 section 4.3), and nobody rings then.
const (
	shortestStay = time.Minute
	longestStay  = 10 * time.Minute
	maxContact   = 512 // bytes of the URI under which it wants to be called
)

// binding is where a telephone is. A telephone has one: who registers anew somewhere else has moved.
type binding struct {
	user      string
	contact   sip.Uri        // what it wants to be called
	source    netip.AddrPort // where its REGISTER came from; it is called there, whatever contact says
	transport string         // by which
	callID    string         // of the REGISTER, and its number
	seq       uint32
	until     time.Time
	secret    []byte // that was proven, sealed: who gets another has to register anew
}

// registration is what a REGISTER asks for.
type registration struct {
	binding           // as it would be; contact, until and secret are still open
	contacts []wanted // in the order written
	all      bool     // "Contact: *": nothing is to be left
}

// wanted is one Contact.
type wanted struct {
	uri  sip.Uri
	stay time.Duration // 0: it is to be forgotten
}

var (
	tooBrief   = answer{status: 423, reason: "Interval Too Brief", headers: []sip.Header{sip.NewHeader("Min-Expires", strconv.Itoa(int(shortestStay.Seconds())))}}
	badContact = answer{status: 400, reason: "Bad Contact"}
)

// registrationOf reads a REGISTER whose sender is known; a refusal where it makes no sense.
func registrationOf(req *sip.Request, user string, source netip.AddrPort) (registration, answer) {
	r := registration{binding: binding{
		user: user, source: source, transport: strings.ToUpper(req.Transport()), callID: req.CallID().Value(), seq: req.CSeq().SeqNo,
	}}
	usual := value(req, "Expires")
	for _, header := range values(req, "Contact") {
		for _, text := range split(header, ',', maxOfKind+1) {
			if strings.TrimSpace(text) == "*" {
				r.all = true
				continue
			}
			w, ok := wantedOf(text, usual)
			if !ok || len(r.contacts) == maxOfKind {
				return r, badContact
			}
			r.contacts = append(r.contacts, w)
		}
	}
	if r.all && (len(r.contacts) > 0 || strings.TrimSpace(usual) != "0") { // RFC 3261 section 10.3, step 6
		return r, badContact
	}
	return r, answer{}
}

// wantedOf reads a Contact; usual is what Expires says. What goes into the first line of our INVITE must be fit for it.
func wantedOf(text, usual string) (wanted, bool) {
	a, ok := parseAddress(text)
	uri, _, _ := strings.Cut(text, ";")
	if open := openBracket(text); open >= 0 {
		uri, _, _ = strings.Cut(text[open+1:], ">")
	}
	uri = strings.TrimSpace(uri)
	w := wanted{stay: stayOf(usual)}
	delimits := func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' || r == '"' } // RFC 3261 section 25.1: in no URI
	if !ok || len(uri) > maxContact || strings.ContainsFunc(uri, delimits) || sip.ParseUri(uri, &w.uri) != nil {
		return w, false
	}
	w.uri.Headers = nil
	if own, said := a.params["expires"]; said {
		w.stay = stayOf(own)
	}
	return w, w.uri.Host != "" && (w.uri.Scheme == "sip" || w.uri.Scheme == "sips")
}

// stayOf reads a number of seconds.
func stayOf(text string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return longestStay
	}
	return min(time.Duration(n)*time.Second, longestStay)
}

// settle says where a telephone is after a REGISTER, nil for nowhere, and what is answered (RFC 3261 section 10.3, steps 6 to 8).
// What is refused changes nothing. Of several contacts the first counts: a telephone rings once.
func settle(have *binding, r registration, now time.Time) (*binding, answer) {
	if have != nil && !have.until.After(now) {
		have = nil
	}
	if r.all || len(r.contacts) > 0 {
		if have != nil && have.callID == r.callID && r.seq <= have.seq {
			return have, outOfOrder
		}
	}
	is := have
	if r.all {
		is = nil
	}
	moved := false
	for _, w := range r.contacts {
		switch {
		case w.stay == 0:
			if is != nil && !moved && sameContact(is.contact, w.uri) {
				is = nil
			}
		case w.stay < shortestStay:
			return have, tooBrief
		case !moved:
			next := r.binding
			next.contact, next.until, moved = w.uri, now.Add(min(w.stay, next.longest(w.uri))), true
			is = &next
		}
	}
	return is, registered(is, now)
}

// longest is for how long a telephone may stay where it is, if it wants to be called at contact.
func (b *binding) longest(contact sip.Uri) time.Duration {
	at, err := netip.ParseAddr(strings.Trim(contact.Host, "[]"))
	port := contact.Port
	if port == 0 {
		port = sip.DefaultUdpPort
	}
	if b.transport == "UDP" && (err != nil || at.Unmap() != b.source.Addr().Unmap() || port != int(b.source.Port())) {
		return shortestStay
	}
	return longestStay
}

// sameContact compares what of a URI says where a telephone is (RFC 3261 section 19.1.4, without its parameters).
func sameContact(a, b sip.Uri) bool {
	return a.User == b.User && strings.EqualFold(a.Host, b.Host) && a.Port == b.Port
}

// registered is the 200, which says what holds now.
func registered(is *binding, now time.Time) answer {
	a := success
	if is != nil {
		left := is.until.Sub(now).Round(time.Second)
		a.headers = []sip.Header{sip.NewHeader("Contact", fmt.Sprintf("<%s>;expires=%d", is.contact.String(), int(left.Seconds())))}
	}
	return a
}
