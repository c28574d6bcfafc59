package trunk

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/tenants/routing"
)

// Config is what a Server needs.
type Config struct {
	Listen  string               // HOST:PORT, bound for UDP and TCP; port 0 lets the system choose
	Public  netip.Addr           // address in Contact and Via; default the address of Listen
	Media   *rtp.Engine          // gives answered calls their ports; started and stopped by its owner
	Handler func(media.Incoming) // gets every new call, on a goroutine of its own
	Log     *slog.Logger
	Now     func() time.Time
	Node    string // name in our User-Agent; default "holdfast"

	TLS         string                                     // HOST:PORT for SIP over TLS; "": nobody calls us that way, trunks are still called that way
	Certificate func() (*tls.Certificate, error)           // ours, asked for at each handshake; needed with TLS
	Alarm       func(trunk string, open bool, text string) // a trunk's call was refused because it was not encrypted; later: one was encrypted

	// Changed is told when a trunk's carrier goes or comes back, and how the first OPTIONS to it went; of a trunk that is gone or
	// is sent none, once, that it is up. nil: nobody is told. It must not block.
	Changed func(Status)

	Unseal func(trunk string, sealed []byte) ([]byte, error) // opens routing.WayOut.Sealed; nil: no challenge is answered

	Phones     Phones // the telephones that may register; nil: none, and REGISTER is refused
	PhonesFile string // keeps where they are over a new start; "": nothing does

	NamesFile string // keeps, over a new start, where the names of trunks' targets led; "": nothing does
	// Stale is told, at a call out, that a trunk's name cannot be looked up and where it was last, at since, serves; the zero time: it was
	// looked up. nil: nobody is told. It must not block.
	Stale func(trunk string, since time.Time, text string)
}

// timing is how long things take, and how many may wait; only tests change it.
type timing struct {
	t1, t2    time.Duration // RFC 3261 section 17.1.1.1: first and longest pause between copies of our 200
	ackLimit  time.Duration // 64*T1: how long we wait for an ACK
	probe     time.Duration // between two OPTIONS to a trunk
	probeWait time.Duration // how long a trunk may take to answer one
	farewell  time.Duration // how long Stop waits for peers to confirm our BYEs
	noReply   time.Duration // how long a trunk may take to say anything to our INVITE before the next one is tried
	firstByte time.Duration // how long a fresh connection may stay silent before it is closed
	message   time.Duration // how long a message on a connection may take, from its first byte to its last
	second    time.Duration // a second of session timers
	unread    time.Duration // how long a peer may leave what is written on a connection unread
	handshake time.Duration // how long a fresh connection may take until it is secure
	sign      time.Duration // how long a peer that is not heard may take to say that it is there
	askAgain  time.Duration // between two such questions
	ring      time.Duration // how long a call of ours may ring
	pending   int           // how many INVITEs may wait for their answer; over it callers get 503
}

// Server is the SIP end of all trunks.
type Server struct {
	cfg    Config
	timing timing
	secret [16]byte // of tags: nobody outside can foresee ours

	trunks   atomic.Pointer[[]routing.Trunk]
	draining atomic.Bool
	deaf     atomic.Bool // stopping: nothing is read any more
	dropped  counts
	door     *door
	crowd    *crowd
	registry registry
	busy     atomic.Int64 // requests in work

	tp    *sip.TransportLayer
	tx    *sip.TransactionLayer
	udp   packets
	tcp   *connections
	tls   *secureEnd
	open  open           // connections, of both kinds
	local netip.AddrPort // where the world reaches us

	mu        sync.Mutex
	started   bool
	stopped   bool
	dialogs   map[dialogID]*dialog
	contracts map[bucket]*contract
	opened    map[dialogID]*early    // of calls of ours that are not answered yet
	invites   map[inviteID]struct{}  // of live calls, so that copies by other paths are refused
	past      *past                  // those of calls that are over
	undecided map[*incoming]struct{} // INVITEs that wait for the handler
	placed    map[*outgoing]struct{} // calls of ours that are not settled yet
	status    map[string]*health

	telling sync.Mutex // Changed is told one thing after another, as they came to be

	quit  chan struct{}
	names names // of trunks' targets

	stop func()
	gate gate // all our goroutines
}

