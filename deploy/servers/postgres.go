package servers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	ownerRole    = "holdfast_owner" // initdb's superuser; only migrations use it
	databaseName = "holdfast"
	orphanLimit  = 20 * time.Second // for a server that outlived its supervisor to finish its shutdown
)

// place is where the servers live and as whom.
type place struct {
	data, sockets string
	user          account
	log           *slog.Logger
}

// server is a child ready to start, with the address it will have.
type server struct {
	url   string
	child *child
}

// postgres prepares the cluster, making it in an empty folder.
func (p place) postgres(ctx context.Context, flag string) (server, error) {
	cluster := filepath.Join(p.data, "postgres")
	want, err := clusterVersion(cluster)
	if err != nil {
		return server{}, err
	}
	in, err := findPostgres(ctx, flag, want)
	if err != nil {
		return server{}, err
	}
	if want == 0 {
		if err := p.initdb(ctx, in, cluster); err != nil {
			return server{}, err
		}
	}
	if err := ownFolder(cluster, p.user); err != nil {
		return server{}, err
	}
	c := &child{
		name: Postgres, log: p.log, pidFile: filepath.Join(p.data, "run", "postgres.pid"),
		command:    func() *exec.Cmd { return p.postmaster(in, cluster) },
		before:     func() { endOrphan(filepath.Join(cluster, "postmaster.pid"), cluster, syscall.SIGINT, p.log) },
		ping:       func(ctx context.Context) error { return p.ensureDatabase(ctx) },
		stopSignal: syscall.SIGINT,  // fast shutdown: sessions end, a checkpoint is written
		hardSignal: syscall.SIGQUIT, // immediate shutdown: recovery at the next start
	}
	return server{url: p.databaseURL(databaseName), child: c}, nil
}

// clusterVersion reads PG_VERSION; 0 when there is no cluster yet.
func clusterVersion(cluster string) (int, error) {
	raw, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(cluster)
		if err == nil && len(entries) > 0 {
			return 0, fmt.Errorf("%w: %s holds files but no database (PG_VERSION is missing); nothing was touched", ErrFolder, cluster)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0, fmt.Errorf("%w: %s/PG_VERSION is unreadable; nothing was touched", ErrVersion, cluster)
	}
	return major, nil
}

// initdb makes a durable cluster beside its place and renames it when it is whole.
func (p place) initdb(ctx context.Context, in installation, cluster string) error {
	fresh := cluster + ".new"
	if err := os.RemoveAll(fresh); err != nil { // left by a start that was cut short; never was a database
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := ownFolder(fresh, p.user); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(in.folder, "initdb"), "--pgdata", fresh, "--username", ownerRole,
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--auth-local", "trust", "--auth-host", "reject", "--data-checksums")
	cmd.Dir = fresh
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = attributes(p.user, syscall.SIGKILL)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: initdb: %w: %s", ErrFailed, err, lastLine(out))
	}
	if err := os.Remove(cluster); err != nil && !errors.Is(err, os.ErrNotExist) { // an empty folder at most
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := os.Rename(fresh, cluster); err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return syncFolder(p.data)
}

// postmaster is the command of the server: sockets only, modest memory, no files of settings to edit.
func (p place) postmaster(in installation, cluster string) *exec.Cmd {
	settings := []string{
		"listen_addresses=",
		"unix_socket_directories=" + p.sockets,
		"unix_socket_permissions=0700",
		"max_connections=100",
		"shared_buffers=64MB",
		"password_encryption=scram-sha-256",
		"log_line_prefix=",
		"logging_collector=off",
		"log_statement=none", // passwords of roles are set by statements
		"log_min_error_statement=panic",
		"restart_after_crash=on",
	}
	args := []string{"-D", cluster}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(in.folder, "postgres"), args...) //nolint:noctx // its life is the supervisor's, ended by signals in order
	cmd.Dir = cluster
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = attributes(p.user, syscall.SIGINT)
	return cmd
}

// databaseURL is the owner's address of a database of this cluster.
func (p place) databaseURL(name string) string {
	q := url.Values{"host": {p.sockets}, "port": {"5432"}, "sslmode": {"disable"}}
	return (&url.URL{Scheme: "postgres", User: url.User(ownerRole), Path: "/" + name, RawQuery: q.Encode()}).String()
}

// ensureDatabase makes the database when the cluster is new; it is also the question whether the server answers.
func (p place) ensureDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.databaseURL(databaseName))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "3D000" { // invalid_catalog_name: not made yet
		conn, err = pgx.Connect(ctx, p.databaseURL("postgres"))
		if err == nil {
			_, err = conn.Exec(ctx, "CREATE DATABASE "+databaseName)
		}
	}
	if conn != nil {
		_ = conn.Close(ctx) // a question only
	}
	if err != nil {
		return fmt.Errorf("ask postgres: %w", err)
	}
	return nil
}

// endOrphan ends a server that outlived its supervisor, and removes a process id file whose number now belongs to
// somebody else (after a restart of the machine or container), which would keep PostgreSQL from starting. Only a
// process whose working folder is ours is signalled. We hold the folder's lock, so no living supervisor owns it.
func endOrphan(pidFile, folder string, signal syscall.Signal, log *slog.Logger) {
	raw, err := os.ReadFile(pidFile)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(string(raw), "\n", 2)[0]))
	if err != nil || pid <= 1 || pid == os.Getpid() {
		return
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return // dead: the server itself knows best how to take over what a dead one left
	}
	at, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || at != folder {
		if removed := os.Remove(pidFile); removed == nil {
			log.Info("removed a stale process id file", "file", pidFile)
		}
		return
	}
	log.Warn("ending a server that outlived its supervisor", "pid", pid)
	_ = syscall.Kill(pid, signal) // gone in between is as good
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(orphanLimit); time.Now().Before(deadline); <-tick.C {
		if at, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || at != folder {
			return
		}
	}
	log.Error("a server that outlived its supervisor does not end", "pid", pid)
}

// cleanEnv leaves out PG* variables, which would change where servers and clients connect.
func cleanEnv() []string {
	env := []string{"LC_ALL=C.UTF-8", "TZ=UTC"}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "PATH=") || strings.HasPrefix(v, "LD_LIBRARY_PATH=") {
			env = append(env, v)
		}
	}
	return env
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: sync %s: %w", ErrFolder, dir, err)
	}
	return nil
}
