package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"holdfast/media/record"
	"holdfast/tenants/routing"
)

func TestWhoHasNoTelephoneIsAskedAsStraightAsWhoHasOne(t *testing.T) {
	t.Parallel()
	digests, before := map[bool]int{}, map[string]bool{}
	for node := range 2 { // or a new start
		keys, err := record.NewKeys(bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		phones := newTelephones(&routing.Book{}, nil, keys, slog.New(slog.DiscardHandler))
		for i := range 40 {
			user := fmt.Sprintf("eve%d.harbor", i)
			p, known := phones.Phone(user)
			if _, err := phones.Open(user, p); known || err == nil {
				t.Errorf("%s is let in: %v", user, err)
			}
			if node == 1 && before[user] != p.MD5 {
				t.Errorf("%s is asked for another digest by another node, as nobody is who has a telephone", user)
			}
			before[user] = p.MD5
			digests[p.MD5]++
		}
	}
	if digests[true] < 10 || digests[false] < 10 {
		t.Errorf("by the digest that it is asked for one tells who has a telephone: %v", digests)
	}
}

func TestAnAdministratorReadsWhatToTypeIntoATelephone(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort("0.0.0.0:5070")
	for _, c := range []struct {
		name string
		s    settings
		want string
	}{
		{"on this machine", settings{sipAddr: netip.MustParseAddrPort("127.0.0.1:5060")}, "[{UDP 127.0.0.1:5060} {TCP 127.0.0.1:5060}]"},
		{"at every address of it", settings{sipAddr: at, publicIP: netip.MustParseAddr("192.0.2.7")}, "[{UDP 192.0.2.7:5070} {TCP 192.0.2.7:5070}]"},
		{"with a certificate", settings{sipAddr: at, publicIP: netip.MustParseAddr("192.0.2.7"), SIPTLS: "0.0.0.0:5061", TLSCert: "c", PublicURL: "https://answer.example"}, "[{UDP 192.0.2.7:5070} {TCP 192.0.2.7:5070} {TLS answer.example:5061}]"},
		{"with one of our own", settings{sipAddr: at, publicIP: netip.MustParseAddr("192.0.2.7"), SIPTLS: "0.0.0.0:5061", PublicURL: "https://answer.example"}, "[{UDP 192.0.2.7:5070} {TCP 192.0.2.7:5070} {TLS 192.0.2.7:5061}]"},
	} {
		if got := fmt.Sprint(waysOfPhones(&c.s)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
