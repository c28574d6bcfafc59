package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"holdfast/services/journal"
)

// certificateAlarm is open while the certificate is about to end, has ended, or cannot be renewed from its file.
const certificateAlarm = "certificate"

const day = 24 * time.Hour

// lastDays are the days before its end at which a certificate becomes more urgent.
var lastDays = []struct {
	left     time.Duration
	severity journal.Severity
}{{0, journal.Critical}, {day, journal.Critical}, {7 * day, journal.Critical}, {21 * day, journal.Warning}}

// renewed is a certificate that is read again when its files have changed, so that whoever renews it need not restart us: calls
// go on. One that cannot be read leaves the former in use.
type renewed struct {
	load  func(now time.Time) (*tls.Certificate, string, error)
	files []string
	made  bool // by us: nobody else renews it
	log   *slog.Logger

	pair   atomic.Pointer[tls.Certificate]
	stamps string
}

// newRenewed loads the certificate of the settings; nil, with an empty note, where there is none.
func newRenewed(s *settings, now time.Time, log *slog.Logger) (r *renewed, note string, err error) {
	pair, note, err := certificate(s, now, log)
	if err != nil || pair == nil {
		return nil, note, err
	}
	r = &renewed{
		load:  func(now time.Time) (*tls.Certificate, string, error) { return certificate(s, now, log) },
		files: []string{s.TLSCert, s.TLSKey}, made: s.TLSCert == "", log: log,
	}
	if r.made {
		r.files = []string{filepath.Join(s.dir("keys"), "self-signed.crt"), filepath.Join(s.dir("keys"), "self-signed.key")}
	}
	r.pair.Store(pair)
	r.stamps = r.stamp()
	return r, note, nil
}

// current is what a TLS server asks for with every connection.
func (r *renewed) current(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.pair.Load(), nil }

// stamp tells whether the files have changed.
func (r *renewed) stamp() (all string) {
	for _, path := range r.files {
		if info, err := os.Stat(path); err == nil {
			all += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
		}
	}
	return all
}

// look reads changed files, and says how long the certificate still lasts.
func (r *renewed) look(w *warden) {
	now := w.now()
	stamps := r.stamp()
	if stamps != r.stamps || r.made && r.pair.Load().Leaf.NotAfter.Sub(now) < 30*day {
		pair, note, err := r.load(now)
		if err != nil || pair == nil { // half written, perhaps: looked at again
			w.say(certificateAlarm, "unread", fmt.Sprintf("the new certificate cannot be used, and the former one is still shown: %v", err), journal.Critical)
			return
		}
		r.pair.Store(pair)
		r.stamps = r.stamp()
		r.log.Info("the certificate was read again", "until", pair.Leaf.NotAfter, "note", note)
	}
	left := r.pair.Load().Leaf.NotAfter.Sub(now)
	for _, last := range lastDays {
		if left <= last.left {
			w.say(certificateAlarm, last.left.String(), lasts(r.pair.Load().Leaf.NotAfter, left), last.severity)
			return
		}
	}
	w.calm(certificateAlarm)
}

// lasts says it in words.
func lasts(until time.Time, left time.Duration) string {
	date := until.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case left <= 0:
		return "the certificate ended on " + date + ": browsers refuse the desk and the portal"
	case left <= day:
		return "the certificate ends within a day, on " + date + ": browsers will refuse the desk and the portal"
	default:
		return fmt.Sprintf("the certificate ends in %d days, on %s", int(left/day), date)
	}
}
