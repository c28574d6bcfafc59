package sdp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"holdfast/media"
)

// key is the base64 of n bytes that are all c.
func key(n int, c byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(c), n)))
}

const (
	cm80  = "AES_CM_128_HMAC_SHA1_80"
	cm32  = "AES_CM_128_HMAC_SHA1_32"
	gcm   = "AEAD_AES_128_GCM"
	gcm2  = "AEAD_AES_256_GCM"
	cm256 = "AES_256_CM_HMAC_SHA1_80"
)

func TestALineOfKeysIsTakenOrPassedOver(t *testing.T) {
	t.Parallel()
	k30, k28 := "inline:"+key(30, 'a'), "inline:"+key(28, 'b')
	for line, want := range map[string]struct {
		tag  uint32
		keys int
		mki  string // of the first
	}{
		"1 " + cm80 + " " + k30:                                          {1, 1, ""},
		"999999999 " + cm80 + " " + k30:                                  {999999999, 1, ""},
		"1 " + cm80 + " " + k30 + "|2^20":                                {1, 1, ""},
		"1 " + cm80 + " " + k30 + "|2^20|1:4":                            {1, 1, "\x00\x00\x00\x01"},
		"1 " + cm80 + " " + k30 + "|1048576|66051:3":                     {1, 1, "\x01\x02\x03"},
		"1 " + cm80 + " " + k30 + "|1:4":                                 {1, 1, "\x00\x00\x00\x01"},
		"1 " + cm80 + " " + k30 + "|1:1;inline:" + key(30, 'c') + "|2:1": {1, 2, "\x01"},
		"2 " + gcm + " " + k28:                                           {2, 1, ""},
		"2 " + gcm + " " + strings.TrimRight(k28, "="):                   {2, 1, ""}, // some leave the padding out
		"3 " + gcm2 + " inline:" + key(44, 'd'):                          {3, 1, ""},
		"4 " + cm256 + " inline:" + key(46, 'e'):                         {4, 1, ""},
		"5 " + cm32 + " " + k30 + " WSH=128 KDR=0 -x=7":                  {5, 1, ""},

		"":                                      {},
		"1 " + cm80:                             {},
		"x " + cm80 + " " + k30:                 {},
		"+1 " + cm80 + " " + k30:                {},
		"1234567890 " + cm80 + " " + k30:        {},
		"1 F8_128_HMAC_SHA1_80 " + k30:          {}, // not ours
		"1 NULL_HMAC_SHA1_80 " + k30:            {},
		"1 " + cm80 + " " + k28:                 {}, // too short
		"1 " + gcm + " " + k30:                  {}, // too long
		"1 " + cm80 + " inline:****":            {},
		"1 " + cm80 + " uri:" + key(30, 'a'):    {},
		"1 " + cm80 + " " + k30 + "|0":          {}, // no lifetime at all
		"1 " + cm80 + " " + k30 + "|2^49":       {},
		"1 " + cm80 + " " + k30 + "|2^":         {},
		"1 " + cm80 + " " + k30 + "|1:0":        {},
		"1 " + cm80 + " " + k30 + "|256:1":      {}, // does not fit
		"1 " + cm80 + " " + k30 + "|1:17":       {},
		"1 " + cm80 + " " + k30 + "|2^20|1:4|9": {},
		"1 " + cm80 + " " + k30 + ";" + k30:     {}, // two keys and no way to tell which
		"1 " + cm80 + " " + k30 + "|1:1;inline:" + key(30, 'c') + "|1:1": {},
		"1 " + cm80 + " " + k30 + "|1:1;inline:" + key(30, 'c') + "|2:2": {},
		"1 " + cm80 + " " + k30 + " UNENCRYPTED_SRTP":                    {},
		"1 " + cm80 + " " + k30 + " UNENCRYPTED_SRTCP":                   {},
		"1 " + cm80 + " " + k30 + " UNAUTHENTICATED_SRTP":                {},
		"1 " + cm80 + " " + k30 + " FEC_ORDER=FEC_SRTP":                  {},
		"1 " + cm80 + " " + k30 + " KDR=1":                               {},
		"1 " + cm80 + " " + k30 + " WSH=1":                               {},
		"1 " + cm80 + " " + k30 + " SOMETHING":                           {},
	} {
		c, ok := parseCrypto(line)
		if ok != (want.keys > 0) || c.tag != want.tag || len(c.keys) != want.keys || ok && c.keys[0].MKI != want.mki {
			t.Errorf("%q: %v, %+v", line, ok, c)
		}
	}
}

func TestAKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	c, _ := parseCrypto("1 " + cm80 + " inline:" + key(30, 'a'))
	m := Media{Crypto: &Crypto{In: c.keys, Out: c.keys[0]}}
	for _, shown := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", m.Crypto), fmt.Sprintf("%#v", m.Crypto), fmt.Sprintf("%s %d %x", c.keys[0], c.keys[0], c.keys[0])} {
		if strings.Contains(shown, "aaa") || strings.Contains(shown, "97 97") || strings.Contains(shown, "6161") || strings.Contains(shown, "0x61") {
			t.Errorf("a key is shown: %s", shown)
		}
	}
}

// offerOf is an offer of one audio line with these keys.
func offerOf(proto string, lines ...string) []byte {
	all := []string{"v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0", "m=audio 4000 " + proto + " 0"}
	for _, l := range lines {
		all = append(all, "a=crypto:"+l)
	}
	return body(all...)
}

func TestWhatIsEncryptedAndWhatIsRefused(t *testing.T) {
	t.Parallel()
	c80, c32, g := "1 "+cm80+" inline:"+key(30, 'a')+"|2^20|1:4", "2 "+cm32+" inline:"+key(30, 'b'), "3 "+gcm+" inline:"+key(28, 'c')
	useless := "9 " + cm80 + " inline:" + key(30, 'z') + " UNENCRYPTED_SRTP"
	both := append(offerOf("RTP/SAVP", c80), "m=audio 5000 RTP/AVP 0\r\n"...)
	for name, tc := range map[string]struct {
		offer  []byte
		policy Policy
		fails  error
		line   string // in the answer; "": plain
	}{
		"SAVP, required":                             {offerOf("RTP/SAVP", c80), Require, nil, "a=crypto:1 " + cm80},
		"SAVP, preferred":                            {offerOf("RTP/SAVP", c80), Prefer, nil, "a=crypto:1 " + cm80},
		"SAVP, not wanted":                           {offerOf("RTP/SAVP", c80), Clear, ErrSecure, ""},
		"SAVPF":                                      {offerOf("RTP/SAVPF", c32), Require, nil, "a=crypto:2 " + cm32},
		"GCM is best, wherever it stands":            {offerOf("RTP/SAVP", c32, c80, g), Require, nil, "a=crypto:3 " + gcm},
		"a long tag is better than a short one":      {offerOf("RTP/SAVP", c32, c80), Require, nil, "a=crypto:1 " + cm80},
		"what asks for what we do not do is no key":  {offerOf("RTP/SAVP", useless), Require, ErrClear, ""},
		"the usable one of two":                      {offerOf("RTP/SAVP", useless, c80), Require, nil, "a=crypto:1 " + cm80},
		"SAVP without any key, required":             {offerOf("RTP/SAVP"), Require, ErrClear, ""},
		"SAVP without any key, preferred":            {offerOf("RTP/SAVP"), Prefer, ErrSecure, ""},
		"plain, required":                            {offerOf("RTP/AVP"), Require, ErrClear, ""},
		"plain, preferred":                           {offerOf("RTP/AVP"), Prefer, nil, ""},
		"plain with keys (RFC 8643), preferred":      {offerOf("RTP/AVP", c80), Prefer, nil, "a=crypto:1 " + cm80},
		"plain with keys, required":                  {offerOf("RTP/AVP", c80), Require, nil, "a=crypto:1 " + cm80},
		"plain with keys, not wanted":                {offerOf("RTP/AVP", c80), Clear, nil, ""},
		"both lines, preferred":                      {both, Prefer, nil, "a=crypto:1 " + cm80},
		"both lines, not wanted":                     {both, Clear, nil, ""},
		"DTLS is not ours":                           {offerOf("UDP/TLS/RTP/SAVP", c80), Require, ErrClear, ""},
		"DTLS is not ours, where we would like to":   {offerOf("UDP/TLS/RTP/SAVPF"), Prefer, ErrSecure, ""},
		"a key for the session is nobody's":          {body("v=0", "c=IN IP4 198.51.100.7", "a=crypto:"+c80, "m=audio 4000 RTP/SAVP 0"), Require, ErrClear, ""},
		"no codec of ours is still no codec of ours": {body("v=0", "c=IN IP4 198.51.100.7", "m=audio 4000 RTP/SAVP 9", "a=crypto:"+c80), Require, media.ErrNoCodec, ""},
	} {
		local := here
		local.Secure = Secure{Policy: tc.policy, Keys: NewKeys()}
		if tc.policy == Clear {
			local.Secure.Keys = nil
		}
		text, m, err := Answer(mustParse(t, tc.offer), local)
		if !errors.Is(err, tc.fails) || (err == nil) != (tc.fails == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.fails)
			continue
		}
		if err != nil {
			continue
		}
		if tc.line == "" {
			if m.Crypto != nil || strings.Contains(string(text), "crypto") {
				t.Errorf("%s: %v\n%s", name, m.Crypto, text)
			}
			continue
		}
		if !strings.Contains(string(text), tc.line+" inline:") || strings.Count(string(text), "a=crypto") != 1 || m.Crypto == nil {
			t.Errorf("%s:\n%s", name, text)
			continue
		}
		if m.Crypto.In[0].Is(m.Crypto.Out) || m.Crypto.In[0].Suite != m.Crypto.Out.Suite || m.Crypto.In[0].Tag != m.Crypto.Out.Tag {
			t.Errorf("%s: %+v", name, m.Crypto)
		}
	}
}

