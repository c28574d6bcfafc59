package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"holdfast/deploy/schema"
	"holdfast/deploy/servers"
)

// upCmd is "holdfast up": everything on this machine, without configuration.
type upCmd struct{}

// Run keeps private PostgreSQL, private Redis and the service running until a signal comes: the first lets live calls end,
// the second ends them. Nothing that was started here outlives it.
func (upCmd) Run() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	ends := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup means it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, ends...)
	defer signal.Stop(signals)

	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	stores, err := servers.Start(ctx, servers.Config{
		Data: s.Data, SkipPostgres: s.DatabaseURL != "", SkipRedis: s.RedisURL != "", Log: log,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped while it started: that is no failure
		}
		return err
	}
	return errors.Join(serveOn(ctx, s, stores, signals, log), stores.Stop())
}

// serveOn runs the service on the stores until a signal comes.
func serveOn(ctx context.Context, s *settings, stores *servers.Servers, signals <-chan os.Signal, log *slog.Logger) error {
	if s.DatabaseURL == "" {
		// Here and not only in the service, which would answer calls and wait: nobody is to wait for a database that a
		// newer build has changed.
		secret, err := schema.Secret(stores.DatabaseURL, s.dir("keys"))
		if err != nil {
			return err
		}
		if err := schema.Migrate(ctx, stores.DatabaseURL, secret); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // stopped while it started
			}
			return err
		}
	}
	service, err := newService(s, stores, log)
	if err != nil {
		return err
	}
	return service.run(signals)
}

// newService is the service as a child of this process, told where the private stores are.
func newService(s *settings, stores *servers.Servers, log *slog.Logger) (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	v := &service{
		program: self, args: []string{"serve"}, env: append(os.Environ(), dataVariable+s.Data),
		pidFile: filepath.Join(s.Data, "run", "holdfast.pid"), drain: s.Drain, log: log,
	}
	if s.DatabaseURL == "" {
		v.env = append(v.env, "HOLDFAST_DATABASE_URL="+stores.DatabaseURL)
	}
	if s.RedisURL == "" {
		v.env = append(v.env, "HOLDFAST_REDIS_URL="+stores.RedisURL)
	}
	if s.Demo == "" && s.loopback() {
		v.env = append(v.env, "HOLDFAST_DEMO=1")
	}
	v.endOrphan(s.Data)
	return v, s.free()
}

// free says in one line which port is taken, before anything tries to serve there.
func (s *settings) free() error {
	var listen net.ListenConfig
	for _, want := range []struct{ name, network, address string }{
		{"HOLDFAST_HTTP", "tcp", s.HTTP}, {"HOLDFAST_SIP", "tcp", s.SIP}, {"HOLDFAST_SIP", "udp", s.SIP},
	} {
		var door interface{ Close() error }
		var err error
		if want.network == "tcp" {
			door, err = listen.Listen(context.Background(), want.network, want.address)
		} else {
			door, err = listen.ListenPacket(context.Background(), want.network, want.address)
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s: another program uses %s port %s; stop it, or set %s to another address", want.name, want.network, want.address, want.name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", want.name, err)
		}
		if err := door.Close(); err != nil {
			return fmt.Errorf("%s: %w", want.name, err)
		}
	}
	return nil
}
