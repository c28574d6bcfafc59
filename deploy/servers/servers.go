package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// Names of the two servers, as in log lines, process id files and [Servers.Down].
const (
	Postgres = "postgres"
	Redis    = "redis"
)

// startLimit bounds the wait for both servers: initdb takes a second, crash recovery of a large cluster takes longer.
const startLimit = 60 * time.Second

// Config says where the servers live and how they are found.
type Config struct {
	Data         string // the data folder; made when it does not exist
	Binaries     string // folder that holds postgres and initdb; "" looks in PATH and /usr/lib/postgresql/*/bin
	SkipPostgres bool   // a database is given from outside
	SkipRedis    bool   // a Redis is given from outside
	Log          *slog.Logger
}

// Servers are the running private servers. Stop ends them.
type Servers struct {
	// DatabaseURL connects as the owner of the private database, for migrations only; "" when skipped.
	DatabaseURL string
	// RedisURL is understood by redis.ParseURL; "" when skipped.
	RedisURL string

	children []*child
	release  func() error
	stop     sync.Once
	stopErr  error
}

// Start brings up the private servers and returns when both answer. Every error is one line for the person at the
// terminal: ErrLocked, ErrMissing, ErrVersion and ErrFolder say which kind. A failed start leaves nothing running.
func Start(ctx context.Context, cfg Config) (*Servers, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	release, err := Lock(cfg.Data, "lock")
	if err != nil {
		return nil, err
	}
	s := &Servers{release: release}
	if cfg.Data, err = realPath(cfg.Data); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Servers) start(ctx context.Context, cfg Config) error {
	if cfg.SkipPostgres && cfg.SkipRedis {
		return nil
	}
	user, err := unprivileged()
	if err != nil {
		return err
	}
	if err := mayEnter(cfg.Data, user); err != nil {
		return err
	}
	sockets, err := socketFolder(cfg.Data, user)
	if err != nil {
		return err
	}
	at := place{data: cfg.Data, sockets: sockets, user: user, log: cfg.Log}
	if !cfg.SkipRedis {
		r, err := at.redis()
		if err != nil {
			return err
		}
		s.RedisURL = r.url
		s.children = append(s.children, r.child)
	}
	if !cfg.SkipPostgres {
		p, err := at.postgres(ctx, cfg.Binaries)
		if err != nil {
			return err
		}
		s.DatabaseURL = p.url
		s.children = append(s.children, p.child)
	}
	for _, c := range s.children {
		c.start()
	}
	for _, c := range s.children {
		if err := c.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Running is the owner's address of the private database that another process keeps running on a data folder.
func Running(data string) (databaseURL string, err error) {
	if data, err = realPath(data); err != nil {
		return "", err
	}
	user, err := unprivileged()
	if err != nil {
		return "", err
	}
	sockets, err := socketFolder(data, user)
	if err != nil {
		return "", err
	}
	return place{data: data, sockets: sockets, user: user}.databaseURL(databaseName), nil
}

// Stop ends both servers, waits for them, and gives the folder free. It may be repeated.
func (s *Servers) Stop() error {
	s.stop.Do(func() {
		var wait sync.WaitGroup
		for _, c := range s.children {
			wait.Go(c.stop)
		}
		wait.Wait()
		s.stopErr = s.release()
	})
	return s.stopErr
}

// Down kills the named server as a crash would (SIGKILL) and keeps it down until Up: for drills and fault tests.
func (s *Servers) Down(name string) error { return s.hold(name, true) }

// Up lets a server that was taken Down run again. It does not wait until the server answers.
func (s *Servers) Up(name string) error { return s.hold(name, false) }

func (s *Servers) hold(name string, held bool) error {
	for _, c := range s.children {
		if c.name == name {
			c.hold(held)
			return nil
		}
	}
	return fmt.Errorf("no private server %q runs here", name)
}

// realPath is absolute and without links, as the kernel names a process's working folder.
func realPath(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return folder, nil
}
