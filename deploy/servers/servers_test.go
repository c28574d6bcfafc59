package servers

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// supervise makes this test binary a supervisor of the folder that it names, to be killed.
const supervise = "HOLDFAST_TEST_SUPERVISE"

func TestMain(m *testing.M) {
	if data := os.Getenv(supervise); data != "" {
		if _, err := Start(context.Background(), Config{Data: data, Log: quiet()}); err != nil {
			_, _ = os.Stdout.WriteString(err.Error())
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("up\n")
		<-make(chan struct{}) // until killed
	}
	goleak.VerifyTestMain(m)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// folder makes a data folder that an unprivileged user can enter, which t.TempDir's is not under root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hf-servers-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, data string) *Servers {
	t.Helper()
	s, err := Start(t.Context(), Config{Data: data, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func query(ctx context.Context, url, sql string) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var out string
	err = conn.QueryRow(ctx, sql).Scan(&out)
	return out, err
}

// eventually waits for a condition of another process, which nothing can announce to us.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 20 s", what)
}

func pidOf(t *testing.T, data, name string) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(data, "run", name+".pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestServersStartFromNothingKeepDataAndStopCompletely(t *testing.T) {
	data := folder(t)
	began := time.Now()
	s := start(t, data)
	t.Logf("from an empty folder: %v", time.Since(began))
	if out, err := query(t.Context(), s.DatabaseURL, "SHOW fsync"); err != nil || out != "on" {
		t.Fatalf("fsync = %q, %v: the database must be durable", out, err)
	}
	if out, err := query(t.Context(), s.DatabaseURL, "SELECT datcollate FROM pg_database WHERE datname = current_database()"); err != nil || out != "C.UTF-8" {
		t.Fatalf("collation %q, %v", out, err)
	}
	if _, err := query(t.Context(), s.DatabaseURL, "CREATE TABLE kept AS SELECT 'one' AS value"); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	pids := []int{pidOf(t, data, Postgres), pidOf(t, data, Redis)}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatalf("a repeated stop: %v", err)
	}
	for _, pid := range pids {
		if pid == 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			t.Errorf("process %d still runs after Stop", pid)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(data, "run", "*.pid")); len(left) > 0 {
		t.Errorf("process id files left: %v", left)
	}
	began = time.Now()
	s = start(t, data)
	t.Logf("warm: %v", time.Since(began))
	if out, err := query(t.Context(), s.DatabaseURL, "SELECT value FROM kept"); err != nil || out != "one" {
		t.Fatalf("after a restart: %q, %v", out, err)
	}
}

func TestASecondStartOnTheSameFolderIsRefusedAndTheFirstGoesOn(t *testing.T) {
	data := folder(t)
	s := start(t, data)
	_, err := Start(t.Context(), Config{Data: data, Log: quiet()})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("second start: %v", err)
	}
	if _, err := query(t.Context(), s.DatabaseURL, "SELECT 'alive'"); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledServerComesBackByItself(t *testing.T) {
	data := folder(t)
	s := start(t, data)
	for _, name := range []string{Postgres, Redis} {
		before := pidOf(t, data, name)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" back", func() bool {
			now := pidOf(t, data, name)
			return now != 0 && now != before
		})
	}
	eventually(t, "postgres answers", func() bool {
		_, err := query(t.Context(), s.DatabaseURL, "SELECT 'alive'")
		return err == nil
	})
	eventually(t, "redis answers", func() bool { return askRedis(t.Context(), s.RedisURL) == nil })
}

func TestAServerTakenDownStaysDownUntilItIsTakenUp(t *testing.T) {
	data := folder(t)
	s := start(t, data)
	for _, name := range []string{Postgres, Redis} {
		if err := s.Down(name); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" gone", func() bool { return pidOf(t, data, name) == 0 })
		if err := s.Up(name); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" back", func() bool { return pidOf(t, data, name) != 0 })
	}
	if err := s.Down("mysql"); err == nil {
		t.Fatal("an unknown server was taken down")
	}
}

func TestDataOfANewerPostgresIsRefusedAndNotTouched(t *testing.T) {
	data := folder(t)
	cluster := filepath.Join(data, "postgres")
	if err := os.Mkdir(cluster, 0o700); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(cluster, "PG_VERSION")
	if err := os.WriteFile(version, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Data: data, Log: quiet()})
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "PostgreSQL 99") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("start: %v", err)
	}
	if raw, err := os.ReadFile(version); err != nil || string(raw) != "99\n" {
		t.Fatalf("PG_VERSION is now %q, %v", raw, err)
	}
}

func TestAFolderThatTheDatabaseUserCannotEnterIsRefusedInOneLine(t *testing.T) {
	if os.Geteuid() != 0 {
		// Without root the servers run as ourselves; the walk itself is tested below for every user.
		return
	}
	closed := filepath.Join(folder(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Data: filepath.Join(closed, "data"), Log: quiet()})
	if !errors.Is(err, ErrFolder) || !strings.Contains(err.Error(), closed) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("start: %v", err)
	}
}

func TestFoldersAreWalkedWithTheRightsOfTheOtherUser(t *testing.T) {
	dir := folder(t)
	stranger := account{name: "stranger", uid: 4242, gid: 4242, other: true}
	if err := mayEnter(dir, stranger); err != nil {
		t.Fatalf("0711: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mayEnter(dir, stranger); !errors.Is(err, ErrFolder) {
		t.Fatalf("0700: %v", err)
	}
}

func TestMissingBinariesAreNamedWithThePackage(t *testing.T) {
	_, err := Start(t.Context(), Config{Data: folder(t), Binaries: "/nonexistent", Log: quiet()})
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Fatalf("start: %v", err)
	}
}

func TestAForeignFolderInPlaceOfTheClusterIsNotTouched(t *testing.T) {
	data := folder(t)
	if err := os.Mkdir(filepath.Join(data, "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}
	letter := filepath.Join(data, "postgres", "letter.txt")
	if err := os.WriteFile(letter, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Data: data, Log: quiet()}); !errors.Is(err, ErrFolder) {
		t.Fatalf("start: %v", err)
	}
	if raw, err := os.ReadFile(letter); err != nil || string(raw) != "dear" {
		t.Fatalf("letter is now %q, %v", raw, err)
	}
}

func TestSocketPathsStayShortInDeepFolders(t *testing.T) {
	deep := filepath.Join(folder(t), strings.Repeat("d", 80), strings.Repeat("e", 80))
	if err := os.MkdirAll(filepath.Join(deep, "run"), 0o711); err != nil {
		t.Fatal(err)
	}
	own := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	dir, err := socketFolder(deep, own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if len(dir) > 60 {
		t.Fatalf("socket folder %s", dir)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := socketFolder(deep, own); !errors.Is(err, ErrFolder) {
		t.Fatalf("a folder open to all was taken: %v", err)
	}
}

func TestServersDieWithAKilledSupervisorAndTheNextStartGoesOn(t *testing.T) {
	data := folder(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), supervise+"="+data)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "up\n" {
		t.Fatalf("supervisor: %s", line)
	}
	pids := []int{pidOf(t, data, Postgres), pidOf(t, data, Redis)}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()      // killed
	s := start(t, data) // at once, while the old ones may still be ending
	if out, err := query(t.Context(), s.DatabaseURL, "SELECT 'alive'"); err != nil || out != "alive" {
		t.Fatal(out, err)
	}
	for _, pid := range pids {
		eventually(t, "the old server's end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
}
