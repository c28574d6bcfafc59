package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"holdfast/media"
)

var here = Local{Addr: netip.MustParseAddrPort("192.0.2.10:16384"), SessionID: 7, Version: 1}

// body joins lines as SDP wants them.
func body(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func mustParse(t *testing.T, b []byte) Description {
	t.Helper()
	d, err := Parse(b)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, b)
	}
	return d
}

const ordinary = "v=0\r\no=c 1 1 IN IP4 198.51.100.7\r\ns=x\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n" +
	"m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\na=ptime:30\r\n"

func TestAnswerTakesTheOfferersFirstCodecAndItsEventType(t *testing.T) {
	t.Parallel()
	got, m, err := Answer(mustParse(t, []byte(ordinary)), here)
	if err != nil {
		t.Fatal(err)
	}
	want := Media{
		Remote: netip.MustParseAddrPort("198.51.100.7:4000"), RTCP: netip.MustParseAddrPort("198.51.100.7:4001"),
		Codec: media.PCMA, PayloadType: 8, EventType: 96, EventIn: 96, Send: true, Receive: true, PTime: 30 * time.Millisecond,
	}
	if m != want {
		t.Errorf("media\n%+v, want\n%+v", m, want)
	}
	text := string(body("v=0", "o=- 7 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0", "m=audio 16384 RTP/AVP 8 96",
		"a=rtpmap:8 PCMA/8000", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15", "a=ptime:20", "a=sendrecv"))
	if string(got) != text {
		t.Errorf("answer\n%s\nwant\n%s", got, text)
	}
}

var remote = netip.MustParseAddrPort

// meanings are offers and what they must be understood as; line must be in the answer.
var meanings = map[string]struct {
	lines []string
	want  Media
	line  string // must be in the answer
}{
	"c= of the media line wins": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 0", "c=IN IP4 198.51.100.2"},
		Media{Remote: remote("198.51.100.2:4000"), RTCP: remote("198.51.100.2:4001"), Send: true, Receive: true},
		"a=sendrecv",
	},
	"IPv6": {
		[]string{"c=IN IP6 2001:db8::1", "m=audio 4000 RTP/AVP 0"},
		Media{Remote: remote("[2001:db8::1]:4000"), RTCP: remote("[2001:db8::1]:4001"), Send: true, Receive: true},
		"a=sendrecv",
	},
	"hold by sendonly": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 0", "a=sendonly"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Receive: true},
		"a=recvonly",
	},
	"hold by inactive, said for the session": {
		[]string{"c=IN IP4 198.51.100.1", "a=inactive", "m=audio 4000 RTP/AVP 0"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001")},
		"a=inactive",
	},
	"hold by 0.0.0.0": {
		[]string{"c=IN IP4 0.0.0.0", "m=audio 4000 RTP/AVP 0"}, Media{Receive: true}, "a=recvonly",
	},
	"one that only listens": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 0", "a=recvonly"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Send: true},
		"a=sendonly",
	},
	"a=rtcp with and without address": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 0", "a=rtcp:5000", "a=rtcp:5002 IN IP4 198.51.100.9", "a=rtcp-mux"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.9:5002"), Send: true, Receive: true},
		"a=sendrecv",
	},
	"video beside audio is refused by port 0": {
		[]string{"c=IN IP4 198.51.100.1", "m=video 5000 RTP/AVP 96 97", "a=rtpmap:96 VP8/90000", "m=audio 4000 RTP/AVP 0"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Send: true, Receive: true},
		"m=video 0 RTP/AVP 96",
	},
	"secure audio beside plain": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 5000 RTP/SAVP 0", "m=audio 4000 RTP/AVP 0"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Send: true, Receive: true},
		"m=audio 0 RTP/SAVP 0",
	},
	"AVPF": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVPF 111 9 0", "a=rtpmap:111 opus/48000/2"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Send: true, Receive: true},
		"m=audio 16384 RTP/AVPF 0",
	},
	"a codec of ours under a number of theirs": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 97 127", "a=rtpmap:97 pcma/8000/1", "a=rtpmap:127 Telephone-Event/8000"},
		Media{
			Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Send: true, Receive: true,
			Codec: media.PCMA, PayloadType: 97, EventType: 127, EventIn: 127,
		},
		"m=audio 16384 RTP/AVP 97 127",
	},
	"the last port leaves none for RTCP": {
		[]string{"c=IN IP4 198.51.100.1", "m=audio 65535 RTP/AVP 0"},
		Media{Remote: remote("198.51.100.1:65535"), Send: true, Receive: true},
		"a=sendrecv",
	},
	"o= and s= that are no numbers and not there": {
		[]string{"o=x y z", "t=99 100", "c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 0"},
		Media{Remote: remote("198.51.100.1:4000"), RTCP: remote("198.51.100.1:4001"), Send: true, Receive: true},
		"t=99 100",
	},
}

