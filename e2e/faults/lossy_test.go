package faults

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/bench/load"
	"holdfast/e2e/harness"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

const (
	lossShare   = 0.05
	dupShare    = 0.01
	jitterMost  = 80 * time.Millisecond
	pulseHz     = 700
	pulseEvery  = time.Second
	pulseLong   = 200 * time.Millisecond
	alignedBar  = 50 * time.Millisecond
	pulsesLeast = 6
)

// pulses speaks over a bad line until stop is closed: a short tone at the beginning of each second, of which packets are lost,
// late, early and there twice.
func pulses(conn *net.UDPConn, to netip.AddrPort, stop <-chan struct{}) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a story, not a secret
	began, phase := time.Now(), 0.0
	tick := time.NewTicker(media.FrameTime)
	defer tick.Stop()
	for sent := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for ; sent < int(time.Since(began)/media.FrameTime); sent++ {
			pcm := make([]int16, media.FrameBytes)
			if time.Duration(sent)*media.FrameTime%pulseEvery < pulseLong {
				for i := range pcm {
					pcm[i] = int16(8000 * math.Sin(phase))
					phase = math.Mod(phase+2*math.Pi*pulseHz/media.SampleRate, 2*math.Pi)
				}
			}
			packet := make([]byte, 12, 12+media.FrameBytes) // RFC 3550 section 5.1
			packet[0] = 0x80
			binary.BigEndian.PutUint16(packet[2:], uint16(sent))
			binary.BigEndian.PutUint32(packet[4:], uint32(sent*media.FrameBytes))
			binary.BigEndian.PutUint32(packet[8:], 7)
			packet = codec.Encode(packet, media.PCMU, pcm)
			if r.Float64() < lossShare {
				continue
			}
			copies := 1
			if r.Float64() < dupShare {
				copies = 2
			}
			for range copies {
				time.AfterFunc(time.Duration(r.Int64N(int64(jitterMost))), func() { _, _ = conn.WriteToUDPAddrPort(packet, to) })
			}
		}
	}
}

func TestOverABadLineAMessageKeepsItsTime(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	l := n.Ledger()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	must(t, err)
	defer func() { _ = conn.Close() }()
	phone, err := load.NewPhone(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort(n.SIP))
	must(t, err)
	defer phone.Close()
	call := phone.Invite(redRock, conn.LocalAddr().(*net.UDPAddr).AddrPort())
	must(t, phone.Settled([]*load.Call{call}))
	stop, spoken := make(chan struct{}), make(chan struct{})
	go func() { defer close(spoken); pulses(conn, call.Media, stop) }()
	api := n.SignIn(demo.MesaAdmin)
	harness.Eventually(t, 15*time.Second, "the message is being recorded", func() bool {
		var calls struct {
			Items []harness.Record `json:"items"`
		}
		api.Get("/calls?state=live", &calls)
		return len(calls.Items) == 1 && calls.Items[0].State == "recording"
	})
	harness.Pass(t, 8*time.Second)
	phone.Bye(call)
	must(t, phone.Settled([]*load.Call{call}))
	close(stop)
	<-spoken

	var found struct {
		Items []harness.Message `json:"items"`
	}
	harness.Eventually(t, booksBar, "the voicemail is listed", func() bool {
		api.Get("/voicemails", &found)
		return len(found.Items) == 1
	})
	samples, sum, err := api.Audio(t.TempDir(), found.Items[0].ID)
	must(t, err)
	if sum != found.Items[0].SHA256 {
		t.Error("the audio is not what was stored")
	}
	begins := onsets(samples)
	if len(begins) < pulsesLeast {
		t.Fatalf("%d pulses in %d ms", len(begins), found.Items[0].DurationMS)
	}
	for i, at := range begins {
		seconds := (at - begins[0]).Round(pulseEvery)
		if off := at - begins[0] - seconds; off.Abs() > alignedBar {
			t.Errorf("pulse %d is %v beside its time", i, off)
		}
	}
	l.Others(call.From(), 1)
	l.Balance(booksBar)
}

// onsets is when the pulses begin.
func onsets(samples []int16) (all []time.Duration) {
	const step = media.FrameBytes
	quiet := 100
	for at := 0; at+step <= len(samples); at += step {
		if !sound.Has(samples[at:at+step], pulseHz) {
			quiet++
			continue
		}
		if quiet >= 10 {
			all = append(all, time.Duration(at)*time.Second/media.SampleRate)
		}
		quiet = 0
	}
	return all
}
