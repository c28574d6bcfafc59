package browser

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"holdfast/media"
)

// speak lets the page say a tone through its microphone.
func (p *page) speak(freq float64, law media.Codec) (stop func()) {
	return tone(p.t, freq, law, func(f media.Frame) {
		_ = p.voice.WriteRTP(&rtp.Packet{ // the page may be gone
			Header:  rtp.Header{Version: 2, SequenceNumber: f.Seq, Timestamp: f.Timestamp, Marker: f.Marker},
			Payload: f.Payload,
		})
	})
}

func TestTonesAreHeardAtBothEnds(t *testing.T) {
	t.Parallel()
	for _, law := range []media.Codec{media.PCMU, media.PCMA} {
		t.Run("browser speaks "+law.String(), func(t *testing.T) {
			t.Parallel()
			page, ear := newPage(t, law), newEar()
			leg, _ := connect(t, start(t), page)
			leg.Receive(ear)
			page.speak(1000, law)
			stop := tone(t, 440, media.PCMU, leg.Audio)
			ear.wait(t, 1000)
			page.heard.wait(t, 440)
			stop()
			tone(t, 600, media.PCMA, leg.Audio) // another source, in the other law
			page.heard.wait(t, 600)
			if n := page.heard.lost() + ear.lost(); n != 0 {
				t.Errorf("%d packets are missing", n)
			}
			stats := leg.Stats()
			if stats.Sent == 0 || stats.Received == 0 || stats.Lost != 0 || stats.Dropped != 0 || stats.FirstReceived.IsZero() {
				t.Errorf("stats: %+v", stats)
			}
		})
	}
}

func TestManyBrowsersShareOnePort(t *testing.T) {
	t.Parallel()
	e := start(t)
	for i := range 4 {
		freq := 400 + 150*float64(i)
		page, ear := newPage(t), newEar()
		leg, _ := connect(t, e, page)
		leg.Receive(ear)
		page.speak(freq, media.PCMU)
		tone(t, freq+50, media.PCMU, leg.Audio)
		ear.wait(t, freq)
		page.heard.wait(t, freq+50)
	}
	if e.Legs() != 4 {
		t.Errorf("%d legs", e.Legs())
	}
}

func TestTheAnswerHasOneCandidateOfAnICELitePassiveServer(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *Config) { c.Public = netip.MustParseAddr("203.0.113.7") })
	answer, leg, err := e.Answer(newPage(t).offer(nil))
	must(t, err)
	defer leg.Hangup(media.Ending{})
	for _, want := range []string{"a=ice-lite", "a=setup:passive", "a=rtcp-mux", "PCMU/8000", " 203.0.113.7 "} {
		if !strings.Contains(answer, want) {
			t.Errorf("no %q in\n%s", want, answer)
		}
	}
	if n := strings.Count(answer, " 1 udp "); n != 1 {
		t.Errorf("%d candidates in\n%s", n, answer)
	}
}

func TestAPageThatClosesEndsItsLegAtOnce(t *testing.T) {
	t.Parallel()
	e, page := start(t), newPage(t)
	leg, told := connect(t, e, page)
	page.close()
	if end := told.wait(t, media.Ended); end.Ending.By != media.ByPeer || end.Ending.Reason != "hangup" {
		t.Errorf("ended %+v", end.Ending)
	}
	<-leg.Done()
	if e.Legs() != 0 {
		t.Errorf("%d legs are left", e.Legs())
	}
}

func TestHangupTellsThePageAndTheFirstEndingWins(t *testing.T) {
	t.Parallel()
	page := newPage(t)
	leg, told := connect(t, start(t), page)
	closed := make(chan struct{})
	page.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateClosed {
			close(closed)
		}
	})
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "went_home"})
	leg.Hangup(media.Ending{By: media.ByError, Reason: "later"})
	if end := told.wait(t, media.Ended); end.Ending.Reason != "went_home" {
		t.Errorf("ended %+v", end.Ending)
	}
	select {
	case <-closed:
	case <-time.After(bar):
		t.Error("the page was not told")
	}
	leg.Audio(media.Frame{Payload: make([]byte, 160)}) // no effect, no panic
}

