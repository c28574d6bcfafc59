package browser

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// logs lets pion write into our log. What it calls a warning or an error is mostly a peer's doing (a stranger's packet,
// a page that went away), so all of it is written at the debug level: what matters arrives as a leg's Ending.
type logs struct{ log *slog.Logger }

func (l logs) NewLogger(scope string) logging.LeveledLogger {
	return scoped{l.log.With("part", "webrtc/"+scope)}
}

type scoped struct{ log *slog.Logger }

func (s scoped) print(msg string) { s.log.Debug(msg) }

func (s scoped) printf(format string, args []any) {
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.Debug(fmt.Sprintf(format, args...))
	}
}

// Traces and debug lines of pion are written a packet; nobody wants them here.
func (s scoped) Trace(string)          {}
func (s scoped) Tracef(string, ...any) {}
func (s scoped) Debug(string)          {}
func (s scoped) Debugf(string, ...any) {}

func (s scoped) Info(msg string)                   { s.print(msg) }
func (s scoped) Infof(format string, args ...any)  { s.printf(format, args) }
func (s scoped) Warn(msg string)                   { s.print(msg) }
func (s scoped) Warnf(format string, args ...any)  { s.printf(format, args) }
func (s scoped) Error(msg string)                  { s.print(msg) }
func (s scoped) Errorf(format string, args ...any) { s.printf(format, args) }
