package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"holdfast/services/directory"
	"holdfast/tenants/people/sheet"
)

// Config is what a Server needs. Sessions, Tickets, Boards and Book of Ports must be there, and PublicURL; the rest may be
// left out by a process that does not run the part.
type Config struct {
	Ports
	PublicURL    string         // origin of the pages, such as https://answer.example
	Proxies      []netip.Prefix // whose X-Forwarded-For is believed
	Pages        fs.FS          // web.Pages(); nil: no pages
	DeskSocket   http.Handler   // live.Server.DeskSocket(); nil: 404
	PortalSocket http.Handler
	Metrics      http.Handler // nil: 404
	MetricsToken string       // opens /metrics from elsewhere than loopback; "": nothing does
	Dependencies []Dependency // for /readyz
	Log          *slog.Logger
	Now          func() time.Time
}

const (
	// bodyLimit is the largest body taken: the longest note many times over.
	bodyLimit = 64 << 10
	// soundLimit is the largest recording taken, and soundFor how long a slow line may take to send it.
	soundLimit = 20 << 20
	soundFor   = 2 * time.Minute
	// headerLimit of 8 KiB: net/http adds 4 KiB to what it is told.
	headerLimit = 8<<10 - 4<<10
	// handleFor is how long an operation may take before it is 503; a healthy database needs a hundredth of it.
	handleFor = 10 * time.Second
	// Limits of a connection: a request's headers, all of it, the answer (a voicemail over a slow line), and silence.
	headersFor = 5 * time.Second
	readFor    = 15 * time.Second
	writeFor   = 60 * time.Second
	idleFor    = 120 * time.Second
	// Sign-ins of one address: enough for a call centre behind one address at the change of shift, not for guessing.
	signInBurst  = 60
	signInRefill = time.Second
	// Refreshing and tickets of one address: every operator of a call centre after a broken line.
	othersBurst  = 600
	othersRefill = 50 * time.Millisecond
)

// Handler serves everything that Holdfast says over HTTP.
func Handler(cfg Config) (http.Handler, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" || (public.Scheme != "http" && public.Scheme != "https") {
		return nil, fmt.Errorf("public URL %q: want an origin such as https://answer.example", cfg.PublicURL)
	}
	if cfg.Sessions == nil || cfg.Tickets == nil || cfg.Boards == nil || cfg.Book == nil {
		return nil, errors.New("web/api: Sessions, Tickets, Boards and Book are needed")
	}
	spec, err := Contract()
	if err != nil {
		return nil, err
	}
	published, err := spec.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the contract: %w", err)
	}
	h := &handlers{
		Ports: cfg.Ports, directory: cmp.Or(cfg.Directory, &directory.Directory{}),
		signIns: newLimiter(signInBurst, signInRefill, cfg.Now), others: newLimiter(othersBurst, othersRefill, cfg.Now),
		now: cfg.Now, publicURL: strings.TrimRight(cfg.PublicURL, "/"),
	}
	mux := http.NewServeMux()
	mux.Handle(base+"/", operations(h, spec))
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", readyz(cfg.Dependencies))
	mux.Handle("GET /metrics", metrics(cfg))
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(published) // the client may be gone
	})
	mountPages(mux, cfg)
	return traced(headers(mux, public), cfg.Proxies, cfg.Log), nil
}

// HTTPServer gives the handler a server with limits. The caller listens, serves, and shuts it down.
func HTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headersFor, ReadTimeout: readFor, WriteTimeout: writeFor, IdleTimeout: idleFor,
		MaxHeaderBytes: headerLimit, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers fill it
	}
}

// operations is the JSON API within its limits.
func operations(h *handlers, spec *openapi3.T) http.Handler {
	api := router(h, spec)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most, limit := int64(bodyLimit), handleFor
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/greetings/") {
			most, limit = soundLimit, soundFor
			slow := http.NewResponseController(w)
			_ = slow.SetReadDeadline(time.Now().Add(soundFor)) // where it cannot be set the usual one holds
			_ = slow.SetWriteDeadline(time.Now().Add(soundFor + handleFor))
		}
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/people/import") {
			most = sheet.MostBytes + 1 // one more, so that whoever reads it can say what is too much
		}
		if r.ContentLength > most {
			tooLarge().write(w, traceOf(r.Context()).id)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		r = r.WithContext(ctx)
		traceOf(ctx).request = r
		api.ServeHTTP(w, r)
	})
}

// headers are on every answer: what a browser must not do with it.
func headers(next http.Handler, public *url.URL) http.Handler {
	policy := contentPolicy(public)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Permissions-Policy", "microphone=(self), speaker-selection=(self), camera=(), geolocation=(), payment=(), usb=()")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if public.Scheme == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// contentPolicy lets a page load what this server serves, and nothing else; no inline script or style runs. The socket's
// address is named because older browsers do not count it as 'self'.
func contentPolicy(public *url.URL) string {
	socket := "ws://"
	if public.Scheme == "https" {
		socket = "wss://"
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
		"media-src 'self' blob: data:; connect-src 'self' " + socket + public.Host + "; worker-src 'self'; manifest-src 'self'; " +
		"form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
}
