package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Dependency is something outside this process that it can do without for a while.
type Dependency struct {
	Name  string
	Check func(context.Context) error
}

// Health is a dependency as /readyz shows it.
type Health struct {
	Name string  `json:"name"`
	Up   bool    `json:"up"`
	MS   float64 `json:"ms"`
}

// readyLimit is how long a dependency may take to say that it is there.
const readyLimit = 2 * time.Second

// healthz looks at this process only: whoever answers is alive. Restarting it would bring back no database.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client may be gone
}

// readyz asks every dependency, all at once: 200 when all are up, else 503, with the list either way.
func readyz(dependencies []Dependency) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyLimit)
		defer cancel()
		items := make([]Health, len(dependencies))
		var wait sync.WaitGroup
		for i, d := range dependencies {
			wait.Add(1)
			go func() {
				defer wait.Done()
				start := time.Now()
				err := check(ctx, d)
				items[i] = Health{Name: d.Name, Up: err == nil, MS: float64(time.Since(start).Microseconds()) / 1000}
			}()
		}
		wait.Wait()
		status := http.StatusOK
		for _, item := range items {
			if !item.Up {
				status = http.StatusServiceUnavailable
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "items": items}) // the client may be gone
	}
}

func check(ctx context.Context, d Dependency) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return d.Check(ctx)
}

// metrics is for this machine, or for whoever has the token.
func metrics(cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A proxy on this machine speaks for the world.
		local := peerOf(r).IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
		token := bearer(r)
		known := cfg.MetricsToken != "" && subtle.ConstantTimeCompare([]byte(token), []byte(cfg.MetricsToken)) == 1
		if cfg.Metrics == nil || (!local && !known) {
			http.NotFound(w, r)
			return
		}
		cfg.Metrics.ServeHTTP(w, r)
	})
}
