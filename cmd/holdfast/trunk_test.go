package main

import (
	"bytes"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/deploy/servers"
)

// command runs another subcommand with the machine's settings to its end.
func (m *machine) command(args ...string) (text string, status int) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), os.Args[0], args...)
	cmd.Env = m.env
	out, _ := cmd.CombinedOutput() // how it ended stands in the state
	return string(out), cmd.ProcessState.ExitCode()
}

// holds lists the files of the data folder in which a text stands.
func (m *machine) holds(text string) (files []string) {
	m.t.Helper()
	err := filepath.WalkDir(m.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // the servers move files while we look
		}
		if raw, err := os.ReadFile(path); err == nil && bytes.Contains(raw, []byte(text)) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return files
}

func TestTrunksAreAddedListedAndRemoved(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if text, status := m.command("trunk", "list"); status != 1 || !strings.HasPrefix(text, "holdfast: ") || !strings.Contains(text, "no Holdfast answers") {
		t.Errorf("without a service: %d, %q", status, text)
	}
	m.up().ready()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, status := m.command("trunk", "add", "carrier-a", "--ip", "127.77.0.0/24", "--ip", "127.77.9.1/32", "--media", "127.78.0.0/24", "--options", "127.77.0.1:5060",
		"--out", "127.77.0.1:5080", "--user", "holdfast-7", "--password-file", secret)
	if status != 0 || !strings.Contains(text, "carrier-a") {
		t.Fatalf("add: %d, %q", status, text)
	}
	m.eventually("the trunk is listed", func() bool {
		text, status = m.command("trunk", "list")
		return status == 0 && strings.Contains(text, "carrier-a")
	})
	for _, want := range []string{"127.77.0.0/24,127.77.9.1/32", "127.78.0.0/24", "127.77.0.1:5060", "holdfast-7@127.77.0.1:5080", "demo", "as SIP"} {
		if !strings.Contains(text, want) {
			t.Errorf("the list has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "(no password)") || strings.Contains(text, "horse") {
		t.Errorf("the list says of the password:\n%s", text)
	}
	if found := m.holds("correct horse"); len(found) > 0 || len(m.holds("holdfast-7")) == 0 {
		t.Errorf("the password stands readable in %v, beside the user in %v", found, m.holds("holdfast-7"))
	}
	if text, status = m.command("trunk", "add", "carrier-b", "--ip", "127.79.0.1", "--tls", "--tls-name", "carrier.example"); status != 0 || !strings.Contains(text, "TLS") || !strings.Contains(text, "required") {
		t.Errorf("over TLS: %d, %q", status, text)
	}
	if text, status = m.command("trunk", "add", "office", "--ip", "127.79.1.0/24", "--register-only"); status != 0 || !strings.Contains(text, "none") {
		t.Errorf("for telephones only: %d, %q", status, text)
	}
	if text, status = m.command("trunk", "add", "carrier-c", "--ip", "127.79.0.2", "--media-encryption", "preferred"); status != 1 || !strings.Contains(text, "clear_keys") {
		t.Errorf("keys in clear: %d, %q", status, text)
	}
	if text, status = m.command("trunk", "add", "carrier-b", "--ip", "127.79.0.9"); status != 1 || !strings.Contains(text, "--replace") || strings.Count(text, "\n") != 1 {
		t.Errorf("over another: %d, %q", status, text)
	}
	if text, status = m.command("trunk", "list"); status != 0 || !strings.Contains(text, "127.79.0.1/32") || strings.Contains(text, "127.79.0.9") {
		t.Errorf("what was not replaced: %d\n%s", status, text)
	}
	if text, status = m.command("trunk", "add", "carrier-b", "--ip", "127.79.0.9", "--replace"); status != 0 || !strings.Contains(text, "127.79.0.9/32") || strings.Contains(text, "TLS") {
		t.Errorf("replaced: %d, %q", status, text)
	}
	if text, status = m.command("trunk", "remove", "carrier-a"); status != 0 {
		t.Fatalf("remove: %d, %q", status, text)
	}
	m.eventually("the trunk is gone", func() bool {
		text, status = m.command("trunk", "list")
		return status == 0 && !strings.Contains(text, "carrier-a")
	})
	for _, wrong := range [][]string{{"add", "carrier-b", "--ip", "everywhere"}, {"add", "carrier-b", "--ip", "127.77.0.1", "--out", "127.79.0.1:5060"}, {"add", "carrier-b", "--ip", "127.77.0.1", "--user", "u"}, {"remove", "nobody"}, {"list", "--sign-in", "ada@harbor.example"}, {"list", "--password", "wrong"}} {
		if text, status = m.command(append([]string{"trunk"}, wrong...)...); status != 1 || !strings.HasPrefix(text, "holdfast: ") || strings.Count(text, "\n") != 1 {
			t.Errorf("%v: %d, %q", wrong, status, text)
		}
	}
}

// Two administrators never undo each other's work unknowingly: what is sent names what was read, and a refusal says what to do.
func TestATrunkThatAnotherChangedMeanwhileIsLeftAlone(t *testing.T) {
	t.Parallel()
	var asked []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"items":[{"name":"carrier-a","revision":"as read","signal":["192.0.2.1/32"]}]}`)
		case strings.HasSuffix(r.URL.Path, "/carrier-b"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"title":"There is no such trunk.","detail":"Nothing was done."}`)
		case strings.Contains(r.URL.Path, "/trunks"):
			asked = append(asked, r.Method+" "+r.Header.Get("If-Match"))
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = io.WriteString(w, `{"title":"Somebody changed this meanwhile.","code":"changed","current":{"name":"carrier-a"}}`)
		default:
			_, _ = io.WriteString(w, `{"access_token":"t"}`)
		}
	}))
	t.Cleanup(api.Close)
	at := platform{URL: api.URL}
	for what, err := range map[string]error{
		"remove":  (&trunkRemove{platform: at, Name: "carrier-a"}).Run(),
		"replace": (&trunkAdd{platform: at, Name: "carrier-a", IP: []string{"192.0.2.9"}, Replace: true}).Run(),
	} {
		if err == nil || err.Error() != "somebody changed trunk carrier-a meanwhile, and nothing of yours was done: look at it with holdfast trunk list, then try again" {
			t.Errorf("%s: %v", what, err)
		}
	}
	slices.Sort(asked)
	if want := []string{`DELETE "as read"`, `POST "as read"`}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q", asked)
	}
	if err := (&trunkRemove{platform: at, Name: "carrier-b"}).Run(); err == nil || err.Error() != "no trunk carrier-b is listed: There is no such trunk: Nothing was done." {
		t.Errorf("of nobody: %v", err)
	}
}

func TestMigrateMakesADatabaseReadyAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if text, status := m.command("migrate"); status != 1 || !strings.Contains(text, "HOLDFAST_DATABASE_URL is not set") {
		t.Errorf("without a database: %d, %q", status, text)
	}
	s, err := servers.Start(t.Context(), servers.Config{Data: m.data, SkipRedis: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	m.env = append(m.env, "HOLDFAST_DATABASE_URL="+s.DatabaseURL)
	for range 2 {
		if text, status := m.command("migrate"); status != 0 || !strings.HasPrefix(text, "the database has schema ") {
			t.Fatalf("%d, %q", status, text)
		}
	}
}