var (
	errStarted = errors.New("the SIP server was started before")
	errConfig  = errors.New("the SIP server needs Listen, Media and Handler, and Certificate with TLS")
)

func init() {
	// sipgo refuses to send UDP messages over this size less 200, responses included; a 200 that eight proxies have put
	// their Record-Route into is larger. IP fragments such datagrams, and carriers take them.
	sip.UDPMTUSize = 65535
	// What its TCP transport cannot parse it would print whole, as an error, to the process's log; it closes the connection.
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
}

// New makes a Server that knows no trunk yet. Nothing is bound before Start.
func New(cfg Config) (*Server, error) {
	if cfg.Listen == "" || cfg.Media == nil || cfg.Handler == nil || cfg.TLS != "" && cfg.Certificate == nil {
		return nil, errConfig
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.Node = cmp.Or(cfg.Node, "holdfast")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Status) {}
	}
	if cfg.Stale == nil {
		cfg.Stale = func(string, time.Time, string) {}
	}
	s := &Server{
		cfg: cfg,
		timing: timing{
			t1: 500 * time.Millisecond, t2: 4 * time.Second, ackLimit: 32 * time.Second,
			probe: 10 * time.Second, probeWait: 4 * time.Second, firstByte: 5 * time.Second, message: 10 * time.Second, unread: tcpLimit, handshake: 5 * time.Second,
			farewell: 2 * time.Second, noReply: 4 * time.Second, second: time.Second, sign: 10 * time.Second, askAgain: 20 * time.Second,
			ring: time.Minute, pending: 1000,
		},
		dialogs:   make(map[dialogID]*dialog),
		contracts: make(map[bucket]*contract),
		opened:    make(map[dialogID]*early),
		invites:   make(map[inviteID]struct{}),
		undecided: make(map[*incoming]struct{}),
		placed:    make(map[*outgoing]struct{}),
		status:    make(map[string]*health),
		names:     names{resolve: net.DefaultResolver.LookupNetIP, known: make(map[string]lastSeen)},
		quit:      make(chan struct{}),
	}
	s.door, s.crowd, s.past, s.open.most = newDoor(cfg.Now), newCrowd(cfg.Now), newPast(), maxOpen
	s.trunks.Store(&[]routing.Trunk{})
	s.tls = newSecureEnd(s)
	s.stop = sync.OnceFunc(func() { close(s.quit); s.tls.giveUp() })
	_, _ = rand.Read(s.secret[:]) // never fails (crypto/rand)
	s.layers()
	return s, nil
}

// layers makes sipgo's transports and transactions. Names are never looked up, so that no peer can make us wait for a
// DNS server: what we send goes to addresses.
func (s *Server) layers() {
	log := slog.New(&sipLog{s: s})
	noDNS := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, net.ErrClosed
	}}
	tcp := &sip.TransportTCP{
		WriteTimeout: tcpLimit,
		DialerCreate: func(local net.Addr) net.Dialer { return net.Dialer{Timeout: tcpLimit, LocalAddr: local} },
	}
	s.tp = sip.NewTransportLayer(noDNS, sip.NewParser(), nil, sip.WithTransportLayerLogger(log),
		sip.WithTransportLayerTransports(sip.TransportsConfig{TCP: tcp, TLS: &sip.TransportTLS{TransportTCP: &sip.TransportTCP{
			DialerCreate: noDialer, // our own end dials, and says whom it believes
		}}}))
	s.tp.OnMessage(s.before)
	s.tx = sip.NewTransactionLayer(s.tp, sip.WithTransactionLayerLogger(log),
		sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}))
	s.tx.OnRequest(s.request)
}

// Start binds both sockets and begins to serve. A port in use is an error, and nothing stays bound then.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.stopped {
		return errStarted
	}
	if err := s.bind(); err != nil {
		return err
	}
	s.started = true
	s.restoreNames()
	s.spawn(func() { s.serving("udp", s.tp.ServeUDP(s.udp)) })
	s.spawn(func() { s.serving("tcp", s.tp.ServeTCP(s.tcp)) })
	s.spawn(func() { s.serving("tls", s.tp.ServeTLS(s.tls)) })
	if s.tls.listener != nil {
		s.spawn(s.tls.listen)
	}
	if s.cfg.Phones != nil {
		s.restorePhones()
	}
	s.spawn(s.sweep)
	s.spawn(func() {
		if s.listening() {
			s.keepAlive()
		}
	})
	return nil
}

