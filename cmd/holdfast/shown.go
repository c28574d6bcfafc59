package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// certLook is how often the files of a certificate are looked at, at most: whoever renews it need not restart us. That it ends
// soon is told by the warden.
const certLook = 10 * time.Second

// shown is the certificate that SIP over TLS shows, as it stands in its files now. One that cannot be read leaves the former in use.
type shown struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu     sync.Mutex
	pair   *tls.Certificate
	looked time.Time
	stamp  string // of the files that pair is from, or that could not be used
}

// newShown reads a certificate for the first time; then it has to be right.
func newShown(certFile, keyFile string, log *slog.Logger) (*shown, error) {
	s := &shown{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	s.stamp, s.looked = s.stamped(), s.now()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("HOLDFAST_TLS_CERT %s and HOLDFAST_TLS_KEY %s: %w", certFile, keyFile, err)
	}
	s.pair = &pair
	return s, nil
}

// shower is get for whoever asks at each handshake; nil without a certificate.
func (s *shown) shower() func() (*tls.Certificate, error) {
	if s == nil {
		return nil
	}
	return s.get
}

// get is the certificate as it is now.
func (s *shown) get() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.looked) >= certLook {
		s.looked = now
		s.look()
	}
	return s.pair, nil
}

// look reads the files again if they changed. Between the two writes of somebody who renews them they do not fit together;
// the next look is soon.
func (s *shown) look() {
	stamp := s.stamped()
	if stamp == s.stamp {
		return
	}
	pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
	if err != nil {
		s.log.Error("the new certificate cannot be used: the former stays", "file", s.certFile, "err", err)
		return
	}
	s.pair, s.stamp = &pair, stamp
	s.log.Info("a new certificate is in use", "file", s.certFile, "until", pair.Leaf.NotAfter)
}

// stamped tells one version of the files from another.
func (s *shown) stamped() string {
	var all strings.Builder
	for _, name := range []string{s.certFile, s.keyFile} {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprint(&all, info.ModTime().UnixNano(), info.Size(), " ")
		}
	}
	return all.String()
}

// sipCertificate is what SIP over TLS shows: the configured certificate, or one of our own making, which no carrier believes
// that was not given it.
func sipCertificate(s *settings, log *slog.Logger) (*shown, error) {
	if s.SIPTLS == "" && s.TLSCert == "" {
		return nil, nil
	}
	certFile, keyFile := s.TLSCert, s.TLSKey
	if certFile == "" {
		certFile, keyFile = filepath.Join(s.dir("keys"), "sip-self-signed.crt"), filepath.Join(s.dir("keys"), "sip-self-signed.key")
		host, _, _ := net.SplitHostPort(s.SIPTLS)
		if s.publicIP.IsValid() {
			host = s.publicIP.String()
		}
		if err := selfSign("https://"+bracketed(cmp.Or(host, "localhost")), certFile, keyFile); err != nil {
			return nil, err
		}
		log.Warn("SIP over TLS shows a certificate of our own making: set HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY", "file", certFile)
	}
	return newShown(certFile, keyFile, log)
}

// bracketed is a host as it stands in a URL.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