func TestAReloadedPageGetsALegOfItsOwn(t *testing.T) {
	t.Parallel()
	e, page := start(t), newPage(t)
	former, told := connect(t, e, page)
	reloaded, ear := newPage(t), newEar()
	if _, err := former.(Restarter).Restart(reloaded.offer(nil)); !errors.Is(err, ErrOtherPeer) {
		t.Errorf("Restart for another page: %v", err)
	}
	answer, leg, err := e.Answer(reloaded.pc.LocalDescription().SDP)
	must(t, err)
	reloaded.accept(answer)
	newStory(leg).wait(t, media.Connected)
	former.Hangup(media.Ending{By: media.ByServer, Reason: "replaced"})
	told.wait(t, media.Ended)
	leg.Receive(ear)
	reloaded.speak(1000, media.PCMU)
	ear.wait(t, 1000)
}

func TestAnICERestartKeepsTheLeg(t *testing.T) {
	t.Parallel()
	page, ear := newPage(t), newEar()
	leg, told := connect(t, start(t), page)
	leg.Receive(ear)
	page.speak(1000, media.PCMU)
	tone(t, 440, media.PCMU, leg.Audio)
	ear.wait(t, 1000)
	before := page.offer(&webrtc.OfferOptions{ICERestart: true})
	answer, err := leg.(Restarter).Restart(before)
	must(t, err)
	page.accept(answer)
	received := leg.Stats().Received
	limit := time.After(bar)
	for leg.Stats().Received < received+20 {
		select {
		case <-ear.news:
		case <-limit:
			t.Fatal("nothing is heard after the restart")
		}
	}
	ear.wait(t, 1000)
	page.heard.wait(t, 440)
	select {
	case e := <-told.events:
		if e.Kind == media.Ended {
			t.Errorf("the leg ended: %+v", e)
		}
	default:
	}
	leg.Hangup(media.Ending{})
	<-leg.Done()
	if _, err := leg.(Restarter).Restart(before); !errors.Is(err, ErrStopped) {
		t.Errorf("Restart of an ended leg: %v", err)
	}
}

func TestAWrongFingerprintNeverConnects(t *testing.T) {
	t.Parallel()
	page := newPage(t)
	sdp := page.offer(nil)
	at := strings.Index(sdp, "fingerprint:sha-256 ") + len("fingerprint:sha-256 ")
	other := "00"
	if sdp[at:at+2] == other {
		other = "11"
	}
	answer, leg, err := start(t).Answer(sdp[:at] + other + sdp[at+2:])
	must(t, err)
	told, ear := newStory(leg), newEar()
	leg.Receive(ear)
	page.accept(answer)
	page.speak(1000, media.PCMU)
	if end := told.wait(t, media.Ended); end.Ending.By != media.ByError || end.Ending.Reason != "dtls_failed" {
		t.Errorf("ended %+v", end.Ending)
	}
	if ear.hears(1000) || leg.Stats().Received != 0 {
		t.Error("a stranger is heard")
	}
}

func TestABrowserThatVanishesIsUnreachableAndComesBackOrIsLost(t *testing.T) {
	t.Parallel()
	page, ear := newPage(t), newEar()
	leg, told := connect(t, start(t), page)
	leg.Receive(ear)
	cutAt := time.Now()
	page.cut.Store(true)
	told.wait(t, media.Unreachable)
	if took := time.Since(cutAt); took > 5*time.Second {
		t.Errorf("the loss was seen after %v", took)
	}
	page.cut.Store(false)
	told.wait(t, media.Connected)
	page.speak(1000, media.PCMU)
	ear.wait(t, 1000)
	page.cut.Store(true)
	told.wait(t, media.Unreachable)
	if end := told.wait(t, media.Ended); end.Ending.By != media.ByError || end.Ending.Reason != "ice_failed" {
		t.Errorf("ended %+v", end.Ending)
	}
}

func TestAPageThatNeverConnectsIsGivenUp(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *Config) { c.ConnectIn = 300 * time.Millisecond })
	_, leg, err := e.Answer(newPage(t).offer(nil))
	must(t, err)
	if end := newStory(leg).wait(t, media.Ended); end.Ending.Reason != "not_connected" {
		t.Errorf("ended %+v", end.Ending)
	}
}

