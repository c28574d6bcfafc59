package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// mountPages serves the two pages, their assets and their sockets. A page decides itself what it shows under its own
// address, so everything below /desk is the desk and everything below /portal the portal.
func mountPages(mux *http.ServeMux, cfg Config) {
	for _, page := range []struct {
		name   string
		socket http.Handler
	}{{"desk", cfg.DeskSocket}, {"portal", cfg.PortalSocket}} {
		if page.socket == nil {
			page.socket = http.NotFoundHandler()
		}
		mux.Handle("GET /"+page.name+"/socket", page.socket)
		if cfg.Pages == nil {
			continue
		}
		html := document(cfg.Pages, page.name+".html")
		mux.Handle("GET /"+page.name, html)
		mux.Handle("GET /"+page.name+"/", html)
	}
	if cfg.Pages != nil {
		mux.Handle("GET /{$}", http.RedirectHandler("/portal", http.StatusFound))
		mux.HandleFunc("GET /assets/{name...}", asset(cfg.Pages))
		mux.HandleFunc("GET /{name}", loose(cfg.Pages))
	}
}

// document serves a page: asked for again every time, sent only when it changed.
func document(pages fs.FS, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		if !send(w, r, pages, name) {
			http.Error(w, "The pages are not built. Run: npm --prefix web run build", http.StatusServiceUnavailable)
		}
	}
}

// asset serves a file whose name has a hash of what is in it: it may be kept for ever.
func asset(pages fs.FS) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		if !send(w, r, pages, "assets/"+r.PathValue("name")) {
			w.Header().Set("Cache-Control", "no-store")
			http.NotFound(w, r)
		}
	}
}

// loose serves what lies beside the pages: an icon, a sound.
func loose(pages fs.FS) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasPrefix(name, ".") || path.Ext(name) == ".html" || !send(w, r, pages, name) {
			w.Header().Set("Cache-Control", "no-store")
			http.NotFound(w, r)
		}
	}
}

// send writes a file of the pages, or returns false when there is none.
func send(w http.ResponseWriter, r *http.Request, pages fs.FS, name string) bool {
	if !fs.ValidPath(name) {
		return false
	}
	data, err := fs.ReadFile(pages, name)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(data)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	return true
}