func TestWhatOffersMean(t *testing.T) {
	t.Parallel()
	for name, c := range meanings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, m, err := Answer(mustParse(t, body(c.lines...)), here)
			if err != nil {
				t.Fatal(err)
			}
			if m != c.want {
				t.Errorf("media\n%+v, want\n%+v", m, c.want)
			}
			if !strings.Contains(string(got), c.line+"\r\n") {
				t.Errorf("no line %q in\n%s", c.line, got)
			}
			if _, err := Parse(got); err != nil {
				t.Errorf("our own answer: %v", err)
			}
		})
	}
}

func TestOffersThatWeCannotSpeak(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body []byte
		want error
	}{
		"only G.722 and Opus":     {body("c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 9 111", "a=rtpmap:111 opus/48000/2"), media.ErrNoCodec},
		"only events":             {body("c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), media.ErrNoCodec},
		"PCMU at another rate":    {body("c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU/16000"), media.ErrNoCodec},
		"only video":              {body("c=IN IP4 198.51.100.1", "m=video 4000 RTP/AVP 96"), media.ErrNoCodec},
		"audio switched off":      {body("c=IN IP4 198.51.100.1", "m=audio 0 RTP/AVP 0"), media.ErrNoCodec},
		"only SRTP":               {body("c=IN IP4 198.51.100.1", "m=audio 4000 RTP/SAVP 0"), ErrSecure},
		"only DTLS":               {body("c=IN IP4 198.51.100.1", "m=audio 4000 UDP/TLS/RTP/SAVPF 0"), ErrSecure},
		"c=IN and nothing more":   {body("v=0", "c=IN", "m=audio 4000 RTP/AVP 0"), ErrMalformed},
		"no c= at all":            {body("m=audio 4000 RTP/AVP 0"), ErrMalformed},
		"multicast":               {body("c=IN IP4 224.2.1.1/127", "m=audio 4000 RTP/AVP 0"), ErrMalformed},
		"a name":                  {body("c=IN IP4 media.example.com", "m=audio 4000 RTP/AVP 0"), ErrMalformed},
		"empty":                   {nil, ErrMalformed},
		"a bare line feed":        {[]byte("\n"), ErrMalformed},
		"m= without port":         {body("m=audio"), ErrMalformed},
		"m= with a huge port":     {body("c=IN IP4 198.51.100.1", "m=audio 70000 RTP/AVP 0"), ErrMalformed},
		"m= with a control":       {body("m=audio 4000 RTP/AVP 0\x00"), ErrMalformed},
		"nine KiB":                {[]byte(ordinary + strings.Repeat("a=x\r\n", 2000)), ErrTooLarge},
		"a line of two KiB":       {[]byte(ordinary + "a=" + strings.Repeat("x", 2000)), ErrTooLarge},
		"sixty-five media lines":  {[]byte(strings.Repeat("m=audio 0 RTP/AVP 0\n", 65)), ErrTooLarge},
		"a payload type too high": {body("c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 200", "a=rtpmap:200 PCMU/8000"), media.ErrNoCodec},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse(c.body)
			if err == nil {
				_, _, err = Answer(d, here)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestLineEndingsMayBeMixed(t *testing.T) {
	t.Parallel()
	for name, ending := range map[string]string{"LF": "\n", "CR CR LF": "\r\r\n", "empty lines": "\n\n", "trailing spaces": "  \r\n"} {
		_, m, err := Answer(mustParse(t, []byte(strings.ReplaceAll(ordinary, "\r\n", ending))), here)
		if err != nil || m.EventType != 96 || m.PTime != 30*time.Millisecond {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestOfferAndItsAnswerAgree(t *testing.T) {
	t.Parallel()
	peer := Local{Addr: netip.MustParseAddrPort("[2001:db8::5]:5000"), SessionID: 9}
	offer := mustParse(t, Offer(here))
	text, theirs, err := Answer(offer, peer)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := Accept(mustParse(t, text), here)
	if err != nil {
		t.Fatal(err)
	}
	want := Media{
		Remote: peer.Addr, RTCP: netip.MustParseAddrPort("[2001:db8::5]:5001"),
		EventType: 101, EventIn: 101, Send: true, Receive: true, PTime: media.FrameTime,
	}
	if ours != want {
		t.Errorf("we understood\n%+v, want\n%+v", ours, want)
	}
	if theirs.Remote != here.Addr {
		t.Errorf("they understood %+v", theirs)
	}
}

func TestHoldingAPeerSendsAndDoesNotListen(t *testing.T) {
	t.Parallel()
	hold := here
	hold.Hold, hold.Codecs = true, []media.Codec{media.PCMA}
	text := string(Offer(hold))
	if !strings.Contains(text, "a=sendonly\r\n") || !strings.Contains(text, "m=audio 16384 RTP/AVP 8 101\r\n") {
		t.Errorf("offer\n%s", text)
	}
	_, theirs, err := Answer(mustParse(t, []byte(text)), here)
	if err != nil || theirs.Send || !theirs.Receive {
		t.Errorf("the held one understood %+v, %v", theirs, err)
	}
	answer, ours, err := Answer(mustParse(t, []byte(ordinary)), hold)
	if err != nil || ours.Receive || !ours.Send || !strings.Contains(string(answer), "a=sendonly\r\n") {
		t.Errorf("%+v, %v\n%s", ours, err, answer)
	}
}

func TestDigitsComeUnderTheNumberThatTheirReceiverNamed(t *testing.T) {
	t.Parallel()
	answer := body("c=IN IP4 198.51.100.1", "m=audio 4000 RTP/AVP 0 99", "a=rtpmap:99 telephone-event/8000")
	m, err := Accept(mustParse(t, answer), here)
	if err != nil || m.EventType != 99 || m.EventIn != OfferEventType {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := Accept(mustParse(t, body("c=IN IP4 198.51.100.1", "m=audio 0 RTP/AVP 0")), here); !errors.Is(err, media.ErrNoCodec) {
		t.Errorf("refused audio: %v", err)
	}
}

func FuzzParseAndAnswer(f *testing.F) {
	f.Add([]byte(ordinary))
	f.Add([]byte("\n"))
	f.Add([]byte("c=IN"))
	f.Add(body("c=IN IP4 0.0.0.0/", "m=audio 1/2/3 RTP/AVP 0 0 0", "a=rtcp:", "a=rtcp:1 IN", "a=rtpmap:", "a=ptime:-1"))
	f.Add(body("m=video 5000 UDP/TLS/RTP/SAVPF 96", "c=IN IP6 ::1%lo", "m=audio 4000 RTP/AVP 8 127", "a=rtpmap:127 telephone-event/8000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil {
			return
		}
		_, _ = Accept(d, here)
		text, m, err := Answer(d, here)
		if err != nil {
			return
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("our answer cannot be read: %v\n%s", err, text)
		}
		if len(again.lines) != len(d.lines) {
			t.Errorf("%d lines answered by %d", len(d.lines), len(again.lines))
		}
		if m.Send && !m.Remote.IsValid() {
			t.Errorf("may send to nowhere: %+v", m)
		}
	})
}
