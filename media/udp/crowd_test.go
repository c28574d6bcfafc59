package udp

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestACrowdDoesNotMakeAudioLate: hundreds of goroutines want the only core at once, as when many calls begin together. It is counted
// in their turns, which no busy machine changes.
func TestACrowdDoesNotMakeAudioLate(t *testing.T) {
	const (
		crowd   = 2000
		work    = 100 * time.Microsecond // of a turn
		packets = 12
		first   = 3 // come before the crowd was noticed
	)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	net, _ := network(t)
	caller := listening(t, four)
	var turns atomic.Int64
	heard := make(chan int64, 1)
	port := opened(t, net, four, false, func(netip.AddrPort, []byte) { heard <- turns.Load() })
	var over atomic.Bool
	var all sync.WaitGroup
	defer all.Wait()
	defer over.Store(true)
	for range crowd {
		all.Go(func() {
			for !over.Load() {
				for began := time.Now(); time.Since(began) < work; {
					continue
				}
				turns.Add(1)
				runtime.Gosched()
			}
		})
	}
	for n := range packets {
		said := turns.Load()
		caller.say(t, port.Addr(), "late?")
		select {
		case at := <-heard:
			if late := at - said; n >= first && late > crowd/4 {
				t.Errorf("packet %d was taken after %d turns of a crowd of %d", n, late, crowd)
			}
		case <-time.After(limit):
			t.Errorf("packet %d was not taken at all", n)
		}
	}
}