func TestOurOfferAndWhatMayBeAnswered(t *testing.T) {
	t.Parallel()
	local := here
	local.Secure = Secure{Policy: Require, Keys: NewKeys()}
	text := string(Offer(local))
	if !strings.Contains(text, "RTP/SAVP 0 8 101") || strings.Count(text, "a=crypto:") != 4 || strings.Contains(text, "SHA1_32") {
		t.Fatalf("our offer:\n%s", text)
	}
	mine := regexp.MustCompile(`a=crypto:3 \S+ inline:(\S+)`).FindStringSubmatch(text)[1]
	good := "3 " + cm80 + " inline:" + key(30, 'p')
	for name, tc := range map[string]struct {
		answer []byte
		fails  error
	}{
		"one of them":              {offerOf("RTP/SAVP", good), nil},
		"none":                     {offerOf("RTP/SAVP"), ErrClear},
		"stripped to plain":        {offerOf("RTP/AVP"), ErrClear},
		"a tag that is not ours":   {offerOf("RTP/SAVP", "7 "+cm80+" inline:"+key(30, 'p')), ErrClear},
		"another suite":            {offerOf("RTP/SAVP", "3 "+cm32+" inline:"+key(30, 'p')), ErrClear},
		"our own key":              {offerOf("RTP/SAVP", "3 "+cm80+" inline:"+mine), ErrClear},
		"one that we cannot serve": {offerOf("RTP/SAVP", good+" UNAUTHENTICATED_SRTP"), ErrClear},
	} {
		m, err := Accept(mustParse(t, tc.answer), local)
		if !errors.Is(err, tc.fails) || (err == nil) != (m.Crypto != nil) {
			t.Errorf("%s: %v, %v", name, err, m.Crypto)
		}
	}
	local.Secure.Policy = Prefer // the same keys beside plain RTP, and the answer decides
	if text := string(Offer(local)); !strings.Contains(text, "RTP/AVP 0 8 101") || strings.Count(text, "a=crypto:") != 4 {
		t.Errorf("our offer:\n%s", text)
	}
	if m, err := Accept(mustParse(t, offerOf("RTP/AVP")), local); err != nil || m.Crypto != nil {
		t.Errorf("plain: %v, %v", m.Crypto, err)
	}
	if m, err := Accept(mustParse(t, offerOf("RTP/AVP", good)), local); err != nil || m.Crypto == nil {
		t.Errorf("encrypted: %v, %v", m.Crypto, err)
	}
}

