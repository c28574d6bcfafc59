package trunk

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/tenants/routing"
)

// A carrier of another make: SIPp plays these scenarios as the called side, and says whether all went as it must.
const (
	sdpBody = "v=0\r\no=- 1 1 IN IP4 [local_ip]\r\ns=-\r\nc=IN IP4 [local_ip]\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	sippBar = 20 * time.Second
)

func recv(method string) string { return fmt.Sprintf(`<recv request=%q crlf="true"/>`, method) }

// keep takes an INVITE and keeps its From, To and Via for later.
const keep = `<recv request="INVITE" crlf="true"><action><ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>` +
	`<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/><ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>` +
	`</action></recv><Reference variables="from,to,via"/>`

// byeOf hangs up as the called party that has this tag; keep was the first step.
func byeOf(tag string) string {
	return "<send><![CDATA[\nBYE sip:us@[remote_ip]:[remote_port] SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]\nFrom: <sip:them@x>;tag=" + tag +
		"\nTo:[$from]\nCall-ID: [call_id]\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>"
}

// say answers the last request; a tag for To, "" when it has one, and more headers.
func say(status, tag, body string, headers ...string) string {
	to := "[last_To:]"
	if tag != "" {
		to += ";tag=" + tag
	}
	head := append([]string{"SIP/2.0 " + status, "[last_Via:]", "[last_From:]", to, "[last_Call-ID:]"}, headers...)
	if !strings.Contains(strings.Join(headers, "\n"), "CSeq:") {
		head = append(head, "[last_CSeq:]")
	}
	head = append(head, "Contact: <sip:them@[local_ip]:[local_port]>")
	if body != "" {
		head = append(head, "Content-Type: application/sdp")
	}
	head = append(head, "Content-Length: [len]")
	return "<send><![CDATA[\n" + strings.Join(head, "\n") + "\n\n" + strings.ReplaceAll(body, "\r\n", "\n") + "]]></send>"
}

// challenged is a carrier that wants credentials, and looks at them. SIPp 3.6 can verify MD5 only; of SHA-256 it looks at the
// form, and whether the sum is right is in digest_test.go.
func challenged(algorithm string) []string {
	verify := `<verifyauth assign_to="good" username="u" password="p"/>`
	if algorithm != "MD5" {
		verify = `<ereg regexp='nonce="47364c23432d2e131a5fb210812c".*response="[0-9a-f]{64}".*nc=00000001, qop=auth, algorithm=SHA-256' ` +
			`search_in="hdr" header="Authorization:" check_it="true" assign_to="good"/>`
	}
	return []string{
		recv("INVITE"), say("401 Unauthorized", "c", "", `WWW-Authenticate: Digest realm="carrier", nonce="47364c23432d2e131a5fb210812c", qop="auth", algorithm=`+algorithm),
		recv("ACK"),
		`<recv request="INVITE" crlf="true"><action>` + verify + `</action></recv>`,
		`<nop hide="true" test="good" next="1"/>`, say("403 Forbidden", "c", ""), recv("ACK"), `<label id="1"/>`,
		say("200 OK", "c", sdpBody), recv("ACK"), recv("BYE"), say("200 OK", "", ""),
		`<nop hide="true" next="2" test="good"/><label id="2"/>`,
	}
}

// carrier starts SIPp with a scenario and returns where it is and how it ends.
func carrier(t *testing.T, steps ...string) (at string, end func()) {
	t.Helper()
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("sipp is not installed: apt-get install sip-tester")
	}
	dir := t.TempDir()
	xml := `<?xml version="1.0" encoding="UTF-8"?><scenario name="carrier">` + strings.Join(steps, "\n") + "</scenario>"
	if err := os.WriteFile(filepath.Join(dir, "s.xml"), []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at = free.LocalAddr().String()
	_, port, _ := net.SplitHostPort(at)
	_ = free.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), sippBar+5*time.Second)
	cmd := exec.CommandContext(ctx, program, "-sf", "s.xml", "-i", "127.0.0.1", "-p", port, "-m", "1", "-nostdin", // a foreign program is the point
		"-timeout", strconv.Itoa(int(sippBar.Seconds())), "-timeout_error", "-trace_err", "-error_file", "err", "-trace_msg", "-message_file", "messages")
	cmd.Dir = dir
	var screen bytes.Buffer
	cmd.Stdout, cmd.Stderr = &screen, &screen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			raw, _ := os.ReadFile(filepath.Join(dir, "err"))
			messages, _ := os.ReadFile(filepath.Join(dir, "messages"))
			t.Logf("SIPp said\n%s%s", raw, messages)
		}
	})
	bound(t, port)
	return at, func() {
		t.Helper()
		if err := <-ended; err != nil {
			t.Errorf("SIPp: %v\n%s", err, screen.String()[max(0, screen.Len()-2000):])
		}
	}
}

// bound waits until somebody listens on a UDP port.
func bound(t *testing.T, port string) {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		table, err := os.ReadFile("/proc/net/udp")
		return err == nil && bytes.Contains(table, fmt.Appendf(nil, ":%04X 00000000:0000", number))
	})
}

