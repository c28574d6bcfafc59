package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"holdfast/e2e/sound"
	"holdfast/media"
)

// phone is the page's peer connection: one loaded page has one.
type phone struct {
	pc    *webrtc.PeerConnection
	voice *webrtc.TrackLocalStaticRTP
	mux   *ice.UDPMuxDefault
	conn  *net.UDPConn
	ear   *sound.Ear
	mouth *sound.Mouth
	cut   atomic.Bool   // nothing goes out any more, not even a goodbye
	up    chan struct{} // closed once connected

	mu    sync.Mutex
	stop  chan struct{} // of the microphone; nil: off
	quiet chan struct{} // closed when the microphone goroutine is gone
	count Count
	last  uint16
	heard bool // first and last are set
	span  uint64
}

// cuttable is the phone's socket: once cut it swallows what is sent.
type cuttable struct {
	net.PacketConn
	cut *atomic.Bool
}

// WriteTo sends, unless the wire is cut.
func (c cuttable) WriteTo(p []byte, to net.Addr) (int, error) {
	if c.cut.Load() {
		return len(p), nil
	}
	return c.PacketConn.WriteTo(p, to)
}

// newPhone makes a peer connection on the address from which server is reached.
func newPhone(ctx context.Context, server string, ear *sound.Ear, mouth *sound.Mouth) (*phone, error) {
	probe, err := (&net.Dialer{}).DialContext(ctx, "udp", server) // sends nothing: it asks the kernel for the way
	if err != nil {
		return nil, fmt.Errorf("find the way to %s: %w", server, err)
	}
	local, _ := probe.LocalAddr().(*net.UDPAddr)
	if err := probe.Close(); err != nil || local == nil {
		return nil, fmt.Errorf("find the way to %s: %w", server, err)
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: local.IP})
	if err != nil {
		return nil, fmt.Errorf("open a port for audio: %w", err)
	}
	p := &phone{conn: conn, ear: ear, mouth: mouth, up: make(chan struct{})}
	p.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: cuttable{conn, &p.cut}, Logger: silent.NewLogger("mux")})
	if err := p.connect(); err != nil {
		return nil, errors.Join(err, p.mux.Close(), closed(conn.Close()))
	}
	return p, nil
}

// silent keeps pion's log to itself: what goes wrong comes back as errors and states.
var silent = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled, ScopeLevels: map[string]logging.LogLevel{}}

func (p *phone) connect() error {
	settings := webrtc.SettingEngine{LoggerFactory: silent}
	settings.SetICEUDPMux(p.mux)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	codecs := &webrtc.MediaEngine{}
	for _, c := range []media.Codec{media.PCMU, media.PCMA} {
		if err := codecs.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/" + c.String(), ClockRate: media.SampleRate},
			PayloadType:        webrtc.PayloadType(c),
		}, webrtc.RTPCodecTypeAudio); err != nil {
			return fmt.Errorf("register %s: %w", c, err)
		}
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(codecs),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	var err error
	if p.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return fmt.Errorf("new peer connection: %w", err)
	}
	p.voice, err = webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: media.SampleRate}, "microphone", "operator")
	if err == nil {
		_, err = p.pc.AddTrack(p.voice)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("add the microphone: %w", err), p.pc.Close())
	}
	up := sync.OnceFunc(func() { close(p.up) })
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			up()
		}
	})
	p.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { p.listen(remote) })
	return nil
}

// offer returns a whole SDP offer.
func (p *phone) offer(ctx context.Context, restart bool) (string, error) {
	gathered := webrtc.GatheringCompletePromise(p.pc)
	offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		return "", fmt.Errorf("make an SDP offer: %w", err)
	}
	if err := p.pc.SetLocalDescription(offer); err != nil {
		return "", fmt.Errorf("make an SDP offer: %w", err)
	}
	select {
	case <-gathered:
		return p.pc.LocalDescription().SDP, nil
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", ctx.Err())
	}
}

// accept takes the server's answer and waits until audio can flow.
func (p *phone) accept(ctx context.Context, answer string) error {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return fmt.Errorf("the server's SDP answer: %w", err)
	}
	select {
	case <-p.up:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("connect the audio: %w", ctx.Err())
	}
}

// alive says whether audio can flow now.
func (p *phone) alive() bool { return p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected }

// microphone turns the microphone on or off.
func (p *phone) microphone(on bool) {
	p.mu.Lock()
	if on == (p.stop != nil) {
		p.mu.Unlock()
		return
	}
	if on {
		stop, quiet := make(chan struct{}), make(chan struct{})
		p.stop, p.quiet = stop, quiet
		p.mu.Unlock()
		go func() {
			defer close(quiet)
			p.mouth.Talk(microphone{p}, stop)
		}()
		return
	}
	stop, quiet := p.stop, p.quiet
	p.stop = nil
	p.mu.Unlock()
	close(stop)
	<-quiet
}

// microphone is the sink that the mouth speaks into.
type microphone struct{ *phone }

// Audio sends one frame.
func (m microphone) Audio(f media.Frame) {
	err := m.voice.WriteRTP(&rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: f.Seq, Timestamp: f.Timestamp, Marker: f.Marker},
		Payload: f.Payload,
	})
	if err == nil && m.alive() {
		m.mu.Lock()
		m.count.Sent++
		m.mu.Unlock()
	}
}

// listen hears and counts what the server sends.
func (p *phone) listen(remote *webrtc.TrackRemote) {
	for {
		packet, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		law := media.PCMU
		if remote.Codec().MimeType == webrtc.MimeTypePCMA {
			law = media.PCMA
		}
		p.arrived(packet.SequenceNumber)
		p.ear.Audio(media.Frame{
			Codec: law, Seq: packet.SequenceNumber, Timestamp: packet.Timestamp, Marker: packet.Marker, Payload: packet.Payload,
		})
	}
}

func (p *phone) arrived(seq uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Received++
	if ahead := int16(seq - p.last); !p.heard || ahead > 0 { // wraps around by design
		if !p.heard {
			ahead = 1
		}
		p.heard, p.last = true, seq
		p.span += uint64(ahead)
	}
	p.count.Lost = p.span - min(p.span, p.count.Received)
}

// fresh begins a new count.
func (p *phone) fresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count, p.span, p.heard = Count{}, 0, false
}

func (p *phone) counted() Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// close hangs the phone up; abruptly, the server is not told.
func (p *phone) close(abruptly bool, log *slog.Logger) {
	p.cut.Store(abruptly)
	p.microphone(false)
	done := make(chan error, 1)
	go func() { done <- errors.Join(p.pc.GracefulClose(), p.mux.Close(), closed(p.conn.Close())) }()
	select {
	case err := <-done:
		if err != nil {
			log.Warn("close the peer connection", "err", err)
		}
	case <-time.After(5 * time.Second):
		log.Warn("the peer connection does not close")
	}
}

// closed is err, unless it says that the thing was closed before.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
