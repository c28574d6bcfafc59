package servers

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// redis prepares the private Redis: a unix socket, no persistence (an index that every node can rebuild), no eviction.
func (p place) redis() (server, error) {
	binary, err := findRedis()
	if err != nil {
		return server{}, err
	}
	socket := filepath.Join(p.sockets, "redis.sock")
	pidFile := filepath.Join(p.data, "run", "redis.pid")
	address := (&url.URL{Scheme: "unix", Path: socket}).String()
	c := &child{
		name: Redis, log: p.log, pidFile: pidFile,
		command: func() *exec.Cmd {
			cmd := exec.Command(binary, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", //nolint:noctx // its life is the supervisor's, ended by signals in order
				"--save", "", "--appendonly", "no", "--dir", p.sockets, "--daemonize", "no",
				"--maxmemory-policy", "noeviction", "--loglevel", "warning")
			cmd.Dir = p.sockets
			cmd.Env = cleanEnv()
			cmd.SysProcAttr = attributes(p.user, syscall.SIGTERM)
			return cmd
		},
		before:     func() { endOrphan(pidFile, p.sockets, syscall.SIGTERM, p.log) },
		ping:       func(ctx context.Context) error { return askRedis(ctx, address) },
		stopSignal: syscall.SIGTERM,
		hardSignal: syscall.SIGKILL,
	}
	return server{url: address, child: c}, nil
}

func askRedis(ctx context.Context, address string) error {
	options, err := redis.ParseURL(address)
	if err != nil {
		return fmt.Errorf("redis address: %w", err)
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }() // a question only
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ask redis: %w", err)
	}
	return nil
}
