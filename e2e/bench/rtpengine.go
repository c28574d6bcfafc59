package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/bench/serve"
)

// rtpengine is the name of the program, of Debian's package rtpengine-daemon, and of its figures.
const rtpengine = "rtpengine"

// ngPort is where it is asked for bridges.
const ngPort = "2223"

// installed is a contest without the rivals that this machine lacks.
func installed(c contest) contest {
	if _, err := exec.LookPath(rtpengine); err != nil {
		note("%s: without rtpengine, which is not installed (on Debian: apt-get install --no-install-recommends rtpengine-daemon)", c.name)
		c.rivals = slices.DeleteFunc(slices.Clone(c.rivals), func(r rival) bool { return r.name == rtpengine })
	}
	return c
}

// startRTPEngine runs rtpengine in user space on the server's cores, with what suits it best where that is a matter of choice:
//
//   - one worker thread a core (its own choice, at least four, was tried on one core: a packet costs it the same or more);
//   - addresses are believed from the first packet on, not looked at anew for three seconds;
//   - no kernel module, no recording, no log but of errors, and no time-out that could end a call while it is measured.
func startRTPEngine(ctx context.Context, cores int) (*process, *load.RTPEngine, error) {
	const never = "86400" // seconds
	host := host(0)
	ng := host + ":" + ngPort
	p, err := start(ctx, cores, host, "", nil, rtpengine, "--config-file=none", "--foreground", "--log-stderr", "--log-level=3",
		"--table=-1", "--interface="+host, "--listen-ng="+ng,
		"--port-min="+strconv.Itoa(serve.PortLow), "--port-max="+strconv.Itoa(serve.PortHigh),
		"--num-threads="+strconv.Itoa(cores), "--endpoint-learning=immediate",
		"--timeout="+never, "--silent-timeout="+never, "--offer-timeout="+never)
	if err != nil {
		return nil, nil, err
	}
	engine, err := load.NewRTPEngine(netip.MustParseAddrPort(ng))
	if err == nil {
		limit, release := context.WithTimeout(ctx, readyIn)
		defer release()
		ready, cancel := context.WithCancelCause(limit)
		defer cancel(nil)
		go func() { // nobody needs to wait for one that has failed
			select {
			case <-p.ended:
				cancel(errors.New("it ended at once"))
			case <-ready.Done():
			}
		}()
		if err = engine.Ready(ready); err == nil {
			return p, engine, nil
		}
		engine.Close()
	}
	p.stop()
	return nil, nil, fmt.Errorf("%w:\n%s", err, p.log)
}

// engine lets rtpengine join callers with operators in plain RTP.
func (s *stage) engine(ctx context.Context, first, end int) error {
	return s.relayed(ctx, end-first, false)
}

// engineSRTP does the same with operators in SRTP.
func (s *stage) engineSRTP(ctx context.Context, first, end int) error {
	return s.relayed(ctx, end-first, true)
}

func (s *stage) relayed(ctx context.Context, calls int, secure bool) error {
	for range calls {
		if err := s.asker.Bridge(ctx, s.studio, secure); err != nil {
			return err
		}
	}
	return nil
}
