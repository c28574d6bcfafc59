package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mountPages serves the two pages, their assets and their sockets. A page decides itself what it shows under its own
// address, so everything below /desk is the desk and everything below /portal the portal.
func mountPages(mux *http.ServeMux, cfg Config) {
	files := &shelf{pages: cfg.Pages, files: map[string]*page{}}
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
		html := document(files, page.name+".html")
		mux.Handle("GET /"+page.name, html)
		mux.Handle("GET /"+page.name+"/", html)
	}
	if cfg.Pages != nil {
		mux.Handle("GET /{$}", http.RedirectHandler("/portal", http.StatusFound))
		mux.HandleFunc("GET /assets/{name...}", asset(files))
		mux.HandleFunc("GET /{name}", loose(files))
	}
}

// document serves a page: asked for again every time, sent only when it changed.
func document(pages *shelf, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		if !pages.send(w, r, name) {
			http.Error(w, "The pages are not built. Run: npm --prefix web run build", http.StatusServiceUnavailable)
		}
	}
}

// asset serves a file whose name has a hash of what is in it: it may be kept for ever.
func asset(pages *shelf) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		if !pages.send(w, r, "assets/"+r.PathValue("name")) {
			w.Header().Set("Cache-Control", "no-store")
			http.NotFound(w, r)
		}
	}
}

// loose serves what lies beside the pages: an icon, a sound.
func loose(pages *shelf) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasPrefix(name, ".") || path.Ext(name) == ".html" || !pages.send(w, r, name) {
			w.Header().Set("Cache-Control", "no-store")
			http.NotFound(w, r)
		}
	}
}

// shelf is the files of the pages, each read, hashed and compressed once.
type shelf struct {
	pages fs.FS

	mu    sync.Mutex
	files map[string]*page
}

// page is one of them. gzip is nil where it is not worth it.
type page struct {
	plain, gzip []byte
	tag         string // of plain; what is compressed is another representation and has a tag of its own (RFC 9110 section 8.8.3)
}

// compressible are the files that become much smaller; what is not among them is compressed already.
var compressible = map[string]bool{".html": true, ".js": true, ".css": true, ".svg": true, ".json": true, ".webmanifest": true}

// get returns a file, or nil when there is none. Names come from outside: only those that exist are kept.
func (s *shelf) get(name string) *page {
	if !fs.ValidPath(name) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[name]; f != nil {
		return f
	}
	data, err := fs.ReadFile(s.pages, name)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(data)
	f := &page{plain: data, tag: hex.EncodeToString(sum[:12])}
	if compressible[path.Ext(name)] {
		f.gzip = compressed(data)
	}
	s.files[name] = f
	return f
}

// compressed is data by gzip, or nil when that is no smaller.
func compressed(data []byte) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(data); err != nil || z.Close() != nil || out.Len() >= len(data) {
		return nil
	}
	return out.Bytes()
}

// send writes a file of the pages, compressed for a client that takes it so, or returns false when there is none.
func (s *shelf) send(w http.ResponseWriter, r *http.Request, name string) bool {
	f := s.get(name)
	if f == nil {
		return false
	}
	data, tag := f.plain, f.tag
	if f.gzip != nil {
		w.Header().Add("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			w.Header().Set("Content-Encoding", "gzip")
			data, tag = f.gzip, tag+"-gzip"
		}
	}
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	return true
}

// takesGzip reads an Accept-Encoding (RFC 9110 section 12.5.3): gzip must be named, and not with a weight of zero.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}
