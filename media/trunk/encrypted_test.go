package trunk

import (
	"encoding/base64"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/sdp"
	"holdfast/tenants/routing"
)

// safely turns a description into one over SRTP.
func safely(body string, lines ...string) string {
	for _, l := range lines {
		body += "a=crypto:" + l + "\r\n"
	}
	return strings.Replace(body, "RTP/AVP", "RTP/SAVP", 1)
}

var keyLine = "1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrst"))

// alarms are those that are open.
type alarms struct {
	mu   sync.Mutex
	open map[string]bool
}

func (a *alarms) set(trunk string, open bool, _ string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[trunk] = open
}

func (a *alarms) is(trunk string) bool { a.mu.Lock(); defer a.mu.Unlock(); return a.open[trunk] }

func TestNoDowngradeGetsACallThroughThatMustBeEncrypted(t *testing.T) {
	t.Parallel()
	raised := &alarms{open: map[string]bool{}}
	n := newNode(t, func(s *Server) { s.cfg.Alarm = raised.set })
	n.overTLS(func(r *routing.Trunk) { r.Encryption = routing.EncryptionRequired })
	p := n.dial(t, "tls", "127.0.0.1")
	for name, body := range map[string]string{
		"plain RTP":                   offer("", ""),
		"keys stripped":               safely(offer("", "")),
		"keys that ask for no secret": safely(offer("", ""), keyLine+" UNENCRYPTED_SRTP"),
		"DTLS":                        strings.Replace(safely(offer("", ""), keyLine), "RTP/SAVP", "UDP/TLS/RTP/SAVP", 1),
	} {
		raised.set("t", false, "")
		c := p.caller(strings.ReplaceAll(name, " ", "-"))
		c.invite(body)
		if _, err := n.call(t).Answer("x"); err == nil {
			t.Errorf("%s: answered", name)
		}
		p.response(sip.INVITE, 488)
		c.ack("")
		if !raised.is("t") || n.cfg.Media.Sessions() != 0 {
			t.Errorf("%s: alarm %v, %d media sessions", name, raised.is("t"), n.cfg.Media.Sessions())
		}
	}
	c := p.caller("good")
	c.invite(safely(offer("", ""), keyLine))
	leg := n.answer(t, "good")
	events := listen(leg)
	if text := string(c.answered("").Body()); !strings.Contains(text, "RTP/SAVP 0") || !regexp.MustCompile(`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:\S{40}\r\n`).MatchString(text) {
		t.Errorf("our answer:\n%s", text)
	}
	event(t, events, media.Encrypted)
	if raised.is("t") {
		t.Error("the alarm is still open")
	}
	c.next("INVITE", offer("", "")) // stripped later
	p.response(sip.INVITE, 488)
	c.ack("")
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	p.send(okTo(p.request(sip.BYE))) // it was up until now

	late := p.caller("late") // who asks for our offer, and answers it in clear
	late.invite("")
	leg = n.answer(t, "late")
	events = listen(leg)
	res := p.response(sip.INVITE, 200)
	if text := string(res.Body()); !strings.Contains(text, "RTP/SAVP") || strings.Count(text, "a=crypto") != 4 {
		t.Errorf("our offer:\n%s", text)
	}
	late.toTag, _ = res.To().Params.Get("tag")
	late.ack(offer("", ""))
	ended(t, leg, events, endedInClear, 0)
	p.send(okTo(p.request(sip.BYE)))
}

func TestOurOfferMustBeAnsweredEncrypted(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	at, calls := exchange(t, trusted().issue(time.Now().Add(time.Hour), "carrier.example"))
	n.outTLS(at, func(r *routing.Trunk) { r.Encryption = routing.EncryptionRequired })
	leg, events := n.out(t)
	p := within(t, calls, "a connection")
	invite := p.request(sip.INVITE)
	if text := string(invite.Body()); !strings.Contains(text, "RTP/SAVP 0 8 101") || strings.Count(text, "a=crypto") != 4 {
		t.Errorf("our offer:\n%s", text)
	}
	p.says(invite, 183, "them", offer("", "")) // early media in clear is no media
	p.says(invite, 200, "them", offer("", ""))
	p.request(sip.ACK)
	p.send(okTo(p.request(sip.BYE)))
	ended(t, leg, events, endedInClear, 0)
	if sent := leg.Stats().Sent; sent != 0 {
		t.Errorf("%d packets went out", sent)
	}
}

