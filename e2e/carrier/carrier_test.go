package carrier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/rtp"
	"holdfast/media/trunk"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// serve runs a trunk whose calls go to handler, and returns where it is.
func serve(t *testing.T, handler func(media.Incoming)) string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	engine, err := rtp.New(rtp.Config{Low: 24200, High: 30000, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	s, err := trunk.New(trunk.Config{Listen: "127.0.0.1:0", Media: engine, Handler: handler, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s.SetTrunks([]routing.Trunk{{Name: "t", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}}})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(); engine.Stop() })
	return s.Addr().String()
}

// echo answers and returns what it hears.
func echo(t *testing.T) (node string, legs chan media.Leg) {
	legs = make(chan media.Leg, 100)
	return serve(t, func(in media.Incoming) {
		leg, err := in.Answer("call-1")
		if err != nil {
			t.Error(err)
			return
		}
		leg.Receive(leg)
		legs <- leg
	}), legs
}

func start(t *testing.T, o Options) *Call {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Hangup(); <-c.Done() })
	return c
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no %s", what)
		}
	}
}

func TestACallerHearsItselfAndHangsUp(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{Transport: "udp", Codec: media.PCMU}, {Transport: "tcp", Codec: media.PCMA, Bind: netip.MustParseAddr("127.0.0.7")},
	} {
		t.Run(o.Transport, func(t *testing.T) {
			t.Parallel()
			o.Node, _ = echo(t)
			o.Node = strings.Replace(o.Node, "127.0.0.1", "localhost", 1)
			o.To, o.Tone = "+16085550101", 440
			called := make(chan *Call, 1)
			o.OnAnswered = func(c *Call) { called <- c }
			o.Record = filepath.Join(t.TempDir(), "out.wav")
			c := start(t, o)
			wait(t, c.Answered(), "answer")
			if <-called != c {
				t.Error("OnAnswered got another call")
			}
			eventually(t, "440 Hz", func() bool { return c.Heard(440) && !c.Heard(1000) })
			c.Say(1000)
			eventually(t, "1000 Hz", func() bool { return c.Heard(1000) && !c.Heard(440) })
			c.Hangup()
			wait(t, c.Done(), "end")
			r := c.Result()
			if r.CallID != "call-1" || r.SIPStatus != 200 || r.EndedBy != ByCaller || r.AnswerMS < 1 || r.FirstMS < r.AnswerMS ||
				r.Sent == 0 || r.Received == 0 || r.Lost != 0 || r.Recording != o.Record || r.Err != nil || r.DurationMS == 0 {
				t.Errorf("result: %+v", r)
			}
			heard, err := sound.LoadWAV(o.Record, media.PCMU)
			if err != nil || len(heard) < int(r.Received-5)*media.FrameBytes {
				t.Errorf("%d samples recorded of %d packets: %v", len(heard), r.Received, err)
			}
		})
	}
}

func TestAWAVIsSaidAndRecordedWhole(t *testing.T) {
	t.Parallel()
	node, _ := echo(t)
	dir := t.TempDir()
	said := make([]int16, media.SampleRate) // one second
	for i := range said {
		said[i] = int16(4000 * (i%20 - 10) / 10)
	}
	if err := sound.SaveWAV(filepath.Join(dir, "in.wav"), said); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{To: "echo", Node: node, Play: filepath.Join(dir, "in.wav"), Record: filepath.Join(dir, "out.wav"), Seconds: 2})
	if err != nil || r.EndedBy != ByCaller || r.DurationMS < 2000 || r.DurationMS > 4000 {
		t.Fatalf("%+v, %v", r, err)
	}
	want, _ := sound.LoadWAV(filepath.Join(dir, "in.wav"), media.PCMU)
	got, _ := sound.LoadWAV(r.Recording, media.PCMU)
	if !strings.Contains(string(got), string(want)) {
		t.Errorf("what was said is not whole in the %d samples recorded", len(got))
	}
}

func TestKeysArriveOnceEachAndInOrder(t *testing.T) {
	t.Parallel()
	node, legs := echo(t)
	c := start(t, Options{To: "x", Node: node, DTMF: "1,2#"})
	leg := <-legs
	keys := make(chan byte, 16)
	leg.Listen(func(e media.Event) {
		if e.Kind == media.Digit {
			keys <- e.Digit
		}
	})
	wait(t, c.Answered(), "answer")
	c.SendDigits("*9")
	var got []byte
	for len(got) < 5 {
		select {
		case k := <-keys:
			got = append(got, k)
		case <-time.After(patience):
			t.Fatalf("only %q", got)
		}
	}
	if string(got) != "12#*9" {
		t.Errorf("keys %q", got)
	}
}

