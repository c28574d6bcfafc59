package browser

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"

	"holdfast/media"
)

// Errors of an [Endpoint]; check them with errors.Is.
var (
	ErrStopped = errors.New("the WebRTC endpoint is not running")
	ErrFull    = errors.New("no room for another browser")
)

// Config says where browsers reach this node. Zero values of the lower part mean the defaults named.
type Config struct {
	// Listen is the one UDP port for all browsers. A loopback address offers loopback candidates; an unspecified one
	// offers the addresses of all interfaces.
	Listen netip.AddrPort
	// Public is the address that browsers are told to send to, where it differs from Listen's (NAT, cloud); zero: Listen's.
	Public netip.Addr

	SilenceAfter time.Duration // how long without a packet is silence, when watched: 2 s
	ConnectIn    time.Duration // how long ICE and DTLS may take: 15 s
	Limit        int           // most legs at once: 2,000
	Log          *slog.Logger
	Now          func() time.Time
}

// Timings of ICE. A browser checks its path every 2.5 s, and every 0.9 s once an answer is overdue, so 3 s without a
// packet are several lost checks; what stays silent 10 s more is gone.
const (
	disconnectedAfter = 3 * time.Second
	failedAfter       = 10 * time.Second
	keepalive         = time.Second
)

const (
	gatherIn   = 3 * time.Second // our one candidate is known at once; this is for a machine that stalls
	stopIn     = 5 * time.Second // how long Stop waits for legs to say goodbye
	tick       = 250 * time.Millisecond
	readBuffer = 4 << 20            // bytes: some 20 ms of 1,000 browsers, twenty times over
	certFor    = 7 * 24 * time.Hour // a certificate of pion's lives a month; we make a new one long before
)

// Endpoint is the place where all browsers of this node connect: one socket, one certificate, many legs.
type Endpoint struct {
	config Config

	mu       sync.Mutex
	api      *webrtc.API // nil: not running
	mux      *ice.UDPMuxDefault
	conn     *net.UDPConn
	legs     map[*Leg]struct{}
	cert     *webrtc.Certificate
	certAt   time.Time
	stopping chan struct{}

	ended sync.WaitGroup // one a leg, and one for the watch
}

// New returns an endpoint that is not yet started. It fails when Listen names no address.
func New(config Config) (*Endpoint, error) {
	if !config.Listen.Addr().IsValid() {
		return nil, errors.New("browser: no address to listen on")
	}
	config.SilenceAfter = cmp.Or(config.SilenceAfter, 2*time.Second)
	config.ConnectIn = cmp.Or(config.ConnectIn, 15*time.Second)
	config.Limit = cmp.Or(config.Limit, 2000)
	config.Log = cmp.Or(config.Log, slog.Default())
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Endpoint{config: config, legs: make(map[*Leg]struct{})}, nil
}

// Start opens the port. It fails, saying which, when the port is taken. Starting a started endpoint does nothing.
func (e *Endpoint) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.api != nil {
		return nil
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(e.config.Listen))
	if err != nil {
		return fmt.Errorf("open WebRTC port %s: %w", e.config.Listen, err)
	}
	if err := conn.SetReadBuffer(readBuffer); err != nil {
		e.config.Log.Warn("the WebRTC port has a small read buffer", "err", err)
	}
	factory := logs{e.config.Log}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: factory.NewLogger("mux")})
	api, err := e.newAPI(mux, factory)
	if err != nil {
		return errors.Join(err, mux.Close(), conn.Close())
	}
	e.api, e.mux, e.conn, e.stopping = api, mux, conn, make(chan struct{})
	e.ended.Add(1)
	go e.watch(e.stopping)
	return nil
}

// newAPI sets pion up as an ICE-lite, DTLS-passive speaker of G.711 behind one port.
func (e *Endpoint) newAPI(mux ice.UDPMux, factory logs) (*webrtc.API, error) {
	listen := e.config.Listen.Addr()
	settings := webrtc.SettingEngine{LoggerFactory: factory}
	settings.SetLite(true)
	settings.SetICEUDPMux(mux)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	settings.SetIncludeLoopbackCandidate(listen.IsLoopback())
	settings.SetICETimeouts(disconnectedAfter, failedAfter, keepalive)
	settings.SetFireOnTrackBeforeFirstRTP(true) // else a first packet of a strange payload type would lose the track
	settings.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	if public := e.config.Public; public.IsValid() && public != listen {
		if err := settings.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External: []string{public.String()}, AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteReplace,
		}); err != nil {
			return nil, fmt.Errorf("public address %s: %w", public, err)
		}
	}
	if err := settings.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return nil, fmt.Errorf("DTLS role: %w", err)
	}
	codecs := &webrtc.MediaEngine{}
	for _, c := range []media.Codec{media.PCMU, media.PCMA} {
		if err := codecs.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/" + c.String(), ClockRate: media.SampleRate},
			PayloadType:        webrtc.PayloadType(c),
		}, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("register %s: %w", c, err)
		}
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(codecs),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})), nil
}

