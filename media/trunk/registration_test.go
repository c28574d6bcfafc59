package trunk

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// registering is a REGISTER of ada's telephone with its last headers.
func registering(callID string, seq int, headers ...string) string {
	lines := append([]string{
		"REGISTER sip:127.0.0.1 SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK-%s-%d;rport", callID, seq), "Max-Forwards: 70",
		"From: <sip:ada.harbor@127.0.0.1>;tag=t", "To: <sip:ada.harbor@127.0.0.1>", "Call-ID: " + callID, fmt.Sprintf("CSeq: %d REGISTER", seq), "Content-Length: 0",
	}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func TestWhereATelephoneIsAfterEachRegister(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	here := netip.MustParseAddrPort("127.0.0.1:40000")
	const desk, other = "Contact: <sip:ada@10.0.0.7:5060;transport=udp>", "Contact: <sip:ada@10.0.0.8>"
	type step struct {
		after   time.Duration // since the step before
		callID  string
		headers []string
		status  int
		where   string // host of the contact; "": it is nowhere
		stay    time.Duration
	}
	for name, steps := range map[string][]step{
		"it comes, asks and goes": {
			{0, "a", []string{desk, "Expires: 600"}, 200, "10.0.0.7", 600 * time.Second},
			{time.Minute, "a", nil, 200, "10.0.0.7", 540 * time.Second},
			{0, "a", []string{desk, "Expires: 0"}, 200, "", 0},
			{0, "a", nil, 200, "", 0},
		},
		"how long it stays": {
			{0, "a", []string{desk}, 200, "10.0.0.7", longestStay},
			{0, "a", []string{desk + ";expires=61", "Expires: 600"}, 200, "10.0.0.7", 61 * time.Second},
			{0, "a", []string{desk + ";expires=60"}, 200, "10.0.0.7", time.Minute},
			{0, "a", []string{desk, "Expires: 86400"}, 200, "10.0.0.7", longestStay},
			{0, "a", []string{desk, "Expires: 99999999999999999999"}, 200, "10.0.0.7", longestStay},
			{0, "a", []string{desk, "Expires: soon"}, 200, "10.0.0.7", longestStay},
			{0, "a", []string{other, "Expires: 59"}, 423, "10.0.0.7", longestStay},
			{longestStay, "a", nil, 200, "", 0},
		},
		"all is forgotten": {
			{0, "a", []string{desk}, 200, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: *"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: *", "Expires: 60"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: *", desk, "Expires: 0"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: *", "Expires: 0"}, 200, "", 0},
		},
		"it moves, and only where it is can it be forgotten": {
			{0, "a", []string{desk}, 200, "10.0.0.7", longestStay},
			{0, "b", []string{other}, 200, "10.0.0.8", longestStay},
			{0, "a", []string{desk, "Expires: 0"}, 200, "10.0.0.8", longestStay},
			{0, "b", []string{desk + ";q=0.1", other + ";q=1"}, 200, "10.0.0.7", longestStay},
			{0, "b", []string{desk + ";expires=0", other}, 200, "10.0.0.8", longestStay},
		},
		"what cannot be called": {
			{0, "a", []string{desk}, 200, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: <tel:+16085550101>"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: <mailto:a@b>"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: <sip:a b@10.0.0.9>"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: <sip:" + strings.Repeat("a", 600) + "@10.0.0.9>"}, 400, "10.0.0.7", longestStay},
			{0, "a", []string{"Contact: " + strings.Repeat("<sip:a@10.0.0.9>, ", 20) + "<sip:a@10.0.0.9>"}, 400, "10.0.0.7", longestStay},
		},
	} {
		var have *binding
		now := noon
		for i, s := range steps {
			now = now.Add(s.after)
			msg, err := sip.ParseMessage([]byte(registering(s.callID, i+1, s.headers...)))
			if err != nil {
				t.Fatalf("%s, step %d: %v", name, i+1, err)
			}
			var a answer
			r, a := registrationOf(msg.(*sip.Request), "ada.harbor", here)
			r.transport = "TCP"
			if a.status == 0 {
				have, a = settle(have, r, now)
			}
			where, stay, said := "", time.Duration(0), ""
			if have != nil && have.until.After(now) {
				where, stay = have.contact.Host, have.until.Sub(now)
			}
			for _, h := range a.headers {
				said += h.Value()
			}
			if a.status != s.status || where != s.where || stay != s.stay {
				t.Errorf("%s, step %d: %d, at %q for %s; want %d, at %q for %s", name, i+1, a.status, where, stay, s.status, s.where, s.stay)
			}
			if want := fmt.Sprintf(";expires=%d", int(s.stay.Seconds())); s.status == 200 && (s.where == "") != (said == "") || s.status == 200 && s.where != "" && !strings.HasSuffix(said, want) {
				t.Errorf("%s, step %d: says %q", name, i+1, said)
			}
		}
	}
}

func TestWhoIsBehindANATRegistersOftenEnoughToBeReached(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		transport, contact string
		stay               time.Duration
	}{
		{"UDP", "<sip:ada@192.0.2.7:40000>", longestStay},
		{"UDP", "<sip:ada@192.0.2.7>", shortestStay},
		{"UDP", "<sip:ada@10.0.0.7:40000>", shortestStay},
		{"UDP", "<sip:ada@phone.example:40000>", shortestStay},
		{"TCP", "<sip:ada@10.0.0.7:5060>", longestStay},
		{"TLS", "<sip:ada@phone.example>", longestStay},
	} {
		msg, err := sip.ParseMessage([]byte(registering("a", 1, "Contact: "+c.contact, "Expires: 3600")))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := registrationOf(msg.(*sip.Request), "ada.harbor", netip.MustParseAddrPort("192.0.2.7:40000"))
		r.transport = c.transport
		have, a := settle(nil, r, noon)
		if have == nil || have.until.Sub(noon) != c.stay || !strings.HasSuffix(a.headers[0].Value(), fmt.Sprintf(";expires=%d", int(c.stay.Seconds()))) {
			t.Errorf("%s over %s: %+v, told %v", c.contact, c.transport, have, a.headers)
		}
	}
}

func TestARegisterThatCameLateChangesNothing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	at := func(seq uint32, host string) registration {
		return registration{binding: binding{callID: "a", seq: seq}, contacts: []wanted{{sip.Uri{Scheme: "sip", Host: host}, time.Hour}}}
	}
	have, _ := settle(nil, at(5, "new"), now)
	for _, seq := range []uint32{4, 5} {
		if is, a := settle(have, at(seq, "old"), now); a.status != 500 || is != have {
			t.Errorf("number %d: %d, %v", seq, a.status, is)
		}
	}
}
