package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// What the ready line says of a certificate that is not simply right.
const (
	noteSelfSigned = "self-signed"
	noteWrongHost  = "for-another-host"
	noteExpired    = "expired"
	noteNotYet     = "not-valid-yet"
)

// certificate loads the configured certificate, or makes one where the public URL is https and none is given. One that
// cannot be used is an error; one that browsers will refuse is not, since callers are answered all the same: it is told,
// in the log and by the note for the ready line.
func certificate(s *settings, now time.Time, log *slog.Logger) (cert *tls.Certificate, note string, err error) {
	certFile, keyFile := s.TLSCert, s.TLSKey
	switch {
	case (certFile == "") != (keyFile == ""):
		return nil, "", errors.New("HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY belong together: set both, or neither for a self-signed certificate")
	case certFile == "" && !strings.HasPrefix(s.PublicURL, "https://"):
		return nil, "", nil
	case certFile == "":
		note = noteSelfSigned
		certFile, keyFile = filepath.Join(s.dir("keys"), "self-signed.crt"), filepath.Join(s.dir("keys"), "self-signed.key")
		if err := selfSign(s.PublicURL, certFile, keyFile); err != nil {
			return nil, "", err
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, "", fmt.Errorf("HOLDFAST_TLS_CERT %s and HOLDFAST_TLS_KEY %s: %w", certFile, keyFile, err)
	}
	if doubt := doubtful(pair, s.PublicURL, now); doubt != "" {
		note = doubt
		log.Error("browsers will refuse the certificate", "file", certFile, "why", doubt,
			"names", strings.Join(pair.Leaf.DNSNames, ","), "until", pair.Leaf.NotAfter, "origin", s.PublicURL)
	}
	return &pair, note, nil
}

// doubtful says why browsers will refuse a certificate, as far as it can be seen from here; "" when they will not.
func doubtful(pair tls.Certificate, origin string, now time.Time) string {
	u, err := url.Parse(origin)
	switch {
	case err != nil || pair.Leaf.VerifyHostname(u.Hostname()) != nil:
		return noteWrongHost
	case now.After(pair.Leaf.NotAfter):
		return noteExpired
	case now.Before(pair.Leaf.NotBefore):
		return noteNotYet
	default:
		return ""
	}
}