func TestWhatIsOnlyPreferredIsMarked(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.overTLS(func(r *routing.Trunk) { r.Encryption = routing.EncryptionPreferred })
	p := n.dial(t, "tls", "127.0.0.1")
	c := p.caller("plain")
	c.invite(offer("", ""))
	event(t, listen(n.answer(t, "plain")), media.InClear)
	c.answered("")
	c = p.caller("both") // as RFC 8643 has it
	c.invite(offer("", "a=crypto:"+keyLine+"\r\n"))
	event(t, listen(n.answer(t, "both")), media.Encrypted)
	if text := string(c.answered("").Body()); !strings.Contains(text, "RTP/AVP 0") || !strings.Contains(text, "a=crypto:1 ") {
		t.Errorf("our answer:\n%s", text)
	}
}

func TestKeysAreNotSentInClear(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	set := func(e routing.Encryption, clear bool) {
		n.SetTrunks([]routing.Trunk{{Name: "t", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}, Encryption: e, ClearKeys: clear}})
	}
	p := n.dial(t, "udp", "127.0.0.1")
	try := func(id string, status int) string {
		c := p.caller(id)
		c.invite(safely(offer("", ""), keyLine))
		_, _ = n.call(t).Answer(id)
		res := p.response(sip.INVITE, status)
		c.toTag, _ = res.To().Params.Get("tag")
		c.ack("")
		return string(res.Body())
	}
	set(routing.EncryptionRequired, false)
	try("required", 488)
	set(routing.EncryptionPreferred, false)
	try("preferred", 488)
	set("no word of ours", false)
	try("unknown", 488)
	set(routing.EncryptionRequired, true)
	if text := try("allowed", 200); !strings.Contains(text, "a=crypto:1 ") {
		t.Errorf("our answer:\n%s", text)
	}
}

func TestBothAreHeardThroughSRTP(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.overTLS(func(r *routing.Trunk) { r.Encryption = routing.EncryptionRequired })
	p := n.dial(t, "tls", "127.0.0.1")
	k := mediatest.NewCarrier(t, "127.0.0.1", media.PCMU)
	c := p.caller("heard")
	c.invite(safely(offer(k.Addr().String(), ""), keyLine))
	leg := n.answer(t, "heard")
	res := c.answered("")
	theirs := regexp.MustCompile(`inline:(\S+)`).FindStringSubmatch(string(res.Body()))[1]
	ourKey, err := base64.StdEncoding.DecodeString(theirs)
	if err != nil {
		t.Fatal(err)
	}
	k.Secure([]byte("0123456789abcdefghijklmnopqrst"), ourKey)
	heard := mediatest.NewProbe()
	leg.Receive(heard)
	hush := k.Talk(portOf(t, res), 440)
	heard.WaitTone(t, 440, patience)
	hush()
	tone := mediatest.NewTone(media.PCMU, 1000)
	for range 30 {
		leg.Audio(tone.Next())
	}
	k.Heard.WaitTone(t, 1000, patience)
	if s := leg.Stats(); s.Dropped != 0 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// TestWhoRefusesACallInClearReadsItsTrunkSafely is for the race detector: an UPDATE may come while the next trunk is tried.
func TestWhoRefusesACallInClearReadsItsTrunkSafely(t *testing.T) {
	t.Parallel()
	d := &dialog{s: newNode(t).Server}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.trunk = "next"
	}()
	_ = d.refused(sdp.ErrClear)
	_ = d.unanswered(sdp.ErrClear, "")
	within(t, done, "the next trunk")
}
