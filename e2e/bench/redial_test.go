package main

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/e2e/bench/load"
)

// refuses is a server that answers INVITEs, but those of which it decides otherwise: by their number, from 0.
func refuses(t *testing.T, decide func(n int64) (refusal string)) *load.Phone {
	t.Helper()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = server.Close(); <-done })
	var came atomic.Int64
	go func() {
		defer close(done)
		buf := make([]byte, 65535)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if !bytes.HasPrefix(buf[:n], []byte("INVITE ")) {
				continue
			}
			status := decide(came.Add(1) - 1)
			if status == "" {
				status = "200 OK\r\nContact: <sip:me@127.0.0.1:9>"
			}
			answer := "SIP/2.0 " + status + "\r\nTo: <sip:x>;tag=t\r\n"
			for line := range strings.Lines(string(buf[:n])) {
				if strings.HasPrefix(line, "Call-ID:") || strings.HasPrefix(line, "CSeq:") {
					answer += line
				}
			}
			_, _ = server.WriteToUDPAddrPort([]byte(answer+"\r\n"), from)
		}
	}()
	phone, err := load.NewPhone(netip.MustParseAddr("127.0.0.1"), server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(phone.Close)
	return phone
}

func TestWhoIsToldToComeAgainDoes(t *testing.T) {
	t.Parallel()
	const later = "503 Service Unavailable\r\nRetry-After: 0"
	for name, c := range map[string]struct {
		decide func(n int64) string
		want   reached
	}{
		"everybody is answered": {func(int64) string { return "" }, reached{}},
		"some twice": {func(n int64) string {
			if n < 3 || n == 10 {
				return later
			}
			return ""
		}, reached{refused: 3, redialled: 4}},
		"some for good": {func(n int64) string {
			if n < 3 {
				return "486 Busy Here"
			}
			return ""
		}, reached{never: 3}},
		"everybody, always": {func(int64) string { return later }, reached{refused: 10, redialled: 10 * redials, never: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			phone := refuses(t, c.decide)
			got, err := callers{phone, func() *load.Call { return phone.Invite("record", netip.MustParseAddrPort("127.0.0.1:9")) }, 1000}.reach(context.Background(), 10)
			if err != nil || len(got.answered) != 10-c.want.never || got.refused != c.want.refused || got.redialled != c.want.redialled || got.never != c.want.never {
				t.Errorf("%d answered, %+v, %v", len(got.answered), got, err)
			}
		})
	}
}