// Stop ends every leg with reason "shutdown", closes the port, and waits for both. It may be repeated.
func (e *Endpoint) Stop() {
	e.mu.Lock()
	if e.api == nil {
		e.mu.Unlock()
		return
	}
	mux, conn := e.mux, e.conn
	e.api = nil
	close(e.stopping)
	legs := make([]*Leg, 0, len(e.legs))
	for leg := range e.legs {
		legs = append(legs, leg)
	}
	e.mu.Unlock()
	for _, leg := range legs {
		leg.Hangup(media.Ending{By: media.ByServer, Reason: "shutdown"})
	}
	done := make(chan struct{})
	go func() { e.ended.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(stopIn):
		e.config.Log.Error("browsers' legs did not end in time", "legs", e.Legs())
	}
	if err := errors.Join(mux.Close(), ignoreClosed(conn.Close())); err != nil {
		e.config.Log.Warn("close the WebRTC port", "err", err)
	}
	<-done // with the port closed nothing is left to wait for
}

// ignoreClosed is err, unless it says that the thing was closed before.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Legs returns how many legs are up or being set up.
func (e *Endpoint) Legs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.legs)
}

// Addr returns where the endpoint listens; with port 0 in Config, after Start, the port that it got.
func (e *Endpoint) Addr() netip.AddrPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil {
		return e.config.Listen
	}
	if addr, ok := e.conn.LocalAddr().(*net.UDPAddr); ok {
		return addr.AddrPort()
	}
	return e.config.Listen
}

// Answer makes a leg of a page's SDP offer (a whole one: there is no trickle) and returns the answer for it, which has
// this endpoint's candidates. The leg's first event is Connected, or Ended when ICE and DTLS do not come up in time.
// Errors: ErrBadOffer, ErrFull, ErrStopped, or what pion found wrong.
func (e *Endpoint) Answer(ctx context.Context, offerSDP string) (answerSDP string, leg media.Leg, err error) {
	defer func() {
		if p := recover(); p != nil {
			answerSDP, leg, err = "", nil, fmt.Errorf("%w: answering it panics: %v", ErrBadOffer, p)
		}
	}()
	checked, err := checkOffer(offerSDP)
	if err != nil {
		return "", nil, err
	}
	l, err := e.newLeg(checked)
	if err != nil {
		return "", nil, err
	}
	answer, err := l.answer(ctx, checked)
	if err != nil {
		l.Hangup(media.Ending{By: media.ByError, Reason: "bad_offer"})
		return "", nil, err
	}
	return answer, l, nil
}

// newLeg makes a leg with its peer connection, counted but not yet negotiated.
func (e *Endpoint) newLeg(from offer) (*Leg, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.api == nil:
		return nil, ErrStopped
	case len(e.legs) >= e.config.Limit:
		return nil, fmt.Errorf("%w: %d are connected", ErrFull, len(e.legs))
	}
	cert, err := e.certificate()
	if err != nil {
		return nil, err
	}
	pc, err := e.api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{*cert}})
	if err != nil {
		return nil, fmt.Errorf("new peer connection: %w", err)
	}
	now := e.config.Now()
	l := &Leg{endpoint: e, pc: pc, fingerprint: from.fingerprint, born: now, done: make(chan struct{})}
	l.Receive(media.Discard)
	if _, err := pc.AddTrack(&l.out); err != nil {
		return nil, errors.Join(fmt.Errorf("add the outgoing track: %w", err), pc.Close())
	}
	pc.OnTrack(l.onTrack)
	pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { l.onState() })
	e.legs[l] = struct{}{}
	e.ended.Add(1)
	return l, nil
}

// certificate is the one that all legs of this week share, so that it is not made anew for each.
func (e *Endpoint) certificate() (*webrtc.Certificate, error) {
	now := e.config.Now()
	if e.cert != nil && now.Sub(e.certAt) < certFor {
		return e.cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("DTLS key: %w", err)
	}
	cert, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, fmt.Errorf("DTLS certificate: %w", err)
	}
	e.cert, e.certAt = cert, now
	return cert, nil
}

// watch looks at all legs four times a second: one goroutine instead of a timer a leg.
func (e *Endpoint) watch(stopping <-chan struct{}) {
	defer e.ended.Done()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var legs []*Leg
	for {
		select {
		case <-stopping:
			return
		case <-ticker.C:
		}
		legs = legs[:0]
		e.mu.Lock()
		for leg := range e.legs {
			legs = append(legs, leg)
		}
		e.mu.Unlock()
		now := e.config.Now()
		for _, leg := range legs {
			leg.look(now)
		}
	}
}

// forget takes a leg that has ended off the list.
func (e *Endpoint) forget(l *Leg) {
	e.mu.Lock()
	delete(e.legs, l)
	e.mu.Unlock()
	e.ended.Done()
}