// listening waits until sipgo knows our socket: a request sent earlier would go from another one.
func (s *Server) listening() bool {
	for s.tp.Pool("udp").Size() == 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-s.quit:
			return false
		}
	}
	return true
}

// serving is told that a socket's loop has ended, which outside of Stop must not happen.
func (s *Server) serving(transport string, err error) {
	select {
	case <-s.quit:
	default:
		s.cfg.Log.Error("SIP transport ended", "transport", transport, "error", err)
	}
}

// Addr is where the server is reached, UDP and TCP alike. It is the zero value before Start.
func (s *Server) Addr() netip.AddrPort { return s.local }

// Stop ends every call with reason "shutdown", tells the peers, and closes the sockets. It may be repeated.
func (s *Server) Stop() {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	started := s.started
	s.mu.Unlock()
	if first && started {
		s.Drain(true)
		s.endAll()
	}
	s.stop()
	if first && started {
		s.close()
	}
	s.gate.wait()
}

// close closes the sockets. sipgo opens a socket of its own for a response whose request came over one that is closed
// meanwhile, so requests in its hands get a moment first; nothing tells when they are through.
func (s *Server) close() {
	const moment = 20 * time.Millisecond
	s.deaf.Store(true)
	time.Sleep(moment)
	s.tx.Close()
	_ = s.udp.Close()
	_ = s.tcp.Close()
	_ = s.tls.Close()
	_ = s.tp.Close()
}

// endAll refuses whoever waits and hangs up on everybody, and waits a little for the peers to confirm.
func (s *Server) endAll() {
	s.mu.Lock()
	callers := slices.Collect(maps.Keys(s.undecided))
	calls := slices.Collect(maps.Values(s.dialogs))
	for o := range s.placed {
		calls = append(calls, o.dialog) // one that was answered is there twice, which hurts nobody
	}
	s.mu.Unlock()
	for _, in := range callers {
		in.Refuse(503, "Shutting Down")
		in.cancel() // its handler need not wait any longer
	}
	for _, d := range calls {
		d.Hangup(media.Ending{By: media.ByServer, Reason: "shutdown"})
	}
	limit := time.After(s.timing.farewell)
	for _, d := range calls {
		select {
		case <-d.told:
		case <-limit:
			limit = nil
			s.stop() // whoever waits for a peer stops waiting
			<-d.told
		}
	}
}

// SetTrunks replaces the list of trunks at once. Whose address is in none of them is a stranger from now on; calls that
// are up stay up.
func (s *Server) SetTrunks(trunks []routing.Trunk) {
	trunks = slices.Clone(trunks)
	s.trunks.Store(&trunks)
	s.knowTrunks(trunks)
}

// Drain says whether new calls go elsewhere: OPTIONS and INVITEs get 503, calls that are up go on.
func (s *Server) Drain(on bool) { s.draining.Store(on) }

// Calls is how many legs are up.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dialogs)
}

// sipLog takes what sipgo has to say: a message nobody could parse is counted, all else is only for debugging.
type sipLog struct {
	s *Server
}

// Enabled says that sipgo need not speak of anything below an error.
func (l *sipLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle counts and passes on, without the message's text: it is the peer's, and may be long.
func (l *sipLog) Handle(ctx context.Context, r slog.Record) error {
	why, data := "", ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error":
			why = clean(a.Value.String())
		case "data":
			data = a.Value.String()
		}
		return true
	})
	if r.Message == "failed to parse" { // said by the UDP socket's one reader, right after it read
		l.s.dropped.malformed.Add(1)
		l.s.crowd.unread([]byte(data))
		l.s.answerUnread(data, l.s.udp.last.at)
	}
	l.s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "sipgo: "+r.Message, slog.String("error", why))
	return nil
}

// WithAttrs keeps nothing: all that sipgo adds is its own names.
func (l *sipLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup keeps nothing.
func (l *sipLog) WithGroup(string) slog.Handler { return l }
