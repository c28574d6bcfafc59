// Package containers runs a PostgreSQL and a Redis for tests in containers, by testcontainers-go, so that the same tests that
// run on the machine's own servers also run on images such as a customer has.
//
// Each pair uses the machine's network and a loopback address of its own: nothing is mapped, and a server that was killed
// comes back where it was. The images are HOLDFAST_POSTGRES_IMAGE and HOLDFAST_REDIS_IMAGE; by default those that
// deploy/images/bake makes. They take the settings of the official images, which do as well.
package containers

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/redis/go-redis/v9"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"holdfast/deploy/servers"
)

const (
	postgresImage = "holdfast-postgres:15"
	redisImage    = "holdfast-redis:7"
	owner         = "holdfast_owner"
	database      = "holdfast"
	postgresPort  = "5432"
	redisPort     = "6379"

	commandLimit = 60 * time.Second // one order to the daemon, on a busy machine
	readyPoll    = 50 * time.Millisecond
	pingLimit    = 2 * time.Second
	lastWords    = 4 << 10 // bytes of a container's log in an error
)

// Pair is a PostgreSQL and a Redis in containers. Its methods are those of [servers.Servers].
type Pair struct {
	DatabaseURL string // connects as the database's owner
	RedisURL    string

	daemon  *testcontainers.DockerProvider
	running map[string]testcontainers.Container // by name
}

// Start brings up a pair and returns when both answer. A failed start leaves nothing running.
func Start(ctx context.Context) (*Pair, error) {
	daemon, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		return nil, fmt.Errorf("no Docker daemon: %w", err)
	}
	host, err := address(ctx)
	if err != nil {
		return nil, errors.Join(err, daemon.Close())
	}
	password := rand.Text()
	p := &Pair{
		DatabaseURL: (&url.URL{
			Scheme: "postgres", User: url.UserPassword(owner, password), Host: net.JoinHostPort(host, postgresPort),
			Path: "/" + database, RawQuery: "sslmode=disable",
		}).String(),
		RedisURL: "redis://" + net.JoinHostPort(host, redisPort),
		daemon:   daemon, running: make(map[string]testcontainers.Container),
	}
	err = errors.Join(
		p.run(ctx, servers.Postgres, testcontainers.ContainerRequest{
			Image: cmp.Or(os.Getenv("HOLDFAST_POSTGRES_IMAGE"), postgresImage),
			Env:   map[string]string{"POSTGRES_USER": owner, "POSTGRES_PASSWORD": password, "POSTGRES_DB": database},
			Cmd:   []string{"postgres", "-c", "listen_addresses=" + host},
		}),
		p.run(ctx, servers.Redis, testcontainers.ContainerRequest{
			Image: cmp.Or(os.Getenv("HOLDFAST_REDIS_IMAGE"), redisImage),
			Cmd:   []string{"redis-server", "--bind", host, "--save", "", "--appendonly", "no"},
		}))
	if err == nil {
		err = errors.Join(p.until(ctx, servers.Redis, p.askRedis), p.until(ctx, servers.Postgres, p.askPostgres))
	}
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// last is the end of what a container has said.
func (p *Pair) last(name string) string {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	log, err := p.running[name].Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = log.Close() }()
	said, err := io.ReadAll(io.LimitReader(log, lastWords))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(said))
}

func (p *Pair) run(ctx context.Context, name string, request testcontainers.ContainerRequest) error {
	request.HostConfigModifier = func(c *container.HostConfig) { c.NetworkMode = "host" }
	made, err := p.daemon.RunContainer(ctx, request)
	if made != nil {
		p.running[name] = made
	}
	if err != nil {
		return fmt.Errorf("container of %s: %w", name, err)
	}
	return nil
}

// Stop ends and removes both. It may be repeated.
func (p *Pair) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	var all []error
	for name, c := range p.running {
		if err := c.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
			all = append(all, fmt.Errorf("end %s: %w", name, err))
		}
		delete(p.running, name)
	}
	return errors.Join(append(all, p.daemon.Close())...)
}

// Down kills the named server as a crash would (SIGKILL) and keeps it down until Up.
func (p *Pair) Down(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	_, err := p.daemon.Client().ContainerKill(ctx, p.id(name), client.ContainerKillOptions{Signal: "KILL"})
	if err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return nil
}

// Up lets a server that was taken Down run again. It does not wait until the server answers.
func (p *Pair) Up(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	if _, err := p.daemon.Client().ContainerStart(ctx, p.id(name), client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start %s again: %w", name, err)
	}
	return nil
}

// id is a container's, or nothing that Docker knows.
func (p *Pair) id(name string) string {
	if c, ok := p.running[name]; ok {
		return c.GetContainerID()
	}
	return "no-" + name
}

func (p *Pair) askPostgres(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.DatabaseURL)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (p *Pair) askRedis(ctx context.Context) error {
	options, err := redis.ParseURL(p.RedisURL)
	if err != nil {
		return err
	}
	options.MaxRetries = -1
	asker := redis.NewClient(options)
	defer func() { _ = asker.Close() }() // a question only
	return asker.Ping(ctx).Err()
}

// until asks again and again, until there is an answer, the container has ended, or ctx ends.
func (p *Pair) until(ctx context.Context, name string, ask func(context.Context) error) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, pingLimit)
		err := ask(one)
		cancel()
		if err == nil {
			return nil
		}
		if state, gone := p.running[name].State(ctx); gone == nil && !state.Running {
			return fmt.Errorf("the container of %s has ended: %s", name, p.last(name))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s in its container does not answer: %w (it says: %s)", name, err, p.last(name))
		}
	}
}

// made counts the pairs of this process.
var made atomic.Int64

// address finds a loopback address on which nobody has a database: 127.200 to 127.249, by process and count.
func address(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	for range 100 {
		host := fmt.Sprintf("127.%d.%d.%d", 200+os.Getpid()%50, os.Getpid()/50%250, 1+made.Add(1)%250)
		door, err := listen.Listen(ctx, "tcp", net.JoinHostPort(host, postgresPort))
		if err != nil {
			continue
		}
		return host, door.Close()
	}
	return "", errors.New("no loopback address is free for a database")
}
