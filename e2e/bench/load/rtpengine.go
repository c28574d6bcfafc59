package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	askAgain  = 500 * time.Millisecond // a datagram may be lost; rtpengine knows by its cookie what it has answered
	setUpIn   = 10 * time.Second
	maxAnswer = 64 << 10
)

// RTPEngine asks a relay of that name for bridges, over its ng protocol, as a SIP proxy would. One goroutine at a time uses it.
type RTPEngine struct {
	conn  net.Conn
	asked int
	calls int
}

// NewRTPEngine asks the relay at an address, which may have yet to start.
func NewRTPEngine(at netip.AddrPort) (*RTPEngine, error) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("ask rtpengine: %w", err)
	}
	return &RTPEngine{conn: conn}, nil
}

// Close ends the asking; the relay goes on.
func (r *RTPEngine) Close() { _ = r.conn.Close() }

// Ready waits until the relay answers.
func (r *RTPEngine) Ready(ctx context.Context) error {
	_, err := r.ask(ctx, map[string]string{"command": "ping"})
	return err
}

// Bridge joins the next caller of a studio, in plain RTP, with its next operator: in plain RTP too, or in SRTP whose keys are in SDP.
// That has neither ICE nor DTLS, which an operator's browser would want: what is left out is in the relay's favour.
func (r *RTPEngine) Bridge(ctx context.Context, s *Studio, secure bool) error {
	ctx, cancel := context.WithTimeout(ctx, setUpIn)
	defer cancel()
	var n int
	s.do(func() { n = len(s.ends[FromOperator]) })
	r.calls++
	to := "RTP/AVP"
	if secure {
		to = "RTP/SAVP"
	}
	offered, err := r.tell(ctx, "offer", describe(s.CallerAddr()), map[string]string{"transport-protocol": to})
	if err != nil {
		return err
	}
	answer := describe(s.OperatorAddr(n))
	var k *keys
	if secure {
		if answer, k, err = secured(answer, offered); err != nil {
			return err
		}
	}
	answered, err := r.tell(ctx, "answer", answer, map[string]string{"to-tag": "operator"})
	if err != nil {
		return err
	}
	caller, operator := mediaOf([]byte(answered)), mediaOf([]byte(offered))
	if !caller.IsValid() || !operator.IsValid() || caller.Port() == 0 || operator.Port() == 0 {
		return fmt.Errorf("rtpengine's SDP names no addresses:\n%s%s", offered, answered)
	}
	s.AddCaller(caller)
	s.do(func() { s.addOperator(operator, k, nil) })
	return nil
}

// secured makes of an operator's plain answer one in SRTP, by what was offered.
func secured(answer, offered string) (string, *keys, error) {
	server, err := sealing([]byte(offered))
	if err != nil {
		return "", nil, err
	}
	own, line, err := server.answer()
	if err != nil {
		return "", nil, err
	}
	k, err := keysOf(server, own)
	return strings.Replace(answer, "RTP/AVP", "RTP/SAVP", 1) + line, k, err
}

// tell gives the SDP of one side of the newest call to the relay, and returns what the other side is to get.
func (r *RTPEngine) tell(ctx context.Context, command, sdp string, more map[string]string) (string, error) {
	request := map[string]string{
		"command": command, "call-id": "bench-" + strconv.Itoa(r.calls), "from-tag": "caller", "sdp": sdp, "ICE": "remove", "DTLS": "off",
	}
	for key, value := range more {
		request[key] = value
	}
	reply, err := r.ask(ctx, request)
	if err != nil {
		return "", err
	}
	answer, ok := reply["sdp"].(string)
	if reply["result"] != "ok" || !ok {
		return "", fmt.Errorf("rtpengine refuses the %s: %v", command, reply)
	}
	return answer, nil
}

// ask repeats a request until it is answered.
func (r *RTPEngine) ask(ctx context.Context, request map[string]string) (map[string]any, error) {
	r.asked++
	cookie := strconv.Itoa(r.asked)
	packet, buf := []byte(cookie+" "+bencode(request)), make([]byte, maxAnswer)
	for ctx.Err() == nil {
		again := time.Now().Add(askAgain)
		if err := r.conn.SetReadDeadline(again); err != nil {
			return nil, fmt.Errorf("ask rtpengine: %w", err)
		}
		_, err := r.conn.Write(packet)
		for err == nil {
			var n int
			if n, err = r.conn.Read(buf); err != nil {
				break
			}
			if got, text, _ := strings.Cut(string(buf[:n]), " "); got == cookie { // else a second answer to what was asked before
				return unbencode(text)
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, syscall.ECONNREFUSED): // it has yet to start
			select {
			case <-time.After(time.Until(again)):
			case <-ctx.Done():
			}
		default:
			return nil, fmt.Errorf("ask rtpengine: %w", err)
		}
	}
	return nil, fmt.Errorf("rtpengine does not answer: %w", context.Cause(ctx))
}