func TestSilenceIsToldOnlyWhileWatched(t *testing.T) {
	t.Parallel()
	page := newPage(t)
	leg, told := connect(t, start(t, func(c *Config) { c.SilenceAfter = 400 * time.Millisecond }), page)
	ear := newEar()
	leg.Receive(ear)
	stop := page.speak(1000, media.PCMU)
	ear.wait(t, 1000)
	stop() // microphone off: nobody watches, nothing is told
	leg.(Watcher).WatchSilence(true)
	told.wait(t, media.Silent)
	leg.(Watcher).WatchSilence(true) // saying so again changes nothing
	stop = page.speak(1000, media.PCMU)
	told.wait(t, media.Audible)
	stop()
	told.wait(t, media.Silent)
	leg.(Watcher).WatchSilence(false)
	told.wait(t, media.Audible)
	leg.Hangup(media.Ending{})
	told.wait(t, media.Ended)
}

func TestAPanickingSinkEndsItsLegOnly(t *testing.T) {
	t.Parallel()
	e, page, other, ear := start(t), newPage(t), newPage(t), newEar()
	leg, told := connect(t, e, page)
	healthy, _ := connect(t, e, other)
	healthy.Receive(ear)
	leg.Receive(panicking{})
	page.speak(1000, media.PCMU)
	if end := told.wait(t, media.Ended); end.Ending.Reason != "panic" {
		t.Errorf("ended %+v", end.Ending)
	}
	other.speak(500, media.PCMU)
	ear.wait(t, 500)
}

type panicking struct{}

func (panicking) Audio(media.Frame) { panic("a fault in a sink") }

func TestStopEndsEveryLegAndFreesThePort(t *testing.T) {
	t.Parallel()
	e := start(t)
	_, told := connect(t, e, newPage(t))
	addr := e.Addr()
	e.Stop()
	e.Stop()
	if end := told.wait(t, media.Ended); end.Ending.Reason != "shutdown" {
		t.Errorf("ended %+v", end.Ending)
	}
	if _, _, err := e.Answer(newPage(t).offer(nil)); !errors.Is(err, ErrStopped) {
		t.Errorf("Answer after Stop: %v", err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	must(t, err)
	must(t, conn.Close())
}

func TestATakenPortIsOneClearError(t *testing.T) {
	t.Parallel()
	e := start(t)
	second, err := New(Config{Listen: e.Addr()})
	must(t, err)
	if err := second.Start(); err == nil || !strings.Contains(err.Error(), e.Addr().String()) {
		t.Errorf("Start on a taken port: %v", err)
	}
}

func TestAnAddressThatNobodyCanBeToldIsRefused(t *testing.T) {
	t.Parallel()
	everywhere := netip.MustParseAddrPort("0.0.0.0:0")
	if _, err := New(Config{Listen: everywhere}); err == nil {
		t.Error("browsers would be told 0.0.0.0")
	}
	if _, err := New(Config{Listen: everywhere, Public: netip.MustParseAddr("203.0.113.7")}); err != nil {
		t.Error(err)
	}
}

func TestAFullEndpointRefuses(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *Config) { c.Limit = 1 })
	connect(t, e, newPage(t))
	if _, _, err := e.Answer(newPage(t).offer(nil)); !errors.Is(err, ErrFull) {
		t.Errorf("second leg of one: %v", err)
	}
}

func TestStrangersPacketsHarmNobody(t *testing.T) {
	t.Parallel()
	e, page, ear := start(t), newPage(t), newEar()
	leg, _ := connect(t, e, page)
	leg.Receive(ear)
	page.speak(1000, media.PCMU)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(e.Addr()))
	must(t, err)
	defer conn.Close()
	for i := range 2000 { // garbage, RTP with a spare padding word (F2), half a STUN header, one byte (F3)
		packet := [][]byte{
			{0x90, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xBE, 0xDE, 0, 2, 0x10, 1, 0, 0, 0, 0, 0, 0},
			{7},
			{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42},
			{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1},
		}[i%4]
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	ear.wait(t, 1000)
	if s := leg.Stats(); s.Dropped != 0 || s.Lost != 0 {
		t.Errorf("stats %+v", s)
	}
}
