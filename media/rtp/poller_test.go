package rtp

import (
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
)

// alone gives an engine an address of its own: it has more ports than are set apart for one test.
func alone(at string) func(*Config) {
	return func(c *Config) { c.Bind = netip.MustParseAddr(at) }
}

func TestManyCallsCostNoGoroutineEach(t *testing.T) {
	e := engine(t, 200, alone("127.0.7.2"))
	before := runtime.NumGoroutine()
	for range 200 {
		if _, err := e.Open(home); err != nil {
			t.Fatal(err)
		}
	}
	if more := runtime.NumGoroutine() - before; more > runtime.GOMAXPROCS(0) {
		t.Errorf("200 calls took %d goroutines", more)
	}
}

// occupied makes the only poller of an engine busy until the test lets it go on.
func occupied(t *testing.T, e *Engine) (release func()) {
	t.Helper()
	k := open(t, e, media.PCMU)
	in, out := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(in); <-out })
	k.Receive(sinkFunc(func(media.Frame) { once() }))
	k.peer.Tone(k.Addr(), 440, 1)
	<-in
	return func() { close(out) }
}

func TestWhatComesWhileAPollerIsBusyIsReadAllTheSame(t *testing.T) {
	t.Parallel()
	e := engine(t, 2, nil)
	k := open(t, e, media.PCMU)
	release := occupied(t, e)
	const burst = 50 // more than is read at once
	k.peer.Tone(k.Addr(), 440, burst)
	release()
	k.heard.WaitFrames(t, burst, limit)
	k.peer.Tone(k.Addr(), 440, 1) // and the port is listened to as before
	k.heard.WaitFrames(t, burst+1, limit)
}

func TestAPortThatWasClosedSendsNothingByWhatIsAnothersNow(t *testing.T) {
	t.Parallel()
	e := engine(t, 40, alone("127.0.7.3"))
	for range 5 {
		var group sync.WaitGroup
		gone := open(t, e, media.PCMU)
		group.Go(func() {
			tone := mediatest.NewTone(media.PCMU, 440)
			for gone.Stats().Sent < 20 {
				gone.Audio(tone.Next())
			}
			gone.Close()
			for range 200 {
				_ = gone.rtp.Send(gone.peer.Addr(), []byte("not from here"))
			}
		})
		group.Wait()
		next := open(t, e, media.PCMU) // the descriptors are given anew
		if err := gone.rtp.Send(next.peer.Addr(), []byte("not from here")); err == nil {
			t.Fatal("a closed port sends")
		}
		next.Close()
	}
}

func TestCallsComeAndGoWhileOthersTalk(t *testing.T) {
	t.Parallel()
	e := engine(t, 60, func(c *Config) {
		alone("127.0.7.4")(c)
		c.Quiet = time.Millisecond
	})
	a, b := open(t, e, media.PCMU), open(t, e, media.PCMA)
	a.Receive(b)
	a.peer.Talk(a.Addr(), 440)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				s, err := e.Open(home)
				if err != nil {
					continue // all are resting for the moment
				}
				s.Set(agreedAt(b.peer.Addr(), media.PCMU))
				s.Close()
			}
		})
	}
	group.Wait()
	b.peer.Heard.Forget()
	b.peer.Heard.WaitTone(t, 440, limit)
	if lost := b.peer.Heard.Lost(); lost != 0 {
		t.Errorf("%d packets lost", lost)
	}
	a.Close()
	b.Close()
}

func TestMediaOverIPv6(t *testing.T) {
	t.Parallel()
	lo := netip.IPv6Loopback()
	e := engine(t, 2, func(c *Config) { c.Bind = lo })
	var legs [2]*Session
	heard := mediatest.NewProbe()
	for i := range legs {
		s, err := e.Open([]netip.Prefix{netip.PrefixFrom(lo, 128)})
		if err != nil {
			t.Logf("no IPv6 here, which nobody can do anything about: %v", err)
			return
		}
		legs[i] = s
	}
	legs[0].Set(agreedAt(legs[1].Addr(), media.PCMU))
	legs[1].Set(agreedAt(legs[0].Addr(), media.PCMU))
	legs[1].Receive(heard)
	tone := mediatest.NewTone(media.PCMU, 440)
	for range 50 {
		legs[0].Audio(tone.Next())
	}
	heard.WaitFrames(t, 50, limit)
	if from := legs[1].Stats(); from.Received != 50 || from.Dropped != 0 {
		t.Errorf("%+v", from)
	}
}

func TestAFloodAtOnePortCostsNoOtherCallAPacket(t *testing.T) {
	t.Parallel()
	e := engine(t, 3, nil)
	flooded, a, b := open(t, e, media.PCMU), open(t, e, media.PCMU), open(t, e, media.PCMU)
	a.Receive(b)
	stranger := mediatest.NewCarrier(t, outside, media.PCMU)
	packet := stranger.Packet(make([]byte, media.FrameBytes), nil)
	over := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				stranger.Send(flooded.Addr(), packet)
			}
		}
	})
	dropped(t, e, "stranger", 1000)
	a.peer.Talk(a.Addr(), 440)
	b.peer.Heard.WaitFrames(t, 50, limit)
	close(over)
	group.Wait()
	if lost := b.peer.Heard.Lost(); lost != 0 {
		t.Errorf("%d packets of another call are lost", lost)
	}
	flooded.peer.Talk(flooded.Addr(), 440) // its socket is still full of the flood: the first packets may not get in
	flooded.heard.WaitFrames(t, 1, limit)
}
