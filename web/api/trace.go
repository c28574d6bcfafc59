package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"holdfast/tenants"
)

// trace is what is known about one request, filled in on its way.
type trace struct {
	id      string
	route   string // the pattern, never the path: paths carry ids
	address string
	request *http.Request
	actor   tenants.Actor // zero: nobody is signed in
	passed  bool          // a guard let it through
	err     error
}

type traceKey struct{}

// traceOf returns the request's trace; handlers run inside one always.
func traceOf(ctx context.Context) *trace {
	t, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return &trace{}
	}
	return t
}

// answered notes the status of a response. Unwrap lets the sockets reach the connection.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first final status.
func (a *answered) WriteHeader(status int) {
	if a.status == 0 && status != http.StatusContinue {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implies 200.
func (a *answered) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController and the socket's upgrade.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// traced gives every request a number, a line in the log and a net below it. The line has the route's pattern, never a
// path, a query or a header: those carry numbers, ids, tickets and tokens.
func traced(next http.Handler, proxies trustedProxies, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		t := &trace{id: tenants.NewID(), address: proxies.client(r)}
		a := &answered{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), traceKey{}, t))
		t.request = r
		a.Header().Set("X-Request-Id", t.id)
		defer func() {
			if p := recover(); p != nil {
				log.Error("http: recovered", "request", t.id, "panic", p, "stack", string(debug.Stack()))
				if a.status == 0 {
					faultOf(nil).write(a, t.id)
				}
			}
			line(log, t, a.status, r, time.Since(start))
		}()
		next.ServeHTTP(a, r)
	})
}

// line writes the request's line; what only machines ask every second stays at debug.
func line(log *slog.Logger, t *trace, status int, r *http.Request, took time.Duration) {
	route := t.route
	if route == "" {
		route = r.Pattern
	}
	level := slog.LevelInfo
	switch {
	case status >= http.StatusInternalServerError && t.err != nil:
		level = slog.LevelWarn
	case route == "GET /healthz" || route == "GET /readyz" || route == "GET /metrics":
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", route), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("request", t.id),
	}
	if t.actor.Tenant != "" {
		attrs = append(attrs, slog.String("tenant", string(t.actor.Tenant)), slog.String("user", string(t.actor.User)))
	}
	if t.err != nil && status >= http.StatusInternalServerError {
		attrs = append(attrs, slog.String("error", t.err.Error()))
	}
	log.LogAttrs(r.Context(), level, "http", attrs...)
}
