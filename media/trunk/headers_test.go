package trunk

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"holdfast/media"
	"holdfast/tenants/routing"
)

func TestDiversionsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	got := diversions([]string{
		`"Front, Desk" <sip:+16085551234;npdi@pbx.example;user=phone>;reason=no-answer;counter=2;privacy=off, <tel:+16085550000;phone-context=x>;reason="unconditional"`,
		`not an address`, `<sip:no-end@x`, `sip:6085559999@10.0.0.1:5060;reason=user-busy;counter=-4`,
	})
	want := []media.Diversion{
		{Identity: media.Identity{Display: "Front, Desk", User: "+16085551234", Host: "pbx.example"}, Reason: "no-answer", Counter: 2},
		{Identity: media.Identity{User: "+16085550000"}, Reason: "unconditional"},
		{Identity: media.Identity{User: "6085559999", Host: "10.0.0.1"}, Reason: "user-busy"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestHistoryKeepsIndexAndCause(t *testing.T) {
	t.Parallel()
	got := history([]string{
		`<sip:+16085551234@pbx.example?Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%20Here%22&Privacy=history>;index=1`,
		`<sip:+16085550101@us.example;target=x;cause=302>;index=1.1;mp=1, <urn:service:sos>;index=1.2`,
		`<sip:[2001:db8::1]:5060>;index=2`,
	})
	want := []media.Diversion{
		{Identity: media.Identity{User: "+16085551234", Host: "pbx.example"}, Index: "1", Reason: "486"},
		{Identity: media.Identity{User: "+16085550101", Host: "us.example"}, Index: "1.1", Reason: "302"},
		{Identity: media.Identity{Host: "2001:db8::1"}, Index: "2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTextsAreBoundedAndStorable(t *testing.T) {
	t.Parallel()
	long := identities([]string{`"` + strings.Repeat("á", 5000) + `" <sip:a%00b%0d%0aX@h>`})
	if len(long) != 1 || len(long[0].Display) > maxText || !utf8.ValidString(long[0].Display) {
		t.Fatalf("display of %d bytes", len(long[0].Display))
	}
	if long[0].User != "abX" {
		t.Errorf("user %q keeps control characters", long[0].User)
	}
	many := identities([]string{strings.Repeat("<sip:a@b>,", 500)})
	if len(many) != maxOfKind {
		t.Errorf("%d entries kept", len(many))
	}
}

func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{
		`"A \" B" <sip:a:pw@h:5060;x=y?Reason=SIP%3Bcause%3D486>;index=1.1;counter=3`, `tel:+1-608;phone-context=+1`,
		`<sip:%zz@[::1>`, `"`, `<`, `<sip:@>`, `a,b,,;;=`, `sip:a@b?x=%`, `\`, `"\`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		values := []string{s, s}
		for _, list := range [][]media.Diversion{diversions(values), history(values)} {
			if len(list) > maxOfKind {
				t.Fatalf("%d entries", len(list))
			}
			for _, d := range list {
				for _, text := range []string{d.Display, d.User, d.Host, d.Index, d.Reason} {
					if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n") {
						t.Fatalf("unfit text %q", text)
					}
				}
				if d.Counter < 0 {
					t.Fatal("negative counter")
				}
			}
		}
	})
}

func TestOnlyACarrierThatVouchesForItSaysWhoCallsBesideFrom(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	vouches, passesOn := (*n.trunks.Load())[0], (*n.trunks.Load())[0]
	passesOn.Name, passesOn.Signal, passesOn.IgnoreAsserted = "passes on", prefixesOf("127.0.0.2/32"), true
	n.SetTrunks([]routing.Trunk{vouches, passesOn})
	for from, want := range map[string]int{"127.0.0.1": 1, "127.0.0.2": 0} {
		n.dial(t, "udp", from).caller("from-"+from).invite(offer("", ""), "P-Asserted-Identity: <sip:112@emergency.example>")
		in := n.call(t)
		if got := in.Invite(); len(got.Asserted) != want || got.From.User != "+16085551234" {
			t.Errorf("%s: asserted %v, from %v", from, got.Asserted, got.From)
		}
		in.Refuse(486, "Busy Here")
	}
}
