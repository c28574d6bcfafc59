package browser

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"holdfast/media"
	"holdfast/media/codec"
)

// bar is how long a test waits for something that ought to happen at once.
const bar = 15 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an endpoint on a free loopback port and stops it after the test.
func start(t testing.TB, change ...func(*Config)) *Endpoint {
	t.Helper()
	config := Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if os.Getenv("HOLDFAST_TEST_LOG") != "" {
		config.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, fn := range change {
		fn(&config)
	}
	e, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// page is an operator's page without a browser: a full ICE peer with a microphone.
type page struct {
	t     testing.TB
	pc    *webrtc.PeerConnection
	voice *webrtc.TrackLocalStaticRTP
	heard *ear
	cut   *atomic.Bool // true: nothing it sends arrives
	lose  *atomic.Pointer[func(packet []byte) bool]
	ready chan struct{} // closed once the page sees itself connected
}

// line is the page's socket, which can be cut, and can lose what comes.
type line struct {
	net.PacketConn
	cut  *atomic.Bool
	lose *atomic.Pointer[func(packet []byte) bool]
}

func (w line) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.PacketConn.ReadFrom(p)
		if lose := w.lose.Load(); err != nil || lose == nil || !(*lose)(p[:n]) {
			return n, from, err
		}
	}
}

func (w line) WriteTo(p []byte, to net.Addr) (int, error) {
	if w.cut.Load() {
		return len(p), nil
	}
	return w.PacketConn.WriteTo(p, to)
}

func newPage(t testing.TB, laws ...media.Codec) *page {
	t.Helper()
	if len(laws) == 0 {
		laws = []media.Codec{media.PCMU, media.PCMA}
	}
	settings := webrtc.SettingEngine{LoggerFactory: logs{slog.New(slog.NewTextHandler(io.Discard, nil))}}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	cut, lose := new(atomic.Bool), new(atomic.Pointer[func([]byte) bool])
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: line{conn, cut, lose}})
	t.Cleanup(func() { must(t, mux.Close()); _ = conn.Close() })
	settings.SetICEUDPMux(mux)
	codecs := &webrtc.MediaEngine{}
	for _, law := range laws {
		must(t, codecs.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/" + law.String(), ClockRate: 8000},
			PayloadType:        webrtc.PayloadType(law),
		}, webrtc.RTPCodecTypeAudio))
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(codecs))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(t, err)
	voice, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: "audio/" + laws[0].String(), ClockRate: 8000}, "mic", "page")
	must(t, err)
	_, err = pc.AddTrack(voice)
	must(t, err)
	p := &page{t: t, pc: pc, voice: voice, heard: newEar(), cut: cut, lose: lose, ready: make(chan struct{})}
	ready := sync.OnceFunc(func() { close(p.ready) })
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			ready()
		}
	})
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			law := media.PCMU
			if remote.Codec().MimeType == webrtc.MimeTypePCMA {
				law = media.PCMA
			}
			p.heard.Audio(media.Frame{Codec: law, Seq: packet.SequenceNumber, Timestamp: packet.Timestamp, Marker: packet.Marker, Payload: packet.Payload})
		}
	})
	t.Cleanup(p.close)
	return p
}

func (p *page) close() {
	if err := p.pc.GracefulClose(); err != nil {
		p.t.Errorf("close the page: %v", err)
	}
}

// offer returns a whole offer, candidates and all.
func (p *page) offer(options *webrtc.OfferOptions) string {
	p.t.Helper()
	gathered := webrtc.GatheringCompletePromise(p.pc)
	offer, err := p.pc.CreateOffer(options)
	must(p.t, err)
	must(p.t, p.pc.SetLocalDescription(offer))
	select {
	case <-gathered:
	case <-time.After(bar):
		p.t.Fatal("the page finds no candidates")
	}
	return p.pc.LocalDescription().SDP
}

func (p *page) accept(answer string) {
	p.t.Helper()
	must(p.t, p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
}

// connect makes a leg of the page and waits until both can talk.
func connect(t testing.TB, e *Endpoint, p *page) (media.Leg, *story) {
	t.Helper()
	answer, leg, err := e.Answer(p.offer(nil))
	must(t, err)
	told := newStory(leg)
	p.accept(answer)
	told.wait(t, media.Connected)
	select {
	case <-p.ready:
	case <-time.After(bar):
		t.Fatal("the page is not connected")
	}
	return leg, told
}

// story keeps a leg's events.
type story struct{ events chan media.Event }

func newStory(leg media.Leg) *story {
	s := &story{make(chan media.Event, 64)}
	leg.Listen(func(e media.Event) { s.events <- e })
	return s
}

func (s *story) wait(t testing.TB, kind media.EventKind) media.Event {
	t.Helper()
	select {
	case e := <-s.events:
		if e.Kind != kind {
			t.Fatalf("event %d (%+v), want %d", e.Kind, e, kind)
		}
		return e
	case <-time.After(bar):
		t.Fatalf("no event %d in %v", kind, bar)
	}
	panic("unreachable")
}

// tone says a sine of freq Hz into a sink, 20 ms at a time, until the test ends or stop is called.
func tone(t testing.TB, freq float64, law media.Codec, say func(media.Frame)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(media.FrameTime)
		defer ticker.Stop()
		var payload []byte
		samples := make([]int16, media.FrameBytes)
		for i := 0; ; i++ {
			for j := range samples {
				samples[j] = int16(8000 * math.Sin(2*math.Pi*freq*float64(i*len(samples)+j)/media.SampleRate))
			}
			payload = codec.Encode(payload[:0], law, samples)
			say(media.Frame{Codec: law, Seq: uint16(i), Timestamp: uint32(i * len(samples)), Marker: i == 0, Payload: payload})
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// ear listens for tones in what it is given.
type ear struct {
	mu      sync.Mutex
	frames  []media.Frame
	samples []int16
	news    chan struct{} // a hint that there is more
}

func newEar() *ear { return &ear{news: make(chan struct{}, 1)} }

func (e *ear) Audio(f media.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.samples = codec.Decode(e.samples, f.Codec, f.Payload)
	f.Payload = nil
	e.frames = append(e.frames, f)
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// hears reports whether freq makes up most of the newest 300 ms.
func (e *ear) hears(freq float64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	const window = 2400
	if len(e.samples) < window {
		return false
	}
	var re, im, power float64
	for i, s := range e.samples[len(e.samples)-window:] {
		sin, cos := math.Sincos(2 * math.Pi * freq * float64(i) / media.SampleRate)
		re, im, power = re+float64(s)*cos, im+float64(s)*sin, power+float64(s)*float64(s)
	}
	return power > 0 && 2*(re*re+im*im)/window > 0.8*power
}

func (e *ear) wait(t testing.TB, freq float64) {
	t.Helper()
	limit := time.After(bar)
	for !e.hears(freq) {
		select {
		case <-e.news:
		case <-limit:
			t.Fatalf("%v Hz is not heard in %v", freq, bar)
		}
	}
}

// lost counts the gaps in the sequence numbers heard.
func (e *ear) lost() (lost int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := 1; i < len(e.frames); i++ {
		lost += int(e.frames[i].Seq-e.frames[i-1].Seq) - 1
	}
	return lost
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}
