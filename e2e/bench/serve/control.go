package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Ports of a bench server on its loopback address; its audio is between PortLow and PortHigh.
const (
	ControlPort = "8080"
	PortLow     = 16386
	PortHigh    = 32767
	sipPort     = "5060"
	webrtcPort  = 16384
)

const maxBody = 64 << 10

// Figures is what a server says of itself at GET /figures.
type Figures struct {
	Goroutines int `json:"goroutines"`
}

// control serves /figures, /debug/pprof/heap and what handle adds on host, until standard input ends.
func control(host string, handle map[string]func(n int, body string) (string, error)) error {
	mux := http.NewServeMux()
	mux.Handle("GET /debug/pprof/heap", pprof.Handler("heap"))
	mux.HandleFunc("GET /figures", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(Figures{Goroutines: runtime.NumGoroutine()}) // a client that left
	})
	for name, fn := range handle {
		mux.HandleFunc("POST /"+name+"/{n}", func(w http.ResponseWriter, r *http.Request) {
			n, err := strconv.Atoi(r.PathValue("n"))
			if err != nil || n < 0 {
				http.Error(w, "no number", http.StatusBadRequest)
				return
			}
			body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
			if err == nil {
				var reply string
				if reply, err = fn(n, string(body)); err == nil {
					_, _ = io.WriteString(w, reply) // a client that left
					return
				}
			}
			http.Error(w, err.Error(), http.StatusInternalServerError)
		})
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, ControlPort)) //nolint:noctx // at once
	if err != nil {
		return fmt.Errorf("listen for the bench: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println("ready")
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what we wait for
	}()
	select {
	case <-over:
		return server.Close()
	case err := <-failed:
		return errors.Join(err, server.Close())
	}
}