func TestCarriersOfAnotherMake(t *testing.T) {
	t.Parallel()
	hangup := func(t *testing.T, leg media.Leg, events chan media.Event) {
		event(t, events, media.Connected)
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	}
	for name, c := range map[string]struct {
		steps  []string
		then   func(*testing.T, media.Leg, chan media.Event)
		reason string
	}{
		"plain": {[]string{
			recv("INVITE"), say("100 Trying", "", ""), say("180 Ringing", "p", ""), say("200 OK", "p", sdpBody), recv("ACK"), recv("BYE"), say("200 OK", "", ""),
		}, hangup, "hangup"},
		"they hang up": {[]string{
			keep, say("200 OK", "p", sdpBody), recv("ACK"),
			byeOf("p"), `<recv response="200"/>`,
		}, nil, "bye"},
		"183 with a description": {[]string{
			recv("INVITE"), say("183 Session Progress", "p", sdpBody), say("200 OK", "p", sdpBody), recv("ACK"), recv("BYE"), say("200 OK", "", ""),
		}, hangup, "hangup"},
		"digest by MD5":     {challenged("MD5"), hangup, "hangup"},
		"digest by SHA-256": {challenged("SHA-256"), hangup, "hangup"},
		"a fork": {[]string{
			keep, say("200 OK", "one", sdpBody), recv("ACK"),
			strings.NewReplacer("[last_To:]", "To:[$to]", "[last_Via:]", "Via:[$via]", "[last_CSeq:]", "CSeq: 1 INVITE").Replace(say("200 OK", "two", sdpBody)), recv("ACK"), recv("BYE"), say("200 OK", "", ""),
			byeOf("one"), `<recv response="200"/>`, // the first is still there
		}, nil, "bye"},
		"an answer that crosses the CANCEL": {[]string{
			recv("INVITE"), say("180 Ringing", "p", ""), recv("CANCEL"), say("200 OK", "p", ""), say("200 OK", "p", sdpBody, "CSeq: 1 INVITE"),
			recv("ACK"), recv("BYE"), say("200 OK", "", ""),
		}, func(t *testing.T, leg media.Leg, events chan media.Event) {
			event(t, events, media.Ringing)
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
		}, "hangup"},
		"reliable ringing": {[]string{
			keep, say("183 Session Progress", "p", sdpBody, "Require: 100rel", "RSeq: 5"),
			`<recv request="PRACK" crlf="true"><action><ereg regexp="^ *5 1 INVITE" search_in="hdr" header="RAck:" check_it="true" assign_to="rack"/></action></recv><Reference variables="rack"/>`,
			say("200 OK", "", ""),
			strings.NewReplacer("[last_Via:]", "Via:[$via]", "[last_To:]", "To:[$to]").Replace(say("200 OK", "p", "", "CSeq: 1 INVITE")), recv("ACK"),
			recv("BYE"), say("200 OK", "", ""),
		}, hangup, "hangup"},
		"a session timer": {[]string{
			recv("INVITE"), say("422 Session Interval Too Small", "p", "", "Min-SE: 2000"), recv("ACK"),
			`<recv request="INVITE" crlf="true"><action><ereg regexp="2000;refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="se"/></action></recv><Reference variables="se"/>`,
			say("200 OK", "p", sdpBody, "Session-Expires: 600;refresher=uac", "Require: timer", "Allow: INVITE, ACK, BYE, UPDATE"), recv("ACK"),
			recv("UPDATE"), say("200 OK", "", "", "Session-Expires: 600;refresher=uac", "Require: timer", "Allow: INVITE, ACK, BYE"),
			recv("INVITE"), say("200 OK", "", sdpBody+"a=sendonly\r\n", "Session-Expires: 600;refresher=uac", "Require: timer"), recv("ACK"),
			recv("BYE"), say("200 OK", "", ""),
		}, func(t *testing.T, leg media.Leg, events chan media.Event) {
			event(t, events, media.Held)
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
		}, "hangup"},
		"busy":     {[]string{recv("INVITE"), say("486 Busy Here", "p", ""), recv("ACK")}, nil, media.EndedBusy},
		"declined": {[]string{recv("INVITE"), say("603 Decline", "p", ""), recv("ACK")}, nil, media.EndedDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, end := carrier(t, c.steps...)
			n := newNode(t, func(s *Server) { s.timing.second = 3 * time.Millisecond })
			n.lockAt(at)
			leg, events := n.out(t)
			if c.then != nil {
				c.then(t, leg, events)
			}
			ended := event(t, events, media.Ended).Ending
			if ended.Reason != c.reason {
				t.Errorf("ended %+v, want %s", ended, c.reason)
			}
			end()
		})
	}
}

func TestAMuteCarrierOfAnotherMakeThatWakesUpLate(t *testing.T) {
	t.Parallel()
	mute, muteEnd := carrier(t, recv("INVITE"), `<pause milliseconds="1200"/>`, say("200 OK", "late", sdpBody), recv("ACK"), recv("BYE"), say("200 OK", "", ""))
	good, goodEnd := carrier(t, recv("INVITE"), say("200 OK", "p", sdpBody), recv("ACK"), recv("BYE"), say("200 OK", "", ""))
	n := newNode(t, givesUpSoon)
	all := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}
	n.SetTrunks([]routing.Trunk{
		{Name: "a", Signal: all, Out: &routing.WayOut{Target: mute}}, {Name: "b", Signal: all, Out: &routing.WayOut{Target: good}},
	})
	leg, events := n.out(t)
	event(t, events, media.Connected)
	muteEnd()
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	goodEnd()
}