func TestACallThatIsEncryptedStaysSo(t *testing.T) {
	t.Parallel()
	local := here
	local.Secure = Secure{Policy: Prefer, Keys: NewKeys()}
	first := "1 " + cm80 + " inline:" + key(30, 'a')
	_, m, err := Answer(mustParse(t, offerOf("RTP/SAVP", first)), local)
	if err != nil {
		t.Fatal(err)
	}
	local.Secure.Now, local.Secure.Keys = m.Crypto, NewKeys()
	if _, _, err := Answer(mustParse(t, offerOf("RTP/AVP")), local); !errors.Is(err, ErrClear) {
		t.Errorf("stripped in a re-INVITE: %v", err)
	}
	better := "2 " + gcm + " inline:" + key(28, 'g')
	_, same, err := Answer(mustParse(t, offerOf("RTP/SAVP", better, strings.Replace(first, "1", "4", 1))), local)
	if err != nil || !same.Crypto.Out.Is(m.Crypto.Out) || same.Crypto.Out.Tag != 4 {
		t.Errorf("the key in use is not kept: %+v, %v", same.Crypto, err)
	}
	_, changed, err := Answer(mustParse(t, offerOf("RTP/SAVP", "1 "+cm80+" inline:"+key(30, 'b'))), local)
	if err != nil || changed.Crypto.Out.Is(m.Crypto.Out) {
		t.Errorf("the peer has a new key and ours is the old one: %v", err)
	}
	if text := string(Offer(local)); strings.Count(text, "a=crypto:") != 1 || !strings.Contains(text, m.Crypto.Out.write()) || !strings.Contains(text, "RTP/SAVP") {
		t.Errorf("our offer within the call:\n%s", text)
	}
	if _, err := Accept(mustParse(t, offerOf("RTP/AVP")), local); !errors.Is(err, ErrClear) {
		t.Errorf("stripped in an answer: %v", err)
	}
}

func FuzzCrypto(f *testing.F) {
	for _, line := range []string{
		"1 " + cm80 + " inline:" + key(30, 'a') + "|2^20|1:4", "2 " + gcm + " inline:" + key(28, 'b'), "3 " + gcm2 + " inline:" + key(44, 'c') + "|1:4;inline:" + key(44, 'd') + "|2:4",
		"1 " + cm32 + " inline:" + key(30, 'a') + "|281474976710656 WSH=64 KDR=0 -a", "4 " + cm256 + " inline:" + key(46, 'e') + " FEC_ORDER=SRTP_FEC", "a b c", "1 x inline:",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, ok := parseCrypto(line)
		if !ok {
			return
		}
		if len(c.keys) == 0 || len(c.keys) > maxKeys || c.tag > 999999999 {
			t.Fatalf("%q: %+v", line, c)
		}
		for _, k := range c.keys {
			if len(k.Master()) != shapes[c.suite].key || len(k.Salt()) != shapes[c.suite].salt || len(k.MKI) > maxMKI || k.MKI == "" && len(c.keys) > 1 {
				t.Fatalf("%q: a key of %d and %d bytes, MKI %q", line, len(k.Master()), len(k.Salt()), k.MKI)
			}
			again, ok := parseCrypto(strings.TrimPrefix(k.write(), "crypto:")) // what we write we read
			if !ok || !again.keys[0].Is(k) || again.tag != k.Tag {
				t.Fatalf("%q: written as %q", line, k.write())
			}
		}
		local := Local{Addr: netip.MustParseAddrPort("192.0.2.1:2000"), Secure: Secure{Policy: Require, Keys: NewKeys()}}
		if d, err := Parse(offerOf("RTP/SAVP", line)); err == nil && !strings.ContainsAny(line, "\r\n") {
			if _, m, err := Answer(d, local); err != nil || m.Crypto == nil {
				t.Fatalf("%q is a line of keys, and no call: %v", line, err)
			}
		}
	})
}
