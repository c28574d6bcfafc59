package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/emiago/diago"
	"github.com/emiago/diago/media"
	"github.com/emiago/sipgo"
)

// Diago serves on host until standard input ends: callers of "aN" and "bN" are bridged.
func Diago(host string) error {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	media.SetDefaultLogger(quiet)
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("diago"))
	if err != nil {
		return fmt.Errorf("diago: %w", err)
	}
	defer func() { _ = ua.Close() }()
	dg := diago.NewDiago(ua, diago.WithLogger(quiet), diago.WithTransport(diago.Transport{
		Transport: "udp", BindHost: host, BindPort: 5060,
	}))
	var mu sync.Mutex
	bridges := map[string]*diago.Bridge{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := dg.ServeBackground(ctx, func(d *diago.DialogServerSession) {
		if err := d.Answer(); err != nil {
			return
		}
		name := strings.TrimLeft(d.ToUser(), "ab")
		mu.Lock()
		b := bridges[name]
		if b == nil {
			fresh := diago.NewBridge()
			b = &fresh
			bridges[name] = b
		}
		err := b.AddDialogSession(d)
		mu.Unlock()
		if err == nil {
			<-d.Context().Done()
		}
	}); err != nil {
		return fmt.Errorf("diago: %w", err)
	}
	return control(host, nil)
}
