package api_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/web/api"
)

func TestPagesTravelCompressedToWhoTakesThem(t *testing.T) {
	script := strings.Repeat("const holdfast = 'answers';\n", 200)
	h := api.PagesHandler(fstest.MapFS{"desk.html": {Data: []byte(script)}, "assets/a-1.js": {Data: []byte(script)}, "assets/b-1.png": {Data: []byte(script)}})
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/desk", "/assets/a-1.js"} {
		small := get(path, "Accept-Encoding", "br;q=1, GZIP")
		z, err := gzip.NewReader(small.Body)
		if err != nil || small.Header().Get("Content-Encoding") != "gzip" || small.Header().Get("Vary") != "Accept-Encoding" {
			t.Fatalf("%s: %v %v", path, err, small.Header())
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != script {
			t.Errorf("%s: %d bytes, %v", path, len(text), err)
		}
		if kind := small.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/") {
			t.Errorf("%s: Content-Type %q", path, kind)
		}
		if again := get(path, "Accept-Encoding", "gzip", "If-None-Match", small.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: %d when nothing has changed", path, again.Code)
		}
		for _, accept := range []string{"", "br", "gzip;q=0", "gzip; q=0.0"} {
			plain := get(path, "Accept-Encoding", accept)
			if plain.Body.String() != script || plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("ETag") == small.Header().Get("ETag") {
				t.Errorf("%s for %q: %d bytes, %v", path, accept, plain.Body.Len(), plain.Header())
			}
		}
	}
	if picture := get("/assets/b-1.png", "Accept-Encoding", "gzip"); picture.Header().Get("Content-Encoding") != "" {
		t.Error("a picture was compressed twice")
	}
}
