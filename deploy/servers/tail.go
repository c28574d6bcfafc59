package servers

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

const (
	tailLines   = 8   // enough to see why a server refused to start
	longestLine = 400 // bytes kept of one line
)

// tail is an io.Writer that logs a server's lines at debug level and keeps the last few for error texts.
type tail struct {
	log *slog.Logger

	mu      sync.Mutex
	partial []byte
	lines   []string
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		if room := longestLine - len(t.partial); room > 0 {
			t.partial = append(t.partial, line[:min(room, len(line))]...)
		}
		if !found {
			return n, nil
		}
		text := strings.TrimSpace(string(t.partial))
		t.partial, p = t.partial[:0], rest
		if text == "" {
			continue
		}
		t.log.Debug(text)
		t.lines = append(t.lines, text)
		if len(t.lines) > tailLines {
			t.lines = t.lines[1:]
		}
	}
}

// last returns the kept lines as one.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, " / ")
}
