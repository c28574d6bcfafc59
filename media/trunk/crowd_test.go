package trunk

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func raw(method, call, toTag string, n int) []byte {
	return fmt.Appendf(nil, "%s sip:+16085550101@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%s\r\nf: <sip:a@192.0.2.9>;tag=1\r\nTo: <sip:+16085550101@192.0.2.1>%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
		method, call, toTag, call, n, method)
}

func TestACrowdIsToldToComeLaterAndNobodyElseIs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newCrowd(func() time.Time { return now })
	is := func(want string, b []byte) string {
		t.Helper()
		refusal, drop := c.turn(b)
		got := "in"
		switch {
		case drop:
			got = "dropped"
		case refusal != nil:
			got = "refused"
		}
		if got != want {
			t.Errorf("%.60q is %s, not %s", b, got, want)
		}
		return string(refusal)
	}
	for i := range c.most + 1 { // one too many, which is no crowd yet
		is("in", raw("INVITE", fmt.Sprint("early", i), "", 1))
	}
	now = now.Add(grace)
	is("in", raw("INVITE", "early0", "", 1)) // a copy of one that is let in
	said := is("refused", raw("INVITE", "late", "", 1))
	for _, want := range []string{"SIP/2.0 503 Service Unavailable\r\n", "Retry-After: 2\r\n", "\r\nFrom: <sip:a@192.0.2.9>;tag=1\r\n", ">;tag=", "\r\nCSeq: 1 INVITE\r\n", "branch=z9hG4bKlate"} {
		if !strings.Contains(said, want) {
			t.Errorf("a caller is refused with %q, which has no %q", said, want)
		}
	}
	is("dropped", raw("ACK", "late", ";tag=2", 1))
	is("refused", raw("invite", "small", "", 1))
	long := bytes.Replace(raw("INVITE", "long", "", 1), []byte("Content-Length"), []byte(strings.Repeat("X-A: 1\r\n", 70)+"Content-Length"), 1)
	is("in", long) // nobody can be told without reading all of it; and its ACK must come through
	is("in", raw("ACK", "long", ";tag=2", 1))
	is("in", raw("INVITE", "held", "; Tag = 2", 7))
	is("in", raw("INVITE", "folded", "\r\n ;tag=2", 7))
	is("in", raw("ACK", "early0", ";tag=2", 1))
	is("in", raw("INVITE", "up", ";tag=2", 7)) // a change to a call that is up
	is("in", raw("BYE", "late", ";tag=2", 3))
	is("in", []byte("INVITE sip:a@b SIP/2.0\r\nCall-ID: \r\n\r\n")) // the parser says what is wrong with it

	for _, early := range []string{"early0", "early1", "early2"} {
		answered, err := sip.ParseMessage(raw("INVITE", early, "", 1))
		if err != nil {
			t.Fatal(err)
		}
		c.decided(answered.(*sip.Request))
	}
	if again := is("refused", raw("INVITE", "late", "", 1)); again != said { // there is room now, but the refusal was lost
		t.Errorf("then it is refused otherwise: %q", again)
	}
	is("in", bytes.Replace(raw("INVITE", "late", "", 1), []byte("branch=z9hG4bK"), []byte("branch=z9hG4bKanew"), 1)) // a proxy tries anew
	is("in", raw("INVITE", "early0", "", 1))                                                                         // its 200 was lost, and must be sent again
	is("refused", raw("INVITE", "later", "", 1))
	now = now.Add(forgotten)
	is("in", raw("INVITE", "next", "", 1)) // nobody decided about the first ones: they keep out nobody for ever
	now = now.Add(calm + forgotten)
	for i := range rush * c.most {
		is("in", raw("INVITE", fmt.Sprint("rush", i), "", 1))
	}
	is("refused", raw("INVITE", "more", "", 1))
}

func FuzzCrowd(f *testing.F) {
	f.Add(raw("INVITE", "a", "", 1))
	f.Add(raw("ACK", "a", ";tag=2", 1))
	f.Add([]byte("INVITE x SIP/2.0\r\nvia: a\r\n b\r\nf: c\r\nt: d\r\n e\r\ni: 1\r\ncseq: 1 INVITE\r\n"))
	c := newCrowd(time.Now)
	c.most = 0
	f.Fuzz(func(t *testing.T, b []byte) {
		refusal, _ := c.turn(b)
		if refusal == nil {
			return
		}
		head, rest, whole := strings.Cut(string(refusal), "\r\n\r\n")
		if !whole || rest != "" || !strings.HasPrefix(head, "SIP/2.0 503 ") || strings.ContainsAny(strings.ReplaceAll(head, "\r\n", ""), "\r\n") {
			t.Fatalf("%q is refused with %q", b, refusal)
		}
	})
}
