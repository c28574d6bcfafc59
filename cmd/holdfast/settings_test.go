package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAnAddressThatNobodyReachesIsRefusedInWords(t *testing.T) {
	for _, c := range []struct{ sip, public, says string }{
		{"192.0.2.5:5060", "", ""},
		{"192.0.2.5:5060", "203.0.113.1", ""},
		{"0.0.0.0:5060", "203.0.113.1", ""},
		{"127.0.0.1:5060", "127.0.0.1", ""},
		{"0.0.0.0:5060", "", "set HOLDFAST_PUBLIC_IP to the one that carriers and browsers reach"},
		{"192.0.2.5:5060", "0.0.0.0", "no address that anybody can send to"},
		{"192.0.2.5:5060", "224.0.0.1", "no address that anybody can send to"},
		{"192.0.2.5:5060", "127.0.0.1", "is this machine only"},
		{"192.0.2.5:5060", "2001:db8::1", "both be IPv4 or both be IPv6"},
		{"192.0.2.5:5060", "answer.example", "must be an IP address"},
	} {
		err := (&settings{HTTP: "127.0.0.1:8080", SIP: c.sip, PublicIP: c.public}).addresses()
		if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("HOLDFAST_SIP %s, HOLDFAST_PUBLIC_IP %q: %v, want %q", c.sip, c.public, err, c.says)
		}
	}
}

func TestACertificateThatCannotWorkIsToldInWords(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, key := filepath.Join(dir, "good.crt"), filepath.Join(dir, "good.key")
	if err := selfSign("https://answer.example", good, key); err != nil {
		t.Fatal(err)
	}
	otherKey := filepath.Join(dir, "other.key")
	if err := selfSign("https://other.example", filepath.Join(dir, "other.crt"), otherKey); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cert, key, origin string
		at                time.Time
		note, says        string
	}{
		"right":             {good, key, "https://answer.example", now, "", ""},
		"none":              {"", "", "http://127.0.0.1:8080", now, "", ""},
		"our own":           {"", "", "https://answer.example", now, noteSelfSigned, ""},
		"of another host":   {good, key, "https://desk.example", now, noteWrongHost, ""},
		"expired":           {good, key, "https://answer.example", now.Add(2 * selfSignedFor), noteExpired, ""},
		"of tomorrow":       {good, key, "https://answer.example", now.Add(-48 * time.Hour), noteNotYet, ""},
		"without its key":   {good, "", "https://answer.example", now, "", "belong together"},
		"with another key":  {good, otherKey, "https://answer.example", now, "", "does not match"},
		"that is not there": {filepath.Join(dir, "no.crt"), key, "https://answer.example", now, "", "no such file"},
		"that is no PEM":    {file("bad.crt", "hello"), key, "https://answer.example", now, "", "bad.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &settings{TLSCert: c.cert, TLSKey: c.key, PublicURL: c.origin, Data: dir}
			if err := os.MkdirAll(s.dir("keys"), 0o700); err != nil {
				t.Fatal(err)
			}
			_, note, err := certificate(s, c.at, slog.New(slog.DiscardHandler))
			if note != c.note || (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("note %q, error %v; want %q, %q", note, err, c.note, c.says)
			}
		})
	}
}