func TestTheServerHangsUp(t *testing.T) {
	t.Parallel()
	node, legs := echo(t)
	c := start(t, Options{To: "x", Node: node})
	wait(t, c.Answered(), "answer")
	(<-legs).Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
	wait(t, c.Done(), "end")
	if r := c.Result(); r.EndedBy != ByServer || r.Err != nil {
		t.Errorf("%+v", r)
	}
}

func TestARefusedCallIsNotAnswered(t *testing.T) {
	t.Parallel()
	node := serve(t, func(in media.Incoming) {
		if inv := in.Invite(); len(inv.Diversions) != 1 || inv.Diversions[0].User != "+16085550001" || len(inv.History) != 2 ||
			inv.History[0].User != "+16085550002" || inv.History[0].Reason != "302" || inv.From.User != "+1999" || inv.Privacy != "id" {
			t.Errorf("facts: %+v", inv)
		}
		in.Refuse(486, "Busy Here")
	})
	r, err := Run(t.Context(), Options{
		To: "+16085550101", From: "+1999", Node: node, Diversion: "+16085550001", HistoryInfo: "+16085550002", Headers: []string{"Privacy: id"},
	})
	if err != nil || r.Answered() || r.SIPStatus != 486 || r.EndedBy != ByServer {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestACallIsTakenBackBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	came := make(chan struct{})
	node := serve(t, func(in media.Incoming) {
		close(came)
		<-in.Gone()
		close(gone)
	})
	c := start(t, Options{To: "x", Node: node})
	wait(t, came, "call")
	c.Hangup()
	wait(t, gone, "CANCEL")
	wait(t, c.Done(), "end")
	if r := c.Result(); r.SIPStatus != 487 || r.EndedBy != ByCaller {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	nobody, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nobody.Close() }()
	time.AfterFunc(50*time.Millisecond, cancel)
	if r, _ := Run(ctx, Options{To: "x", Node: nobody.LocalAddr().String()}); r.Answered() || r.EndedBy != ByCaller {
		t.Errorf("%+v", r)
	}
}

func TestAStrangerIsNeverAnswered(t *testing.T) {
	t.Parallel()
	node, _ := echo(t)
	r, err := Run(t.Context(), Options{To: "x", Node: node, Bind: netip.MustParseAddr("127.66.0.1"), Ring: 1})
	if !errors.Is(err, ErrRing) || r.SIPStatus != 0 || r.EndedBy != ByError {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Run(t.Context(), Options{To: "x", Node: node, Bind: netip.MustParseAddr("127.66.0.1"), Transport: "tcp", Ring: 5})
	if !errors.Is(err, ErrWire) || r.Answered() {
		t.Errorf("over TCP: %+v, %v", r, err)
	}
}

func TestOptionsThatMakeNoSenseAreUsageErrors(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{},
		{To: "x", Node: "nowhere"},
		{To: "x", Node: ":5060"},
		{To: "x", Node: "127.0.0.1:0"},
		{To: "x", Transport: "smoke"},
		{To: "x", DTMF: "1x"},
		{To: "x\r\nEvil: y"},
		{To: "x", Play: "/does/not/exist.wav"},
		{To: "x", Seconds: -1},
		{To: "x", Codec: 9},
	} {
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestTheResultHasTheNamesThatDoNotChange(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Result{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"call_id":"","sip_status":0,"answer_ms":0,"first_audio_ms":0,"duration_ms":0,"ended_by":"",` +
		`"packets_sent":0,"packets_received":0,"packets_lost":0,"max_gap_ms":0,"recording":""}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	node, _ := echo(t)
	const n = 40
	results := make(chan Result, n)
	for i := range n {
		go func() {
			r, _ := Run(t.Context(), Options{To: fmt.Sprint("x", i), Node: node, Tone: 440, Seconds: 1, Bind: netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)})})
			results <- r
		}()
	}
	for range n {
		if r := <-results; !r.Answered() || r.EndedBy != ByCaller || r.Received < 30 {
			t.Errorf("%+v", r)
		}
	}
}

func TestAFrameOfAnotherPartyIsHeard(t *testing.T) {
	t.Parallel()
	legs := make(chan media.Leg, 1)
	node := serve(t, func(in media.Incoming) {
		if leg, err := in.Answer("x"); err == nil {
			legs <- leg
		}
	})
	c := start(t, Options{To: "x", Node: node, Quiet: true})
	leg := <-legs
	tone := mediatest.NewTone(media.PCMU, 800)
	eventually(t, "800 Hz", func() bool {
		leg.Audio(tone.Next())
		return c.Heard(800)
	})
	c.Hangup()
	wait(t, c.Done(), "end")
	if r := c.Result(); r.Sent != 0 {
		t.Errorf("a quiet caller sent %d packets", r.Sent)
	}
}
