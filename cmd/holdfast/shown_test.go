package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestARenewedCertificateIsTakenIntoUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c.crt"), filepath.Join(dir, "c.key")
	made := func(host string) {
		t.Helper()
		_ = os.Remove(cert)
		if err := selfSign("https://"+host, cert, key); err != nil {
			t.Fatal(err)
		}
	}
	made("first.example")
	s, err := newShown(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.now = func() time.Time { return now }
	is := func(want string) {
		t.Helper()
		now = now.Add(certLook)
		if pair, err := s.get(); err != nil || pair.Leaf.DNSNames[0] != want {
			t.Errorf("%v, %v, want %s", pair.Leaf.DNSNames, err, want)
		}
	}
	is("first.example")
	if err := os.WriteFile(cert, []byte("half writ"), 0o600); err != nil {
		t.Fatal(err)
	}
	is("first.example") // what cannot be used changes nothing
	made("second.example")
	is("second.example")
	if _, err := newShown(filepath.Join(dir, "none"), key, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a certificate that is not there was taken")
	}
}
