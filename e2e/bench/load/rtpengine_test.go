package load

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
)

// proxy stands in for rtpengine: it speaks ng, does not get the first request, answers each twice, and relays on a socket of its own.
type proxy struct {
	t     *testing.T
	wait  sync.WaitGroup
	relay *net.UDPConn
	at    netip.AddrPort // of the relay
	names []string       // of the SRTP that it offers

	caller, operator netip.AddrPort
	ours             sdesKey // the last it offered; without a key: plain RTP
	theirs           sdesKey
}

func (p *proxy) serve(ng *net.UDPConn) {
	buf := make([]byte, 65535)
	for first := true; ; first = false {
		n, from, err := ng.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		cookie, text, _ := strings.Cut(string(buf[:n]), " ")
		request, err := unbencode(text)
		if err != nil {
			p.t.Errorf("%q: %v", text, err)
			return
		}
		if !first {
			reply := []byte(cookie + " " + bencode(p.reply(request)))
			_, _ = ng.WriteToUDPAddrPort(reply, from)
			_, _ = ng.WriteToUDPAddrPort(reply, from)
		}
	}
}

func (p *proxy) reply(request map[string]any) map[string]string {
	sdp, _ := request["sdp"].(string)
	ours := describe(p.at)
	switch request["command"] {
	case "ping":
		return map[string]string{"result": "pong"}
	case "offer":
		p.caller = mediaOf([]byte(sdp))
		if request["transport-protocol"] == "RTP/SAVP" {
			ours = strings.Replace(ours, "RTP/AVP", "RTP/SAVP", 1)
			for i, name := range p.names {
				key := "a key and salt of 128+112 bit."
				if strings.HasSuffix(name, "GCM") {
					key = key[:28] // its salt has 96
				}
				key = base64.RawStdEncoding.EncodeToString([]byte(key))
				ours += fmt.Sprintf("a=crypto:%d %s inline:%s\r\n", i+3, name, key)
			}
			p.ours, _ = sealing([]byte(ours)) // of none nothing comes, and that is seen
		}
	case "answer":
		p.operator = mediaOf([]byte(sdp))
		p.theirs, _ = sealing([]byte(sdp))
		if p.theirs.tag != p.ours.tag || p.theirs.name != p.ours.name || strings.Contains(sdp, "RTP/SAVP") != (p.ours.name != "") {
			p.t.Errorf("to an offer of %q %s the operator says\n%s", p.ours.tag, p.ours.name, sdp)
		}
		p.wait.Go(p.pass)
	}
	return map[string]string{"result": "ok", "sdp": ours}
}

// pass relays: what the operator sends is unsealed, and what the caller sends sealed.
func (p *proxy) pass() {
	var seal, open *srtp.Context
	if p.ours.name != "" {
		k, err := keysOf(p.theirs, p.ours)
		if err != nil {
			p.t.Error(err)
			return
		}
		open, seal = k.in, k.out
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := p.relay.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		packet, to := buf[:n], p.caller
		switch {
		case from == p.caller:
			if to = p.operator; seal != nil {
				packet, err = seal.EncryptRTP(nil, packet, nil)
			}
		case open != nil:
			packet, err = open.DecryptRTP(nil, packet, nil)
		}
		if err != nil {
			p.t.Error(err)
			return
		}
		_, _ = p.relay.WriteToUDPAddrPort(packet, to)
	}
}

func TestACallIsBridgedOverNG(t *testing.T) {
	t.Parallel()
	for name, offered := range map[string][]string{
		"":                            nil, // plain RTP
		"SRTP_AEAD_AES_128_GCM":       {"AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM"},
		"SRTP_AES128_CM_HMAC_SHA1_80": {"AES_CM_128_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_80"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listen := func() *net.UDPConn {
				c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
				return c
			}
			p := &proxy{t: t, names: offered}
			t.Cleanup(p.wait.Wait) // after its sockets are closed
			ng := listen()
			p.relay = listen()
			p.at = p.relay.LocalAddr().(*net.UDPAddr).AddrPort()
			p.wait.Go(func() { p.serve(ng) })
			s, err := NewStudio(netip.MustParseAddr("127.0.41.1"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			r, err := NewRTPEngine(ng.LocalAddr().(*net.UDPAddr).AddrPort())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			if err := r.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := r.Bridge(t.Context(), s, name != ""); err != nil {
				t.Fatal(err)
			}
			s.Talk(1)
			got := s.Measure(300*time.Millisecond, time.Second)
			if got.Sent == 0 || got.LossPercent() != 0 || s.Profile() != name {
				t.Errorf("%d sent, %.1f %% lost, in %q", got.Sent, got.LossPercent(), s.Profile())
			}
		})
	}
}

func TestASealedBridgeNeedsSRTPThatABrowserTakes(t *testing.T) {
	t.Parallel()
	for _, offered := range []string{
		describe(netip.MustParseAddrPort("127.0.0.1:9")),
		"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
		"a=crypto:1 AEAD_AES_128_GCM inline:AAAA\r\n",
		"a=crypto:1 AEAD_AES_128_GCM inline:****\r\n",
		"a=crypto:1 AEAD_AES_128_GCM AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
	} {
		if answer, _, err := secured("RTP/AVP", offered); err == nil {
			t.Errorf("%q is answered by %q", offered, answer)
		}
	}
}
