package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// away are settings of a node whose stores do not answer, in a fresh folder.
func away(t *testing.T, roles ...string) *settings {
	t.Helper()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	s := &settings{
		HTTP: free(), SIP: free(), Roles: roles, Node: "n1", Data: t.TempDir(), RTPPorts: "41000-41999",
		DatabaseURL: "postgres://owner:secret@127.0.0.1:1/holdfast", RedisURL: "redis://127.0.0.1:1/0", DemoTrunk: "127.0.0.0/16",
	}
	for _, check := range []func() error{s.addresses, s.ports, s.trust, s.places, s.public, s.checkRoles} {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
	s.publicIP = netip.MustParseAddr("127.0.0.1")
	s.webrtc = 0
	return s
}

// status asks the node; 0: nobody listens.
func status(s *settings, path string) int {
	client := http.Client{Timeout: 5 * time.Second}
	r, err := client.Get("http://" + s.HTTP + path)
	if err != nil {
		return 0
	}
	defer func() { _ = r.Body.Close() }()
	return r.StatusCode
}

func TestANodeDoesWhatItsRolesSayWhileBothStoresAreAway(t *testing.T) {
	for _, c := range []struct {
		roles             []string
		sip, desk, portal bool
		api               bool
	}{
		{[]string{"call", "web", "worker"}, true, true, true, true},
		{[]string{"call"}, true, true, false, true},
		{[]string{"web"}, false, false, true, true},
		{[]string{"worker"}, false, false, false, false},
	} {
		t.Run(strings.Join(c.roles, ","), func(t *testing.T) {
			s := away(t, c.roles...)
			n, err := newNode(s, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer n.stop()
			if err := n.start(); err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", s.SIP)
			if (err == nil) != c.sip {
				t.Errorf("SIP: %v", err)
			}
			if err == nil {
				_ = conn.Close()
			}
			if got := status(s, "/healthz"); got != http.StatusOK {
				t.Errorf("/healthz: %d", got)
			}
			for path, want := range map[string]bool{"/openapi.json": c.api, "/desk/socket": c.desk, "/portal/socket": c.portal} {
				if got := status(s, path); (got != http.StatusNotFound) != want {
					t.Errorf("%s: %d", path, got)
				}
			}
		})
	}
}

func TestANodeAnswersWhenItsSpoolCannotBeUsed(t *testing.T) {
	s := away(t, "call", "web", "worker")
	for _, dir := range []string{"spool", "recordings", "routing"} {
		if err := os.WriteFile(filepath.Join(s.Data, dir), []byte("no folder"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := newNode(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	if got := status(s, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz: %d", got)
	}
}

func TestARoleThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	for _, roles := range [][]string{{"calls"}, {"call", ""}, nil} {
		if err := (&settings{Roles: roles}).checkRoles(); err == nil {
			t.Errorf("%q is taken", roles)
		}
	}
}

// A listener that fails ends the process, but not the calls: it drains first.
func TestAFailedListenerIsTheReasonToStop(t *testing.T) {
	t.Parallel()
	n := &node{failed: make(chan error, 1)}
	n.failed <- io.ErrUnexpectedEOF
	if err := n.untilSignal(make(chan os.Signal)); err == nil {
		t.Error("the failure is not told")
	}
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	if err := n.untilSignal(signals); err != nil {
		t.Error(err)
	}
}

func TestAnAddressOfRedisIsNeverQuoted(t *testing.T) {
	t.Parallel()
	s := away(t, "call")
	s.RedisURL = "redis://:hunter2/x@127.0.0.1:6379"
	_, err := newStores(s, slog.New(slog.DiscardHandler), nil, nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
