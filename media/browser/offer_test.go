package browser

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/media"
)

// chromeOffer is what a current browser's offer looks like, shortened.
const chromeOffer = "v=0\r\no=- 46117327 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\n" +
	"a=msid-semantic: WMS\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 8 13 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n" +
	"a=candidate:1 1 udp 2113937151 0f3a.local 51472 typ host generation 0\r\na=end-of-candidates\r\n" +
	"a=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlrb\r\na=ice-options:trickle\r\n" +
	"a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=msid:- 7a1\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n" +
	"a=rtpmap:13 CN/8000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\n"

func TestWhatAnOfferSays(t *testing.T) {
	t.Parallel()
	o, err := readOffer(chromeOffer)
	must(t, err)
	if o.user != "4ZcD" || o.mid != "0" || o.proto != "UDP/TLS/RTP/SAVPF" || !slices.Equal(o.laws, []law{{media.PCMU, 0}, {media.PCMA, 8}}) {
		t.Errorf("%+v", o)
	}
	if o.mark.hash != "sha-256" || !strings.HasPrefix(o.mark.sum, "75745aa6a4e5") {
		t.Errorf("fingerprint %+v", o.mark)
	}
	dynamic := strings.NewReplacer("SAVPF 0 8 13 126", "SAVPF 8 100", "rtpmap:0 PCMU/8000", "rtpmap:100 pcmu/8000/1")
	o, err = readOffer(dynamic.Replace(chromeOffer))
	must(t, err)
	if !slices.Equal(o.laws, []law{{media.PCMA, 8}, {media.PCMU, 100}}) {
		t.Errorf("the browser's own payload types and order: %+v", o.laws)
	}
}

func TestOffersThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string { return strings.Replace(chromeOffer, old, with, 1) }
	candidates := ""
	for i := range maxCandidates + 1 {
		candidates += fmt.Sprintf("a=candidate:%d 1 udp 1 10.0.0.1 %d typ host\r\n", i, 1000+i)
	}
	for name, sdp := range map[string]string{
		"nothing":             "",
		"garbage":             "\x00\xff{}",
		"a bare line":         "\n",
		"no address":          "v=0\r\nc=IN\r\n",
		"too long":            chromeOffer + strings.Repeat("a=x\r\n", maxOfferBytes/5),
		"too many candidates": chromeOffer + candidates,
		"no media":            chromeOffer[:strings.Index(chromeOffer, "m=")],
		"two lines":           chromeOffer + chromeOffer[strings.Index(chromeOffer, "m="):],
		"video":               replace("m=audio", "m=video"),
		"a closed line":       replace("m=audio 9", "m=audio 0"),
		"no fingerprint":      replace("a=fingerprint", "a=fingerpaint"),
		"no ufrag":            replace("a=ice-ufrag", "a=ice-muffin"),
		"a short ufrag":       replace("ufrag:4ZcD", "ufrag:4Zc"),
		"a weak fingerprint":  replace("sha-256 75", "sha-1 75"),
		"half a fingerprint":  replace(":65:FB:04:24", ""),
		"no rtcp-mux":         replace("a=rtcp-mux\r\n", ""),
		"passive":             replace("actpass", "passive"),
		"ice-lite":            replace("a=mid:0", "a=ice-lite"),
		"one way":             replace("sendrecv", "recvonly"),
	} {
		if _, err := readOffer(sdp); !errors.Is(err, ErrBadOffer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	opus := strings.NewReplacer("SAVPF 0 8 13 126", "SAVPF 111", "0 PCMU/8000", "111 opus/48000/2", "8 PCMA/8000", "111 opus/48000/2")
	if _, err := readOffer(opus.Replace(chromeOffer)); !errors.Is(err, media.ErrNoCodec) {
		t.Errorf("no G.711: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	e := start(f)
	f.Add(chromeOffer)
	f.Add("v=0\r\nc=IN\r\n")
	f.Add(strings.Replace(chromeOffer, "a=ssrc:3570614608 cname", "a=ssrc:x y", 1))
	f.Add(strings.Replace(chromeOffer, "a=rtpmap:0 PCMU/8000", "a=rtpmap:999999 PCMU/8000/99", 1))
	f.Fuzz(func(t *testing.T, sdp string) {
		_, leg, err := e.Answer(sdp)
		if (err == nil) == (leg == nil) {
			t.Fatalf("leg %v, error %v", leg, err)
		}
		if leg != nil {
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "fuzz"})
			<-leg.Done()
		}
	})
}
