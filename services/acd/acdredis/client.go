package acdredis

import (
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// hush keeps the library from writing to standard error on its own: what matters is logged here, once an outage.
var hush = sync.OnceFunc(logging.Disable)

// Time limits towards Redis. A local server answers in a fraction of a millisecond; one that takes longer than these is
// treated as away, and the work goes on without it.
const (
	dialLimit = 500 * time.Millisecond
	readLimit = 200 * time.Millisecond
)

// Open returns a client with short limits and no retries; it does not connect yet. The address is as redis.ParseURL
// takes it, unix sockets included. Whoever opens it closes it, after the [Index] and the [Bus] were stopped.
func Open(address string) (*redis.Client, error) {
	hush()
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("redis address: %w", err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialLimit, readLimit, readLimit, readLimit
	o.MaxRetries, o.DialerRetries = -1, 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}
