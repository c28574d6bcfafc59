package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"holdfast/services/journal"
)

// certificateAlarm is open while the certificate is about to end, has ended, or cannot be renewed from its file;
// sipCertificateAlarm is the same of the one that SIP over TLS has for itself.
const (
	certificateAlarm    = "certificate"
	sipCertificateAlarm = "certificate_sip"
)

const day = 24 * time.Hour

// lastDays are the days before its end at which a certificate becomes more urgent.
var lastDays = []struct {
	left     time.Duration
	severity journal.Severity
}{{0, journal.Critical}, {day, journal.Critical}, {7 * day, journal.Critical}, {21 * day, journal.Warning}}

// renewed is a certificate that is read again when its files have changed, so that whoever renews it need not restart us: calls
// go on. One that cannot be read leaves the former in use.
type renewed struct {
	alarm string
	then  string // what happens once it has ended, e.g. "carriers refuse SIP over TLS"
	load  func(now time.Time) (*tls.Certificate, string, error)
	files []string
	made  bool // by us: nobody else renews it
	log   *slog.Logger

	pair   atomic.Pointer[tls.Certificate]
	stamps string
}

// newRenewed loads the certificate of the settings; nil, with an empty note, where there is none.
func newRenewed(s *settings, now time.Time, log *slog.Logger) (r *renewed, note string, err error) {
	r = &renewed{
		alarm: certificateAlarm, then: "browsers refuse the desk and the portal", files: []string{s.TLSCert, s.TLSKey}, made: s.TLSCert == "", log: log,
		load: func(now time.Time) (*tls.Certificate, string, error) { return certificate(s, now, log) },
	}
	if r.made {
		r.files = []string{filepath.Join(s.dir("keys"), "self-signed.crt"), filepath.Join(s.dir("keys"), "self-signed.key")}
	}
	note, err = r.begin(now)
	if err != nil || r.pair.Load() == nil {
		return nil, note, err
	}
	return r, note, nil
}

// sipCertificate is what SIP over TLS shows: the configured certificate, which is web's, or one of our own making, which no carrier
// believes that was not given it; nil where there is neither.
func sipCertificate(s *settings, web *renewed, now time.Time, log *slog.Logger) (*renewed, error) {
	switch {
	case s.TLSCert != "":
		if s.SIPTLS != "" {
			web.then += ", and carriers SIP over TLS"
		}
		return web, nil
	case s.SIPTLS == "":
		return nil, nil
	}
	host := s.publicIP.String()
	if !s.publicIP.IsValid() {
		host, _, _ = net.SplitHostPort(s.SIPTLS)
	}
	origin := (&url.URL{Scheme: "https", Host: net.JoinHostPort(cmp.Or(host, "localhost"), "443")}).String()
	certFile, keyFile := filepath.Join(s.dir("keys"), "sip-self-signed.crt"), filepath.Join(s.dir("keys"), "sip-self-signed.key")
	r := &renewed{
		alarm: sipCertificateAlarm, then: "carriers refuse SIP over TLS", files: []string{certFile, keyFile}, made: true, log: log,
		load: func(time.Time) (*tls.Certificate, string, error) {
			if err := selfSign(origin, certFile, keyFile); err != nil {
				return nil, "", err
			}
			pair, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return nil, "", fmt.Errorf("the certificate of SIP over TLS, %s: %w", certFile, err)
			}
			return &pair, noteSelfSigned, nil
		},
	}
	log.Warn("SIP over TLS shows a certificate of our own making: set HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY", "file", certFile)
	if _, err := r.begin(now); err != nil {
		return nil, err
	}
	return r, nil
}

// begin loads the certificate for the first time; then it has to be right.
func (r *renewed) begin(now time.Time) (note string, err error) {
	pair, note, err := r.load(now)
	if err != nil {
		return "", err
	}
	r.pair.Store(pair)
	r.stamps = r.stamp()
	return note, nil
}

// current is what a TLS server asks for with every connection.
func (r *renewed) current() (*tls.Certificate, error) { return r.pair.Load(), nil }

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
			w.say(r.alarm, "unread", fmt.Sprintf("the new certificate cannot be used, and the former one is still shown: %v", err), journal.Critical)
			return
		}
		r.pair.Store(pair)
		r.stamps = r.stamp()
		r.log.Info("the certificate was read again", "until", pair.Leaf.NotAfter, "note", note)
	}
	left := r.pair.Load().Leaf.NotAfter.Sub(now)
	for _, last := range lastDays {
		if left <= last.left {
			w.say(r.alarm, last.left.String(), lasts(r.pair.Load().Leaf.NotAfter, left, r.then), last.severity)
			return
		}
	}
	w.calm(r.alarm)
}

// lasts says it in words, with what happens once it has ended.
func lasts(until time.Time, left time.Duration, then string) string {
	date := until.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case left <= 0:
		return "the certificate ended on " + date + ": " + then
	case left <= day:
		return "the certificate ends within a day, on " + date + ": from then on " + then
	default:
		return fmt.Sprintf("the certificate ends in %d days, on %s: from then on %s", int(left/day), date, then)
	}
}

// certificates are all that this process shows, each once.
func (n *node) certificates() (all []*renewed) {
	for _, c := range []*renewed{n.cert, n.sipCert} {
		if c != nil && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}
